"""Reading a chain through a node, and what happens when the node does not behave."""

import threading
from dataclasses import replace
from typing import Any

import anyio
import pytest

from client.chain import (
    ChainClient,
    ChainLimits,
    ChainMismatch,
    ChainUnreachable,
    MetadataMismatch,
    RpcFailed,
    UnknownBlock,
)
from pallets.sminer import Sminer
from pallets.system import System
from primitives.crypto.keys import KeyPair
from primitives.errors import DecodeError
from primitives.types import Hash

ALICE = KeyPair.from_suri("//Alice").account_id
BOB = KeyPair.from_suri("//Bob").account_id
NOBODY = type(ALICE)(bytes(32))
QUICK = ChainLimits(
    connect_timeout_s=20.0, request_timeout_s=20.0, reconnect_delay_min_s=0.01, keys_page=7
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("anyio_backend", ["trio", "asyncio"])
async def test_values_are_read_by_the_pallets_declarations(node: Any) -> None:
    async with ChainClient.open(node.url, limits=QUICK) as chain:
        info = await chain.read(System.account, ALICE)
        assert info.data.free > 0
        assert (await chain.read(System.account, NOBODY)).data.free == 0
        assert await chain.read(Sminer.miner_items, ALICE) is None
        assert await chain.read_many(System.account, [BOB, NOBODY, ALICE]) == [
            await chain.read(System.account, who) for who in (BOB, NOBODY, ALICE)
        ]


async def test_a_map_is_listed_in_pages_up_to_the_limit(node: Any) -> None:
    async with ChainClient.open(node.url, limits=QUICK) as chain:
        every = await chain.items(System.account, limit=1000)
        assert len(every) > 3 * QUICK.keys_page
        assert {keys[0]: info for keys, info in every}[ALICE].data.free > 0
        assert await chain.items(System.account, limit=10) == every[:10]
        assert await chain.items(System.account, ALICE, limit=10) == [
            item for item in every if item[0] == (ALICE,)
        ]


async def test_blocks_are_found_by_number_and_hash(node: Any) -> None:
    async with ChainClient.open(node.url, limits=QUICK) as chain:
        best = await chain.best_head()
        header = await chain.header(best)
        assert header.hash() == best == await chain.finalized_head()
        assert await chain.block_number() == header.number == 6
        assert await chain.block_hash(5) == header.parent_hash
        assert await chain.block_hash(99) is None
        assert await chain.block_body(best) == ()
        with pytest.raises(UnknownBlock):
            await chain.header(Hash(bytes(32)))


async def test_constants_are_those_of_the_metadata(node: Any) -> None:
    async with ChainClient.open(node.url, limits=QUICK) as chain:
        assert await chain.constant("FileBank", "FragmentBytes") == 1 << 20
        with pytest.raises(MetadataMismatch):
            await chain.constant("FileBank", "NoSuchThing")


async def test_a_block_that_a_fork_takes_away_while_it_is_read_costs_another_try(
    node: Any, fault: Any
) -> None:
    """It ended a miner at its start, among validators that forked now and then."""
    tries: list[None] = []

    def forget(_params: list[Any]) -> Any:
        tries.append(None)
        if len(tries) < 3:
            raise fault(4003, "Client error", "Api called for an unknown Block")
        return node._state_getMetadata([])

    node.on["state_getMetadata"] = forget
    async with ChainClient.open(node.url, limits=QUICK) as chain:
        assert await chain.constant("FileBank", "FragmentBytes") == 1 << 20
        assert len(tries) == 3


async def test_events_of_a_block_that_nobody_has_any_more_are_an_unknown_block(
    node: Any, fault: Any
) -> None:
    def forget(_params: list[Any]) -> Any:
        raise fault(4003, "Client error", "Api called for an unknown Block")

    node.on["state_getStorageAt"] = forget
    async with ChainClient.open(node.url, limits=QUICK) as chain:
        with pytest.raises(UnknownBlock):
            await chain.events(await chain.best_head())


async def test_a_nodes_error_keeps_its_code_and_text(node: Any, fault: Any) -> None:
    def refuse(_params: list[Any]) -> None:
        raise fault(4003, "Client error", "state discarded")

    node.on["state_getStorage"] = refuse
    async with ChainClient.open(node.url, limits=QUICK) as chain:
        with pytest.raises(RpcFailed) as caught:
            await chain.read(System.account, ALICE)
        assert caught.value.code == 4003
        assert "state discarded" in str(caught.value)
        with pytest.raises(RpcFailed):
            await chain.rpc("no_such_method")


async def test_a_lost_connection_is_made_again(node: Any) -> None:
    async with ChainClient.open(node.url, limits=QUICK) as chain:
        before = await chain.read(System.account, ALICE)
        node.disconnect()
        assert await chain.read(System.account, ALICE) == before
        await chain.constant("FileBank", "FragmentBytes")
        node.disconnect()
        assert await chain.constant("FileBank", "SegmentBytes") == 4 << 20


async def test_a_node_that_is_gone_is_named_within_the_deadline(node: Any) -> None:
    quick = ChainLimits(connect_timeout_s=1.0, request_timeout_s=1.0, reconnect_delay_min_s=0.01)
    async with ChainClient.open(node.url, limits=replace(quick, connect_timeout_s=60.0)) as chain:
        node.close()
        with pytest.raises(ChainUnreachable, match="cess node"):
            await chain.best_head()
    with pytest.raises(ChainUnreachable):
        async with ChainClient.open(node.url, limits=quick):
            pass


async def test_a_silent_node_does_not_hold_the_client(node: Any) -> None:
    released = threading.Event()
    quick = ChainLimits(request_timeout_s=1.0)
    async with ChainClient.open(node.url, limits=quick) as chain:
        node.on["chain_getFinalizedHead"] = lambda _params: released.wait(60)
        with pytest.raises(ChainUnreachable):
            await chain.finalized_head()
        released.set()


async def test_another_chain_is_refused_at_once_and_on_reconnect(node: Any) -> None:
    with pytest.raises(ChainMismatch):
        async with ChainClient.open(node.url, limits=QUICK, genesis=Hash(bytes(32))):
            pass
    async with ChainClient.open(node.url, limits=QUICK) as chain:
        node.disconnect()
        node.on["chain_getBlockHash"] = lambda params: "0x" + "77" * 32
        with pytest.raises(ChainMismatch):
            await chain.finalized_head()


@pytest.mark.parametrize("nonsense", ["0xzz", "0x00", 7, None, {"a": 1}, []])
async def test_nonsense_from_a_node_is_an_expected_failure(node: Any, nonsense: Any) -> None:
    async with ChainClient.open(node.url, limits=QUICK) as chain:
        node.on["state_getStorage"] = lambda params: nonsense
        node.on["chain_getHeader"] = lambda params: nonsense or 1
        if nonsense is not None:
            with pytest.raises(DecodeError):
                await chain.read(System.account, ALICE)
        with pytest.raises(DecodeError):
            await chain.header()


@pytest.mark.parametrize("anyio_backend", ["trio", "asyncio"])
async def test_heads_come_and_survive_a_lost_connection(node: Any) -> None:
    limits = ChainLimits(reconnect_delay_min_s=0.01, silence_s=2.0)
    async with ChainClient.open(node.url, limits=limits) as chain, chain.heads() as heads:
        numbers = []

        async def make_blocks() -> None:
            for _ in range(200):
                await anyio.sleep(0.01)
                node.add_block()
                node.announce()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(make_blocks)
            async for head in heads:
                assert head.header.hash() == head.hash
                numbers.append(int(head.number))
                if len(numbers) == 3:
                    node.disconnect()
                if len(numbers) == 6:
                    tasks.cancel_scope.cancel()
        assert numbers == sorted(set(numbers))
