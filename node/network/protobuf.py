"""The little of protobuf's wire format that peers speak: varints and length-delimited fields.

``read`` accepts what any protobuf writer may send (fields in any order, unknown fields, the last
of a repeated scalar counts) and refuses what none sends: groups, truncated or overlong fields,
varints over 64 bits. The writers leave out what has its default value, as proto3 does.

Bounds: a message of n bytes has at most n / 2 fields, and ``FIELDS_MAX``; no field is copied twice.
"""

from collections.abc import Iterable
from typing import Final

from primitives.errors import DecodeError

__all__ = [
    "FIELDS_MAX",
    "VARINT_BYTES_MAX",
    "Fields",
    "bytes_field",
    "encode_varint",
    "read",
    "repeated_field",
    "uint_field",
]

FIELDS_MAX: Final = 1 << 17
VARINT_BYTES_MAX: Final = 10

_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5
_U64_MAX: Final = (1 << 64) - 1


def encode_varint(value: int) -> bytes:
    """The LEB128 form of a number that is not negative."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(VARINT_BYTES_MAX):
        if at >= len(data):
            raise DecodeError("protobuf: a number is cut off")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if value > _U64_MAX:
                break
            return value, at
    raise DecodeError("protobuf: a number is longer than 64 bits")


class Fields:
    """The fields of one message, by their numbers."""

    __slots__ = ("_bytes", "_uints")

    def __init__(self) -> None:
        self._uints: dict[int, int] = {}
        self._bytes: dict[int, list[bytes]] = {}

    def put(self, number: int, value: int | bytes) -> None:
        """Add a field."""
        if isinstance(value, int):
            self._uints[number] = value
        else:
            self._bytes.setdefault(number, []).append(value)

    def uint(self, number: int, *, maximum: int) -> int:
        """A number, 0 if it is left out. Raises: DecodeError."""
        if number in self._bytes:
            raise DecodeError(f"protobuf: field {number} is not a number")
        value = self._uints.get(number, 0)
        if value > maximum:
            raise DecodeError(f"protobuf: field {number} is {value}; at most {maximum}")
        return value

    def optional(self, number: int) -> bytes | None:
        """Bytes, or None if they are left out. Raises: DecodeError."""
        if number in self._uints:
            raise DecodeError(f"protobuf: field {number} is not bytes")
        values = self._bytes.get(number)
        return values[-1] if values else None

    def blob(self, number: int) -> bytes:
        """Bytes, none if they are left out. Raises: DecodeError."""
        return self.optional(number) or b""

    def repeated(self, number: int, *, maximum: int) -> tuple[bytes, ...]:
        """All of a repeated field, in order. Raises: DecodeError."""
        if number in self._uints:
            raise DecodeError(f"protobuf: field {number} is not bytes")
        values = self._bytes.get(number, ())
        if len(values) > maximum:
            raise DecodeError(
                f"protobuf: field {number} comes {len(values)} times; at most {maximum}"
            )
        return tuple(values)


def read(data: bytes) -> Fields:
    """The fields of a message. Raises: DecodeError."""
    fields, at, count, size = Fields(), 0, 0, len(data)
    while at < size:
        count += 1
        if count > FIELDS_MAX:
            raise DecodeError(f"protobuf: more than {FIELDS_MAX} fields")
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise DecodeError("protobuf: a field has the number 0")
        if kind == _VARINT:
            value, at = _varint(data, at)
            fields.put(number, value)
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise DecodeError(f"protobuf: wire type {kind} is not in use")
        if length > size - at:
            raise DecodeError(f"protobuf: field {number} is cut off")
        if kind == _BYTES:
            fields.put(number, data[at : at + length])
        at += length
    return fields


def uint_field(number: int, value: int) -> bytes:
    """A number; nothing for 0."""
    return encode_varint(number << 3 | _VARINT) + encode_varint(value) if value else b""


def bytes_field(number: int, value: bytes) -> bytes:
    """Bytes; nothing for none."""
    return repeated_field(number, (value,)) if value else b""


def repeated_field(number: int, values: Iterable[bytes]) -> bytes:
    """Bytes as often as there are values, empty ones too."""
    tag = encode_varint(number << 3 | _BYTES)
    return b"".join(part for value in values for part in (tag, encode_varint(len(value)), value))
