"""The port under good and bad callers: real sockets on this machine, no real node behind them."""

import math
import types
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from threading import Event, Semaphore
from typing import Any

import orjson
import pytest
import trio
import trio.testing
import wsproto
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)

from node.rpc import dispatch as dispatch_module
from node.rpc import jsonrpc as jsonrpc_module
from node.rpc import server as server_module
from node.rpc import subscriptions as subscriptions_module
from node.rpc import websocket as websocket_module
from node.rpc.context import RUNNERS_MAX, RpcContext
from node.rpc.dispatch import Dispatcher, Session, Sink
from node.rpc.jsonrpc import Json, Limits
from node.rpc.registry import Registry, rpc_method, rpc_subscription
from node.rpc.server import RpcServer, ServerConfig
from node.rpc.subscriptions import Outbox
from primitives.errors import CessError, RpcError

LIMIT = 64 << 10


@rpc_method("t_echo")
async def echo(_ctx: object, value: object = None) -> Json:
    """What it was given."""
    await trio.lowlevel.checkpoint()
    return value  # type: ignore[return-value]


@rpc_method("t_large")
def large(_ctx: object, size: int) -> Json:
    """A large answer from a thread."""
    return "x" * size


@rpc_method("t_huge")
def huge(_ctx: object) -> Json:
    """A number that is too large for JSON's integers here."""
    return 1 << 70


@rpc_method("t_fail")
def fail(_ctx: object, how: str) -> Json:
    """Fails in the way that it is told."""
    raise {
        "rpc": RpcError(7, "seven"),
        "cess": CessError("what to do"),
        "bug": ZeroDivisionError("secret detail"),
    }[how]


@rpc_method("t_unsafe", unsafe=True)
def unsafe(_ctx: object) -> Json:
    """Not for everybody."""
    return True


GATE = Event()
RUNNING = Semaphore(0)


@rpc_method("t_execute", executes=True)
def execute(_ctx: object) -> Json:
    """As long as a block."""
    RUNNING.release()
    GATE.wait(10)
    return True


@rpc_subscription("t_count", event="t_counted", unsubscribe="t_stop")
async def count(_ctx: object, sink: Sink, upto: int, refuse: bool = False) -> None:
    """Numbers, as fast as they go."""
    if refuse:
        raise RpcError(9, "not today")
    await sink.accept()
    for number in range(upto):
        sink.send(number)
        await trio.lowlevel.checkpoint()
    if upto == 1:
        await trio.sleep_forever()


MODULE = types.ModuleType("t")
MODULE.__dict__.update(
    echo=echo, large=large, huge=huge, fail=fail, unsafe=unsafe, count=count, execute=execute
)


class Threads:
    """All that the dispatcher needs of a node here."""

    async def read(self, function: Callable[..., Json], *arguments: object) -> Json:
        return await trio.to_thread.run_sync(function, *arguments)

    execute = RpcContext.execute
    runners = trio.CapacityLimiter(RUNNERS_MAX)


@asynccontextmanager
async def serving(deny_unsafe: bool = True, **changes: Any):  # type: ignore[no-untyped-def]
    config = ServerConfig(**{"port": 0, **changes})
    dispatcher = Dispatcher(
        Registry.of([MODULE]),
        Threads(),  # type: ignore[arg-type]
        limits=Limits(request_bytes=LIMIT, response_bytes=LIMIT, batch_count=5),
        deny_unsafe=deny_unsafe,
    )
    found = RpcServer(config, dispatcher, lambda: (False, b"{}"))
    async with trio.open_nursery() as nursery:
        found.port = await nursery.start(found.listen)  # type: ignore[attr-defined]
        yield found
        nursery.cancel_scope.cancel()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        with trio.fail_after(20):
            await test()

    trio.run(bounded)


async def connect(server: Any) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", server.port)


async def read_all(stream: trio.SocketStream) -> bytes:
    data = b""
    try:
        while more := await stream.receive_some():
            data += more
    except trio.BrokenResourceError:
        pass
    return data


