"""Keys, defaults, counters and listings of storage items."""

import pytest

from pallets.frame import (
    DictState,
    FrameRuntime,
    Pallet,
    StorageDoubleMap,
    StorageMap,
    StorageTripleMap,
    Twox64Concat,
    pallet,
)
from pallets.frame.storage import pascal_case
from primitives.errors import DecodeError
from primitives.hashing import blake2_128_concat, twox_64_concat, twox_128
from primitives.scale import U8, U32, encode
from primitives.types import AccountId, BlockNumber
from tests.pallets.frame.guest_book import ALICE, BOB, GuestBook, Note, Small


def book() -> GuestBook:
    return Small(DictState({})).guest_book


def test_a_key_is_pallet_item_and_hashed_keys() -> None:
    prefix = twox_128(b"GuestBook") + twox_128(b"Entries")
    assert GuestBook.entries.key(ALICE) == prefix + blake2_128_concat(ALICE)
    number = (5).to_bytes(4, "little")
    assert GuestBook.pages.key(BlockNumber(5), U8(3)) == (
        twox_128(b"GuestBook") + twox_128(b"Pages") + twox_64_concat(number) + b"\x03"
    )
    assert GuestBook.pages.key(BlockNumber(5), U8(3)).startswith(
        GuestBook.pages.prefix_key(BlockNumber(5))
    )


def test_names_on_the_wire_are_pascal_case_unless_given() -> None:
    assert pascal_case("deal_map") == "DealMap"
    assert GuestBook.entries.name == "Entries"
    assert GuestBook.count.name == "EntryCount"
    assert GuestBook.count.key() == twox_128(b"GuestBook") + twox_128(b"EntryCount")


def test_keys_are_decoded_from_raw_keys_and_nothing_else() -> None:
    raw = GuestBook.pages.key(BlockNumber(5), U8(3))
    assert GuestBook.pages.decode_key(raw) == (5, 3)
    with pytest.raises(DecodeError, match="not a key"):
        GuestBook.entries.decode_key(raw)
    with pytest.raises(DecodeError, match="too long"):
        GuestBook.pages.decode_key(raw + b"x")
    with pytest.raises(DecodeError):
        GuestBook.pages.decode_key(raw[:-1])


def test_raw_values_are_decoded_and_absent_ones_are_the_default() -> None:
    assert GuestBook.count.decode_value(encode(U32, U32(5))) == 5
    assert GuestBook.count.decode_value(None) == 0
    assert GuestBook.last.decode_value(None) is None


def test_the_number_of_keys_is_checked() -> None:
    with pytest.raises(AssertionError):
        GuestBook.pages.key(BlockNumber(5))
    with pytest.raises(AssertionError):
        GuestBook.count.prefix_key(1)


def test_a_value_has_a_default_or_none() -> None:
    made = book()
    assert made.count.get() == 0
    assert made.last.get() is None
    assert not made.last.exists()
    made.last.put(ALICE)
    assert made.last.exists()
    assert made.last.take() == ALICE
    assert made.last.get() is None
    assert made.count.mutate(lambda count: U32(count + 2)) == 2
    made.count.kill()
    assert made.count.get() == 0


def test_a_map_reads_what_it_wrote() -> None:
    made = book()
    assert made.entries.get(ALICE) is None
    assert ALICE not in made.entries
    with pytest.raises(KeyError, match=r"GuestBook\.Entries"):
        made.entries[ALICE]
    made.entries[ALICE] = Note(b"hello")
    assert ALICE in made.entries
    assert made.entries[ALICE] == Note(b"hello")
    assert made.entries.mutate(ALICE, lambda note: Note((note or b"") + b"!")) == b"hello!"
    made.overlay.forget_decoded()
    assert type(made.entries[ALICE]) is Note
    assert made.entries.take(ALICE) == b"hello!"
    assert ALICE not in made.entries


def test_a_counted_map_counts_keys_and_not_writes() -> None:
    made = book()
    for note in (b"a", b"b"):
        made.entries[ALICE] = Note(note)
    made.entries[BOB] = Note(b"c")
    assert made.entries.count() == 2
    del made.entries[ALICE]
    del made.entries[ALICE]
    assert made.entries.count() == 1
    names = [entry.name for entry in GuestBook.storage_entries]
    assert "CounterForEntries" in names


def test_the_counter_follows_an_undone_layer() -> None:
    made = book()
    made.overlay.begin()
    made.entries[ALICE] = Note(b"a")
    made.overlay.rollback()
    assert made.entries.count() == 0


