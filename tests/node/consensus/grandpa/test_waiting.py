"""What waits, and how much of it."""

from node.consensus.grandpa.waiting import COMMITS_MAX, WaitingCommits, WaitingVotes
from primitives.grandpa import (
    Block,
    CommitMessage,
    CompactCommit,
    SignedVote,
    VoteKind,
    make_vote,
    sign_vote,
)
from primitives.scale import U64
from primitives.types import BlockNumber, Hash
from tests.node.consensus.grandpa.world import pairs

BLOCKS = [Block(bytes([mark]) * 32, 5) for mark in range(1, 40)]


def vote(block: Block, who: int = 0, kind: VoteKind = VoteKind.PREVOTE) -> SignedVote:
    return sign_vote(make_vote(kind, block), 1, 0, pairs(2)[who])


def commit(round_number: int) -> CommitMessage:
    empty = CompactCommit(
        target_hash=Hash(BLOCKS[0].hash),
        target_number=BlockNumber(5),
        precommits=(),
        signatures=(),
    )
    return CommitMessage(round=U64(round_number), set_id=U64(0), commit=empty)


def test_two_votes_of_a_kind_wait_for_each_voter_and_round() -> None:
    waiting = WaitingVotes()
    for block in BLOCKS:
        for number in (1, 2):
            for who in (0, 1):
                if waiting.has_place(number, vote(block, who)):
                    waiting.add(number, vote(block, who))
    assert len(waiting) == 2 * 2 * 2
    assert waiting.has_place(1, vote(BLOCKS[0], 0, VoteKind.PRECOMMIT))
    assert waiting.has(1, vote(BLOCKS[0]))
    assert not waiting.has(1, vote(BLOCKS[9]))


def test_the_same_vote_waits_once() -> None:
    waiting = WaitingVotes()
    waiting.add(1, vote(BLOCKS[0]))
    assert not waiting.has_place(1, vote(BLOCKS[0]))
    assert waiting.has_place(1, vote(BLOCKS[1]))
    assert waiting.has_place(2, vote(BLOCKS[0]))


def test_votes_are_taken_by_block_and_by_round() -> None:
    waiting = WaitingVotes()
    waiting.add(1, vote(BLOCKS[0]))
    waiting.add(1, vote(BLOCKS[1]))
    waiting.add(2, vote(BLOCKS[0]))
    assert waiting.take_for(BLOCKS[0].hash) == [(1, vote(BLOCKS[0])), (2, vote(BLOCKS[0]))]
    assert waiting.take_round(1) == [(1, vote(BLOCKS[1]))]
    assert len(waiting) == 0


def test_votes_of_past_rounds_are_forgotten() -> None:
    waiting = WaitingVotes()
    for number in (1, 2, 3):
        waiting.add(number, vote(BLOCKS[0]))
    waiting.forget_before(3)
    assert waiting.take_for(BLOCKS[0].hash) == [(3, vote(BLOCKS[0]))]


def test_the_oldest_commit_goes() -> None:
    waiting = WaitingCommits()
    for number in range(COMMITS_MAX + 1):
        waiting.add("peer", commit(number))
    assert len(waiting) == COMMITS_MAX
    assert not waiting.has(commit(0))
    assert waiting.has(commit(1))
    assert [int(message.round) for _, message in waiting.take_all()] == list(
        range(1, COMMITS_MAX + 1)
    )
    assert len(waiting) == 0
