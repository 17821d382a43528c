"""A voter: plays the rounds of GRANDPA and says what became final.

Drive it: ``receive`` an input with the time, then call ``next_effect`` until it returns None, and
come back at ``next_deadline`` with ``Ticked``. Without a signer, or with one that is no member of
the set, it follows the votes and casts none.

In each round, with T the time in which a message reaches everybody (``Timing.gossip_ms``):
1. the primary proposes the estimate of the round before, if that is not final;
2. after 2 T, or when the round is completable, a voter prevotes for the best chain that contains
   the estimate of the round before, or the proposal if that lies between estimate and ghost; while
   all of that is final and nobody else votes, it waits up to ``Timing.idle_ms`` longer for a block;
3. once the ghost is at or above that estimate, and after 4 T, or when the ghost can rise no more,
   or when the round is completable, it precommits to the ghost;
4. when the round is completable and the estimate of the round before is final, the next one begins.

*Restarts*: each vote is in a ``Persist`` before it is broadcast, with all the votes that it rests
on, and ``VoterRecord`` given to the constructor restores them. A vote of our own key that we do not
remember counts as cast, and we cast no other in that round.

*Loss*: where we stand is told when a round begins. A round that is not over ``repeat_ms`` after its
first vote lost something: from then on where we stand and what we voted is repeated every
``repeat_ms``, and a little later everybody's votes in it and in the one before are: the liveness of
GRANDPA rests on every honest voter seeing what any of them saw. While nobody votes there is nothing
to repeat. Whoever sees a peer in a later round asks it for the votes of the last completed one; who
sees one in an earlier round tells it. A peer that does not know what is final gets our last commit.

*Hostile peers*: a message costs a lookup until its set, round, voter and novelty are right, and
0.1 ms for each signature then. A peer that claims to be ahead and does not answer is asked less and
less; one that asks gets an answer of some size twice in ``repeat_ms``. Kept are: the votes of three
rounds (two of a kind for each voter, see ``waiting``), ``COMMITS_MAX`` commits and one state of a
round for unknown blocks, ``PEERS_MAX`` peers, and one commit for each of ``SETS_KEPT`` sets. Only
what an honest voter would not have passed on is an ``Offence``. Equivocation, lateness, unknown
blocks and stale sets are data, not errors.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, assert_never

from node.consensus.grandpa.commits import (
    BadCommit,
    UnknownBlocks,
    catch_up_of,
    check_commit,
    justified_alone,
    justify,
    precommits_of,
    round_of,
    votes_of,
)
from node.consensus.grandpa.events import (
    AuthoritiesChanged,
    BlockImported,
    Broadcast,
    Conflict,
    Effect,
    Equivocated,
    Fetch,
    Finalized,
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
from node.consensus.grandpa.ports import Chain, is_descendant
from node.consensus.grandpa.record import VoterRecord
from node.consensus.grandpa.round import Round
from node.consensus.grandpa.tally import Added, AlreadyKnown, Second, Tally
from node.consensus.grandpa.voters import Voters
from node.consensus.grandpa.waiting import WaitingCommits, WaitingVotes
from primitives.crypto.keys import Signer
from primitives.grandpa import (
    Block,
    CatchUpMessage,
    CatchUpRequest,
    CommitMessage,
    Equivocation,
    GossipMessage,
    NeighbourMessage,
    NeighbourV1,
    SignedVote,
    VoteKind,
    VoteMessage,
    compact_commit,
    make_vote,
    neighbour_of,
    sign_vote,
    verify_vote,
)
from primitives.justification import GrandpaJustification
from primitives.scale import U64

__all__ = ["PEERS_MAX", "SETS_KEPT", "Statistics", "Timing", "Voter"]

PEERS_MAX: Final = 1024
SETS_KEPT: Final = 2
OWED_MAX: Final = 8
"""Unanswered requests to a peer that lengthen the time to the next one."""
REPEATED_MAX: Final = 64
"""Votes of others that are repeated at a time."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The times that voting keeps to, in milliseconds."""

    gossip_ms: int = 1000
    """Within this a message reaches everybody, when the network works."""
    repeat_ms: int = 5000
    idle_ms: int = 0
    """Longest wait for something new to vote for."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Where a voter stands."""

    set_id: int
    round: int
    finalized: Block
    total_weight: int
    threshold: int
    prevote_weight: int
    precommit_weight: int
    missing_prevotes: tuple[bytes, ...]
    missing_precommits: tuple[bytes, ...]
    waiting_votes: int
    waiting_commits: int
    peers: int


