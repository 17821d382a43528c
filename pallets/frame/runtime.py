"""A runtime: pallets at their indices, wired to one another over one state.

A runtime is a class whose annotated attributes are pallets::

    class Small(FrameRuntime):
        system: System = pallet(index=0)
        balances: Balances = pallet(index=6)

        def wire(self) -> None:
            self.system.config = System.Config(...)
            self.balances.config = Balances.Config(..., accounts=self.system)

An instance is one block (or one question) over a ``StateReader``; it is cheap to make. What does
not depend on the state (call table, event heads, indices) is computed once for the class.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, NamedTuple, cast, get_type_hints

from pallets.frame.call import Call, CallTable
from pallets.frame.context import Context
from pallets.frame.dispatch import Outcome, PostInfo
from pallets.frame.error import (
    ArithmeticFault,
    DispatchArithmetic,
    DispatchError,
    DispatchFailure,
    DispatchModule,
    ErrorBytes,
    ModuleError,
    PalletError,
)
from pallets.frame.event import event_index
from pallets.frame.origin import Origin
from pallets.frame.overlay import Overlay, StateReader
from pallets.frame.pallet import Pallet
from pallets.frame.weight import Weight
from primitives.errors import DecodeError
from primitives.scale import U8, codec

__all__ = ["EXPECTED", "EventRecord", "FrameRuntime", "Slot", "pallet"]

EXPECTED = (DispatchFailure, ArithmeticError)
"""What may fail in a call by a caller's doing; anything else is a panic (``RuntimePanic``), or the
fault of a disk (``StorageCorrupt``), which must not pass for a failed call."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A pallet's place in a runtime."""

    attribute: str
    index: int
    kind: type[Pallet]


class EventRecord(NamedTuple):
    """An event read back from the log: ``extrinsic`` is None outside of extrinsics."""

    extrinsic: int | None
    pallet: str
    event: object


class _Place:
    def __init__(self, index: int) -> None:
        self.index = index


def pallet(*, index: int) -> Any:
    """Put the annotated pallet at ``index`` of the runtime."""
    assert 0 <= index <= 255, "because a pallet index is one byte"
    return _Place(index)


