"""Runs the calls of one message: on the loop where they are quick or wait, else in worker threads.

``Dispatcher.answer`` serves HTTP and WebSocket alike; only a session (a WebSocket) can subscribe.
A session's ``nursery`` holds its subscriptions, so they end with it.

Bounds: reading calls of all connections share ``context.READERS_MAX`` threads, and those that
execute the runtime ``context.RUNNERS_MAX``; messages under way have ``UNDER_WAY_BYTES_MAX``
together, unless there is only one; what is above that, or has too many values, is refused unparsed;
a batch ends with an error as soon as its answers are longer than one may be; see ``subscriptions``
and ``jsonrpc`` for the rest.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import orjson
import structlog
import trio

from node.database import StateDiscarded, UnknownBlock
from node.rpc import jsonrpc
from node.rpc.answers import Answers, Moment
from node.rpc.call_counters import CallCounters, Calls, Outcome, Protocol
from node.rpc.context import RpcContext, absence, client_error
from node.rpc.discovery import openrpc
from node.rpc.follow import Follow
from node.rpc.jsonrpc import (
    INTERNAL_ERROR,
    METHOD_NOT_FOUND,
    SERVER_BUSY,
    SERVER_IS_BUSY,
    TOO_MANY_SUBSCRIPTIONS,
    Batch,
    Json,
    Limits,
    Rejected,
    Request,
)
from node.rpc.rate_limit import RATE_LIMITED, RateLimit
from node.rpc.receiving import Receiving
from node.rpc.registry import Method, Registry, Subscription, unsafe_call
from node.rpc.subscriptions import REPLY_BYTES_MAX, TOO_MANY, Outbox, SubscriptionClosed
from pallets.frame.dispatch import RuntimePanic
from pallets.frame.runtime_api import UnknownRuntimeApi
from primitives.errors import CessError, DecodeError, RpcError, StorageCorrupt

__all__ = [
    "SMALL_BYTES_MAX",
    "UNDER_WAY_BYTES_MAX",
    "Caller",
    "Dispatcher",
    "Session",
    "Sink",
    "encode_health",
    "unexpected",
]

log = structlog.get_logger("rpc")

UNDER_WAY_BYTES_MAX: Final = 64 << 20
"""Bytes of messages that are being answered, with what their values take when they are parsed."""

SMALL_BYTES_MAX: Final = 16 << 10
"""Messages whose calls may be answered on the loop, and whose answers are kept."""

SERVER_ERROR: Final = -32000
_NULL: Final = b"null"


class Sink:
    """Where a subscription's function sends its events."""

    def __init__(self, session: "Session", method: Subscription, released: trio.Event) -> None:
        self.session = session
        self._method = method
        self._released = released
        self.name: str | None = None
        self.error: RpcError | None = None
        self.scope = trio.CancelScope()
        self.answered = trio.Event()

    def open(self) -> str:
        """Take a place among the connection's subscriptions; the id. Raises ``RpcError``."""
        method, limit = self._method, self._method.count_max
        if limit is not None and self.session.outbox.count(method.event) >= limit:
            if method.too_many is not None:
                raise RpcError(*method.too_many)
            raise RpcError(TOO_MANY_SUBSCRIPTIONS, TOO_MANY, f"Exceeded max limit of {limit}")
        self.name = self.session.outbox.open(method.event, method.farewell)
        self.session.scopes[self.name] = self.scope
        return self.name

    async def accept(self) -> None:
        """Answer the subscribing call with an id; returns when the answer is on its way."""
        if self.name is None:
            self.open()
        self.answered.set()
        await self._released.wait()

    def refuse(self, error: RpcError) -> None:
        """Answer the subscribing call with an error."""
        if not self.answered.is_set():
            self.error = error
            self.answered.set()

    def send(self, result: Json) -> None:
        """Send one event; raises ``SubscriptionClosed`` when nobody takes it."""
        assert self.name is not None, "because a subscription accepts before it sends"
        self.session.send(self.name, result)

    async def send_when_room(self, result: Json) -> None:
        """Send one event that can wait for its reader; raises as ``send``."""
        assert self.name is not None, "because a subscription accepts before it sends"
        await self.session.wait_room(self.name)
        self.session.send(self.name, result)

    def end(self) -> None:
        """No more events come."""
        if self.name is not None:
            self.session.outbox.close(self.name)
            self.session.scopes.pop(self.name, None)


