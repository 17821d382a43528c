"""What a round's votes say: ghosts, estimates, completability, equivocation."""

import random

import pytest

from node.consensus.grandpa.round import Round
from node.consensus.grandpa.tally import Added, AlreadyKnown, Second
from node.consensus.grandpa.voters import Voters
from primitives.crypto.signatures import SignatureBytes
from primitives.digest import AuthorityKey
from primitives.grandpa import Block, SignedVote, VoteKind, make_vote
from tests.node.consensus.grandpa.world import Tree, View, authorities, pairs

PREVOTE, PRECOMMIT, PROPOSAL = VoteKind.PREVOTE, VoteKind.PRECOMMIT, VoteKind.PROPOSAL


class Table:
    """A round over a chain ``a`` of five blocks and a fork ``b`` from the second one on."""

    def __init__(self, count: int) -> None:
        tree = Tree()
        self.base = tree.genesis
        self.a = [tree.genesis, *tree.chain(tree.genesis, 5, 1)]
        self.b = [*self.a[:2], *tree.chain(self.a[1], 4, 2)]
        self.view = View(tree)
        for block in [*self.a, *self.b]:
            self.view.known[block.hash] = block.number
        self.voters = Voters.of(authorities(count))
        self.round = Round(1, self.base, self.voters, self.view)

    def vote(self, kind: VoteKind, who: int, block: Block) -> object:
        return self.round.add(self.signed(kind, who, block))

    def signed(self, kind: VoteKind, who: int, block: Block) -> SignedVote:
        key = AuthorityKey(pairs(who + 1)[who].public)
        return SignedVote(
            vote=make_vote(kind, block), signature=SignatureBytes(bytes(64)), authority=key
        )


def test_two_thirds_are_needed_for_a_ghost() -> None:
    table = Table(4)
    table.vote(PREVOTE, 0, table.a[3])
    table.vote(PREVOTE, 1, table.a[3])
    assert table.round.state.ghost is None
    table.vote(PREVOTE, 2, table.a[5])
    assert table.round.state.ghost == table.a[3]
    assert table.round.can_rise()
    table.vote(PREVOTE, 3, table.a[5])
    assert table.round.state.ghost == table.a[3]


def test_a_ghost_is_where_the_forks_of_two_thirds_meet() -> None:
    table = Table(4)
    for who, block in enumerate((table.a[4], table.b[4], table.a[2])):
        table.vote(PREVOTE, who, block)
    assert table.round.state.ghost == table.a[1]
    table.vote(PREVOTE, 3, table.a[3])
    assert table.round.state.ghost == table.a[2]


def test_a_ghost_that_nobody_can_raise_is_settled() -> None:
    table = Table(4)
    for who in range(3):
        table.vote(PREVOTE, who, table.a[2])
    assert not table.round.can_rise()
    table = Table(4)
    for who, block in enumerate((table.a[2], table.a[2], table.a[3])):
        table.vote(PREVOTE, who, block)
    assert table.round.can_rise()  # the silent one, and one who changes its mind


def test_a_block_is_final_with_two_thirds_of_precommits() -> None:
    table = Table(4)
    for who in range(4):
        table.vote(PREVOTE, who, table.a[3])
    table.vote(PRECOMMIT, 0, table.a[3])
    table.vote(PRECOMMIT, 1, table.a[3])
    assert table.round.state.finalized is None
    assert table.round.state.estimate == table.a[3]
    assert not table.round.state.is_completable
    table.vote(PRECOMMIT, 2, table.a[3])
    assert table.round.state.finalized == table.a[3]
    assert table.round.state.estimate == table.a[3]
    assert table.round.state.is_completable


def test_the_estimate_is_as_high_as_the_silent_can_still_finalize() -> None:
    # Seven voters, two may lie. Five precommits: three for a[3], two for a[2].
    table = Table(7)
    for who in range(7):
        table.vote(PREVOTE, who, table.a[3])
    for who, block in enumerate((table.a[3], table.a[3], table.a[3], table.a[2], table.a[2])):
        table.vote(PRECOMMIT, who, block)
    assert table.round.state.finalized == table.a[2]
    assert table.round.state.estimate == table.a[3]  # the two silent ones suffice
    assert table.round.state.is_completable
    # One more for a[2], and none of the silent: still possible, by one silent and two turncoats.
    table.vote(PRECOMMIT, 5, table.a[2])
    assert table.round.state.estimate == table.a[3]
    table = Table(7)
    for who in range(7):
        table.vote(PREVOTE, who, table.a[3])
    for who, block in enumerate((*[table.a[2]] * 5, table.a[3])):
        table.vote(PRECOMMIT, who, block)
    # a[3] has one, one is silent and two may lie: four of the five that it needs.
    assert table.round.state.estimate == table.a[2]
    assert table.round.state.is_completable


def test_a_round_is_not_complete_while_a_block_above_the_ghost_may_win() -> None:
    table = Table(7)
    for who in range(5):
        table.vote(PREVOTE, who, table.a[2])
    for who, block in enumerate((*[table.a[3]] * 3, *[table.a[2]] * 2)):
        table.vote(PRECOMMIT, who, block)
    assert table.round.state.ghost == table.a[2]
    assert table.round.state.estimate == table.a[2]
    assert not table.round.state.is_completable
    # Votes that we had not seen raise the ghost, and with it the estimate.
    table.vote(PREVOTE, 5, table.a[3])
    for who in range(5):
        table.vote(PREVOTE, who, table.a[3])
    assert table.round.state.ghost == table.a[3]
    assert table.round.state.is_completable


