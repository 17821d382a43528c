"""Sized integers: ``U8`` to ``U256`` and ``I8`` to ``I256``, subclasses of ``int`` with a range.

``+ - * // %`` with any ``int`` give the class of the sized operand (of the left one where both
are sized) and raise ``ArithmeticOverflow`` outside of its range; what saturates or wraps says so in
its name. Comparison and hashing are those of ``int``; bit operations give a plain ``int``.

Bounds: a value takes exactly ``BYTES`` bytes on the wire, little-endian.
"""

from typing import Any, ClassVar, Final, NoReturn, Self, TypeVar, cast

from ..errors import ArithmeticOverflow

__all__ = [
    "I8",
    "I16",
    "I32",
    "I64",
    "I128",
    "I256",
    "U8",
    "U16",
    "U32",
    "U64",
    "U128",
    "U256",
    "Compact",
    "SizedInt",
    "Slotted",
]

S = TypeVar("S", bound="SizedInt")

# Looked up once: these run for every sum in a pallet.
_new = int.__new__
_add = int.__add__
_sub = int.__sub__
_mul = int.__mul__
_floordiv = int.__floordiv__
_mod = int.__mod__


class Compact:
    """Marks a compact integer: ``Annotated[U32, Compact]``. Never instantiated."""

    def __new__(cls) -> Self:
        """Refuse."""
        raise TypeError("Compact is a marker: write Annotated[U32, Compact]")


class Slotted(type):
    """Class of wire values that extend a builtin: no subclass gets a ``__dict__`` by omission."""

    def __new__(
        mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any
    ) -> "Slotted":
        """Make the class with empty ``__slots__``."""
        namespace.setdefault("__slots__", ())
        return super().__new__(mcs, name, bases, namespace, **options)


