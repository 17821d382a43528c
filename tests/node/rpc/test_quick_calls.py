"""Calls that are answered on the loop, and answers that are kept: over real sockets."""

import threading
import types
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio
from wsproto.events import TextMessage

from node.rpc.call_counters import Outcome, Protocol
from node.rpc.dispatch import SMALL_BYTES_MAX
from node.rpc.jsonrpc import Json
from node.rpc.registry import Registry, rpc_method
from primitives.errors import RpcError
from primitives.types import Hash
from tests.node.rpc.test_server import Socket, Threads, call, post, run, serving

ONE, TWO = (Hash(bytes([at]) * 32) for at in (1, 2))


@dataclass
class _Block:
    hash: Hash


@dataclass
class Node(Threads):
    """A context whose chain the test moves."""

    head: Hash = ONE
    read_count: int = 0
    threads: set[str] = field(default_factory=set)

    @property
    def database(self) -> "Node":
        return self

    def settled_best(self) -> _Block:
        return _Block(self.head)

    def finalized(self) -> _Block:
        return _Block(ONE)


def _read(ctx: Node) -> None:
    ctx.read_count += 1
    ctx.threads.add(threading.current_thread().name)


@rpc_method("t_quick", quick=True)
def quick(ctx: Any, value: int) -> Json:
    """Answered on the loop."""
    _read(ctx)
    return value


@rpc_method("t_stable", stable=True)
def stable(ctx: Any, value: object = None) -> Json:
    """Read in a thread, and kept."""
    _read(ctx)
    if value == "bad":
        raise RpcError(7, "seven")
    return value  # type: ignore[return-value]


@rpc_method("t_length", stable=True)
def length(_ctx: Any, value: object) -> Json:
    """Of a list: kept, too."""
    assert isinstance(value, list)
    return len(value)


@rpc_method("t_even", quick=lambda value: value % 2 == 0)
def even(ctx: Any, value: int) -> Json:
    """Quick for some arguments."""
    _read(ctx)
    return value


@rpc_method("t_secret", quick=True, unsafe=True)
def secret(_ctx: Any) -> Json:
    """Not for everybody."""
    return True


MODULE = types.ModuleType("quick")
MODULE.__dict__.update(quick=quick, stable=stable, length=length, even=even, secret=secret)


def node_of(server: Any) -> Node:
    node = Node()
    server.dispatcher._context = node
    server.dispatcher._registry = Registry.of([MODULE])
    return node


def test_quick_calls_need_no_thread_whatever_their_size() -> None:
    async def main() -> None:
        async with serving() as server:
            node = node_of(server)
            socket = await Socket.open(server)
            await socket.ask("t_quick", 7)
            assert (await socket.message())["result"] == 7
            assert (await post(server, call("t_quick", 8)))[1]["result"] == 8
            padded = call("t_quick", 9) + b" " * SMALL_BYTES_MAX
            assert (await post(server, padded))[1]["result"] == 9
            assert node.threads == {threading.current_thread().name}
            assert (await post(server, call("t_even", 2)))[1]["result"] == 2
            assert len(node.threads) == 1
            assert (await post(server, call("t_even", 3)))[1]["result"] == 3
            assert len(node.threads) == 2

    run(main)


def test_wrong_parameters_and_unsafe_quick_calls_are_refused() -> None:
    async def main() -> None:
        async with serving() as server:
            node_of(server)
            for method in ("t_quick", "t_even"):
                answer = (await post(server, call(method, "x")))[1]
                assert answer["error"]["code"] == -32602
            assert (await post(server, call("t_secret")))[1]["error"]["code"] == -32601

    run(main)


def test_a_stable_answer_is_read_once_until_the_chain_moves() -> None:
    async def main() -> None:
        async with serving() as server:
            node = node_of(server)
            socket = await Socket.open(server)
            for identifier in (1, "two", None):
                await socket.ask("t_stable", {"a": 1}, id_=identifier)
                answer = await socket.message()
                assert (answer["id"], answer["result"]) == (identifier, {"a": 1})
            assert node.read_count == 1
            assert (await post(server, call("t_stable", {"a": 1})))[1]["result"] == {"a": 1}
            assert node.read_count == 1
            await post(server, call("t_stable", {"a": 2}))
            assert node.read_count == 2
            node.head = TWO
            await post(server, call("t_stable", {"a": 1}))
            assert node.read_count == 3

    run(main)


def test_parameters_that_are_too_deep_to_be_kept_are_answered_like_others() -> None:
    async def main() -> None:
        async with serving() as server:
            node_of(server)
            socket = await Socket.open(server)
            deep = "[" * 600 + "]" * 600
            text = f'{{"jsonrpc":"2.0","id":1,"method":"t_length","params":[{deep}]}}'
            await socket.send(TextMessage(data=text))
            assert (await socket.message())["result"] == 1
            await socket.ask("t_quick", 5)
            assert (await socket.message())["result"] == 5

    run(main)


@pytest.mark.parametrize("value", [None, "bad"])
def test_null_and_errors_are_not_kept(value: object) -> None:
    async def main() -> None:
        async with serving() as server:
            node = node_of(server)
            for _ in range(2):
                await post(server, call("t_stable", value))
            assert node.read_count == 2

    run(main)


def test_many_calls_in_one_packet_are_answered_in_order_and_notifications_are_not() -> None:
    async def main() -> None:
        async with serving() as server:
            node = node_of(server)
            socket = await Socket.open(server)
            for number in range(500):
                await socket.ask("t_quick", number, id_=number)
            answers = [await socket.message() for _ in range(500)]
            assert [answer["result"] for answer in answers] == list(range(500))
            silent = '{"jsonrpc":"2.0","method":"t_quick","params":[1]}'
            await socket.send(TextMessage(data=silent))
            await socket.ask("t_quick", 5, id_="last")
            assert (await socket.message())["id"] == "last"
            assert node.read_count == 502

    run(main)


def test_quick_calls_do_not_keep_the_loop_to_themselves() -> None:
    async def main() -> None:
        async with serving() as server:
            node_of(server)
            one, two = await Socket.open(server), await Socket.open(server)
            turns = 0

            async def ask_much() -> None:
                for number in range(1_000):
                    await one.ask("t_quick", number)

            async def ask() -> None:
                nonlocal turns
                for number in range(20):
                    await two.ask("t_quick", number)
                    assert (await two.message())["result"] == number
                    turns += 1

            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask_much)
                nursery.start_soon(ask)
                for _ in range(1_000):
                    await one.message()
            assert turns == 20

    run(main)


def test_calls_are_counted_by_how_they_ended_and_rate_limits_hold_for_all() -> None:
    async def main() -> None:
        async with serving(rate_per_minute=3) as server:
            node_of(server)
            socket = await Socket.open(server)
            for value in (1, "x", 2, 3):
                await socket.ask("t_quick", value)
                await socket.message()
            await socket.ask("t_unknown")
            await socket.message()
            counters = server.dispatcher.counters
            assert set(counters.calls) == {(Protocol.WS, "t_quick")}
            found = counters.calls[Protocol.WS, "t_quick"]
            assert found.started == 4
            assert found.ended == {
                Outcome.DONE: 2,
                Outcome.FAILED: 1,
                Outcome.RATE_LIMITED: 1,
            }
            assert (counters.sessions_opened, counters.sessions_closed) == (1, 0)

    run(main)
