"""A validator made of the production cores, on a simulated disk, clock and network.

The cores decide: ``Chain`` over ``ChainDatabase`` imports, builds and finalizes, ``SlotCore`` and
``claim_slot`` say when, ``SyncCore`` fetches, ``Voter`` votes. What is written here and in
``syncing`` is what shells are: it carries inputs in and effects out, as the production shells do.
A crash may come between any two effects, and within any write to the disk; a new life begins with
what the disk kept.
"""

import random
from collections import deque
from typing import TYPE_CHECKING, Any

from node.consensus.chain import Chain, Finality, Imported
from node.consensus.finality import FinalityKeys, VoterSet
from node.consensus.grandpa import (
    AuthoritiesChanged,
    BlockImported,
    Broadcast,
    Conflict,
    Equivocated,
    Fetch,
    Finalized,
    FinalizedElsewhere,
    Input,
    Misbehaved,
    PeerLeft,
    Persist,
    Received,
    Send,
    Ticked,
    Voter,
    VoterRecord,
)
from node.consensus.grandpa.chain_view import ChainView
from node.consensus.grandpa.spreading import Spreading, relays_for
from node.consensus.grandpa.store import VoteStore
from node.consensus.shell import SECONDARY_DELAY
from node.consensus.signed_slots import SignedSlots, SlotSigned
from node.consensus.slots import SlotClaim, SlotCore, SlotWait, claim_slot, slot_start
from node.consensus.verification import slot_of
from node.database import BlockId, ChainDatabase
from node.txpool.pool import Transaction
from primitives.digest import Primary
from primitives.grandpa import (
    Block,
    CatchUpMessage,
    CommitMessage,
    GossipMessage,
    VoteMessage,
    decode_message,
)
from primitives.header import Header
from primitives.types import Hash
from tests.simulation.disk import CrashNow, SimDisk
from tests.simulation.faults import TWO_FACED, TWO_FACED_MS
from tests.simulation.syncing import ANNOUNCE_BYTES, Synchroniser
from tests.simulation.tiny import SLOT_MS

if TYPE_CHECKING:
    from tests.simulation.faults import Traitor
    from tests.simulation.world import World

