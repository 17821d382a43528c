"""Transactions between nodes with real pools and runtimes, over a network in memory."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import psutil
import trio

from node.network.memory import MemoryHub, MemoryNetwork
from node.network.transport import Channel, Roles, Status
from node.network.wire import encode_transactions
from node.txpool import gossip
from node.txpool.gossip_shell import TransactionGossip
from pallets.frame.validity import TransactionSource
from primitives.crypto.keys import KeyPair
from primitives.extrinsic import extrinsic_hash
from primitives.scale import codec
from tests.node.bench import Bench, opened
from tests.node.net import ALICE, BOB, Net, new_net

EXTERNAL = TransactionSource.External
CHARLIE = KeyPair.from_suri("//Charlie")
MESSAGES_PER_S = 512
"""More than that of one peer does not get through the real network."""


@dataclass
class Node:
    """One node: its pool, its place in the network, its gossip."""

    bench: Bench
    network: MemoryNetwork
    gossip: TransactionGossip
    is_syncing: bool = False

    def has(self, data: bytes) -> bool:
        return self.bench.pool.core.is_ready(extrinsic_hash(data))

    async def until_has(self, *transactions: bytes) -> None:
        while not all(map(self.has, transactions)):
            await trio.sleep(0.01)


class World:
    """Nodes by name."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.hub = MemoryHub()
        self.stack = stack
        self.genesis = new_net().chain.database.genesis_hash

    def network(self, name: str, roles: Roles = Roles.FULL) -> MemoryNetwork:
        """A peer without a node."""
        return self.hub.node(
            name, status=lambda: Status(roles, 0, self.genesis), genesis=self.genesis
        )

    async def node(self, name: str) -> Node:
        bench = await self.stack.enter_async_context(opened(new_net()))
        network = self.network(name)
        found = Node(
            bench, network, TransactionGossip(network, bench.pool, lambda: found.is_syncing)
        )
        await bench.session.nursery.start(found.gossip.run)
        return found


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(stack)


