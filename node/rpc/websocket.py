"""One WebSocket: a reader, a writer, and a task for each subscription and each call that waits.

Guarantees: an answer or an error for each call; events of a subscription only after its answer; a
socket that takes nothing for ``SEND_S``, is silent and does not answer a ping, or does not end a
message within ``MESSAGE_S``, is closed.
Bounds: a message is refused, and the rest of it passed over, as soon as it is longer than the
request limit;
``CALLS_MAX`` calls at a time, then nothing more is read; nor is it for ``REST_S`` after a message
that was refused for its size; see ``subscriptions`` for what waits.
No extension is accepted, so nothing is decompressed.
"""

import secrets
from typing import Final

import h11
import trio
import wsproto
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    TextMessage,
)
from wsproto.events import Request as Handshake
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from node.rpc import jsonrpc
from node.rpc.dispatch import SMALL_BYTES_MAX, Dispatcher, Session
from node.rpc.rate_limit import RateLimit
from node.rpc.receiving import Reception
from node.rpc.subscriptions import CALLS_MAX, Outbox

__all__ = ["serve_websocket"]

PING_S: Final = 20.0
SILENCE_S: Final = 60.0
SEND_S: Final = 60.0
MESSAGE_S: Final = 60.0
"""From the first byte of a message to the last; looked at with each ping."""
RECEIVE_BYTES: Final = 256 << 10
LITTLE_BYTES: Final = 64 << 10
"""Sent with one call of the system; as much as a socket takes from somebody who reads."""
REST_S: Final = 0.25
"""After a message that was refused for its size nothing is read for so long."""
UNYIELDED_MAX: Final = 16
"""Calls answered at once in a row before others have their turn."""
SHORT_MAX: Final = 126
"""Lengths below this fit into the second byte of a frame."""


async def serve_websocket(
    stream: trio.SocketStream,
    request: h11.Request,
    early: bytes,
    dispatcher: Dispatcher,
    *,
    subscription_count: int,
    event_count: int,
    rate: RateLimit | None = None,
) -> None:
    """Serve a connection that asked for the upgrade; ``early`` came after its head."""
    socket = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
    try:
        socket.initiate_upgrade_connection(list(request.headers), request.target.decode("latin-1"))
    except RemoteProtocolError as error:
        await stream.send_all(
            b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        )
        raise trio.BrokenResourceError("not a WebSocket handshake") from error
    async with trio.open_nursery() as nursery:
        outbox = Outbox(
            seed=secrets.randbits(80),
            subscription_count=subscription_count,
            event_count=event_count,
        )
        session = Session(outbox, nursery)
        connection = _Socket(stream, socket, session, dispatcher, rate)
        nursery.start_soon(connection.write)
        nursery.start_soon(connection.ping)
        await connection.read(early)
        nursery.cancel_scope.cancel()


