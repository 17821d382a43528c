"""Hashes against known answers."""

import pytest

from primitives import hashing
from primitives.types import Hash

# Prefixes of System.Account as every Substrate chain has them, and the empty input of xxHash64
# with seed 0 (xxHash's own test, 0xEF46DB3751D8E999).
TWOX = [
    (hashing.twox_64, b"", "99e9d85137db46ef"),
    (hashing.twox_128, b"System", "26aa394eea5630e07c48ae0c9558cef7"),
    (hashing.twox_128, b"Account", "b99d880ec681799c0cf30e8886371da9"),
]

# RFC 7693, appendix A; the others are from the reference implementation's test of the empty input.
BLAKE2 = [
    (
        hashing.blake2_512,
        b"abc",
        (
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
            "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"
        ),
    ),
    (
        hashing.blake2_256,
        b"",
        "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8",
    ),
    (hashing.blake2_128, b"", "cae66941d9efbd404e4d88758ea67670"),
]

# FIPS 180-2, appendix B.1.
SHA2 = [
    (
        hashing.sha2_256,
        b"abc",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    )
]


@pytest.mark.parametrize(("function", "data", "digest"), [*TWOX, *BLAKE2, *SHA2])
def test_hashes_are_the_published_ones(function: object, data: bytes, digest: str) -> None:
    assert callable(function)
    assert function(data).hex() == digest


def test_the_chain_hash_is_a_hash() -> None:
    assert type(hashing.blake2_256(b"a")) is Hash
    assert type(hashing.twox_128(b"a")) is bytes


def test_longer_twox_hashes_begin_with_the_shorter_ones() -> None:
    data = b"some longer input of more than thirty-two bytes"
    assert hashing.twox_128(data)[:8] == hashing.twox_64(data)
    assert hashing.twox_256(data)[:16] == hashing.twox_128(data)


def test_concat_hashers_end_with_the_key() -> None:
    key = b"key"
    assert hashing.twox_64_concat(key) == hashing.twox_64(key) + key
    assert hashing.blake2_128_concat(key) == hashing.blake2_128(key) + key
    assert hashing.identity(key) == key


def test_storage_keys_are_those_of_substrate() -> None:
    # Known from any Substrate node: System.Number.
    key = hashing.twox_128(b"System") + hashing.twox_128(b"Number")
    assert key.hex() == "26aa394eea5630e07c48ae0c9558cef702a5c1b19ab7a04f536c519aca4983ac"
