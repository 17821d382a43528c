"""Messages that begin and do not end: what they hold is bounded over all connections."""

import pytest
import trio
import trio.testing

from node.rpc import websocket as websocket_module
from node.rpc.receiving import SMALL_BYTES, Receiving
from tests.node.rpc.test_server import (
    Socket,
    call,
    connect,
    http,
    post,
    read_all,
    read_answer,
    run,
    serving,
)

HALF = 40_000


def test_the_first_that_began_makes_room_and_small_ones_are_free() -> None:
    broken: list[int] = []
    receiving = Receiving(100_000)
    found = [receiving.begin(lambda at=at: broken.append(at)) for at in range(4)]  # type: ignore[misc]
    found[0].take(SMALL_BYTES)
    assert receiving.held_bytes == 0
    for each in found[1:3]:
        each.take(HALF)
    found[1].take(1_000)
    assert receiving.held_bytes == 2 * HALF + 1_000
    found[3].take(HALF)
    assert broken == [1]
    assert found[1].is_broken_off
    assert receiving.held_bytes == 2 * HALF
    found[1].take(HALF)  # what comes while it is ended
    for each in found:
        each.end()
    assert receiving.held_bytes == 0
    assert receiving.broken_off_count == 1


def test_half_sent_bodies_of_many_connections_are_bounded_together() -> None:
    async def main() -> None:
        async with serving() as server:
            server.dispatcher.receiving = Receiving(100_000)
            body = b" " * 60_000
            streams = [await connect(server) for _ in range(6)]
            for stream in streams:
                await stream.send_all(http(body)[: -len(body)] + body[:HALF])
                await trio.testing.wait_all_tasks_blocked(0.01)
            assert server.dispatcher.receiving.held_bytes <= 100_000
            for stream in streams[:4]:
                assert (await read_answer(stream))[0] == 503
            # Who sends in one go is served while all that is held by others.
            assert (await post(server, call("t_echo", "x" * HALF)))[1]["result"] == "x" * HALF
            for stream in streams:
                await stream.aclose()
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert server.dispatcher.receiving.held_bytes == 0

    run(main)


def half_message(size: int) -> bytes:
    """The head of a masked text frame and a part of its payload."""
    return b"\x81\xfe" + (60_000).to_bytes(2, "big") + bytes(4) + b" " * size


def test_half_sent_messages_of_many_sockets_are_bounded_together() -> None:
    async def main() -> None:
        async with serving() as server:
            server.dispatcher.receiving = Receiving(100_000)
            sockets = [await Socket.open(server) for _ in range(4)]
            for socket in sockets:
                await socket.stream.send_all(half_message(HALF))
                await trio.testing.wait_all_tasks_blocked(0.01)
            assert server.dispatcher.receiving.held_bytes == 2 * HALF
            for socket in sockets[:2]:
                await read_all(socket.stream)
            rest = b" " * (60_000 - HALF - len(call("t_echo", 5))) + call("t_echo", 5)
            await sockets[3].stream.send_all(rest)
            assert (await sockets[3].message())["result"] == 5
            assert server.dispatcher.receiving.held_bytes == HALF

    run(main)


def test_a_message_that_does_not_end_closes_its_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_module, "PING_S", 0.02)
    monkeypatch.setattr(websocket_module, "MESSAGE_S", 0.1)

    async def main() -> None:
        async with serving() as server:
            socket = await Socket.open(server)
            await socket.stream.send_all(half_message(10))
            with trio.fail_after(5):
                await read_all(socket.stream)

    run(main)
