"""Composition and dispatch."""

import pytest

from pallets.frame import DictState, FrameRuntime, Origin, Pallet, PostInfo, Weight, pallet
from pallets.frame.error import DispatchArithmetic, DispatchModule
from primitives.scale import U32
from tests.pallets.frame.guest_book import ALICE, BOB, GuestBook, Note, Small


def made(name: str, **arguments: object):
    return Small.calls().make("GuestBook", name, **arguments)


def test_a_failed_call_leaves_no_trace() -> None:
    runtime = Small(DictState({}))
    alice = Origin.signed(ALICE)
    runtime.dispatch(made("sign", note=Note(b"a")), alice)
    before, events = runtime.overlay.changes(), list(runtime.overlay.events)
    with pytest.raises(GuestBook.AlreadySigned):
        runtime.dispatch(made("sign", note=Note(b"b")), alice)
    assert runtime.overlay.changes() == before
    assert runtime.overlay.events == events
    with pytest.raises(RuntimeError):
        runtime.dispatch(made("crash"), alice)
    assert runtime.overlay.changes() == before


def test_try_dispatch_reports_expected_failures_and_lets_others_through() -> None:
    runtime = Small(DictState({}))
    alice = Origin.signed(ALICE)
    assert runtime.try_dispatch(made("sign", note=Note(b"a")), alice).error is None
    assert isinstance(
        runtime.try_dispatch(made("sign", note=Note(b"a")), alice).error, DispatchModule
    )
    failed = runtime.try_dispatch(made("divide", count=U32(0)), alice)
    assert isinstance(failed.error, DispatchArithmetic)
    with pytest.raises(RuntimeError):
        runtime.try_dispatch(made("crash"), alice)


def test_post_info_is_nothing_a_weight_or_itself() -> None:
    runtime = Small(DictState({}))
    alice = Origin.signed(ALICE)
    note = made("sign", note=Note(b"a"))
    assert runtime.dispatch(made("divide", count=U32(4)), alice) == PostInfo(Weight(ref_time=2000))
    assert runtime.dispatch(made("both", first=note, rest=()), alice) == PostInfo(pays_fee=False)
    assert runtime.dispatch(note, Origin.signed(BOB)) == PostInfo()


def test_an_inner_failure_that_is_caught_undoes_the_inner_call_only() -> None:
    runtime = Small(DictState({}))
    note = made("sign", note=Note(b"a"))
    runtime.dispatch(made("both", first=note, rest=(note, note)), Origin.signed(ALICE))
    assert runtime.guest_book.count.get() == 1


def test_an_inner_failure_that_passes_undoes_the_outer_call() -> None:
    runtime = Small(DictState({}))
    note, close = made("sign", note=Note(b"a")), made("close")
    inner = made("both", first=note, rest=())
    outer = runtime.try_dispatch(made("both", first=inner, rest=(close,)), Origin.signed(ALICE))
    assert outer.error is None
    runtime = Small(DictState({}))
    runtime.dispatch(made("both", first=note, rest=()), Origin.signed(ALICE))
    with pytest.raises(GuestBook.AlreadySigned):
        runtime.dispatch(made("both", first=note, rest=()), Origin.signed(ALICE))
    assert runtime.guest_book.count.get() == 1


def test_a_pallet_has_its_own_index_and_name() -> None:
    with pytest.raises(AssertionError, match="index is used twice"):

        class SameIndex(FrameRuntime):
            one: GuestBook = pallet(index=1)
            two: Other = pallet(index=1)

    with pytest.raises(AssertionError, match="name is used twice"):

        class SameName(FrameRuntime):
            one: GuestBook = pallet(index=1)
            two: GuestBook = pallet(index=2)

    with pytest.raises(AssertionError, match="one byte"):
        pallet(index=256)


def test_pallets_are_ordered_by_index() -> None:
    class Two(FrameRuntime):
        late: GuestBook = pallet(index=9)
        early: Other = pallet(index=2)

    assert [slot.kind for slot in Two.slots] == [Other, GuestBook]
    assert Two.index_of(GuestBook) == 9
    assert [type(each) for each in Two(DictState({})).pallets] == [Other, GuestBook]


class Other(Pallet):
    """Another pallet."""
