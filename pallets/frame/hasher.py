"""Hashers of storage maps: how a key becomes part of a storage key.

Use ``Blake2_128Concat`` where users choose keys, ``Twox64Concat`` where nobody can (block numbers,
dense indexes) and ``Identity`` where keys are hashes already. All three end with the key itself, so
that a map can be listed.
"""

from collections.abc import Callable
from dataclasses import dataclass

from primitives.hashing import blake2_128_concat, identity, twox_64_concat

__all__ = ["Blake2_128Concat", "Hasher", "Identity", "Twox64Concat"]


@dataclass(frozen=True, slots=True)
class Hasher:
    """A storage hasher: ``code`` is its number in metadata, ``skip`` the bytes before the key."""

    name: str
    code: int
    skip: int
    apply: Callable[[bytes], bytes]


Blake2_128Concat = Hasher("Blake2_128Concat", 2, 16, blake2_128_concat)
Twox64Concat = Hasher("Twox64Concat", 5, 8, twox_64_concat)
Identity = Hasher("Identity", 6, 0, identity)
