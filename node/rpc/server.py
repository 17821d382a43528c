"""One port for JSON-RPC: HTTP ``POST /``, WebSocket on ``/``, ``GET /health``.

h11 and wsproto parse, trio moves the bytes, every wait has a deadline. HTTP/1.1 only: there is no
compression to blow up and no stream to multiply.

Bounds: ``connections_max`` requests and sockets are served at a time; connections that have not
sent a whole request yet are counted apart and the oldest of them makes room for a new one, so slow
senders cannot lock others out. Heads, bodies and answers are limited in bytes and in time, and
bodies that come in over all connections in bytes together (``receiving``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import h11
import structlog
import trio

from node.rpc import jsonrpc
from node.rpc.dispatch import Dispatcher
from node.rpc.rate_limit import RateLimit
from node.rpc.websocket import serve_websocket

__all__ = ["RpcServer", "ServerConfig"]

log = structlog.get_logger("rpc")

HEAD_BYTES_MAX: Final = 64 << 10
HEAD_S: Final = 10.0
IDLE_S: Final = 60.0
BODY_S: Final = 60.0
SEND_S: Final = 60.0
PENDING_MAX: Final = 512
"""Connections that have not sent a whole request."""

RECEIVE_BYTES: Final = 256 << 10
BACKLOG: Final = 256

LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """How the port behaves."""

    host: str = "127.0.0.1"
    port: int = 9944
    connections_max: int = 100
    subscription_count: int = 1024
    event_count: int = 64
    rate_per_minute: int | None = None
    """Calls of one connection in a minute; None: any number."""

    cors: tuple[str, ...] | None = ("localhost", "127.0.0.1", "https://polkadot.js.org")
    """Origins that browsers may call from: hosts with any port, or whole origins. None: all."""

    local_hosts_only: bool = True
    """Refuse requests whose Host is not this machine: a web page cannot rebind a name to us."""

    def allows_origin(self, origin: str | None) -> bool:
        """Whether a browser at ``origin`` may call; programs send none."""
        if origin is None or self.cors is None:
            return True
        return origin in self.cors or _host_of(origin) in self.cors

    def allows_host(self, host: str | None) -> bool:
        """Whether this ``Host`` header names us."""
        if not self.local_hosts_only:
            return True
        return host is not None and _host_of(f"http://{host}") in LOCAL_HOSTS


def _host_of(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


class RpcServer:
    """Listens and serves until it is cancelled."""

    def __init__(
        self, config: ServerConfig, dispatcher: Dispatcher, health: Callable[[], tuple[bool, bytes]]
    ) -> None:
        self.config = config
        self.dispatcher = dispatcher
        self._health = health
        self._pending: dict[int, trio.CancelScope] = {}
        self._next_pending = 0
        self.active_count = 0
        """Requests and sockets being served."""

    async def listen(self, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve; ``task_status`` gets the port once it listens."""
        listeners = await trio.open_tcp_listeners(
            self.config.port, host=self.config.host, backlog=BACKLOG
        )
        port = listeners[0].socket.getsockname()[1]
        task_status.started(port)
        await trio.serve_listeners(self._guard, listeners)

    async def _guard(self, stream: trio.SocketStream) -> None:
        """One connection: whatever happens in it stays in it."""
        try:
            with trio.CancelScope():
                await _Connection(self, stream).run()
        except* (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError, OSError):
            pass  # the caller went away
        except* Exception as group:  # the outermost loop: one caller must not stop the port
            log.error("connection failed", exc_info=group)
        finally:
            with trio.move_on_after(1) as scope:
                scope.shield = True
                await trio.aclose_forcefully(stream)

    def admit_pending(self, scope: trio.CancelScope) -> int:
        """Count a connection that has sent nothing yet; the oldest may lose its place."""
        if len(self._pending) >= PENDING_MAX:
            self._pending.pop(next(iter(self._pending))).cancel()
        self._next_pending += 1
        self._pending[self._next_pending] = scope
        return self._next_pending

    def leave_pending(self, ticket: int) -> None:
        """This connection has sent a request, or is gone."""
        self._pending.pop(ticket, None)

    def health(self) -> tuple[bool, bytes]:
        """Whether the node is ready, and the body of ``GET /health``."""
        return self._health()


