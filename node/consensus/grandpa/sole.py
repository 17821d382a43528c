"""The part of voting that is left where one node holds more than two thirds of the weight: telling.

The chain finalises each best block by the local keys at once (``node.consensus.finality``). This
core stands where the voter stands otherwise, and tells the others: a commit and a neighbour packet
for each final block, where it stands every ``repeat_ms``, and the last commit to whoever says that
it knows less. So full nodes and light clients follow, by the messages that they know. Votes of
others decide nothing here and are not looked at.

Bounds: ``PEERS_MAX`` peers; one of them gets the commit again once in ``repeat_ms``.
"""

from collections import deque

from node.consensus.grandpa.events import (
    AuthoritiesChanged,
    Broadcast,
    Effect,
    FinalizedAlone,
    FinalizedElsewhere,
    Input,
    PeerLeft,
    Received,
    Send,
)
from node.consensus.grandpa.voter import PEERS_MAX, Statistics, Timing
from node.consensus.grandpa.voters import Voters
from primitives.grandpa import (
    Block,
    CommitMessage,
    NeighbourMessage,
    NeighbourV1,
    compact_commit,
    neighbour_of,
)
from primitives.justification import GrandpaJustification
from primitives.scale import U64

__all__ = ["SoleVoter"]


class SoleVoter:
    """See the module's text; it is driven as ``Voter`` is."""

    def __init__(
        self,
        authorities: tuple[tuple[bytes, int], ...],
        set_id: int,
        finalized: Block,
        last: GrandpaJustification | None,
        *,
        now_ms: int,
        timing: Timing,
    ) -> None:
        """``last`` is the justification of ``finalized``, if this set made it."""
        self._voters = Voters.of(authorities)
        self._set_id = set_id
        self._finalized = finalized
        self._timing = timing
        self._now = now_ms
        self._repeat_at = now_ms
        self._commit: CommitMessage | None = None
        self._told: dict[str, int] = {}
        """When a peer may have the commit again."""
        self._effects: deque[Effect] = deque()
        if last is not None:
            self._take(last)

    def receive(self, what: Input, now_ms: int) -> None:
        """Take an input."""
        self._now = max(self._now, now_ms)
        match what:
            case Received(peer=peer, message=NeighbourMessage(packet=NeighbourV1() as packet)):
                self._on_neighbour(peer, packet)
            case FinalizedAlone(block=block, set_id=set_id, justification=justification):
                if set_id == self._set_id and block.number > self._finalized.number:
                    self._finalized = block
                    self._effects.append(Broadcast(self._take(justification)))
                    self._effects.append(Broadcast(self.neighbour()))
            case FinalizedElsewhere(block=block):
                self._finalized = max(self._finalized, block, key=lambda each: each.number)
            case AuthoritiesChanged(authorities=authorities, set_id=set_id, base=base):
                if set_id > self._set_id:
                    self._voters, self._set_id = Voters.of(authorities), set_id
                    self._finalized = max(self._finalized, base, key=lambda each: each.number)
                    self._commit = None
                    self._effects.append(Broadcast(self.neighbour()))
            case PeerLeft(peer=peer):
                self._told.pop(peer, None)
            case _:
                pass
        if self._now >= self._repeat_at:
            self._repeat_at = self._now + self._timing.repeat_ms
            self._effects.append(Broadcast(self.neighbour()))

    def next_effect(self) -> Effect | None:
        """The next order; None if there is nothing to do."""
        return self._effects.popleft() if self._effects else None

    def next_deadline(self) -> int:
        """When to come back with ``Ticked``, in milliseconds."""
        return self._repeat_at

    def neighbour(self) -> NeighbourMessage:
        """What peers are told of where this node stands."""
        # Of no round that anybody could be behind: there is nothing to catch up with.
        return neighbour_of(1, self._set_id, self._finalized.number)

    def statistics(self) -> Statistics:
        """Where this node stands: its rounds are complete when they begin."""
        total = self._voters.total
        return Statistics(
            set_id=self._set_id,
            round=self._finalized.number,
            finalized=self._finalized,
            total_weight=total,
            threshold=self._voters.threshold,
            prevote_weight=total,
            precommit_weight=total,
            missing_prevotes=(),
            missing_precommits=(),
            waiting_votes=0,
            waiting_commits=0,
            peers=len(self._told),
        )

    def _take(self, justification: GrandpaJustification) -> CommitMessage:
        self._commit = CommitMessage(
            round=justification.round,
            set_id=U64(self._set_id),
            commit=compact_commit(justification.commit),
        )
        return self._commit

    def _on_neighbour(self, peer: str, packet: NeighbourV1) -> None:
        if packet.set_id != self._set_id or packet.finalized_number >= self._finalized.number:
            return
        if self._commit is None or self._now < self._told.get(peer, self._now):
            return
        if peer in self._told or len(self._told) < PEERS_MAX:
            self._told[peer] = self._now + self._timing.repeat_ms
            self._effects.append(Send(peer, self._commit))