def play(test: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        with trio.fail_after(60):
            async with world() as found:
                await test(found)

    trio.run(main)


def test_a_transaction_spreads_over_a_line_of_nodes_without_echoes() -> None:
    async def test(found: World) -> None:
        nodes = [await found.node(f"n{at}") for at in range(5)]
        for at in range(4):
            found.hub.connect(f"n{at}", f"n{at + 1}")
        sent = [nodes[0].bench.net.transfer(pair=ALICE, nonce=nonce) for nonce in range(20)]
        for data in sent:
            await nodes[0].bench.pool.submit(data, EXTERNAL)
        for node in nodes:
            await node.until_has(*sent)
        await trio.sleep(0.5)
        # Over each of the four connections each transaction went once, in one direction.
        assert [node.gossip.sent_count for node in nodes] == [20, 20, 20, 20, 0]
        assert all(nodes[at].network.reputation(f"n{at - 1}") > 0 for at in range(1, 5))

    play(test)


def test_it_spreads_over_a_full_mesh_without_a_storm() -> None:
    async def test(found: World) -> None:
        nodes = [await found.node(f"n{at}") for at in range(5)]
        for at in range(5):
            for other in range(at):
                found.hub.connect(f"n{at}", f"n{other}")
        data = nodes[0].bench.net.transfer()
        await nodes[0].bench.pool.submit(data, EXTERNAL)
        for node in nodes:
            await node.until_has(data)
        await trio.sleep(0.5)
        # Four times from the first; two others at most tell one another at the same moment.
        assert 4 <= sum(node.gossip.sent_count for node in nodes) <= 4 + 4 * 3

    play(test)


def test_who_connects_later_is_told_of_what_is_ready() -> None:
    async def test(found: World) -> None:
        old, new = await found.node("old"), await found.node("new")
        sent = [old.bench.net.transfer(pair=ALICE, nonce=nonce) for nonce in range(3)]
        for data in sent:
            await old.bench.pool.submit(data, EXTERNAL)
        found.hub.connect("new", "old")
        await new.until_has(*sent)

    play(test)


def test_a_node_that_is_far_behind_takes_and_tells_nothing() -> None:
    async def test(found: World) -> None:
        behind, ahead = await found.node("behind"), await found.node("ahead")
        found.hub.connect("behind", "ahead")
        behind.is_syncing = True
        first = behind.bench.net.transfer(pair=ALICE, nonce=0)
        second = behind.bench.net.transfer(pair=BOB, nonce=0)
        await behind.bench.pool.submit(first, EXTERNAL)
        await ahead.bench.pool.submit(second, EXTERNAL)
        await trio.sleep(0.5)
        assert not behind.has(second)
        assert not ahead.has(first)
        behind.is_syncing = False
        await ahead.until_has(first)

    play(test)


def test_watchers_hear_who_was_told() -> None:
    async def test(found: World) -> None:
        one, two = await found.node("one"), await found.node("two")
        found.hub.connect("one", "two")
        data = one.bench.net.transfer()
        await one.bench.ask("author_submitAndWatchExtrinsic", f"0x{data.hex()}")
        assert await one.bench.event() == "ready"
        assert await one.bench.event() == {"broadcast": ["two"]}
        await two.until_has(data)

    play(test)


def test_a_light_client_submits_and_is_told_nothing() -> None:
    async def test(found: World) -> None:
        node = await found.node("node")
        light = found.network("light", Roles.LIGHT)
        found.hub.connect(light, node.network)
        data = node.bench.net.transfer(pair=CHARLIE, nonce=0)
        with light.listen((Channel.TRANSACTIONS,)) as events:
            assert light.notify("node", Channel.TRANSACTIONS, encode_transactions((data,)))
            await node.until_has(data)
            await node.bench.pool.submit(node.bench.net.transfer(pair=BOB, nonce=0), EXTERNAL)
            await trio.sleep(0.5)
            assert events.statistics().current_buffer_used == 1  # that the channel opened
        assert node.network.reputation("light") > 0

    play(test)


def junk(net: Net, count: int) -> list[bytes]:
    """Half of them are noise, half have a signature that is not the sender's."""
    chance = random.Random(count)
    good = net.transfer(pair=BOB, nonce=9)
    found = []
    for at in range(count):
        if at % 2:
            found.append(codec(bytes).encode(chance.randbytes(chance.randrange(8, 200))))
        else:
            place = chance.randrange(40, 100)
            bad = bytes((good[place] ^ chance.randrange(1, 256),))
            found.append(good[:place] + bad + good[place + 1 :])
    return found


def test_a_peer_that_floods_with_junk_is_cut_off_and_an_honest_one_is_heard() -> None:
    """100,000 junk transactions a second, packed as well as they can be."""

    async def test(found: World) -> None:
        node = await found.node("node")
        flood, honest = found.network("flood"), found.network("honest")
        found.hub.connect(flood, node.network)
        found.hub.connect(honest, node.network)
        parts = junk(node.bench.net, 20_000)
        per_message = 100_000 // MESSAGES_PER_S
        messages = [
            encode_transactions(tuple(parts[at : at + per_message]))
            for at in range(0, len(parts), per_message)
        ]
        data = node.bench.net.transfer(pair=CHARLIE, nonce=0)
        process = psutil.Process()
        before, sent = process.memory_info().rss, 0

        async def attack() -> None:
            nonlocal sent
            start = trio.current_time()
            while flood.notify("node", Channel.TRANSACTIONS, messages[sent % len(messages)]):
                sent += 1
                await trio.sleep_until(start + sent / MESSAGES_PER_S)

        included: list[bool] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(attack)
            await trio.sleep(0.05)
            honest.notify("node", Channel.TRANSACTIONS, encode_transactions((data,)))
            for _ in range(3):
                await trio.sleep(0.2)
                block = await node.bench.author()
                included.append(data in (node.bench.net.chain.database.body(block.hash) or ()))
        assert any(included)
        assert node.network.is_banned("flood")
        assert "honest" in node.network.links
        assert node.network.reputation("honest") > 0
        assert node.gossip.core.waiting_bytes <= gossip.WAITING_BYTES_MAX
        assert node.bench.pool.core.stats().ready_count == 0
        assert process.memory_info().rss - before < 64 << 20

    play(test)


def test_a_peer_whose_transactions_are_only_stale_is_not_cut_off() -> None:
    async def test(found: World) -> None:
        node = await found.node("node")
        peer = found.network("peer")
        found.hub.connect(peer, node.network)
        net = node.bench.net
        await node.bench.author(net.transfer(pair=BOB, nonce=0))
        stale = tuple(net.transfer(pair=BOB, nonce=0, value=at + 1) for at in range(200))
        peer.notify("node", Channel.TRANSACTIONS, encode_transactions(stale))
        while node.bench.pool.refused_count < len(stale):
            await trio.sleep(0.01)
        assert node.network.reputation("peer") == 0

    play(test)
