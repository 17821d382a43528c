"""``codec(T)``: the compiled encoder and decoder of a type, made once.

Decoding never trusts: it raises ``DecodeError`` with the offset for anything but the one canonical
encoding of a value of the type. Encoding raises ``TypeError`` or ``ValueError`` for values that are
not of the type (a programmer's error), and ``ArithmeticOverflow`` for a plain ``int`` out of range.
What encodes also decodes.

Bounds: a vector's claimed count must fit into the bytes that are left, so a decoded value takes
memory in proportion to its encoding; recursion is at most ``guards.DEPTH_MAX`` deep. The length of
the data is the caller's to bound, and by ``Metered`` how many items of vectors are read from it.

A class with ``__scale_encode__`` and ``__scale_decode__`` (``composite.ScaleCoded``) is encoded by
them wherever it occurs.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

from ..errors import DecodeError
from .compiler import Compiled, compile_type
from .guards import Metered
from .shapes import min_size

__all__ = ["Codec", "codec", "decode", "encode"]

V = TypeVar("V")


class Codec(Generic[V]):
    """Encoder and decoder of one type.

    ``encode(value)`` gives bytes. ``decode(data)`` gives the value that is exactly ``data``;
    ``decode_from(data, at)`` the value at ``at`` and the offset after it. ``min_size`` is the
    fewest bytes an encoding has, ``source`` the generated code.
    """

    __slots__ = ("decode", "decode_from", "encode", "kind", "min_size", "source")

    encode: Callable[[V], bytes]
    decode: Callable[[bytes], V]
    decode_from: Callable[[bytes, int], tuple[V, int]]

    def __init__(self, kind: object, compiled: Compiled) -> None:
        self.kind = kind
        self.min_size = min_size(kind)
        self.source = compiled.source
        self.encode = _encoder(compiled)
        self.decode = _decoder(compiled)
        self.decode_from = _part_decoder(compiled)

    def __repr__(self) -> str:
        return f"codec({self.kind!r})"


def _encoder(compiled: Compiled) -> Callable[[Any], bytes]:
    inner = compiled.encode
    join = b"".join

    def encode(value: Any) -> bytes:
        parts: list[bytes] = []
        inner(value, parts.append, 0)
        return join(parts)

    return encode


def _decoder(compiled: Compiled) -> Callable[[bytes], Any]:
    inner = compiled.decode

    def decode(data: bytes) -> Any:
        if type(data) is not bytes and type(data) is not Metered:
            data = _exact(data)
        value, at = inner(data, 0, 0)
        if at != len(data):
            raise DecodeError(f"offset {at}: {len(data) - at} bytes follow the end of the value")
        return value

    return decode


def _part_decoder(compiled: Compiled) -> Callable[[bytes, int], tuple[Any, int]]:
    inner = compiled.decode

    def decode_from(data: bytes, at: int) -> tuple[Any, int]:
        if type(data) is not bytes and type(data) is not Metered:
            data = _exact(data)
        if at < 0:
            raise ValueError(f"an offset of {at}")
        return inner(data, at, 0)

    return decode_from


def _exact(data: object) -> bytes:
    """Plain ``bytes``, which slice and index fastest and cannot change meanwhile."""
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    raise TypeError(f"bytes expected, not {type(data).__name__}")


_compiled: dict[Any, Compiled] = {}
_codecs: dict[Any, Codec[Any]] = {}


@overload
def codec(kind: type[V]) -> Codec[V]: ...


@overload
def codec(kind: object) -> Codec[Any]: ...


def codec(kind: Any) -> Codec[Any]:
    """The codec of a type. Raises: TypeError for what has no wire form."""
    found = _codecs.get(kind)
    if found is None:
        # Threads may do this at the same time: the first result stays, the others are as good.
        for each, compiled in compile_type(kind, dict(_compiled)).items():
            _compiled.setdefault(each, compiled)
        found = _codecs.setdefault(kind, Codec(kind, _compiled[kind]))
    return found


def encode(kind: type[V], value: V) -> bytes:
    """The encoding of ``value`` as a ``kind``."""
    return codec(kind).encode(value)


@overload
def decode(kind: type[V], data: bytes) -> V: ...


@overload
def decode(kind: object, data: bytes) -> Any: ...


def decode(kind: Any, data: bytes) -> Any:
    """The value of type ``kind`` that is exactly ``data``. Raises: DecodeError."""
    return codec(kind).decode(data)
