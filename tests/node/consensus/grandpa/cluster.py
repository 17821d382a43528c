"""Four nodes with the real chain, voter and record, over a network in memory and a virtual clock.

The test authors the blocks and hands them out; what the nodes say to each other, write and finalise
is the production code.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
import trio
import trio.testing

from chain_spec.presets import dev, with_validators
from node.consensus.announcements import Announcements
from node.consensus.authorities import epoch_for
from node.consensus.chain import Chain
from node.consensus.finality import FinalityKeys
from node.consensus.grandpa.shell import FinalityShell
from node.consensus.grandpa.store import VoteStore
from node.consensus.grandpa.voter import Statistics
from node.consensus.shell import ChainWriter
from node.consensus.slots import claim_slot
from node.consensus.twins import TwinWatch
from node.consensus.verification import slot_of
from node.database import ChainDatabase, MemoryKv, UnknownBlock, genesis_state_root
from node.genesis import genesis_header, genesis_state
from node.network.memory import MemoryHub, MemoryNetwork
from node.network.transport import Roles, Status
from node.runtime import VERSION, CessRuntime
from pallets.session.types import SessionKeys, prove_possession
from primitives.crypto.keys import KeyPair
from primitives.digest import AuthorityKey
from primitives.era import Era
from primitives.errors import InvalidBlock
from primitives.extrinsic import Implicit, sign_extrinsic
from primitives.grandpa import Block, Equivocation
from primitives.header import Header
from primitives.types import BlockNumber, Hash
from tests.node.net import FIRST_SLOT, Net

NAMES = ("Alice", "Bob", "Charlie", "Dave")
BABE = tuple(KeyPair.from_suri(f"//{name}") for name in NAMES)
GRANDPA = tuple(KeyPair.from_suri(f"//{name}", "ed25519") for name in NAMES)


@cache
def four_state() -> dict[bytes, bytes]:
    """The state of block 0 of a development chain with four validators."""
    return genesis_state(with_validators(dev(), len(NAMES)))


@pytest.fixture(autouse=True)
def _no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mock clock would run on while a thread works: threads' work is done in the loop."""

    async def run_here(work, *args, **_options):  # type: ignore[no-untyped-def]
        await trio.lowlevel.checkpoint()
        return work(*args)

    monkeypatch.setattr(trio.to_thread, "run_sync", run_here)


@dataclass
class Node:
    """One node. ``kv`` and ``path`` are its disk; the rest is gone when it is killed."""

    name: str
    keys: Sequence[KeyPair]
    path: Path | None = None
    kv: MemoryKv = field(default_factory=MemoryKv)
    finalizes: bool = False
    role: Roles = Roles.AUTHORITY
    is_syncing: bool = False
    twins: TwinWatch | None = None
    equivocations: list[Equivocation] = field(default_factory=list)
    fetched: list[tuple[str, Block]] = field(default_factory=list)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    def open(self, hub: MemoryHub) -> None:
        self.database = ChainDatabase(self.kv)
        state = four_state()
        self.database.initialise(genesis_header(genesis_state_root(state)), state)
        keys = FinalityKeys(None, self.keys)
        self.chain = Chain(self.database, keys, finalizes=self.finalizes, twins=self.twins)
        self.announcements = Announcements()
        self.writer = ChainWriter(self.chain, self.announcements)
        self.network: MemoryNetwork = hub.node(
            self.name, status=self._status, genesis=self.database.genesis_hash
        )
        self.votes = VoteStore(self.path)
        self.shell = FinalityShell(
            self.network,
            self.writer,
            self.announcements,
            self.votes,
            is_voting=True,
            fetch=lambda peer, block: self.fetched.append((peer, block)),
            is_major_syncing=lambda: self.is_syncing,
            report=self.equivocations.append,
        )

    def _status(self) -> Status:
        best = self.database.best()
        return Status(self.role, best.number, best.hash)

    @property
    def final(self) -> int:
        return self.database.finalized().number

    def stats(self) -> Statistics:
        found = self.shell.statistics()
        assert found is not None
        return found

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        self.scope = trio.CancelScope()
        with self.scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.writer.announce_finality)
                await nursery.start(self.shell.run)
                task_status.started()


