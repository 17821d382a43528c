"""What a Python type is on the wire: ``shape_of(T)``, the one place that reads annotations.

The compiler and the type registry work on shapes. A shape names the types of its parts and not
their shapes, so that types may be recursive.

Bounds: shapes are cached for the life of the process; their number is that of the declared types.
"""

import sys
import types
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin, get_type_hints

from .composite import (
    BoundedBytes,
    BoundedVec,
    Err,
    FixedBytes,
    Ok,
    ScaleEnum,
    Variant,
    VariantType,
    is_struct,
)
from .ints import Compact, SizedInt

__all__ = [
    "ArrayShape",
    "BoolShape",
    "BytesShape",
    "CompactShape",
    "CustomShape",
    "EnumShape",
    "Field",
    "IntShape",
    "Leaf",
    "OptionShape",
    "ResultShape",
    "Shape",
    "StrShape",
    "StructShape",
    "TupleShape",
    "UnitShape",
    "VariantShape",
    "VecShape",
    "is_recursive",
    "min_size",
    "shape_of",
]


@dataclass(frozen=True, slots=True)
class BoolShape:
    """``bool``: one byte, 0 or 1."""


@dataclass(frozen=True, slots=True)
class StrShape:
    """``str``: UTF-8 bytes after their compact count."""


@dataclass(frozen=True, slots=True)
class UnitShape:
    """``None``: no bytes."""


@dataclass(frozen=True, slots=True)
class IntShape:
    """A sized integer of fixed size."""

    cls: type[SizedInt]


@dataclass(frozen=True, slots=True)
class CompactShape:
    """A sized integer in compact form."""

    cls: type[SizedInt]


@dataclass(frozen=True, slots=True)
class ArrayShape:
    """Bytes of a fixed number."""

    cls: type[FixedBytes]


@dataclass(frozen=True, slots=True)
class BytesShape:
    """Bytes after their compact count; ``cls`` is ``bytes`` where they have no bound."""

    cls: type[bytes]
    limit: int | None


@dataclass(frozen=True, slots=True)
class VecShape:
    """Items after their compact count; ``cls`` is ``tuple`` where they have no bound."""

    cls: type[tuple[Any, ...]]
    item: Any
    limit: int | None


@dataclass(frozen=True, slots=True)
class TupleShape:
    """Items one after the other."""

    items: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class OptionShape:
    """0, or 1 and the item."""

    item: Any


@dataclass(frozen=True, slots=True)
class ResultShape:
    """0 and the value, or 1 and the error."""

    ok: Any
    err: Any


@dataclass(frozen=True, slots=True)
class EnumShape:
    """A member's byte."""

    cls: type[ScaleEnum]


@dataclass(frozen=True, slots=True)
class Field:
    """A named field of a record."""

    name: str
    kind: Any


@dataclass(frozen=True, slots=True)
class StructShape:
    """Fields one after the other."""

    cls: type
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One variant: its byte, its name in metadata and its fields."""

    index: int
    name: str
    record: StructShape


@dataclass(frozen=True, slots=True)
class VariantShape:
    """A leaf's byte and its fields; leaves in the order of their bytes."""

    cls: VariantType
    leaves: tuple[Leaf, ...]


@dataclass(frozen=True, slots=True)
class CustomShape:
    """A class that brings its own codec."""

    cls: type
    min_size: int


Shape: TypeAlias = (
    BoolShape
    | StrShape
    | UnitShape
    | IntShape
    | CompactShape
    | ArrayShape
    | BytesShape
    | VecShape
    | TupleShape
    | OptionShape
    | ResultShape
    | EnumShape
    | StructShape
    | VariantShape
    | CustomShape
)


@cache
def shape_of(kind: Any) -> Shape:
    """The wire shape of a type. Raises: TypeError for what has none."""
    if isinstance(kind, type) and get_origin(kind) is None:
        return _shape_of_class(kind)
    if kind is None:
        return UnitShape()
    origin = get_origin(kind)
    if origin is Annotated:
        inner, *marks = get_args(kind)
        if Compact not in marks:
            return shape_of(inner)
        if isinstance(inner, type) and issubclass(inner, SizedInt) and not inner.SIGNED:
            return CompactShape(inner)
        raise TypeError(f"Compact is for unsigned sized integers, not {inner!r}")
    if origin is tuple:
        return _shape_of_tuple(get_args(kind))
    if origin is Union or origin is types.UnionType:
        return _shape_of_union(kind, get_args(kind))
    raise TypeError(f"{kind!r} is no wire type; see primitives.scale for those that are")