class _Socket:
    def __init__(
        self,
        stream: trio.SocketStream,
        socket: wsproto.WSConnection,
        session: Session,
        dispatcher: Dispatcher,
        rate: RateLimit | None,
    ) -> None:
        self._rate = rate
        self._stream = stream
        self._socket = socket
        self._session = session
        self._dispatcher = dispatcher
        self._places = trio.Semaphore(CALLS_MAX)
        self._sending = trio.Lock()
        self._message = bytearray()
        self._reception: Reception | None = None
        """Of a message that has begun and not ended."""
        self._begun = 0.0
        self._must_rest = False
        self._is_skipping = False
        """The message was refused already."""
        self._unyielded = 0
        self._heard = trio.current_time()

    async def read(self, early: bytes) -> None:
        """Take messages until the peer closes or misbehaves."""
        try:
            await self._read(early)
        finally:
            self._end_message()

    async def _read(self, early: bytes) -> None:
        if early:
            self._socket.receive_data(early)
        while True:
            try:
                for event in self._socket.events():
                    if not await self._take(event):
                        return
                    if self._must_rest:
                        self._must_rest = False
                        await self._flush_little()
                        await trio.sleep(REST_S)
                await self._flush_little()
                # Whoever was just answered has mostly not asked again: do not try in vain first.
                await trio.lowlevel.wait_readable(self._stream.socket)
                data = await self._stream.receive_some(RECEIVE_BYTES)
                self._heard = trio.current_time()
                self._socket.receive_data(data or None)
            except RemoteProtocolError as error:
                hint = error.event_hint
                await self._send(hint if hint is not None else CloseConnection(code=1002))
                return
            except LocalProtocolError:
                return  # the peer is past its close: there is nobody to talk to

    async def _take(self, event: Event) -> bool:
        match event:
            case Handshake():
                await self._send(AcceptConnection())
            case TextMessage() | BytesMessage():
                await self._take_part(event)
            case Ping():
                await self._send(event.response())
            case CloseConnection():
                await self._send(event.response())
                return False
            case RejectConnection():
                return False
            case Pong() | _:
                pass
        return True

    async def _take_part(self, part: TextMessage | BytesMessage) -> None:
        data = part.data.encode() if isinstance(part.data, str) else part.data
        if self._is_skipping:
            if part.message_finished:
                self._end_message()
            return
        limits = self._dispatcher.limits
        if len(self._message) + len(data) > limits.request_bytes:
            self._skip_message()
            if part.message_finished:
                self._end_message()
            await self._places.acquire()
            self._session.outbox.push_reply(jsonrpc.failure(None, jsonrpc.oversized(limits)))
            self._must_rest = True
            return
        if part.message_finished:
            message = self._message + data if self._message else data
            self._end_message()
            await self._answer(message)
            return
        reception = self._reception or self._begin_message()
        self._message += data
        reception.take(len(data))

    def _begin_message(self) -> Reception:
        cancel = self._session.nursery.cancel_scope.cancel
        self._begun = trio.current_time()
        self._reception = self._dispatcher.receiving.begin(cancel)
        return self._reception

    def _skip_message(self) -> None:
        """Let go of what came of a message, and of what comes; its time goes on."""
        begun = self._begun if self._reception is not None else trio.current_time()
        self._end_message()
        self._begin_message()
        self._begun = begun
        self._is_skipping = True

    def _end_message(self) -> None:
        """No message has begun now."""
        self._is_skipping = False
        if self._reception is not None:
            self._reception.end()
            self._reception = None
            self._message = bytearray()

    async def _answer(self, message: bytes | bytearray) -> None:
        """Answer a whole message: at once, or in a task of its own."""
        try:
            self._places.acquire_nowait()
        except trio.WouldBlock:
            await self._flush_little()
            await self._places.acquire()
        if len(message) > SMALL_BYTES_MAX:
            at_once = self._dispatcher.refuse(message)
            self._must_rest = at_once is not None
        else:
            at_once = self._dispatcher.answer_small(message, self._session, self._rate)
        if at_once is None:
            self._session.nursery.start_soon(self._call, message)
            return
        self._session.outbox.push_reply(at_once)
        self._unyielded += 1
        if self._unyielded >= UNYIELDED_MAX:
            self._unyielded = 0
            await trio.lowlevel.checkpoint()

    async def _call(self, message: bytes | bytearray) -> None:
        await self._dispatcher.answer(message, self._session, self._push, self._rate)

    def _push(self, answer: bytes | None) -> None:
        if answer is None:
            self._places.release()
        else:
            self._session.outbox.push_reply(answer)
            self._session.wake()

    async def _flush_little(self) -> None:
        """Send what waits if a socket takes it without waiting; else let the writer do so."""
        outbox = self._session.outbox
        if not outbox:
            return
        if outbox.waiting_bytes <= LITTLE_BYTES and not self._sending.locked():
            await self._flush()
        else:
            self._session.wake()

    async def write(self) -> None:
        """Send what waits, in order."""
        while True:
            await self._flush()
            await self._session.wait_message()

    async def _flush(self) -> None:
        """Send what waits now: many messages with one call of the system."""
        async with self._sending:
            while True:
                data, replies = bytearray(), 0
                while len(data) < LITTLE_BYTES and (found := self._session.pop()) is not None:
                    data += self._framed(found[0])
                    replies += found[1]
                if not data:
                    return
                await self._send_all(data)
                for _ in range(replies):
                    self._places.release()

    def _framed(self, message: bytes) -> bytes:
        """One unmasked frame with a whole text. Raises: trio.BrokenResourceError."""
        if self._socket.state is not ConnectionState.OPEN:
            raise trio.BrokenResourceError("the socket is closing")
        size = len(message)
        if size < SHORT_MAX:
            return b"\x81%c%b" % (size, message)
        if size < 1 << 16:
            return b"\x81\x7e%b%b" % (size.to_bytes(2, "big"), message)
        return b"\x81\x7f%b%b" % (size.to_bytes(8, "big"), message)

    async def ping(self) -> None:
        """Keep middle boxes from dropping a quiet socket; drop one whose peer is gone."""
        while True:
            await trio.sleep(PING_S)
            now_s = trio.current_time()
            is_late = self._reception is not None and now_s - self._begun > MESSAGE_S
            if is_late or now_s - self._heard > SILENCE_S:
                self._session.nursery.cancel_scope.cancel()
                return
            await self._send(Ping())

    async def _send(self, event: Event) -> None:
        async with self._sending:
            try:
                data = self._socket.send(event)
            except LocalProtocolError as error:
                raise trio.BrokenResourceError("the socket is closing") from error
            await self._send_all(data)

    async def _send_all(self, data: bytes | bytearray) -> None:
        with trio.move_on_after(SEND_S) as scope:
            await self._stream.send_all(data)
        if scope.cancelled_caught:
            raise trio.BrokenResourceError("the peer takes nothing")
