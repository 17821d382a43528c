"""Writing content from stored bytes in whatever pieces they come."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.transfer.unsealing import Unsealing
from client.vault.envelope import (
    CHUNK_BYTES,
    ENVELOPE_HEAD_BYTES,
    MAGIC,
    TAG_BYTES,
    ChunkDamaged,
    EnvelopeTruncated,
    Sealer,
    WrongKey,
)
from client.vault.keys import VaultKey

KEY = VaultKey(bytes(range(32)))


def sealed(plain: bytes, padding: int = 100) -> bytes:
    sealer = Sealer(KEY, name="n", size=len(plain), content_bytes=max(len(plain), 1) + padding)
    return b"".join(sealer.seal(io.BytesIO(plain)))


def written(stored: bytes, pieces: int, key: VaultKey | None = KEY, size: int = -1) -> bytes:
    out = io.BytesIO()
    unsealing = Unsealing(key, len(stored) if size < 0 else size)
    for at in range(0, len(stored), pieces):
        unsealing.feed(stored[at : at + pieces], out)
    unsealing.finish(out)
    return out.getvalue()


@settings(max_examples=40, deadline=None)
@given(length=st.integers(0, 200_000), pieces=st.integers(500, 150_000), pad=st.integers(0, 70_000))
def test_a_sealed_file_comes_out_in_any_pieces(length: int, pieces: int, pad: int) -> None:
    plain = bytes(length)
    assert written(sealed(plain, pad), pieces) == plain


open_files = st.binary(min_size=1, max_size=5000).filter(lambda data: not data.startswith(MAGIC))


@given(stored=open_files, pieces=st.integers(1, 5000))
def test_an_open_file_comes_out_as_it_is(stored: bytes, pieces: int) -> None:
    assert written(stored, pieces, key=None) == stored


def test_a_sealed_file_needs_its_key() -> None:
    with pytest.raises(WrongKey, match="--suri"):
        written(sealed(b"secret"), 400, key=None)


def test_missing_and_surplus_bytes_are_refused() -> None:
    stored = sealed(bytes(100_000))
    with pytest.raises(EnvelopeTruncated):
        written(stored[:-1], 9999, size=len(stored))
    with pytest.raises((EnvelopeTruncated, ChunkDamaged)):
        written(stored + b"x", 9999, size=len(stored) + 1)
    with pytest.raises(EnvelopeTruncated):
        written(b"public", 10, size=7)


def test_an_envelope_without_its_padding_is_refused() -> None:
    """Every byte of the file is there; still it is not the envelope that was stored."""
    stored = sealed(b"short", padding=4 * CHUNK_BYTES)
    cut = stored[: ENVELOPE_HEAD_BYTES + 2 * (CHUNK_BYTES + TAG_BYTES)]
    with pytest.raises(EnvelopeTruncated):
        written(cut, 9999)
