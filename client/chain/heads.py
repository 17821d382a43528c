"""Subscriptions to heads: an endless iterator that reconnects by itself.

Each wait runs in a worker thread on a socket of its own. A consumer that is slower than the chain
gets the newest head and not those before it.

Bounds: one message is kept; a thread ends with its socket, at the latest after ``silence_s``.
"""

import json
import select
import ssl
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import anyio
import anyio.to_thread
import websocket
from websocket import WebSocket, WebSocketException

from client.chain.blocks import BlockHead, header_of_json
from client.chain.bounded_socket import bounded_class
from client.chain.errors import ChainUnreachable
from client.chain.limits import ChainLimits
from primitives.errors import DecodeError

__all__ = ["Heads"]

_METHODS = {False: "chain_subscribeNewHeads", True: "chain_subscribeFinalizedHeads"}
_LOST = (WebSocketException, OSError, EOFError, json.JSONDecodeError, DecodeError)
_SUBSCRIBE_ID = 1
_GROWTH = 2.0


class Heads:
    """Asynchronous iterator of `BlockHead`. Close it with ``async with`` or ``aclose``."""

    def __init__(
        self, url: str, limits: ChainLimits, limiter: anyio.CapacityLimiter, *, finalized: bool
    ) -> None:
        self._url = url
        self._limits = limits
        self._limiter = limiter
        self._method = _METHODS[finalized]
        self._socket: WebSocket | None = None
        self._closed = False

    def __aiter__(self) -> "Heads":
        return self

    async def __aenter__(self) -> "Heads":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the subscription."""
        self._closed = True
        self._drop()

    async def __anext__(self) -> BlockHead:
        """The next head. Raises: ChainUnreachable after ``outage_s`` without a node."""
        delay = self._limits.reconnect_delay_min_s
        since = time.monotonic()
        while not self._closed:
            try:
                return await anyio.to_thread.run_sync(
                    self._receive, limiter=self._limiter, abandon_on_cancel=True
                )
            except _LOST as error:
                self._drop()
                if time.monotonic() - since > self._limits.outage_s:
                    raise ChainUnreachable(self._url, str(error)) from None
            except BaseException:
                self._drop()
                raise
            await anyio.sleep(delay)
            delay = min(delay * _GROWTH, self._limits.reconnect_delay_max_s)
        raise StopAsyncIteration

    def _drop(self) -> None:
        found, self._socket = self._socket, None
        if found is not None:
            close: Callable[[], None] = found.shutdown
            close()

    # In a worker thread.

    def _receive(self) -> BlockHead:
        stream = self._socket
        if stream is None:
            stream = self._socket = self._subscribe()
        head = _head(json.loads(stream.recv()))
        while head is None or _has_more(stream):
            head = _head(json.loads(stream.recv())) or head
        return head

    def _subscribe(self) -> WebSocket:
        stream = websocket.create_connection(
            self._url,
            timeout=self._limits.silence_s,
            class_=bounded_class(self._limits.message_bytes_max),
        )
        request = {"jsonrpc": "2.0", "id": _SUBSCRIBE_ID, "method": self._method, "params": []}
        stream.send(json.dumps(request))
        return stream


def _has_more(stream: WebSocket) -> bool:
    """Whether a further message has begun to arrive."""
    transport = stream.sock
    if transport is None:
        return False
    if isinstance(transport, ssl.SSLSocket) and transport.pending():
        return True  # decrypted and not read yet
    readable, _, _ = select.select([transport], [], [], 0)
    return bool(readable)


def _head(message: Any) -> BlockHead | None:
    if not isinstance(message, dict):
        raise DecodeError("the node sent a message that is no object")
    if "error" in message:
        raise DecodeError(f"the node refused the subscription: {message['error']}")
    params = message.get("params")
    result = params.get("result") if isinstance(params, dict) else None
    if not isinstance(result, dict):
        return None
    header = header_of_json(result)
    return BlockHead(number=header.number, hash=header.hash(), header=header)
