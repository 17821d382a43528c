"""Bytes made small by naming what was seen before; the shim unpacks them, see ``shim``.

Packed bytes are tokens, each of them: a count and so many bytes as they are; then, unless the
output is complete, the length of a match minus ``MATCH_MIN`` and how far back in the output it
begins. A match may reach into itself. Numbers have seven bits in a byte, the lowest first.

The same bytes are packed the same way on every machine: they are part of a chain's genesis.
Bounds: ``TRIES_MAX`` earlier places are compared for each position.
"""

from typing import Final

from node.runtime.wasm import leb

__all__ = ["MATCH_MIN", "pack"]

MATCH_MIN: Final = 4
TRIES_MAX: Final = 16
_STRIDE: Final = 16


def pack(data: bytes) -> bytes:
    """``data`` in few bytes."""
    seen: dict[bytes, list[int]] = {}
    out = bytearray()
    at = begun = 0
    while at + MATCH_MIN <= len(data):
        length, found = _longest(data, at, seen.get(data[at : at + MATCH_MIN], ()))
        if length < MATCH_MIN:
            length = 1
        else:
            out += leb(at - begun) + data[begun:at]
            out += leb(length - MATCH_MIN) + leb(at - found)
            begun = at + length
        for each in range(at, at + length):
            seen.setdefault(data[each : each + MATCH_MIN], []).append(each)
        at += length
    return bytes(out + leb(len(data) - begun) + data[begun:])


def _longest(data: bytes, at: int, places: "list[int] | tuple[()]") -> tuple[int, int]:
    """The longest match at ``at`` among the latest places, and where it is."""
    best = found = 0
    for place in reversed(places[-TRIES_MAX:]):
        length = MATCH_MIN
        while (
            data[place + length : place + length + _STRIDE]
            == (ahead := data[at + length : at + length + _STRIDE])
            and len(ahead) == _STRIDE
        ):
            length += _STRIDE
        while at + length < len(data) and data[place + length] == data[at + length]:
            length += 1
        if length > best:
            best, found = length, place
    return best, found
