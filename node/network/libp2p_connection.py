"""One connection to a peer: a socket, made secret and cut into streams by py-libp2p.

``secure`` does Noise XX and the choice of Yamux; ``Connection.run`` keeps the connection until one
side ends it. What py-libp2p leaves open is closed here:

* frames are counted by ``FrameGuard`` before the multiplexer sees them;
* one task writes to the socket, whole frames only, so that a deadline or a cancelled task never
  leaves half a frame behind, and small frames share one packet;
* frames without data (answers to pings, window updates, resets) never wait behind data, so two
  nodes cannot block one another;
* what was received and not read is bounded, and silence ends the connection.

Bounds: ``WAITING_BYTES`` of frames wait for the socket before writers wait, ``CONTROLS_MAX`` frames
without data, ``UNREAD_MAX`` bytes that nobody has read; ``SILENCE_S`` without a byte.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

import trio
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.x25519 import create_new_key_pair as create_x25519_key_pair
from libp2p.exceptions import BaseLibp2pError
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.peer.id import ID
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as Noise
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX
from libp2p.stream_muxer.yamux.yamux import Yamux, YamuxStream

from node.network.streams import BadStream, StreamEnded, accept_protocol, select_protocol
from node.network.yamux_guard import FrameGuard, Violation
from primitives.errors import InvalidKey
from primitives.peer_id import peer_id_bytes, peer_id_text

__all__ = ["Connection", "Identity", "RawStream", "Substream", "secure"]

HEADER_BYTES: Final = 12
PART_BYTES: Final = 64 * 1024
WAITING_BYTES: Final = 512 * 1024
CONTROLS_MAX: Final = 4096
UNREAD_MAX: Final = 16 * 1024 * 1024
SILENCE_S: Final = 70.0
"""Both sides of Yamux ask for a sign of life each 30 seconds."""
WRITE_S: Final = 30.0
CLOSE_S: Final = 2.0
GONE: Final = (
    BaseLibp2pError,
    OSError,
    KeyError,
    ValueError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
)
"""What py-libp2p raises where a stream or connection ends."""

# It says each reset and each wrong byte of a stranger as a warning or an error.
logging.getLogger("libp2p").setLevel(logging.CRITICAL)


class _Socket(Protocol):
    async def receive_some(self) -> bytes: ...
    async def send_all(self, data: bytes) -> None: ...
    async def aclose(self) -> None: ...


class Identity:
    """The node's key in py-libp2p's form, and the key of its Noise handshakes."""

    def __init__(self, seed: bytes) -> None:
        self.keys: KeyPair = create_new_key_pair(seed)
        self.noise = Noise(self.keys, create_x25519_key_pair().private_key)


def _shielded(seconds: float) -> trio.CancelScope:
    """Time to say goodbye even while everything is being cancelled."""
    return trio.CancelScope(deadline=trio.current_time() + seconds, shield=True)


class RawStream:
    """A socket as py-libp2p reads it: exactly so many bytes, or an error."""

    is_initiator: bool

    def __init__(self, socket: _Socket, *, is_initiator: bool) -> None:
        self._socket = socket
        self._data = bytearray()
        self.is_initiator = is_initiator
        self.received_bytes = 0
        self.sent_bytes = 0

    async def read(self, n: int | None = None) -> bytes:
        """That many bytes."""
        wanted = 1 if n is None else n
        while len(self._data) < wanted:
            part = b""
            with trio.move_on_after(SILENCE_S):
                part = await self._socket.receive_some()
            if not part:
                raise ConnectionClosedError("the peer is gone")
            self.received_bytes += len(part)
            self._data += part
        out = bytes(self._data[:wanted])
        del self._data[:wanted]
        return out

    async def read_exactly(self, count: int) -> bytes:
        """That many bytes. Raises: StreamEnded."""
        try:
            return await self.read(count)
        except GONE as error:
            raise StreamEnded("the connection is gone") from error

    async def write(self, data: bytes) -> None:
        """Send all bytes. Raises: StreamEnded, as all of libp2p's own errors: it is one of GONE."""
        try:
            await self._socket.send_all(data)
        except (StreamEnded, *GONE) as error:
            raise ConnectionClosedError("the peer is gone") from error
        self.sent_bytes += len(data)

    async def close(self) -> None:
        """Close the socket."""
        with _shielded(CLOSE_S):
            await self._socket.aclose()

    def get_remote_address(self) -> tuple[str, int] | None:
        """Not asked for: the node knows whom it dialled or accepted."""
        return None


