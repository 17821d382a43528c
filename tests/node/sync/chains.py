"""Real chains whose voters change, and nodes that synchronise them over a network in memory."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache

import trio

from node.consensus.announcements import Announcements
from node.consensus.chain import Chain
from node.consensus.finality import FinalityKeys
from node.consensus.shell import ChainWriter
from node.database import ChainDatabase, KeyValue, MemoryKv, genesis_state_root
from node.genesis import genesis_header
from node.network.memory import MemoryHub, MemoryNetwork
from node.network.transport import RequestKind, Roles, Status
from node.runtime import CessRuntime
from node.sync import bootstrap
from node.sync.bootstrap import SyncMode
from node.sync.serving import Server, serve_requests
from node.sync.shell import Synchroniser
from pallets.session import SessionKeys, prove_possession
from primitives.crypto.keys import KeyPair
from primitives.digest import AuthorityKey
from tests.node.net import ALICE, ALICE_GRANDPA, Net, dev_state, new_net

VOTERS = tuple(KeyPair.from_suri(f"//Alice//{at}", "ed25519") for at in range(8))
STASH = KeyPair.from_suri("//Alice//stash")
EPOCH_SLOTS = 30


def rotate(net: Net, pair: KeyPair) -> bytes:
    """Alice votes with another key, two sessions from now."""
    keys = SessionKeys(babe=AuthorityKey(ALICE.public), grandpa=AuthorityKey(pair.public))
    proof = prove_possession(STASH.account_id, ALICE, pair)
    call = CessRuntime.calls().make("Session", "set_keys", keys=keys, proof=proof)
    nonce = net.nonces.get(STASH.public, 0)
    net.nonces[STASH.public] = nonce + 1
    return net.signed(call.encode(), nonce=nonce, pair=STASH)


@cache
def long_chain(length: int = 200, changes: int = 3) -> Net:
    """A chain of the development network: finalised block by block, by ``changes`` + 1 sets."""
    net = new_net(keys=(ALICE_GRANDPA, *VOTERS))
    for number in range(length):
        at, first = divmod(number, EPOCH_SLOTS)
        extrinsics = []
        if first == 1 and at < changes:
            extrinsics.append(rotate(net, VOTERS[at]))
        if number % 10 == 5:
            extrinsics.append(net.transfer())
        net.author(*extrinsics)
    return net


@dataclass
class Peer:
    """A node without keys: what it has it got from others, or from the chain it is made with."""

    name: str
    net: Net | None = None
    kv: KeyValue = field(default_factory=MemoryKv)
    mode: SyncMode = SyncMode.FULL
    server: Server | None = None

    def open(self, hub: MemoryHub, *, serves: bool = True) -> None:
        if self.net is not None:
            self.chain = self.net.chain
        else:
            database = ChainDatabase(self.kv, state_pruning=256)
            state = dev_state()
            database.initialise(genesis_header(genesis_state_root(state)), state)
            self.chain = Chain(database, FinalityKeys(None), finalizes=False)
        self.database = self.chain.database
        self.announcements = Announcements()
        self.writer = ChainWriter(self.chain, self.announcements)
        self.network: MemoryNetwork = hub.node(
            self.name, status=self.status, genesis=self.database.genesis_hash
        )
        if serves:
            self.server = serve_requests(self.network, self.database)
        self.sync = Synchroniser(self.network, self.writer, self.announcements, mode=self.mode)

    def status(self) -> Status:
        best = self.database.best()
        return Status(Roles.FULL, best.number, best.hash)

    async def until(self, is_so: Callable[[], bool], seconds: float = 30.0) -> None:
        with trio.fail_after(seconds):
            while not is_so():
                await trio.sleep(0.005)

    async def until_best(self, number: int) -> None:
        await self.until(lambda: self.database.best().number >= number)


@asynccontextmanager
async def running(*peers: Peer) -> AsyncIterator[MemoryHub]:
    """All nodes, opened and synchronising, connected with one another."""
    hub = MemoryHub()
    async with trio.open_nursery() as nursery:
        for peer in peers:
            peer.open(hub)
            nursery.start_soon(peer.writer.announce_finality)
            await nursery.start(peer.sync.run)
        for at, one in enumerate(peers):
            for other in peers[at + 1 :]:
                hub.connect(one.name, other.name)
        yield hub
        nursery.cancel_scope.cancel()


def play(script: Callable[[], Awaitable[None]]) -> None:
    """Run a script on the real clock, without waiting for more peers than there are."""
    bootstrap_wait, bootstrap.PEERS_WAIT_S = bootstrap.PEERS_WAIT_S, 0.01  # type: ignore[misc]
    retry, bootstrap.RETRY_S = bootstrap.RETRY_S, 0.01  # type: ignore[misc]
    try:
        trio.run(script)
    finally:
        bootstrap.PEERS_WAIT_S = bootstrap_wait  # type: ignore[misc]
        bootstrap.RETRY_S = retry  # type: ignore[misc]


Answer = Callable[[str, bytes], Awaitable[bytes]]


def lie(peer: Peer, kind: RequestKind, change: Callable[[bytes], bytes]) -> None:
    """From now on the node answers what ``change`` makes of the truth."""
    assert peer.server is not None
    honest: Answer = {
        RequestKind.SYNC: peer.server.blocks,
        RequestKind.STATE: peer.server.state,
        RequestKind.WARP: peer.server.warp,
        RequestKind.LIGHT: peer.server.light,
    }[kind]

    async def answer(asker: str, data: bytes) -> bytes:
        return change(await honest(asker, data))

    peer.network.serve(kind, answer)
