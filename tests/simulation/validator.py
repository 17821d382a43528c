"""A validator made of the production cores, on a simulated disk, clock and network.

The cores decide: ``Chain`` over ``ChainDatabase`` imports, builds and finalizes, ``SlotCore`` and
``claim_slot`` say when, ``Voter`` votes. What is written here is what shells are: it carries inputs
in and effects out. A crash may come between any two effects, and within any write to the disk; a
new life begins with what the disk kept.
"""

import random
from typing import TYPE_CHECKING, Any

from node.consensus.authorities import voters_of
from node.consensus.chain import Chain, Finality, Imported, SetChangeFirst
from node.consensus.finality import FinalityKeys
from node.consensus.grandpa import (
    AuthoritiesChanged,
    BlockImported,
    Broadcast,
    Conflict,
    Equivocated,
    Fetch,
    Finalized,
    FinalizedElsewhere,
    Misbehaved,
    PeerLeft,
    Persist,
    Received,
    Send,
    Ticked,
    Timing,
    Voter,
    VoterRecord,
)
from node.consensus.grandpa.chain_view import ChainView
from node.consensus.grandpa.store import VoteStore
from node.consensus.signed_slots import SignedSlots, SlotSigned
from node.consensus.slots import SlotCore, SlotWait, claim_slot, slot_start
from node.consensus.verification import FutureBlock, slot_of
from node.database import ChainDatabase, UnknownBlock
from node.txpool.pool import Transaction
from primitives.errors import CessError, DecodeError, InvalidBlock, StateUnreadable, StorageCorrupt
from primitives.grandpa import (
    Block,
    CatchUpMessage,
    CommitMessage,
    GossipMessage,
    VoteMessage,
    decode_message,
    encode_message,
)
from primitives.header import Header
from primitives.justification import InvalidJustification
from primitives.types import Hash
from tests.simulation.disk import CrashNow, SimDisk
from tests.simulation.exchange import ANNOUNCE_BYTES, Exchange
from tests.simulation.faults import Traitor

if TYPE_CHECKING:
    from tests.simulation.world import World

VOTE_BYTES = 190
BLOCK_RETRY_MS = 1000
TICK_MS = 2000
TRANSACTIONS_MAX = 4


class SlotFile(SignedSlots):
    """The promise of ``SignedSlots``, kept by a simulated disk."""

    def __init__(self, disk: SimDisk) -> None:
        super().__init__()
        self._disk = disk
        self._last = disk.files.get("slot", -1)

    def claim(self, slot: int) -> None:
        before = self._last
        super().claim(slot)
        try:
            self._disk.put_file("slot", slot)
        except BaseException:
            self._last = before
            raise


class VoteFile(VoteStore):
    """The voter's record, kept by a simulated disk."""

    def __init__(self, disk: SimDisk) -> None:
        super().__init__()
        self._disk = disk
        record = disk.files.get("voter")
        # Through its bytes: what the disk gives back is not what was in memory.
        self._last = None if record is None else VoterRecord.decode(record.encode())

    def write(self, record: VoterRecord) -> None:
        self._disk.put_file("voter", record)
        super().write(record)