class FrameRuntime:
    """Base of runtimes. ``wire`` gives every pallet its ``config``."""

    slots: ClassVar[tuple[Slot, ...]] = ()
    wire_module: ClassVar[str] = "runtime"
    """Where metadata says that the runtime's own types are: ``<wire_module>::RuntimeCall``."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        hints = get_type_hints(cls)
        slots = [
            Slot(name, place.index, hints[name])
            for name in hints
            if isinstance(place := getattr(cls, name, None), _Place)
        ]
        slots.sort(key=lambda slot: slot.index)
        indices = [slot.index for slot in slots]
        names = [slot.kind.__name__ for slot in slots]
        assert len(set(indices)) == len(indices), f"{cls.__name__}: a pallet index is used twice"
        assert len(set(names)) == len(names), f"{cls.__name__}: a pallet name is used twice"
        cls.slots = tuple(slots)

    def __init__(self, state: StateReader) -> None:
        self.overlay = Overlay(state)
        self.context = Context(self, self.overlay)
        self.pallets: tuple[Pallet, ...] = ()
        self._by_attribute: dict[str, Pallet] = {}
        for slot in self.slots:
            made = slot.kind(self.context)
            setattr(self, slot.attribute, made)
            self._by_attribute[slot.attribute] = made
        self.pallets = tuple(self._by_attribute.values())
        self.wire()

    def wire(self) -> None:
        """Give every pallet its constants and ports; every runtime overrides this."""

    # What belongs to the class.

    @classmethod
    @cache
    def calls(cls) -> CallTable:
        """Codec of this runtime's calls."""
        return CallTable(
            tuple(
                (slot.index, slot.attribute, slot.kind.__name__, slot.kind.call_specs)
                for slot in cls.slots
            )
        )

    @classmethod
    @cache
    def event_heads(cls) -> dict[type, tuple[bytes, Callable[[Any], bytes]]]:
        """For each event class: its pallet and variant bytes, and its encoder."""
        return {
            event: (bytes((slot.index, event_index(event) or 0)), codec(event).encode)
            for slot in cls.slots
            for event in slot.kind.event_types
        }

    @classmethod
    @cache
    def _events_by_head(cls) -> dict[bytes, type]:
        return {head: event for event, (head, _) in cls.event_heads().items()}

    @classmethod
    def index_of(cls, kind: type[object]) -> int:
        """Index of the pallet of this class."""
        return cls._indices()[kind]

    @classmethod
    @cache
    def _indices(cls) -> dict[type[object], int]:
        return {slot.kind: slot.index for slot in cls.slots}

    # Dispatch.

    def dispatch(self, call: Call, origin: Origin) -> PostInfo:
        """Run ``call`` in a layer of its own; whatever it raises, nothing is changed then."""
        bound = call.bound
        overlay = self.overlay
        overlay.begin()
        try:
            result = bound.function(self._by_attribute[bound.attribute], origin, *call.args)
        except BaseException:
            overlay.rollback()
            raise
        overlay.commit()
        if result is None:
            return _AS_DECLARED
        return result if isinstance(result, PostInfo) else PostInfo(cast(Weight, result))

    def try_dispatch(self, call: Call, origin: Origin) -> Outcome:
        """Run ``call`` in a layer of its own; an expected failure is the outcome's ``error``."""
        try:
            post = self.dispatch(call, origin)
        except EXPECTED as failure:
            return Outcome(self.dispatch_error(failure), _AS_DECLARED)
        return Outcome(None, post)

    def dispatch_error(self, failure: DispatchFailure | ArithmeticError) -> DispatchError:
        """What an expected failure is on the wire."""
        if isinstance(failure, PalletError):
            index = U8(self.index_of(type(failure).pallet))
            error = ErrorBytes(bytes((failure.index, 0, 0, 0)))
            return DispatchModule(error=ModuleError(index=index, error=error))
        if isinstance(failure, DispatchFailure):
            return failure.wire()
        if isinstance(failure, ZeroDivisionError):
            return DispatchArithmetic(error=ArithmeticFault.DivisionByZero)
        return DispatchArithmetic(error=ArithmeticFault.Overflow)

    # Events.

    def event_records(self) -> list[EventRecord]:
        """The log of this block so far, decoded."""
        return [self._decode_record(record, 0)[0] for record in self.overlay.events]

    @classmethod
    def decode_events(cls, raw: bytes) -> list[EventRecord]:
        """The records of a stored ``System.Events``."""
        count, at = cls.calls().count.decode_from(raw, 0)
        records = []
        for _ in range(count):
            record, at = cls._decode_record(raw, at)
            records.append(record)
        if at != len(raw):
            raise DecodeError(f"{len(raw) - at} bytes after the last event")
        return records

    @classmethod
    def _decode_record(cls, raw: bytes, at: int) -> tuple[EventRecord, int]:
        phase = raw[at : at + 1]
        extrinsic = int.from_bytes(raw[at + 1 : at + 5], "little") if phase == b"\0" else None
        at += 5 if phase == b"\0" else 1
        head = raw[at : at + 2]
        event = cls._events_by_head().get(head)
        if event is None:
            raise DecodeError(f"no event has the index {head.hex()}")
        value: object
        value, at = codec(event).decode_from(raw, at + 2)
        if raw[at : at + 1] != b"\0":
            raise DecodeError("an event with topics, or a cut one; this chain writes no topics")
        return EventRecord(extrinsic, cls._pallet_names()[head[0]], value), at + 1

    @classmethod
    @cache
    def _pallet_names(cls) -> dict[int, str]:
        return {slot.index: slot.kind.__name__ for slot in cls.slots}


_AS_DECLARED = PostInfo()
