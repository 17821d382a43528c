"""Nodes over sockets of this machine: connecting, asking, notifying, and what silence costs.

Both ends run in this one process on one core, so times are those of two nodes together. A
connection counts from the dial to the last of its channels, with Noise, Yamux, greeting and
identify. Bytes are those of the sockets, with everything that the protocols add.
"""

import logging
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import structlog
import trio

from node.config import NetworkConfig
from node.network.libp2p import Libp2pNetwork, open_network
from node.network.node_key import NodeKey
from node.network.transport import Channel, ChannelOpened, RequestKind, Roles, Status
from primitives.types import Hash

GENESIS = Hash(b"\x01" * 32)
CONNECTIONS = 20
REQUESTS = 200
NOTIFICATIONS = 5_000
VOTE_BYTES = 150
ANSWER_MIB = 8
QUIET_AFTER_S = 40.0
"""Until the search for peers has found that there are no others."""
IDLE_S = 120.0


@asynccontextmanager
async def node(number: int, boot: str | None = None) -> AsyncIterator[Libp2pNetwork]:
    config = NetworkConfig(
        port=0,
        port_is_given=True,
        is_local=True,
        in_peers=100,
        bootnodes=() if boot is None else (boot,),
    )
    async with open_network(
        config,
        key=NodeKey(number.to_bytes(32, "big")),
        genesis_hash=GENESIS,
        status=lambda: Status(Roles.FULL, 0, GENESIS),
    ) as network:
        yield network


async def all_open(network: Libp2pNetwork) -> None:
    with network.listen(list(Channel)) as events:
        count = 0
        async for event in events:
            count += isinstance(event, ChannelOpened)
            if count == len(Channel):
                return


async def connecting(hub: Libp2pNetwork, *, websocket: bool) -> tuple[float, float]:
    """Median and longest time of connections, in ms."""
    address = hub.addresses()[0]
    if websocket:
        address = address.replace("/p2p/", "/ws/p2p/")
    times = []
    for number in range(CONNECTIONS):
        start = time.perf_counter()
        async with node(1000 + number + CONNECTIONS * websocket, address) as other:
            await all_open(other)
            times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times), max(times)


async def talking(hub: Libp2pNetwork, *, websocket: bool) -> None:
    address = hub.addresses()[0]
    if websocket:
        address = address.replace("/p2p/", "/ws/p2p/")
    async with node(2 + websocket, address) as other:
        await all_open(other)
        name = "WebSocket" if websocket else "TCP"

        async def echo(_peer: str, data: bytes) -> bytes:
            return data

        async def large(_peer: str, _data: bytes) -> bytes:
            return bytes(ANSWER_MIB << 20)

        hub.serve(RequestKind.SYNC, echo)
        hub.serve(RequestKind.STATE, large)
        before = sum(other.total_bytes())
        start = time.perf_counter()
        for _ in range(REQUESTS):
            await other.request(hub.local_peer, RequestKind.SYNC, b"x" * 50, timeout_s=10)
        each_ms = (time.perf_counter() - start) * 1000 / REQUESTS
        each_bytes = (sum(other.total_bytes()) - before) / REQUESTS - 100
        start = time.perf_counter()
        for _ in range(3):
            await other.request(hub.local_peer, RequestKind.STATE, b"x", timeout_s=60)
        rate = 3 * ANSWER_MIB / (time.perf_counter() - start)
        print(
            f"{name:<10} request with a stream of its own {each_ms:5.1f} ms, "
            f"{each_bytes:5.0f} bytes beside question and answer; answers {rate:5.1f} MiB/s"
        )
        with hub.listen([Channel.GRANDPA]) as events:
            before = sum(other.total_bytes())
            start = time.perf_counter()
            sent = heard = 0
            while heard < NOTIFICATIONS + 1:
                while sent < NOTIFICATIONS and other.notify(
                    hub.local_peer, Channel.GRANDPA, bytes(VOTE_BYTES)
                ):
                    sent += 1
                await events.receive()
                heard += 1
            seconds = time.perf_counter() - start
            extra = (sum(other.total_bytes()) - before) / NOTIFICATIONS - VOTE_BYTES
        print(
            f"{name:<10} notifications of {VOTE_BYTES} bytes {NOTIFICATIONS / seconds:8,.0f} /s, "
            f"{extra:5.1f} bytes beside each in a stream of many"
        )


async def one_by_one(hub: Libp2pNetwork) -> None:
    """What a lone notification costs, and a connection that says nothing."""
    async with node(9, hub.addresses()[0]) as other:
        await all_open(other)
        await trio.sleep(1)
        before = sum(other.total_bytes())
        with hub.listen([Channel.GRANDPA]) as events:
            await events.receive()
            for _ in range(500):
                other.notify(hub.local_peer, Channel.GRANDPA, bytes(VOTE_BYTES))
                await events.receive()
        extra = (sum(other.total_bytes()) - before) / 500 - VOTE_BYTES
        print(f"lone notification: {extra:.0f} bytes beside its {VOTE_BYTES}")
        await trio.sleep(QUIET_AFTER_S)
        before, start = sum(other.total_bytes()), time.perf_counter()
        await trio.sleep(IDLE_S)
        idle = (sum(other.total_bytes()) - before) / (time.perf_counter() - start) * 60
        print(f"silent connection: {idle:.0f} bytes a minute in both directions")


async def memory() -> None:
    async with node(20) as hub, trio.open_nursery() as nursery:
        ready, stop = trio.Event(), trio.Event()
        count = 0

        async def peer(number: int) -> None:
            nonlocal count
            async with node(number, hub.addresses()[0]) as other:
                await all_open(other)
                count += 1
                if count == 40:
                    ready.set()
                await stop.wait()

        process = psutil.Process()
        before = process.memory_info().rss
        for number in range(3000, 3040):
            nursery.start_soon(peer, number)
        await ready.wait()
        each = (process.memory_info().rss - before) / 40 / 1024
        print(f"memory: {each:.0f} KiB for both ends of a connection and the node that dialled")
        stop.set()


async def main() -> None:
    # Nodes of the first measurement are gone, and the hub says of each that it is.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    async with node(1) as hub:
        for websocket in (False, True):
            median, longest = await connecting(hub, websocket=websocket)
            name = "WebSocket" if websocket else "TCP"
            print(
                f"{name:<10} connected and greeted: median {median:.0f} ms, most {longest:.0f} ms"
            )
        for websocket in (False, True):
            await talking(hub, websocket=websocket)
        await one_by_one(hub)
    await memory()


if __name__ == "__main__":
    trio.run(main)