def test_an_equivocator_counts_for_every_block() -> None:
    table = Table(4)
    assert table.vote(PREVOTE, 0, table.a[3]) == Added()
    table.vote(PREVOTE, 1, table.a[3])
    table.vote(PREVOTE, 2, table.b[3])
    assert table.round.state.ghost == table.a[1]
    first = table.signed(PREVOTE, 2, table.b[3])
    assert table.vote(PREVOTE, 2, table.b[4]) == Second(first)
    assert table.round.state.ghost == table.a[3]
    assert table.round.prevotes.weight == 3
    assert table.round.prevotes.equivocated == 1


def test_a_third_vote_changes_nothing() -> None:
    table = Table(4)
    table.vote(PREVOTE, 2, table.b[3])
    assert table.vote(PREVOTE, 2, table.b[3]) == AlreadyKnown()
    table.vote(PREVOTE, 2, table.b[4])
    assert table.vote(PREVOTE, 2, table.a[3]) == AlreadyKnown()
    assert len(list(table.round.prevotes.votes())) == 2
    assert not table.round.is_relevant(table.signed(PREVOTE, 2, table.a[5]))
    assert table.round.is_relevant(table.signed(PRECOMMIT, 2, table.a[5]))


def test_votes_below_the_base_or_beside_it_are_not_counted() -> None:
    table = Table(4)
    table.round = Round(2, table.a[2], table.voters, table.view)
    for block in (table.a[1], table.b[2], table.b[4]):
        assert table.vote(PREVOTE, 0, block) is None
    assert table.round.prevotes.weight == 0
    assert table.vote(PREVOTE, 0, table.a[2]) == Added()


def test_strangers_and_other_primaries_are_irrelevant() -> None:
    table = Table(4)
    assert not table.round.is_relevant(table.signed(PREVOTE, 4, table.a[2]))
    keys = [pair.public for pair in pairs(4)]
    primary = keys.index(table.voters.primary(1))
    for who in range(4):
        proposal = table.signed(PROPOSAL, who, table.a[2])
        assert table.round.is_relevant(proposal) == (who == primary)
    table.vote(PROPOSAL, primary, table.a[2])
    table.vote(PROPOSAL, primary, table.a[3])
    assert table.round.proposal == table.a[2]


def test_weights_count_and_not_heads() -> None:
    table = Table(3)
    keys = [pair.public for pair in pairs(3)]
    table.voters = Voters.of([(keys[0], 7), (keys[1], 2), (keys[2], 1)])
    assert (table.voters.total, table.voters.threshold, table.voters.tolerated) == (10, 7, 3)
    table.round = Round(1, table.base, table.voters, table.view)
    table.vote(PREVOTE, 1, table.a[4])
    table.vote(PREVOTE, 2, table.a[4])
    assert table.round.state.ghost is None
    table.vote(PREVOTE, 0, table.a[3])
    assert table.round.state.ghost == table.a[3]


@pytest.mark.parametrize(
    ("total", "threshold"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5), (10, 7)]
)
def test_thresholds_are_more_than_two_thirds(total: int, threshold: int) -> None:
    voters = Voters.of(authorities(total))
    assert voters.threshold == threshold
    assert 3 * threshold > 2 * total >= 3 * (threshold - 1)


def test_voters_are_primary_in_turn() -> None:
    voters = Voters.of(authorities(4))
    turns = [voters.primary(number) for number in range(8)]
    assert turns[:4] == turns[4:] == sorted(key for key, _ in authorities(4))


@pytest.mark.parametrize("seed", range(40))
def test_a_final_block_is_at_or_below_every_estimate_of_its_round(seed: int) -> None:
    # The promise that safety rests on: whatever part of the votes an observer has seen, if by them
    # the round is completable, its estimate is above what all the votes finalize.
    draw = random.Random(seed)
    count = draw.choice([4, 7])
    table = Table(count)
    blocks = [*table.a, *table.b]
    liars = (count - 1) // 3
    votes = []
    for who in range(count):
        for kind in (PREVOTE, PRECOMMIT):
            favourite = draw.choice([table.a[2], table.a[3], draw.choice(blocks)])
            votes.append(table.signed(kind, who, favourite))
            if who < liars:
                votes.append(table.signed(kind, who, draw.choice(blocks)))
    everything = Round(1, table.base, table.voters, table.view)
    for vote in votes:
        everything.add(vote)
    for _ in range(30):
        seen = Round(1, table.base, table.voters, table.view)
        for vote in draw.sample(votes, draw.randint(0, len(votes))):
            seen.add(vote)
        estimate, final = seen.state.estimate, everything.state.finalized
        if seen.state.is_completable and final is not None:
            assert estimate is not None
            assert table.view.ancestor_at(estimate.hash, final.number) == final.hash


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_votes_does_not_matter(seed: int) -> None:
    draw = random.Random(seed)
    table = Table(7)
    votes = [
        table.signed(kind, who, draw.choice([*table.a, *table.b]))
        for who in range(7)
        for kind in (PREVOTE, PRECOMMIT)
        for _ in range(2 if who == 0 else 1)
    ]
    states = []
    for _ in range(3):
        draw.shuffle(votes)
        made = Round(1, table.base, table.voters, table.view)
        for vote in votes:
            made.add(vote)
            _ = made.state
        states.append(made.state)
    assert states[0] == states[1] == states[2]
