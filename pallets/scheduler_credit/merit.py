"""From work to credit: the arithmetic. Pure integers, 0 to 1000.

The credit value of a period is the part of its duties that a validator served, where nine in ten
are as good as all: blocks are lost to forks, and machines restart. An offence makes the period
worth nothing. A period in which a validator had no duty is worth ``NEUTRAL``.

The credit is the sum of the values of the last five periods, weighted 50, 20, 15, 10 and 5 of 100,
the latest first.

Why ``NEUTRAL`` is 800: who was not elected could not serve. A newcomer stands 200 below a validator
without fault, which is 100 of the 1000 points of an election, half of what chance gives. So
faultless validators are ahead, newcomers come in, and who serves less than 72 % of its duties
(900 * 0.8) is behind somebody unknown.
"""

from collections.abc import Sequence
from typing import Final

from pallets.scheduler_credit.types import SchedulerCounterEntry

__all__ = ["CREDIT_MAX", "NEUTRAL", "PERIOD_WEIGHTS", "credit_of", "period_value"]

CREDIT_MAX: Final = 1000
NEUTRAL: Final = 800
FULL_SERVICE_PERMILLE: Final = 900

PERIOD_WEIGHTS: Final = (50, 20, 15, 10, 5)
"""Weights of the last periods, the latest first; together 100."""


def period_value(work: SchedulerCounterEntry) -> int:
    """What a period is worth to a validator."""
    if work.punishment_count > 0:
        return 0
    if work.duties == 0:
        return NEUTRAL
    # 1000 * served / (duties * 900 / 1000), rounded down.
    reached = CREDIT_MAX * 1000 * int(work.served) // (int(work.duties) * FULL_SERVICE_PERMILLE)
    return min(CREDIT_MAX, reached)


def credit_of(values: Sequence[int | None]) -> int:
    """The credit from the values of the last five periods, the latest first; None: no duty."""
    assert len(values) == len(PERIOD_WEIGHTS), "because each period has a weight"
    weighted = [
        weight * (NEUTRAL if value is None else value)
        for weight, value in zip(PERIOD_WEIGHTS, values, strict=True)
    ]
    return sum(weighted) // 100
