"""What validators and nominators earn. Pure integers, each share rounded down.

The payout of an era is shared by points. A validator first takes its commission, the rest belongs
to all who stand behind it in proportion to their stake, itself included. Rewards are worked out
page by page of nominators, and each page brings the validator its part of the commission, so that
the order of claims does not matter.

Guarantee: the shares of all pages of all validators never exceed the payout, and fall short of it
by less than two planck for each share and page.
"""

from collections.abc import Sequence
from typing import Final

from pallets.staking.types import BILLION
from primitives.types import AccountId

__all__ = ["era_payout", "page_rewards", "validator_payout"]

DECAY_NUMERATOR: Final = 841
DECAY_DENOMINATOR: Final = 1000
DECAY_YEARS_MAX: Final = 30


def era_payout(
    year_one: int, eras_per_year: int, era: int, *, sessions: int, sessions_per_era: int
) -> int:
    """What validators earn in ``era``, in planck.

    It decays by 0.841 each year of eras and is constant after 30. An era that was forced to end
    after fewer ``sessions`` brings less; one that took longer brings no more.
    """
    year = min(era // eras_per_year, DECAY_YEARS_MAX)
    yearly: int = year_one * DECAY_NUMERATOR**year // DECAY_DENOMINATOR**year
    done = min(sessions, sessions_per_era)
    return yearly * done // (eras_per_year * sessions_per_era)


def validator_payout(payout: int, points: int, total_points: int) -> int:
    """The part of an era's payout that one validator and its nominators share."""
    return payout * points // total_points if total_points > 0 else 0


def page_rewards(
    amount: int,
    *,
    commission: int,
    total: int,
    own: int,
    others: Sequence[tuple[AccountId, int]],
    is_first: bool,
) -> tuple[int, list[tuple[AccountId, int]]]:
    """What one page brings: to the validator, and to each of the page's nominators.

    ``amount`` is what the validator and all its nominators share, ``total`` the stake behind it,
    ``commission`` a fraction of 10^9. The first page pays the validator's own stake as well.
    """
    if total <= 0:
        return 0, []
    taken = amount * commission // BILLION
    shared = amount - taken
    staked = sum(value for _, value in others) + (own if is_first else 0)
    first = shared * own // total if is_first else 0
    validator = taken * staked // total + first
    return validator, [(who, shared * value // total) for who, value in others]
