"""Checks on what a pallet declares, and the hooks' defaults."""

# ruff: noqa: N818  errors are named as pallets name them

import pytest

from pallets.frame import (
    DictState,
    FrameRuntime,
    Holes,
    InherentData,
    Origin,
    Pallet,
    PalletError,
    StorageValue,
    Weight,
    call,
    pallet,
)
from primitives.scale import U32
from primitives.types import BlockNumber
from tests.pallets.frame.guest_book import Note, Small


class Plain(Pallet):
    """Nothing but defaults."""


class OnlyPlain(FrameRuntime):
    plain: Plain = pallet(index=0)


def test_hooks_do_nothing_unless_overridden() -> None:
    plain = OnlyPlain(DictState({})).plain
    assert plain.on_initialize(BlockNumber(1)) == Weight()
    plain.on_finalize(BlockNumber(1))
    plain.integrity_test()
    assert plain.create_inherent(InherentData(timestamp_ms=0)) is None
    note = Small.calls().make("GuestBook", "sign", note=Note(b""))
    assert not plain.is_inherent(note)
    assert plain.check_inherent(note, InherentData(timestamp_ms=0)) is None
    assert not plain.is_inherent_provider
    assert not plain.is_inherent_required


def test_holes_must_be_exactly_the_missing_indices() -> None:
    class Exact(Pallet):
        holes = Holes(calls=(0, 1), errors=(0,))

        @call(index=2, weight=Weight())
        def late(self, origin: Origin) -> None: ...

        class Late(PalletError, index=1):
            """Late."""

    assert Exact.call_specs[0].index == 2
    with pytest.raises(AssertionError, match="holes of its call indices"):

        class Wrong(Pallet):
            holes = Holes(calls=(0,))

            @call(index=2, weight=Weight())
            def late(self, origin: Origin) -> None: ...


def test_a_storage_name_is_used_once() -> None:
    with pytest.raises(AssertionError, match="storage name twice"):

        class Twice(Pallet):
            one = StorageValue(U32, wire_name="Same")
            two = StorageValue(U32, wire_name="Same")