class SizedInt(int, metaclass=Slotted):
    """Base of the sized integers; ``U32`` and its like are made from it, never instances."""

    BYTES: ClassVar[int]
    SIGNED: ClassVar[bool]
    MIN: ClassVar[int]
    MAX: ClassVar[int]

    def __init_subclass__(cls, *, size: int = 0, signed: bool = False) -> None:
        super().__init_subclass__()
        if size:
            cls.BYTES = size
            cls.SIGNED = signed
            cls.MIN = -(1 << (8 * size - 1)) if signed else 0
            cls.MAX = (1 << (8 * size - (1 if signed else 0))) - 1

    def __new__(cls, value: int = 0, /) -> Self:
        """Make one of a number in range. Raises: ArithmeticOverflow."""
        if type(value) is not int and not isinstance(value, int):
            raise TypeError(f"{cls.__name__} is made from an int, not {type(value).__name__}")
        if cls.MIN <= value <= cls.MAX:
            return _new(cls, value)
        raise ArithmeticOverflow(
            f"{_abbreviated(value)} is outside the range of {cls.__name__}, {cls.MIN}..{cls.MAX}"
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({int.__repr__(self)})"

    def __str__(self) -> str:
        return int.__repr__(self)

    def __add__(self, other: int, /) -> Self:
        value, cls = _add(self, other), type(self)
        if type(value) is int and cls.MIN <= value <= cls.MAX:
            return _new(cls, value)
        return _unusual(cls, value)

    def __radd__(self, other: int, /) -> Self:
        value, cls = _add(self, other), type(self)
        if type(value) is int and cls.MIN <= value <= cls.MAX:
            return _new(cls, value)
        return _unusual(cls, value)

    def __sub__(self, other: int, /) -> Self:
        value, cls = _sub(self, other), type(self)
        if type(value) is int and cls.MIN <= value <= cls.MAX:
            return _new(cls, value)
        return _unusual(cls, value)

    def __rsub__(self, other: int, /) -> Self:
        value, cls = int.__rsub__(self, other), type(self)
        if type(value) is int and cls.MIN <= value <= cls.MAX:
            return _new(cls, value)
        return _unusual(cls, value)

    def __mul__(self, other: int, /) -> Self:
        value, cls = _mul(self, other), type(self)
        if type(value) is int and cls.MIN <= value <= cls.MAX:
            return _new(cls, value)
        return _unusual(cls, value)

    def __rmul__(self, other: int, /) -> Self:
        value, cls = _mul(self, other), type(self)
        if type(value) is int and cls.MIN <= value <= cls.MAX:
            return _new(cls, value)
        return _unusual(cls, value)

    def __floordiv__(self, other: int, /) -> Self:
        value, cls = _floordiv(self, other), type(self)
        if type(value) is int and cls.MIN <= value <= cls.MAX:
            return _new(cls, value)
        return _unusual(cls, value)

    def __rfloordiv__(self, other: int, /) -> Self:
        value, cls = int.__rfloordiv__(self, other), type(self)
        if type(value) is int and cls.MIN <= value <= cls.MAX:
            return _new(cls, value)
        return _unusual(cls, value)

    def __mod__(self, other: int, /) -> Self:
        value, cls = _mod(self, other), type(self)
        if type(value) is int and cls.MIN <= value <= cls.MAX:
            return _new(cls, value)
        return _unusual(cls, value)

    def __rmod__(self, other: int, /) -> Self:
        value, cls = int.__rmod__(self, other), type(self)
        if type(value) is int and cls.MIN <= value <= cls.MAX:
            return _new(cls, value)
        return _unusual(cls, value)

    def __truediv__(self, _: int, /) -> NoReturn:
        raise TypeError("floats differ between machines: divide with // and its rounding in mind")

    __rtruediv__ = __truediv__

    def __neg__(self) -> Self:
        return type(self)(int.__neg__(self))

    def saturating_add(self, other: int) -> Self:
        """``self + other``, or the nearest end of the range."""
        return self._clamped(_add(self, other))

    def saturating_sub(self, other: int) -> Self:
        """``self - other``, or the nearest end of the range."""
        return self._clamped(_sub(self, other))

    def saturating_mul(self, other: int) -> Self:
        """``self * other``, or the nearest end of the range."""
        return self._clamped(_mul(self, other))

    def wrapping_add(self, other: int) -> Self:
        """``self + other`` modulo the size of the range."""
        return self._wrapped(_add(self, other))

    def wrapping_sub(self, other: int) -> Self:
        """``self - other`` modulo the size of the range."""
        return self._wrapped(_sub(self, other))

    def wrapping_mul(self, other: int) -> Self:
        """``self * other`` modulo the size of the range."""
        return self._wrapped(_mul(self, other))

    def _clamped(self, value: int) -> Self:
        cls = type(self)
        return _new(cls, min(max(value, cls.MIN), cls.MAX))

    def _wrapped(self, value: int) -> Self:
        cls = type(self)
        return _new(cls, (value - cls.MIN) % (cls.MAX - cls.MIN + 1) + cls.MIN)


class U8(SizedInt, size=1):
    """An unsigned integer of 8 bits."""


class U16(SizedInt, size=2):
    """An unsigned integer of 16 bits."""


class U32(SizedInt, size=4):
    """An unsigned integer of 32 bits."""


class U64(SizedInt, size=8):
    """An unsigned integer of 64 bits."""


class U128(SizedInt, size=16):
    """An unsigned integer of 128 bits."""


class U256(SizedInt, size=32):
    """An unsigned integer of 256 bits."""


class I8(SizedInt, size=1, signed=True):
    """A signed integer of 8 bits, two's complement."""


class I16(SizedInt, size=2, signed=True):
    """A signed integer of 16 bits, two's complement."""


class I32(SizedInt, size=4, signed=True):
    """A signed integer of 32 bits, two's complement."""


class I64(SizedInt, size=8, signed=True):
    """A signed integer of 64 bits, two's complement."""


class I128(SizedInt, size=16, signed=True):
    """A signed integer of 128 bits, two's complement."""


class I256(SizedInt, size=32, signed=True):
    """A signed integer of 256 bits, two's complement."""


_SHOWN_BITS_MAX: Final = 512
"""Values with more bits are named by their length: printing them would take quadratic time."""


def _unusual(cls: type[S], value: int) -> S:
    """What an operation gives that has no result in range, or none at all for its operand."""
    if value is NotImplemented:
        return cast(S, value)
    return cls(value)


def _abbreviated(value: int) -> str:
    bits = int(value).bit_length()
    return int.__repr__(value) if bits <= _SHOWN_BITS_MAX else f"an integer of {bits} bits"
