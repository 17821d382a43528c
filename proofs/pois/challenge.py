"""What a miner's plots are and which of them a round asks, derived from chain facts in integers.

A miner's plots are a queue: plot i exists for front ≤ i < rear. Plots are appended at the rear when
space is certified and retired at the front when service data takes their place. A plot's seed binds
the chain, the miner, the index and k, so nobody else's plot fits; a draw's challenge binds the
round's seed.
"""

from dataclasses import dataclass

from ..transcript import WORD_BITS, below, tagged_hash, words
from .params import answer_rate

PLOT_TAG = b"cess/pois/plot/v1"
DRAW_TAG = b"cess/pois/draw/v1"
CHALLENGE_TAG = b"cess/pois/challenge/v1"
DRAWS_MAX = 1024


@dataclass(frozen=True, slots=True)
class IdleDraw:
    """Draw `t` asks plot `index` with a 32-byte `challenge`."""

    t: int
    index: int
    challenge: bytes


def plot_seed(genesis: bytes, miner: bytes, index: int, k: int) -> bytes:
    """The 32-byte identity of a plot. Units: `index` is a u64. Raises: ValueError for a bad k."""
    answer_rate(k)  # refuses a k that has no plots
    return tagged_hash(PLOT_TAG, genesis, miner, index.to_bytes(8, "little"), bytes([k]))


def idle_draws(seed: bytes, front: int, rear: int, count: int) -> tuple[IdleDraw, ...]:
    """`count` draws, with replacement, over the plots front..rear-1; none when there is no plot.

    Bounds: `count` ≤ DRAWS_MAX.
    Raises: ValueError above it, or for a queue that ends before it begins.
    """
    if not 0 <= count <= DRAWS_MAX:
        raise ValueError(f"{count} draws are outside 0..{DRAWS_MAX}")
    if not 0 <= front <= rear:
        raise ValueError(f"the queue {front}..{rear} ends before it begins")
    if front == rear:
        return ()
    stream = words(DRAW_TAG, seed, WORD_BITS // 8)
    draws = []
    for t in range(count):
        index = front + below(rear - front, stream)
        challenge = tagged_hash(
            CHALLENGE_TAG, seed, t.to_bytes(4, "little"), index.to_bytes(8, "little")
        )
        draws.append(IdleDraw(t, index, challenge))
    return tuple(draws)