async def read_answer(stream: trio.SocketStream) -> tuple[int, bytes]:
    """One HTTP answer of a connection that stays open."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = await stream.receive_some()
        assert more, data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.startswith(b"content-length")
    )
    while len(body) < length:
        body += await stream.receive_some()
    return int(head.split()[1]), body


def http(body: bytes, *headers: str, method: str = "POST", target: str = "/") -> bytes:
    lines = [
        f"{method} {target} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def call(method: str, *params: object, id_: object = 1) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": id_, "method": method, "params": params})


async def post(server: Any, body: bytes, *headers: str) -> tuple[int, Any]:
    stream = await connect(server)
    await stream.send_all(http(body, *headers))
    status, answer = await read_answer(stream)
    await stream.aclose()
    return status, orjson.loads(answer) if answer[:1] in (b"{", b"[") else answer


# HTTP.


def test_a_post_is_answered_and_the_connection_stays() -> None:
    async def main() -> None:
        async with serving() as server:
            stream = await connect(server)
            for number in range(3):
                await stream.send_all(http(call("t_echo", number)))
                status, body = await read_answer(stream)
                assert status == 200
                assert orjson.loads(body)["result"] == number

    run(main)


def test_a_batch_is_answered_in_order() -> None:
    async def main() -> None:
        async with serving() as server:
            entries = b",".join([call("t_echo", "a", id_="x"), b"7", call("t_none", id_=2)])
            status, answer = await post(server, b"[" + entries + b"]")
            assert status == 200
            assert [entry["id"] for entry in answer] == ["x", None, 2]
            assert [entry.get("error", {}).get("code") for entry in answer] == [
                None,
                -32600,
                -32601,
            ]

    run(main)


def test_a_batch_of_large_answers_stops_at_the_limit() -> None:
    async def test() -> None:
        async with serving() as server:
            entry = call("t_large", LIMIT * 2 // 5).decode()
            status, found = await post(server, f"[{','.join([entry] * 5)}]".encode())
            assert status == 200
            assert found["error"]["code"] == -32011
            assert server.dispatcher.counters.ended_count == 3  # the third is one too many

    run(test)


def test_failures_have_codes_and_keep_their_secrets() -> None:
    async def main() -> None:
        async with serving() as server:
            errors = [
                (await post(server, call("t_fail", how)))[1]["error"]
                for how in ("rpc", "cess", "bug")
            ]
            assert errors[0] == {"code": 7, "message": "seven"}
            assert errors[1]["data"] == "what to do"
            assert errors[2] == {"code": -32603, "message": "Internal error"}
            assert (await post(server, call("t_unsafe")))[1]["error"]["code"] == -32601
            assert (await post(server, call("t_count", 3)))[1]["error"]["code"] == -32601
            assert (await post(server, call("t_large", LIMIT)))[1]["error"]["code"] == -32008

    run(main)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (http(b"x" * (LIMIT + 1)), 413),
        (http(b"{}").replace(b"application/json", b"text/plain"), 415),
        (http(b"").replace(b"localhost", b"evil.example"), 403),
        (http(b"", "Origin: https://evil.example"), 403),
        (http(b"", method="GET"), 405),
        (http(b"", target="/elsewhere"), 404),
        (
            http(b"", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
            + b"zz\r\n",
            400,
        ),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1e9\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00junk\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000, 431),
    ],
)
def test_bad_requests_get_an_answer_and_the_port_lives(request_bytes: bytes, status: int) -> None:
    async def main() -> None:
        async with serving() as server:
            stream = await connect(server)
            with trio.move_on_after(5):
                with suppress(trio.BrokenResourceError):
                    await stream.send_all(request_bytes)
            data = await read_all(stream)
            assert data.startswith(f"HTTP/1.1 {status}".encode()), data[:100]
            assert (await post(server, call("t_echo", 1)))[1]["result"] == 1

    run(main)


def test_a_chunked_body_is_limited_while_it_arrives() -> None:
    async def main() -> None:
        async with serving() as server:
            stream = await connect(server)
            head = http(b"", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
            chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
            await stream.send_all(head + chunk * 3)
            assert (await read_answer(stream))[0] == 413

    run(main)


def test_deep_and_broken_json_are_parse_errors() -> None:
    async def main() -> None:
        async with serving() as server:
            for body in (b"[" * 30_000, b"{", b"", b"\xff\xfe", b'{"a":' * 5_000):
                status, answer = await post(server, body)
                assert (status, answer["error"]["code"]) == (200, -32700)

    run(main)


def test_a_half_sent_body_holds_up_nobody() -> None:
    async def main() -> None:
        async with serving() as server:
            stuck = [await connect(server) for _ in range(20)]
            for stream in stuck:
                await stream.send_all(http(b"x" * 100)[:-50])
            assert (await post(server, call("t_echo", 1)))[1]["result"] == 1
            for stream in stuck:
                await stream.aclose()
            assert (await post(server, call("t_echo", 2)))[1]["result"] == 2

    run(main)


def test_a_body_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "BODY_S", 0.05)

    async def main() -> None:
        async with serving() as server:
            stream = await connect(server)
            await stream.send_all(http(b"x" * 100)[:-50])
            assert (await read_answer(stream))[0] == 408

    run(main)


def test_a_silent_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "HEAD_S", 0.05)

    async def main() -> None:
        async with serving() as server:
            stream = await connect(server)
            await stream.send_all(b"POST / HT")
            assert await read_all(stream) == b""

    run(main)


def test_connections_that_send_nothing_make_room_for_those_that_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_module, "PENDING_MAX", 10)

    async def main() -> None:
        async with serving() as server:
            silent = [await connect(server) for _ in range(40)]
            assert (await post(server, call("t_echo", 1)))[1]["result"] == 1
            assert len(server._pending) <= 10
            assert await read_all(silent[0]) == b""

    run(main)


def test_connections_are_limited_and_the_limit_is_given_back() -> None:
    async def main() -> None:
        async with serving(connections_max=2) as server:
            busy = [await connect(server) for _ in range(2)]
            for stream in busy:
                await stream.send_all(http(b"xx")[:-1])
            while server.active_count < 2:
                await trio.sleep(0.01)
            stream = await connect(server)
            await stream.send_all(http(call("t_echo", 1)))
            assert (await read_answer(stream))[0] == 429
            for stream in busy:
                await stream.aclose()
            while server.active_count:
                await trio.sleep(0.01)
            assert (await post(server, call("t_echo", 1)))[1]["result"] == 1

    run(main)


def test_calls_of_a_connection_are_rated_each_of_a_batch_for_itself() -> None:
    async def main() -> None:
        async with serving(rate_per_minute=3) as server:
            stream = await connect(server)
            entries = b",".join(call("t_echo", number, id_=number) for number in range(2))
            for body, codes in (
                (b"[" + entries + b"]", [None, None]),
                (b"[" + entries + b"]", [None, -32999]),
            ):
                await stream.send_all(http(body))
                _, answer = await read_answer(stream)
                found = [entry.get("error", {}).get("code") for entry in orjson.loads(answer)]
                assert found == codes
            status, other = await post(server, call("t_echo", 1))
            assert (status, other["result"]) == (200, 1), "another connection has its own"

    run(main)


def test_browsers_of_allowed_origins_may_call() -> None:
    async def main() -> None:
        async with serving() as server:
            for origin in ("http://localhost:3000", "https://polkadot.js.org"):
                status, _ = await post(server, call("t_echo"), f"Origin: {origin}")
                assert status == 200
            stream = await connect(server)
            await stream.send_all(http(b"", "Origin: http://localhost:3000", method="OPTIONS"))
            assert (await read_answer(stream))[0] == 204
        async with serving(cors=None) as server:
            assert (await post(server, call("t_echo"), "Origin: https://any.example"))[0] == 200

    run(main)


def test_health_is_on_the_same_port() -> None:
    async def main() -> None:
        async with serving() as server:
            for target, status in (("/health", 200), ("/health/readiness", 503)):
                stream = await connect(server)
                await stream.send_all(http(b"", method="GET", target=target))
                assert (await read_answer(stream))[0] == status

    run(main)


# WebSocket.


class Socket:
    """A WebSocket client that sends what it is told."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.socket = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self.events: list[Any] = []
        self.text = ""

    @classmethod
    async def open(cls, server: Any, target: str = "/") -> "Socket":
        found = cls(await connect(server))
        await found.send(Request(host="localhost", target=target))
        assert isinstance(await found.event(), AcceptConnection)
        return found

    async def send(self, event: Any) -> None:
        await self.stream.send_all(self.socket.send(event))

    async def event(self) -> Any:
        while not self.events:
            data = await self.stream.receive_some(1 << 20)
            if not data:
                return None
            self.socket.receive_data(data)
            self.events.extend(self.socket.events())
        return self.events.pop(0)

    async def ask(self, method: str, *params: object, id_: object = 1) -> None:
        await self.send(TextMessage(data=call(method, *params, id_=id_).decode()))

    async def message(self) -> Any:
        while True:
            event = await self.event()
            assert isinstance(event, TextMessage | BytesMessage), event
            self.text += event.data
            if event.message_finished:
                text, self.text = self.text, ""
                return orjson.loads(text)