class Validator:
    """One node. ``life`` counts its restarts; what was meant for an earlier life is lost."""

    def __init__(self, world: "World", index: int, pairs: tuple[Any, Any]) -> None:
        self.world = world
        self.index = index
        self.name = str(index)
        self.babe, self.grandpa = pairs
        self.disk = SimDisk(random.Random(world.draw.random()))
        self.life = 0
        self.is_up = False
        self.skew_ms = 0
        self.effects_to_crash: int | None = None
        self.said: dict[str, tuple[bytes, int]] = {"best": (bytes(32), 0), "final": (bytes(32), 0)}
        self.is_byzantine = False
        self.told_final: dict[int, int] = {}
        self.linked: dict[int, None] = {}
        self.traitor: Traitor | None = None

    # Lives.

    def start(self) -> None:
        """Begin a life with what the disk kept."""
        world = self.world
        self.life += 1
        self.is_up = True
        database = ChainDatabase(self.disk.open(), state_pruning=world.plan.state_pruning)
        self.database = database
        if not database.is_initialised:
            self.said = {"best": (bytes(32), 0), "final": (bytes(32), 0)}
        database.initialise(world.genesis_header, world.genesis_state)
        if not self.is_byzantine:
            world.checkers.on_restart(self.index, self.said, database)
        signed = SlotFile(self.disk)
        self.chain = Chain(database, FinalityKeys(None, ()), finalizes=False, signed=signed)
        self.slots = SlotCore(self.chain.slot_duration_ms, signed.last)
        self.exchange = Exchange(self)
        self.told_final = {}
        self.votes = VoteFile(self.disk)
        self.tick_at = self.voter_at = 0
        self._begin_voting()
        self.world.at(world.now, self, self.on_slot)
        self.world.at(world.now + TICK_MS, self, self.on_tick)
        for peer in world.nodes:
            if peer.index in self.linked and peer.is_up and peer is not self:
                peer.exchange.told.pop(self.index, None)

    def _begin_voting(self) -> None:
        final = self.database.finalized()
        voters = voters_of(self.chain.runtime(final.hash))
        self.set_id = voters.set_id
        self.view = ChainView(self.chain, voters.set_id)
        self.voter = Voter(
            self.view,
            voters.authorities,
            voters.set_id,
            Block(bytes(final.hash), final.number),
            self.grandpa if self.votes.may_vote_in(voters.set_id) else None,
            now_ms=self.clock(),
            timing=self.world.plan.timing,
            record=self.votes.record_of(voters.set_id),
        )
        self.may_vote = self.votes.may_vote_in(voters.set_id)
        self.drain()

    def stop(self) -> None:
        """The power goes."""
        self.life += 1
        self.is_up = False
        self.disk.crash()

    def clock(self) -> int:
        """The time as this node sees it."""
        return self.world.now + self.skew_ms

    # Peers.

    def peers(self) -> list[int]:
        return [index for index in self.linked if self.world.nodes[index].is_up]

    def send(self, peer: int, kind: str, what: Any, size_bytes: int) -> None:
        self.world.send(self, peer, kind, what, size_bytes)

    def on_message(self, peer: int, kind: str, what: Any) -> None:
        if kind == "vote":
            if isinstance(what, bytes):
                what = decode_message(what)
            if self.clock() < self.voter_at and ignores(self.voter, str(peer), what):
                return
            self.voter.receive(Received(str(peer), what), self.clock())
            self.drain()
        elif kind == "announce":
            header, final = what
            self.told_final[peer] = final
            self.exchange.on_announce(peer, header)
        elif kind == "ask":
            self.exchange.on_ask(peer, what)
        elif kind == "blocks":
            self.exchange.on_blocks(peer, what)
        else:
            raise AssertionError(kind)

    def on_left(self, peer: int) -> None:
        self.voter.receive(PeerLeft(str(peer)), self.clock())
        self.exchange.told.pop(peer, None)
        self.drain()

    def on_tick(self) -> None:
        self.exchange.on_tick()
        self.world.at(self.world.now + TICK_MS, self, self.on_tick)

    # Blocks.

    def knows(self, hash_: bytes) -> bool:
        return self.database.is_known(Hash(hash_))

    def on_slot(self) -> None:
        """A slot may have begun: author if it is ours, and come back in the next one."""
        now = self.clock()
        parent = self.chain.best_header()
        slot = self.slots.next_slot(now, slot_of(parent))
        if isinstance(slot, SlotWait):
            wait = min(slot.until_ms - now, self.slots.duration_ms)
        else:
            self.author(parent, slot)
            wait = slot_start(slot + 1, self.slots.duration_ms) - now
        self.world.at(self.world.now + max(wait, 1), self, self.on_slot)

    def author(self, parent: Header, slot: int) -> None:
        claim = claim_slot(slot, self.chain.epoch_after(parent, slot), [self.babe])
        if claim is None:
            return
        try:
            built, imported = self.chain.build(
                parent,
                claim,
                self.transactions(),
                now_ms=self.slots.moment_in(slot, self.clock()),
                is_late=lambda: False,
            )
        except SlotSigned:
            return
        if not self.is_byzantine:
            self.world.checkers.on_seal(self.index, slot, bytes(imported.hash))
        self.world.note("authored", self.index, slot, imported.hash)
        if self.traitor is not None:
            self.betray(parent, slot, imported)
            return
        self.after_import(None, imported)

    def betray(self, parent: Header, slot: int, imported: Imported) -> None:
        """What a Byzantine author does with its block: keeps it back, or makes another one."""
        traitor = self.traitor
        assert traitor is not None
        if traitor.has("withhold") and traitor.draw.random() < 0.7:
            wait = traitor.draw.choice((3000, 9000, 40_000))
            self.world.at(self.world.now + wait, self, self.after_import, None, imported)
            return
        if traitor.has("double_author"):
            for header, _ in traitor.author(parent, slot):
                for peer in self.peers():
                    if traitor.draw.random() < 0.5:
                        self.send(peer, "announce", (header, 0), ANNOUNCE_BYTES)
        self.after_import(None, imported)

    def transactions(self) -> list[Transaction]:
        return self.world.transactions(self.index)

    def import_block(
        self, peer: int, header: Header, body: tuple[bytes, ...], proof: bytes | None
    ) -> bool:
        """Take somebody's block; whether it is here now."""
        try:
            imported = self.chain.import_block(
                header, body, now_ms=self.clock(), justification=proof
            )
        except (StorageCorrupt, StateUnreadable):
            raise
        except FutureBlock:
            at = self.world.now + BLOCK_RETRY_MS
            self.world.at(at, self, self.exchange.on_announce, peer, header)
            return False
        except (InvalidBlock, UnknownBlock) as error:
            self.world.refused(self, peer, error)
            return False
        except CessError as error:
            self.world.refused(self, peer, error)
            return False
        self.after_import(peer, imported)
        return True

    def after_import(self, peer: int | None, imported: Imported) -> None:
        hash_ = imported.hash
        if imported.is_best:
            self.said["best"] = bytes(hash_), int(imported.header.number)
        self.world.note("imported", self.index, 0, hash_)
        final = self.database.finalized().number
        told = self.exchange.told
        for other in self.peers():
            if told.get(other) != hash_:
                self.send(other, "announce", (imported.header, final), ANNOUNCE_BYTES)
        self.voter.receive(BlockImported(bytes(hash_)), self.clock())
        if imported.finalized:
            self.after_final(Finality(imported.finalized))
            self.finalized_elsewhere(Block(bytes(hash_), int(imported.header.number)))
            return
        self.drain()

    def announce_best(self, peers: list[int]) -> None:
        header = self.chain.best_header()
        hash_, final = header.hash(), self.database.finalized().number
        told = self.exchange.told
        for peer in peers:
            if told.get(peer) != hash_:
                self.send(peer, "announce", (header, final), ANNOUNCE_BYTES)

    def take_justification(self, header: Header, hash_: Hash, justification: bytes) -> None:
        if int(header.number) <= self.database.finalized().number:
            return
        try:
            done = self.chain.import_justification(hash_, justification)
        except (InvalidJustification, SetChangeFirst, DecodeError) as error:
            self.world.refused(self, None, error)
            return
        self.after_final(done)
        self.finalized_elsewhere(Block(bytes(hash_), int(header.number)))

    def finalized_elsewhere(self, block: Block) -> None:
        """The chain, not the voter, found that a block is final."""
        self.voter.receive(FinalizedElsewhere(block), self.clock())
        self.change_set(block)
        self.drain()

    # Voting.

    def on_voter_tick(self) -> None:
        self.tick_at = 0
        self.voter.receive(Ticked(), self.clock())
        self.drain()

    def step(self) -> None:
        """Between two effects: here the power may go."""
        if self.effects_to_crash is not None:
            self.effects_to_crash -= 1
            if self.effects_to_crash < 0:
                self.effects_to_crash = None
                raise CrashNow

    def drain(self) -> None:
        voter = self.voter
        while (effect := voter.next_effect()) is not None:
            if self.effects_to_crash is not None:
                self.step()
            match effect:
                case Broadcast(message=message, except_peer=but):
                    self.broadcast(message, but)
                case Persist(record=record):
                    self.persist(record)
                case Send(peer=peer, message=message):
                    self.send(int(peer), "vote", message, _size(message))
                case Finalized(block=block, justification=proof):
                    done = self.chain.import_justification(Hash(block.hash), proof.encode())
                    self.after_final(done)
                    self.change_set(block)
                case Fetch(peer=peer, block=block):
                    self.exchange.ask(int(peer), block.hash)
                case Equivocated(proof=proof):
                    self.world.equivocated(self, proof)
                case Misbehaved(peer=peer, offence=offence):
                    self.world.misbehaved(self, int(peer), offence)
                case Conflict():
                    self.world.conflict(self, effect)
        self.voter_at = voter.next_deadline()
        at = self.voter_at - self.skew_ms
        if not self.tick_at or at < self.tick_at or self.tick_at <= self.world.now:
            self.tick_at = max(at, self.world.now + 1)
            self.world.at(self.tick_at, self, self._on_voter_deadline, self.tick_at)

    def _on_voter_deadline(self, at: int) -> None:
        if at == self.tick_at:
            self.on_voter_tick()

    def persist(self, record: VoterRecord) -> None:
        self.votes.write(record)

    def broadcast(self, message: GossipMessage, but: str | None) -> None:
        if self.traitor is not None and self.traitor.vote(message):
            return
        if not self.is_byzantine and isinstance(message, VoteMessage):
            signed = message.signed
            if signed.authority == self.grandpa.public:
                self.world.checkers.on_vote(
                    self.index,
                    int(message.set_id),
                    int(message.round),
                    int(signed.vote.kind),
                    bytes(signed.vote.block.hash),
                )
        self.world.gossip(self, message, None if but is None else int(but), _size(message))

    def after_final(self, finality: Finality) -> None:
        done = finality.hashes
        if finality.led is not None:
            self.said["best"] = bytes(finality.led.hash), int(finality.led.header.number)
        if not done:
            return
        world = self.world
        final = self.database.finalized()
        self.said["final"] = bytes(final.hash), final.number
        if self.said["best"][1] <= final.number:
            self.said["best"] = self.said["final"]
        world.note("final", self.index, final.number, final.hash)
        if not self.is_byzantine:
            for offset, hash_ in enumerate(reversed(done)):
                world.checkers.on_final(self.index, final.number - offset, bytes(hash_))
            if final.number % 32 == self.index:
                self.check_state(final.hash)
        world.finalized(self, final.number)

    def check_state(self, hash_: Hash) -> None:
        header, state = self.chain.header(hash_), self.database.state_at(hash_)
        self.world.checkers.on_state(
            self.index, bytes(header.state_root), bytes(state.root), self.world.issuance(state)
        )

    def change_set(self, block: Block) -> None:
        """Others may vote from here on."""
        voters = voters_of(self.chain.runtime(Hash(block.hash)))
        if voters.set_id > self.set_id:
            self.set_id = self.view.set_id = voters.set_id
            if self.may_vote != self.votes.may_vote_in(voters.set_id):
                self._begin_voting()  # it caught up with the set that it voted in
                return
            self.world.note("set", self.index, voters.set_id, block.hash)
            changed = AuthoritiesChanged(voters.authorities, voters.set_id, block)
            self.voter.receive(changed, self.clock())


