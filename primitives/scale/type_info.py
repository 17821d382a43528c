"""The types of a runtime as metadata lists them: numbered, each told in terms of the others.

``Registry.type_id(T)`` registers ``T`` with all that it refers to; ``types()`` are the entries in
the order of their numbers, which are dense. Names are Substrate's, because clients know some types
by their path: ``AccountId32``, ``H256``, ``Option``, ``BoundedVec``.

A class may describe itself with a class method ``__type_info__(registry) -> TypeInfo`` (an era has
256 variants and one class). Types that no Python class stands for, such as the enum of a pallet's
calls, are added by ``Registry.add``. Both may refer to themselves: a number is given out before
its entry is made.

Bounds: entries are as many as the declared types.
"""

import inspect
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias, get_args, get_origin

from . import ints
from .ints import U8
from .shapes import (
    ArrayShape,
    BoolShape,
    BytesShape,
    CompactShape,
    CustomShape,
    EnumShape,
    Field,
    IntShape,
    OptionShape,
    ResultShape,
    StrShape,
    StructShape,
    TupleShape,
    UnitShape,
    VariantShape,
    VecShape,
    shape_of,
)

__all__ = [
    "PRIMITIVES",
    "Array",
    "CompactOf",
    "Composite",
    "Definition",
    "FieldInfo",
    "ParameterInfo",
    "Primitive",
    "Registry",
    "Sequence",
    "Tuple",
    "TypeInfo",
    "VariantInfo",
    "Variants",
    "docs_of",
    "type_name",
]

PRIMITIVES: Final = (
    *("bool", "char", "str"),
    *("u8", "u16", "u32", "u64", "u128", "u256"),
    *("i8", "i16", "i32", "i64", "i128", "i256"),
)
"""Names of the primitives; a primitive's byte in metadata is its position here."""

