"""What a runtime's WebAssembly module says of itself: its version, in two custom sections.

The sections are Substrate's: ``runtime_version`` holds a ``RuntimeVersion`` without APIs, and
``runtime_apis`` the APIs, one after the other. They are found without running the module.
``check_shape`` also looks at the order and the lengths of all sections; whether the instructions in
them are good is known only to an engine, which nodes of this chain do not have.

Bounds: ``CODE_BYTES_MAX``, ``SECTIONS_MAX``, ``APIS_MAX``.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from pallets.frame.version import ApiId, RuntimeVersion
from primitives.errors import DecodeError
from primitives.scale import U32, codec

__all__ = ["APIS_SECTION", "CODE_BYTES_MAX", "VERSION_SECTION", "check_shape", "code_version"]

CODE_BYTES_MAX: Final = 512 * 1024
"""The largest module; ours has a tenth of that."""

MAGIC: Final = b"\0asm\x01\0\0\0"
"""How every module begins."""

SECTIONS_MAX: Final = 64
"""Sections of a module: there are a dozen kinds, and few custom ones."""

VERSION_SECTION: Final = b"runtime_version"
APIS_SECTION: Final = b"runtime_apis"

API_BYTES: Final = 12
APIS_MAX: Final = 256
"""APIs of a runtime at most."""

_CUSTOM: Final = 0
# Types, imports, functions, tables, memory, globals, exports, start, elements, code, data.
_ORDER: Final = tuple(range(1, 12))
_NEEDED: Final = frozenset((1, 3, 7, 10))

_API = codec(tuple[ApiId, U32])
_VERSION = codec(RuntimeVersion)


def code_version(code: bytes) -> RuntimeVersion:
    """The version in a module. Raises: DecodeError."""
    found: dict[bytes, bytes] = {}
    for number, begin, end in _sections(code):
        if number == _CUSTOM:
            length, at = _number(code, begin, end)
            name = code[at : at + length]
            if name in (VERSION_SECTION, APIS_SECTION) and at + length <= end:
                found.setdefault(name, code[at + length : end])
        if len(found) == 2:
            break
    else:
        raise DecodeError("the code does not say which version of which runtime it is")
    version, raw = _VERSION.decode(found[VERSION_SECTION]), found[APIS_SECTION]
    if version.apis or len(raw) % API_BYTES or len(raw) > API_BYTES * APIS_MAX:
        raise DecodeError("the code has a list of APIs that is none")
    apis = (_API.decode(raw[at : at + API_BYTES]) for at in range(0, len(raw), API_BYTES))
    return replace(version, apis=tuple(apis))


def check_shape(code: bytes) -> None:
    """Refuse what is no module from its first to its last byte. Raises: DecodeError."""
    if len(code) > CODE_BYTES_MAX:
        raise DecodeError(f"code has at most {CODE_BYTES_MAX} bytes, not {len(code)}")
    last, seen = 0, set()
    for number, _, _ in _sections(code):
        if number != _CUSTOM:
            if number not in _ORDER or number <= last:
                raise DecodeError(f"section {number} of the code is unknown or out of order")
            last = number
            seen.add(number)
    if not seen >= _NEEDED:
        raise DecodeError("the code has no functions to call")


def _sections(code: bytes) -> Iterator[tuple[int, int, int]]:
    """Number, begin and end of each section."""
    if not code.startswith(MAGIC):
        raise DecodeError("the code is no WebAssembly module")
    at = len(MAGIC)
    for _ in range(SECTIONS_MAX):
        if at == len(code):
            return
        number = code[at]
        size, begin = _number(code, at + 1, len(code))
        at = begin + size
        if at > len(code):
            raise DecodeError("a section of the code is longer than the code")
        yield number, begin, at
    if at < len(code):
        raise DecodeError(f"the code has more than {SECTIONS_MAX} sections")


def _number(code: bytes, at: int, end: int) -> tuple[int, int]:
    """An unsigned number of seven bits in a byte, and where it ends."""
    value = 0
    for shift in range(0, 35, 7):
        if at >= end:
            raise DecodeError("the code ends within a number")
        byte = code[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise DecodeError("a number in the code has more than 32 bits")