class _Session:
    """A Noise session as a ``ByteStream``, for the choice of the multiplexer."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def read_exactly(self, count: int) -> bytes:
        try:
            data: bytes = await self._session.read(count)
        except GONE as error:
            raise StreamEnded("the connection is gone") from error
        if len(data) != count:
            raise StreamEnded("the connection is gone")
        return data

    async def write(self, data: bytes) -> None:
        try:
            await self._session.write(data)
        except GONE as error:
            raise StreamEnded("the connection is gone") from error


class _Raw:
    """A socket as a ``ByteStream``, for the choice of Noise."""

    def __init__(self, raw: RawStream) -> None:
        self._raw = raw

    async def read_exactly(self, count: int) -> bytes:
        return await self._raw.read_exactly(count)

    async def write(self, data: bytes) -> None:
        try:
            await self._raw.write(data)
        except GONE as error:
            raise StreamEnded("the connection is gone") from error


async def secure(raw: RawStream, identity: Identity, expected: str | None) -> "Connection":
    """Agree on Noise and Yamux; ``expected``: whom we dialled. Raises: StreamEnded, BadStream."""
    is_initiator = raw.is_initiator
    plain: Any = raw
    if is_initiator:
        assert expected is not None, "who is dialled is known"
        await select_protocol(_Raw(raw), [str(NOISE)])
        session = await _handshake(identity.noise.secure_outbound, plain, ID(_bytes(expected)))
        await select_protocol(_Session(session), [YAMUX])
    else:
        await accept_protocol(_Raw(raw), [str(NOISE)])
        session = await _handshake(identity.noise.secure_inbound, plain)
        await accept_protocol(_Session(session), [YAMUX])
    try:
        peer = peer_id_text(session.get_remote_peer().to_bytes())
    except InvalidKey as error:
        raise BadStream("the peer's key is not ed25519") from error
    return Connection(raw, session, peer, is_initiator=is_initiator)


def _bytes(peer: str) -> bytes:
    return peer_id_bytes(peer)


async def _handshake(handshake: Callable[..., Any], *args: Any) -> Any:
    """Noise, whose parser meets the bytes of strangers: whatever it raises, they are at fault."""
    try:
        return await handshake(*args)
    except Exception as error:
        raise BadStream(f"the handshake failed: {type(error).__name__}") from error


class _Muxer(Yamux):
    """Yamux over the guarded queue of a connection."""

    def __init__(self, connection: "Connection", session: Any, peer: ID) -> None:
        super().__init__(session, peer, is_initiator=connection.is_initiator)
        self._connection = connection

    async def _write_frame(self, data: bytes) -> None:
        await self._connection.send_frame(data)


class Connection:
    """A secured connection, cut into streams."""

    def __init__(self, raw: RawStream, session: Any, peer: str, *, is_initiator: bool) -> None:
        self.peer = peer
        self.is_initiator = is_initiator
        self.violation: str | None = None
        """What the peer did that ended the connection, if it did."""
        self.raw = raw
        self._session = session
        self._guard = FrameGuard(is_initiator=is_initiator, now_s=trio.current_time())
        self._muxer = _Muxer(self, self, ID(_bytes(peer)))
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._controls = 0
        self._work = trio.Event()
        self._room = trio.Event()
        self._unchecked = 0
        self._scope = trio.CancelScope()
        self._is_closed = False

    @property
    def stream_count(self) -> int:
        """Streams that are open."""
        return self._guard.stream_count

    async def run(self, on_stream: Callable[["Substream"], Any]) -> None:
        """Serve until the end; ``on_stream`` is told of each stream of the peer, and must not wait.

        Nothing that the peer does raises.
        """
        try:
            with self._scope:
                try:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._write)
                        nursery.start_soon(self._accept, on_stream)
                        await self._muxer.start()
                        nursery.cancel_scope.cancel()
                except* GONE:
                    pass
        finally:
            self._is_closed = True
            self._room.set()
            await self.raw.close()

    def close(self) -> None:
        """End the connection."""
        self._is_closed = True
        self._room.set()
        self._scope.cancel()

    async def open(self) -> "Substream":
        """A new stream. Raises: StreamEnded."""
        if self._is_closed:
            raise StreamEnded("the connection is closed")
        try:
            return Substream(await self._muxer.open_stream())
        except GONE as error:
            raise StreamEnded("the connection is gone") from error

    async def _accept(self, on_stream: Callable[["Substream"], Any]) -> None:
        while True:
            stream: Any = await self._muxer.accept_stream()
            on_stream(Substream(stream))

    # What the multiplexer reads from and writes to: a session, watched.

    async def read(self, n: int) -> bytes:
        """Bytes for the multiplexer, which have passed the guard."""
        data: bytes = await self._session.read(n)
        try:
            self._guard.received(data, trio.current_time())
            self._unchecked += len(data)
            if self._unchecked >= PART_BYTES:
                self._unchecked = 0
                if sum(map(len, self._muxer.stream_buffers.values())) > UNREAD_MAX:
                    raise Violation("the peer sends what nobody reads")
        except Violation as error:
            self.violation = str(error)
            raise ConnectionClosedError("the peer breaks the rules of Yamux") from error
        return data

    async def send_frame(self, data: bytes) -> None:
        """Queue a frame of the multiplexer; data waits for room, anything else does not."""
        frame = self._guard.sent(data)
        if frame is None:
            await trio.lowlevel.checkpoint()
            return
        if len(frame) > HEADER_BYTES:
            while self._queued_bytes > WAITING_BYTES and not self._is_closed:
                self._room = trio.Event()
                await self._room.wait()
        else:
            self._controls += 1
            if self._controls > CONTROLS_MAX:
                self.violation = "the peer asks more than it reads answers"
                self.close()
        if self._is_closed:
            raise ConnectionClosedError("the connection is closed")
        self._queue.append(frame)
        self._queued_bytes += len(frame)
        self._work.set()
        await trio.lowlevel.checkpoint()

    async def _write(self) -> None:
        while True:
            if not self._queue:
                self._work = trio.Event()
                await self._work.wait()
            parts, size = [], 0
            while self._queue and size < PART_BYTES:
                parts.append(self._queue.popleft())
                size += len(parts[-1])
            self._queued_bytes -= size
            self._controls -= sum(len(part) == HEADER_BYTES for part in parts)
            with trio.fail_after(WRITE_S):
                await self._session.write(b"".join(parts))
            self._room.set()

    def get_remote_address(self) -> tuple[str, int] | None:
        """Not asked for."""
        return None


class Substream:
    """One stream of a connection; one task reads, one writes."""

    def __init__(self, stream: YamuxStream) -> None:
        self._stream = stream
        self._data = bytearray()
        self.received_bytes = 0
        self.sent_bytes = 0

    async def read_exactly(self, count: int) -> bytes:
        """That many bytes. Raises: StreamEnded."""
        while len(self._data) < count:
            await self._fill()
        out = bytes(self._data[:count])
        del self._data[:count]
        return out

    async def wait_some(self) -> None:
        """Wait until there is something to read. Raises: StreamEnded."""
        if not self._data:
            await self._fill()

    async def _fill(self) -> None:
        try:
            part = await self._stream.read(PART_BYTES)
        except GONE as error:
            raise StreamEnded("the stream is closed") from error
        if not part:
            raise StreamEnded("the stream is closed")
        self.received_bytes += len(part)
        self._data += part

    async def write(self, data: bytes) -> None:
        """Send all bytes. Raises: StreamEnded."""
        try:
            await self._stream.write(data)
        except GONE as error:
            raise StreamEnded("the stream is closed") from error
        self.sent_bytes += len(data)

    async def finish(self) -> None:
        """Say that nothing more will be sent."""
        with _shielded(CLOSE_S):
            try:
                await self._stream.close()
            except GONE:
                return

    async def wait_end(self, timeout_s: float) -> None:
        """Wait for the peer to say the same, then forget the stream; reset it if it does not."""
        with trio.move_on_after(timeout_s):
            try:
                await self._fill()
            except StreamEnded:
                if self._stream.recv_closed:
                    return
        await self.reset()

    async def reset(self) -> None:
        """End the stream in both directions."""
        with _shielded(CLOSE_S):
            try:
                await self._stream.reset()
            except GONE:
                return
