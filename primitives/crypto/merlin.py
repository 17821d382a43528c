"""Merlin transcripts: what a proof is about, absorbed step by step, and challenges drawn from it.

A transcript hashes labelled messages and draws labelled challenges, each bound to all that came
before. ``witness`` draws secret bytes from the transcript and from secrets, and leaves it as it is.

Built upon STROBE-128, of which only the operations that Merlin uses are here (``meta-AD``, ``AD``,
``PRF``, ``KEY``, without transport). STROBE pads its blocks as cSHAKE128 does and begins as
cSHAKE128 customised by its name. So the state after some blocks is what cSHAKE128 gives of them,
and the permutation is a library's. What an operation overwrites is absorbed as a difference.

Bounds: messages of less than 2**32 bytes, as their length is framed in four bytes.
Cost: 20 us for each challenge, and 1 us for each block of 166 bytes absorbed before it.

Source: NIST SP 800-185 section 3 (cSHAKE); the STROBE specification 1.0.2; merlin.cool and its Rust
implementation 3.0 (framing of messages, ``TranscriptRng``).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from Crypto.Hash import cSHAKE128

__all__ = ["Transcript"]

_NAME: Final = b"STROBEv1.0.2"
_BLOCK: Final = 168
"""Bytes of the state that blocks are mixed into: 200 less 256 bits of capacity."""
_RATE: Final = 166
"""Bytes absorbed between two permutations; two of a block are padding."""

_FLAG_I: Final = 1
_FLAG_A: Final = 2
_FLAG_C: Final = 4
_FLAG_M: Final = 16
_META_AD: Final = _FLAG_M | _FLAG_A
_AD: Final = _FLAG_A
_PRF: Final = _FLAG_I | _FLAG_A | _FLAG_C
_KEY: Final = _FLAG_A | _FLAG_C


class _Strobe:
    """A STROBE-128 object: a sponge that knows where each operation began.

    It keeps what was mixed into the state, not the state: ``_blocks`` before the last permutation,
    padded all but the last of them, and ``_block`` since then.
    """

    __slots__ = ("_begin", "_block", "_blocks")

    def __init__(
        self, blocks: bytes | bytearray = b"", block: bytes | bytearray = b"", begin: int = 0
    ) -> None:
        self._blocks = bytearray(blocks)
        self._block = bytearray(block)
        self._begin = begin

    def clone(self) -> "_Strobe":
        """An independent copy."""
        return _Strobe(self._blocks, self._block, self._begin)

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
            # A key begins on a fresh block, so each part lies within one.
            part = data[start : start + _RATE]
            state = self._state(len(part))
            mixed = int.from_bytes(state, "little") ^ int.from_bytes(part, "little")
            self._absorb(mixed.to_bytes(len(part), "little"))

    def prf(self, length: int) -> bytes:
        """Squeeze ``length`` bytes, and forget them."""
        self._start(_PRF)
        drawn = b""
        while len(drawn) < length:
            # A squeeze begins on a fresh block, so each part lies within one.
            part = self._state(min(_RATE, length - len(drawn)))
            self._absorb(part)  # which leaves zeros
            drawn += part
        return drawn

    def _start(self, flags: int) -> None:
        before, self._begin = self._begin, len(self._block) + 1
        self._absorb(bytes((before, flags)))
        if flags & _FLAG_C and self._block:
            self._permute()

    def _absorb(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            room = _RATE - len(self._block)
            self._block += data[at : at + room]
            at += room
            if len(self._block) == _RATE:
                self._permute()

    def _permute(self) -> None:
        left = -len(self._blocks) % _BLOCK
        if left:  # the block before ends as STROBE and cSHAKE128 pad it
            self._blocks += b"\x84" if left == 1 else b"\x04" + bytes(left - 2) + b"\x80"
        self._blocks += self._block
        self._blocks.append(self._begin)
        self._block.clear()
        self._begin = 0

    def _state(self, length: int) -> bytes:
        """The first bytes of the state; nothing was mixed into it since the last permutation."""
        assert not self._block, "because what needs the state begins on a fresh block"
        return cSHAKE128.new(data=self._blocks, custom=_NAME).read(length)


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
    begun = _Strobe()
    begun.meta_ad(b"Merlin v1.0")
    return begun