def ignores(voter: Voter, peer: str, message: GossipMessage) -> bool:
    """Whether a voter would look at this message, change nothing and order nothing.

    So it is for what it has counted and what is final; most of gossip is that, and before the next
    deadline looking at it costs more than all else. ``test_validator`` compares this with voters.
    """
    if peer not in voter._peers:
        return False
    if isinstance(message, VoteMessage):
        if message.set_id != voter._set_id:
            return True
        round_ = voter._round(int(message.round))
        signed = message.signed
        return (
            round_ is not None
            and round_.number > 0
            and signed.authority in voter._voters
            and not round_.is_relevant(signed)
        )
    if isinstance(message, CommitMessage):
        if message.set_id != voter._set_id:
            return True
        return int(message.commit.target_number) <= voter._finalized.number
    return False


def _size(message: GossipMessage) -> int:
    if isinstance(message, CommitMessage):
        return 100 + 132 * len(message.commit.precommits)
    if isinstance(message, CatchUpMessage):
        votes = message.catch_up.prevotes, message.catch_up.precommits
        return 100 + 132 * sum(len(part) for part in votes)
    return VOTE_BYTES if isinstance(message, VoteMessage) else 30


def encoded(message: GossipMessage) -> bytes:
    """A message as it goes over the wire."""
    return encode_message(message)


__all__ = ["Timing", "Validator", "encoded"]