class Cluster:
    """The nodes, whoever runs among them, and all blocks that were made."""

    def __init__(self, nodes: Sequence[Node], nursery: trio.Nursery) -> None:
        self.hub = MemoryHub()
        self.nodes = {node.name: node for node in nodes}
        self.up: list[str] = []
        self.blocks: dict[Hash, tuple[Header, tuple[bytes, ...]]] = {}
        self._nursery = nursery

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    async def start(self, name: str, *, connected: bool = True) -> None:
        node = self.nodes[name]
        node.open(self.hub)
        await self._nursery.start(node.run)
        if connected:
            for other in self.up:
                self.hub.connect(name, other)
        self.up.append(name)

    def kill(self, name: str) -> None:
        """Whatever it was at, it is not any more; its disk stays."""
        self.nodes[name].scope.cancel()
        for other in list(self.nodes[name].network.links):
            self.hub.disconnect(name, other)
        self.up.remove(name)

    def free_slot(self) -> int:
        """A slot after those of all blocks."""
        return max((slot_of(header) for header, _ in self.blocks.values()), default=FIRST_SLOT) + 1

    def make(
        self, by: str, *extrinsics: bytes, parent: Header | None = None, at: int = 0
    ) -> Header:
        """A block of whoever has the slot, made and imported on the node ``by``."""
        chain = self.nodes[by].chain
        parent = parent or chain.best_header()
        slot = max(FIRST_SLOT, slot_of(parent) + 1, at)
        epoch = epoch_for(chain.runtime(parent.hash()), slot)
        claim = claim_slot(slot, epoch, BABE)
        assert claim is not None
        built, imported = chain.build(
            parent,
            claim,
            Net.judged(extrinsics),
            now_ms=slot * chain.slot_duration_ms,
            is_late=lambda: False,
        )
        self.blocks[imported.hash] = built.header, built.body
        self.nodes[by].announcements.tell(imported)
        return built.header

    def rotate(self, name: str, voter: KeyPair, nonce: int = 0) -> bytes:
        """The call of a validator that votes with another key two sessions from now."""
        at = NAMES.index(name)
        stash = KeyPair.from_suri(f"//{name}//stash")
        keys = SessionKeys(babe=AuthorityKey(BABE[at].public), grandpa=AuthorityKey(voter.public))
        proof = prove_possession(stash.account_id, BABE[at], voter)
        call = CessRuntime.calls().make("Session", "set_keys", keys=keys, proof=proof)
        return self.sign(stash, call.encode(), nonce)

    def give_up(self, final: int) -> bytes:
        """Root's call that says that nothing can be finalised any more."""
        calls = CessRuntime.calls()
        stalled = calls.make(
            "Grandpa",
            "note_stalled",
            delay=BlockNumber(0),
            best_finalized_block_number=BlockNumber(final),
        )
        return self.sign(BABE[0], calls.make("Sudo", "sudo", call=stalled).encode(), 0)

    def sign(self, pair: KeyPair, call: bytes, nonce: int) -> bytes:
        genesis = self.nodes[self.up[0]].database.genesis_hash
        implicit = Implicit(
            spec_version=VERSION.spec_version,
            transaction_version=VERSION.transaction_version,
            genesis_hash=genesis,
            birth_hash=genesis,
        )
        return sign_extrinsic(call, pair, nonce, 0, Era.immortal(), implicit)

    async def pass_epoch(self) -> Header:
        """A block at the beginning of the next epoch, which all running nodes have."""
        first = self.nodes[self.up[0]]
        runtime = first.chain.runtime(first.database.best().hash)
        length = int(runtime.babe.config.epoch_duration)
        header = self.make(self.up[0], at=int(runtime.babe.current_epoch_start()) + length)
        await self.give(header)
        return header

    async def give(self, header: Header, *names: str) -> None:
        """Let these nodes, or all that run, import a block and its unknown ancestors."""
        for name in names or self.up:
            await self._give(header.hash(), self.nodes[name])

    async def _give(self, hash_: Hash, node: Node) -> None:
        missing = []
        while not node.database.is_known(hash_) and hash_ in self.blocks:
            missing.append(hash_)
            hash_ = self.blocks[hash_][0].parent_hash
        for each in reversed(missing):
            try:
                await node.writer.import_block(*self.blocks[each])
            except (InvalidBlock, UnknownBlock):
                return  # it is against what is final there

    async def grow(self, count: int = 1) -> None:
        """Blocks that all running nodes have."""
        for _ in range(count):
            header = self.make(self.up[0])
            await self.give(header)

    async def until(self, is_so: Callable[[], bool], seconds: float = 60) -> None:
        """Let time pass until something is so."""
        with trio.fail_after(seconds):
            while not is_so():
                await trio.sleep(0.05)

    async def until_final(self, number: int, *names: str, seconds: float = 60) -> None:
        chosen = [self.nodes[name] for name in names or self.up]
        await self.until(lambda: all(node.final >= number for node in chosen), seconds)


def four(folder: Path | None = None) -> list[Node]:
    """Four validators, each with its key."""
    return [
        Node(name, [pair], None if folder is None else folder / name)
        for name, pair in zip(NAMES, GRANDPA, strict=True)
    ]


@asynccontextmanager
async def running(nodes: Sequence[Node], *, start: Sequence[str] = ()) -> AsyncIterator[Cluster]:
    """A cluster whose nodes (or those of ``start``) run and are connected."""
    async with trio.open_nursery() as nursery:
        cluster = Cluster(nodes, nursery)
        for node in nodes:
            if not start or node.name in start:
                await cluster.start(node.name)
        yield cluster
        nursery.cancel_scope.cancel()


def play(
    script: Callable[[Cluster], Awaitable[None]],
    nodes: Sequence[Node],
    *,
    start: Sequence[str] = (),
) -> None:
    """Run a script on a virtual clock."""

    async def main() -> None:
        async with running(nodes, start=start) as cluster:
            await script(cluster)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
