"""Merlin transcripts: what a proof is about, absorbed step by step, and challenges drawn from it.

A transcript hashes labelled messages and draws labelled challenges, each bound to all that came
before. ``witness`` draws secret bytes from the transcript and from secrets, and leaves it as it is.

Built upon STROBE-128, of which only the operations that Merlin uses are here (``meta-AD``, ``AD``,
``PRF``, ``KEY``, without transport), upon the permutation Keccak-f[1600]. All of it is plain
integer arithmetic whose course does not depend on the data.

Bounds: messages of less than 2**32 bytes, as their length is framed in four bytes.
Cost: 0.2 ms for each permutation, which absorbs 166 bytes; every challenge takes one more.

Source: FIPS 202 section 3 (Keccak-f); the STROBE specification 1.0.2; merlin.cool and its Rust
implementation 3.0 (framing of messages, ``TranscriptRng``).
"""

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

__all__ = ["Transcript", "keccak_f1600"]

_STATE_BYTES: Final = 200
_LANES: Final = struct.Struct("<25Q")
_MASK: Final = (1 << 64) - 1

_ROUND_CONSTANTS: Final = (
    0x0000000000000001, 0x0000000000008082, 0x800000000000808A, 0x8000000080008000,
    0x000000000000808B, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008A, 0x0000000000000088, 0x0000000080008009, 0x000000008000000A,
    0x000000008000808B, 0x800000000000008B, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
)  # fmt: skip


