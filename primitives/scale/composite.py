"""What types are built from: records, variants, enums, and bytes and vectors with bounds.

::

    class Note(BoundedBytes, limit=64):
        ...

    class Kind(ScaleEnum, path="guest_book::Kind"):
        Short = 0
        Long = 1

    @struct(path="guest_book::Entry")
    class Entry:
        who: AccountId
        note: Note
        count: Annotated[U32, Compact]

    class Shape(Variant):
        ...

    class Circle(Shape, index=0):
        radius: U32

Records and leaves of variants are frozen dataclasses with slots: equal by value, hashable, made
with positional or named arguments, usable in ``match`` and with ``dataclasses.replace``. Field
types are looked up when the first codec is made, so they may name what is defined later.

A class may bring its own codec instead (``ScaleCoded``): see ``codec``.
"""

import dataclasses
import enum
from collections.abc import Callable, Iterable
from typing import (
    Any,
    ClassVar,
    Generic,
    Protocol,
    Self,
    TypeAlias,
    TypeVar,
    cast,
    dataclass_transform,
    overload,
)

from .ints import Slotted

__all__ = [
    "BoundedBytes",
    "BoundedVec",
    "Err",
    "FixedBytes",
    "Ok",
    "Result",
    "ScaleCoded",
    "ScaleEnum",
    "Variant",
    "VariantType",
    "builder_of",
    "is_struct",
    "struct",
]

T = TypeVar("T")
A = TypeVar("A")
E = TypeVar("E")


class ScaleCoded(Protocol):
    """A class with its own wire form, which the generated codecs of others call.

    ``data`` is exact ``bytes``; ``__scale_decode__`` returns the value and the offset after it, and
    refuses anything but the canonical form with ``DecodeError`` (an ``IndexError`` out of ``data``
    counts as "too short"). It must bound its own nesting. A class whose form can be empty sets
    ``__scale_min_size__ = 0``; it is 1 by default.
    """

    def __scale_encode__(self) -> bytes:
        """The wire form."""
        ...

    @classmethod
    def __scale_decode__(cls, data: bytes, at: int) -> tuple[Self, int]:
        """The value at ``at`` and the offset after it."""
        ...


# Records.


@overload
@dataclass_transform(frozen_default=True)
def struct(cls: type[T], /) -> type[T]: ...


@overload
@dataclass_transform(frozen_default=True)
def struct(*, path: str = "") -> Callable[[type[T]], type[T]]: ...


def struct(
    cls: type[T] | None = None, /, *, path: str = ""
) -> type[T] | Callable[[type[T]], type[T]]:
    """Make a class with annotated fields a record: a frozen dataclass with slots and a codec.

    Fields are encoded in their order. ``path`` is the type's name in metadata, the class's own name
    where it is empty.
    """

    def decorate(plain: type[T]) -> type[T]:
        def create(namespace: dict[str, Any]) -> type[T]:
            again: type[T] = type.__new__(type(plain), plain.__name__, plain.__bases__, namespace)
            return again

        made = _frozen(plain, create)
        setattr(made, _STRUCT, True)
        setattr(made, _PATH, path)
        return made

    return decorate if cls is None else decorate(cls)


_STRUCT = "__scale_struct__"
_PATH = "__scale_path__"
_BUILDER = "__scale_builder__"


def is_struct(cls: type) -> bool:
    """Whether ``struct`` made this very class."""
    return _STRUCT in cls.__dict__


def _frozen(plain: type[T], create: Callable[[dict[str, Any]], type[T]]) -> type[T]:
    """``plain`` as a frozen dataclass with slots, made again by ``create`` from its new body."""
    what = plain.__name__
    if any(dataclasses.is_dataclass(base) for base in plain.__bases__):
        raise TypeError(f"{what}: a record cannot extend another; make it a field")
    if hasattr(plain, "__post_init__"):
        raise TypeError(f"{what}: decoding would not run __post_init__; use a bounded field type")
    doc = plain.__dict__.get("__doc__")
    dataclasses.dataclass(frozen=True, init=False)(plain)
    fields = dataclasses.fields(plain)  # type: ignore[arg-type]  # it is one now
    names = tuple(field.name for field in fields)
    defaults: dict[str, object] = {}
    for field in fields:
        if field.default_factory is not dataclasses.MISSING:
            raise TypeError(f"{what}.{field.name}: wire types are immutable; give a plain default")
        if field.default is not dataclasses.MISSING:
            defaults[field.name] = field.default
    namespace = {
        name: value
        for name, value in plain.__dict__.items()
        if name not in names and name not in ("__dict__", "__weakref__")
    }
    namespace.update(
        __doc__=doc,
        __slots__=names,
        __setattr__=_refuse_set,
        __delattr__=_refuse_delete,
        __reduce__=_reduce,
    )
    made = create(namespace)
    made.__qualname__ = plain.__qualname__
    made.__init__ = _initialiser(made, names, defaults)  # type: ignore[method-assign]
    return made


