"""Records: the byte tables, and every way in which bytes can be wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.errors import StorageCorrupt
from primitives.types import Bytes48, FileHash, FragmentHash
from storage_miner.store.records import (
    RECORD_BYTES_MAX,
    ROWS_MAX,
    Cosignature,
    pack_commitments,
    pack_cosignature,
    unpack_commitments,
    unpack_cosignature,
)

HASH = FragmentHash(b"\x05" * 32)
points = st.binary(min_size=48, max_size=48).map(Bytes48)
cosignatures = st.builds(
    Cosignature,
    file_hash=st.binary(min_size=32, max_size=32).map(FileHash),
    segment_index=st.integers(0, 2**32 - 1),
    fragment_index=st.integers(0, 255),
    fragment_hash=st.binary(min_size=32, max_size=32).map(FragmentHash),
    signature=st.binary(min_size=1, max_size=66),
)


@given(st.lists(points, min_size=1, max_size=12).map(tuple))
def test_commitments_come_back(commitments: tuple[Bytes48, ...]) -> None:
    assert unpack_commitments(pack_commitments(HASH, commitments), HASH) == commitments


@given(cosignatures)
def test_cosignatures_come_back(item: Cosignature) -> None:
    assert unpack_cosignature(pack_cosignature(item)) == item


def test_the_byte_table_of_commitments() -> None:
    data = pack_commitments(HASH, (Bytes48(b"\x07" * 48),))
    assert data[:12] == b"CESSKZGC\x01\x00\x01\x00"
    assert data[12:44] == HASH
    assert data[44:92] == b"\x07" * 48
    assert len(data) == 92 + 32


def test_the_byte_table_of_a_cosignature() -> None:
    item = Cosignature(FileHash(b"\x01" * 32), 0x01020304, 9, HASH, b"\xee" * 65)
    data = pack_cosignature(item)
    assert data[:16] == b"CESSCOSG\x01\x09\x41\x00\x04\x03\x02\x01"
    assert data[16:80] == b"\x01" * 32 + HASH
    assert len(data) == 80 + 65 + 32


@pytest.mark.parametrize("position", range(124))
def test_any_flipped_bit_is_noticed(position: int) -> None:
    data = bytearray(pack_commitments(HASH, (Bytes48(b"\x07" * 48),)))
    data[position] ^= 0x10
    with pytest.raises(StorageCorrupt):
        unpack_commitments(bytes(data), HASH)


@given(st.data())
def test_any_cut_is_noticed(draw: st.DataObject) -> None:
    data = pack_commitments(HASH, (Bytes48(b"\x07" * 48),))
    end = draw.draw(st.integers(0, len(data) - 1))
    with pytest.raises(StorageCorrupt):
        unpack_commitments(data[:end], HASH)


def test_commitments_of_another_fragment_are_refused() -> None:
    data = pack_commitments(HASH, (Bytes48(b"\x07" * 48),))
    with pytest.raises(StorageCorrupt, match="another fragment"):
        unpack_commitments(data, FragmentHash(bytes(32)))


def test_a_record_is_not_taken_for_the_other_kind() -> None:
    with pytest.raises(StorageCorrupt):
        unpack_cosignature(pack_commitments(HASH, (Bytes48(b"\x07" * 48),)))


def test_the_largest_record_fits_its_bound() -> None:
    data = pack_commitments(HASH, (Bytes48(b"\x07" * 48),) * ROWS_MAX)
    assert len(data) == RECORD_BYTES_MAX
    assert len(unpack_commitments(data, HASH)) == ROWS_MAX
    with pytest.raises(StorageCorrupt):
        unpack_commitments(data + b"\0", HASH)


@given(st.binary(max_size=200))
def test_noise_is_never_a_record(data: bytes) -> None:
    with pytest.raises(StorageCorrupt):
        unpack_cosignature(data)
    with pytest.raises(StorageCorrupt):
        unpack_commitments(data, HASH)
