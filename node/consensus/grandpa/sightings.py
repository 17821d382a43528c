"""Votes by this node's keys in what peers send, for the watch over twins.

Bounds: a message is looked through once, a lookup for each vote in it; a signature is checked only
of a vote by a key of this node that it did not cast, that is for a later block than a vote of an
earlier life could be for, and that does not wait for its block already.
"""

from collections.abc import Callable, Iterator

from node.consensus.finality import SOLE_ROUNDS
from node.consensus.grandpa.commits import votes_of
from node.consensus.twins import SeenVote, TwinWatch
from primitives.grandpa import (
    Block,
    CatchUpMessage,
    CommitMessage,
    GossipMessage,
    SignedVote,
    VoteKind,
    VoteMessage,
    make_vote,
    verify_vote,
)

__all__ = ["seen_vote", "sight"]


def seen_vote(number: int, set_id: int, signed: SignedVote) -> SeenVote:
    """A vote as the watch knows it."""
    vote = signed.vote
    return SeenVote(bytes(signed.authority), set_id, number, int(vote.kind), bytes(vote.block.hash))


def sight(
    message: GossipMessage, watch: TwinWatch, slot_of_block: Callable[[bytes], int | None]
) -> None:
    """Tell the watch of votes by keys of this node that were cast elsewhere.

    Those by which one node finalises alone are left out: they are told of by their blocks.
    """
    for number, set_id, signed in _votes(message, watch):
        vote = seen_vote(number, set_id, signed)
        if number >= SOLE_ROUNDS or not watch.wants_vote(vote):
            continue
        slot = slot_of_block(vote.block)
        if slot is not None and not watch.is_later(vote.key, slot):
            continue
        if verify_vote(signed, number, set_id):
            watch.saw_vote(vote, slot)


def _votes(message: GossipMessage, watch: TwinWatch) -> Iterator[tuple[int, int, SignedVote]]:
    match message:
        case VoteMessage(round=number, set_id=set_id, signed=signed):
            if watch.knows(bytes(signed.authority)):
                yield int(number), int(set_id), signed
        case CommitMessage(round=number, set_id=set_id, commit=commit):
            signatures = zip(commit.precommits, commit.signatures, strict=False)
            for target, (signature, key) in signatures:
                if watch.knows(bytes(key)):
                    block = Block(bytes(target.target_hash), int(target.target_number))
                    vote = make_vote(VoteKind.PRECOMMIT, block)
                    yield int(number), int(set_id), SignedVote(vote, signature, key)
        case CatchUpMessage(set_id=set_id, catch_up=found):
            for signed in votes_of(found):
                if watch.knows(bytes(signed.authority)):
                    yield int(found.round), int(set_id), signed
        case _:
            pass