class Session:
    """One WebSocket: its outbox, its subscriptions and the nursery that they run in."""

    def __init__(self, outbox: Outbox, nursery: trio.Nursery) -> None:
        self.outbox = outbox
        self.nursery = nursery
        self.scopes: dict[str, trio.CancelScope] = {}
        self.follows: dict[str, Follow] = {}
        """What ``chainHead`` subscriptions of this connection have pinned and started."""
        self.broadcasts: dict[str, trio.CancelScope] = {}
        """Transactions that this connection has broadcast, by operation."""
        self.broadcast_bytes: dict[str, int] = {}
        """Their lengths."""
        self.watched_count = 0
        """Storage keys in the subscriptions of this connection."""
        self.batching = trio.Lock()
        """One batch at a time, for its answers are collected."""
        self._ready = trio.Event()
        self._taken = trio.Event()

    def wake(self) -> None:
        """Tell the writer that something waits."""
        self._ready.set()

    async def wait_message(self) -> None:
        """Wait until something may be in the outbox."""
        await self._ready.wait()
        self._ready = trio.Event()

    def pop(self) -> tuple[bytes, bool] | None:
        """The next message and whether it is a reply; those that wait for room look again."""
        found = self.outbox.pop()
        if found is not None:
            self._taken.set()
            self._taken = trio.Event()
        return found

    def send(self, name: str, result: Json) -> None:
        """Send one event of a subscription; raises ``SubscriptionClosed`` when nobody takes it."""
        try:
            self.outbox.push_event(name, result)
        finally:
            self.wake()

    async def wait_room(self, name: str) -> None:
        """Wait until the reader has taken most of what a subscription sent."""
        while not self.outbox.has_room(name):
            await self._taken.wait()

    async def wait_reply_room(self) -> None:
        """Wait until the reader has taken most of the replies."""
        while self.outbox.reply_bytes > REPLY_BYTES_MAX // 2:
            await self._taken.wait()

    def unsubscribe(self, name: str) -> bool:
        """End a subscription; whether there was one."""
        scope = self.scopes.pop(name, None)
        if scope is not None:
            scope.cancel()
        return self.outbox.close(name)


class Caller:
    """The connection that called: what a ``per_connection`` method may use of it."""

    def __init__(self, session: Session, released: trio.Event) -> None:
        self.session = session
        self._released = released

    def start(self, work: Callable[[], Awaitable[None]]) -> trio.CancelScope:
        """Run ``work`` once the answer is on its way, until it ends or the connection does."""
        scope = trio.CancelScope()

        async def run() -> None:
            with scope:
                await self._released.wait()
                try:
                    await work()
                except SubscriptionClosed as closed:
                    log.debug("work for a connection ended", reason=str(closed))

        self.session.nursery.start_soon(run)
        return scope


