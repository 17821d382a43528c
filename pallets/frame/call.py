"""Calls: what users can ask a pallet to do.

``@call(index=..., weight=...)`` on a method declares it. Its parameters after ``origin`` are the
arguments on the wire, in order. Called directly, a method runs in a storage layer of its own, as it
does when it is dispatched: it changes everything or nothing.

A ``Call`` is a method with its arguments. Which index its pallet has, only a runtime knows; so
calls are encoded and decoded by the runtime's ``CallTable``. A parameter may itself be a ``Call``
or a ``tuple[Call, ...]``.

Bounds: calls nest at most ``CALL_DEPTH_MAX`` deep, a vector holds at most ``NESTED_CALLS_MAX`` of
them, a call with all that are in it is at most ``CALLS_MAX`` and has vectors of ``ITEMS_MAX`` items
together; anything beyond does not decode.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, cast, get_type_hints

from pallets.frame.dispatch import CLASSES, ClassName, DispatchClass, DispatchInfo
from pallets.frame.weight import Weight
from primitives.errors import DecodeError
from primitives.scale import U32, Compact, Metered, codec

if TYPE_CHECKING:
    from pallets.frame.pallet import Pallet

__all__ = [
    "CALLS_MAX",
    "CALL_DEPTH_MAX",
    "ITEMS_MAX",
    "NESTED_CALLS_MAX",
    "Call",
    "CallSpec",
    "CallTable",
    "RuntimeCall",
    "call",
    "call_specs",
]

CALL_DEPTH_MAX: Final = 16
"""Calls within calls that decode; deeper extrinsics are refused as malformed."""

NESTED_CALLS_MAX: Final = 1_000
"""Calls that one vector of calls may hold, whatever its pallet allows."""

CALLS_MAX: Final = 10_000
"""Calls in one call, itself included: vectors of vectors of empty vectors would be a million in a
few megabytes, which cost seconds before anything is known of who pays for them."""

ITEMS_MAX: Final = 16_384
"""Items of all vectors in one call, as ``Metered`` counts them: two megabytes of tiny items would
cost half a second."""

F = TypeVar("F", bound=Callable[..., Any])

_SPEC = "__call_spec__"


@dataclass(frozen=True)
class CallSpec:
    """A declared call: its variant ``index``, what it weighs and the method behind it."""

    name: str
    index: int
    function: Callable[..., Any]
    weight: Weight | Callable[..., Weight]
    dispatch_class: DispatchClass
    pays_fee: bool

    @cached_property
    def parameters(self) -> tuple[tuple[str, Any], ...]:
        """Names and types of the arguments, without ``self`` and ``origin``."""
        hints = get_type_hints(self.function, include_extras=True)
        names = list(inspect.signature(self.function).parameters)[2:]
        return tuple((name, hints[name]) for name in names)

    @cached_property
    def doc(self) -> str:
        """The method's documentation, for metadata."""
        return inspect.getdoc(self.function) or ""

    @cached_property
    def _fixed(self) -> DispatchInfo | None:
        if isinstance(self.weight, Weight):
            return DispatchInfo(self.weight, self.dispatch_class, self.pays_fee)
        return None

    def info(self, args: tuple[Any, ...]) -> DispatchInfo:
        """What the call may cost with these arguments."""
        fixed = self._fixed
        if fixed is not None:
            return fixed
        weigh = cast("Callable[..., Weight]", self.weight)
        return DispatchInfo(weigh(*args), self.dispatch_class, self.pays_fee)


def call(
    *,
    index: int,
    weight: Weight | Callable[..., Weight],
    pays_fee: bool = True,
    dispatch_class: ClassName = "normal",
) -> Callable[[F], F]:
    """Declare the variant ``index`` of the pallet's calls.

    ``weight`` is the most that the call uses, or a function of its arguments that says so.
    """
    assert 0 <= index <= 255, "because a variant index is one byte"

    def decorate(function: F) -> F:
        @wraps(function)
        def atomic(self: "Pallet", *args: Any, **kwargs: Any) -> Any:
            with self.overlay.transaction():
                return function(self, *args, **kwargs)

        spec = CallSpec(
            name=function.__name__,
            index=index,
            function=function,
            weight=weight,
            dispatch_class=CLASSES[dispatch_class],
            pays_fee=pays_fee,
        )
        setattr(atomic, _SPEC, spec)
        return cast(F, atomic)

    return decorate


def call_specs(namespace: Mapping[str, object]) -> tuple[CallSpec, ...]:
    """The calls declared in a class body, by index."""
    found = [getattr(value, _SPEC) for value in namespace.values() if hasattr(value, _SPEC)]
    return tuple(sorted(found, key=lambda spec: spec.index))


