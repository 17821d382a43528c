"""Compact integers: the lowest two bits of the first byte say how many bytes follow.

Mode 0 is one byte (6 bits of value), 1 two bytes (14), 2 four bytes (30); mode 3 has four more
bytes than the upper six bits say, at most 67. Only the shortest form is accepted.
"""

from typing import Final

from ..errors import DecodeError

__all__ = ["COMPACT_MAX", "read_compact", "write_compact"]

COMPACT_MAX: Final = (1 << 536) - 1
"""The largest number with a compact form."""

_from_bytes = int.from_bytes


def read_compact(data: bytes, at: int) -> tuple[int, int]:
    """The number at ``at`` and the offset after it. Raises: IndexError where the data ends."""
    first = data[at]
    mode = first & 3
    if mode == 0:
        return first >> 2, at + 1
    if mode == 1:
        value = (first | data[at + 1] << 8) >> 2
        if value < 1 << 6:
            raise _too_long(at)
        return value, at + 2
    if mode == 2:
        end = at + 4
        value = _from_bytes(data[at:end], "little") >> 2
        if end > len(data):
            raise IndexError
        if value < 1 << 14:
            raise _too_long(at)
        return value, end
    end = at + 5 + (first >> 2)
    if end > len(data):
        raise IndexError
    # The last byte is not zero, and the number does not fit into 30 bits.
    if data[end - 1] == 0:
        raise _too_long(at)
    value = _from_bytes(data[at + 1 : end], "little")
    if value < 1 << 30:
        raise _too_long(at)
    return value, end


def write_compact(value: int) -> bytes:
    """The shortest form of a number from 0 to ``COMPACT_MAX``."""
    if value < 1 << 6:
        return bytes((value << 2,))
    if value < 1 << 14:
        return (value << 2 | 1).to_bytes(2, "little")
    if value < 1 << 30:
        return (value << 2 | 2).to_bytes(4, "little")
    size = (value.bit_length() + 7) >> 3
    return bytes((size - 4 << 2 | 3,)) + value.to_bytes(size, "little")


def _too_long(at: int) -> DecodeError:
    return DecodeError(f"offset {at}: a compact number is not in its shortest form")
