"""Connections of substrate-interface, each used by one worker thread at a time.

``Connections`` keeps at most ``connections_max`` of them for plain requests. ``composer`` is one
more, for what needs the chain's metadata: it alone decodes them, which takes seconds and memory.
All go to the node that `endpoints` chose; ``watch`` makes the looks that it orders. When it chooses
another one, the connections to the former are cut, so that nobody waits for a node that hangs.

A request that fails with its connection is tried again on a new one, after a bounded and growing
delay, until its deadline, and it may be another node that answers then. So only requests that may
be repeated are made here; for a transaction that is so because the same signed bytes are executed
once.

Bounds: see `ChainLimits` and `endpoints`; one look at each node at a time. A thread that outlives
its deadline ends with its socket's timeout, and its connection is thrown away.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import structlog
from substrateinterface import SubstrateInterface
from substrateinterface.exceptions import SubstrateRequestException
from websocket import WebSocketException, WebSocketPayloadException

from client.addresses import ENDPOINTS_MAX
from client.chain.blocks import hash_of_json, header_of_json
from client.chain.bounded_socket import BoundedWebSocket, bounded_class
from client.chain.endpoints import (
    BestSeen,
    Changed,
    Endpoints,
    Fact,
    Failed,
    FinalSeen,
    Look,
    Looked,
    LookFailed,
    NobodyUsable,
    Refused,
    Sighting,
    Standing,
    Unfit,
)
from client.chain.errors import ChainMismatch, ChainUnreachable, RpcFailed, UnknownBlock
from client.chain.limits import ChainLimits
from primitives.crypto.ss58 import CESS_PREFIX
from primitives.errors import DecodeError
from primitives.types import Hash

__all__ = ["LOST", "Connections"]

T = TypeVar("T")
Work = Callable[[SubstrateInterface], T]

LOST = (WebSocketException, OSError, EOFError, json.JSONDecodeError)
"""What substrate-interface lets through when a connection fails."""

COMPOSE_ATTEMPTS_MAX = 4
UNKNOWN_BLOCK = 4003
"""The error of a node that has no such block."""

_DELAY_GROWTH = 2.0
_PATIENCE_FACTOR = 3.0

log = structlog.get_logger(__name__)


class _OtherChainError(Exception):
    """A new connection to the node in use is to another chain."""


class Connections:
    """The connections of one client to one of its nodes. ``watch`` must run beside it."""

    def __init__(
        self, urls: Sequence[str], limits: ChainLimits, genesis: Hash | None = None
    ) -> None:
        self.limits = limits
        self.endpoints = Endpoints(urls, limits, genesis)
        self.changes = 0
        """How often another node was chosen."""
        self._used: int | None = None
        self._idle: list[tuple[int, SubstrateInterface]] = []
        self._composer: tuple[int, SubstrateInterface] | None = None
        self._lookers: dict[int, SubstrateInterface] = {}
        self._in_look: dict[int, SubstrateInterface] = {}
        self._open: dict[BoundedWebSocket, int] = {}
        self._closed = False
        self._lock = Lock()
        self._plain = anyio.CapacityLimiter(limits.connections_max)
        self._composing = anyio.CapacityLimiter(1)
        self._looking = anyio.CapacityLimiter(2 * ENDPOINTS_MAX)
        self._wanted = anyio.Event()
        self._judged = anyio.Event()

    @property
    def url(self) -> str:
        """The address of the node in use, or those of all."""
        index, urls = self.endpoints.in_use, self.endpoints.urls
        return ", ".join(urls) if index is None else urls[index]

    async def request(self, method: str, params: Sequence[object]) -> Any:
        """The result of one JSON-RPC request.

        Raises: ChainUnreachable, RpcFailed, ChainMismatch.
        """
        sent = 0

        def ask(connection: SubstrateInterface) -> Any:
            nonlocal sent
            sent += 1
            return connection.rpc_request(method, list(params)).get("result")

        try:
            return await self._repeat(partial(self._with_plain, method, ask), self._plain)
        except RpcFailed as failure:
            failure.was_repeated = sent > 1
            raise

    async def compose(self, work: Work[T]) -> T:
        """Run ``work`` on the connection that knows the metadata, one after another.

        It is run again when the block that it was begun at was given up meanwhile, as that of a
        fork, or the node has not heard of it yet. Raises: UnknownBlock when that goes on.
        """
        for _ in range(COMPOSE_ATTEMPTS_MAX):
            try:
                return await self._repeat(partial(self._with_composer, work), self._composing)
            except RpcFailed as failure:
                if failure.code != UNKNOWN_BLOCK:
                    raise
                said = str(failure)
            await anyio.sleep(self.limits.poll_interval_s)
        raise UnknownBlock(said)

    async def finalized(self) -> tuple[int, Hash]:
        """The last final block, which is never older than one that was told before.

        A node that tells of an older one, or of another one at that height, is not used any more.
        """

        def ask(connection: SubstrateInterface) -> tuple[int, Hash]:
            block = connection.rpc_request("chain_getFinalizedHead", []).get("result")
            reply = connection.rpc_request("chain_getHeader", [block]).get("result")
            return int(header_of_json(reply).number), hash_of_json(block)

        def step(index: int) -> tuple[int, int, Hash]:
            return index, *self._with_plain("chain_getFinalizedHead", ask, index)

        while True:
            mark = self.endpoints.mark
            index, number, block = await self._repeat(step, self._plain)
            if mark is not None and (number < mark[0] or (number == mark[0] and block != mark[1])):
                why = f"it says that block {number} is the last final one, after {mark[0]} was"
                standing = Standing.behind if number < mark[0] else Standing.other_blocks
                self.tell(Unfit(index, standing, why))
                continue
            self.tell(FinalSeen(number, block))
            assert self.endpoints.mark is not None, "because it was just told"
            return self.endpoints.mark

    async def ready(self, timeout_s: float) -> Hash:
        """Wait for a node; the genesis. Raises: ChainUnreachable, ChainMismatch."""
        with anyio.move_on_after(timeout_s):
            await self.chosen()
            assert self.endpoints.genesis is not None, "because a node is in use"
            return self.endpoints.genesis
        raise ChainUnreachable(self.url, self.endpoints.why())

    async def chosen(self, *, is_patient: bool = False) -> int:
        """The node in use, once there is one.

        Raises: ChainMismatch when each follows another chain; ``is_patient`` waits even then.
        """
        while (index := self.endpoints.in_use) is None:
            mismatch = self.endpoints.mismatch()
            if mismatch and not is_patient:
                raise ChainMismatch(mismatch)
            await self._judged.wait()
        return index

    def tell(self, what: Fact) -> None:
        """Give a fact to the core; looks may be due then."""
        self.endpoints.receive(what, anyio.current_time())
        if not isinstance(what, FinalSeen | BestSeen):
            self._follow_choice()

    async def watch(self) -> None:
        """Look at the nodes whenever that is due, for ever."""
        while True:
            now = anyio.current_time()
            looks = self.endpoints.to_look(now)
            if looks:
                await self._look_at(looks)
                continue
            with anyio.move_on_after(max(self.endpoints.next_due() - now, 0.0)):
                await self._wanted.wait()
                self._wanted = anyio.Event()

    async def look_now(self) -> None:
        """Look at every node, whether that is due or not."""
        await self._look_at(self.endpoints.all_looks())

    def close(self) -> None:
        """Close what is idle; what is in use closes when its request ends."""
        with self._lock:
            self._closed = True
            rest = [connection for _, connection in self._idle]
            if self._composer is not None:
                rest.append(self._composer[1])
            lookers = tuple(self._lookers.values())
            self._idle, self._lookers, self._composer = [], {}, None
        for connection in lookers:
            connection.websocket.cut()  # its node may hang, and would not take leave
        for connection in (*rest, *lookers):
            self._shut(connection)

    # Sockets of others are cut with ours when their node is left.

    def register(self, index: int, stream: BoundedWebSocket) -> None:
        """Cut ``stream`` when node ``index`` is used no more. Raises: ConnectionAbortedError."""
        with self._lock:
            self._open[stream] = index
        if self._closed or self._used not in (index, None):
            stream.cut()
            raise ConnectionAbortedError("another node is used now")

    def forget(self, stream: BoundedWebSocket) -> None:
        """The stream was closed."""
        with self._lock:
            self._open.pop(stream, None)

    # Choosing.

    async def _look_at(self, looks: Sequence[Look]) -> None:
        found: list[Sighting | LookFailed] = []
        began = anyio.current_time()
        most = max(self.limits.request_timeout_s, self.limits.look_timeout_s)
        scopes = [anyio.CancelScope(deadline=began + most) for _ in looks]

        async def look_at(look: Look, scope: anyio.CancelScope) -> None:
            why = ""
            with scope:
                try:
                    found.append(
                        await anyio.to_thread.run_sync(
                            self._look, look, limiter=self._looking, abandon_on_cancel=True
                        )
                    )
                    hurry()
                    return
                except (*LOST, SubstrateRequestException, DecodeError) as error:
                    why = str(error) or type(error).__name__
            self._give_up_look(look.index)
            waited = anyio.current_time() - began
            found.append(LookFailed(look, why or f"no answer in {waited:.0f} s"))

        def hurry() -> None:
            """One has answered: the others may take some times as long."""
            took = anyio.current_time() - began
            most = max(self.limits.look_timeout_s, _PATIENCE_FACTOR * took)
            for scope in scopes:
                scope.deadline = min(scope.deadline, began + most)

        async with anyio.create_task_group() as tasks:
            for look, scope in zip(looks, scopes, strict=True):
                tasks.start_soon(look_at, look, scope)
        self.tell(Looked(tuple(found)))
        self._judged.set()
        self._judged = anyio.Event()

    def _give_up_look(self, index: int) -> None:
        """Let the thread of a look that hangs end."""
        with self._lock:
            connection = self._in_look.pop(index, None)
        if connection is not None:
            connection.websocket.cut()

    def _follow_choice(self) -> None:
        """Cut what belongs to nodes that are not used, and log what there is to tell."""
        self._wanted.set()
        before, index = self._used, self.endpoints.in_use
        is_opening = before is None and math.isfinite(self.limits.connect_timeout_s)
        tell = log.debug if is_opening else log.warning  # who opens with a deadline gets an error
        if index is not None and index != self._used:
            self.changes += self._used is not None
            with self._lock:
                self._used = index
                cut = [stream for stream, owner in self._open.items() if owner != index]
                rest = [connection for owner, connection in self._idle if owner != index]
                self._idle = [item for item in self._idle if item[0] == index]
            for stream in cut:
                stream.cut()
            for connection in rest:
                self._shut(connection)  # at once, as it was cut
        while (effect := self.endpoints.next_effect()) is not None:
            match effect:
                case Changed(url):
                    tell(
                        "node can be used again" if index == before else "using another node",
                        url=url,
                    )
                case Refused(url, standing, why):
                    log.warning("node refused", url=url, standing=standing.value, reason=why)
                case NobodyUsable(why):
                    tell("no node can be used, waiting for one", reason=why)

    async def _repeat(self, step: Callable[[int], T], limiter: anyio.CapacityLimiter) -> T:
        delay = self.limits.reconnect_delay_min_s
        why = ""
        index: int | None = None
        with anyio.move_on_after(self.limits.request_timeout_s):
            while True:
                index = await self.chosen()
                try:
                    return await anyio.to_thread.run_sync(
                        step, index, limiter=limiter, abandon_on_cancel=True
                    )
                except WebSocketPayloadException as error:
                    why = str(error)  # this request asks for too much; the node is well
                except _OtherChainError as error:
                    self.tell(Unfit(index, Standing.other_chain, str(error)))
                    index = None
                    continue
                except LOST as error:
                    why = str(error) or type(error).__name__
                    self.tell(Failed(index, why))
                index = None
                await anyio.sleep(delay)
                delay = min(delay * _DELAY_GROWTH, self.limits.reconnect_delay_max_s)
        if index is not None and limiter is self._plain:
            self.tell(Failed(index, "no answer in time"))
        if self.endpoints.in_use is None:
            why = self.endpoints.why()
        raise ChainUnreachable(self.url, why or "no answer in time")

    # What follows runs in worker threads.

    def _look(self, look: Look) -> Sighting:
        with self._lock:
            connection = self._lookers.pop(look.index, None)
        if connection is None:
            connection = self._connect(look.index)
        with self._lock:
            self._in_look[look.index] = connection
        try:
            started = time.monotonic()
            best = header_of_json(_ask(connection, "chain_getHeader"))
            final = header_of_json(
                _ask(connection, "chain_getHeader", _ask(connection, "chain_getFinalizedHead"))
            )
            at_mark = _ask(connection, "chain_getBlockHash", look.mark) if look.mark else None
            found = Sighting(
                look=look,
                genesis=hash_of_json(_ask(connection, "chain_getBlockHash", 0)),
                best=int(best.number),
                finalized=int(final.number),
                at_mark=None if at_mark is None else hash_of_json(at_mark),
                took_s=time.monotonic() - started,
            )
        except BaseException:
            self._shut(connection)
            raise
        with self._lock:
            is_awaited = self._in_look.pop(look.index, None) is connection
            if is_awaited and not self._closed:
                self._lookers[look.index] = connection
                return found
        self._shut(connection)
        return found

    def _with_plain(self, method: str, ask: Work[T], index: int) -> T:
        connection = self._take_idle(index)
        if connection is not None:
            try:
                return self._ask_plain(method, ask, index, connection)
            except WebSocketPayloadException:
                raise
            except LOST:
                # The node may have closed what was idle: only a new connection tells.
                while (rest := self._take_idle(index)) is not None:
                    self._shut(rest)
        return self._ask_plain(method, ask, index, self._open_to(index))

    def _ask_plain(
        self, method: str, ask: Work[T], index: int, connection: SubstrateInterface
    ) -> T:
        try:
            answer = ask(connection)
        except SubstrateRequestException as error:
            self._put_back(index, connection)
            raise _refusal(method, error) from error
        except BaseException:
            self._shut(connection)
            raise
        self._put_back(index, connection)
        return answer

    def _with_composer(self, work: Work[T], index: int) -> T:
        with self._lock:
            kept, self._composer = self._composer, None
        if kept is not None and kept[0] != index:
            self._shut(kept[1])
            kept = None
        connection = self._open_to(index) if kept is None else kept[1]
        try:
            answer = work(connection)
        except SubstrateRequestException as error:
            if connection.metadata is None:
                self._shut(connection)  # half of what it needs was read, and it would not read on
            else:
                self._keep_composer(index, connection)
            raise _refusal("a composed request", error) from error
        except LOST:
            self._shut(connection)
            raise
        except BaseException:
            self._keep_composer(index, connection)
            raise
        self._keep_composer(index, connection)
        return answer

    def _open_to(self, index: int) -> SubstrateInterface:
        """A new connection to the node in use."""
        connection = self._connect(index)
        try:
            self.register(index, connection.websocket)
            genesis = hash_of_json(_ask(connection, "chain_getBlockHash", 0))
        except BaseException:
            self._shut(connection)
            raise
        if genesis != self.endpoints.genesis:
            self._shut(connection)
            raise _OtherChainError(f"it follows the chain with genesis 0x{genesis.hex()} now")
        return connection

    def _connect(self, index: int) -> SubstrateInterface:
        return SubstrateInterface(
            url=self.endpoints.urls[index],
            ss58_format=CESS_PREFIX,
            ws_options={
                "timeout": max(self.limits.request_timeout_s, self.limits.look_timeout_s),
                "class_": bounded_class(self.limits.message_bytes_max),
            },
            auto_reconnect=False,
            auto_discover=False,
        )

    def _take_idle(self, index: int) -> SubstrateInterface | None:
        with self._lock:
            for place in reversed(range(len(self._idle))):
                if self._idle[place][0] == index:
                    return self._idle.pop(place)[1]
        return None

    def _put_back(self, index: int, connection: SubstrateInterface) -> None:
        with self._lock:
            is_used = not self._closed and self._used in (index, None)
            if is_used and len(self._idle) < self.limits.connections_max:
                self._idle.append((index, connection))
                return
        self._shut(connection)

    def _keep_composer(self, index: int, connection: SubstrateInterface) -> None:
        with self._lock:
            if not self._closed and self._composer is None:
                self._composer = (index, connection)
                return
        self._shut(connection)

    def _shut(self, connection: SubstrateInterface) -> None:
        self.forget(connection.websocket)
        try:
            connection.close()
        except LOST:
            return


def _ask(connection: SubstrateInterface, method: str, *params: object) -> Any:
    return connection.rpc_request(method, list(params)).get("result")


def _refusal(method: str, error: SubstrateRequestException) -> RpcFailed:
    """The JSON-RPC error inside substrate-interface's exception."""
    detail = error.args[0] if error.args else ""
    if not isinstance(detail, dict):
        return RpcFailed(method, 0, str(detail))
    text = str(detail.get("message", ""))
    if detail.get("data") is not None:
        text = f"{text}: {detail['data']}"
    return RpcFailed(method, int(detail.get("code", 0)), text)
