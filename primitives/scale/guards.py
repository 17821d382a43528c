"""What generated codecs call when something is wrong, or looks wrong, with data or a value.

``refuse_*`` make the ``DecodeError`` to raise. ``checked_*`` are for values whose class is not the
declared one: what is certainly meant is converted, everything else is a ``TypeError`` or, for a
number out of range, an ``ArithmeticOverflow``.
"""

from typing import Any, Final, Self

from ..errors import DecodeError
from .ints import SizedInt

__all__ = [
    "DEPTH_MAX",
    "ZERO_SIZED_ITEMS_MAX",
    "Metered",
    "checked_array",
    "checked_bytes",
    "checked_int",
    "checked_items",
    "refuse_above",
    "refuse_byte",
    "refuse_count",
    "refuse_depth",
    "refuse_over_limit",
    "refuse_short",
    "refuse_text",
    "spend",
    "too_deep",
    "wrong_class",
    "wrong_length",
]

DEPTH_MAX: Final = 64
"""How deep values of recursive types may nest."""

ZERO_SIZED_ITEMS_MAX: Final = 64
"""How many items of no size a vector may have: nothing else bounds their number."""


class Metered(bytes):
    """Data of a stranger: vectors in it have at most ``items_max`` items together.

    An item is one of any vector; eight integers or arrays of bytes, or 32 single bytes, which cost
    less to read, count as one. The count goes on over all values that are read from these bytes.
    """

    items_left: int

    def __new__(cls, data: bytes, items_max: int) -> Self:
        """The same bytes, and how many items may be read."""
        made = super().__new__(cls, data)
        made.items_left = items_max
        return made


def spend(data: Metered, at: int, count: int) -> None:
    """Count items that are about to be read. Raises: DecodeError."""
    data.items_left -= count
    if data.items_left < 0:
        raise DecodeError(f"offset {at}: vectors have more items than anybody may ask to be read")


def refuse_short(data: bytes, at: int, what: str) -> DecodeError:
    """The data ends within the value."""
    return DecodeError(f"offset {at}: the data ends, after {len(data)} bytes, within {what}")


def refuse_byte(at: int, found: int, what: str) -> DecodeError:
    """A byte that selects nothing."""
    return DecodeError(f"offset {at}: {found} is no byte of {what}")


def refuse_count(at: int, count: int, size: int) -> DecodeError:
    """A vector claims more items than the rest of the data can hold."""
    return DecodeError(f"offset {at}: {count} items cannot be in the {size} bytes that are left")


def refuse_over_limit(at: int, count: int, limit: int, what: str) -> DecodeError:
    """A vector is longer than its type allows."""
    return DecodeError(f"offset {at}: {count} items; {what} holds at most {limit}")


def refuse_above(at: int, what: str) -> DecodeError:
    """The compact number that ends at ``at`` is too large for its type."""
    return DecodeError(f"offset {at}: the compact number before is outside the range of {what}")


def refuse_text(at: int) -> DecodeError:
    """Text is not UTF-8."""
    return DecodeError(f"offset {at}: text is not UTF-8")


def refuse_depth(at: int) -> DecodeError:
    """A recursive value is nested too deep."""
    return DecodeError(f"offset {at}: values are nested more than {DEPTH_MAX} deep")


def too_deep() -> ValueError:
    """A value to encode that would not decode again."""
    return ValueError(f"values are nested more than {DEPTH_MAX} deep")


def wrong_class(value: object, wanted: str) -> TypeError:
    """A value of another class than declared."""
    return TypeError(f"{wanted} expected, not {type(value).__name__}")


def wrong_length(value: Any, wanted: str) -> ValueError:
    """A value with another number of items than its type has."""
    return ValueError(f"{wanted} cannot have {len(value)} items")


def checked_int(cls: type[SizedInt], value: Any) -> int:
    """A plain ``int`` in the range of ``cls``, or an instance of it or of its sized class."""
    if isinstance(value, SizedInt):
        if value.BYTES == cls.BYTES and value.SIGNED == cls.SIGNED:
            return value
        raise wrong_class(value, cls.__name__)
    if type(value) is not int:
        raise wrong_class(value, cls.__name__)
    return cls(value)


def checked_array(cls: type[bytes], length: int, value: Any) -> bytes:
    """Plain ``bytes``, or a subclass of ``cls``, with ``length`` bytes."""
    if type(value) is not bytes and not isinstance(value, cls):
        raise wrong_class(value, cls.__name__)
    if len(value) != length:
        raise wrong_length(value, cls.__name__)
    found: bytes = value
    return found


def checked_bytes(cls: type[bytes], limit: int | None, value: Any) -> bytes:
    """Plain ``bytes`` or an instance of ``cls``, with at most ``limit`` bytes."""
    if type(value) is not bytes and not isinstance(value, cls):
        raise wrong_class(value, cls.__name__)
    if limit is not None and len(value) > limit:
        raise wrong_length(value, cls.__name__)
    found: bytes = value
    return found


def checked_items(cls: type[tuple[Any, ...]], limit: int | None, value: Any) -> Any:
    """A tuple or list with at most ``limit`` items."""
    if not isinstance(value, tuple | list):
        raise wrong_class(value, cls.__name__)
    if limit is not None and len(value) > limit:
        raise wrong_length(value, cls.__name__)
    return value