def _shape_of_class(cls: type) -> Shape:
    if hasattr(cls, "__scale_decode__"):
        return CustomShape(cls, getattr(cls, "__scale_min_size__", 1))
    if cls is bool:
        return BoolShape()
    if cls is str:
        return StrShape()
    if cls is bytes:
        return BytesShape(bytes, None)
    if cls is type(None):
        return UnitShape()
    if issubclass(cls, SizedInt) and cls is not SizedInt:
        return IntShape(cls)
    if issubclass(cls, FixedBytes) and cls.LENGTH >= 0:
        return ArrayShape(cls)
    if issubclass(cls, BoundedBytes) and cls.LIMIT >= 0:
        return BytesShape(cls, cls.LIMIT)
    if issubclass(cls, BoundedVec) and cls.LIMIT >= 0:
        return VecShape(cls, _item_of(cls), cls.LIMIT)
    if issubclass(cls, ScaleEnum) and cls is not ScaleEnum:
        return EnumShape(cls)
    if isinstance(cls, VariantType) and issubclass(cls, Variant) and cls is not Variant:
        return _shape_of_variant(cls)
    if is_struct(cls):
        return _record(cls)
    if cls is int:
        raise TypeError("an int has no size on the wire; use U32 or another sized integer")
    raise TypeError(f"{cls.__qualname__} is no wire type; see primitives.scale for those that are")


def _shape_of_variant(cls: VariantType) -> Shape:
    if "__scale_leaves__" not in cls.__dict__:
        raise TypeError(f"{cls.__name__} is a leaf; the type on the wire is its base")
    if not cls.__scale_leaves__:
        raise TypeError(f"{cls.__name__} has no leaves")
    cls.__scale_sealed__ = True
    found = cls.__scale_leaves__
    leaves = (
        Leaf(index, found[index].__scale_name__, _record(found[index])) for index in sorted(found)
    )
    return VariantShape(cls, tuple(leaves))


def _record(cls: type) -> StructShape:
    hints = get_type_hints(cls, include_extras=True)
    names = [field.name for field in fields(cls)]
    return StructShape(cls, tuple(Field(name, hints[name]) for name in names))


def _item_of(cls: type) -> Any:
    """What a ``BoundedVec[...]`` subclass holds."""
    for base in cls.__mro__:
        for origin in base.__dict__.get("__orig_bases__", ()):
            if get_origin(origin) is BoundedVec:
                (item,) = get_args(origin)
                if isinstance(item, str):
                    scope = vars(sys.modules[base.__module__])
                    item = get_type_hints(
                        types.SimpleNamespace(__annotations__={"item": item}),
                        globalns=scope,
                        include_extras=True,
                    )["item"]
                return item
    raise TypeError(f"{cls.__name__}: write BoundedVec[Item] to say what it holds")


def _shape_of_tuple(items: tuple[Any, ...]) -> Shape:
    if len(items) == 2 and items[1] is Ellipsis:
        return VecShape(tuple, items[0], None)
    return TupleShape(items)


def _shape_of_union(kind: Any, options: tuple[Any, ...]) -> Shape:
    if type(None) in options:
        rest = tuple(option for option in options if option is not type(None))
        inner = rest[0] if len(rest) == 1 else Union[rest]  # noqa: UP007  # made from values
        return OptionShape(inner)
    if len(options) == 2 and get_origin(options[0]) is Ok and get_origin(options[1]) is Err:
        (ok,), (err,) = get_args(options[0]), get_args(options[1])
        return ResultShape(ok, err)
    raise TypeError(f"{kind!r}: a union on the wire is Option, Result, or a Variant of its own")


def parts_of(shape: Shape) -> tuple[Any, ...]:
    """The types that a shape refers to."""
    match shape:
        case VecShape(_, item, _) | OptionShape(item):
            return (item,)
        case TupleShape(items):
            return items
        case ResultShape(ok, err):
            return (ok, err)
        case StructShape(_, found):
            return tuple(field.kind for field in found)
        case VariantShape(_, leaves):
            return tuple(field.kind for leaf in leaves for field in leaf.record.fields)
        case _:
            return ()


@cache
def is_recursive(kind: Any) -> bool:
    """Whether the type is a class that occurs within itself. Every recursion has such a class."""
    if not isinstance(kind, type) or get_origin(kind) is not None:
        return False
    seen: dict[Any, None] = {}
    waiting = list(parts_of(shape_of(kind)))
    while waiting:
        each = waiting.pop()
        if each == kind:
            return True
        if each not in seen:
            seen[each] = None
            waiting.extend(parts_of(shape_of(each)))
    return False


def min_size(kind: Any) -> int:
    """The fewest bytes that an encoding of the type can have."""
    return _min_size(kind, ())


def _min_size(kind: Any, within: tuple[Any, ...]) -> int:
    if kind in within:
        return 0  # a lower bound is enough; every way out of a recursion is counted elsewhere
    within = (*within, kind)
    match shape_of(kind):
        case IntShape(cls):
            return cls.BYTES
        case ArrayShape(cls):
            return cls.LENGTH
        case TupleShape(items):
            return sum(_min_size(item, within) for item in items)
        case StructShape() as record:
            return _min_record(record, within)
        case VariantShape(_, leaves):
            return 1 + min(_min_record(leaf.record, within) for leaf in leaves)
        case ResultShape(ok, err):
            return 1 + min(_min_size(ok, within), _min_size(err, within))
        case CustomShape(_, least):
            return least
        case UnitShape():
            return 0
        case _:
            return 1


def _min_record(record: StructShape, within: tuple[Any, ...]) -> int:
    return sum(_min_size(field.kind, within) for field in record.fields)