class _Refused(Exception):  # noqa: N818  an answer
    """An HTTP answer that is an error; the connection closes after it."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class _Connection:
    def __init__(self, server: RpcServer, stream: trio.SocketStream) -> None:
        self._server = server
        self._stream = stream
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
        self._cors: Headers = []
        per_minute = server.config.rate_per_minute
        self._rate = None if per_minute is None else RateLimit(per_minute, trio.current_time())

    async def run(self) -> None:
        first = True
        while True:
            request = await self._wait_request(HEAD_S if first else IDLE_S)
            if request is None:
                return
            first = False
            if not await self._serve(request):
                return
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()

    async def _wait_request(self, deadline_s: float) -> h11.Request | None:
        """The head of the next request; None when the connection has none."""
        with trio.move_on_after(deadline_s) as scope:
            ticket = self._server.admit_pending(scope)
            try:
                event = await self._next_event()
            except h11.RemoteProtocolError as error:
                await self._send_error(error.error_status_hint, b"not HTTP/1.1")
                return None
            finally:
                self._server.leave_pending(ticket)
            return event if isinstance(event, h11.Request) else None
        return None

    async def _next_event(self) -> object:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._http.they_are_waiting_for_100_continue:
                go = self._http.send(h11.InformationalResponse(status_code=100, headers=[]))
                await self._stream.send_all(go)
            self._http.receive_data(await self._stream.receive_some(RECEIVE_BYTES))

    async def _serve(self, request: h11.Request) -> bool:
        """Answer one request; whether the connection can go on."""
        server = self._server
        if server.active_count >= server.config.connections_max:
            await self._send_error(429, b"too many connections")
            return False
        server.active_count += 1
        try:
            return await self._route(request)
        except _Refused as refused:
            await self._send_error(refused.status, refused.body)
            return False
        except h11.RemoteProtocolError as error:
            await self._send_error(error.error_status_hint, b"not HTTP/1.1")
            return False
        finally:
            server.active_count -= 1

    async def _route(self, request: h11.Request) -> bool:
        headers = {name.decode("latin-1"): value for name, value in request.headers}
        config = self._server.config
        host = headers.get("host", b"").decode("latin-1")
        if not config.allows_host(host):
            raise _Refused(403, b"this Host is not allowed; see --rpc-external")
        origin_header = headers.get("origin")
        origin = None if origin_header is None else origin_header.decode("latin-1")
        if not config.allows_origin(origin):
            raise _Refused(403, b"this Origin is not allowed; see --rpc-cors")
        self._cors = _cors_headers(origin)
        path = request.target.split(b"?", 1)[0]
        if headers.get("upgrade", b"").lower() == b"websocket" and path == b"/":
            await self._upgrade(request)
            return False
        match request.method, path:
            case b"POST", b"/":
                if headers.get("content-type", b"").split(b";")[0].strip().lower() not in (
                    b"application/json",
                    b"application/json-rpc",
                ):
                    raise _Refused(415, b"send Content-Type: application/json")
                await self._post(headers)
            case b"OPTIONS", _:
                await self._read_body(0)
                await self._send(204, b"")
            case b"GET", b"/health":
                await self._read_body(0)
                await self._send(200, self._server.health()[1])
            case b"GET", b"/health/readiness":
                await self._read_body(0)
                ready, body = self._server.health()
                await self._send(200 if ready else 503, body)
            case _, b"/":
                raise _Refused(405, b"use POST, or a WebSocket")
            case _:
                raise _Refused(404, b"there is only / and /health")
        return True

    async def _post(self, headers: dict[str, bytes]) -> None:
        limits = self._server.dispatcher.limits
        self._server.dispatcher.counters.http_requests += 1
        length = headers.get("content-length", b"0")
        if len(length) > 20 or int(length) > limits.request_bytes:
            raise _Refused(413, jsonrpc.failure(None, jsonrpc.oversized(limits)))
        body = await self._read_body(limits.request_bytes)
        answers: list[bytes | None] = []
        await self._server.dispatcher.answer(body, None, answers.append, self._rate)
        (answer,) = answers
        await self._send(200, answer or b"")

    async def _read_body(self, bytes_max: int) -> bytearray:
        body = bytearray()
        with trio.move_on_after(BODY_S) as scope:
            reception = self._server.dispatcher.receiving.begin(scope.cancel)
            try:
                while True:
                    event = await self._next_event()
                    if isinstance(event, h11.Data):
                        if len(body) + len(event.data) > bytes_max:
                            limits = self._server.dispatcher.limits
                            raise _Refused(413, jsonrpc.failure(None, jsonrpc.oversized(limits)))
                        body += event.data
                        reception.take(len(event.data))
                    elif isinstance(event, h11.EndOfMessage):
                        return body
                    else:
                        raise trio.BrokenResourceError("the caller closed in the middle of a body")
            finally:
                reception.end()
        if reception.is_broken_off:
            raise _Refused(503, b"too many bodies come in; this one took the longest")
        raise _Refused(408, b"the body took too long")

    async def _upgrade(self, request: h11.Request) -> None:
        config, counters = self._server.config, self._server.dispatcher.counters
        counters.sessions_opened += 1
        try:
            await serve_websocket(
                self._stream,
                request,
                self._http.trailing_data[0],
                self._server.dispatcher,
                subscription_count=config.subscription_count,
                event_count=config.event_count,
                rate=self._rate,
            )
        finally:
            counters.sessions_closed += 1

    async def _send(self, status: int, body: bytes, extra: Headers | None = None) -> None:
        headers: Headers = [
            ("content-type", "application/json; charset=utf-8"),
            ("content-length", str(len(body))),
            *self._cors,
            *(extra or []),
        ]
        head = self._http.send(h11.Response(status_code=status, headers=headers)) or b""
        data = self._http.send(h11.Data(data=body)) or b""
        end = self._http.send(h11.EndOfMessage()) or b""
        with trio.fail_after(SEND_S):
            await self._stream.send_all(head + data + end)

    async def _send_error(self, status: int, body: bytes) -> None:
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        await self._send(status, body, [("connection", "close")])


def _cors_headers(origin: str | None) -> Headers:
    if origin is None:
        return []
    return [
        ("access-control-allow-origin", origin),
        ("access-control-allow-methods", "POST, GET, OPTIONS"),
        ("access-control-allow-headers", "content-type"),
        ("vary", "origin"),
    ]