class Dispatcher:
    """Answers messages with the methods of a registry."""

    def __init__(
        self, registry: Registry, context: RpcContext, *, limits: Limits, deny_unsafe: bool
    ) -> None:
        self.limits = limits
        self._registry = registry
        self._context = context
        self._deny_unsafe = deny_unsafe
        self._discovery: Json = None
        self._under_way = 0
        self._answers = Answers()
        self.counters = CallCounters()
        self.receiving = Receiving()

    async def answer(
        self,
        data: bytes | bytearray,
        session: Session | None,
        push: Callable[[bytes | None], None],
        rate: RateLimit | None = None,
    ) -> None:
        """Answer one message; ``push`` gets the answer, None where none is due.

        Each call of a batch counts towards the connection's ``rate``.
        """
        values = jsonrpc.count_values(data)
        refused = self._refusal(data, values)
        if refused is not None:
            push(refused)
            return
        size = len(data) + values * jsonrpc.VALUE_BYTES
        self._under_way += size
        try:
            await self._answer(data, session, push, rate)
        finally:
            self._under_way -= size

    def refuse(self, data: bytes | bytearray) -> bytes | None:
        """The error where there is no room for this message now, or never will be."""
        return self._refusal(data, jsonrpc.count_values(data))

    def _refusal(self, data: bytes | bytearray, values: int) -> bytes | None:
        """Nothing is parsed here: what is refused costs nearly nothing."""
        size = len(data) + values * jsonrpc.VALUE_BYTES
        if values > jsonrpc.VALUES_MAX:
            error = jsonrpc.too_many_values()
        elif self._under_way and self._under_way + size > UNDER_WAY_BYTES_MAX:
            error = RpcError(SERVER_BUSY, SERVER_IS_BUSY, "too many large requests at a time")
        else:
            return None
        return jsonrpc.failure(jsonrpc.guess_identifier(data), error)

    async def _answer(
        self,
        data: bytes | bytearray,
        session: Session | None,
        push: Callable[[bytes | None], None],
        rate: RateLimit | None,
    ) -> None:
        asked = jsonrpc.parse(data, self.limits)
        released = trio.Event()
        answer: bytes | None
        is_small = len(data) <= SMALL_BYTES_MAX
        if not isinstance(asked, Batch):
            answer = await self._one(asked, session, released, rate, is_small=is_small)
        elif session is None:
            answer = await self._batch(asked, session, released, rate, is_small=is_small)
        else:
            async with session.batching:
                answer = await self._batch(asked, session, released, rate, is_small=is_small)
        if answer is not None and session is not None:
            identifier = asked.id if isinstance(asked, Request) else None
            if not session.outbox.takes_reply(len(answer)):
                answer = jsonrpc.failure(identifier, _unread())
        push(answer)
        released.set()

    async def _batch(
        self,
        asked: Batch,
        session: Session | None,
        released: trio.Event,
        rate: RateLimit | None,
        *,
        is_small: bool,
    ) -> bytes | None:
        """The answers in one message; what follows one too many is not called any more."""
        answers: list[bytes] = []
        size = 0
        for entry in asked.entries:
            answer = await self._one(entry, session, released, rate, is_small=is_small)
            if answer is None:
                continue
            answers.append(answer)
            size += len(answer) + 1
            if size > self.limits.response_bytes:
                break
        return jsonrpc.batch(answers, self.limits)

    async def _one(
        self,
        asked: Request | Rejected,
        session: Session | None,
        released: trio.Event,
        rate: RateLimit | None,
        *,
        is_small: bool,
    ) -> bytes | None:
        if isinstance(asked, Rejected):
            return jsonrpc.failure(asked.id, asked.error)
        if session is not None:
            await session.wait_reply_room()
        if is_small:
            at_once = self.answer_at_once(asked, session, rate)
            if at_once is not None:
                await trio.lowlevel.checkpoint()
                return at_once if asked.wants_answer else None
        counted, begun_s = self._begin(asked, session), trio.current_time()
        outcome = Outcome.FAILED
        try:
            if rate is not None:
                rate.check(begun_s)
            result = await self._run(asked, session, released, is_small=is_small)
            answer = jsonrpc.success_encoded(asked.id, result, self.limits)
            outcome = Outcome.DONE
        except RpcError as error:
            answer = jsonrpc.failure(asked.id, error)
            outcome = _outcome(error)
        except Exception as error:  # noqa: BLE001  a call fails alone
            answer = jsonrpc.failure(asked.id, unexpected(asked.method, error))
        finally:
            if counted is not None:
                counted.end(outcome, trio.current_time() - begun_s)
        return answer if asked.wants_answer else None

    def _begin(self, asked: Request, session: Session | None) -> Calls | None:
        """Count a call, if it is of a method that there is."""
        if asked.method not in self._registry:
            return None
        protocol = Protocol.HTTP if session is None else Protocol.WS
        return self.counters.start(protocol, asked.method)

    def answer_small(
        self, data: bytes | bytearray, session: Session, rate: RateLimit | None
    ) -> bytes | None:
        """The answer to a message that is one small call and needs no waiting; else None."""
        if len(data) > SMALL_BYTES_MAX or session.outbox.reply_bytes > REPLY_BYTES_MAX // 2:
            return None
        asked = jsonrpc.parse(data, self.limits)
        if not isinstance(asked, Request) or not asked.wants_answer:
            return None
        return self.answer_at_once(asked, session, rate)

    def answer_at_once(
        self, asked: Request, session: Session | None, rate: RateLimit | None
    ) -> bytes | None:
        """The answer to a small call that needs no thread; None where it does.

        Such are calls of quick methods, and those whose answer is kept.
        """
        method = self._registry.methods.get(asked.method)
        if method is None or not (method.quick or method.stable):
            return None
        if method.unsafe and self._deny_unsafe:
            return None
        params = _encoded_params(asked) if method.stable else None
        kept = None
        if params is not None:
            kept = self._answers.get(self._moment(), method.name, params)
        if kept is None and not self._is_quick(method, asked):
            return None
        counted, begun_s = self._begin(asked, session), trio.current_time()
        outcome = Outcome.FAILED
        try:
            if rate is not None:
                rate.check(begun_s)
            if kept is None:
                kept = self._read(method, method.arguments(asked.params))
                if params is not None:
                    self._keep(method, params, self._moment(), kept)
            answer = jsonrpc.success_encoded(asked.id, kept, self.limits)
            outcome = Outcome.DONE
        except RpcError as error:
            answer = jsonrpc.failure(asked.id, error)
            outcome = _outcome(error)
        except Exception as error:  # noqa: BLE001  a call fails alone
            answer = jsonrpc.failure(asked.id, unexpected(asked.method, error))
        if counted is not None:
            counted.end(outcome, trio.current_time() - begun_s)
        return answer

    @staticmethod
    def _is_quick(method: Method, asked: Request) -> bool:
        if isinstance(method.quick, bool):
            return method.quick
        try:
            return method.is_quick(method.arguments(asked.params))
        except RpcError:
            return False

    def _moment(self) -> Moment:
        database = self._context.database
        return database.settled_best().hash, database.finalized().hash

    def _keep(self, method: Method, params: bytes, moment: Moment, answer: bytes) -> None:
        """Keep an answer, unless the block that it does not know of may come."""
        if answer != _NULL:
            self._answers.put(moment, method.name, params, answer)

    async def _run(
        self, asked: Request, session: Session | None, released: trio.Event, *, is_small: bool
    ) -> bytes:
        """The result, as JSON."""
        if asked.method == "rpc_methods":
            return orjson.dumps({"methods": self._registry.names()})
        if asked.method == "rpc_discover":
            return orjson.dumps(self._document())
        if asked.method in self._registry.unsubscribe_names:
            ended = _unsubscribe(asked, session)
            silent = self._registry.unsubscribe_names[asked.method].ends_silently
            return _NULL if silent else orjson.dumps(ended)
        method = self._registry.find(asked, deny_unsafe=self._deny_unsafe)
        arguments = method.arguments(asked.params)
        if isinstance(method, Subscription):
            if self._deny_unsafe and method.unsafe_if is not None and method.unsafe_if(*arguments):
                raise unsafe_call()
            return orjson.dumps(await self._subscribe(method, arguments, session, released))
        if method.per_connection:
            caller = Caller(_needed(session), released)
            return orjson.dumps(await method.function(self._context, caller, *arguments))
        if method.is_async:
            return orjson.dumps(await method.function(self._context, *arguments))
        if method.is_quick(arguments):
            await trio.lowlevel.checkpoint()
            return self._read(method, arguments)
        work = self._context.execute if method.executes else self._context.read
        if not (method.stable and is_small):
            return await work(self._read, method, arguments)
        moment = self._moment()
        answer = await work(self._read, method, arguments)
        params = _encoded_params(asked)
        if params is not None and moment == self._moment():
            self._keep(method, params, moment, answer)
        return answer

    def _document(self) -> Json:
        if self._discovery is None:
            self._discovery = openrpc(self._registry, self._context.version)
        return self._discovery

    def _read(self, method: Method, arguments: list[object]) -> bytes:
        return orjson.dumps(method.function(self._context, *arguments))

    async def _subscribe(
        self,
        method: Subscription,
        arguments: list[object],
        session: Session | None,
        released: trio.Event,
    ) -> Json:
        session = _needed(session)
        sink = Sink(session, method, released)
        session.nursery.start_soon(self._feed, method, arguments, sink)
        await sink.answered.wait()
        if sink.error is not None:
            raise sink.error
        return sink.name

    async def _feed(self, method: Subscription, arguments: list[object], sink: Sink) -> None:
        """Run a subscription to its end; what goes wrong ends only itself."""
        try:
            with sink.scope:
                await method.function(self._context, sink, *arguments)
        except SubscriptionClosed as closed:
            log.debug("subscription ended", method=method.name, reason=str(closed))
        except RpcError as error:
            sink.refuse(error)
        except Exception as error:  # noqa: BLE001  a subscription fails alone
            sink.refuse(unexpected(method.name, error))
        finally:
            sink.end()


