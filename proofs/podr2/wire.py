"""Wire types of the service proof, and the message that a sender co-signs.

`ServiceProof` goes on chain in `Audit.submit_service_proof`; `Opening` goes from holder to sender.
Both are 80 bytes.
"""

from collections.abc import Sequence

from primitives.scale import FixedBytes, struct
from primitives.types import Bytes48

from ..transcript import tagged_hash

COSIGN_TAG = b"cess/podr2/cosign/v1"


class ScalarBytes(FixedBytes, length=32):
    """A field element, 32 bytes big-endian, below the field's order."""


@struct
class ServiceProof:
    """The answer to one round: the combined polynomial's value at z, and its KZG proof."""

    y: ScalarBytes
    proof: Bytes48


@struct
class Opening:
    """The answer to a sender's nonce: proves that commitments belong to the fragment's bytes."""

    y: ScalarBytes
    proof: Bytes48


def cosign_message(
    genesis: bytes,
    deal_hash: bytes,
    segment_index: int,
    fragment_index: int,
    miner: bytes,
    fragment_hash: bytes,
    commitments: Sequence[bytes],
) -> bytes:
    """The 32 bytes that the sender signs after `check_transfer`.

    Bound to chain, deal, place, holder, fragment and every commitment, so that a signature serves
    one report. Units: `segment_index` is a u32, `fragment_index` a u8.
    """
    return tagged_hash(
        COSIGN_TAG,
        genesis,
        deal_hash,
        segment_index.to_bytes(4, "little"),
        fragment_index.to_bytes(1, "little"),
        miner,
        fragment_hash,
        b"".join(commitments),
    )
