"""Commits and states of rounds: made from votes, and checked when others send them.

A commit here holds one precommit of each voter, for the committed block or a descendant, so that
its justification passes ``verify_justification``, which is as strict as light clients are.

Bounds: one precommit for each voter, ``ANCESTRIES_MAX`` headers; two votes of a kind for each voter
in a state. What is cheap is checked first.
"""

from collections.abc import Iterable
from dataclasses import replace

from node.consensus.grandpa.ports import Chain, is_descendant
from node.consensus.grandpa.round import Round
from node.consensus.grandpa.tally import AlreadyKnown
from node.consensus.grandpa.voters import Voters
from primitives.digest import AuthorityKey
from primitives.errors import CessError, DecodeError
from primitives.grandpa import (
    Block,
    CatchUp,
    CompactCommit,
    Precommit,
    Prevote,
    SignedPrevote,
    SignedVote,
    Vote,
    VoteKind,
    full_commit,
    verify_vote,
)
from primitives.header import Header
from primitives.justification import ANCESTRIES_MAX, Commit, GrandpaJustification, SignedPrecommit
from primitives.scale import U64
from primitives.types import BlockNumber, Hash

__all__ = [
    "BadCommit",
    "UnknownBlocks",
    "catch_up_of",
    "check_commit",
    "justified_alone",
    "justify",
    "precommits_of",
    "round_of",
    "votes_of",
]


class BadCommit(CessError):  # noqa: N818 - named by its fact, as all errors are
    """A commit or a state of a round that proves nothing; the sender is at fault."""


class UnknownBlocks(CessError):  # noqa: N818 - named by its fact, as all errors are
    """It names ``block``, which was not imported at this height, so it cannot be judged yet."""

    def __init__(self, block: Block) -> None:
        super().__init__(f"block 0x{block.hash.hex()} was not imported at height {block.number}")
        self.block = block


def justify(
    block: Block, round_number: int, votes: Iterable[SignedVote], voters: Voters, chain: Chain
) -> GrandpaJustification | None:
    """The justification of ``block`` from precommits of a round; None if they do not suffice."""
    chosen: dict[bytes, SignedPrecommit] = {}
    for signed in votes:
        target = signed.vote.block
        is_named_right = chain.number_of(target.hash) == target.number
        if is_named_right and is_descendant(chain, target, block):
            chosen.setdefault(bytes(signed.authority), _precommit(signed))
    # Votes near the block first, so that far ones are left out if there are too many headers.
    ordered = sorted(chosen.items(), key=lambda item: (int(item[1].target_number), item[0]))
    headers: dict[bytes, Header] = {}
    taken, weight = [], 0
    for key, vote in ordered:
        path = _path(Block(bytes(vote.target_hash), int(vote.target_number)), block, headers, chain)
        if path is None:
            continue
        headers.update(path)
        taken.append(vote)
        weight += voters.weights[key]
    if weight < voters.threshold:
        return None
    commit = Commit(
        target_hash=Hash(block.hash),
        target_number=BlockNumber(block.number),
        precommits=tuple(taken),
    )
    return GrandpaJustification(
        round=U64(round_number), commit=commit, votes_ancestries=tuple(headers.values())
    )


def check_commit(
    compact: CompactCommit, round_number: int, set_id: int, voters: Voters, chain: Chain
) -> GrandpaJustification:
    """The justification that a gossiped commit amounts to.

    Raises: BadCommit, UnknownBlocks.
    """
    commit, votes = _signed_votes(compact, round_number, set_id, voters)
    block = Block(bytes(commit.target_hash), int(commit.target_number))
    _check_known([block, *(signed.vote.block for signed in votes)], chain)
    if not all(is_descendant(chain, signed.vote.block, block) for signed in votes):
        raise BadCommit
    found = justify(block, round_number, votes, voters, chain)
    if found is None:
        raise BadCommit
    return found


def justified_alone(
    compact: CompactCommit, round_number: int, set_id: int, voters: Voters
) -> GrandpaJustification | None:
    """The justification that a commit for a block of another history amounts to.

    Only votes for the block itself are in it, for nothing is known of those above it; None if they
    do not suffice. Raises: BadCommit.
    """
    commit, _ = _signed_votes(compact, round_number, set_id, voters)
    chosen = tuple(
        vote
        for vote in commit.precommits
        if (vote.target_hash, vote.target_number) == (commit.target_hash, commit.target_number)
    )
    if sum(voters.weights[bytes(vote.authority)] for vote in chosen) < voters.threshold:
        return None
    return GrandpaJustification(
        round=U64(round_number), commit=replace(commit, precommits=chosen), votes_ancestries=()
    )


