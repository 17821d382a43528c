"""The votes of one kind in one round, and how much weight is for which block.

A vote is for its block and for all blocks below. Who cast two different votes is an equivocator:
its weight counts for every block, because it could go on and vote for any.

Bounds: two votes for each voter. Work is linear in the number of different blocks voted for, times
the logarithm of the heights between them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from node.consensus.grandpa.ports import Chain, is_descendant
from node.consensus.grandpa.voters import Voters
from primitives.grandpa import Block, SignedVote

__all__ = ["Added", "AlreadyKnown", "Second", "Tally", "TallyOutcome"]


@dataclass(frozen=True, slots=True)
class Added:
    """The first vote of its voter."""


@dataclass(frozen=True, slots=True)
class AlreadyKnown:
    """A vote that was there, or one more of an equivocator."""


@dataclass(frozen=True, slots=True)
class Second:
    """A second, different vote of a voter: an equivocation."""

    first: SignedVote


TallyOutcome = Added | AlreadyKnown | Second


class Tally:
    """See the module's text."""

    def __init__(self, voters: Voters, chain: Chain) -> None:
        self._voters = voters
        self._chain = chain
        self._first: dict[bytes, SignedVote] = {}
        self._second: dict[bytes, SignedVote] = {}
        self._counted: dict[bytes, Block] = {}
        """For which block each first vote counts."""
        self._by_block: dict[Block, int] = {}
        self.weight = 0
        """The weight of those who voted."""
        self.equivocated = 0
        """The weight of those who voted twice."""

    def known(self, signed: SignedVote) -> bool:
        """Whether adding this vote would change nothing."""
        key = bytes(signed.authority)
        first = self._first.get(key)
        return first is not None and (key in self._second or first.vote == signed.vote)

    def add(self, signed: SignedVote, block: Block) -> TallyOutcome:
        """Count a valid vote of a member of the set as one for ``block``, which was imported."""
        if self.known(signed):
            return AlreadyKnown()
        key = bytes(signed.authority)
        weight = self._voters.weights[key]
        first = self._first.get(key)
        if first is None:
            self._first[key] = signed
            self._counted[key] = block
            self._by_block[block] = self._by_block.get(block, 0) + weight
            self.weight += weight
            return Added()
        self._second[key] = signed
        self.equivocated += weight
        counted = self._counted[key]
        self._by_block[counted] -= weight
        if not self._by_block[counted]:
            del self._by_block[counted]
        return Second(first)

    def of(self, key: bytes) -> SignedVote | None:
        """The first vote of this voter."""
        return self._first.get(key)

    def votes(self) -> Iterator[SignedVote]:
        """All votes, those of equivocators both."""
        yield from self._first.values()
        yield from self._second.values()

    def weight_for(self, block: Block) -> int:
        """The weight for ``block``, with that of equivocators."""
        return self.equivocated + sum(
            weight
            for target, weight in self._by_block.items()
            if is_descendant(self._chain, target, block)
        )

    def highest(self, floor: Block, is_enough: Callable[[int], bool]) -> Block | None:
        """The highest block from ``floor`` on whose weight is enough; None if not even that is.

        ``is_enough`` is monotonic. Of two such blocks at one height, which there are only if more
        voters misbehave than are tolerated, it is the heavier one, then the one of the lesser hash.
        """
        if not is_enough(self.weight_for(floor)):
            return None
        found = floor
        low, high = (
            floor.number,
            max((block.number for block in self._by_block), default=floor.number),
        )
        while low < high:
            middle = (low + high + 1) // 2
            at = self._heaviest_at(middle, floor)
            if at is not None and is_enough(at[1]):
                found, low = at[0], middle
            else:
                high = middle - 1
        return found

    def _heaviest_at(self, number: int, floor: Block) -> tuple[Block, int] | None:
        weights: dict[bytes, int] = {}
        for target, weight in self._by_block.items():
            at = self._chain.ancestor_at(target.hash, number)
            if at is not None and is_descendant(self._chain, target, floor):
                weights[at] = weights.get(at, 0) + weight
        if not weights:
            return None
        best = min(weights, key=lambda hash_: (-weights[hash_], hash_))
        return Block(best, number), weights[best] + self.equivocated
