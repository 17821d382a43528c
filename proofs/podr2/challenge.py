"""What a round asks of a miner, derived from a seed: positions, coefficients and the point z.

Pure integers; the same on every node. Each value has its own tag, so none predicts another. The
seed binds the genesis block, the block that issued the challenge, its randomness, the miner and the
round: a proof fits one round of one miner on one chain.
"""

from collections.abc import Sequence
from itertools import islice

from ..transcript import sample_distinct, tagged_hash, wide_hash, words
from .params import SCALAR_MODULUS

ROUND_TAG = b"cess/podr2/round/v1"
POSITION_TAG = b"cess/podr2/position/v1"
COEFFICIENT_TAG = b"cess/podr2/coefficient/v1"
POINT_TAG = b"cess/podr2/point/v1"
TRANSFER_TAG = b"cess/podr2/transfer/v1"

COEFFICIENT_BYTES = 16


def round_seed(
    genesis: bytes,
    block_number: int,
    randomness: bytes,
    miner: bytes,
    round: int,  # noqa: A002
) -> bytes:
    """The 32-byte seed of one round. Units: `block_number` and `round` are u32 and u64."""
    return tagged_hash(
        ROUND_TAG,
        genesis,
        block_number.to_bytes(8, "little"),
        randomness,
        miner,
        round.to_bytes(8, "little"),
    )


def sample_positions(seed: bytes, population: int, count: int) -> tuple[int, ...]:
    """`min(count, population)` different positions below `population`, in the order of the draw.

    Raises: ValueError for a population above `transcript.POPULATION_MAX`.
    """
    return sample_distinct(POSITION_TAG, seed, population, count)


def coefficients(seed: bytes, count: int) -> tuple[int, ...]:
    """`count` uniform 128-bit numbers; the i-th belongs to the i-th sampled position."""
    return tuple(islice(words(COEFFICIENT_TAG, seed, COEFFICIENT_BYTES), count))


def evaluation_point(seed: bytes) -> int:
    """The point z, uniform in the field (statistical distance below 2^-256)."""
    return int.from_bytes(wide_hash(POINT_TAG, seed), "little") % SCALAR_MODULUS


def transfer_seed(nonce: bytes, fragment_hash: bytes, commitments: Sequence[bytes]) -> bytes:
    """The seed of a transfer opening: fixed only after the holder fixed its commitments."""
    return tagged_hash(TRANSFER_TAG, nonce, fragment_hash, b"".join(commitments))