def keccak_f1600(state: bytes | bytearray) -> bytes:
    """The permutation of 200 bytes, read as 25 lanes of 64 bits (``x`` runs first, then ``y``).

    Written out, because loops over lanes are four times slower. ``aXY`` is the lane at (X, Y).
    """
    # fmt: off
    (
        a00, a10, a20, a30, a40,
        a01, a11, a21, a31, a41,
        a02, a12, a22, a32, a42,
        a03, a13, a23, a33, a43,
        a04, a14, a24, a34, a44,
    ) = _LANES.unpack(state)
    # fmt: on
    for constant in _ROUND_CONSTANTS:
        c0 = a00 ^ a01 ^ a02 ^ a03 ^ a04
        c1 = a10 ^ a11 ^ a12 ^ a13 ^ a14
        c2 = a20 ^ a21 ^ a22 ^ a23 ^ a24
        c3 = a30 ^ a31 ^ a32 ^ a33 ^ a34
        c4 = a40 ^ a41 ^ a42 ^ a43 ^ a44
        d0 = c4 ^ ((c1 << 1 | c1 >> 63) & _MASK)
        d1 = c0 ^ ((c2 << 1 | c2 >> 63) & _MASK)
        d2 = c1 ^ ((c3 << 1 | c3 >> 63) & _MASK)
        d3 = c2 ^ ((c4 << 1 | c4 >> 63) & _MASK)
        d4 = c3 ^ ((c0 << 1 | c0 >> 63) & _MASK)
        b00 = a00 ^ d0
        t = a10 ^ d1
        b02 = (t << 1 | t >> 63) & _MASK
        t = a20 ^ d2
        b04 = (t << 62 | t >> 2) & _MASK
        t = a30 ^ d3
        b01 = (t << 28 | t >> 36) & _MASK
        t = a40 ^ d4
        b03 = (t << 27 | t >> 37) & _MASK
        t = a01 ^ d0
        b13 = (t << 36 | t >> 28) & _MASK
        t = a11 ^ d1
        b10 = (t << 44 | t >> 20) & _MASK
        t = a21 ^ d2
        b12 = (t << 6 | t >> 58) & _MASK
        t = a31 ^ d3
        b14 = (t << 55 | t >> 9) & _MASK
        t = a41 ^ d4
        b11 = (t << 20 | t >> 44) & _MASK
        t = a02 ^ d0
        b21 = (t << 3 | t >> 61) & _MASK
        t = a12 ^ d1
        b23 = (t << 10 | t >> 54) & _MASK
        t = a22 ^ d2
        b20 = (t << 43 | t >> 21) & _MASK
        t = a32 ^ d3
        b22 = (t << 25 | t >> 39) & _MASK
        t = a42 ^ d4
        b24 = (t << 39 | t >> 25) & _MASK
        t = a03 ^ d0
        b34 = (t << 41 | t >> 23) & _MASK
        t = a13 ^ d1
        b31 = (t << 45 | t >> 19) & _MASK
        t = a23 ^ d2
        b33 = (t << 15 | t >> 49) & _MASK
        t = a33 ^ d3
        b30 = (t << 21 | t >> 43) & _MASK
        t = a43 ^ d4
        b32 = (t << 8 | t >> 56) & _MASK
        t = a04 ^ d0
        b42 = (t << 18 | t >> 46) & _MASK
        t = a14 ^ d1
        b44 = (t << 2 | t >> 62) & _MASK
        t = a24 ^ d2
        b41 = (t << 61 | t >> 3) & _MASK
        t = a34 ^ d3
        b43 = (t << 56 | t >> 8) & _MASK
        t = a44 ^ d4
        b40 = (t << 14 | t >> 50) & _MASK
        a00 = b00 ^ (b20 & ~b10) ^ constant
        a10 = b10 ^ (b30 & ~b20)
        a20 = b20 ^ (b40 & ~b30)
        a30 = b30 ^ (b00 & ~b40)
        a40 = b40 ^ (b10 & ~b00)
        a01 = b01 ^ (b21 & ~b11)
        a11 = b11 ^ (b31 & ~b21)
        a21 = b21 ^ (b41 & ~b31)
        a31 = b31 ^ (b01 & ~b41)
        a41 = b41 ^ (b11 & ~b01)
        a02 = b02 ^ (b22 & ~b12)
        a12 = b12 ^ (b32 & ~b22)
        a22 = b22 ^ (b42 & ~b32)
        a32 = b32 ^ (b02 & ~b42)
        a42 = b42 ^ (b12 & ~b02)
        a03 = b03 ^ (b23 & ~b13)
        a13 = b13 ^ (b33 & ~b23)
        a23 = b23 ^ (b43 & ~b33)
        a33 = b33 ^ (b03 & ~b43)
        a43 = b43 ^ (b13 & ~b03)
        a04 = b04 ^ (b24 & ~b14)
        a14 = b14 ^ (b34 & ~b24)
        a24 = b24 ^ (b44 & ~b34)
        a34 = b34 ^ (b04 & ~b44)
        a44 = b44 ^ (b14 & ~b04)
    return _LANES.pack(
        a00, a10, a20, a30, a40,
        a01, a11, a21, a31, a41,
        a02, a12, a22, a32, a42,
        a03, a13, a23, a33, a43,
        a04, a14, a24, a34, a44,
    )  # fmt: skip


_RATE: Final = 166
"""Bytes absorbed between two permutations: 200 less 256 bits of capacity and 2 of padding."""

_FLAG_I: Final = 1
_FLAG_A: Final = 2
_FLAG_C: Final = 4
_FLAG_M: Final = 16
_META_AD: Final = _FLAG_M | _FLAG_A
_AD: Final = _FLAG_A
_PRF: Final = _FLAG_I | _FLAG_A | _FLAG_C
_KEY: Final = _FLAG_A | _FLAG_C


