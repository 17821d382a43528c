"""The chain in memory that tests of pallets use."""

import pytest

from pallets.frame import BadOrigin, Origin
from pallets.frame.testing import GENESIS_HASH, ext
from tests.pallets.frame.guest_book import ALICE, BOB, GuestBook, Note, Small


def test_blocks_go_by_with_their_hooks() -> None:
    world = ext(Small)
    assert world.block == 1
    world.run_to_block(5)
    assert world.block == 5
    assert [number for number, _ in sorted(world.runtime.guest_book.pages.keys(limit=9))] == [
        *range(1, 6)
    ]
    assert world.runtime.guest_book.genesis_hash() == GENESIS_HASH


def test_calls_go_through_their_wire_form() -> None:
    world = ext(Small, guest_book=GuestBook.Genesis(entries=((BOB, Note(b"b")),)))
    world.call("GuestBook", "sign", Origin.signed(ALICE), note=Note(b"a"))
    assert world.events() == [
        GuestBook.Signed(who=ALICE, count=world.runtime.guest_book.count.get())
    ]
    assert world.runtime.guest_book.count.get() == 2
    world.clear_events()
    assert world.events() == []
    assert GuestBook.entries.key(ALICE) in world.changes()


def test_a_trace_is_noticed() -> None:
    world = ext(Small)
    for note in (b"1", b"2", b"3"):
        world.runtime.guest_book.entries[ALICE] = Note(note)
    with world.no_trace(), pytest.raises(BadOrigin):
        world.call("GuestBook", "sign", Origin.root(), note=Note(b"a"))

    def change() -> None:
        with world.no_trace():
            world.runtime.guest_book.last.put(ALICE)

    with pytest.raises(AssertionError, match="state changed"):
        change()

    def log() -> None:
        with world.no_trace():
            world.runtime.guest_book.deposit_event(GuestBook.Closed())

    with pytest.raises(AssertionError, match="event"):
        log()