def _signed_votes(
    compact: CompactCommit, round_number: int, set_id: int, voters: Voters
) -> tuple[Commit, list[SignedVote]]:
    """A commit that enough distinct voters signed, whatever its blocks are. Raises: BadCommit."""
    if not 0 < len(compact.precommits) <= len(voters):
        raise BadCommit
    try:
        commit = full_commit(compact)
    except DecodeError:
        raise BadCommit from None
    votes = precommits_of(commit)
    weight = sum(voters.weights.get(bytes(signed.authority), 0) for signed in votes)
    distinct = {bytes(signed.authority): None for signed in votes}
    if weight < voters.threshold or len(distinct) != len(votes):
        raise BadCommit
    if not all(
        signed.authority in voters and verify_vote(signed, round_number, set_id) for signed in votes
    ):
        raise BadCommit
    return commit, votes


def precommits_of(commit: Commit) -> list[SignedVote]:
    """The votes in a commit, as they were signed."""
    return [_signed(Precommit, vote) for vote in commit.precommits]


def catch_up_of(round_: Round) -> CatchUp:
    """All votes of a round."""
    return CatchUp(
        round=U64(round_.number),
        prevotes=tuple(_prevote(signed) for signed in round_.prevotes.votes()),
        precommits=tuple(_precommit(signed) for signed in round_.precommits.votes()),
        base_hash=Hash(round_.base.hash),
        base_number=BlockNumber(round_.base.number),
    )


def round_of(
    catch_up: CatchUp, set_id: int, voters: Voters, chain: Chain, *, final_number: int
) -> Round:
    """The completed round that these votes amount to.

    A vote that names no block that is here, at a height up to ``final_number``, counts as one for
    the base: the block can come no more, and without the vote the round could not be taken over.
    Where it really hung makes no difference, for all that it shares with the chain here is final.
    Only this vote in this round is read so: whoever signs another block's hash with a wrong height
    changes nothing for those who vote for that block.

    Raises: BadCommit unless every vote counts and the round is completable; UnknownBlocks.
    """
    if len(catch_up.prevotes) > 2 * len(voters) or len(catch_up.precommits) > 2 * len(voters):
        raise BadCommit
    votes = votes_of(catch_up)
    for kind in (VoteKind.PREVOTE, VoteKind.PRECOMMIT):
        # A dictionary, so that nobody's weight counts twice.
        who = {bytes(signed.authority): None for signed in votes if signed.vote.kind == kind}
        if sum(voters.weights.get(key, 0) for key in who) < voters.threshold:
            raise BadCommit
    number = int(catch_up.round)
    made = Round(number, Block(bytes(catch_up.base_hash), int(catch_up.base_number)), voters, chain)
    for signed in votes:
        if not made.is_relevant(signed) or not verify_vote(signed, number, set_id):
            raise BadCommit
    _check_known([made.base], chain)
    left: Block | None = None
    for signed in votes:
        block = signed.vote.block
        is_here = chain.number_of(block.hash) == block.number
        is_left = not is_here and made.base.number < block.number <= final_number
        if not is_here and not is_left:
            raise UnknownBlocks(block)  # more may be final for the sender, who need not know it
        left = block if is_left else left
        if isinstance(made.add(signed, for_base=is_left), AlreadyKnown | None):
            raise BadCommit
    if not made.state.is_completable:
        if left is not None:
            raise UnknownBlocks(left)  # it may be where that block hung, which is not known here
        raise BadCommit
    return made


def votes_of(catch_up: CatchUp) -> list[SignedVote]:
    """The votes in a state of a round, as they were signed."""
    votes = [_signed(Prevote, vote) for vote in catch_up.prevotes]
    return votes + [_signed(Precommit, vote) for vote in catch_up.precommits]


def _check_known(blocks: Iterable[Block], chain: Chain) -> None:
    for block in blocks:
        number = chain.number_of(block.hash)
        if number is None:
            raise UnknownBlocks(block)
        if number != block.number:
            raise BadCommit


def _path(
    vote: Block, block: Block, taken: dict[bytes, Header], chain: Chain
) -> dict[bytes, Header] | None:
    """The headers that lead from ``vote`` to ``block`` and are not taken; None if too many.

    None as well for a fork that finality left meanwhile: its headers are not here any more.
    """
    found: dict[bytes, Header] = {}
    at = vote.hash
    while at != block.hash and at not in taken:
        if len(taken) + len(found) >= ANCESTRIES_MAX:
            return None
        header = chain.header(at)
        if header is None:
            return None
        found[at] = header
        at = bytes(header.parent_hash)
    return found


def _signed(kind: type[Prevote | Precommit], vote: SignedPrevote | SignedPrecommit) -> SignedVote:
    made: Vote = kind(target_hash=vote.target_hash, target_number=vote.target_number)
    return SignedVote(vote=made, signature=vote.signature, authority=vote.authority)


def _precommit(signed: SignedVote) -> SignedPrecommit:
    block = signed.vote.block
    return SignedPrecommit(
        target_hash=Hash(block.hash),
        target_number=BlockNumber(block.number),
        signature=signed.signature,
        authority=AuthorityKey(signed.authority),
    )


def _prevote(signed: SignedVote) -> SignedPrevote:
    block = signed.vote.block
    return SignedPrevote(
        target_hash=Hash(block.hash),
        target_number=BlockNumber(block.number),
        signature=signed.signature,
        authority=AuthorityKey(signed.authority),
    )
