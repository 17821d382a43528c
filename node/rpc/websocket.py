"""One WebSocket: a reader, a writer, and a task for each call and subscription.

Guarantees: an answer or an error for each call; events of a subscription only after its answer; a
socket that takes nothing for ``SEND_S``, or is silent and does not answer a ping, is closed.
Bounds: a message is refused as soon as it is longer than the request limit (close code 1009);
``CALLS_MAX`` calls at a time, then nothing more is read; see ``subscriptions`` for what waits.
No extension is accepted, so nothing is decompressed.
"""

import secrets
from typing import Final

import h11
import trio
import wsproto
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    Pong,
    RejectConnection,
    TextMessage,
)
from wsproto.events import Request as Handshake
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from node.rpc.dispatch import Dispatcher, Session
from node.rpc.rate_limit import RateLimit
from node.rpc.subscriptions import CALLS_MAX, Outbox

__all__ = ["serve_websocket"]

PING_S: Final = 20.0
SILENCE_S: Final = 60.0
SEND_S: Final = 60.0
RECEIVE_BYTES: Final = 256 << 10


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
        self._heard = trio.current_time()

    async def read(self, early: bytes) -> None:
        """Take messages until the peer closes or misbehaves."""
        if early:
            self._socket.receive_data(early)
        while True:
            try:
                for event in self._socket.events():
                    if not await self._take(event):
                        return
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
                return await self._take_part(event)
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

    async def _take_part(self, part: TextMessage | BytesMessage) -> bool:
        data = part.data.encode() if isinstance(part.data, str) else part.data
        if len(self._message) + len(data) > self._dispatcher.limits.request_bytes:
            await self._send(
                CloseConnection(code=CloseReason.MESSAGE_TOO_BIG, reason="Request is too big")
            )
            return False
        self._message += data
        if part.message_finished:
            message, self._message = self._message, bytearray()
            await self._places.acquire()
            self._session.nursery.start_soon(self._call, message)
        return True

    async def _call(self, message: bytearray) -> None:
        await self._dispatcher.answer(message, self._session, self._push, self._rate)

    def _push(self, answer: bytes | None) -> None:
        if answer is None:
            self._places.release()
        else:
            self._session.outbox.push_reply(answer)
            self._session.wake()

    async def write(self) -> None:
        """Send what waits, in order."""
        while True:
            while (waiting := self._session.pop()) is not None:
                data, is_reply = waiting
                await self._send(Message(data=data.decode()))
                if is_reply:
                    self._places.release()
            await self._session.wait_message()

    async def ping(self) -> None:
        """Keep middle boxes from dropping a quiet socket; drop one whose peer is gone."""
        while True:
            await trio.sleep(PING_S)
            if trio.current_time() - self._heard > SILENCE_S:
                self._session.nursery.cancel_scope.cancel()
                return
            await self._send(Ping())

    async def _send(self, event: Event) -> None:
        async with self._sending:
            try:
                data = self._socket.send(event)
            except LocalProtocolError as error:
                raise trio.BrokenResourceError("the socket is closing") from error
            with trio.move_on_after(SEND_S) as scope:
                await self._stream.send_all(data)
            if scope.cancelled_caught:
                raise trio.BrokenResourceError("the peer takes nothing")
