"""The slots of a miner: where its holdings stand, and how gaps are closed.

A removed holding stays in its slot, so that a round which is open can still ask for it, and waits
in a queue. Once its miner has no round, the miner's last holding is moved into the gap.

Bounds of a block: ``CLEANUPS_PER_BLOCK_MAX`` entries of the queue, ``REMOVED_PER_CLEANUP_MAX``
holdings taken out for each, and no further entry after ``REMOVED_PER_BLOCK_MAX`` in all.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from pallets.audit.types import Holding, KeptRows
from pallets.frame import Weight
from primitives.scale import U32, U64
from primitives.types import AccountId
from proofs.podr2.points import RowPoints

if TYPE_CHECKING:
    from pallets.audit.pallet import Audit

__all__ = ["append", "clean", "remove"]

CLEANUPS_PER_BLOCK_MAX = 64
"""Entries of the queue of removed holdings that one block looks at."""

REMOVED_PER_CLEANUP_MAX = 8
"""Removed holdings at the end of a miner's slots that one cleanup takes out with its own."""

REMOVED_PER_BLOCK_MAX = 128
"""Removed holdings that one block takes out before it leaves further entries to the next."""


def append(audit: "Audit", miner: AccountId, holding: Holding, points: RowPoints) -> U32:
    """Put a holding into the next slot of ``miner``; return the slot."""
    slot = audit.holding_count.get(miner)
    audit.holdings[miner, slot] = holding
    audit.commitments[miner, slot] = KeptRows(since=holding.since, removed=None, points=points)
    audit.holding_count[miner] = U32(slot + 1)
    return slot


def remove(audit: "Audit", miner: AccountId, slot: U32) -> None:
    """Mark the holding in ``slot`` as removed and queue it for being taken out."""
    holding = audit.holdings[miner, slot]
    assert holding.removed is None, "because FileBank closes each holding once"
    now = audit.now()
    audit.holdings[miner, slot] = replace(holding, removed=now)
    audit.commitments[miner, slot] = replace(audit.commitments[miner, slot], removed=now)
    _enqueue(audit, miner, slot)


def clean(audit: "Audit") -> Weight:
    """Take out removed holdings of miners without a round; the others wait for another turn."""
    head, tail = audit.removed_head.get(), audit.removed_tail.get()
    end = min(tail, head + CLEANUPS_PER_BLOCK_MAX)
    taken, index = 0, head
    while index < end and taken < REMOVED_PER_BLOCK_MAX:
        entry = audit.removed_queue.take(index)
        index = U64(index + 1)
        assert entry is not None, "because the queue is dense between head and tail"
        miner, slot = entry
        count, is_done = _take_out(audit, miner, slot)
        taken += count
        if not is_done:
            _enqueue(audit, miner, slot)
    if index > head:
        audit.removed_head.put(index)
    looked = int(index) - int(head)
    return Weight(reads=2 + 4 * looked + 2 * taken, writes=2 + 6 * looked + 2 * taken)


def _enqueue(audit: "Audit", miner: AccountId, slot: U32) -> None:
    tail = audit.removed_tail.get()
    audit.removed_queue[tail] = (miner, slot)
    audit.removed_tail.put(U64(tail + 1))


def _take_out(audit: "Audit", miner: AccountId, slot: U32) -> tuple[int, bool]:
    """Close the gap at ``slot`` with the miner's last holding; how many were taken out, and whether
    the entry is done with.

    Removed holdings at the end go first; their own entries find nothing to do later. A removed
    holding never moves, so an entry always means the slot that it names.
    """
    holding = audit.holdings.get(miner, slot)
    if holding is None or holding.removed is None:
        return 0, True
    if audit.is_challenged(miner):
        return 0, False
    for count in range(1, REMOVED_PER_CLEANUP_MAX + 1):
        last = U32(audit.holding_count.get(miner) - 1)
        moved = audit.holdings[miner, last]
        rows = audit.commitments[miner, last]
        del audit.holdings[miner, last]
        del audit.commitments[miner, last]
        _set_count(audit, miner, last)
        if last == slot:
            return count, True
        if moved.removed is None:
            audit.holdings[miner, slot] = moved
            audit.commitments[miner, slot] = rows
            audit.config.files.holding_moved(
                moved.file_hash,
                int(moved.segment_index),
                int(moved.fragment_index),
                int(slot),
            )
            return count, True
    return REMOVED_PER_CLEANUP_MAX, False


def _set_count(audit: "Audit", miner: AccountId, count: U32) -> None:
    if count > 0:
        audit.holding_count[miner] = count
    else:
        del audit.holding_count[miner]
