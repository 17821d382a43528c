"""What a miner pays for promised fragments that it did not report in time.

Space that is certified and dead must not stall deals for nothing. But the chain does not see why a
report is missing, so the price is small: the first miss of a day costs nothing, because machines
restart, and one outage is charged once for each ``window``, however many deals it makes late.
FileBank charges only where the owner evidently served others (docs/specs/territory.md).
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pallets.sminer.types import MissedReports
from primitives.scale import U32
from primitives.types import AccountId

if TYPE_CHECKING:
    from pallets.sminer.pallet import Sminer

__all__ = ["MISSED_REPORT_PERMILLE", "charge"]

MISSED_REPORT_PERMILLE: Final = (0, 1, 2)
"""Thousandths of the collateral limit for the first, the second and each further miss of a day."""


def charge(sminer: "Sminer", who: AccountId, window: int) -> None:
    """Count a miss of ``who`` and fine it, unless one was counted within ``window`` blocks.

    Never raises.
    """
    now = sminer.now()
    missed = sminer.missed_reports.get(who)
    if missed is not None and now < missed.last + window:
        return
    if missed is None or now >= missed.since + sminer.config.one_day_block:
        missed = MissedReports(since=now, last=now, count=U32(0))
    missed = replace(missed, last=now, count=U32(missed.count + 1))
    sminer.missed_reports[who] = missed
    index = min(int(missed.count), len(MISSED_REPORT_PERMILLE)) - 1
    sminer.punish(who, MISSED_REPORT_PERMILLE[index])