class Call:
    """A call with its arguments, as one runtime knows it. Immutable."""

    __slots__ = ("_info", "args", "bound")

    def __init__(self, bound: "BoundCall", args: tuple[Any, ...]) -> None:
        self.bound = bound
        self.args = args
        self._info: DispatchInfo | None = None

    @property
    def pallet(self) -> str:
        """Name of the pallet."""
        return self.bound.pallet

    @property
    def name(self) -> str:
        """Name of the method."""
        return self.bound.spec.name

    def arguments(self) -> dict[str, Any]:
        """The arguments by name."""
        names = (name for name, _ in self.bound.spec.parameters)
        return dict(zip(names, self.args, strict=True))

    def info(self) -> DispatchInfo:
        """What the call may cost: found once, for each of nested calls asks those within it."""
        found = self._info
        if found is None:
            found = self._info = self.bound.spec.info(self.args)
        return found

    def encode(self) -> bytes:
        """The call on the wire: pallet, variant, arguments."""
        bound = self.bound
        parts = [bound.head]
        for write, value in zip(bound.encoders, self.args, strict=True):
            parts.append(write(value))
        return b"".join(parts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Call):
            return NotImplemented
        return self.bound.head == other.bound.head and self.args == other.args

    def __hash__(self) -> int:
        return hash((self.bound.head, self.args))

    def __repr__(self) -> str:
        return f"{self.pallet}.{self.name}{self.args!r}"


RuntimeCall = Call
"""The name under which pallets take calls as arguments."""


class _Room:
    """How many calls may still be in the call that is being decoded."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = CALLS_MAX


Decoder = Callable[[bytes, int, int, _Room], tuple[Any, int]]
"""Reads an argument at an offset, at a nesting depth."""


class BoundCall:
    """A declared call at its place in one runtime, with its argument codecs."""

    __slots__ = ("attribute", "decoders", "encoders", "function", "head", "pallet", "spec")

    def __init__(
        self, table: "CallTable", attribute: str, pallet: str, pallet_index: int, spec: CallSpec
    ) -> None:
        self.attribute = attribute
        self.pallet = pallet
        self.spec = spec
        self.function = spec.function
        self.head = bytes((pallet_index, spec.index))
        codecs = [table.argument_codec(kind) for _, kind in spec.parameters]
        self.encoders = tuple(write for write, _ in codecs)
        self.decoders = tuple(read for _, read in codecs)


class CallTable:
    """Every call of one runtime, from each pallet's (index, attribute, class name, specs)."""

    def __init__(self, pallets: tuple[tuple[int, str, str, tuple[CallSpec, ...]], ...]) -> None:
        self.count: Final = codec(cast("type[U32]", Annotated[U32, Compact]))
        self._by_head: dict[bytes, BoundCall] = {}
        self._by_name: dict[tuple[str, str], BoundCall] = {}
        for index, attribute, pallet, specs in pallets:
            for spec in specs:
                bound = BoundCall(self, attribute, pallet, index, spec)
                self._by_head[bound.head] = bound
                self._by_name[pallet, spec.name] = bound

    def make(self, pallet: str, name: str, **arguments: Any) -> Call:
        """Build a call from its names; arguments must be of the declared types."""
        bound = self._by_name[pallet, name]
        names = [key for key, _ in bound.spec.parameters]
        if sorted(names) != sorted(arguments):
            raise TypeError(f"{pallet}.{name} takes {names}, not {sorted(arguments)}")
        return Call(bound, tuple(arguments[key] for key in names))

    def decode(self, data: bytes) -> Call:
        """The call that is exactly ``data``, which may be from anybody."""
        found, at = self.decode_from(Metered(data, ITEMS_MAX), 0)
        if at != len(data):
            raise DecodeError(f"{len(data) - at} bytes after the end of the call")
        return found

    def decode_from(self, data: bytes, at: int) -> tuple[Call, int]:
        """The call at ``at`` and the offset after it."""
        return self._decode(data, at, 0, _Room())

    def _decode(self, data: bytes, at: int, depth: int, room: _Room) -> tuple[Call, int]:
        if depth >= CALL_DEPTH_MAX:
            raise DecodeError(f"calls are nested more than {CALL_DEPTH_MAX} deep")
        room.left -= 1
        if room.left < 0:
            raise DecodeError(f"more than {CALLS_MAX} calls in one")
        bound = self._by_head.get(data[at : at + 2])
        if bound is None:
            raise DecodeError(f"no call has the index {data[at : at + 2].hex()}")
        at += 2
        args = []
        for read in bound.decoders:
            value, at = read(data, at, depth, room)
            args.append(value)
        return Call(bound, tuple(args)), at

    def argument_codec(self, kind: Any) -> tuple[Callable[[Any], bytes], Decoder]:
        """Encoder and decoder of an argument of type ``kind``."""
        if kind is Call:
            return Call.encode, self._decode_nested
        if kind == tuple[Call, ...]:
            return self._encode_calls, self._decode_calls
        made = codec(kind)
        decode_from = made.decode_from
        return made.encode, lambda data, at, _depth, _room: decode_from(data, at)

    def _decode_nested(self, data: bytes, at: int, depth: int, room: _Room) -> tuple[Any, int]:
        return self._decode(data, at, depth + 1, room)

    def _decode_calls(self, data: bytes, at: int, depth: int, room: _Room) -> tuple[Any, int]:
        count, at = self.count.decode_from(data, at)
        if count > NESTED_CALLS_MAX:
            raise DecodeError(f"a vector of {count} calls; at most {NESTED_CALLS_MAX}")
        calls = []
        for _ in range(count):
            found, at = self._decode(data, at, depth + 1, room)
            calls.append(found)
        return tuple(calls), at

    def _encode_calls(self, calls: tuple[Call, ...]) -> bytes:
        return self.count.encode(U32(len(calls))) + b"".join(item.encode() for item in calls)