def _initialiser(
    cls: type[T], names: tuple[str, ...], defaults: dict[str, object]
) -> Callable[..., None]:
    """``__init__`` that sets slots through their descriptors, past the refusing ``__setattr__``."""
    scope: dict[str, Any] = {}
    parameters, lines = ["self"], []
    for index, name in enumerate(names):
        scope[f"set_{index}"] = cls.__dict__[name].__set__
        if name in defaults:
            scope[f"default_{index}"] = defaults[name]
            parameters.append(f"{name}=default_{index}")
        else:
            parameters.append(name)
        lines.append(f" set_{index}(self, {name})")
    source = f"def __init__({', '.join(parameters)}):\n" + ("\n".join(lines) or " pass")
    exec(compile(source, f"<constructor of {cls.__name__}>", "exec"), scope)  # noqa: S102
    made: Callable[..., None] = scope["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def builder_of(cls: type) -> type:
    """A class of the same layout whose slots can be assigned, for decoders only.

    A decoder fills a builder's instance and turns it into ``cls`` by assigning ``__class__``, after
    which it cannot change: the cheapest way to make a frozen object.
    """
    found = cls.__dict__.get(_BUILDER)
    if found is None:
        body = {
            "__slots__": cls.__dict__["__slots__"],
            "__setattr__": object.__setattr__,
            "__delattr__": object.__delattr__,
        }
        found = type.__new__(type(cls), f"{cls.__name__}Builder", cls.__bases__, body)
        trial: Any = object.__new__(found)
        trial.__class__ = cls  # fails here, and not in a decoder, where layouts differ
        setattr(cls, _BUILDER, found)
    assert isinstance(found, type), "because it was just made"
    return found


def _refuse_set(self: object, name: str, _value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to {type(self).__name__}.{name}")


def _refuse_delete(self: object, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete {type(self).__name__}.{name}")


def _values(value: Any) -> tuple[Any, ...]:
    return tuple(getattr(value, name) for name in type(value).__slots__)


def _reduce(self: Any) -> tuple[Any, ...]:
    return type(self), _values(self)


# Variants.


@dataclass_transform(frozen_default=True)
class VariantType(type):
    """Class of variants: makes each leaf a frozen record and registers it with its base."""

    __scale_leaves__: dict[int, "VariantType"]
    __scale_sealed__: bool
    __scale_index__: int
    __scale_name__: str

    def __new__(
        mcs,
        cls_name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        index: int | None = None,
        name: str | None = None,
        path: str = "",
    ) -> "VariantType":
        """Make the root, a base (no ``index``) or a leaf."""
        parents = [base for base in bases if isinstance(base, VariantType)]
        if index is None:
            if any(parents[0].__mro__[1] is not object for _ in parents[:1]):
                raise TypeError(f"{cls_name}: a leaf needs index=, and bases cannot be extended")
            namespace.setdefault("__slots__", ())
            made = super().__new__(mcs, cls_name, bases, namespace)
            made.__scale_leaves__ = {}
            made.__scale_sealed__ = False
            setattr(made, _PATH, path)
            return made
        if len(bases) != 1 or len(parents) != 1 or parents[0].__mro__[1] is object:
            raise TypeError(f"{cls_name}: a leaf extends one variant base and nothing else")
        base = parents[0]
        if not 0 <= index <= 255:
            raise TypeError(f"{cls_name}: an index is one byte, not {index}")
        if base.__scale_sealed__:
            raise TypeError(f"{cls_name}: a codec of {base.__name__} exists already")
        if index in base.__scale_leaves__:
            taken = base.__scale_leaves__[index].__name__
            raise TypeError(f"{cls_name}: index {index} of {base.__name__} belongs to {taken}")
        plain: type[Any] = super().__new__(mcs, cls_name, bases, namespace)
        leaf = cast(
            VariantType,
            _frozen(plain, lambda body: type.__new__(mcs, cls_name, bases, body)),
        )
        leaf.__scale_index__ = index
        leaf.__scale_name__ = name or cls_name
        base.__scale_leaves__[index] = leaf
        return leaf

    def __init__(cls, *_: Any, **__: Any) -> None:
        """Nothing is left to do; takes what ``__new__`` takes."""


class Variant(metaclass=VariantType):
    """Root of enums with fields: a base extends it, leaves extend the base with ``index=``.

    ``name=`` is the variant's name in metadata where it differs from the class's.
    """

    __slots__ = ()

    def __init__(self) -> None:
        raise TypeError(f"{type(self).__name__} is a variant's base; make one of its leaves")


class ScaleEnum(enum.Enum):
    """Base of enums without fields; the value of each member is its byte on the wire."""

    def __init_subclass__(cls, *, path: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for member in cls:
            if type(member.value) is not int or not 0 <= member.value <= 255:
                raise TypeError(f"{cls.__name__}.{member.name}: the value must be one byte")
        if len(cls.__members__) != len(cls):
            raise TypeError(f"{cls.__name__}: two members have the same byte")
        setattr(cls, _PATH, path)


# Results.


@dataclasses.dataclass(frozen=True, slots=True)
class Ok(Generic[A]):
    """The good side of a ``Result``."""

    value: A


@dataclasses.dataclass(frozen=True, slots=True)
class Err(Generic[E]):
    """The bad side of a ``Result``."""

    error: E


Result: TypeAlias = Ok[A] | Err[E]
"""``Ok(value)`` or ``Err(error)``; as a type, ``Result[U32, Failure]``."""


# Bytes and vectors.

_new_bytes = bytes.__new__


class FixedBytes(bytes, metaclass=Slotted):
    """Exactly ``length`` bytes: ``class Hash(FixedBytes, length=32)``."""

    LENGTH: ClassVar[int] = -1

    def __init_subclass__(cls, *, length: int | None = None, path: str = "") -> None:
        super().__init_subclass__()
        if length is not None:
            if length < 0:
                raise TypeError(f"{cls.__name__}: a length of {length}")
            cls.LENGTH = length
        setattr(cls, _PATH, path)

    def __new__(cls, data: bytes | bytearray | memoryview, /) -> Self:
        """Copy ``data``. Raises: ValueError where it has another length."""
        if type(data) is cls:
            return data
        if type(data) is bytes and len(data) == cls.LENGTH:
            return _new_bytes(cls, data)
        made = _new_bytes(cls, _only_bytes(cls, data))
        if len(made) != cls.LENGTH:
            if cls.LENGTH < 0:
                raise TypeError(f"{cls.__name__} has no length=")
            raise ValueError(f"{cls.__name__} has {cls.LENGTH} bytes, not {len(made)}")
        return made

    def __repr__(self) -> str:
        return f"{type(self).__name__}(0x{self.hex()})"

    def __str__(self) -> str:
        return f"0x{self.hex()}"


class BoundedBytes(bytes, metaclass=Slotted):
    """At most ``limit`` bytes: ``class Note(BoundedBytes, limit=64)``."""

    LIMIT: ClassVar[int] = -1

    def __init_subclass__(cls, *, limit: int | None = None, path: str = "") -> None:
        super().__init_subclass__()
        if limit is not None:
            if limit < 0:
                raise TypeError(f"{cls.__name__}: a limit of {limit}")
            cls.LIMIT = limit
        setattr(cls, _PATH, path)

    def __new__(cls, data: bytes | bytearray | memoryview = b"", /) -> Self:
        """Copy ``data``. Raises: ValueError where it is longer than the limit."""
        if type(data) is bytes and len(data) <= cls.LIMIT:
            return _new_bytes(cls, data)
        made = _new_bytes(cls, _only_bytes(cls, data))
        if len(made) > cls.LIMIT:
            if cls.LIMIT < 0:
                raise TypeError(f"{cls.__name__} has no limit=")
            raise ValueError(f"{cls.__name__} holds at most {cls.LIMIT} bytes, not {len(made)}")
        return made

    def __repr__(self) -> str:
        return f"{type(self).__name__}({bytes.__repr__(self)})"

    def __str__(self) -> str:
        return bytes.__repr__(self)


class BoundedVec(tuple[A, ...], metaclass=Slotted):  # noqa: SLOT001  # Slotted sets them
    """At most ``limit`` items: ``class Notes(BoundedVec[Note], limit=10)``. A tuple."""

    LIMIT: ClassVar[int] = -1

    def __init_subclass__(cls, *, limit: int | None = None, path: str = "") -> None:
        super().__init_subclass__()
        if limit is not None:
            if limit < 0:
                raise TypeError(f"{cls.__name__}: a limit of {limit}")
            cls.LIMIT = limit
        setattr(cls, _PATH, path)

    def __new__(cls, items: Iterable[A] = (), /) -> Self:
        """Keep ``items``. Raises: ValueError where they are more than the limit."""
        made = tuple.__new__(cls, items)
        if len(made) > cls.LIMIT:
            if cls.LIMIT < 0:
                raise TypeError(f"{cls.__name__} has no limit=")
            raise ValueError(f"{cls.__name__} holds at most {cls.LIMIT} items, not {len(made)}")
        return made

    def __repr__(self) -> str:
        return f"{type(self).__name__}({tuple.__repr__(self)})"


def _only_bytes(cls: type, data: object) -> bytes | bytearray | memoryview:
    """``data``, unless ``bytes(data)`` would not copy it: a number makes as many zeros."""
    if isinstance(data, bytes | bytearray | memoryview):
        return data
    raise TypeError(f"{cls.__name__} is made from bytes, not {type(data).__name__}")
