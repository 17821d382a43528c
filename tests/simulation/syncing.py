"""The synchroniser of a simulated node: the production core, carried over simulated messages.

``SyncCore`` decides what to ask and to import, ``answers.blocks`` answers; here is what the shell
does: requests with their timeouts, imports one after the other, and announcements. The transport
under it is a stream: a request that cannot leave is noticed after ``NOTICED_MS``.
"""

from typing import TYPE_CHECKING

from node.database import BlockId
from node.network.transport import Roles
from node.network.wire import BlockFields, BlockRequest
from node.sync import answers
from node.sync.asking import BULK_TIMEOUT_S, SMALL_TIMEOUT_S
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
    NotAsked,
    PeerJoined,
    PeerLeft,
    RequestBlocks,
    RequestFailed,
    Ticked,
)
from node.sync.judging import changes_set, failure_of, slots_ahead
from node.sync.proofs import unproven_blocks
from primitives.errors import CessError, DecodeError, StateUnreadable, StorageCorrupt
from primitives.header import Header
from primitives.justification import InvalidJustification
from primitives.types import Hash
from tests.simulation.tiny import body_root

if TYPE_CHECKING:
    from tests.simulation.validator import Validator

NOTICED_MS = 3000
BULK_TIMEOUT_MS = int(BULK_TIMEOUT_S * 1000)
SMALL_TIMEOUT_MS = int(SMALL_TIMEOUT_S * 1000)
ASK_BYTES = 120
REFUSAL_BYTES = 20
ANNOUNCE_BYTES = 250
BLOCK_BYTES = 300

Pieces = tuple[IncomingBlock, ...]


