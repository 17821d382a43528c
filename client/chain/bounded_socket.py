"""A WebSocket that gives up on a message that is too long, however it is cut into frames.

websocket-client has no such bound of its own: a node could fill the memory of its clients.
"""

import socket
from contextlib import suppress
from typing import Any, ClassVar

from websocket import ABNF, WebSocket, WebSocketPayloadException

__all__ = ["BoundedWebSocket", "bounded_class"]


class BoundedWebSocket(WebSocket):
    """Raises WebSocketPayloadException while a message of more than ``bytes_max`` bytes comes."""

    bytes_max: ClassVar[int] = 0

    def __init__(self, **options: Any) -> None:
        self._received = 0
        super().__init__(**options)

    def recv_data_frame(self, control_frame: bool = False) -> tuple[int, ABNF]:
        """The next whole message, or a control frame."""
        self._received = 0
        found: tuple[int, ABNF] = super().recv_data_frame(control_frame)
        return found

    def cut(self) -> None:
        """End the connection at once; whoever waits for it in another thread is told."""
        transport = self.sock
        if transport is not None:
            with suppress(OSError):
                transport.shutdown(socket.SHUT_RDWR)

    def _recv(self, bufsize: int) -> bytes:
        data: bytes = super()._recv(bufsize)  # type: ignore[no-untyped-call]
        self._received += len(data)
        if self._received > self.bytes_max:
            raise WebSocketPayloadException(
                f"the node sends a message of more than {self.bytes_max} bytes"
            )
        return data


def bounded_class(bytes_max: int) -> type[BoundedWebSocket]:
    """For the ``class_`` of ``websocket.create_connection``."""
    return type("BoundedWebSocket", (BoundedWebSocket,), {"bytes_max": bytes_max})
