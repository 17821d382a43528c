"""Nodes on sockets of this machine, and a stranger that talks to one as it likes."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import trio

from node.config import NetworkConfig
from node.network.libp2p import Libp2pNetwork, open_network
from node.network.libp2p_connection import Connection, Identity, RawStream, Substream, secure
from node.network.node_key import NodeKey
from node.network.protocols import protocol_name
from node.network.streams import (
    StreamEnded,
    accept_protocol,
    frame,
    read_frame,
    select_protocol,
)
from node.network.transport import Channel, ChannelOpened, RequestKind, Roles, Status
from node.network.wire import BlockAnnouncesHandshake
from primitives.types import Hash

GENESIS = Hash(b"\x01" * 32)
BEST = Hash(b"\x02" * 32)
PATIENCE_S = 30.0


def key(number: int) -> NodeKey:
    return NodeKey(number.to_bytes(32, "big"))


def status(number: int = 7, roles: Roles = Roles.FULL) -> Callable[[], Status]:
    return lambda: Status(roles, number, BEST)


def node(
    number: int,
    *boot: Libp2pNetwork,
    genesis: Hash = GENESIS,
    websocket: bool = False,
    trusts_private_hosts: bool = True,
    **config: Any,
) -> AbstractAsyncContextManager[Libp2pNetwork]:
    addresses = [one.addresses()[0] for one in boot]
    if websocket:
        addresses = [text.replace("/p2p/", "/ws/p2p/") for text in addresses]
    return open_network(
        NetworkConfig(
            port=0, port_is_given=True, is_local=True, bootnodes=tuple(addresses), **config
        ),
        key=key(number),
        genesis_hash=genesis,
        status=status(number),
        protocol_id="cess",
        trusts_private_hosts=trusts_private_hosts,
    )


async def until(condition: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    """Wait for something that must become true."""
    with trio.fail_after(seconds):
        while not condition():
            await trio.sleep(0.01)


async def opened(network: Libp2pNetwork, channel: Channel = Channel.GRANDPA) -> ChannelOpened:
    """Wait for a channel to somebody."""
    with trio.fail_after(PATIENCE_S), network.listen([channel]) as events:
        event = await events.receive()
        assert isinstance(event, ChannelOpened)
        return event


class Stranger:
    """The other end of a connection to a node, under the control of a test."""

    def __init__(self, connection: Connection, nursery: trio.Nursery) -> None:
        self.connection = connection
        self.nursery = nursery
        self.streams: list[Substream] = []
        self.ended = trio.Event()

    async def run(self) -> None:
        await self.connection.run(self.streams.append)
        self.ended.set()

    async def open(self, name: str) -> Substream:
        stream = await self.connection.open()
        await select_protocol(stream, [name])
        return stream

    async def channel(self, channel: Channel, handshake: bytes | None = None) -> Substream:
        """Open a channel and greet, without reading the answer."""
        stream = await self.open(protocol_name(GENESIS, None, channel))
        await stream.write(frame(greeting() if handshake is None else handshake))
        return stream

    async def ask(self, kind: RequestKind, data: bytes) -> Substream:
        stream = await self.open(protocol_name(GENESIS, None, kind))
        await stream.write(data)
        return stream

    async def accept_channels(self) -> None:
        """Answer the streams that the node opens, as an honest peer does."""
        names = {protocol_name(GENESIS, None, channel): channel for channel in Channel}
        names["/ipfs/id/1.0.0"] = Channel.GRANDPA
        while True:
            while self.streams:
                stream = self.streams.pop(0)
                try:
                    name = await accept_protocol(stream, names)
                except StreamEnded:
                    continue
                if name.startswith("/ipfs"):
                    await stream.reset()
                    continue
                await read_frame(stream, 1024)
                is_first = names[name] is Channel.BLOCK_ANNOUNCES
                await stream.write(frame(greeting() if is_first else b"\x01"))
            await trio.sleep(0.01)


def greeting(genesis: Hash = GENESIS, roles: Roles = Roles.FULL) -> bytes:
    return BlockAnnouncesHandshake(roles, 1, BEST, genesis).encode()


@asynccontextmanager
async def stranger(network: Libp2pNetwork, number: int = 900) -> AsyncIterator[Stranger]:
    """Connect to a node; nothing else is done."""
    stream = await trio.open_tcp_stream("127.0.0.1", network.port)

    class Socket:
        async def receive_some(self) -> bytes:
            return bytes(await stream.receive_some(65536))

        send_all = staticmethod(stream.send_all)
        aclose = staticmethod(stream.aclose)

    raw = RawStream(Socket(), is_initiator=True)
    connection = await secure(raw, Identity(key(number).seed), network.local_peer)
    async with trio.open_nursery() as nursery:
        it = Stranger(connection, nursery)
        nursery.start_soon(it.run)
        try:
            yield it
        finally:
            nursery.cancel_scope.cancel()
