"""The bound on connections, against someone who takes them all."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from storage_miner import http_server
from storage_miner.http_server import HttpServer
from storage_miner.startup import listen


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Says hello."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


@asynccontextmanager
async def serving(connections_max: int) -> AsyncIterator[tuple[HttpServer, int]]:
    with listen("127.0.0.1", 0) as listener:
        server = HttpServer(app, listener, connections_max)
        async with trio.open_nursery() as nursery:
            await nursery.start(server.serve)
            yield server, listener.getsockname()[1]
            nursery.cancel_scope.cancel()


async def ask(stream: trio.SocketStream) -> bytes:
    await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    found = b""
    while b"hello" not in found:
        piece = await stream.receive_some(4096)
        if not piece:
            break
        found += piece
    return found


async def wait_for(condition: Any) -> None:
    with trio.fail_after(10):
        while not condition():
            await trio.sleep(0.005)


@pytest.mark.trio
async def test_no_more_than_the_bound_are_open_and_the_next_waits_its_turn() -> None:
    async with serving(8) as (server, port):
        streams = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(10)]
        await wait_for(lambda: server.connections == 8)
        with trio.move_on_after(0.1) as waiting:
            await ask(streams[9])
        assert waiting.cancelled_caught
        assert server.connections == 8
        await streams[0].aclose()
        await streams[1].aclose()
        with trio.fail_after(2):
            assert b"hello" in await ask(streams[9])
            assert b"hello" in await ask(streams[8])
        for stream in streams:
            await stream.aclose()
        await wait_for(lambda: server.connections == 0)


@pytest.mark.trio
async def test_holding_idle_connections_keeps_nobody_out_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All seats are taken by someone who asks nothing; idle ones lose theirs."""
    monkeypatch.setattr(http_server, "CROWDED_IDLE_S", 0.1)
    async with serving(8) as (_, port):
        held = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(8)]
        honest = await trio.open_tcp_stream("127.0.0.1", port)
        with trio.fail_after(5):
            assert b"hello" in await ask(honest)
        for stream in (*held, honest):
            await stream.aclose()


@pytest.mark.trio
async def test_a_seat_is_free_as_soon_as_the_other_side_is_gone() -> None:
    """Not only when the time for idle connections has passed: many short visits must not add up."""
    async with serving(8) as (server, port):
        with trio.fail_after(5):
            for number in range(40):
                stream = await trio.open_tcp_stream("127.0.0.1", port)
                if number % 2:
                    assert b"hello" in await ask(stream)
                await stream.aclose()
        await wait_for(lambda: server.connections == 0)


@pytest.mark.trio
async def test_with_room_an_idle_connection_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "CROWDED_IDLE_S", 0.05)
    async with serving(8) as (_, port):
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        await trio.sleep(0.2)
        assert b"hello" in await ask(stream)
        assert b"hello" in await ask(stream)
        await stream.aclose()


@pytest.mark.trio
async def test_a_lack_of_open_files_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    real = trio.SocketListener.accept
    failures = iter([OSError(24, "Too many open files")])

    async def accept(listener: trio.SocketListener) -> trio.SocketStream:
        for error in failures:
            raise error
        return await real(listener)

    monkeypatch.setattr(trio.SocketListener, "accept", accept)
    async with serving(8) as (_, port):
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        with trio.fail_after(5):
            assert b"hello" in await ask(stream)
        await stream.aclose()


def test_the_listener_stays_the_callers() -> None:
    async def main() -> None:
        with listen("127.0.0.1", 0) as listener:
            server = HttpServer(app, listener, 8)
            async with trio.open_nursery() as nursery:
                await nursery.start(server.serve)
                nursery.cancel_scope.cancel()
            assert listener.fileno() >= 0
            assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1

    trio.run(main)
