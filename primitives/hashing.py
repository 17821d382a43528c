"""The hashes of the chain: BLAKE2b, xxHash64 (for keys that nobody can choose) and SHA-256.

Substrate's names. ``twox_*`` are fast and offer no resistance to crafted input.
"""

import hashlib
from hashlib import blake2b
from typing import Final

from xxhash import xxh64_intdigest

from .types import Hash

__all__ = [
    "blake2_128",
    "blake2_128_concat",
    "blake2_256",
    "blake2_512",
    "identity",
    "sha2_256",
    "twox_64",
    "twox_64_concat",
    "twox_128",
    "twox_256",
]

_LITTLE: Final = "little"


def blake2_128(data: bytes) -> bytes:
    """BLAKE2b with 16 bytes of output."""
    return blake2b(data, digest_size=16).digest()


def blake2_256(data: bytes) -> Hash:
    """BLAKE2b with 32 bytes of output: the chain's own hash."""
    return Hash(blake2b(data, digest_size=32).digest())


def blake2_512(data: bytes) -> bytes:
    """BLAKE2b with 64 bytes of output."""
    return blake2b(data).digest()


def sha2_256(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def twox_64(data: bytes) -> bytes:
    """XxHash64 with seed 0, little-endian."""
    return xxh64_intdigest(data, 0).to_bytes(8, _LITTLE)


def twox_128(data: bytes) -> bytes:
    """XxHash64 with the seeds 0 and 1, each little-endian."""
    return (xxh64_intdigest(data, 1) << 64 | xxh64_intdigest(data, 0)).to_bytes(16, _LITTLE)


def twox_256(data: bytes) -> bytes:
    """XxHash64 with the seeds 0 to 3, each little-endian."""
    return b"".join(xxh64_intdigest(data, seed).to_bytes(8, _LITTLE) for seed in range(4))


def blake2_128_concat(data: bytes) -> bytes:
    """``blake2_128`` and the data itself, so that keys of a map can be listed."""
    return blake2b(data, digest_size=16).digest() + data


def twox_64_concat(data: bytes) -> bytes:
    """``twox_64`` and the data itself."""
    return xxh64_intdigest(data, 0).to_bytes(8, _LITTLE) + data


def identity(data: bytes) -> bytes:
    """The data itself, for keys that are hashes already."""
    return data