def test_listings_are_limited() -> None:
    made = book()
    for who in (ALICE, BOB):
        made.entries[who] = Note(b"x")
    assert len(made.entries.keys(limit=1)) == 1
    assert dict(made.entries.items(limit=9)) == {ALICE: b"x", BOB: b"x"}
    assert made.entries.clear(limit=1) == 1
    assert made.entries.count() == 1


def test_a_double_map_lists_under_its_first_key() -> None:
    made = book()
    one, two = BlockNumber(1), BlockNumber(2)
    assert made.pages[one, U8(1)] == b""
    for first, second in ((one, 1), (one, 2), (two, 1)):
        made.pages[first, U8(second)] = Note(bytes((second,)))
    assert sorted(made.pages.prefix_keys(one, limit=9)) == [1, 2]
    assert sorted(made.pages.prefix(one, limit=9)) == [(1, b"\x01"), (2, b"\x02")]
    assert len(made.pages.items(limit=2)) == 2
    assert (two, U8(1)) in made.pages
    del made.pages[two, U8(1)]
    assert (two, U8(1)) not in made.pages
    assert made.pages.get(one, U8(2)) == b"\x02"
    assert made.pages.take(one, U8(2)) == b"\x02"
    assert made.pages.clear_prefix(one, limit=9) == 1
    assert made.pages.keys(limit=9) == []


def test_a_part_of_a_value_is_taken_from_its_bytes() -> None:
    made = book()
    one = BlockNumber(1)

    def bytes_from(raw: bytes, start: int) -> bytes:
        return raw[start:]

    assert made.pages.get_part(one, U8(1), 1, bytes_from) is None, "no default has bytes"
    made.pages[one, U8(1)] = Note(b"abc")
    assert made.pages.get_part(one, U8(1), 1, bytes_from) == b"abc"
    assert made.pages.get_part(one, U8(1), 2, bytes_from) == b"bc"
    made.pages[one, U8(1)] = Note(b"xyz")
    assert made.pages.get_part(one, U8(1), 2, bytes_from) == b"yz"


def test_a_pair_of_keys_that_holds_nothing_is_a_key_error_without_a_default() -> None:
    class Pairs(Pallet):
        held = StorageDoubleMap(U8, U8, U32)
        plain = StorageMap(U8, U32)

    class OnlyPairs(FrameRuntime):
        pairs: Pairs = pallet(index=0)

    pairs = OnlyPairs(DictState({})).pairs
    with pytest.raises(KeyError, match=r"Pairs\.Held"):
        pairs.held[U8(1), U8(2)]
    with pytest.raises(AssertionError, match="not declared `counted=True`"):
        pairs.plain.count()


def test_a_value_of_another_class_is_read_back_as_declared() -> None:
    made = book()
    made.count.put(5)  # type: ignore[arg-type]
    assert type(made.count.get()) is U32


def test_a_triple_map_reads_lists_and_clears_under_its_first_key() -> None:
    class Shelf(Pallet):
        places = StorageTripleMap(
            (U32, AccountId, U8), U8, hashers=(Twox64Concat, Twox64Concat, Twox64Concat)
        )

    class Shelves(FrameRuntime):
        shelf: Shelf = pallet(index=0)

    made = Shelves(DictState({})).shelf.places
    assert made.get(U32(1), ALICE, U8(0)) is None
    assert (U32(1), ALICE, U8(0)) not in made
    for row, column in ((1, 0), (1, 1), (2, 0)):
        made[U32(row), ALICE, U8(column)] = U8(10 * row + column)
    raw = Shelf.places.key(U32(1), ALICE, U8(1))
    assert raw == (
        twox_128(b"Shelf")
        + twox_128(b"Places")
        + twox_64_concat((1).to_bytes(4, "little"))
        + twox_64_concat(ALICE)
        + twox_64_concat(b"\x01")
    )
    assert Shelf.places.decode_key(raw) == (1, ALICE, 1)
    assert made.get(U32(1), ALICE, U8(1)) == 11
    assert (U32(2), ALICE, U8(0)) in made
    assert sorted(value for _, value in made.items(limit=9)) == [10, 11, 20]
    assert made.clear_prefix(U32(1), limit=1) == 1
    assert made.clear_prefix(U32(1), limit=9) == 1
    assert made.items(limit=9) == [((2, ALICE, 0), 20)]
    del made[U32(2), ALICE, U8(0)]
    assert made.items(limit=9) == []