@dataclass(slots=True)
class _Peer:
    """When a peer may have something from us again, and what we asked it for."""

    commit_at_ms: int = 0
    stance_at_ms: int = 0
    answer_at_ms: int = 0
    ask_at_ms: int = 0
    owes_answers: int = 0


@dataclass(slots=True)
class _Asked:
    """The peer that we asked for a state of a round, until it is too late."""

    peer: str
    until_ms: int


@dataclass(frozen=True, slots=True)
class _EarlyState:
    """A state of a round that a peer sent, and the block for which it waits."""

    peer: str
    message: CatchUpMessage
    block: bytes


@dataclass(slots=True)
class _Play:
    """A round that is being played, and our part in it."""

    votes: Round
    began_ms: int
    own: dict[VoteKind, SignedVote] = field(default_factory=dict)
    voting_ms: int | None = None
    """When the first vote in it was counted."""


class Voter:
    """See the module's text."""

    def __init__(
        self,
        chain: Chain,
        authorities: tuple[tuple[bytes, int], ...],
        set_id: int,
        finalized: Block,
        signer: Signer | None,
        *,
        now_ms: int,
        timing: Timing | None = None,
        record: VoterRecord | None = None,
    ) -> None:
        assert signer is None or signer.scheme == "ed25519", "because GRANDPA knows no other scheme"
        self._chain = chain
        self._signer = signer
        self._timing = timing or Timing()
        self._now = now_ms
        self._effects: deque[Effect] = deque()
        self._peers: dict[str, _Peer] = {}
        self._commits: dict[int, CommitMessage] = {}
        self._finalized = finalized
        self._generation = 0
        self._asked: _Asked | None = None
        self._early: _EarlyState | None = None
        self._repeat_at = now_ms
        self._repeated = 0
        self._take_set(authorities, set_id, finalized)
        if record is not None and record.set_id == set_id:
            self._restore(record)
        self._save()
        self._tell_all()

    # The interface.

    def receive(self, what: Input, now_ms: int) -> None:
        """Take an input; time never goes back, and is held where it would."""
        self._now = max(self._now, now_ms)
        match what:
            case Received(peer=peer, message=message):
                self._on_message(peer, message)
            case BlockImported(hash=hash_):
                self._on_block(hash_)
            case Ticked():
                pass
            case AuthoritiesChanged(authorities=authorities, set_id=set_id, base=base):
                if set_id > self._set_id:
                    self._take_set(authorities, set_id, base)
                    self._finalized = max(self._finalized, base, key=lambda block: block.number)
                    self._save()
                    self._tell_all()
            case FinalizedElsewhere(block=block) | FinalizedAlone(block=block):
                if block.number > self._finalized.number:
                    self._finalized = block
            case PeerLeft(peer=peer):
                self._peers.pop(peer, None)
                if self._asked is not None and self._asked.peer == peer:
                    self._asked = None
            case _:
                assert_never(what)
        self._advance()
        self._note_voting()
        if self._now >= self._repeat_at:
            self._repeat()

    def next_effect(self) -> Effect | None:
        """The next order; None if there is nothing to do."""
        return self._effects.popleft() if self._effects else None

    def next_deadline(self) -> int:
        """When to come back with ``Ticked``, in milliseconds."""
        times = [self._repeat_at]
        if self._may_vote():
            if VoteKind.PREVOTE not in self._play.own:
                times += [self._prevote_at(), self._prevote_at() + self._timing.idle_ms]
            elif VoteKind.PRECOMMIT not in self._play.own:
                times.append(self._precommit_at())
        later = [at for at in times if at > self._now]
        return min(later, default=self._now + self._timing.gossip_ms)

    def neighbour(self) -> NeighbourMessage:
        """What peers are told of where this voter stands."""
        return neighbour_of(self._play.votes.number, self._set_id, self._finalized.number)

    def own_votes(self) -> tuple[VoteMessage, ...]:
        """What this voter said in this round and in the one before: a new peer did not hear it."""
        return tuple(
            self._message(play.votes.number, signed)
            for play in (self._last, self._play)
            for signed in play.own.values()
        )

    def statistics(self) -> Statistics:
        """Where this voter stands."""
        votes = self._play.votes
        return Statistics(
            set_id=self._set_id,
            round=votes.number,
            finalized=self._finalized,
            total_weight=self._voters.total,
            threshold=self._voters.threshold,
            prevote_weight=votes.prevotes.weight,
            precommit_weight=votes.precommits.weight,
            missing_prevotes=self._missing(votes.prevotes),
            missing_precommits=self._missing(votes.precommits),
            waiting_votes=len(self._waiting),
            waiting_commits=len(self._waiting_commits),
            peers=len(self._peers),
        )

    def _missing(self, tally: Tally) -> tuple[bytes, ...]:
        return tuple(key for key in self._voters.weights if tally.of(key) is None)

    # Sets, rounds and what is remembered of them.

    def _take_set(
        self, authorities: tuple[tuple[bytes, int], ...], set_id: int, base: Block
    ) -> None:
        self._set_id = set_id
        self._voters = Voters.of(authorities)
        self._waiting = WaitingVotes()
        self._waiting_commits = WaitingCommits()
        self._asked = self._early = None
        self._last = _Play(Round.genesis(base, self._voters, self._chain), self._now)
        self._play = _Play(Round(1, base, self._voters, self._chain), self._now)
        for old in [old for old in self._commits if old + SETS_KEPT <= set_id]:
            del self._commits[old]

    def _begin_after(self, done: _Play) -> None:
        """``done`` is complete: begin the round after it."""
        base = done.votes.state.finalized or done.votes.base
        number = done.votes.number + 1
        self._last = done
        self._play = _Play(Round(number, base, self._voters, self._chain), self._now)
        self._asked = None
        self._waiting.forget_before(done.votes.number)
        self._save()
        self._tell_all()
        for _, signed in self._waiting.take_round(number):
            self._place(number, signed, None, relay=False)

    def _save(self) -> None:
        self._generation += 1
        record = VoterRecord(
            set_id=U64(self._set_id),
            generation=U64(self._generation),
            own=tuple(self._play.own.values()),
            current=catch_up_of(self._play.votes),
            previous=catch_up_of(self._last.votes),
        )
        self._effects.append(Persist(record))

    def _restore(self, record: VoterRecord) -> None:
        """Go on where the record ends; what it says of blocks that are lost is left out."""
        self._generation = int(record.generation)
        base = Block(bytes(record.current.base_hash), int(record.current.base_number))
        number = int(record.current.round)
        if number > 1:
            try:
                done = round_of(
                    record.previous,
                    self._set_id,
                    self._voters,
                    self._chain,
                    final_number=self._finalized.number,
                )
            except (BadCommit, UnknownBlocks):
                # The chain lost blocks. Nobody needs us in that round, but we must not vote again.
                done = Round.genesis(base, self._voters, self._chain)
                done.number = number - 1
            self._last = _Play(done, self._now)
            self._remember_commit(done)
        self._play = _Play(Round(number, base, self._voters, self._chain), self._now)
        self._play.own = {signed.vote.kind: signed for signed in record.own}
        for signed in [*record.own, *votes_of(record.current)]:
            if self._chain.number_of(signed.vote.block.hash) is not None:
                self._play.votes.add(signed)
        # Who knows for how long: what was said before is said again at once.
        self._play.voting_ms = self._now - self._timing.repeat_ms if record.own else None

    # Messages.

    def _on_message(self, peer: str, message: GossipMessage) -> None:
        if peer not in self._peers:
            if len(self._peers) >= PEERS_MAX:
                return
            self._peers[peer] = _Peer()
        match message:
            case VoteMessage(round=number, set_id=set_id, signed=signed):
                if set_id == self._set_id:
                    self._on_vote(peer, int(number), signed)
            case CommitMessage():
                if message.set_id == self._set_id:
                    self._on_commit(peer, message)
            case NeighbourMessage(packet=NeighbourV1() as packet):
                self._on_neighbour(peer, packet)
            case CatchUpRequest(round=number, set_id=set_id):
                if set_id == self._set_id:
                    self._on_request(peer, int(number))
            case CatchUpMessage(set_id=set_id):
                if set_id == self._set_id:
                    self._on_catch_up(peer, message)
            case _:
                raise AssertionError("because these are all messages")

    def _on_vote(self, peer: str, number: int, signed: SignedVote) -> None:
        current, block = self._play.votes.number, signed.vote.block
        if not max(current - 1, 1) <= number <= current + 1:
            return
        if signed.authority not in self._voters:
            self._accuse(peer, Offence.NOT_A_VOTER)
            return
        round_ = self._round(number)
        if round_ is not None and not round_.is_relevant(signed):
            return
        if self._waiting.has(number, signed) and self._chain.number_of(block.hash) is None:
            self._fetch(peer, block)  # again: the first time may have failed
        if not self._waiting.has_place(number, signed):
            return
        if not verify_vote(signed, number, self._set_id):
            self._accuse(peer, Offence.BAD_SIGNATURE)
            return
        self._place(number, signed, peer, relay=True)

    def _round(self, number: int) -> Round | None:
        """The round of this number, if it is the current one or the one before."""
        for play in (self._play, self._last):
            if play.votes.number == number:
                return play.votes
        return None

    def _place(self, number: int, signed: SignedVote, peer: str | None, *, relay: bool) -> None:
        """Count a valid vote, or let it wait. It is passed on once its height is known."""
        self._recognize(number, signed)
        block = signed.vote.block
        round_ = self._round(number)
        known = self._chain.number_of(block.hash)
        if known is not None and known != block.number:
            if peer is not None:
                self._accuse(peer, Offence.WRONG_HEIGHT)
            return
        if round_ is None or known is None:
            if self._waiting.has_place(number, signed):
                self._waiting.add(number, signed)
            if known is None:
                self._fetch(peer, block)
            elif relay:
                self._pass_on(number, signed, peer)
            return
        outcome = round_.add(signed)
        match outcome:
            case Added():
                pass
            case Second(first=first):
                proof = Equivocation(self._set_id, number, first, signed)
                self._effects.append(Equivocated(proof))
            case AlreadyKnown() | None:
                return
            case _:
                assert_never(outcome)
        if relay:
            self._pass_on(number, signed, peer)

    def _recognize(self, number: int, signed: SignedVote) -> None:
        """Remember a vote that our key cast before this process began."""
        signer = self._signer
        if signer is None or bytes(signed.authority) != bytes(signer.account_id):
            return
        if number == self._play.votes.number and signed.vote.kind not in self._play.own:
            self._play.own[signed.vote.kind] = signed
            self._save()

    def _pass_on(self, number: int, signed: SignedVote, peer: str | None) -> None:
        self._effects.append(Broadcast(self._message(number, signed), except_peer=peer))

    def _on_block(self, hash_: bytes) -> None:
        for number, signed in self._waiting.take_for(hash_):
            self._place(number, signed, None, relay=True)
        for peer, message in self._waiting_commits.take_all():
            self._on_commit(peer, message)
        early = self._early
        if early is not None and early.block == hash_:
            self._take_over(early.peer, early.message, is_late=True)

    def _on_commit(self, peer: str, message: CommitMessage) -> None:
        if int(message.commit.target_number) <= self._finalized.number:
            self._on_old_commit(peer, message)
            return
        if self._waiting_commits.has(message):
            self._compare_finality(peer)
            return
        number = int(message.round)
        try:
            found = check_commit(message.commit, number, self._set_id, self._voters, self._chain)
        except BadCommit:
            self._accuse(peer, Offence.BAD_COMMIT)
            return
        except UnknownBlocks as unknown:
            if len(self._waiting_commits):
                self._compare_finality(peer)
            self._waiting_commits.add(peer, message)
            self._fetch(peer, unknown.block)
            return
        if self._finalize(found):
            self._effects.append(Broadcast(message, except_peer=peer))
        for signed in precommits_of(found.commit):
            if self._round(number) is not None:
                self._place(number, signed, None, relay=False)

    def _on_old_commit(self, peer: str, message: CommitMessage) -> None:
        """What it finalizes is final here, or another block is: of that its votes are the proof.

        Blocks of another history are never imported, so nothing else would tell of it.
        """
        block = Block(bytes(message.commit.target_hash), int(message.commit.target_number))
        ours = self._chain.ancestor_at(self._finalized.hash, block.number)
        if ours is None or ours == block.hash:
            return
        try:
            number = int(message.round)
            found = justified_alone(message.commit, number, self._set_id, self._voters)
        except BadCommit:
            self._accuse(peer, Offence.BAD_COMMIT)
            return
        if found is not None:
            self._effects.append(Conflict(self._finalized, block, found))

    def _compare_finality(self, peer: str) -> None:
        """Its commits name blocks that do not come: they may be of another history.

        Where that parts from ours is not seen from here, but the peer sees what is final for us.
        """
        self._send_commit(peer, self._set_id)

    def _send_commit(self, peer: str, set_id: int) -> None:
        """Tell a peer what is final here, now and then."""
        state, commit = self._peers.get(peer), self._commits.get(set_id)
        if state is None or commit is None:
            return  # a commit that waited may be of a peer that left
        if self._now >= state.commit_at_ms:
            state.commit_at_ms = self._now + self._timing.repeat_ms
            self._effects.append(Send(peer, commit))

    def _on_neighbour(self, peer: str, packet: NeighbourV1) -> None:
        state = self._peers[peer]
        set_id, current = int(packet.set_id), self._play.votes.number
        is_behind = set_id < self._set_id or (
            set_id == self._set_id and packet.finalized_number < self._finalized.number
        )
        if is_behind:
            self._send_commit(peer, set_id)
        if set_id == self._set_id and packet.round < current and self._now >= state.stance_at_ms:
            state.stance_at_ms = self._now + self._timing.repeat_ms
            self._effects.append(Send(peer, self.neighbour()))
        if set_id != self._set_id or packet.round <= current:
            return
        is_far = packet.round > current + 1
        is_stuck = self._now >= self._since_ms() + self._timing.repeat_ms
        is_free = self._asked is None or self._now >= self._asked.until_ms
        if (is_far or is_stuck) and is_free and self._now >= state.ask_at_ms:
            # Who does not answer is asked more and more rarely, so that others get their turn.
            state.owes_answers += 1
            owed = min(state.owes_answers, OWED_MAX)
            state.ask_at_ms = self._now + 4 * owed * self._timing.repeat_ms
            self._asked = _Asked(peer, self._now + self._timing.repeat_ms)
            request = CatchUpRequest(round=U64(current), set_id=U64(self._set_id))
            self._effects.append(Send(peer, request))

    def _on_request(self, peer: str, number: int) -> None:
        state, done = self._peers[peer], self._last.votes
        if number > done.number or done.number == 0 or not done.prevotes.weight:
            return
        if self._now < state.answer_at_ms:
            return
        # Half the time after which an honest peer asks again: its requests may come closer.
        state.answer_at_ms = self._now + self._timing.repeat_ms // 2
        answer = CatchUpMessage(set_id=U64(self._set_id), catch_up=catch_up_of(done))
        self._effects.append(Send(peer, answer))

    def _on_catch_up(self, peer: str, message: CatchUpMessage) -> None:
        state = self._peers[peer]
        if not state.owes_answers:
            self._accuse(peer, Offence.UNASKED_CATCH_UP)
            return
        state.owes_answers -= 1
        state.ask_at_ms = 0
        self._asked = None
        self._take_over(peer, message)

    def _take_over(self, peer: str, message: CatchUpMessage, *, is_late: bool = False) -> None:
        """Go on after the round whose state this is, now or when its blocks are here.

        ``is_late``: it waited, and what became final meanwhile is not its sender's fault.
        """
        self._early = None
        if int(message.catch_up.round) < self._play.votes.number:
            return
        try:
            done = round_of(
                message.catch_up,
                self._set_id,
                self._voters,
                self._chain,
                final_number=self._finalized.number,
            )
        except BadCommit:
            if not is_late:
                self._accuse(peer, Offence.BAD_CATCH_UP)
            return
        except UnknownBlocks as unknown:
            self._early = _EarlyState(peer, message, unknown.block.hash)
            self._fetch(peer, unknown.block)
            return
        own = self._play.own if done.number == self._play.votes.number else {}
        self._begin_after(_Play(done, self._now, own))

    def _fetch(self, peer: str | None, block: Block) -> None:
        if peer is not None:
            self._effects.append(Fetch(peer, block))

    def _accuse(self, peer: str, offence: Offence) -> None:
        self._effects.append(Misbehaved(peer, offence))

    # Voting.

    def _advance(self) -> None:
        """Do all that the votes and the time allow. Each turn but the last begins a round."""
        while True:
            self._announce_finality(self._last.votes)
            self._announce_finality(self._play.votes)
            if self._may_vote():
                self._propose()
                self._prevote()
                self._precommit()
            self._announce_finality(self._play.votes)
            if not self._is_complete():
                return
            self._begin_after(self._play)

    def _may_vote(self) -> bool:
        return self._signer is not None and self._signer.account_id in self._voters

    def _prevote_at(self) -> int:
        return self._play.began_ms + 2 * self._timing.gossip_ms

    def _precommit_at(self) -> int:
        return self._play.began_ms + 4 * self._timing.gossip_ms

    def _propose(self) -> None:
        assert self._signer is not None, "because only voters come here"
        number, last = self._play.votes.number, self._last.votes
        if self._voters.primary(number) != self._signer.account_id:
            return
        estimate, known = last.state.estimate, last.state.finalized or last.base
        if estimate is not None and estimate.number > known.number:
            self._cast(VoteKind.PROPOSAL, estimate)

    def _prevote(self) -> None:
        if VoteKind.PREVOTE in self._play.own:
            return
        if self._now < self._prevote_at() and not self._play.votes.state.is_completable:
            return
        last = self._last.votes.state
        assert last.estimate is not None, "because the last round was completed"
        assert last.ghost is not None, "because the last round was completed"
        start, proposal = last.estimate, self._play.votes.proposal
        if (
            proposal is not None
            and is_descendant(self._chain, last.ghost, proposal)
            and is_descendant(self._chain, proposal, start)
        ):
            start = proposal
        best = self._chain.best_containing(start.hash)
        if best is not None and not self._may_wait(best):
            self._cast(VoteKind.PREVOTE, best)

    def _may_wait(self, best: Block) -> bool:
        """Whether a vote for ``best`` would say nothing that is not final, and nobody waits."""
        is_early = self._now < self._prevote_at() + self._timing.idle_ms
        is_new = best.number > self._finalized.number or self._play.votes.prevotes.weight > 0
        return is_early and not is_new

    def _precommit(self) -> None:
        own, votes = self._play.own, self._play.votes
        if VoteKind.PREVOTE not in own or VoteKind.PRECOMMIT in own:
            return
        ghost, estimate = votes.state.ghost, self._last.votes.state.estimate
        assert estimate is not None, "because the last round was completed"
        if ghost is None or not is_descendant(self._chain, ghost, estimate):
            return
        is_settled = votes.state.is_completable or not votes.can_rise()
        if is_settled or self._now >= self._precommit_at():
            self._cast(VoteKind.PRECOMMIT, ghost)

    def _cast(self, kind: VoteKind, block: Block) -> None:
        """Vote, unless we did: remember first, then send."""
        if kind in self._play.own:
            return
        assert self._signer is not None, "because only voters come here"
        votes = self._play.votes
        signed = sign_vote(make_vote(kind, block), votes.number, self._set_id, self._signer)
        self._play.own[kind] = signed
        votes.add(signed)
        self._save()
        self._effects.append(Broadcast(self._message(votes.number, signed)))

    def _message(self, number: int, signed: SignedVote) -> VoteMessage:
        return VoteMessage(round=U64(number), set_id=U64(self._set_id), signed=signed)

    def _is_complete(self) -> bool:
        """Whether the next round may begin."""
        if not self._play.votes.state.is_completable:
            return False
        estimate = self._last.votes.state.estimate
        assert estimate is not None, "because the last round was completed"
        return any(
            final is not None and is_descendant(self._chain, final, estimate)
            for final in (self._last.votes.state.finalized, self._play.votes.state.finalized)
        )

    # Finality.

    def _announce_finality(self, votes: Round) -> None:
        block = votes.state.finalized
        if block is None or block.number <= self._finalized.number or votes.number == 0:
            return
        found = justify(block, votes.number, votes.precommits.votes(), self._voters, self._chain)
        # None while equivocators made up the weight: a later block of an honest round covers it.
        if found is not None and self._finalize(found):
            self._effects.append(Broadcast(self._commits[self._set_id]))

    def _remember_commit(self, done: Round) -> None:
        """What a restored round finalized can be told to peers, as before the restart."""
        block = done.state.finalized
        if block is None or block != self._finalized:
            return
        found = justify(block, done.number, done.precommits.votes(), self._voters, self._chain)
        if found is not None:
            self._commits[self._set_id] = self._commit_of(found)

    def _commit_of(self, found: GrandpaJustification) -> CommitMessage:
        commit = compact_commit(found.commit)
        return CommitMessage(round=found.round, set_id=U64(self._set_id), commit=commit)

    def _finalize(self, found: GrandpaJustification) -> bool:
        """Order that the block is final; False if that is known or against what is final."""
        commit = found.commit
        block = Block(bytes(commit.target_hash), int(commit.target_number))
        if not is_descendant(self._chain, block, self._finalized):
            if not is_descendant(self._chain, self._finalized, block):
                self._effects.append(Conflict(self._finalized, block, found))
            return False
        if block == self._finalized:
            return False
        self._finalized = block
        self._commits[self._set_id] = self._commit_of(found)
        self._effects.append(Finalized(block, self._set_id, found))
        return True

    # Repetition.

    def _tell_all(self) -> None:
        """Tell everybody where we stand."""
        self._effects.append(Broadcast(self.neighbour()))

    def _note_voting(self) -> None:
        """The first vote of a round begins the time in which it should end."""
        play = self._play
        if play.voting_ms is None and (play.votes.prevotes.weight or play.votes.precommits.weight):
            play.voting_ms = self._now
            self._repeat_at = self._now + self._timing.repeat_ms

    def _since_ms(self) -> int:
        """From when on the round takes time: its beginning was followed by a wait for blocks."""
        return self._play.began_ms if self._play.voting_ms is None else self._play.voting_ms

    def _is_waiting(self) -> bool:
        """Whether nobody voted in this round yet, and none would have to if no block came."""
        longest_ms = self._timing.idle_ms + self._timing.repeat_ms
        return self._play.voting_ms is None and self._now < self._prevote_at() + longest_ms

    def _repeat(self) -> None:
        self._repeat_at = self._now + self._timing.repeat_ms
        if self._is_waiting():
            return
        self._tell_all()
        if self._now >= self._since_ms() + self._timing.repeat_ms:
            self._effects.extend(Broadcast(message) for message in self.own_votes())
        if self._now >= self._since_ms() + 2 * self._timing.repeat_ms:
            self._repeat_others()

    def _repeat_others(self) -> None:
        """Repeat some of the votes that others cast, each time different ones.

        Only those whose height is known: who sends others is at fault.
        Those of the last round too: who did not see them all may have another estimate than we, and
        no vote that fits both.
        """
        own = (*self._last.own.values(), *self._play.own.values())
        known = [
            (votes.number, signed)
            for votes in (self._last.votes, self._play.votes)
            for tally in (votes.prevotes, votes.precommits)
            for signed in tally.votes()
            if signed not in own
            and self._chain.number_of(signed.vote.block.hash) == signed.vote.block.number
        ]
        for step in range(min(REPEATED_MAX, len(known))):
            message = self._message(*known[(self._repeated + step) % len(known)])
            self._effects.append(Broadcast(message))
        self._repeated += REPEATED_MAX
