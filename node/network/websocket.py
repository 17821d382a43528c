"""libp2p inside WebSocket: a stream of bytes in binary messages, over wsproto.

One port takes both, because a WebSocket begins with ``GET`` and libp2p does not.

Bounds: h11's for the opening request; messages are handed on in the pieces in which they arrive, so
their length does not matter. Deadlines are the caller's.
"""

from typing import Final

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError

from node.network.streams import StreamEnded

__all__ = ["WebSocketStream"]

PART_BYTES: Final = 64 * 1024


class WebSocketStream:
    """A WebSocket as a stream; one task reads, one writes."""

    def __init__(self, stream: trio.SocketStream, kind: ConnectionType) -> None:
        self._stream = stream
        self._wire = WSConnection(kind)
        self._parts: list[bytes] = []
        self._lock = trio.Lock()

    @classmethod
    async def accept(cls, stream: trio.SocketStream) -> "WebSocketStream":
        """Answer the opening request of a client. Raises: StreamEnded."""
        socket = cls(stream, ConnectionType.SERVER)
        for event in await socket._events():
            if not isinstance(event, Request):
                raise StreamEnded("the peer did not open a WebSocket")
        await socket._send(AcceptConnection())
        return socket

    @classmethod
    async def connect(cls, stream: trio.SocketStream, host: str) -> "WebSocketStream":
        """Open a WebSocket as the client. Raises: StreamEnded."""
        socket = cls(stream, ConnectionType.CLIENT)
        await socket._send(Request(host=host, target="/"))
        for event in await socket._events():
            if isinstance(event, BytesMessage):
                socket._parts.append(bytes(event.data))
            elif not isinstance(event, AcceptConnection):
                raise StreamEnded("the peer refused the WebSocket")
        return socket

    async def receive_some(self) -> bytes:
        """The next bytes; none at the end. Raises: StreamEnded."""
        while not self._parts:
            for event in await self._events():
                match event:
                    case BytesMessage():
                        if event.data:
                            self._parts.append(bytes(event.data))
                    case Ping():
                        await self._send(event.response())
                    case CloseConnection() | TextMessage() | RejectConnection():
                        return b""
                    case _:
                        pass
        return self._parts.pop(0)

    async def send_all(self, data: bytes) -> None:
        """Send bytes as one message. Raises: StreamEnded."""
        await self._send(BytesMessage(data=data))

    async def aclose(self) -> None:
        """Close the socket."""
        await self._stream.aclose()

    async def _send(self, event: Event) -> None:
        async with self._lock:
            try:
                await self._stream.send_all(self._wire.send(event))
            except (ProtocolError, OSError, trio.BrokenResourceError, trio.ClosedResourceError):
                raise StreamEnded("the WebSocket is closed") from None

    async def _events(self) -> list[Event]:
        """What the next bytes mean: at least one event."""
        found: list[Event] = []
        while not found:
            try:
                data = await self._stream.receive_some(PART_BYTES)
                if not data:
                    raise StreamEnded("the WebSocket is closed")
                self._wire.receive_data(data)
                found = list(self._wire.events())
            except (ProtocolError, OSError, trio.BrokenResourceError, trio.ClosedResourceError):
                raise StreamEnded("the WebSocket is closed") from None
        return found
