"""Subscriptions to heads: an endless iterator that reconnects by itself, also to another node.

Each wait runs in a worker thread on a socket of its own. Of best blocks a consumer that is slower
than the chain gets the newest and not those before it. Of final blocks it gets each, once and in
their order, whatever was missed while nobody listened; a node that does not continue the chain of
those that were told is not used any more.

Bounds: one message is kept, and final blocks that were missed are read one by one; a thread ends
with its socket, at the latest after ``silence_s``.
"""

import json
import select
import ssl
import time
from types import TracebackType
from typing import Any

import anyio
import anyio.to_thread
import websocket
from websocket import WebSocket, WebSocketTimeoutException

from client.chain.blocks import BlockHead, hash_of_json, header_of_json
from client.chain.bounded_socket import BoundedWebSocket, bounded_class
from client.chain.connections import LOST, Connections
from client.chain.endpoints import BestSeen, Failed, FinalSeen, Standing, Unfit
from client.chain.errors import ChainUnreachable, UnknownBlock
from primitives.errors import DecodeError

__all__ = ["Heads"]

_METHODS = {False: "chain_subscribeNewHeads", True: "chain_subscribeFinalizedHeads"}
_SUBSCRIBE_ID = 1
_GROWTH = 2.0


class Heads:
    """Asynchronous iterator of `BlockHead`. Close it with ``async with`` or ``aclose``."""

    def __init__(
        self, connections: Connections, limiter: anyio.CapacityLimiter, *, finalized: bool
    ) -> None:
        self._connections = connections
        self._limits = connections.limits
        self._limiter = limiter
        self._is_final = finalized
        self._socket: BoundedWebSocket | None = None
        self._closed = False
        self._last: BlockHead | None = None
        self._newest: BlockHead | None = None

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
        while True:
            if self._newest is None:
                self._newest = await self._receive_head()
            if not self._is_final:
                found, self._newest = self._newest, None
                self._connections.tell(BestSeen(int(found.number)))
                return found
            following = await self._following()
            if following is not None:
                return following

    # Final blocks.

    async def _following(self) -> BlockHead | None:
        """The final block after the last one that was told, if the newest is above that.

        Raises: UnknownBlock when no node has it any more.
        """
        newest, last = self._newest, self._last
        assert newest is not None, "because the caller received it"
        mark = self._connections.endpoints.mark
        if last is None and (mark is None or newest.number >= mark[0]):
            return self._tell_final(newest)
        if last is None or newest.number < last.number or newest.hash == last.hash:
            self._newest = None  # it was told already
            return None
        number = int(last.number) + 1
        found = newest if newest.number <= number else await self._read(number)
        if newest.number == last.number or found.header.parent_hash != last.hash:
            why = f"its final block {found.number} does not follow the one that is final below it"
            self._connections.tell(
                Unfit(await self._connections.chosen(), Standing.other_blocks, why)
            )
            self._newest = None
            self._drop()
            return None
        return self._tell_final(found)

    def _tell_final(self, found: BlockHead) -> BlockHead:
        if found == self._newest:
            self._newest = None
        self._last = found
        self._connections.tell(FinalSeen(int(found.number), found.hash))
        return found

    async def _read(self, number: int) -> BlockHead:
        block = await self._connections.request("chain_getBlockHash", [number])
        reply = None
        if block is not None:
            reply = await self._connections.request("chain_getHeader", [block])
        if reply is None:
            raise UnknownBlock(f"the node has no block {number}, which is final")
        header = header_of_json(reply)
        found = BlockHead(number=header.number, hash=header.hash(), header=header)
        if found.number != number or found.hash != hash_of_json(block):
            raise DecodeError(f"the node sent another block for {number}")
        return found

    # Waiting.

    async def _receive_head(self) -> BlockHead:
        delay = self._limits.reconnect_delay_min_s
        since = time.monotonic()
        why = ""
        while not self._closed:
            index: int | None = None
            try:
                with anyio.move_on_after(self._limits.outage_s - (time.monotonic() - since)):
                    index = await self._connections.chosen(is_patient=True)
                if index is not None:
                    return await anyio.to_thread.run_sync(
                        self._receive, index, limiter=self._limiter, abandon_on_cancel=True
                    )
                why = why or self._connections.endpoints.why()
            except WebSocketTimeoutException as error:
                self._drop()  # the whole chain may stand still: looks tell whether the node is well
                why = str(error)
            except (*LOST, DecodeError) as error:
                self._drop()
                why = str(error) or type(error).__name__
                assert index is not None, "because only what was asked of a node fails so"
                self._connections.tell(Failed(index, why))
            except BaseException:
                self._drop()
                raise
            if time.monotonic() - since > self._limits.outage_s:
                raise ChainUnreachable(self._connections.url, why)
            await anyio.sleep(delay)
            delay = min(delay * _GROWTH, self._limits.reconnect_delay_max_s)
        raise StopAsyncIteration

    def _drop(self) -> None:
        found, self._socket = self._socket, None
        if found is not None:
            self._connections.forget(found)
            found.cut()
            found.shutdown()  # type: ignore[no-untyped-call]

    # In a worker thread.

    def _receive(self, index: int) -> BlockHead:
        stream = self._socket
        if stream is None:
            stream = self._socket = self._subscribe(index)
        head = _head(json.loads(stream.recv()))
        while head is None or _has_more(stream):
            head = _head(json.loads(stream.recv())) or head
        return head

    def _subscribe(self, index: int) -> BoundedWebSocket:
        stream = websocket.create_connection(
            self._connections.endpoints.urls[index],
            timeout=self._limits.silence_s,
            class_=bounded_class(self._limits.message_bytes_max),
        )
        assert isinstance(stream, BoundedWebSocket), "because that class was asked for"
        self._connections.register(index, stream)
        request = {"jsonrpc": "2.0", "id": _SUBSCRIBE_ID, "method": self._method, "params": []}
        stream.send(json.dumps(request))
        return stream

    @property
    def _method(self) -> str:
        return _METHODS[self._is_final]


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
