"""Domain-separated BLAKE2b: every challenge, coefficient and draw of `proofs` comes from here.

`framed(tag, parts)` is injective: the tag and each part are preceded by their length. Numbers are
unbiased (rejection sampling). Everything is integers, so each node computes the same.
Bounds: tags ≤ 255 bytes, parts < 2^32 bytes, populations ≤ POPULATION_MAX.
"""

import hashlib
import itertools
from collections.abc import Iterator

POPULATION_MAX = 2**48
WORD_BITS = 64
BLOCK_BYTES = 64
COUNTER_BYTES = 8


def framed(tag: bytes, *parts: bytes) -> bytes:
    """u8 len(tag) ‖ tag ‖ for each part: u32 LE length ‖ part."""
    pieces = [len(tag).to_bytes(1, "little"), tag]
    for part in parts:
        pieces.append(len(part).to_bytes(4, "little"))
        pieces.append(bytes(part))
    return b"".join(pieces)


def tagged_hash(tag: bytes, *parts: bytes) -> bytes:
    """BLAKE2b-256 of the framed parts."""
    return hashlib.blake2b(framed(tag, *parts), digest_size=32).digest()


def wide_hash(tag: bytes, *parts: bytes) -> bytes:
    """BLAKE2b-512 of the framed parts; reduces modulo a 255-bit prime without visible bias."""
    return hashlib.blake2b(framed(tag, *parts), digest_size=64).digest()


def words(tag: bytes, seed: bytes, word_bytes: int) -> Iterator[int]:
    """An endless stream of little-endian words: BLAKE2b-512(tag, seed, counter), cut up.

    `word_bytes` divides 64.
    """
    for block in _blocks(tag, seed):
        for start in range(0, BLOCK_BYTES, word_bytes):
            yield int.from_bytes(block[start : start + word_bytes], "little")


def _blocks(tag: bytes, seed: bytes) -> Iterator[bytes]:
    """`wide_hash(tag, seed, counter)` for each counter of 8 bytes."""
    before = framed(tag, seed, bytes(COUNTER_BYTES))[:-COUNTER_BYTES]
    for counter in itertools.count():
        yield hashlib.blake2b(before + counter.to_bytes(COUNTER_BYTES, "little")).digest()


def below(population: int, stream: Iterator[int]) -> int:
    """A uniform number in 0..population-1 from a stream of 64-bit words.

    A word in the last, incomplete run of `population` values is thrown away: chance below 2^-16.
    """
    limit = (1 << WORD_BITS) - (1 << WORD_BITS) % population
    while True:
        word = next(stream)
        if word < limit:
            return word % population


def sample_distinct(tag: bytes, seed: bytes, population: int, count: int) -> tuple[int, ...]:
    """`min(count, population)` different numbers below `population`, every order equally likely.

    A partial Fisher-Yates shuffle that stores only the cells it has touched.
    Cost: `count` dictionary entries, whatever the population. Raises: ValueError out of bounds.
    """
    if not 0 <= population <= POPULATION_MAX or count < 0:
        raise ValueError(f"cannot draw {count} of {population}: bounds are 0..{POPULATION_MAX}")
    stream = words(tag, seed, WORD_BITS // 8)
    moved: dict[int, int] = {}
    drawn = []
    for first in range(min(count, population)):
        other = first + below(population - first, stream)
        drawn.append(moved.get(other, other))
        moved[other] = moved.pop(first, first)
    return tuple(drawn)
