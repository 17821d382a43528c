"""``transaction_v1_*`` and ``transactionWatch_v1_*``."""

from typing import Any

import pytest
import trio.testing

from node.rpc.methods.transaction import BROADCAST_BYTES_MAX, BROADCASTS_MAX
from node.txpool.pool import Limits
from primitives.errors import RpcError
from tests.node.bench import Bench, run
from tests.node.net import BOB, FIRST_SLOT, TCESS, Net


def text(data: bytes) -> str:
    return f"0x{data.hex()}"


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked(0.01)


async def wait_held(bench: Bench, count: int = 1) -> None:
    """Until the pool, which judges in a thread, holds so many."""
    while len(bench.pool.core.hashes()) != count:
        await trio.sleep(0.001)


def test_a_broadcast_transaction_gets_into_a_block_in_silence(net: Net) -> None:
    async def test(bench: Bench) -> None:
        before = net.balance(BOB)
        operation = await bench.ask("transaction_v1_broadcast", text(net.transfer()))
        assert isinstance(operation, str)
        await wait_held(bench)
        await bench.author()
        assert net.balance(BOB) == before + TCESS
        assert len(bench.session.outbox) == 0
        assert await bench.ask("transaction_v1_stop", operation) is None
        with pytest.raises(RpcError) as caught:
            await bench.ask("transaction_v1_stop", operation)
        assert caught.value.code == -32602

    run(net, test)


def test_a_broadcast_is_offered_again_after_the_pool_lost_it(net: Net) -> None:
    async def test(bench: Bench) -> None:
        await bench.ask("transaction_v1_broadcast", text(net.transfer()))
        await wait_held(bench)
        (held,) = bench.pool.core.hashes()
        bench.pool.core.remove([held], now_s=-1e9)
        assert held not in bench.pool.core
        await bench.author()
        await wait_held(bench)
        assert held in bench.pool.core

    run(net, test)


def test_nothing_is_said_about_an_invalid_broadcast_and_it_counts(net: Net) -> None:
    async def test(bench: Bench) -> None:
        found = [await bench.ask("transaction_v1_broadcast", "0x00") for _ in range(BROADCASTS_MAX)]
        assert all(found)
        assert len(set(found)) == BROADCASTS_MAX
        assert await bench.ask("transaction_v1_broadcast", "0x00") is None
        await bench.ask("transaction_v1_stop", found[3])
        assert await bench.ask("transaction_v1_broadcast", "0x00")
        await settle()
        assert len(bench.session.outbox) == 0

    run(net, test)


def test_broadcasts_of_a_connection_are_bounded_in_bytes(net: Net) -> None:
    async def test(bench: Bench) -> None:
        half = text(bytes(BROADCAST_BYTES_MAX // 2))
        first = await bench.ask("transaction_v1_broadcast", half)
        assert first
        assert await bench.ask("transaction_v1_broadcast", half)
        assert await bench.ask("transaction_v1_broadcast", "0x00") is None
        await bench.ask("transaction_v1_stop", first)
        assert await bench.ask("transaction_v1_broadcast", "0x00")

    run(net, test)


async def watch(bench: Bench, data: bytes) -> str:
    name: str = await bench.ask("transactionWatch_v1_submitAndWatch", text(data))
    return name


def test_a_watched_transaction_is_validated_included_and_final(net: Net) -> None:
    async def test(bench: Bench) -> None:
        await watch(bench, net.transfer())
        assert await bench.event() == {"event": "validated"}
        made = await bench.author()
        block = {"hash": text(made.hash), "index": 1}
        assert await bench.event() == {"event": "bestChainBlockIncluded", "block": block}
        assert await bench.event() == {"event": "finalized", "block": block}
        await settle()
        assert bench.session.outbox.subscription_count == 0

    run(net, test)


def test_a_block_that_is_left_takes_the_transaction_out(open_net: Net) -> None:
    async def test(bench: Bench) -> None:
        first = await bench.author()
        await watch(bench, open_net.transfer())
        assert await bench.event() == {"event": "validated"}
        await bench.author(slot=open_net.slot(first.header, FIRST_SLOT + 1))
        assert (await bench.event())["block"] is not None
        slot = open_net.slot(first.header, FIRST_SLOT + 50)
        fork = open_net.author(parent=first.header, slot=slot)[1]
        await bench.author(open_net.transfer(nonce=0, value=1), parent=fork.header)
        events: list[Any] = []
        while len(bench.session.outbox):
            events.append(await bench.event())
        assert {"event": "bestChainBlockIncluded", "block": None} in events

    run(open_net, test)


@pytest.mark.parametrize("make", ["stale", "junk", "forged"])
def test_a_transaction_that_is_refused_is_invalid(net: Net, make: str) -> None:
    async def test(bench: Bench) -> None:
        await bench.author(net.transfer())
        good = net.transfer()
        bad = {
            "stale": net.transfer(nonce=0),
            "junk": b"\x10junk",
            "forged": good[:60] + bytes((good[60] ^ 1,)) + good[61:],
        }[make]
        await watch(bench, bad)
        event = await bench.event()
        assert event["event"] == "invalid"
        assert event["error"]
        await settle()
        assert bench.session.outbox.subscription_count == 0

    run(net, test)


def test_a_transaction_that_waits_for_another_is_validated_like_those_that_do_not(
    net: Net,
) -> None:
    async def test(bench: Bench) -> None:
        await watch(bench, net.transfer(nonce=1))
        assert await bench.event() == {"event": "validated"}
        await bench.ask("author_submitExtrinsic", text(net.transfer(nonce=0)))
        assert await bench.event() == {"event": "validated"}

    run(net, test)


def test_a_transaction_that_finds_no_room_is_dropped(net: Net) -> None:
    async def test(bench: Bench) -> None:
        await bench.ask("author_submitExtrinsic", text(net.transfer(tip=9)))
        await watch(bench, net.transfer())
        assert (await bench.event())["event"] == "dropped"

    run(net, test, limits=Limits(ready_count=1))


def test_unwatching_answers_null(net: Net) -> None:
    async def test(bench: Bench) -> None:
        name = await watch(bench, net.transfer())
        assert await bench.ask("transactionWatch_v1_unwatch", name) is None
        assert await bench.ask("transactionWatch_v1_unwatch", name) is None
        await bench.author()

    run(net, test)


def test_bytes_that_are_no_hex_are_an_error(net: Net) -> None:
    async def test(bench: Bench) -> None:
        for method in ("transaction_v1_broadcast", "transactionWatch_v1_submitAndWatch"):
            with pytest.raises(RpcError) as caught:
                await bench.ask(method, "0xzz")
            assert caught.value.code == -32602

    run(net, test)
