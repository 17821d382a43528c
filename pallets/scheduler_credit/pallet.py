"""SchedulerCredit: what validators' work has been worth, for the next election.

CESS counts what trusted machines process. There are none here, and what miners prove is no merit of
the validator that happens to include it: a validator with miners of its own would keep their proofs
for its own slots. What a validator alone can do is to be there. BABE gives every slot to one
authority, by the randomness of the epoch; this pallet counts for each validator the slots that were
given to it, its *duties*, and in how many of them it made a block.

- A slot that somebody else won and filled is nobody's duty: its owner may have lost to the winner.
- Slots without a block count against their owners, if they lie in the epoch of the next block and
  are at most ``MISSED_SLOTS_MAX``: a longer gap is an outage of the network, not of its owner.

Nobody can give itself duties or make blocks for slots that it does not have, so there is nothing to
farm. What others can do is to make a block fork off: a block of a slot that was won outweighs the
one that was given before it, so who wins the next slot can drop one's block, and its owner seems to
have missed it. A third of all validators together win 9.1 % of the slots; ``merit`` forgives one
in ten.

With the last block of a period of ``period_duration`` blocks the counters become credit values;
what is reported in that block counts for the next period. Values of the last five periods are kept.

Bounds: ``ENTRIES_MAX`` counters become values in one block; the rest follows with the next period.
Ports needed: ``slots`` (Babe). Provided: ``Credits`` of Staking.
"""

from dataclasses import replace
from typing import Annotated, Final, Protocol

from pallets.frame import (
    Blake2_128Concat,
    Doc,
    Pallet,
    PalletConfig,
    StorageDoubleMap,
    StorageMap,
    Twox64Concat,
    Weight,
)
from pallets.scheduler_credit.merit import PERIOD_WEIGHTS, credit_of, period_value
from pallets.scheduler_credit.types import NO_WORK, SchedulerCounterEntry
from primitives.scale import U32
from primitives.types import AccountId, BlockNumber

__all__ = ["MISSED_SLOTS_MAX", "SchedulerCredit", "Slots"]

MISSED_SLOTS_MAX: Final = 64
"""Empty slots before a block that count against their owners."""

ENTRIES_MAX: Final = 2_000
"""Counters that one block turns into values: two full sets of validators."""

PERIODS_KEPT: Final = len(PERIOD_WEIGHTS)


class Slots(Protocol):
    """Babe: whose slots there were since the parent block."""

    def author(self) -> AccountId | None:
        """Who made this block; None in genesis."""
        ...

    def owners_since_parent(self, limit: int) -> tuple[AccountId, ...]:
        """Whom the slots after the parent's were given to, up to that of this block.

        Only those of this epoch; this block's alone if there are more than ``limit`` before it.
        Empty in genesis.
        """
        ...


class SchedulerCredit(Pallet):
    """Credits of validators."""

    class Config(PalletConfig):
        """The length of a period, and the slots."""

        period_duration: Annotated[BlockNumber, Doc("Blocks of a period.")]
        slots: Slots

    config: Config

    # Accounts are chosen by users; periods cannot be crafted.
    current_counters = StorageMap(
        AccountId,
        SchedulerCounterEntry,
        hasher=Blake2_128Concat,
        default=NO_WORK,
        doc="Work of each validator in this period.",
    )
    history_credit_values = StorageDoubleMap(
        U32,
        AccountId,
        U32,
        hashers=(Twox64Concat, Blake2_128Concat),
        doc="Credit values by period: 0 to 1000.",
    )

    def integrity_test(self) -> None:
        """A period ends."""
        assert self.config.period_duration > 0, "because block numbers are divided by it"

    def on_initialize(self, n: BlockNumber) -> Weight:
        """Count this block's duties; the last block of a period closes it.

        An election of the next block comes before this hook, and must find the period closed.
        """
        author = self.config.slots.author()
        owners = self.config.slots.owners_since_parent(MISSED_SLOTS_MAX)
        for owner in owners[:-1]:
            self._count(owner, is_served=False)
        if owners and owners[-1] == author:
            self._count(author, is_served=True)
        used = Weight(reads=3 + len(owners), writes=len(owners))
        if (n + 1) % self.config.period_duration == 0:
            used = used + self._close_period(U32(n // self.config.period_duration))
        return used

    # Port of Staking.

    def credit(self, who: AccountId) -> U32:
        """The credit of ``who``, 0 to 1000."""
        period = self.period()
        values: list[int | None] = []
        for back in range(1, PERIODS_KEPT + 1):
            value = None
            if back <= period:
                value = self.history_credit_values.get(U32(period - back), who)
            values.append(None if value is None else int(value))
        return U32(credit_of(values))

    def record_punishment(self, who: AccountId) -> None:
        """An offence of ``who`` was reported."""
        work = self.current_counters.get(who)
        count = work.punishment_count.saturating_add(1)
        self.current_counters[who] = replace(work, punishment_count=count)

    # Views.

    def period(self) -> int:
        """Index of the period that goes on."""
        return int(self.now()) // int(self.config.period_duration)

    # Private.

    def _count(self, who: AccountId, *, is_served: bool) -> None:
        work = self.current_counters.get(who)
        self.current_counters[who] = replace(
            work,
            duties=work.duties.saturating_add(1),
            served=work.served.saturating_add(1 if is_served else 0),
        )

    def _close_period(self, ended: U32) -> Weight:
        entries = self.current_counters.items(limit=ENTRIES_MAX)
        for who, work in entries:
            self.history_credit_values[ended, who] = U32(period_value(work))
            del self.current_counters[who]
        dropped = 0
        if ended >= PERIODS_KEPT:
            oldest = U32(ended - PERIODS_KEPT)
            dropped = self.history_credit_values.clear_prefix(oldest, limit=ENTRIES_MAX)
        return Weight(reads=len(entries) + dropped + 2, writes=2 * len(entries) + dropped)