class _Strobe:
    """A STROBE-128 object: a sponge that knows where each operation began."""

    __slots__ = ("_begin", "_position", "_state")

    def __init__(self, state: bytes | bytearray, position: int = 0, begin: int = 0) -> None:
        self._state = bytearray(state)
        self._position = position
        self._begin = begin

    @classmethod
    def of(cls, protocol: bytes) -> "_Strobe":
        """The object at the beginning of ``protocol``."""
        header = bytes((1, _RATE + 2, 1, 0, 1, 12 * 8)) + b"STROBEv1.0.2"
        made = cls(keccak_f1600(header.ljust(_STATE_BYTES, b"\0")))
        made.meta_ad(protocol)
        return made

    def clone(self) -> "_Strobe":
        """An independent copy."""
        return _Strobe(self._state, self._position, self._begin)

    def meta_ad(self, data: bytes) -> None:
        """Absorb data that frames other data."""
        self._start(_META_AD)
        self._absorb(data)

    def ad(self, data: bytes) -> None:
        """Absorb data that both sides know."""
        self._start(_AD)
        self._absorb(data)

    def key(self, data: bytes) -> None:
        """Replace a part of the state by ``data``, so that earlier states cannot be computed."""
        self._start(_KEY)
        for start in range(0, len(data), _RATE):
            part = data[start : start + _RATE]
            # A key begins on a fresh block, so each part lies within one.
            self._state[: len(part)] = part
            self._advance(len(part))

    def prf(self, length: int) -> bytes:
        """Squeeze ``length`` bytes, and forget them."""
        self._start(_PRF)
        drawn = bytearray()
        while len(drawn) < length:
            # A squeeze begins on a fresh block, so each part lies within one.
            size = min(_RATE, length - len(drawn))
            drawn += self._state[:size]
            self._state[:size] = bytes(size)
            self._advance(size)
        return bytes(drawn)

    def _start(self, flags: int) -> None:
        before, self._begin = self._begin, self._position + 1
        self._absorb(bytes((before, flags)))
        if flags & _FLAG_C and self._position:
            self._permute()

    def _absorb(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            size = min(_RATE - self._position, len(data) - at)
            place = slice(self._position, self._position + size)
            mixed = int.from_bytes(self._state[place], "little") ^ int.from_bytes(
                data[at : at + size], "little"
            )
            self._state[place] = mixed.to_bytes(size, "little")
            at += size
            self._advance(size)

    def _advance(self, size: int) -> None:
        self._position += size
        if self._position == _RATE:
            self._permute()

    def _permute(self) -> None:
        self._state[self._position] ^= self._begin
        self._state[self._position + 1] ^= 0x04
        self._state[_RATE + 1] ^= 0x80
        self._state[:] = keccak_f1600(self._state)
        self._position = self._begin = 0


@dataclass(slots=True, eq=False, repr=False)
class Transcript:
    """A transcript; see the module's text. Begin one with ``of``."""

    _strobe: _Strobe

    @classmethod
    def of(cls, label: bytes) -> "Transcript":
        """The empty transcript of the protocol ``label``."""
        begun = cls(_begun().clone())
        begun.append(b"dom-sep", label)
        return begun

    def clone(self) -> "Transcript":
        """An independent copy, to go on in two ways from here."""
        return Transcript(self._strobe.clone())

    def append(self, label: bytes, message: bytes) -> None:
        """Absorb ``message`` as ``label``."""
        self._strobe.meta_ad(label + len(message).to_bytes(4, "little"))
        self._strobe.ad(message)

    def append_u64(self, label: bytes, number: int) -> None:
        """Absorb a number of 64 bits, little-endian."""
        self.append(label, number.to_bytes(8, "little"))

    def challenge(self, label: bytes, length: int) -> bytes:
        """Draw ``length`` bytes as ``label``; they become a part of the transcript."""
        self._strobe.meta_ad(label + length.to_bytes(4, "little"))
        return self._strobe.prf(length)

    def witness(self, label: bytes, secrets: tuple[bytes, ...], entropy: bytes) -> bytes:
        """Draw 64 secret bytes from the transcript, ``secrets`` and 32 bytes of ``entropy``.

        Without ``secrets`` nobody can compute them, with the same arguments they are the same.
        """
        assert len(entropy) == 32, "because Merlin finishes its generator with 32 bytes"
        strobe = self._strobe.clone()
        for secret in secrets:
            strobe.meta_ad(label + len(secret).to_bytes(4, "little"))
            strobe.key(secret)
        strobe.meta_ad(b"rng")
        strobe.key(entropy)
        strobe.meta_ad((64).to_bytes(4, "little"))
        return strobe.prf(64)


@lru_cache(maxsize=1)
def _begun() -> _Strobe:
    """The state in which every transcript begins; cloned, never changed."""
    return _Strobe.of(b"Merlin v1.0")