def test_calls_over_a_socket() -> None:
    async def main() -> None:
        async with serving() as server:
            socket = await Socket.open(server)
            await socket.ask("t_echo", {"a": [1]}, id_="pI64")
            assert (await socket.message()) == {
                "jsonrpc": "2.0",
                "id": "pI64",
                "result": {"a": [1]},
            }
            await socket.send(BytesMessage(data=call("t_echo", 2)))
            assert (await socket.message())["result"] == 2
            await socket.send(Ping(payload=b"p"))
            assert isinstance(await socket.event(), Pong)
            await socket.send(CloseConnection(code=1000))
            assert isinstance(await socket.event(), CloseConnection)

    run(main)


def test_the_answer_to_a_subscription_precedes_its_events() -> None:
    async def main() -> None:
        async with serving() as server:
            socket = await Socket.open(server)
            for _ in range(20):
                await socket.ask("t_count", 5)
                name = (await socket.message())["result"]
                for number in range(5):
                    event = await socket.message()
                    assert event["method"] == "t_counted"
                    assert event["params"] == {"subscription": name, "result": number}

    run(main)


def test_a_subscription_in_a_batch_is_answered_first_too() -> None:
    async def main() -> None:
        async with serving() as server:
            socket = await Socket.open(server)
            both = b"[" + call("t_count", 2, id_=1) + b"," + call("t_large", 9, id_=2) + b"]"
            await socket.send(TextMessage(data=both.decode()))
            answer = await socket.message()
            assert [entry["id"] for entry in answer] == [1, 2]
            assert (await socket.message())["params"]["subscription"] == answer[0]["result"]

    run(main)


