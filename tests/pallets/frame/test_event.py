"""Events: declaration, log, and the stored form."""

import pytest

from pallets.frame import DictState, Pallet, event
from pallets.frame.context import FINALIZATION
from pallets.frame.event import event_index
from pallets.frame.runtime import EventRecord
from primitives.errors import DecodeError
from primitives.scale import U32
from tests.pallets.frame.guest_book import ALICE, GuestBook, Small


def test_events_are_listed_by_index() -> None:
    assert GuestBook.event_types == (GuestBook.Signed, GuestBook.Closed)
    assert event_index(GuestBook.Closed) == 3
    assert event_index(GuestBook) is None


def test_a_record_is_phase_pallet_variant_fields_and_no_topics() -> None:
    runtime = Small(DictState({}))
    runtime.context.begin_extrinsic(2)
    runtime.guest_book.deposit_event(GuestBook.Signed(who=ALICE, count=U32(1)))
    assert runtime.overlay.events == [
        bytes.fromhex("00 02000000 07 00") + ALICE + bytes.fromhex("01000000 00")
    ]


def test_records_are_read_back_from_the_stored_log() -> None:
    runtime = Small(DictState({}))
    runtime.guest_book.deposit_event(GuestBook.Closed())
    runtime.context.begin_extrinsic(0)
    runtime.guest_book.deposit_event(GuestBook.Signed(who=ALICE, count=U32(1)))
    runtime.context.phase = FINALIZATION
    runtime.guest_book.deposit_event(GuestBook.Closed())
    raw = bytes((3 << 2,)) + b"".join(runtime.overlay.events)
    expected = [
        EventRecord(None, "GuestBook", GuestBook.Closed()),
        EventRecord(0, "GuestBook", GuestBook.Signed(who=ALICE, count=U32(1))),
        EventRecord(None, "GuestBook", GuestBook.Closed()),
    ]
    assert Small.decode_events(raw) == expected
    assert runtime.event_records() == expected


@pytest.mark.parametrize(
    "raw",
    ["", "04", "04 02 07", "04 02 0763 00", "04 02 0703 04", "04 02 0703", "04 02 0703 00 00"],
)
def test_a_damaged_log_does_not_decode(raw: str) -> None:
    with pytest.raises(DecodeError):
        Small.decode_events(bytes.fromhex(raw))


def test_an_index_is_used_once_and_one_byte() -> None:
    with pytest.raises(AssertionError, match="twice"):

        class Twice(Pallet):
            @event(index=1)
            class One:
                """One."""

            @event(index=1)
            class Two:
                """Two."""

    with pytest.raises(AssertionError, match="one byte"):
        event(index=-1)
