"""Justifications made from votes, as strict as light clients want them."""

import pytest

from node.consensus.grandpa import commits
from node.consensus.grandpa.commits import (
    BadCommit,
    UnknownBlocks,
    catch_up_of,
    check_commit,
    justify,
    round_of,
)
from node.consensus.grandpa.round import Round
from node.consensus.grandpa.voters import Voters
from primitives.grandpa import Block, SignedVote, VoteKind, compact_commit, make_vote, sign_vote
from primitives.header import Header
from primitives.justification import verify_justification
from tests.node.consensus.grandpa.world import Tree, View, authorities, pairs

TREE = Tree()
A = [TREE.genesis, *TREE.chain(TREE.genesis, 6, 1)]
B = [*A[:3], *TREE.chain(A[2], 3, 2)]
VOTERS = Voters.of(authorities(4))
KEYS = [key for key, _ in authorities(4)]


def view(*blocks: Block) -> View:
    made = View(TREE)
    for block in blocks or [*A, *B]:
        made.known[block.hash] = block.number
    return made


def precommit(who: int, block: Block) -> SignedVote:
    return sign_vote(make_vote(VoteKind.PRECOMMIT, block), 3, 0, pairs(4)[who])


def test_votes_above_a_block_prove_it_through_their_ancestors() -> None:
    votes = [precommit(0, A[2]), precommit(1, A[5]), precommit(2, B[5])]
    found = justify(A[2], 3, votes, VOTERS, view())
    assert found is not None
    verify_justification(found, KEYS, 0)
    assert len(found.votes_ancestries) == 6
    assert check_commit(compact_commit(found.commit), 3, 0, VOTERS, view()) == found


def test_votes_elsewhere_are_left_out() -> None:
    votes = [precommit(0, A[3]), precommit(1, A[3]), precommit(2, B[5])]
    assert justify(A[3], 3, votes, VOTERS, view()) is None
    found = justify(A[3], 3, [*votes, precommit(3, A[4])], VOTERS, view())
    assert found is not None
    assert len(found.commit.precommits) == 3
    verify_justification(found, KEYS, 0)


def test_an_equivocator_gives_the_one_vote_that_fits() -> None:
    votes = [precommit(0, A[3]), precommit(1, A[3]), precommit(2, B[5]), precommit(2, A[6])]
    found = justify(A[3], 3, votes, VOTERS, view())
    assert found is not None
    assert len(found.commit.precommits) == 3
    verify_justification(found, KEYS, 0)


def test_equivocators_alone_do_not_fill_a_justification() -> None:
    votes = [precommit(0, A[3]), precommit(1, A[3]), precommit(2, B[5]), precommit(2, B[4])]
    assert justify(A[3], 3, votes, VOTERS, view()) is None


def test_far_votes_are_left_out_when_there_are_too_many_headers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    votes = [precommit(who, block) for who, block in enumerate((A[2], A[3], A[3], A[6]))]
    monkeypatch.setattr(commits, "ANCESTRIES_MAX", 1)
    found = justify(A[2], 3, votes, VOTERS, view())
    assert found is not None
    assert len(found.commit.precommits) == 3
    monkeypatch.setattr(commits, "ANCESTRIES_MAX", 0)
    assert justify(A[2], 3, votes, VOTERS, view()) is None


def test_votes_on_a_fork_whose_headers_went_are_left_out() -> None:
    # Finality is in the database before voters are told of it: the fork is remembered, no more.
    class Pruned(View):
        def header(self, hash_: bytes) -> Header | None:
            return None if any(hash_ == block.hash for block in B[3:]) else super().header(hash_)

    gone = Pruned(TREE)
    gone.known.update(view().known)
    votes = [precommit(0, A[2]), precommit(1, B[5]), precommit(2, A[5])]
    assert justify(A[2], 3, votes, VOTERS, gone) is None
    found = justify(A[2], 3, [*votes, precommit(3, A[2])], VOTERS, gone)
    assert found is not None
    assert len(found.commit.precommits) == 3
    verify_justification(found, KEYS, 0)