def test_a_refused_subscription_gives_its_error() -> None:
    async def main() -> None:
        async with serving() as server:
            socket = await Socket.open(server)
            await socket.ask("t_count", 2, True)
            assert (await socket.message())["error"] == {"code": 9, "message": "not today"}

    run(main)


def test_unsubscribing_ends_a_subscription_once() -> None:
    async def main() -> None:
        async with serving() as server:
            socket = await Socket.open(server)
            await socket.ask("t_count", 1)
            name = (await socket.message())["result"]
            await socket.message()
            for expected in (True, False):
                await socket.ask("t_stop", name)
                assert (await socket.message())["result"] is expected
            await socket.ask("t_stop")
            assert (await socket.message())["error"]["code"] == -32602

    run(main)


def test_subscriptions_of_a_socket_are_limited() -> None:
    async def main() -> None:
        async with serving(subscription_count=2) as server:
            socket = await Socket.open(server)
            for _ in range(2):
                await socket.ask("t_count", 1)
                assert "result" in await socket.message()
                await socket.message()
            await socket.ask("t_count", 1)
            assert (await socket.message())["error"]["code"] == -32006

    run(main)


def test_a_slow_reader_loses_events_not_the_node() -> None:
    async def main() -> None:
        async with serving(event_count=4) as server:
            socket = await Socket.open(server)
            await socket.ask("t_count", 2_000_000)
            name = (await socket.message())["result"]
            with trio.move_on_after(0.3):
                await trio.sleep(math.inf)
            assert (await post(server, call("t_echo", 1)))[1]["result"] == 1
            await socket.ask("t_stop", name, id_="stop")
            answer = await socket.message()
            while answer.get("id") != "stop":
                answer = await socket.message()
            assert answer["result"] is False

    run(main)


def test_what_executes_the_runtime_does_so_one_at_a_time_and_reads_do_not_wait() -> None:
    async def main() -> None:
        answers: list[Json] = []
        async with serving() as server, trio.open_nursery() as nursery:

            async def ask() -> None:
                answers.append((await post(server, call("t_execute")))[1]["result"])

            for _ in range(5):
                nursery.start_soon(ask)
            assert await trio.to_thread.run_sync(lambda: RUNNING.acquire(timeout=10))
            assert (await post(server, call("t_large", 3)))[1]["result"] == "xxx"
            assert not RUNNING.acquire(blocking=False)  # the others wait
            GATE.set()
        assert answers == [True] * 5

    run(main)


TOO_BIG = {
    "code": -32007,
    "message": "Request is too big",
    "data": f"Exceeded max limit of {LIMIT}",
}


