"""Two blocks of one author in one slot are noticed, once, within bounds."""

from node.consensus.equivocations import (
    HEADERS_MAX,
    SIBLINGS_MAX,
    SLOTS_MAX,
    EquivocationWatch,
    SiblingLimit,
)
from primitives.digest import Digest
from primitives.header import Header
from primitives.types import BlockNumber, Hash

ALICE, BOB = bytes(32), bytes([1]) * 32


def header(mark: int) -> Header:
    root = Hash(mark.to_bytes(32, "big"))
    return Header(
        parent_hash=root,
        number=BlockNumber(1),
        state_root=root,
        extrinsics_root=root,
        digest=Digest(),
    )


def test_only_a_different_header_of_the_same_author_and_slot_is_one() -> None:
    watch = EquivocationWatch()
    assert watch.note(7, ALICE, header(1)) is None
    assert watch.note(7, ALICE, header(1)) is None
    assert watch.note(8, ALICE, header(2)) is None
    assert watch.note(7, BOB, header(2)) is None
    found = watch.note(7, ALICE, header(2))
    assert found is not None
    assert (found.author, found.slot) == (ALICE, 7)
    assert (found.first, found.second) == (header(1), header(2))
    assert watch.note(7, ALICE, header(3)) is None  # it was told of


def test_old_slots_cannot_fill_the_memory() -> None:
    watch = EquivocationWatch()
    for slot in range(10_000, 10_000 + HEADERS_MAX + 50):
        watch.note(slot, ALICE, header(slot))
    assert len(watch) == HEADERS_MAX
    newest = 10_000 + HEADERS_MAX + 49
    assert watch.note(newest - SLOTS_MAX, ALICE, header(1)) is None
    assert watch.note(newest - SLOTS_MAX + 1, ALICE, header(1)) is not None


def test_authors_of_many_slots_cannot_fill_the_memory_of_siblings() -> None:
    limit = SiblingLimit()
    for slot in range(2 * HEADERS_MAX):
        for mark in range(2 * SIBLINGS_MAX):
            taken = limit.takes(slot, b"author", Hash(bytes([mark]) * 32))
            assert taken == (mark < SIBLINGS_MAX)
            assert limit.takes(slot, b"author", Hash(bytes(32)))  # again, as often as it comes
    assert len(limit) == HEADERS_MAX
