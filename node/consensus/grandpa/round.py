"""One round of voting: what is agreed, what may still be, and when nothing more is to be learnt.

- ``ghost``: the highest block that more than two thirds prevoted for.
- ``finalized``: the highest block up to the ghost that more than two thirds precommitted to.
- ``estimate``: the highest block up to the ghost that may still be finalized in this round,
  whatever those who have not voted, and tolerated equivocators, do. The next round builds upon it.
- ``is_completable``: nothing above the estimate can be finalized in this round.

*Safety*: if a block is finalized in a round, then it is at or below the estimate of every honest
voter that completed the round, so honest voters vote for its descendants from then on.

All blocks descend from ``base``; votes for others are not counted. What is above changes only as
votes are added, and is computed when it is asked for.

Bounds: two votes of each kind for each voter, one proposal.
Source: Stewart, Kokoris-Kogia, "GRANDPA: a Byzantine finality gadget", 2020, sections 2 and 3.
"""

from dataclasses import dataclass

from node.consensus.grandpa.ports import Chain, is_descendant
from node.consensus.grandpa.tally import AlreadyKnown, Tally, TallyOutcome
from node.consensus.grandpa.voters import Voters
from primitives.grandpa import Block, SignedVote, VoteKind

__all__ = ["Round", "RoundState"]


@dataclass(frozen=True, slots=True)
class RoundState:
    """What the votes of a round say; see the module's text."""

    ghost: Block | None
    finalized: Block | None
    estimate: Block | None
    is_completable: bool


_UNDECIDED = RoundState(None, None, None, False)


class Round:
    """See the module's text."""

    def __init__(self, number: int, base: Block, voters: Voters, chain: Chain) -> None:
        self.number = number
        self.base = base
        self._voters = voters
        self._chain = chain
        self.prevotes = Tally(voters, chain)
        self.precommits = Tally(voters, chain)
        self._proposal: SignedVote | None = None
        self._state: RoundState | None = _UNDECIDED
        self._is_given = False

    @classmethod
    def genesis(cls, base: Block, voters: Voters, chain: Chain) -> "Round":
        """The round before the first one of a set: complete, with nothing but ``base``.

        It is so whatever votes come for it: none is counted.
        """
        made = cls(0, base, voters, chain)
        made._state, made._is_given = RoundState(base, base, base, True), True
        return made

    @property
    def proposal(self) -> Block | None:
        """What the primary proposed first."""
        return None if self._proposal is None else self._proposal.vote.block

    @property
    def signed_proposal(self) -> SignedVote | None:
        """The primary's proposal with its signature."""
        return self._proposal

    def tally(self, kind: VoteKind) -> Tally:
        """The votes of this kind, a prevote or a precommit."""
        return self.prevotes if kind == VoteKind.PREVOTE else self.precommits

    def is_relevant(self, signed: SignedVote) -> bool:
        """Whether this vote would add something here: cheap, to be asked before its signature."""
        if signed.authority not in self._voters or self._is_given:
            return False
        if signed.vote.kind == VoteKind.PROPOSAL:
            is_primary = signed.authority == self._voters.primary(self.number)
            return is_primary and self._proposal is None
        return not self.tally(signed.vote.kind).known(signed)

    def add(self, signed: SignedVote, *, for_base: bool = False) -> TallyOutcome | None:
        """Count a valid vote for an imported block; None for one that is not above ``base``.

        With ``for_base`` it counts as one for the base, whatever it names. Returns nothing to act
        upon for a proposal but the first.
        """
        block = self.base if for_base else signed.vote.block
        if self._is_given or not is_descendant(self._chain, block, self.base):
            return None
        if signed.vote.kind == VoteKind.PROPOSAL:
            if self.is_relevant(signed):
                self._proposal = signed
            return AlreadyKnown()
        outcome = self.tally(signed.vote.kind).add(signed, block)
        if not isinstance(outcome, AlreadyKnown):
            self._state = None
        return outcome

    @property
    def state(self) -> RoundState:
        """What the votes say so far."""
        if self._state is None:
            self._state = self._computed()
        return self._state

    def can_rise(self) -> bool:
        """Whether more than two thirds may still come to prevote for something above the ghost."""
        ghost = self.state.ghost
        return ghost is None or self._has_higher(self.prevotes, ghost)

    def _computed(self) -> RoundState:
        needed = self._voters.threshold
        if self.prevotes.weight < needed:
            return _UNDECIDED
        ghost = self.prevotes.highest(self.base, lambda weight: weight >= needed)
        if ghost is None:
            return _UNDECIDED
        if self.precommits.weight < needed:
            # As many as are needed may still precommit, to blocks that nobody has named yet.
            return RoundState(ghost, None, ghost, False)
        finalized = self._ancestor(ghost, needed)
        estimate = self._ancestor(ghost, 0)
        if estimate is None:
            return RoundState(ghost, finalized, None, False)
        is_completable = estimate != ghost or not self._has_higher(self.precommits, estimate)
        return RoundState(ghost, finalized, estimate, is_completable)

    def _ancestor(self, ghost: Block, needed: int) -> Block | None:
        """The highest block from the base to the ghost with so many precommits.

        With 0 it is the highest one that may still get enough.
        """
        found = None
        low, high = self.base.number, ghost.number
        while low <= high:
            middle = (low + high) // 2
            hash_ = self._chain.ancestor_at(ghost.hash, middle)
            assert hash_ is not None, "because the ghost is above the base"
            block = Block(hash_, middle)
            weight = self.precommits.weight_for(block)
            if weight >= needed if needed else self._may_win(self.precommits, weight):
                found, low = block, middle + 1
            else:
                high = middle - 1
        return found

    def _has_higher(self, tally: Tally, block: Block) -> bool:
        """Whether some block above ``block`` may still win; blocks nobody names cannot."""
        found = tally.highest(block, lambda weight: self._may_win(tally, weight))
        return found is not None and found != block

    def _may_win(self, tally: Tally, weight: int) -> bool:
        """Whether a block that has this weight may get enough.

        Everybody who has not voted may vote for it, and of those who voted for something else as
        many as are tolerated may equivocate.
        """
        silent = self._voters.total - tally.weight
        turncoats = max(self._voters.tolerated - tally.equivocated, 0)
        return weight + silent + min(tally.weight - weight, turncoats) >= self._voters.threshold