@pytest.mark.parametrize("parts", [1, 9, 40])
def test_a_message_above_the_limit_is_refused_and_the_socket_goes_on(parts: int) -> None:
    """As with Substrate's node: a client that is cut off would only come back and send it again."""

    async def main() -> None:
        async with serving() as server:
            socket = await Socket.open(server)
            for _ in range(2):
                for part in range(parts):
                    data = " " * (LIMIT + 1 if parts == 1 else LIMIT // 8)
                    last = part == parts - 1
                    await socket.send(TextMessage(data=data, message_finished=last))
                refused = await socket.message()
                assert (refused["id"], refused["error"]) == (None, TOO_BIG)
                await socket.ask("t_echo", 1)
                assert (await socket.message())["result"] == 1, "and it is refused once"
            assert server.dispatcher.receiving.held_bytes == 0

    run(main)


def test_what_is_left_of_a_refused_message_holds_nothing_and_has_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(websocket_module, "PING_S", 0.05)
    monkeypatch.setattr(websocket_module, "MESSAGE_S", 0.3)

    async def main() -> None:
        async with serving() as server:
            socket = await Socket.open(server)
            await socket.send(TextMessage(data=" " * (LIMIT + 1), message_finished=False))
            assert (await socket.message())["error"] == TOO_BIG

            async def go_on() -> None:
                while True:
                    assert server.dispatcher.receiving.held_bytes == 0
                    await socket.send(TextMessage(data=" " * LIMIT, message_finished=False))
                    await trio.sleep(0.01)

            with pytest.raises(trio.BrokenResourceError):
                await go_on()

    run(main)


@pytest.mark.parametrize(
    "junk",
    [b"\xff" * 50, b"\x81\xff" + b"\xff" * 8, b"\x83\x80\0\0\0\0", b"\x81\x05hello", b"\x88"],
)
def test_junk_frames_close_the_socket_only(junk: bytes) -> None:
    async def main() -> None:
        async with serving() as server:
            socket = await Socket.open(server)
            await socket.stream.send_all(junk)
            await socket.stream.send_eof()
            await read_all(socket.stream)
            assert (await post(server, call("t_echo", 1)))[1]["result"] == 1
            while server.active_count:
                await trio.sleep(0.01)

    run(main)


def test_text_that_is_not_utf8_closes_the_socket() -> None:
    async def main() -> None:
        async with serving() as server:
            socket = await Socket.open(server)
            await socket.stream.send_all(b"\x81\x82\0\0\0\0\xff\xfe")
            event = await socket.event()
            assert isinstance(event, CloseConnection)
            assert event.code == 1007

    run(main)


def test_a_handshake_that_is_none_is_refused() -> None:
    async def main() -> None:
        async with serving() as server:
            stream = await connect(server)
            await stream.send_all(
                b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n"
            )
            assert (await read_all(stream)).startswith(b"HTTP/1.1 400")
            other = Socket(await connect(server))
            await other.send(Request(host="localhost", target="/elsewhere"))
            assert isinstance(await other.event(), RejectConnection)

    run(main)


def test_a_dead_peer_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_module, "PING_S", 0.02)
    monkeypatch.setattr(websocket_module, "SILENCE_S", 0.3)

    async def main() -> None:
        async with serving() as server:
            socket = await Socket.open(server)
            assert isinstance(await socket.event(), Ping)
            while server.active_count:
                await trio.sleep(0.01)

    run(main)


def test_many_calls_at_once_are_all_answered() -> None:
    async def main() -> None:
        async with serving() as server:
            socket = await Socket.open(server)
            for number in range(200):
                await socket.ask("t_echo", number, id_=number)
            answers = [await socket.message() for _ in range(200)]
            assert sorted(answer["id"] for answer in answers) == list(range(200))
            assert all(answer["id"] == answer["result"] for answer in answers)

    run(main)


def test_large_requests_under_way_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch_module, "UNDER_WAY_BYTES_MAX", 1000)

    async def main() -> None:
        async with serving() as server:
            free = trio.Event()

            async def read(*_arguments: object) -> bytes:
                await free.wait()
                return b'"done"'

            monkeypatch.setattr(server.dispatcher._context, "read", read)
            socket = await Socket.open(server)
            await socket.ask("t_large", 1, id_=1)
            await trio.testing.wait_all_tasks_blocked(0.01)
            await socket.ask("t_echo", "x" * 1000, id_=2)
            refused = await socket.message()
            assert (refused["id"], refused["error"]["code"]) == (2, -32009)
            free.set()
            assert (await socket.message())["result"] == "done"
            await socket.ask("t_echo", "x" * 1000, id_=3)  # alone it may be that large
            assert (await socket.message())["id"] == 3

    run(main)


