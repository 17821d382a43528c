"""Deals past their deadline: their missing holders are drawn again, or the deal is dropped.

Bounds of a block: ``OVERDUE_PER_BLOCK_MAX`` deals and ``CURSOR_STEPS_MAX`` blocks of the queue. A
cursor remembers where the next block goes on.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from pallets.file_bank import placing, removal
from pallets.file_bank.types import DealInfo
from pallets.frame import Weight
from primitives.scale import U8
from primitives.types import BlockNumber, FileHash

if TYPE_CHECKING:
    from pallets.file_bank.pallet import FileBank

__all__ = ["handle_overdue"]

OVERDUE_PER_BLOCK_MAX = 32
"""Deals past their deadline that one block handles."""

CURSOR_STEPS_MAX = 256
"""Blocks of the deadline queue that one block may pass."""


def handle_overdue(bank: "FileBank", n: BlockNumber) -> Weight:
    """Draw the missing holders of overdue deals again, or drop what was drawn often enough."""
    block = first = bank.deal_cursor.get()
    handled = steps = 0
    while block < n and handled < OVERDUE_PER_BLOCK_MAX and steps < CURSOR_STEPS_MAX:
        wanted = OVERDUE_PER_BLOCK_MAX - handled
        overdue = bank.deal_schedule.prefix_keys(block, limit=wanted)
        for file_hash in overdue:
            _try_again(bank, file_hash, bank.deal_map[file_hash])
        handled += len(overdue)
        steps += 1
        if len(overdue) < wanted:
            block = BlockNumber(block + 1)
    if block != first:
        bank.deal_cursor.put(block)
    return Weight(reads=1 + steps + 4 * handled, writes=1 + 6 * handled)


def _try_again(bank: "FileBank", file_hash: FileHash, deal: DealInfo) -> None:
    attempt = U8(deal.attempt + 1)
    if attempt >= bank.config.deal_attempts_max:
        removal.drop(bank, file_hash, deal, is_overdue=True)
        return
    del bank.deal_schedule[deal.deadline, file_hash]
    deadline = placing.deadline_of(bank, deal.segment_count)
    bank.deal_map[file_hash] = replace(deal, attempt=attempt, deadline=deadline)
    placing.schedule(bank, file_hash, deadline)
