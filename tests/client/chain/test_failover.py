"""Two nodes of one chain: what happens to reads, heads and transactions when one is lost."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import anyio
import pytest

from client.chain import (
    ChainClient,
    ChainLimits,
    ChainMismatch,
    ChainUnreachable,
    Receipt,
    Standing,
    TransactionLost,
    prepare,
)
from client.tasks import one_failure_group
from pallets.file_bank import FileBank
from pallets.frame.dispatch import DispatchInfo
from pallets.frame.weight import Weight
from pallets.system import System
from primitives.crypto.keys import KeyPair
from primitives.crypto.ss58 import ss58_encode
from primitives.extrinsic import UncheckedExtrinsic
from primitives.hashing import blake2_256
from primitives.scale import encode
from primitives.types import FileHash, Hash

ALICE = KeyPair.from_suri("//Alice")
ADDRESS = ss58_encode(ALICE.account_id)
CALL = prepare(FileBank.delete_file, owner=ALICE.account_id, file_hash=FileHash(bytes(32)))
QUICK = ChainLimits(
    connect_timeout_s=60.0,
    request_timeout_s=60.0,
    reconnect_delay_min_s=0.01,
    reconnect_delay_max_s=0.2,
    look_every_s=0.2,
    look_timeout_s=20.0,
    quick_look_s=20.0,
    catch_up_s=600.0,
    catch_up_poll_s=0.05,
    settle_s=600.0,
    poll_interval_s=0.01,
    era_blocks=16,
)
PATIENCE_S = 120.0

pytestmark = pytest.mark.anyio


class Pair:
    """Two nodes that know the same blocks, until one of them is told otherwise."""

    def __init__(self, make: Any) -> None:
        self.first, self.second = make(), make()
        self.urls = (self.first.url, self.second.url)

    def add_block(self, *extrinsics: bytes, events: bytes = b"\x00") -> None:
        for node in (self.first, self.second):
            node.add_block(*extrinsics, events=events)

    def kill_first(self) -> None:
        self.first.close()


@pytest.fixture
def pair(scripted: Any) -> Iterator[Pair]:
    made = Pair(scripted)
    for _ in range(6):
        made.add_block()
    yield made
    made.first.close()
    made.second.close()


def success() -> bytes:
    """That extrinsic 1 of a block succeeded, as ``System.Events`` holds it."""
    event = System.ExtrinsicSuccess(dispatch_info=DispatchInfo(Weight()).wire())
    return b"\x04\x00\x01\x00\x00\x00\x00\x00" + encode(System.ExtrinsicSuccess, event) + b"\x00"


@pytest.mark.parametrize("anyio_backend", ["trio", "asyncio"])
async def test_reads_go_on_over_the_other_node(pair: Pair) -> None:
    async with ChainClient.open(pair.urls, limits=QUICK) as chain:
        before = await chain.read(System.account, ALICE.account_id)
        assert await chain.constant("FileBank", "FragmentBytes") == 1 << 20
        assert chain.url == pair.first.url
        pair.kill_first()
        with anyio.fail_after(PATIENCE_S):
            assert await chain.read(System.account, ALICE.account_id) == before
            assert await chain.constant("FileBank", "SegmentBytes") == 4 << 20
            assert chain.url == pair.second.url
            reports = await chain.look_at_endpoints()
    assert [item.standing for item in reports] == [Standing.unreachable, Standing.good]
    assert (reports[1].best, reports[1].lag_blocks) == (6, 0)


async def test_a_node_that_hangs_is_left_and_whoever_waits_for_it_is_answered(pair: Pair) -> None:
    released = threading.Event()
    limits = ChainLimits(look_every_s=0.1, look_timeout_s=2.0, request_timeout_s=PATIENCE_S)
    async with ChainClient.open(pair.urls, limits=limits) as chain:
        assert await chain.finalized_head()
        for method in ("state_getStorage", "chain_getHeader"):
            pair.first.on[method] = lambda _params: released.wait(PATIENCE_S)
        with anyio.fail_after(PATIENCE_S):
            assert (await chain.read(System.account, ALICE.account_id)).data.free > 0
        assert chain.url == pair.second.url
        released.set()


async def test_with_all_nodes_down_a_request_names_each(pair: Pair) -> None:
    limits = replace(QUICK, request_timeout_s=1.0)
    async with ChainClient.open(pair.urls, limits=limits) as chain:
        pair.first.close()
        pair.second.close()
        with pytest.raises(ChainUnreachable) as caught:
            await chain.best_head()
        for url in pair.urls:
            assert url in str(caught.value)


# The right chain, and not an old one.


async def test_a_node_of_another_chain_is_never_asked(pair: Pair) -> None:
    pair.second.on["chain_getBlockHash"] = lambda _params: "0x" + "77" * 32
    limits = replace(QUICK, request_timeout_s=1.0)
    async with ChainClient.open(pair.urls, limits=limits) as chain:
        assert chain.endpoints()[1].standing is Standing.other_chain
        pair.kill_first()
        with pytest.raises(ChainUnreachable, match="77777777"):
            await chain.read(System.account, ALICE.account_id)
    assert "state_getStorage" not in pair.second.requests


async def test_when_all_nodes_follow_another_chain_that_is_said_at_once(pair: Pair) -> None:
    with pytest.raises(ChainMismatch, match="--rpc"):
        async with ChainClient.open(pair.urls, limits=QUICK, genesis=Hash(bytes(32))):
            pass


async def test_a_node_that_falls_behind_is_left(pair: Pair) -> None:
    async with ChainClient.open(pair.urls, limits=QUICK) as chain:
        for _ in range(QUICK.lag_blocks_max + 1):
            pair.second.add_block()
        with anyio.fail_after(PATIENCE_S):
            while chain.url != pair.second.url:
                await anyio.sleep(0.05)
        assert chain.endpoints()[0].standing is Standing.behind


@pytest.mark.parametrize("count", [1, 2])
async def test_a_node_that_answers_with_an_older_final_block_leads_nobody_back(
    pair: Pair, count: int
) -> None:
    limits = replace(QUICK, request_timeout_s=1.0)
    async with ChainClient.open(pair.urls[:count], limits=limits) as chain:
        newest = pair.first.blocks[6].header.hash()
        assert await chain.finalized_head() == newest
        pair.first.finalized = 2
        if count == 2:
            assert await chain.finalized_head() == newest
            assert chain.url == pair.second.url
        else:
            with pytest.raises(ChainUnreachable):
                await chain.finalized_head()


async def test_a_node_with_another_block_at_a_final_height_is_left(pair: Pair) -> None:
    async with ChainClient.open(pair.urls, limits=QUICK) as chain:
        newest = await chain.finalized_head()
        pair.first.blocks.pop()
        pair.first.add_block(fork=9)
        with anyio.fail_after(PATIENCE_S):
            assert await chain.finalized_head() == newest
        assert chain.url == pair.second.url
        assert chain.endpoints()[0].standing is Standing.other_blocks


# Heads.


@pytest.mark.parametrize("anyio_backend", ["trio", "asyncio"])
async def test_final_heads_come_without_a_gap_over_the_loss_of_a_node(pair: Pair) -> None:
    numbers: list[int] = []
    async with ChainClient.open(pair.urls, limits=QUICK) as chain:

        async def make_blocks() -> None:
            for count in range(10_000):
                await anyio.sleep(0.01)
                pair.add_block()
                if count % 3 == 0:  # of others nobody hears
                    pair.first.announce()
                    pair.second.announce()

        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks, chain.heads(finalized=True) as heads:
                tasks.start_soon(make_blocks)
                async for head in heads:
                    numbers.append(int(head.number))
                    if len(numbers) == 10:
                        pair.kill_first()
                    if len(numbers) == 40:
                        break
                tasks.cancel_scope.cancel()
        assert chain.url == pair.second.url
    assert numbers == list(range(numbers[0], numbers[0] + 40))


async def test_final_heads_of_another_fork_are_not_followed(pair: Pair) -> None:
    async def announce() -> None:
        while True:
            await anyio.sleep(0.05)
            pair.first.announce()
            pair.second.announce()

    async with (
        ChainClient.open(pair.urls, limits=QUICK) as chain,
        anyio.create_task_group() as tasks,
        chain.heads(finalized=True) as heads,
    ):
        tasks.start_soon(announce)
        with anyio.fail_after(PATIENCE_S):
            assert (await anext(heads)).number == 6
            pair.first.blocks.pop()
            pair.first.add_block(fork=9)
            pair.first.add_block()
            pair.second.add_block()
            following = await anext(heads)
        tasks.cancel_scope.cancel()
    assert following.hash == pair.second.blocks[7].header.hash()


# Transactions.


def nonce_of(data: bytes) -> int:
    signed = UncheckedExtrinsic.decode(data).signed
    assert signed is not None
    return int(signed.extra.nonce)


async def until(condition: Any) -> None:
    with anyio.fail_after(PATIENCE_S):
        while not condition():
            await anyio.sleep(0.01)


async def test_a_transaction_that_only_the_lost_node_had_is_given_to_the_next(pair: Pair) -> None:
    """The node took it, said so, and died before it told its peers."""
    receipts: list[Receipt] = []

    async def submit() -> None:
        receipts.append(await chain.submit(CALL, ALICE, wait="finalized"))

    async with ChainClient.open(pair.urls, limits=QUICK) as chain, one_failure_group() as tasks:
        tasks.start_soon(submit)
        await until(lambda: pair.first.submitted)
        pair.kill_first()
        await until(lambda: pair.second.submitted)
        pair.second.add_block(b"\x00", pair.second.submitted[0], events=success())
        await until(lambda: receipts)
    assert {*pair.first.submitted, *pair.second.submitted} == {pair.first.submitted[0]}
    assert receipts[0].extrinsic_hash == blake2_256(pair.first.submitted[0])
    assert (receipts[0].block_number, receipts[0].extrinsic_index) == (7, 1)


@pytest.mark.parametrize("code", [1010, 1012, 1013, 1014])
async def test_a_transaction_that_was_included_before_the_loss_is_found_and_not_signed_again(
    pair: Pair, fault: Any, drop: Any, code: int
) -> None:
    """The node took it, died before it said so, and a block has it: its nonce is used now."""

    def take_and_die(params: list[Any]) -> None:
        data = bytes.fromhex(params[0][2:])
        pair.first.submitted.append(data)
        pair.second.add_block(b"\x00", data, events=success())
        threading.Thread(target=pair.kill_first).start()
        raise drop

    def refuse(params: list[Any]) -> None:
        pair.second.submitted.append(bytes.fromhex(params[0][2:]))
        raise fault(code, "Invalid Transaction", "Transaction is outdated")

    pair.first.on["author_submitExtrinsic"] = take_and_die
    pair.second.on["author_submitExtrinsic"] = refuse
    async with ChainClient.open(pair.urls, limits=QUICK) as chain:
        with anyio.fail_after(PATIENCE_S):
            receipt = await chain.submit(CALL, ALICE, wait="finalized")
    assert receipt.extrinsic_hash == blake2_256(pair.first.submitted[0])
    assert {*pair.first.submitted, *pair.second.submitted} == {pair.first.submitted[0]}


async def test_what_comes_after_does_not_take_the_nonce_of_what_only_the_lost_node_had(
    pair: Pair,
) -> None:
    """The pool of the next node knows nothing of it, and would give its nonce away."""
    taken: set[int] = set()

    def take(params: list[Any]) -> str:
        data = bytes.fromhex(params[0][2:])
        pair.second.submitted.append(data)
        taken.add(nonce_of(data))
        return f"0x{blake2_256(data).hex()}"

    pair.second.on["author_submitExtrinsic"] = take
    pair.second.on["system_accountNextIndex"] = lambda _params: len(taken)
    limits = ChainLimits(reconnect_delay_min_s=0.01, catch_up_poll_s=0.05, poll_interval_s=30.0)
    async with ChainClient.open(pair.urls, limits=limits) as chain, one_failure_group() as tasks:
        tasks.start_soon(lambda: chain.submit(CALL, ALICE))
        await until(lambda: pair.first.submitted)
        pair.kill_first()
        with anyio.fail_after(PATIENCE_S):
            await chain.submit(CALL, ALICE, wait=None)
        tasks.cancel_scope.cancel()
    assert [nonce_of(data) for data in pair.second.submitted] == [0, 1]
    assert pair.second.submitted[0] == pair.first.submitted[0]


async def test_a_transaction_that_no_block_took_is_lost_with_a_word(pair: Pair) -> None:
    async def grow() -> None:
        await until(lambda: pair.first.submitted)
        pair.kill_first()
        for _ in range(QUICK.era_blocks + 8):
            pair.second.add_block()
            await anyio.sleep(0.005)

    async with ChainClient.open(pair.urls, limits=QUICK) as chain, one_failure_group() as tasks:
        tasks.start_soon(grow)
        with anyio.fail_after(PATIENCE_S), pytest.raises(TransactionLost, match="safely"):
            await chain.submit(CALL, ALICE)


async def test_an_outage_of_all_nodes_does_not_end_the_watch_of_a_transaction(
    pair: Pair, scripted: Any
) -> None:
    """Whoever gave up here would sign it again, while the first one may still be executed."""
    receipts: list[Receipt] = []

    async def submit() -> None:
        receipts.append(await chain.submit(CALL, ALICE))

    async with ChainClient.open(pair.urls, limits=QUICK) as chain, one_failure_group() as tasks:
        tasks.start_soon(submit)
        await until(lambda: pair.first.submitted)
        # Composing takes longer on a slow machine than a test wants to wait for a dead node.
        chain._connections.limits = replace(QUICK, request_timeout_s=0.3)
        pair.first.close()
        pair.second.close()
        await anyio.sleep(1.0)
        assert not receipts
        back = scripted(pair.second.port)
        back.blocks[:] = pair.second.blocks
        back.add_block(b"\x00", pair.first.submitted[0], events=success())
        await until(lambda: receipts)
        back.close()
    assert receipts[0].block_number == 7
