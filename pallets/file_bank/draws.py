"""Drawing holders: a shuffle of the miners that is never written down.

Pure integers, the same on every node. Memory and work are bounded by the number of draws.
"""

from collections.abc import Iterator

from primitives.hashing import blake2_256

__all__ = ["shuffled_indexes"]

DRAW_TAG = b"cess/holder-index/v1"
WORD_BYTES = 16


def shuffled_indexes(seed: bytes, population: int, limit: int) -> Iterator[int]:
    """The first ``limit`` indexes of a random permutation of ``0..population``, all different.

    A virtual Fisher-Yates shuffle: only the places that were swapped are remembered. The bias of a
    16-byte word reduced by a population below 2^32 is below 2^-96.
    """
    moved: dict[int, int] = {}
    for step in range(min(limit, population)):
        word = blake2_256(DRAW_TAG + seed + step.to_bytes(4, "little"))[:WORD_BYTES]
        chosen = step + int.from_bytes(word, "little") % (population - step)
        yield moved.get(chosen, chosen)
        moved[chosen] = moved.get(step, step)
