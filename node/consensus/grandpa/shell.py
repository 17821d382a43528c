"""Finality on the trio loop: drives the voter over the network, the chain and the disk.

One task takes what peers send, what the chain tells and the time from one bounded inbox, gives it
to the core, and carries out its orders one after the other: a ``Persist`` is on disk, synced,
before a vote that it protects leaves the node, and so are all blocks that were imported by then.

Which core, depends on who votes: a node whose keys are more than two thirds of the set finalises at
import, and ``SoleVoter`` tells of it; else ``Voter`` votes with the first of the set's keys that is
this node's, or watches without one. It only watches while the chain is being fetched, while the
chain is behind the last set that it voted in, and while somebody else may vote with its key.

Bounds: ``INBOX_MAX`` inputs wait, then the network does; a peer may send ``BURST_MAX`` messages at
once and ``MESSAGES_PER_S`` from then on, by the number of voters, where each KiB counts as one
more. It pays for more, for what does not decode or is longer than all votes of a round, and for
what no honest voter sends. Whom what is sent, and when, is decided by ``Spreading``.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import structlog
import trio

from node.consensus.announcements import Announcements, ChainEvent, Finalized
from node.consensus.finality import VoterSet
from node.consensus.grandpa.chain_view import ChainView
from node.consensus.grandpa.events import (
    AuthoritiesChanged,
    BlockImported,
    Broadcast,
    Conflict,
    Effect,
    Equivocated,
    Fetch,
    FinalizedAlone,
    FinalizedElsewhere,
    Input,
    Misbehaved,
    Offence,
    PeerLeft,
    Persist,
    Received,
    Send,
    Ticked,
)
from node.consensus.grandpa.events import Finalized as BlockFinalized
from node.consensus.grandpa.record import VoterRecord
from node.consensus.grandpa.sightings import seen_vote, sight
from node.consensus.grandpa.sole import SoleVoter
from node.consensus.grandpa.spreading import Spreading, relays_for
from node.consensus.grandpa.store import VoteStore
from node.consensus.grandpa.voter import Statistics, Timing, Voter
from node.consensus.shell import FATAL, ChainWriter
from node.consensus.verification import slot_of
from node.database import BlockId, StateDiscarded, UnknownBlock
from node.logging import short_hash
from node.network.transport import (
    Channel,
    ChannelClosed,
    ChannelOpened,
    Cost,
    Network,
    NetworkEvent,
    Notified,
    Roles,
)
from primitives.crypto.keys import KeyPair
from primitives.errors import CessError, DecodeError
from primitives.grandpa import (
    Block,
    Equivocation,
    GossipMessage,
    VoteMessage,
    decode_message,
    encode_message,
)
from primitives.justification import GrandpaJustification
from primitives.types import Hash

__all__ = ["FinalityConflict", "FinalityShell", "timing_for"]

log = structlog.get_logger("grandpa")

INBOX_MAX: Final = 1024
BURST_MAX: Final = 4096
MESSAGES_PER_S: Final = (128, 16, 1024)
"""So many, so many more for each voter, and no more than that: each takes 0.2 ms of the loop."""
LONG_BYTES: Final = 64 << 10
VOTER_BYTES: Final = 4 * 132
"""Four votes of a voter in a round, each with its block, key and signature. The longest message has
them of all voters; it may be twice as long, for there may be more voters where the sender stands,
and ``LONG_BYTES`` in any case."""
IDLE_MS_MAX: Final = 10_000
"""Longest wait of a round for a block to vote for, however long slots are."""

LOOK_S: Final = 1.0
"""How often to see whether the keys, the set or the state of syncing are others."""

CONFLICT_NOTE: Final = b"grandpa-conflict"

COSTS: Final = {
    Offence.BAD_SIGNATURE: Cost.BAD_VOTE,
    Offence.NOT_A_VOTER: Cost.BAD_VOTE,
    Offence.WRONG_HEIGHT: Cost.BAD_VOTE,
    Offence.BAD_COMMIT: Cost.BAD_JUSTIFICATION,
    Offence.BAD_CATCH_UP: Cost.BAD_JUSTIFICATION,
    Offence.UNASKED_CATCH_UP: Cost.UNASKED,
}

Inbox: TypeAlias = NetworkEvent | ChainEvent


class FinalityConflict(CessError):  # noqa: N818  a fact
    """Two thirds finalised a block against one that is final here: more than a third betrayed."""


def timing_for(slot_ms: int) -> Timing:
    """The voter's times for slots of this length.

    A round fits into a slot several times, and one that has nothing to vote for waits for as long
    as a slot: where each slot has a block, there is one round for each.
    """
    return Timing(
        gossip_ms=min(max(slot_ms // 18, 100), 1000),
        repeat_ms=min(max(slot_ms // 3, 500), 5000),
        idle_ms=min(max(slot_ms, 500), IDLE_MS_MAX),
    )


@dataclass(frozen=True, slots=True)
class _Stance:
    """What this node does about a set of voters: nothing else needs another core."""

    is_sole: bool
    signer: KeyPair | None


@dataclass(slots=True)
class _Peer:
    allowed: float = BURST_MAX
    refilled_at: float = 0.0

    def may_send(self, byte_count: int, voter_count: int, now_s: float) -> bool:
        """Whether one more message is within what it may send."""
        least, each, most = MESSAGES_PER_S
        self.allowed += (now_s - self.refilled_at) * min(least + each * voter_count, most)
        self.allowed, self.refilled_at = min(self.allowed, BURST_MAX), now_s
        if self.allowed < 1:
            return False
        self.allowed -= 1 + byte_count // 1024
        return True


class FinalityShell:
    """See the module's text."""

    def __init__(
        self,
        network: Network,
        writer: ChainWriter,
        announcements: Announcements,
        votes: VoteStore,
        *,
        is_voting: bool,
        fetch: Callable[[str, Block], None],
        is_major_syncing: Callable[[], bool],
        report: Callable[[Equivocation], None],
        timing: Timing | None = None,
    ) -> None:
        """``is_voting``: whether this node votes with the keys that it has."""
        self._network = network
        self._writer = writer
        self._chain = writer.chain
        self._twins = writer.chain.twins
        self._announcements = announcements
        self._votes = votes
        self._is_voting = is_voting
        self._fetch = fetch
        self._is_major_syncing = is_major_syncing
        self._report = report
        self._timing = timing or timing_for(self._chain.slot_duration_ms)
        self._peers: dict[str, _Peer] = {}
        self._spreading = Spreading(self._timing.gossip_ms, random.SystemRandom())
        self._send, self._inbox = trio.open_memory_channel[Inbox](INBOX_MAX)
        self._core: Voter | SoleVoter | None = None
        self._view: ChainView | None = None
        self._stance = _Stance(False, None)
        self._set_id = -1
        self._voter_count = 0
        self._seen: VoterRecord | None = None
        """The last record of a voter that only watched: it is not on disk."""
        self._look_at = 0.0

    def statistics(self) -> Statistics | None:
        """Where this node stands; None before it runs."""
        return None if self._core is None else self._core.statistics()

    @property
    def is_voter(self) -> bool:
        """Whether a key of this node is in the set and votes."""
        return self._stance.is_sole or self._stance.signer is not None

    # The loop.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take part until cancelled. Raises: FinalityConflict, and ``FATAL`` failures."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._pump_network)
            await nursery.start(self._pump_chain)
            await self._look()
            task_status.started()
            while True:
                await self._step()

    async def _pump_network(self, *, task_status: trio.TaskStatus[None]) -> None:
        is_started = False
        while True:
            for peer in tuple(self._peers):  # the new channel begins with those that are there
                await self._send.send(ChannelClosed(peer, Channel.GRANDPA))
            with self._network.listen([Channel.GRANDPA]) as heard:
                if not is_started:
                    task_status.started()
                    is_started = True
                async for event in heard:
                    await self._send.send(event)
            log.warning("peers came and went faster than finality heard of it")

    async def _pump_chain(self, *, task_status: trio.TaskStatus[None]) -> None:
        started = False
        while True:
            with self._announcements.listen() as events:
                if not started:
                    task_status.started()
                    started = True
                async for event in events:
                    await self._send.send(event)
            # Cut off: blocks were missed. What is final is looked at in any case.
            log.warning("finality fell behind the chain")

    async def _step(self) -> None:
        core = self._core
        assert core is not None, "because the first look made one"
        wakes_ms = core.next_deadline()
        if (leaves_ms := self._spreading.next_deadline()) is not None:
            wakes_ms = min(wakes_ms, leaves_ms)
        deadline = min(wakes_ms / 1000, self._look_at)
        event: Inbox | None = None
        with trio.move_on_at(deadline):
            event = await self._inbox.receive()
        self._post()
        if event is None:
            if trio.current_time() >= self._look_at:
                await self._look()
            await self._tell(Ticked())
        elif isinstance(event, ChannelOpened | ChannelClosed | Notified):
            await self._on_network(event)
        else:
            await self._on_chain(event)

    async def _tell(self, what: Input) -> None:
        """Give the core an input and carry out what it orders."""
        core = self._core
        assert core is not None, "because the first look made one"
        core.receive(what, self._now_ms())
        await self._obey(core)

    @staticmethod
    def _now_ms() -> int:
        # Rounded: a time that was slept until must count as reached.
        return round(trio.current_time() * 1000)

    # What comes in.

    async def _on_network(self, event: NetworkEvent) -> None:
        match event:
            case ChannelOpened(peer=peer, status=status):
                is_light = bool(status.roles & Roles.LIGHT)
                self._peers[peer] = _Peer(refilled_at=trio.current_time())
                self._spreading.joined(peer, is_light=is_light)
                self._greet(peer, is_light=is_light)
            case ChannelClosed(peer=peer):
                self._peers.pop(peer, None)
                self._spreading.left(peer)
                await self._tell(PeerLeft(peer))
            case Notified(peer=peer, data=data):
                message = self._accepted(peer, data)
                if message is not None:
                    await self._heed_twins()
                    await self._tell(Received(peer, message))

    def _greet(self, peer: str, *, is_light: bool) -> None:
        """Tell a new peer where we stand, and what we voted there."""
        if self._core is None:
            return
        self._notify(peer, encode_message(self._core.neighbour()))
        if isinstance(self._core, Voter) and not is_light:
            for message in self._core.own_votes():
                self._notify(peer, encode_message(message))

    def _accepted(self, peer: str, data: bytes) -> GossipMessage | None:
        """The message, if the peer may send it and it is one."""
        state = self._peers.get(peer)
        if state is None:
            return None
        if not state.may_send(len(data), self._voter_count, trio.current_time()):
            self._network.report(peer, Cost.FLOOD)
            return None
        try:
            if len(data) > max(LONG_BYTES, 2 * VOTER_BYTES * self._voter_count):
                raise DecodeError("a message is longer than all votes of a round")
            message = decode_message(data)
        except DecodeError:
            self._network.report(peer, Cost.BAD_MESSAGE)
            return None
        self._spreading.heard(peer, data, message)
        self._look_for_twins(message)
        return message

    def _look_for_twins(self, message: GossipMessage) -> None:
        """See whether somebody else votes with a key of this node."""
        if self._twins is not None:
            sight(message, self._twins, self._slot_of_block)

    def _slot_of_block(self, hash_: bytes) -> int | None:
        header = self._chain.database.header(Hash(hash_))
        return None if header is None else slot_of(header)

    async def _on_chain(self, event: ChainEvent) -> None:
        if isinstance(event, Finalized):
            await self._on_final(event.hashes)
            return
        await self._heed_twins()
        if event.is_new:
            await self._tell(BlockImported(event.hash))
        if event.finalized:
            await self._on_final(event.finalized)

    async def _on_final(self, hashes: tuple[Hash, ...]) -> None:
        """Blocks became final, here or elsewhere."""
        last = hashes[-1]
        number = self._chain.database.header(last)
        if number is not None:
            await self._tell_final(Block(last, int(number.number)))
        await self._look()

    async def _tell_final(self, block: Block) -> None:
        core = self._core
        if isinstance(core, SoleVoter):
            raw = self._chain.database.justification(Hash(block.hash))
            if raw is not None:
                proof = GrandpaJustification.decode(raw)
                await self._tell(FinalizedAlone(block, self._set_id, proof))
                return
        await self._tell(FinalizedElsewhere(block))

    # Who votes.

    async def _heed_twins(self) -> None:
        """Vote no more once somebody else does with this node's key."""
        signer = self._stance.signer
        if self._twins is not None and signer is not None and self._twins.twin is not None:
            await self._look()

    async def _look(self) -> None:
        """See which set votes and what this node does in it; change the core if that changed."""
        self._look_at = trio.current_time() + LOOK_S
        final = self._chain.database.finalized()
        try:
            voters, base = await trio.to_thread.run_sync(self._chain.voting_set)
        except StateDiscarded:
            return  # while a state is being fetched
        self._voter_count = len(voters.authorities)
        self._spreading.relays_max = relays_for(self._voter_count)
        stance = self._stance_in(voters)
        if self._core is None or stance != self._stance:
            await self._begin(voters, base, stance)
        elif voters.set_id > self._set_id:
            self._set_id = voters.set_id
            if self._view is not None:
                self._view.set_id = voters.set_id
            log.info(f"{len(voters.authorities)} voters are in force: set {voters.set_id}")
            await self._tell(
                AuthoritiesChanged(voters.authorities, voters.set_id, Block(base.hash, base.number))
            )
        known = self._core.statistics().finalized if self._core is not None else None
        if known is not None and final.number > known.number:
            await self._tell_final(Block(final.hash, final.number))

    def _stance_in(self, voters: VoterSet) -> _Stance:
        if self._chain.finalizes_alone(voters):
            return _Stance(True, None)
        if not self._is_voting or self._is_major_syncing():
            return _Stance(False, None)
        if not self._votes.may_vote_in(voters.set_id):
            return _Stance(False, None)
        pairs = self._chain.finality_keys.pairs(voters)
        if self._twins is not None:
            pairs = tuple(pair for pair in pairs if self._twins.may_sign(pair.public))
        return _Stance(False, pairs[0] if pairs else None)

    async def _begin(self, voters: VoterSet, base: BlockId, stance: _Stance) -> None:
        self._stance, self._set_id = stance, voters.set_id
        block = Block(base.hash, base.number)
        now_ms = self._now_ms()
        if stance.is_sole:
            self._view = None
            self._core = SoleVoter(
                voters.authorities,
                voters.set_id,
                block,
                self._last_proof(base, voters),
                now_ms=now_ms,
                timing=self._timing,
            )
            log.info("this node holds more than two thirds of the votes: its blocks are final")
        else:
            self._view = ChainView(self._chain, voters.set_id)
            self._core = Voter(
                self._view,
                voters.authorities,
                voters.set_id,
                block,
                stance.signer,
                now_ms=now_ms,
                timing=self._timing,
                record=self._record(voters.set_id),
            )
            if stance.signer is not None:
                log.info(f"voting on finality as 0x{stance.signer.public.hex()}")
        await self._obey(self._core)

    def _last_proof(self, base: BlockId, voters: VoterSet) -> GrandpaJustification | None:
        """The justification of the final block, if the set that votes now made it."""
        header, raw = self._chain.header(base.hash), self._chain.database.justification(base.hash)
        if raw is None:
            return None
        try:
            made_by = self._chain.voters_for(header.parent_hash)
        except (StateDiscarded, UnknownBlock):
            return None
        return GrandpaJustification.decode(raw) if made_by.set_id == voters.set_id else None

    def _record(self, set_id: int) -> VoterRecord | None:
        """Where to go on: where this node voted last, or further on, where it last watched."""
        stored, seen = self._votes.record_of(set_id), self._seen
        if seen is None or seen.set_id != set_id:
            return stored
        if stored is not None and stored.current.round >= seen.current.round:
            return stored
        return seen

    # What goes out.

    async def _obey(self, core: Voter | SoleVoter) -> None:
        """Carry out what a core orders; one that another took the place of orders nothing more."""
        while core is self._core and (effect := core.next_effect()) is not None:
            await self._carry_out(effect)

    async def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Persist(record=record):
                if self._stance.signer is None:
                    self._seen = record
                else:
                    await self._writer.settle()
                    await trio.to_thread.run_sync(self._votes.write, record)
            case Broadcast(message=message, except_peer=origin):
                self._broadcast(message, origin)
            case Send(peer=peer, message=message):
                self._notify(peer, encode_message(message))
            case Fetch(peer=peer, block=block):
                self._fetch(peer, block)
            case BlockFinalized():
                await self._finalize(effect)
            case Misbehaved(peer=peer, offence=offence):
                log.debug(f"a peer {offence.value}", peer=peer)
                self._network.report(peer, COSTS[offence])
            case Equivocated(proof=proof):
                who = proof.first.authority.hex()
                log.warning(f"0x{who} cast two votes in round {proof.round} of set {proof.set_id}")
                self._report(proof)
            case Conflict():
                self._stop(effect)

    def _broadcast(self, message: GossipMessage, origin: str | None) -> None:
        self._note_own(message, origin)
        if origin is not None:
            self._network.report(origin, Cost.USEFUL_VOTE)
        self._spreading.spread(
            message, self._now_ms(), is_ours=origin is None, is_urgent=self._stance.is_sole
        )
        self._post()

    def _post(self) -> None:
        for peer, data in self._spreading.take_due(self._now_ms()):
            self._notify(peer, data)

    def _note_own(self, message: GossipMessage, origin: str | None) -> None:
        """What leaves this node first is no twin's."""
        signer = self._stance.signer
        if self._twins is None or signer is None or origin is not None:
            return
        if isinstance(message, VoteMessage) and message.signed.authority == signer.public:
            number, set_id = int(message.round), int(message.set_id)
            self._twins.signed(seen_vote(number, set_id, message.signed))

    def _notify(self, peer: str, data: bytes) -> None:
        # A full queue loses it: what matters is repeated.
        self._network.notify(peer, Channel.GRANDPA, data)

    async def _finalize(self, effect: BlockFinalized) -> None:
        hash_ = Hash(effect.block.hash)
        try:
            await self._writer.import_justification(hash_, effect.justification.encode())
        except FATAL:
            raise
        except CessError as error:
            log.error(
                f"block {effect.block.number} was voted final, and is not",
                hash=short_hash(hash_),
                reason=str(error),
            )
            return
        self._look_at = trio.current_time()  # others may vote from here on
        log.debug(f"voted final: #{effect.block.number}", hash=short_hash(hash_))

    def _stop(self, found: Conflict) -> None:
        self._chain.database.put_note(CONFLICT_NOTE, found.justification.encode())
        ours, theirs = found.finalized, found.block
        raise FinalityConflict(
            f"block {theirs.number} (0x{theirs.hash.hex()}) was finalised by more than two thirds "
            f"of the voters, and so was block {ours.number} (0x{ours.hash.hex()}), which is not "
            "on its chain: more than a third of the voters voted for both. This node stops rather "
            "than choose. Keep its files as evidence, find out from other operators which chain "
            "goes on, and start from a fresh base path"
        )