def test_a_commit_upon_blocks_that_are_not_there_cannot_be_judged() -> None:
    votes = [precommit(0, A[2]), precommit(1, A[2]), precommit(2, B[5])]
    found = justify(A[2], 3, votes, VOTERS, view())
    assert found is not None
    compact = compact_commit(found.commit)
    with pytest.raises(UnknownBlocks) as caught:
        check_commit(compact, 3, 0, VOTERS, view(*A))
    assert caught.value.block == B[5]
    with pytest.raises(BadCommit):
        check_commit(compact, 4, 0, VOTERS, view())
    with pytest.raises(BadCommit):
        check_commit(compact, 3, 1, VOTERS, view())


def test_a_vote_for_a_block_that_finality_left_before_it_came_here_stops_nobody() -> None:
    everything = view()
    made = Round(3, A[0], VOTERS, everything)
    targets = (A[5], A[5], B[4])
    for kind in (VoteKind.PREVOTE, VoteKind.PRECOMMIT):
        for who, block in enumerate((*targets, A[5])):
            made.add(sign_vote(make_vote(kind, block), 3, 0, pairs(4)[who]))
    catch_up = catch_up_of(made)
    with pytest.raises(UnknownBlocks):  # it can still be fetched
        round_of(catch_up, 0, VOTERS, view(*A), final_number=B[4].number - 1)
    taken = round_of(catch_up, 0, VOTERS, view(*A), final_number=B[4].number)
    assert taken.state == made.state


def test_who_sends_a_round_that_needs_a_block_that_finality_left_is_not_at_fault() -> None:
    parting = max((one for one in A if one in B), key=lambda block: block.number)
    assert parting.number > 0
    made = Round(3, A[0], VOTERS, view())
    for kind, targets in (
        (VoteKind.PREVOTE, (A[5], A[5], B[4])),
        (VoteKind.PRECOMMIT, (parting,) * 3),
    ):
        for who, block in enumerate(targets):
            made.add(sign_vote(make_vote(kind, block), 3, 0, pairs(4)[who]))
    assert made.state.finalized == parting
    with pytest.raises(UnknownBlocks):
        round_of(catch_up_of(made), 0, VOTERS, view(*A), final_number=B[4].number)


def test_a_vote_that_names_a_wrong_height_changes_nothing_for_others_of_its_block() -> None:
    """A traitor signs the hash of a block to come, at a height that is final already."""
    made = Round(3, A[0], VOTERS, view())
    wrong = Block(A[6].hash, 2)
    for kind, honest in ((VoteKind.PREVOTE, (0, 1, 3)), (VoteKind.PRECOMMIT, (0, 1))):
        for who in honest:
            made.add(sign_vote(make_vote(kind, A[5]), 3, 0, pairs(4)[who]))
        made.add(sign_vote(make_vote(kind, wrong), 3, 0, pairs(4)[2]), for_base=True)
    with pytest.raises(UnknownBlocks):  # an honest sender, for whom more is final, may have it
        round_of(catch_up_of(made), 0, VOTERS, view(), final_number=1)
    here = view(*A[:6])
    taken = round_of(catch_up_of(made), 0, VOTERS, here, final_number=3)
    assert here.number_of(A[6].hash) is None
    assert taken.state.estimate == A[5]
    here.known[A[6].hash] = A[6].number
    assert taken.precommits.weight_for(A[6]) == 0
    taken.add(precommit(3, A[6]))
    assert taken.precommits.weight_for(A[6]) == 1
    assert taken.state.finalized == A[5]
    found = justify(A[5], 3, taken.precommits.votes(), VOTERS, here)
    assert found is not None
    verify_justification(found, KEYS, 0)
    assert {bytes(vote.authority) for vote in found.commit.precommits} == {
        pairs(4)[who].public for who in (0, 1, 3)
    }
    again = round_of(catch_up_of(taken), 0, VOTERS, here, final_number=3)
    assert again.state == taken.state


def test_an_equivocator_whose_first_vote_counts_for_the_base_counts_for_all() -> None:
    made = Round(3, A[0], VOTERS, view(*A))
    made.add(precommit(0, B[4]), for_base=True)
    assert made.precommits.weight_for(A[0]) == 1
    assert made.precommits.weight_for(A[1]) == 0
    made.add(precommit(0, A[5]))
    assert made.precommits.weight_for(A[6]) == 1
    assert made.precommits.weight == 1
