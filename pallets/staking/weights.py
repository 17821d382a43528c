"""What the calls and steps of Staking cost, and the limits that keep them below a block.

``ref_time`` is in picoseconds; reads and writes are counted. Steps that follow from state (a page
of nominators, an election) are charged for what they touch.
"""

from typing import Final

from pallets.frame import Weight
from pallets.staking.types import EXPOSURE_PAGE_MAX
from primitives.extrinsic import MultiAddress

__all__ = [
    "APPLIED_PAGES_PER_BLOCK_MAX",
    "BLOCK",
    "KILLED",
    "NOMINATORS_LIMIT",
    "PAYOUT",
    "PRUNED_PER_BLOCK_MAX",
    "VALIDATORS_LIMIT",
    "election",
    "kicking",
    "nominating",
    "page",
    "slash_page",
]

VALIDATORS_LIMIT: Final = 1_000
"""Candidates at most: as many as a session may have validators."""

NOMINATORS_LIMIT: Final = 2_000
"""Nominators at most: an election reads all of them in one block."""

PRUNED_PER_BLOCK_MAX: Final = 128
"""Entries of forgotten eras that a block removes."""

APPLIED_PAGES_PER_BLOCK_MAX: Final = 2
"""Pages of nominators that a block slashes."""

CANDIDATE_REF_TIME: Final = 20_000_000
VOTE_REF_TIME: Final = 20_000_000
WINNER_REF_TIME: Final = 20_000_000
"""Picoseconds for each beside its reads and writes: decoding, scoring, splitting.

Measured, all in one, with 990 candidates, 2,000 nominators of 16 each and 100 seats: 94 ms, which
these figures and those of reads and writes declare as a second.
"""

BLOCK: Final = Weight(reads=8, writes=2)
"""What every block does: the author's points, and a look at what is to be done."""

KILLED: Final = Weight(reads=6, writes=10)
"""Removing a stash."""


def election(candidates: int, votes: int, winners: int, pages: int) -> Weight:
    """An election, and storing what stands behind its winners."""
    ref_time = candidates * CANDIDATE_REF_TIME + votes * VOTE_REF_TIME + winners * WINNER_REF_TIME
    reads = 5 * candidates + 2 * votes + 10
    return Weight(ref_time) + Weight(reads=reads, writes=2 * winners + pages + 8)


def page(stakers: int) -> Weight:
    """Paying the rewards of one page to ``stakers``."""
    return Weight(reads=10 + 5 * stakers, writes=4 + 4 * stakers)


PAYOUT: Final = page(EXPOSURE_PAGE_MAX + 1)


def slash_page(stakers: int) -> Weight:
    """Slashing ``stakers`` of one page."""
    return Weight(reads=10 + 4 * stakers, writes=6 + 4 * stakers)


def nominating(targets: tuple[MultiAddress, ...]) -> Weight:
    """A nomination of ``targets``."""
    return Weight(reads=6 + len(targets), writes=3)


def kicking(who: tuple[MultiAddress, ...]) -> Weight:
    """Turning nominators away."""
    return Weight(reads=1 + len(who), writes=len(who))
