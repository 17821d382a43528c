"""The layout page and the list of volumes: byte tables, and every way in which bytes are wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.errors import StorageCorrupt
from storage_miner.store.page import (
    MEMBERS_BYTES_MAX,
    MEMBERS_MAX,
    PAGE_BYTES,
    PATH_BYTES_MAX,
    LayoutPage,
    Member,
    Members,
    pack_members,
    pack_page,
    unpack_members,
    unpack_page,
)

hashes = st.binary(min_size=32, max_size=32)
ids = st.binary(min_size=16, max_size=16)
pages = st.one_of(st.builds(LayoutPage, ids), st.builds(LayoutPage, ids, hashes, hashes))
lists = st.builds(
    Members,
    st.integers(0, 2**64 - 1),
    st.lists(
        st.builds(Member, ids, st.text(max_size=30), st.integers(0, 2**64 - 1)),
        min_size=1,
        max_size=MEMBERS_MAX,
    ).map(tuple),
)
PAGE = LayoutPage(b"\x07" * 16, b"\x01" * 32, b"\x02" * 32)
MEMBERS = Members(5, (Member(b"\x07" * 16, "/mnt/a"), Member(b"\x08" * 16, "/mnt/b", 99)))


@given(pages)
def test_pages_come_back(page: LayoutPage) -> None:
    assert unpack_page(pack_page(page)) == (page, True)


def test_the_byte_table_of_the_page() -> None:
    data = pack_page(PAGE)
    assert data[:PAGE_BYTES] == data[PAGE_BYTES:]
    assert data[:16] == b"CESSVOLM\x02\x01" + bytes(6)
    assert data[16:96] == b"\x07" * 16 + b"\x01" * 32 + b"\x02" * 32
    assert data[96:4064] == bytes(3968)


@pytest.mark.parametrize("position", [*range(100), *range(4000, 4200), *range(8100, 8192)])
def test_a_flipped_bit_in_a_page_is_noticed_and_read_around(position: int) -> None:
    data = bytearray(pack_page(PAGE))
    data[position] ^= 0x80
    assert unpack_page(bytes(data)) == (PAGE, False)


@pytest.mark.parametrize("position", range(PAGE_BYTES)[:: PAGE_BYTES // 100])
def test_the_same_bit_flipped_in_both_copies_is_refused(position: int) -> None:
    data = bytearray(pack_page(PAGE))
    data[position] ^= 0x80
    data[position + PAGE_BYTES] ^= 0x80
    with pytest.raises(StorageCorrupt):
        unpack_page(bytes(data))


@given(lists)
def test_lists_of_volumes_come_back(members: Members) -> None:
    assert unpack_members(pack_members(members)) == members


def test_the_byte_table_of_the_list_of_volumes() -> None:
    data = pack_members(MEMBERS)
    assert data[:24] == b"CESSMEMB\x01\x02" + bytes(6) + b"\x05" + bytes(7)
    assert data[24:56] == b"\x07" * 16 + bytes(8) + b"\x06\x00" + b"/mnt/a"
    assert data[56:88] == b"\x08" * 16 + b"\x63" + bytes(7) + b"\x06\x00" + b"/mnt/b"
    assert len(data) == 88 + 32


def test_any_flipped_bit_in_the_list_is_noticed() -> None:
    whole = pack_members(MEMBERS)
    for position in range(len(whole)):
        data = bytearray(whole)
        data[position] ^= 0x01
        with pytest.raises(StorageCorrupt):
            unpack_members(bytes(data))


def test_the_longest_list_fits_its_bound() -> None:
    members = Members(1, (Member(bytes(16), "x" * PATH_BYTES_MAX),) * MEMBERS_MAX)
    data = pack_members(members)
    assert len(data) == MEMBERS_BYTES_MAX
    assert unpack_members(data) == members
    with pytest.raises(StorageCorrupt):
        unpack_members(data + b"\0")


@given(st.binary(max_size=300))
def test_noise_is_neither(data: bytes) -> None:
    with pytest.raises(StorageCorrupt):
        unpack_members(data)
    with pytest.raises(StorageCorrupt):
        unpack_page(data)


@given(st.data())
def test_a_cut_is_noticed(draw: st.DataObject) -> None:
    data = pack_members(MEMBERS)
    with pytest.raises(StorageCorrupt):
        unpack_members(data[: draw.draw(st.integers(0, len(data) - 1))])


def test_a_path_that_is_no_utf_8_comes_back() -> None:
    strange = b"/mnt/\xff\xfe".decode("utf-8", "surrogateescape")
    members = Members(1, (Member(bytes(16), strange),))
    assert unpack_members(pack_members(members)) == members