# The path that both scalecodec and @polkadot/api treat as a plain vector; newer chains say
# `bounded_collections`, of which the first takes no lists.
_BOUNDED_VEC: Final = ("sp_core", "bounded", "bounded_vec", "BoundedVec")


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A field; ``name`` is None in a tuple-like record, ``type_name`` is for people."""

    name: str | None
    type: int
    type_name: str | None = None
    docs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VariantInfo:
    """One case of an enum."""

    name: str
    fields: tuple[FieldInfo, ...]
    index: int
    docs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Composite:
    """A record."""

    fields: tuple[FieldInfo, ...]


@dataclass(frozen=True, slots=True)
class Variants:
    """An enum, its cases in the order of their bytes."""

    variants: tuple[VariantInfo, ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    """Any number of items of one type."""

    type: int


@dataclass(frozen=True, slots=True)
class Array:
    """A fixed number of items of one type."""

    length: int
    type: int


@dataclass(frozen=True, slots=True)
class Tuple:
    """Some types in a row."""

    types: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Primitive:
    """One of ``PRIMITIVES``."""

    name: str


@dataclass(frozen=True, slots=True)
class CompactOf:
    """A number in its compact form."""

    type: int


Definition: TypeAlias = Composite | Variants | Sequence | Array | Tuple | Primitive | CompactOf


@dataclass(frozen=True, slots=True)
class ParameterInfo:
    """A parameter of a generic type; ``type`` is None where it says nothing about the encoding."""

    name: str
    type: int | None


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """An entry of the registry."""

    path: tuple[str, ...]
    params: tuple[ParameterInfo, ...]
    definition: Definition
    docs: tuple[str, ...] = ()


class Registry:
    """Types under numbers. Not for several threads at once."""

    def __init__(self) -> None:
        self._entries: list[TypeInfo | None] = []
        self._numbers: dict[Hashable, int] = {}

    def types(self) -> list[TypeInfo]:
        """All entries; the number of a type is its position."""
        done = [entry for entry in self._entries if entry is not None]
        assert len(done) == len(self._entries), "a builder is still at work"
        return done

    def type_id(self, kind: Any) -> int:
        """The number of a type. Raises: TypeError for what has no wire form."""
        found = self._numbers.get(kind)
        if found is None:
            found = self._numbers[kind] = self._register(kind)
        return found

    def add(self, key: Hashable, builder: "Callable[[Registry], TypeInfo]") -> int:
        """The number of the type known as ``key``; ``builder`` makes its entry at first.

        ``builder`` may ask for any type, this one too. A key must differ from every type: a string
        or a tuple that begins with one serves.
        """
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self._entries)
            self._entries.append(None)
            self._entries[found] = builder(self)
        return found

    def field(self, name: str | None, kind: Any, docs: tuple[str, ...] = ()) -> FieldInfo:
        """A field of type ``kind``, which is registered."""
        return FieldInfo(name, self.type_id(kind), type_name(kind), docs)

    def fields(self, kind: Any) -> tuple[FieldInfo, ...]:
        """The fields of a record made by ``struct``."""
        record = shape_of(kind)
        if not isinstance(record, StructShape):
            raise TypeError(f"{kind!r} is no record")
        return self._fields(record.fields)

    def _fields(self, fields: tuple[Field, ...]) -> tuple[FieldInfo, ...]:
        # A name that is a keyword of Python is written ``class_``.
        return tuple(self.field(field.name.removesuffix("_"), field.kind) for field in fields)

    def _register(self, kind: Any) -> int:
        """Add a type under a key that all types of the same entry share.

        Whatever can refer to itself is a class, and is numbered before its parts.
        """
        describe = getattr(kind, "__type_info__", None) if isinstance(kind, type) else None
        if describe is not None:
            return self._add_class(kind, describe)
        match shape_of(kind):
            case BoolShape():
                return self._primitive("bool")
            case StrShape():
                return self._primitive("str")
            case IntShape(cls):
                return self._primitive(f"{'i' if cls.SIGNED else 'u'}{8 * cls.BYTES}")
            case UnitShape():
                return self._plain(Tuple(()))
            case CompactShape(cls):
                return self._plain(CompactOf(self._primitive(f"u{8 * cls.BYTES}")))
            case ArrayShape(cls):
                array = self._plain(Array(cls.LENGTH, self.type_id(U8)))
                if not _declared_path(cls):
                    return array
                field = FieldInfo(None, array, f"[u8; {cls.LENGTH}]")
                return self._add_class(cls, lambda _: _entry(cls, Composite((field,))))
            case BytesShape(_, limit):
                return self._vec(self.type_id(U8), "u8", is_bounded=limit is not None)
            case VecShape(_, item, limit):
                number = self.type_id(item)
                return self._vec(number, type_name(item), is_bounded=limit is not None)
            case TupleShape(items):
                return self._plain(Tuple(tuple(self.type_id(item) for item in items)))
            case OptionShape(item):
                return self._option(item)
            case ResultShape(ok, err):
                return self._result(ok, err)
            case EnumShape(cls):
                cases = tuple(
                    VariantInfo(member.name, (), member.value)
                    for member in sorted(cls, key=lambda member: int(member.value))
                )
                return self._add_class(cls, lambda _: _entry(cls, Variants(cases)))
            case StructShape(cls, fields):
                return self._add_class(cls, lambda _: _entry(cls, Composite(self._fields(fields))))
            case VariantShape() as variant:
                return self._add_class(variant.cls, lambda _: self._variants(variant))
            case CustomShape(cls):
                raise TypeError(f"{cls.__name__} needs __type_info__ to be in metadata")

    # Entries without a class: the same definition is the same type.

    def _plain(self, definition: Definition) -> int:
        return self.add(("plain", definition), lambda _: TypeInfo((), (), definition))

    def _primitive(self, name: str) -> int:
        return self._plain(Primitive(name))

    def _vec(self, item: int, item_name: str, *, is_bounded: bool) -> int:
        sequence = self._plain(Sequence(item))
        if not is_bounded:
            return sequence
        return self.add(
            ("bounded", item),
            lambda _: TypeInfo(
                _BOUNDED_VEC,
                (ParameterInfo("T", item), ParameterInfo("S", None)),
                Composite((FieldInfo(None, sequence, f"Vec<{item_name}>"),)),
            ),
        )

    def _option(self, item: Any) -> int:
        inner = self.type_id(item)
        some = VariantInfo("Some", (FieldInfo(None, inner),), 1)
        return self.add(
            ("option", inner),
            lambda _: TypeInfo(
                ("Option",),
                (ParameterInfo("T", inner),),
                Variants((VariantInfo("None", (), 0), some)),
            ),
        )

    def _result(self, ok: Any, err: Any) -> int:
        good, bad = self.type_id(ok), self.type_id(err)
        cases = (
            VariantInfo("Ok", (FieldInfo(None, good),), 0),
            VariantInfo("Err", (FieldInfo(None, bad),), 1),
        )
        return self.add(
            ("result", good, bad),
            lambda _: TypeInfo(
                ("Result",),
                (ParameterInfo("T", good), ParameterInfo("E", bad)),
                Variants(cases),
            ),
        )

    # Entries of classes.

    def _add_class(self, cls: type, builder: "Callable[[Registry], TypeInfo]") -> int:
        return self.add(("class", cls), builder)

    def _variants(self, variant: VariantShape) -> TypeInfo:
        cases = tuple(
            VariantInfo(
                leaf.name, self._fields(leaf.record.fields), leaf.index, docs_of(leaf.record.cls)
            )
            for leaf in variant.leaves
        )
        return _entry(variant.cls, Variants(cases))


def _declared_path(cls: type) -> str:
    path = cls.__dict__.get("__scale_path__", "")
    assert isinstance(path, str), "because only this package sets it"
    return path


def _entry(cls: type, definition: Definition) -> TypeInfo:
    path = _declared_path(cls) or cls.__name__
    return TypeInfo(tuple(path.split("::")), (), definition, docs_of(cls))


def docs_of(thing: object) -> tuple[str, ...]:
    """The lines of a class's or function's own docstring."""
    text = vars(thing).get("__doc__") if isinstance(thing, type) else thing.__doc__
    return tuple(inspect.cleandoc(text).splitlines()) if isinstance(text, str) else ()


def type_name(kind: Any) -> str:
    """A type's name in Rust's notation, for people."""
    if get_origin(kind) is Annotated:
        inner, *_ = get_args(kind)
        return type_name(inner)
    if isinstance(kind, type) and get_origin(kind) is None:
        return _NAMES.get(kind, kind.__name__)
    match shape_of(kind):
        case VecShape(_, item, _):
            return f"Vec<{type_name(item)}>"
        case TupleShape(items):
            return f"({', '.join(type_name(item) for item in items)})"
        case OptionShape(item):
            return f"Option<{type_name(item)}>"
        case ResultShape(ok, err):
            return f"Result<{type_name(ok)}, {type_name(err)}>"
        case _:
            return "()"


_NAMES: Final[dict[type, str]] = {
    bytes: "Bytes",
    str: "Text",
    type(None): "()",
    **{
        getattr(ints, name): name.lower()
        for name in ints.__all__
        if name[0] in "UI" and name[1:].isdigit()
    },
}
