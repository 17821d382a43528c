"""Taking files and deals down: owners that leave, deals that fail, leases that end.

Bounds of a block: ``SEGMENTS_PER_BLOCK_MAX`` segments are released, ``FILES_PER_BLOCK_MAX`` files
of an expired territory are given up. The queues keep the rest for the next block.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from pallets.file_bank import placing
from pallets.file_bank.types import (
    FRAGMENT_COUNT,
    DealInfo,
    Owners,
    RemovalTask,
    TerrName,
    order_id,
    place_number,
)
from pallets.frame import Weight
from primitives.scale import U32, U64
from primitives.types import AccountId, FileHash

if TYPE_CHECKING:
    from pallets.file_bank.pallet import FileBank

__all__ = ["clear_some", "drop", "end_holding", "give_up", "remove_some"]

SEGMENTS_PER_BLOCK_MAX = 16
"""Segments that one block takes down."""

FILES_PER_BLOCK_MAX = 32
"""Files of expired territories that one block removes."""


def drop(
    bank: "FileBank", file_hash: FileHash, deal: DealInfo, *, is_overdue: bool = False
) -> None:
    """End a deal; its segments are taken down by later blocks."""
    brief = deal.user
    bank.config.territories.unlock_user_space(
        brief.user, brief.territory_name, bank.space_of(deal.segment_count)
    )
    del bank.deal_schedule[deal.deadline, file_hash]
    del bank.deal_map[file_hash]
    _enqueue(bank, file_hash, deal.segment_count, is_overdue=is_overdue)
    bank.deposit_event(bank.DealDropped(owner=brief.user, deal_hash=file_hash))


def give_up(bank: "FileBank", owner: AccountId, file_hash: FileHash) -> None:
    """Take an owner from a file; with the last one the file goes."""
    info = bank.file[file_hash]
    position = next((index for index, brief in enumerate(info.owner) if brief.user == owner), None)
    if position is None:
        raise bank.NotOwner
    brief = info.owner[position]
    bank.config.territories.sub_used_space(
        owner, brief.territory_name, bank.space_of(info.segment_count)
    )
    del bank.user_hold_file_list[owner, file_hash]
    del bank.territory_files[(owner, brief.territory_name), file_hash]
    owners = [*info.owner[:position], *info.owner[position + 1 :]]
    if owners:
        bank.file[file_hash] = replace(info, owner=Owners(owners))
    else:
        del bank.file[file_hash]
        _enqueue(bank, file_hash, info.segment_count, is_overdue=False)


def _enqueue(bank: "FileBank", file_hash: FileHash, segments: U32, *, is_overdue: bool) -> None:
    tail = bank.removal_tail.get()
    bank.removal_queue[tail] = RemovalTask(
        file_hash=file_hash,
        segment_count=segments,
        next_segment=U32(0),
        is_overdue=is_overdue,
    )
    bank.removal_tail.put(U64(tail + 1))
    bank.removing[file_hash] = True


def remove_some(bank: "FileBank") -> Weight:
    """Take down segments of the oldest tasks."""
    first = head = bank.removal_head.get()
    steps = late = 0
    while steps < SEGMENTS_PER_BLOCK_MAX:
        task = bank.removal_queue.get(head)
        if task is None:
            break
        steps += 1
        late += _remove_segment(bank, task)
        task = replace(task, next_segment=U32(task.next_segment + 1))
        if task.next_segment < task.segment_count:
            bank.removal_queue[head] = task
            continue
        del bank.removal_queue[head]
        del bank.removing[task.file_hash]
        head = U64(head + 1)
    if head != first:
        bank.removal_head.put(head)
    each = 6 * FRAGMENT_COUNT
    return Weight(
        reads=2 + (4 + each) * steps + placing.MISS_READS * late,
        writes=1 + (6 + each) * steps + placing.MISS_WRITES * late,
    )


def _remove_segment(bank: "FileBank", task: RemovalTask) -> int:
    """Release the holders of a segment, complete or not; how many were charged for being late."""
    file_hash, index = task.file_hash, task.next_segment
    pending = bank.deal_segments.take(file_hash, index)
    if pending is not None:
        late = placing.charge_late(bank, pending.fragments) if task.is_overdue else 0
        for position, item in enumerate(pending.fragments):
            if item.reported and item.miner is not None:
                end_holding(bank, item.miner, item.slot)
            else:
                placing.released(bank, file_hash, index, position, item)
        return late
    segment = bank.file_segments.take(file_hash, index)
    assert segment is not None, "because a segment is pending or complete until it is removed"
    for position, fragment in enumerate(segment.fragment_list):
        if fragment.avail:
            end_holding(bank, fragment.miner, fragment.slot)
        else:
            del bank.lost_commitments[file_hash, place_number(index, position)]
        del bank.restoral_order[order_id(file_hash, int(index), position)]
    return 0


def end_holding(bank: "FileBank", miner: AccountId, slot: U32) -> None:
    """``miner`` ceases to answer for a fragment, and its space is free of it."""
    bank.config.holdings.close_holding(miner, int(slot))
    bank.config.miners.release_service(miner, bank.fragment_space())


def clear_some(bank: "FileBank") -> Weight:
    """Give up files of the territory that expired first; when none is left it is removed."""
    territory = bank.config.territories.next_to_clear()
    if territory is None:
        return Weight(reads=2)
    owner, name = territory
    limit = FILES_PER_BLOCK_MAX
    files = bank.territory_files.prefix_keys((owner, TerrName(name)), limit=limit)
    for file_hash in files:
        give_up(bank, owner, file_hash)
        bank.deposit_event(bank.DeleteFile(operator=owner, owner=owner, file_hash=file_hash))
    if len(files) < limit:
        bank.config.territories.finish_clearing()
    return Weight(reads=6 + 4 * len(files), writes=5 + 7 * len(files))
