"""Hashers end with the key."""

import pytest

from pallets.frame.hasher import Blake2_128Concat, Hasher, Identity, Twox64Concat


@pytest.mark.parametrize(
    ("hasher", "skip", "code"),
    [(Blake2_128Concat, 16, 2), (Twox64Concat, 8, 5), (Identity, 0, 6)],
)
def test_the_key_follows_what_is_skipped(hasher: Hasher, skip: int, code: int) -> None:
    assert hasher.apply(b"key")[skip:] == b"key"
    assert (hasher.skip, hasher.code) == (skip, code)
