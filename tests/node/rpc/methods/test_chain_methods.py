"""``chain_*`` over real blocks."""

import pytest

from pallets.system import System
from primitives.errors import RpcError
from primitives.extrinsic import extrinsic_hash
from primitives.header import Header
from primitives.justification import GrandpaJustification
from tests.node.bench import Bench, run
from tests.node.net import FIRST_SLOT, Net, new_net


def hex_of(data: bytes) -> str:
    return f"0x{data.hex()}"


def test_hashes_by_height_in_every_form(net: Net) -> None:
    async def test(bench: Bench) -> None:
        first = (await bench.author()).hash
        best = (await bench.author()).hash
        genesis = net.chain.database.genesis_hash
        for ask in (1, "1", "0x1", "0x01"):
            assert await bench.ask("chain_getBlockHash", ask) == hex_of(first)
        assert await bench.ask("chain_getHead") == hex_of(best)
        assert await bench.ask("chain_getBlockHash", None) == hex_of(best)
        assert await bench.ask("chain_getBlockHash", [0, 2, 9]) == [
            hex_of(genesis),
            hex_of(best),
            None,
        ]
        assert await bench.ask("chain_getFinalizedHead") == hex_of(best)
        for bad in (-1, 2**32, "x", [[1]], {}, [0] * 1001):
            with pytest.raises(RpcError):
                await bench.ask("chain_getBlockHash", bad)

    run(net, test)


def test_headers_and_blocks_show_what_is_stored(net: Net) -> None:
    async def test(bench: Bench) -> None:
        data = net.transfer()
        imported = await bench.author(data)
        header = await bench.ask("chain_getHeader", hex_of(imported.hash))
        assert header["number"] == "0x1"
        assert header["parentHash"] == hex_of(net.chain.database.genesis_hash)
        assert header["stateRoot"] == hex_of(imported.header.state_root)
        assert header == await bench.ask("chain_getHeader")
        block = await bench.ask("chain_getBlock")
        assert block["block"]["header"] == header
        assert block["block"]["extrinsics"][1] == hex_of(data)
        ((engine, proof),) = block["justifications"]
        assert bytes(engine) == b"FRNK"
        assert GrandpaJustification.decode(bytes(proof)).commit.target_hash == imported.hash

    run(net, test)


def test_unknown_blocks_are_null(net: Net) -> None:
    async def test(bench: Bench) -> None:
        for method in ("chain_getHeader", "chain_getBlock"):
            assert await bench.ask(method, "0x" + "11" * 32) is None

    run(net, test)


@pytest.mark.parametrize(
    "name",
    [
        *("chain_subscribeNewHeads", "chain_subscribeNewHead", "subscribe_newHead"),
        *("chain_subscribeAllHeads", "chain_subscribeFinalizedHeads"),
        "chain_subscribeFinalisedHeads",
    ],
)
def test_heads_begin_with_the_current_one(net: Net, name: str) -> None:
    async def test(bench: Bench) -> None:
        await bench.author()
        await bench.ask(name)
        assert (await bench.event())["number"] == "0x1"
        for height in ("0x2", "0x3"):
            await bench.author()
            assert (await bench.event())["number"] == height

    run(net, test)


def test_only_all_heads_shows_a_losing_fork(open_net: Net) -> None:
    async def test(bench: Bench) -> None:
        genesis = open_net.chain.best_header()
        await bench.author(slot=open_net.slot(genesis, FIRST_SLOT))
        best = await bench.ask("chain_subscribeNewHeads")
        all_ = await bench.ask("chain_subscribeAllHeads")
        assert best != all_
        await bench.event()
        await bench.event()
        await bench.author(parent=genesis, slot=open_net.slot(genesis, FIRST_SLOT + 20))
        assert (await bench.event())["number"] == "0x1"
        assert len(bench.session.outbox) == 0

    run(open_net, test)


def test_the_hash_of_a_header_is_that_of_its_parts(net: Net) -> None:
    async def test(bench: Bench) -> None:
        imported = await bench.author()
        assert Header.decode(imported.header.encode()).hash() == imported.hash
        assert extrinsic_hash(b"") != imported.hash

    run(net, test)


def test_what_a_crash_may_lose_is_not_told(net: Net) -> None:
    """A block that waits to be synced with others: who heard of it would miss it afterwards."""
    other = new_net(finalizes=False)
    database = other.chain.database

    async def test(bench: Bench) -> None:
        built, _ = net.author(slot=FIRST_SLOT)
        moment = FIRST_SLOT * net.duration_ms
        other.chain.import_block(built.header, built.body, now_ms=moment, is_deferred=True)
        assert database.best().number == 1
        for is_told in (False, True):
            header = await bench.ask("chain_getHeader")
            state = await bench.ask("system_syncState")
            head = hex_of(built.header.hash() if is_told else database.genesis_hash)
            assert int(header["number"], 16) == state["currentBlock"] == int(is_told)
            assert await bench.ask("chain_getHead") == head
            version = await bench.ask("state_getStorage", hex_of(System.number.key()))
            assert (version is not None) == is_told
            database.settle()

    run(other, test)
