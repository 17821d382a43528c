"""What a peer may do to the multiplexer: the frames of one connection, counted in both directions.

The multiplexer keeps whatever arrives until somebody reads it, answers each ping, and knows no
limit of streams; so the frames are watched on their way in. ``received`` raises ``Violation`` for a
frame that no honest peer sends, and the connection is cut. On the way out ``sent`` holds window
updates back until they matter, which saves one frame for each message read, and never lets a peer
have more than ``CREDIT_MAX`` bytes on their way in one stream.

Bounds: ``STREAMS_MAX`` streams of the peer, ``CREDIT_MAX`` bytes on their way in each,
``OPENINGS`` and ``CONTROLS`` frames in a burst and a second.
"""

import struct
from dataclasses import dataclass
from typing import Final

from node.network.rates import Bucket
from primitives.errors import CessError

__all__ = ["CREDIT_MAX", "FRAME_BYTES_MAX", "STREAMS_MAX", "FrameGuard", "Violation"]

STREAMS_MAX: Final = 192
"""Streams that a peer has open; the shell refuses single ones long before."""
WINDOW: Final = 256 * 1024
CREDIT_MAX: Final = 1024 * 1024
FRAME_BYTES_MAX: Final = CREDIT_MAX
STRAY_MAX: Final = 4 * 1024 * 1024
"""Bytes for streams that we have ended, which were on their way."""

OPENINGS: Final = (1024, 256.0)
"""Streams opened in a burst, and in each second."""
CONTROLS: Final = (8192, 2048.0)
"""Frames without data in a burst, and in each second."""

_HEADER: Final = struct.Struct("!BBHII")
_DATA, _WINDOW_UPDATE, _PING, _GO_AWAY = range(4)
_SYN, _ACK, _FIN, _RST = 1, 2, 4, 8
_FLAGS: Final = 0xF


class Violation(CessError):  # noqa: N818  a fact
    """A frame that no honest peer sends."""


@dataclass(slots=True)
class _Stream:
    is_theirs: bool
    credit: int = WINDOW
    owed: int = 0
    """Credit that the multiplexer gave and the peer has not been told of."""
    ended_in: bool = False
    ended_out: bool = False


class FrameGuard:
    """The frames of one connection; times are seconds of any clock that does not go back."""

    def __init__(self, *, is_initiator: bool, now_s: float) -> None:
        self._their_parity = 0 if is_initiator else 1
        self._streams: dict[int, _Stream] = {}
        self._theirs = 0
        self._stray = WINDOW
        self._header = bytearray()
        self._body_left = 0
        self._openings = Bucket(*OPENINGS, now_s)
        self._controls = Bucket(*CONTROLS, now_s)

    @property
    def stream_count(self) -> int:
        """Streams that are open in a direction."""
        return len(self._streams)

    def received(self, data: bytes, now_s: float) -> None:
        """Bytes came from the peer, in any pieces. Raises: Violation."""
        at, size = 0, len(data)
        while at < size:
            if self._body_left:
                step = min(self._body_left, size - at)
                self._body_left -= step
                at += step
                continue
            step = min(_HEADER.size - len(self._header), size - at)
            self._header += data[at : at + step]
            at += step
            if len(self._header) == _HEADER.size:
                header = bytes(self._header)
                self._header.clear()
                self._frame(header, now_s)

    def _frame(self, header: bytes, now_s: float) -> None:
        version, kind, flags, number, length = _HEADER.unpack(header)
        if version or kind > _GO_AWAY or flags & ~_FLAGS:
            raise Violation("the peer sent a frame of no known kind")
        if (kind != _DATA or not length) and not self._controls.take(1, now_s):
            raise Violation("the peer floods the connection with frames without data")
        if kind == _DATA:
            if length > FRAME_BYTES_MAX:
                raise Violation(f"the peer announced a frame of {length} bytes")
            self._body_left = length
        if kind in (_PING, _GO_AWAY):
            return
        if flags & _SYN:
            self._open(number, now_s)
        stream = self._streams.get(number)
        if kind == _DATA:
            self._spend(stream, length)
        if stream is not None and flags & (_FIN | _RST):
            self._end(number, stream, both=bool(flags & _RST), is_in=True)

    def _open(self, number: int, now_s: float) -> None:
        if not number or number & 1 != self._their_parity or number in self._streams:
            raise Violation("the peer opened a stream with a number that is not its own")
        if self._theirs >= STREAMS_MAX:
            raise Violation(f"the peer has more than {STREAMS_MAX} streams open")
        if not self._openings.take(1, now_s):
            raise Violation("the peer opens streams faster than anybody uses them")
        self._streams[number] = _Stream(is_theirs=True)
        self._theirs += 1

    def _spend(self, stream: _Stream | None, length: int) -> None:
        if stream is None:
            self._stray -= length
            if self._stray < 0:
                raise Violation("the peer sends to streams that are not open")
            return
        stream.credit -= length
        if stream.credit < 0:
            raise Violation("the peer sends more than the window of a stream allows")

    def _end(self, number: int, stream: _Stream, *, both: bool, is_in: bool) -> None:
        if is_in or both:
            stream.ended_in = True
        if not is_in or both:
            stream.ended_out = True
        if stream.ended_in and stream.ended_out:
            del self._streams[number]
            self._theirs -= stream.is_theirs
            self._stray = min(self._stray + stream.credit, STRAY_MAX)

    def sent(self, frame: bytes) -> bytes | None:
        """What to send in the place of a frame of the multiplexer; None: nothing yet."""
        _, kind, flags, number, length = _HEADER.unpack_from(frame)
        if kind in (_PING, _GO_AWAY):
            return frame
        if flags & _SYN:
            self._streams[number] = _Stream(is_theirs=False)
        stream = self._streams.get(number)
        if stream is None:
            return frame
        if flags & (_FIN | _RST):
            self._end(number, stream, both=bool(flags & _RST), is_in=False)
            return frame
        if kind != _WINDOW_UPDATE or not length:
            return frame
        stream.owed = min(stream.owed + length, CREDIT_MAX - stream.credit)
        if stream.credit > WINDOW >> 1 or stream.owed <= 0 or stream.ended_in:
            return None
        increment, stream.owed = stream.owed, 0
        stream.credit += increment
        return _HEADER.pack(0, _WINDOW_UPDATE, flags, number, increment)