VOTE_BYTES = 190
LOOK_MS = 2000
NOWHERE = {"best": (bytes(32), 0), "final": (bytes(32), 0)}


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
        self.babe, self.grandpa = pairs
        self.disk = SimDisk(random.Random(world.draw.random()))
        self.life = 0
        self.is_up = False
        self.skew_ms = 0
        self.effects_to_crash: int | None = None
        self.said = dict(NOWHERE)
        self.traitor: Traitor | None = None
        self.linked: dict[int, None] = {}

    # Lives.

    @property
    def is_byzantine(self) -> bool:
        return self.traitor is not None

    def start(self) -> None:
        """Begin a life with what the disk kept."""
        world = self.world
        self.life += 1
        self.is_up = True
        database = ChainDatabase(self.disk.open(), state_pruning=world.plan.state_pruning)
        self.database = database
        database.initialise(world.genesis_header, world.genesis_state)
        if not self.is_byzantine:
            world.checkers.on_restart(self.index, self.said, database)
        signed = SlotFile(self.disk)
        self.chain = Chain(database, FinalityKeys(None, ()), finalizes=False, signed=signed)
        self.slots = SlotCore(self.chain.slot_duration_ms, signed.last)
        self.votes = VoteFile(self.disk)
        self.seen: VoterRecord | None = None
        self.sync = Synchroniser(self)
        self.inbox: deque[Input] = deque()
        self.is_draining = False
        self.untold: deque[Imported] = deque()
        self.tick_at = self.voter_at = self.leaves_at = 0
        self.spreading: Spreading | None = None
        if world.plan.is_wired:
            draw = random.Random(f"{world.plan.seed} {self.index} {self.life}")
            self.spreading = Spreading(world.plan.timing.gossip_ms, draw)
        self.set_id = -1
        self.signer: Any = None
        self.look(begin=True)
        world.at(world.now, self, self.on_slot)
        world.at(world.now + LOOK_MS, self, self.on_look)
        if self.traitor is not None and self.traitor.has(TWO_FACED):
            world.at(world.now + TWO_FACED_MS, self, self.traitor.flatter)

    def stop(self) -> None:
        """The power goes."""
        self.life += 1
        self.is_up = False
        self.disk.crash()

    def clock(self) -> int:
        """The time of day as this node sees it; voter and synchroniser have a stopwatch instead."""
        return self.world.now + self.skew_ms

    # Peers.

    def send(self, peer: int, kind: str, what: Any, size_bytes: int) -> bool:
        return self.world.send(self, peer, kind, what, size_bytes)

    def on_message(self, peer: int, kind: str, what: Any) -> None:
        if peer not in self.linked:
            return
        if kind == "vote":
            if isinstance(what, bytes):
                data, what = what, decode_message(what)
                if self.spreading is not None:
                    self.spreading.heard(str(peer), data, what)
            if self.world.now < self.voter_at and ignores(self.voter, str(peer), what):
                return
            self.tell(Received(str(peer), what))
        elif kind == "announce":
            self.sync.on_announce(peer, what)
        elif kind == "ask":
            self.sync.on_ask(peer, *what)
        else:
            self.sync.on_answer(peer, *what)

    def on_joined(self, peer: int, best: BlockId) -> None:
        self.sync.join(peer, best)
        if self.spreading is not None:
            self.spreading.joined(str(peer), is_light=False)
        self.send(peer, "vote", self.world.carried(self.voter.neighbour()), 30)
        for message in self.voter.own_votes():
            self.send(peer, "vote", self.world.carried(message), VOTE_BYTES)

    def on_left(self, peer: int) -> None:
        self.sync.leave(peer)
        if self.spreading is not None:
            self.spreading.left(str(peer))
        self.tell(PeerLeft(str(peer)))

    # Blocks.

    def on_slot(self) -> None:
        """A slot may have begun: author if it is ours, and come back in the next one."""
        now = self.clock()
        parent = self.chain.best_header()
        slot = self.slots.next_slot(now, slot_of(parent))
        if isinstance(slot, SlotWait):
            wait = min(slot.until_ms - now, self.slots.duration_ms)
        else:
            if not self.sync.core.is_major_syncing():
                self.author(parent, slot)
            wait = slot_start(slot + 1, self.slots.duration_ms) - now
        self.world.at(self.world.now + max(wait, 1), self, self.on_slot)

    def author(self, parent: Header, slot: int) -> None:
        """Author in a slot of our own, as the shell does: whoever won it has time to come first."""
        claim = claim_slot(slot, self.chain.epoch_after(parent, slot), [self.babe])
        if claim is None:
            return
        begin = slot_start(slot, SLOT_MS) + SLOT_MS * SECONDARY_DELAY[0] // SECONDARY_DELAY[1]
        if self.clock() < begin and not isinstance(claim.pre_digest, Primary):
            self.world.at(begin - self.skew_ms, self, self.author_second, slot)
        else:
            self.seal(parent, claim)

    def author_second(self, slot: int) -> None:
        """A secondary slot is ours if nobody came before."""
        parent = self.chain.best_header()
        if slot_of(parent) >= slot:
            return
        claim = claim_slot(slot, self.chain.epoch_after(parent, slot), [self.babe])
        if claim is not None:
            self.seal(parent, claim)

    def seal(self, parent: Header, claim: SlotClaim) -> None:
        """Make the block of a slot."""
        slot = claim.slot
        best = parent
        if self.traitor is not None:
            parent = self.traitor.parent(best, claim)
        try:
            _, imported = self.chain.build(
                parent,
                claim,
                self.transactions(),
                now_ms=self.slots.moment_in(slot, self.clock()),
                is_late=lambda: False,
            )
        except SlotSigned:
            return
        if self.traitor is not None and parent != best:
            self.traitor.own_head = imported.header
        if not self.is_byzantine:
            self.world.checkers.on_seal(self.index, slot, bytes(imported.hash))
        self.world.note("authored", self.index, slot, imported.hash)
        if self.traitor is not None:
            self.betray(parent, slot, imported)
        else:
            self.publish(imported)

    def publish(self, imported: Imported) -> None:
        """Tell of a block of our own."""
        self.sync.own(imported.header, imported.hash, is_best=imported.is_best)
        self.imported(imported)

    def betray(self, parent: Header, slot: int, imported: Imported) -> None:
        """What a Byzantine author does with its block: keeps it back, or makes another one."""
        traitor = self.traitor
        assert traitor is not None
        if traitor.has("withhold") and traitor.draw.random() < 0.7:
            wait = traitor.draw.choice((3000, 9000, 40_000))
            self.world.at(self.world.now + wait, self, self.publish, imported)
            return
        if traitor.has("double_author"):
            other = traitor.author(parent, slot)
            if other is not None:
                for peer in self.linked:
                    if traitor.draw.random() < 0.5:
                        self.send(peer, "announce", other, ANNOUNCE_BYTES)
        self.publish(imported)

    def transactions(self) -> list[Transaction]:
        return self.world.transactions(self)

    def imported(self, imported: Imported) -> None:
        """A block was imported; it is told of when it is on disk."""
        self.untold.append(imported)
        self.tell_settled()

    def settle(self) -> None:
        self.database.settle()
        self.tell_settled()

    def tell_settled(self) -> None:
        while self.untold and self.database.is_settled:
            self.after_import(self.untold.popleft())

    def after_import(self, imported: Imported) -> None:
        """A block is on disk, ours or a peer's."""
        hash_ = imported.hash
        if imported.is_best:
            self.said["best"] = bytes(hash_), int(imported.header.number)
        self.world.note("imported", self.index, 0, hash_)
        if imported.is_best and not self.sync.core.is_major_syncing():
            self.sync.announce(imported.header, hash_)
        if imported.is_new:
            self.tell(BlockImported(bytes(hash_)))
        if imported.finalized:
            self.after_final(Finality(imported.finalized))

    # Voting.

    def on_look(self) -> None:
        self.look()
        self.world.at(self.world.now + LOOK_MS, self, self.on_look)

    def look(self, *, begin: bool = False) -> None:
        """See which set votes and what this node does in it, as the shell of finality does."""
        voters, base = self.chain.voting_set()
        signer = self.signer_in(voters)
        if begin or signer is not self.signer:
            self.begin_voting(voters, base, signer)
        elif voters.set_id > self.set_id:
            self.set_id = self.view.set_id = voters.set_id
            self.world.note("set", self.index, voters.set_id, base.hash)
            block = Block(base.hash, base.number)
            self.tell(AuthoritiesChanged(voters.authorities, voters.set_id, block))
        final = self.database.finalized()
        if final.number > self.voter._finalized.number:
            self.tell(FinalizedElsewhere(Block(final.hash, final.number)))

    def signer_in(self, voters: VoterSet) -> Any:
        if self.sync.core.is_major_syncing() or not self.votes.may_vote_in(voters.set_id):
            return None
        if all(key != self.grandpa.public for key, _ in voters.authorities):
            return None
        return self.grandpa

    def begin_voting(self, voters: VoterSet, base: BlockId, signer: Any) -> None:
        self.signer, self.set_id = signer, voters.set_id
        self.view = ChainView(self.chain, voters.set_id)
        stored, seen = self.votes.record_of(voters.set_id), self.seen
        record = stored
        if (
            seen is not None
            and seen.set_id == voters.set_id
            and (stored is None or stored.current.round < seen.current.round)
        ):
            record = seen
        self.voter = Voter(
            self.view,
            voters.authorities,
            voters.set_id,
            Block(base.hash, base.number),
            signer,
            now_ms=self.world.now,
            timing=self.world.plan.timing,
            record=record,
        )
        self.inbox.clear()
        self.drain()

    def tell(self, what: Input) -> None:
        """Give the voter an input and carry out what it orders."""
        self.inbox.append(what)
        if self.is_draining:
            return
        self.is_draining = True
        try:
            while self.inbox:
                self.voter.receive(self.inbox.popleft(), self.world.now)
                self.drain()
        finally:
            self.is_draining = False

    def on_voter_deadline(self, at: int) -> None:
        if at == self.tick_at:
            self.tick_at = 0
            self.tell(Ticked())

    def step(self) -> None:
        """Between two effects: here the power may go."""
        if self.effects_to_crash is not None:
            self.effects_to_crash -= 1
            if self.effects_to_crash < 0:
                self.effects_to_crash = None
                raise CrashNow

    def drain(self) -> None:
        voter = self.voter
        while voter is self.voter and (effect := voter.next_effect()) is not None:
            if self.effects_to_crash is not None:
                self.step()
            match effect:
                case Broadcast(message=message, except_peer=but):
                    self.broadcast(message, but)
                case Persist(record=record):
                    self.persist(record)
                case Send(peer=peer, message=message):
                    self.send(int(peer), "vote", self.world.carried(message), _size(message))
                case Finalized(block=block, justification=proof):
                    self.after_final(
                        self.chain.import_justification(Hash(block.hash), proof.encode())
                    )
                case Fetch(peer=peer, block=block):
                    self.sync.fetch(peer, block.hash, block.number)
                case Equivocated(proof=proof):
                    self.world.equivocated(self, proof)
                case Misbehaved(peer=peer, offence=offence):
                    self.world.misbehaved(self, int(peer), offence)
                case Conflict():
                    self.world.conflict(self, effect)
        self.voter_at = at = self.voter.next_deadline()
        if not self.tick_at or at < self.tick_at or self.tick_at <= self.world.now:
            self.tick_at = max(at, self.world.now + 1)
            self.world.at(self.tick_at, self, self.on_voter_deadline, self.tick_at)

    def persist(self, record: VoterRecord) -> None:
        if self.signer is None:
            self.seen = record
        else:
            self.settle()
            self.votes.write(record)

    def broadcast(self, message: GossipMessage, but: str | None) -> None:
        if self.traitor is not None and self.traitor.vote(message):
            return
        if not self.is_byzantine and isinstance(message, VoteMessage):
            signed = message.signed
            if signed.authority == self.grandpa.public:
                if not self.database.is_settled:
                    self.world.checkers.fail(f"node {self.index} votes for what is not on disk")
                self.world.checkers.on_vote(
                    self.index,
                    int(message.set_id),
                    int(message.round),
                    int(signed.vote.kind),
                    bytes(signed.vote.block.hash),
                )
        if self.spreading is None:
            self.world.gossip(self, message, None if but is None else int(but), _size(message))
        else:
            self.spreading.relays_max = relays_for(len(self.voter._voters))
            self.spreading.spread(message, self.world.now, is_ours=but is None)
            self.post()

    def post(self) -> None:
        """Send what is due of what was given to the production's ``Spreading``."""
        spreading, now = self.spreading, self.world.now
        assert spreading is not None, "because nothing waits elsewhere"
        for peer, data in spreading.take_due(now):
            self.send(int(peer), "vote", data, len(data))
        due = spreading.next_deadline()
        if due is not None and not now < self.leaves_at <= due:
            self.leaves_at = due
            self.world.at(due, self, self.post)

    def after_final(self, finality: Finality) -> None:
        """Blocks became final."""
        self.tell_settled()
        done = finality.hashes
        if finality.led is not None:
            self.said["best"] = bytes(finality.led.hash), int(finality.led.header.number)
        if not done:
            return
        world, final = self.world, self.database.finalized()
        if not self.is_byzantine:
            world.checkers.on_growth(self.index, self.said["final"][1], final.number)
        self.said["final"] = bytes(final.hash), final.number
        if self.said["best"][1] <= final.number:
            self.said["best"] = self.said["final"]
        world.note("final", self.index, final.number, final.hash)
        if not self.is_byzantine:
            for offset, hash_ in enumerate(reversed(done)):
                world.checkers.on_final(self.index, final.number - offset, bytes(hash_))
            if final.number % 32 == self.index:
                self.check_state(final.hash)
        self.sync.finalized()
        self.look()
        world.finalized(self, final.number)

    def check_state(self, hash_: Hash) -> None:
        header, state = self.chain.header(hash_), self.database.state_at(hash_)
        self.world.checkers.on_state(
            self.index, bytes(header.state_root), bytes(state.root), self.world.issuance(state)
        )


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
        return is_known_final(voter, message)
    return False


def is_known_final(voter: Voter, message: CommitMessage) -> bool:
    """Whether a commit says nothing new, and nothing that contradicts what is final."""
    number, final = int(message.commit.target_number), voter._finalized
    if number > final.number:
        return False
    ours = voter._chain.ancestor_at(final.hash, number)
    return ours is None or ours == message.commit.target_hash


def _size(message: GossipMessage) -> int:
    if isinstance(message, VoteMessage):
        return VOTE_BYTES
    if isinstance(message, CommitMessage):
        return 100 + 132 * len(message.commit.precommits)
    if isinstance(message, CatchUpMessage):
        votes = message.catch_up.prevotes, message.catch_up.precommits
        return 100 + 132 * sum(len(part) for part in votes)
    return 30