class Synchroniser:
    """See the module's text."""

    def __init__(self, node: "Validator") -> None:
        self.node = node
        self.core = SyncCore(node.database, changes_set)
        self.core.want_proofs(unproven_blocks(node.database, changes_set))
        self.outstanding: dict[int, tuple[str, bool]] = {}
        self.tick_at = 0
        self.imports: list[ImportBlocks | ImportJustification] = []
        self.is_importing = False

    # Driving.

    def feed(self, what: Input) -> None:
        """Give the core an input and do what it orders."""
        core, world = self.core, self.node.world
        core.receive(what, world.now)
        while (effect := core.next_effect()) is not None:
            match effect:
                case RequestBlocks(request_id=number, peer=peer, request=request):
                    is_bulk = BlockFields.BODY in request.fields
                    self.outstanding[number] = peer, is_bulk
                    arrives = self.node.send(int(peer), "ask", (number, request), ASK_BYTES)
                    patience_ms = BULK_TIMEOUT_MS if is_bulk else SMALL_TIMEOUT_MS
                    at = world.now + (patience_ms if arrives else NOTICED_MS)
                    world.at(at, self.node, self.on_silence, number)
                case ImportBlocks() | ImportJustification():
                    self.imports.append(effect)
                case Charge(peer=peer, cost=cost):
                    world.charged(self.node, int(peer), cost)
        due = core.next_deadline()
        if due is not None:
            at = max(due, world.now + 1)
            if self.tick_at <= world.now or at < self.tick_at:
                self.tick_at = at
                world.at(at, self.node, self.on_tick, at)
        self.import_all()

    def on_tick(self, at: int) -> None:
        if at == self.tick_at:
            self.feed(Ticked())

    # Peers.

    def join(self, peer: int, best: BlockId) -> None:
        self.feed(PeerJoined(str(peer), Roles.FULL | Roles.AUTHORITY, best))

    def leave(self, peer: int) -> None:
        name = str(peer)
        self.outstanding = {key: to for key, to in self.outstanding.items() if to[0] != name}
        self.feed(PeerLeft(name))

    def announce(self, header: Header, hash_: Hash) -> None:
        """Tell all peers of a block, but those known to have it."""
        for peer in self.node.linked:
            if not self.core.knows(str(peer), hash_):
                self.node.send(peer, "announce", header, ANNOUNCE_BYTES)

    def on_announce(self, peer: int, header: Header) -> None:
        ahead = slots_ahead(header, self.node.clock(), self.node.chain.slot_duration_ms)
        self.feed(Announced(str(peer), header, header.hash(), True, ahead))

    # Requests.

    def on_ask(self, peer: int, number: int, request: BlockRequest) -> None:
        """Answer a peer."""
        node = self.node
        found: list[IncomingBlock] = []
        try:
            answer = answers.blocks(node.database, request)
        except StorageCorrupt:
            # As ``Server`` refuses: what rotted stops whoever needs it, not the node.
            node.send(peer, "answer", (number, None), REFUSAL_BYTES)
            return
        for data in answer.blocks:
            header = node.database.header(data.hash)
            assert header is not None, "because it was just read"
            proof = data.justifications[0][1] if data.justifications else None
            found.append(IncomingBlock(data.hash, header, data.body or (), proof, BLOCK_BYTES))
        if node.traitor is not None and node.traitor.has("liar"):
            found = node.traitor.answer(found)
        node.send(peer, "answer", (number, tuple(found)), BLOCK_BYTES * len(found) + 20)

    def on_answer(self, peer: int, number: int, blocks: Pieces | None) -> None:
        """An answer of a peer, or that it refuses to give one."""
        asked = self.outstanding.get(number)
        if asked is None or asked[0] != str(peer):
            return
        del self.outstanding[number]
        if blocks is None:
            self.feed(RequestFailed(number, NotAsked.REFUSED))
        elif asked[1] and not fits(blocks):
            self.feed(RequestFailed(number, NotAsked.MALFORMED))
        else:
            self.feed(BlocksArrived(number, blocks))

    def on_silence(self, number: int) -> None:
        if self.outstanding.pop(number, None) is not None:
            self.feed(RequestFailed(number, NotAsked.TIMED_OUT))

    # Imports.

    def import_all(self) -> None:
        """Import what was ordered, one after the other."""
        if self.is_importing:
            return
        self.is_importing = True
        try:
            while self.imports:
                order = self.imports.pop(0)
                if isinstance(order, ImportJustification):
                    self.import_justification(order)
                    continue
                for block in order.blocks:
                    is_built_upon = block is not order.blocks[-1]
                    self.node.step()
                    failure = self.import_one(
                        int(order.peer),
                        block,
                        is_built_upon=is_built_upon,
                        is_deferred=is_built_upon or bool(self.imports),
                    )
                    if failure is not None:
                        self.feed(ImportFailed(block.hash, failure))
                        break
                if not self.imports:
                    self.node.settle()
        finally:
            self.is_importing = False

    def import_one(
        self,
        peer: int,
        block: IncomingBlock,
        *,
        is_built_upon: bool = False,
        is_deferred: bool = False,
    ) -> Failure | None:
        """Import a block; None if it is in the database."""
        node = self.node
        try:
            imported = node.chain.import_block(
                block.header,
                block.body,
                now_ms=node.clock(),
                justification=block.justification,
                is_built_upon=is_built_upon,
                is_deferred=is_deferred,
            )
        except (StorageCorrupt, StateUnreadable):
            raise
        except CessError as error:
            failure = failure_of(error, block, node.database.finalized().number)
            if failure in (Failure.BAD, Failure.BAD_PROOF):
                node.world.refused(node, peer, error)
            return failure
        is_best = node.database.best() == block.id
        self.feed(BlockImported(block.hash, block.number, is_best, changes_set(block.header)))
        node.imported(imported)
        return None

    def import_justification(self, order: ImportJustification) -> None:
        node = self.node
        try:
            done = node.chain.import_justification(order.block.hash, order.justification)
        except (StorageCorrupt, StateUnreadable):
            raise
        except (InvalidJustification, DecodeError) as error:
            node.world.refused(node, int(order.peer), error)
            self.feed(JustificationRefused(order.block.hash, order.peer))
        except CessError:
            self.feed(JustificationRefused(order.block.hash, None))
        else:
            node.after_final(done)

    def own(self, header: Header, hash_: Hash, *, is_best: bool) -> None:
        """A block of this node is in the database."""
        self.feed(BlockImported(hash_, int(header.number), is_best, changes_set(header)))

    def fetch(self, peer: str, hash_: bytes, number: int) -> None:
        self.feed(FetchWanted(peer, BlockId(Hash(hash_), number)))

    def finalized(self) -> None:
        self.feed(FinalizedTo(self.node.database.finalized()))


def fits(blocks: Pieces) -> bool:
    """Whether all bodies are those that their headers name, as ``decode_blocks`` looks."""
    return all(body_root(each.body) == each.header.extrinsics_root for each in blocks)
