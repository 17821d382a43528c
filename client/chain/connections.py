"""Connections of substrate-interface, each used by one worker thread at a time.

``Connections`` keeps at most ``connections_max`` of them for plain requests. ``composer`` is one
more, for what needs the chain's metadata: it alone decodes them, which takes seconds and memory.

A request that fails with its connection is tried again on a new one, after a bounded and growing
delay, until its deadline. So only requests that may be repeated are made here; for a transaction
that is so because the same signed bytes are executed once.

Bounds: see `ChainLimits`. A thread that outlives its deadline ends with its socket's timeout, and
its connection is thrown away.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from substrateinterface import SubstrateInterface
from substrateinterface.exceptions import SubstrateRequestException
from websocket import WebSocketException

from client.chain.bounded_socket import bounded_class
from client.chain.errors import ChainMismatch, ChainUnreachable, RpcFailed
from client.chain.limits import ChainLimits
from primitives.crypto.ss58 import CESS_PREFIX

__all__ = ["Connections"]

T = TypeVar("T")
Work = Callable[[SubstrateInterface], T]

_LOST = (WebSocketException, OSError, EOFError, json.JSONDecodeError)
"""What substrate-interface lets through when a connection fails."""

_DELAY_GROWTH = 2.0


class Connections:
    """The connections of one client to one node."""

    def __init__(self, url: str, limits: ChainLimits) -> None:
        self.url = url
        self.limits = limits
        self.genesis: str | None = None
        self._idle: list[SubstrateInterface] = []
        self._composer: SubstrateInterface | None = None
        self._closed = False
        self._lock = Lock()
        self._plain = anyio.CapacityLimiter(limits.connections_max)
        self._composing = anyio.CapacityLimiter(1)

    async def request(
        self, method: str, params: Sequence[object], *, timeout_s: float | None = None
    ) -> Any:
        """The result of one JSON-RPC request. Raises: ChainUnreachable, RpcFailed."""
        sent = 0

        def ask(connection: SubstrateInterface) -> Any:
            nonlocal sent
            sent += 1
            return connection.rpc_request(method, list(params)).get("result")

        try:
            step = partial(self._with_plain, method, ask)
            return await self._repeat(step, self._plain, timeout_s)
        except RpcFailed as failure:
            failure.was_repeated = sent > 1
            raise

    async def compose(self, work: Work[T]) -> T:
        """Run ``work`` on the connection that knows the metadata, one after another."""
        return await self._repeat(partial(self._with_composer, work), self._composing, None)

    def close(self) -> None:
        """Close what is idle; what is in use closes when its request ends."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            composer, self._composer = self._composer, None
        for connection in (*idle, *([composer] if composer is not None else [])):
            _shut(connection)

    async def _repeat(
        self, step: Callable[[], T], limiter: anyio.CapacityLimiter, timeout_s: float | None
    ) -> T:
        delay = self.limits.reconnect_delay_min_s
        timeout = self.limits.request_timeout_s if timeout_s is None else timeout_s
        why = "no answer in time"
        with anyio.move_on_after(timeout):
            while True:
                try:
                    return await anyio.to_thread.run_sync(
                        step, limiter=limiter, abandon_on_cancel=True
                    )
                except _LOST as error:
                    why = str(error) or type(error).__name__
                await anyio.sleep(delay)
                delay = min(delay * _DELAY_GROWTH, self.limits.reconnect_delay_max_s)
        raise ChainUnreachable(self.url, why)

    # What follows runs in worker threads.

    def _with_plain(self, method: str, ask: Work[T]) -> T:
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._connect()
        try:
            answer = ask(connection)
        except SubstrateRequestException as error:
            self._put_back(connection)
            raise _refusal(method, error) from error
        except BaseException:
            _shut(connection)
            raise
        self._put_back(connection)
        return answer

    def _with_composer(self, work: Work[T]) -> T:
        with self._lock:
            connection, self._composer = self._composer, None
        if connection is None:
            connection = self._connect()
        try:
            answer = work(connection)
        except SubstrateRequestException as error:
            self._keep_composer(connection)
            raise _refusal("a composed request", error) from error
        except _LOST:
            _shut(connection)
            raise
        except BaseException:
            self._keep_composer(connection)
            raise
        self._keep_composer(connection)
        return answer

    def _connect(self) -> SubstrateInterface:
        connection = SubstrateInterface(
            url=self.url,
            ss58_format=CESS_PREFIX,
            ws_options={
                "timeout": self.limits.request_timeout_s,
                "class_": bounded_class(self.limits.message_bytes_max),
            },
            auto_reconnect=False,
            auto_discover=False,
        )
        try:
            genesis = connection.rpc_request("chain_getBlockHash", [0]).get("result")
        except BaseException:
            _shut(connection)
            raise
        if self.genesis is None:
            self.genesis = genesis
        elif genesis != self.genesis:
            _shut(connection)
            raise ChainMismatch(
                f"the node at {self.url} follows a chain with genesis {genesis}, not "
                f"{self.genesis}; give the address of a node of your chain with --rpc"
            )
        return connection

    def _put_back(self, connection: SubstrateInterface) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < self.limits.connections_max:
                self._idle.append(connection)
                return
        _shut(connection)

    def _keep_composer(self, connection: SubstrateInterface) -> None:
        with self._lock:
            if not self._closed and self._composer is None:
                self._composer = connection
                return
        _shut(connection)


def _shut(connection: SubstrateInterface) -> None:
    try:
        connection.close()
    except _LOST:
        return


def _refusal(method: str, error: SubstrateRequestException) -> RpcFailed:
    """The JSON-RPC error inside substrate-interface's exception."""
    detail = error.args[0] if error.args else ""
    if not isinstance(detail, dict):
        return RpcFailed(method, 0, str(detail))
    text = str(detail.get("message", ""))
    if detail.get("data") is not None:
        text = f"{text}: {detail['data']}"
    return RpcFailed(method, int(detail.get("code", 0)), text)
