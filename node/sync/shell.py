"""Keeps this node on the chain of its peers: the core of ``core`` over a real network and clock.

Blocks are imported one at a time through the writer, which other authors of this node share, so an
own block waits for one import at the most. Blocks that become best are told to all peers that are
not known to have them; a peer that does not keep up loses announcements, never this node its pace.

With ``SyncMode.WARP`` or ``FAST`` a fresh chain begins with ``bootstrap``.
Bounds: what waits to be imported is the core's; one request for each peer; ``ANNOUNCES_PER_S``
announcements of a peer are looked at.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

import structlog
import trio

from node.consensus.announcements import Announcements, Finalized
from node.consensus.chain import Imported
from node.consensus.shell import FATAL, ChainWriter, now_ms
from node.database import BlockId
from node.logging import short_hash
from node.network.transport import (
    Channel,
    ChannelClosed,
    ChannelOpened,
    Cost,
    Network,
    Notified,
    Roles,
)
from node.network.wire import BlockAnnounce
from node.sync.asking import AskingFailed, ask_for_blocks
from node.sync.bootstrap import Bootstrap, SyncMode
from node.sync.core import SyncCore
from node.sync.events import (
    Announced,
    BlockImported,
    BlocksArrived,
    Charge,
    Failure,
    FetchWanted,
    FinalizedTo,
    ImportBlocks,
    ImportFailed,
    ImportJustification,
    IncomingBlock,
    Input,
    JustificationRefused,
    PeerJoined,
    PeerLeft,
    RequestBlocks,
    RequestFailed,
    Ticked,
)
from node.sync.judging import changes_set, failure_of, slots_ahead
from node.sync.known_peers import KnownPeers
from node.sync.limits import PeerBudget
from node.sync.proofs import unproven_blocks
from primitives.errors import CessError, DecodeError
from primitives.grandpa import Block
from primitives.header import Header
from primitives.justification import InvalidJustification
from primitives.types import Hash

__all__ = ["ANNOUNCES_PER_S", "SyncMode", "SyncState", "Synchroniser"]

log = structlog.get_logger("sync")

MS_PER_S: Final = 1000
ANNOUNCES_PER_S: Final = 20
ANNOUNCES_BURST: Final = 200
FED_MAX: Final = 4096
IDLE_TICK_MS: Final = 1_000


@dataclass(frozen=True, slots=True)
class SyncState:
    """Where this node began, is, and is going."""

    starting_block: int
    current_block: int
    highest_block: int


def _time_ms() -> int:
    return int(trio.current_time() * MS_PER_S)


class Synchroniser:
    """See the module's text."""

    def __init__(
        self,
        network: Network,
        writer: ChainWriter,
        announcements: Announcements,
        *,
        mode: SyncMode = SyncMode.FULL,
    ) -> None:
        self._network = network
        self._writer = writer
        self._announcements = announcements
        self._database = writer.chain.database
        self._duration_ms = writer.chain.slot_duration_ms
        self._core = SyncCore(self._database, changes_set)
        self._core.want_proofs(unproven_blocks(self._database, changes_set))
        self._peers = KnownPeers()
        self._bootstrap = Bootstrap(network, writer, self._peers, mode)
        self._is_following = False
        self._starting = self._database.best().number
        self._imports: deque[ImportBlocks | ImportJustification] = deque()
        self._wake_importer = trio.Event()
        self._wake_clock = trio.Event()
        self._announces = PeerBudget(ANNOUNCES_PER_S, ANNOUNCES_BURST)
        self._nursery: trio.Nursery | None = None
        self._fed: dict[Hash, None] = {}
        """Blocks that the core knows of, and whose announcement in this node is still to come."""
        self.imported_count = 0
        """Blocks of peers that were imported."""

    # For others.

    def is_major_syncing(self) -> bool:
        """Whether this node is so far behind that it should neither author nor vote."""
        if self._bootstrap.is_needed and not self._is_following:
            return bool(self._network.peers())
        return self._core.is_major_syncing(_time_ms())

    def best_seen(self) -> int:
        """The height that most peers are at, or this node's own if that is higher."""
        return max(self._core.best_seen(), self._peers.best_seen())

    def best_of(self, peer: str) -> BlockId | None:
        """The best block of a peer by what it said last; None where it is not known."""
        found = self._peers.known.get(peer)
        return None if found is None else found[1]

    def sync_state(self) -> SyncState:
        """Where this node began, is, and is going."""
        current = self._database.best().number
        return SyncState(self._starting, current, max(current, self.best_seen()))

    def statistics(self) -> dict[str, int]:
        """What the core holds."""
        return self._core.statistics()

    def fetch(self, peer: str, block: BlockId | Block) -> None:
        """Get a block that this peer must have, for it spoke of it."""
        if self._is_following:
            self._feed(FetchWanted(peer, BlockId(Hash(block.hash), block.number)))

    def announce(self, header: Header, hash_: Hash, *, is_best: bool = True) -> None:
        """Tell all peers of a block, but those known to have it; waits for nobody."""
        data = BlockAnnounce(header, is_best).encode()
        for info in self._network.peers():
            if not self._core.knows(info.peer, hash_):
                self._network.notify(info.peer, Channel.BLOCK_ANNOUNCES, data)

    # Running.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Synchronise until cancelled. Raises: failures that stop a node (``FATAL``)."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await nursery.start(self._hear_network)
            await nursery.start(self._hear_chain)
            task_status.started()
            if self._bootstrap.is_needed:
                await self._bootstrap.run()
            self._follow()
            nursery.start_soon(self._tick)
            nursery.start_soon(self._import)
            nursery.start_soon(self._bootstrap.fill_history)

    def _follow(self) -> None:
        """From now on the core decides."""
        self._is_following = True
        for peer, (roles, best) in self._peers.known.items():
            self._feed(PeerJoined(peer, roles, best))

    def _feed(self, what: Input) -> None:
        """Give the core an input and do what it orders."""
        self._core.receive(what, _time_ms())
        assert self._nursery is not None, "because it runs"
        while (effect := self._core.next_effect()) is not None:
            match effect:
                case RequestBlocks():
                    self._nursery.start_soon(self._request, effect)
                case ImportBlocks() | ImportJustification():
                    self._imports.append(effect)
                    self._wake_importer.set()
                case Charge():
                    self._network.report(effect.peer, effect.cost)
        self._wake_clock.set()

    async def _request(self, effect: RequestBlocks) -> None:
        try:
            blocks = await ask_for_blocks(self._network, effect.peer, effect.request)
        except AskingFailed as error:
            log.debug("a peer brought no blocks", peer=effect.peer, reason=str(error))
            self._feed(RequestFailed(effect.request_id, error.reason))
        else:
            self._feed(BlocksArrived(effect.request_id, blocks))

    async def _tick(self) -> None:
        while True:
            due = self._core.next_deadline()
            wait_ms = IDLE_TICK_MS if due is None else min(IDLE_TICK_MS, due - _time_ms())
            self._wake_clock = trio.Event()
            with trio.move_on_after(max(1, wait_ms) / MS_PER_S):
                await self._wake_clock.wait()
            if due is not None and _time_ms() >= due:
                self._feed(Ticked())

    # Hearing.

    async def _hear_network(self, *, task_status: trio.TaskStatus[None]) -> None:
        is_started = False
        while True:
            for peer in tuple(self._peers.known):
                self._left(peer)  # the new channel begins with those that are there
            with self._network.listen([Channel.BLOCK_ANNOUNCES]) as events:
                if not is_started:
                    task_status.started()
                    is_started = True
                async for event in events:
                    match event:
                        case ChannelOpened():
                            best = BlockId(event.status.best_hash, event.status.best_number)
                            self._joined(event.peer, event.status.roles, best)
                        case ChannelClosed():
                            self._left(event.peer)
                        case Notified():
                            self._heard(event)
            log.warning("peers came and went faster than that was heard")

    def _joined(self, peer: str, roles: Roles, best: BlockId) -> None:
        self._peers.join(peer, roles, best)
        if self._is_following:
            self._feed(PeerJoined(peer, roles, best))

    def _left(self, peer: str) -> None:
        self._peers.leave(peer)
        if self._is_following:
            self._feed(PeerLeft(peer))

    def _heard(self, event: Notified) -> None:
        if not self._announces.take(event.peer, trio.current_time()):
            self._network.report(event.peer, Cost.FLOOD)
            return
        try:
            told = BlockAnnounce.decode(event.data)
        except DecodeError:
            self._network.report(event.peer, Cost.BAD_MESSAGE)
            return
        hash_ = told.header.hash()
        if told.is_best:
            self._peers.advance(event.peer, BlockId(hash_, int(told.header.number)))
        if self._is_following:
            ahead = slots_ahead(told.header, now_ms(), self._duration_ms)
            self._feed(Announced(event.peer, told.header, hash_, told.is_best, ahead))

    async def _hear_chain(self, *, task_status: trio.TaskStatus[None]) -> None:
        is_started = False
        while True:
            with self._announcements.listen() as events:
                if not is_started:
                    task_status.started()
                    is_started = True
                async for event in events:
                    if isinstance(event, Finalized):
                        if self._is_following:
                            self._feed(FinalizedTo(self._database.finalized()))
                        continue
                    self._became(event)

    def _became(self, event: Imported) -> None:
        """A block is in the database, ours or a peer's."""
        if event.hash in self._fed:
            del self._fed[event.hash]
        elif self._is_following:
            number, changes = int(event.header.number), changes_set(event.header)
            self._feed(BlockImported(event.hash, number, event.is_best, changes))
        if event.is_best and not self.is_major_syncing():
            self.announce(event.header, event.hash)

    # Importing.

    async def _import(self) -> None:
        while True:
            if not self._imports:
                await self._writer.settle()
            while not self._imports:
                self._wake_importer = trio.Event()
                await self._wake_importer.wait()
            order = self._imports.popleft()
            if isinstance(order, ImportJustification):
                await self._import_justification(order)
                continue
            for block in order.blocks:
                is_built_upon = block is not order.blocks[-1]
                is_deferred = is_built_upon or bool(self._imports)
                failure = await self._import_one(
                    block, is_built_upon=is_built_upon, is_deferred=is_deferred
                )
                if failure is not None:
                    log.info(
                        f"Block #{block.number} ({short_hash(block.hash)}) is not imported",
                        reason=failure.name,
                        peer=order.peer,
                    )
                    self._feed(ImportFailed(block.hash, failure))
                    break
                self.imported_count += 1
                self._fed[block.hash] = None
                if len(self._fed) > FED_MAX:
                    self._fed.clear()
                is_best, changes = self._database.best() == block.id, changes_set(block.header)
                self._feed(BlockImported(block.hash, block.number, is_best, changes))

    async def _import_one(
        self, block: IncomingBlock, *, is_built_upon: bool, is_deferred: bool = False
    ) -> Failure | None:
        """Import a block; None if it is in the database. Raises: ``FATAL`` failures."""
        try:
            await self._writer.import_block(
                block.header,
                block.body,
                justification=block.justification,
                is_built_upon=is_built_upon,
                is_deferred=is_deferred,
            )
        except FATAL:
            raise
        except Exception as error:
            failure = failure_of(error, block, self._database.finalized().number)
            if not isinstance(error, CessError):
                log.error(
                    "the import of a block failed", block=f"0x{block.hash.hex()}", exc_info=error
                )
            elif failure is Failure.BAD:
                log.warning("a block breaks a rule", reason=str(error))
            else:
                log.debug("a block or its proof is not taken", reason=str(error))
            return failure
        return None

    async def _import_justification(self, order: ImportJustification) -> None:
        try:
            await self._writer.import_justification(order.block.hash, order.justification)
        except FATAL:
            raise
        except (InvalidJustification, DecodeError) as error:
            log.debug("a proof of finality is refused", peer=order.peer, reason=str(error))
            self._feed(JustificationRefused(order.block.hash, order.peer))
        except CessError as error:
            log.debug("a proof of finality cannot be used", reason=str(error))
            self._feed(JustificationRefused(order.block.hash, None))
        else:
            self._feed(FinalizedTo(self._database.finalized()))