@pytest.mark.parametrize("way", ["http", "socket"])
@pytest.mark.parametrize(("more", "fits"), [(0, True), (1, False)])
def test_values_of_a_message_are_limited_before_it_is_parsed(
    monkeypatch: pytest.MonkeyPatch, way: str, more: int, fits: bool
) -> None:
    """A few bytes of text can stand for hundreds of memory: 14 MiB of `[]` were 1.2 GB."""
    most = 20_000
    monkeypatch.setattr(jsonrpc_module, "VALUES_MAX", most)
    frame = jsonrpc_module.count_values(call("t_echo", [1], id_="q"))
    message = call("t_echo", [1] * (most - frame + 1 + more), id_="q")
    assert jsonrpc_module.count_values(message) == most + more
    parsed: list[int] = []
    parse = jsonrpc_module.parse

    def watched(data: bytes, limits: Limits) -> object:
        parsed.append(len(data))
        return parse(data, limits)

    monkeypatch.setattr(jsonrpc_module, "parse", watched)

    async def main() -> None:
        async with serving() as server:
            if way == "http":
                found = (await post(server, message))[1]
            else:
                socket = await Socket.open(server)
                await socket.send(TextMessage(data=message.decode()))
                found = await socket.message()
            assert found["id"] == "q"
            assert parsed == ([len(message)] if fits else [])
            if not fits:
                assert found["error"] == {
                    "code": -32007,
                    "message": "Request is too big",
                    "data": f"Exceeded max limit of {most} values",
                }

    run(main)


def test_what_there_is_no_room_for_is_not_parsed_and_slows_its_sender_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatch_module, "UNDER_WAY_BYTES_MAX", 30_000)
    monkeypatch.setattr(websocket_module, "REST_S", 0.2)
    large = call("t_echo", "x" * 20_000, id_=5)

    async def main() -> None:
        async with serving() as server:
            free = trio.Event()

            async def read(*_arguments: object) -> bytes:
                await free.wait()
                return b'"done"'

            monkeypatch.setattr(server.dispatcher._context, "read", read)
            first, flood, other = [await Socket.open(server) for _ in range(3)]
            await first.ask("t_large", 1, "x" * 20_000)
            await trio.testing.wait_all_tasks_blocked(0.01)
            monkeypatch.setattr(
                jsonrpc_module, "parse", lambda data, _limits: pytest.fail(f"{len(data)} parsed")
            )
            start = trio.current_time()
            for _ in range(3):
                await flood.send(TextMessage(data=large.decode()))
            for _ in range(3):
                refused = await flood.message()
                assert (refused["id"], refused["error"]["code"]) == (5, -32009)
            assert trio.current_time() - start >= 0.4
            monkeypatch.undo()
            assert server.dispatcher._under_way > 20_000
            await other.ask("t_echo", 1)
            assert (await other.message())["result"] == 1
            free.set()

    run(main)


def test_a_result_that_no_json_can_say_fails_its_call_only() -> None:
    async def main() -> None:
        async with serving() as server:
            status, found = await post(server, call("t_huge"))
            assert (status, found["error"]["code"]) == (200, -32603)

    run(main)


def test_answers_that_nobody_reads_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch_module, "REPLY_BYTES_MAX", 2000)
    monkeypatch.setattr(subscriptions_module, "REPLY_BYTES_MAX", 2000)

    async def main() -> None:
        async with serving() as server, trio.open_nursery() as nursery:
            session = Session(Outbox(seed=1, subscription_count=1, event_count=1), nursery)

            async def ask(number: int) -> None:
                await server.dispatcher.answer(
                    call("t_large", 800, id_=number), session, session.outbox.push_reply
                )

            for number in range(6):
                nursery.start_soon(ask, number)
            while len(session.outbox) < 3:
                await trio.sleep(0.001)
            await trio.testing.wait_all_tasks_blocked(0.02)
            errors = 6 * 200  # they are short
            assert session.outbox.reply_bytes <= 2000 + errors
            answers = []
            while len(answers) < 6:
                while (found := session.pop()) is None:
                    await trio.sleep(0.001)
                answers.append(orjson.loads(found[0]))
                assert session.outbox.reply_bytes <= 2000 + errors
            assert sorted(answer["id"] for answer in answers) == list(range(6))
            assert any("result" in answer for answer in answers)
            refused = [answer for answer in answers if "error" in answer]
            assert all(answer["error"]["code"] == -32009 for answer in refused)

    run(main)
