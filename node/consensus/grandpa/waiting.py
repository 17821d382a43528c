"""Valid votes that cannot be counted yet: for a block not imported, or for the round to come.

Bounds: for each voter, kind and round two votes wait, as many as a tally counts; rounds are the
last, this and the next one. Commits for unknown blocks: ``COMMITS_MAX``, the oldest goes.
"""

from collections.abc import Callable
from typing import Final

from primitives.grandpa import CommitMessage, SignedVote, VoteKind

__all__ = ["COMMITS_MAX", "WaitingCommits", "WaitingVotes"]

COMMITS_MAX: Final = 16
_VOTES_EACH_MAX: Final = 2

_Slot = tuple[int, bytes, VoteKind]
_Wanted = Callable[[int, SignedVote], bool]


class WaitingVotes:
    """Votes by round, voter and kind."""

    def __init__(self) -> None:
        self._votes: dict[_Slot, list[SignedVote]] = {}

    def __len__(self) -> int:
        return sum(len(votes) for votes in self._votes.values())

    def has_place(self, round_number: int, signed: SignedVote) -> bool:
        """Whether this vote is not there and may wait."""
        votes = self._votes.get(_slot(round_number, signed), ())
        return len(votes) < _VOTES_EACH_MAX and all(vote.vote != signed.vote for vote in votes)

    def has(self, round_number: int, signed: SignedVote) -> bool:
        """Whether this vote waits."""
        votes = self._votes.get(_slot(round_number, signed), ())
        return any(vote.vote == signed.vote for vote in votes)

    def add(self, round_number: int, signed: SignedVote) -> None:
        """Keep a vote for which there is a place."""
        self._votes.setdefault(_slot(round_number, signed), []).append(signed)

    def take_for(self, hash_: bytes) -> list[tuple[int, SignedVote]]:
        """Take out the votes for this block, with their rounds."""
        return self._take(lambda _, signed: signed.vote.block.hash == hash_)

    def take_round(self, round_number: int) -> list[tuple[int, SignedVote]]:
        """Take out the votes of this round."""
        return self._take(lambda number, _: number == round_number)

    def forget_before(self, round_number: int) -> None:
        """Drop the votes of earlier rounds."""
        for slot in [slot for slot in self._votes if slot[0] < round_number]:
            del self._votes[slot]

    def _take(self, is_wanted: _Wanted) -> list[tuple[int, SignedVote]]:
        taken = []
        for slot, votes in list(self._votes.items()):
            wanted = [signed for signed in votes if is_wanted(slot[0], signed)]
            if wanted:
                taken += [(slot[0], signed) for signed in wanted]
                kept = [signed for signed in votes if signed not in wanted]
                if kept:
                    self._votes[slot] = kept
                else:
                    del self._votes[slot]
        return taken


class WaitingCommits:
    """Commits by round and block."""

    def __init__(self) -> None:
        self._commits: dict[tuple[int, bytes], tuple[str, CommitMessage]] = {}

    def __len__(self) -> int:
        return len(self._commits)

    def has(self, message: CommitMessage) -> bool:
        """Whether a commit of this round for this block waits."""
        return _name(message) in self._commits

    def add(self, peer: str, message: CommitMessage) -> None:
        """Keep a commit."""
        self._commits[_name(message)] = peer, message
        if len(self._commits) > COMMITS_MAX:
            del self._commits[next(iter(self._commits))]

    def take_all(self) -> list[tuple[str, CommitMessage]]:
        """Take all out, in the order in which they came."""
        taken = list(self._commits.values())
        self._commits.clear()
        return taken


def _slot(round_number: int, signed: SignedVote) -> _Slot:
    return round_number, bytes(signed.authority), signed.vote.kind


def _name(message: CommitMessage) -> tuple[int, bytes]:
    return int(message.round), bytes(message.commit.target_hash)
