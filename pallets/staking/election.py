"""The election of R²S: who validates, by merit, stake and chance. Pure.

Every candidate gets three scores from 0 to 1000 on one scale: its *credit*, its *stake* relative to
the best backed candidate, and a *draw*. They count 50 to 30 to 20. The highest win the seats.

The draw is BLAKE2b-256 of the election's randomness and the account. Equal totals are decided by
the whole draw, never by the account itself, so a chosen account wins no ties.

*What choosing accounts brings.* Nothing, if every candidate was known before the randomness was;
whoever calls ``elect`` sees to that. An owner of several bonds has a draw for each, and for each a
seat: that is the share that it pays for.

Cost: proportional to candidates and votes; both are bounded by the caller.

Source: CESS ``VrfSolver``, whose stake score reaches 100 only, so that its weights are 500, 30 and
200 instead of 50, 30 and 20.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from primitives.hashing import blake2_256
from primitives.types import AccountId

__all__ = [
    "CREDIT_WEIGHT",
    "RANDOM_WEIGHT",
    "SCORE_MAX",
    "STAKE_WEIGHT",
    "TOTAL_MAX",
    "Candidate",
    "Scored",
    "Support",
    "Vote",
    "assign",
    "back",
    "elect",
    "random_score",
    "stake_score",
    "total_score",
]

SCORE_MAX: Final = 1000
"""Every score lies between 0 and this."""

CREDIT_WEIGHT: Final = 50
STAKE_WEIGHT: Final = 30
RANDOM_WEIGHT: Final = 20
TOTAL_MAX: Final = SCORE_MAX * (CREDIT_WEIGHT + STAKE_WEIGHT + RANDOM_WEIGHT)

DRAW_TAG: Final = b"cess/election-draw/v1"


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who stands for election: ``own`` is its own stake in planck, ``credit`` is 0 to 1000."""

    who: AccountId
    own: int
    credit: int


@dataclass(frozen=True, slots=True)
class Vote:
    """What a nominator has at stake, and for whom; ``targets`` has nobody twice."""

    who: AccountId
    stake: int
    targets: tuple[AccountId, ...]


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate with its scores; ``total`` is their weighted sum, 0 to ``TOTAL_MAX``."""

    who: AccountId
    backed: int
    credit: int
    stake: int
    random: int
    total: int


@dataclass(frozen=True, slots=True)
class Support:
    """What stands behind a winner; ``others`` in the order of the votes."""

    who: AccountId
    own: int
    others: tuple[tuple[AccountId, int], ...]

    @property
    def total(self) -> int:
        """All of it."""
        return self.own + sum(value for _, value in self.others)


def back(candidates: Sequence[Candidate], votes: Sequence[Vote]) -> dict[AccountId, int]:
    """The stake behind each candidate: its own, and an equal part of each vote for it.

    A vote is split among those of its targets that stand; what does not divide stays out.
    """
    backed = {candidate.who: candidate.own for candidate in candidates}
    for vote in votes:
        standing = [target for target in vote.targets if target in backed]
        for target in standing:
            backed[target] += vote.stake // len(standing)
    return backed


def stake_score(backed: int, largest: int) -> int:
    """0 to 1000, relative to the best backed candidate."""
    return SCORE_MAX * min(backed, largest) // largest if largest > 0 else 0


def random_score(draw: bytes) -> int:
    """0 to 1000, each equally likely, from the first eight bytes of a draw."""
    return int.from_bytes(draw[:8], "big") * (SCORE_MAX + 1) >> 64


def total_score(credit: int, stake: int, random: int) -> int:
    """The three scores by their weights."""
    return CREDIT_WEIGHT * credit + STAKE_WEIGHT * stake + RANDOM_WEIGHT * random


def draw_of(randomness: bytes, who: AccountId) -> bytes:
    """What chance says of ``who`` in the election of this randomness."""
    return blake2_256(DRAW_TAG + randomness + who)


def elect(
    candidates: Sequence[Candidate],
    backed: Mapping[AccountId, int],
    *,
    seats: int,
    randomness: bytes,
) -> tuple[Scored, ...]:
    """The winners, best first: ``seats`` of them, or all candidates where they are fewer."""
    largest = max((backed[candidate.who] for candidate in candidates), default=0)
    ranked = []
    for candidate in candidates:
        who, behind = candidate.who, backed[candidate.who]
        draw = draw_of(randomness, who)
        credit = min(candidate.credit, SCORE_MAX)
        stake, random = stake_score(behind, largest), random_score(draw)
        total = total_score(credit, stake, random)
        ranked.append((-total, draw, who, Scored(who, behind, credit, stake, random, total)))
    ranked.sort(key=lambda entry: entry[:3])
    return tuple(entry[3] for entry in ranked[:seats])


def assign(
    winners: Sequence[AccountId], candidates: Sequence[Candidate], votes: Sequence[Vote]
) -> tuple[Support, ...]:
    """What stands behind each winner, in their order.

    All of a vote's stake is split equally among the winners that it names; those that it names
    first get one planck more where it does not divide.
    """
    own = {candidate.who: candidate.own for candidate in candidates}
    others: dict[AccountId, list[tuple[AccountId, int]]] = {who: [] for who in winners}
    for vote in votes:
        elected = [target for target in vote.targets if target in others]
        if not elected:
            continue
        each, rest = divmod(vote.stake, len(elected))
        for at, target in enumerate(elected):
            value = each + (1 if at < rest else 0)
            if value > 0:
                others[target].append((vote.who, value))
    return tuple(Support(who, own[who], tuple(others[who])) for who in winners)