def _encoded_params(asked: Request) -> bytes | None:
    """What an answer is kept by; None for parameters nested deeper than can be encoded."""
    try:
        return orjson.dumps(asked.params)
    except TypeError:
        return None


def _outcome(error: RpcError) -> Outcome:
    return Outcome.RATE_LIMITED if error.code == RATE_LIMITED else Outcome.FAILED


def _unread() -> RpcError:
    return RpcError(SERVER_BUSY, SERVER_IS_BUSY, "read the answers that wait, then ask again")


def _needed(session: Session | None) -> Session:
    if session is None:
        raise RpcError(METHOD_NOT_FOUND, "Method not found", "this needs a WebSocket connection")
    return session


def unexpected(method: str, error: Exception) -> RpcError:
    """The answer to a failure that the method did not foresee; ours are logged in full."""
    if isinstance(error, UnknownBlock | StateDiscarded):
        return client_error(f"UnknownBlock: {absence(error)}")
    if isinstance(error, UnknownRuntimeApi):
        return client_error(f"Execution failed: Other: {error}")
    if isinstance(error, DecodeError | RuntimePanic):
        return client_error(f"Execution failed: {error}")
    if isinstance(error, StorageCorrupt):
        log.error("the database is damaged", method=method, reason=str(error))
    if isinstance(error, CessError):
        return RpcError(SERVER_ERROR, "Server error", str(error))
    log.error("call failed", method=method, exc_info=error)
    return RpcError(INTERNAL_ERROR, "Internal error")


def _unsubscribe(asked: Request, session: Session | None) -> bool:
    values = list(asked.params.values()) if isinstance(asked.params, dict) else asked.params
    name = values[0] if values else None
    if not isinstance(name, str):
        raise jsonrpc.invalid_params("expected the id of a subscription")
    return session is not None and session.unsubscribe(name)


def encode_health(
    peers_count: int, *, is_syncing: bool, should_have_peers: bool, has_twin: bool = False
) -> bytes:
    """The body of ``GET /health``; it names a twin, who signs with this node's keys, if seen."""
    body = {"peers": peers_count, "isSyncing": is_syncing, "shouldHavePeers": should_have_peers}
    return orjson.dumps(body | {"keysSignElsewhere": True} if has_twin else body)
