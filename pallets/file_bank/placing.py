"""Placing a deal: the draw of its holders and the lists of what they have to fetch.

A draw is a task in a queue. It names the deadline that it was made for, and each draw of a deal and
each deal of a hash has another deadline, so that a task which is overtaken does nothing.

Bounds of a block: ``SEGMENTS_PER_BLOCK_MAX`` segments or ``LOOKS_PER_BLOCK_MAX`` looked-at miners.
What is left is done by the next block.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pallets.file_bank.draws import shuffled_indexes
from pallets.file_bank.types import (
    ASSIGNED_MORE_MAX,
    FRAGMENT_COUNT,
    AssignedFragment,
    AssignedFragments,
    DealFragment,
    DealFragments,
    DealInfo,
    DealSegment,
    PlaceTask,
)
from pallets.frame import Weight
from primitives.scale import U8, U32, U64
from primitives.types import AccountId, BlockNumber, FileHash, FragmentHash

if TYPE_CHECKING:
    from pallets.file_bank.pallet import FileBank

__all__ = [
    "MISS_READS",
    "MISS_WRITES",
    "charge_late",
    "deadline_of",
    "place_some",
    "put_pending",
    "released",
    "schedule",
    "unassign",
]

SEGMENTS_PER_DEADLINE = 8
"""A deal has its deadline once for each begun group of this many segments."""

DRAW_CANDIDATES_MAX = 256
"""Miners that are looked at for the holders of one segment."""

SEGMENTS_PER_BLOCK_MAX = 16
"""Segments whose holders one block draws; a task that is overtaken counts as one."""

SERVED_MIN = FRAGMENT_COUNT // 2
"""Reported fragments of a segment from which on its late holders are charged: the owner cannot
have kept the data from all of them."""

MISS_READS, MISS_WRITES = 4, 5
"""Keys that charging a late holder touches: its record, its collateral, the treasury."""

LOOKS_PER_BLOCK_MAX = 1024
"""Miners that one block looks at before it leaves further segments to the next."""


# Queueing.


def deadline_of(bank: "FileBank", segments: U32) -> BlockNumber:
    """The last block for reports on a deal of ``segments`` segments whose draw begins now."""
    groups = -(-int(segments) // SEGMENTS_PER_DEADLINE)
    return BlockNumber(bank.now() + int(bank.config.deal_deadline_blocks) * groups)


def schedule(bank: "FileBank", file_hash: FileHash, deadline: BlockNumber) -> None:
    """Queue a draw of the deal's missing holders, and the look at what they did by ``deadline``."""
    bank.deal_schedule[deadline, file_hash] = True
    tail = bank.place_tail.get()
    bank.place_queue[tail] = PlaceTask(file_hash=file_hash, deadline=deadline, next_segment=U32(0))
    bank.place_tail.put(U64(tail + 1))


# Drawing.


def place_some(bank: "FileBank") -> Weight:
    """Draw holders for the oldest tasks. All were queued by earlier blocks or by this hook."""
    first = head = bank.place_head.get()
    steps = looks = late = 0
    while steps < SEGMENTS_PER_BLOCK_MAX and looks < LOOKS_PER_BLOCK_MAX:
        task = bank.place_queue.get(head)
        if task is None:
            break
        steps += 1
        deal = bank.deal_map.get(task.file_hash)
        if deal is not None and deal.deadline == task.deadline:
            looked, charged = _place_segment(bank, task.file_hash, deal, task.next_segment)
            looks, late = looks + looked, late + charged
            task = replace(task, next_segment=U32(task.next_segment + 1))
            if task.next_segment < deal.segment_count:
                bank.place_queue[head] = task
                continue
            bank.deposit_event(bank.HoldersDrawn(deal_hash=task.file_hash, deadline=deal.deadline))
        del bank.place_queue[head]
        head = U64(head + 1)
    if head != first:
        bank.place_head.put(head)
    return Weight(
        reads=2 + 2 * looks + (2 + 3 * FRAGMENT_COUNT) * steps + MISS_READS * late,
        writes=1 + (2 + 4 * FRAGMENT_COUNT) * steps + MISS_WRITES * late,
    )


def _place_segment(
    bank: "FileBank", file_hash: FileHash, deal: DealInfo, index: U32
) -> tuple[int, int]:
    """Replace the holders of a segment that have not reported; return how many miners were looked
    at and how many were charged.

    Every holder is another miner. A miner that was late for this segment is taken only when
    nobody else is left. What finds no holder waits for the next draw.
    """
    segment = bank.deal_segments.get(file_hash, index)
    if segment is None:
        return 0, 0
    charged = charge_late(bank, segment.fragments)
    fragments = [
        released(bank, file_hash, index, position, fragment)
        for position, fragment in enumerate(segment.fragments)
    ]
    taken = {fragment.miner for fragment in fragments if fragment.miner is not None}
    late = {fragment.late for fragment in fragments if fragment.late is not None}
    missing = [position for position, fragment in enumerate(fragments) if not fragment.reported]
    size = int(bank.config.fragment_bytes)
    second_choice: list[AccountId] = []
    looks = 0
    for candidate in _shuffled_miners(bank, file_hash, deal, index):
        if not missing:
            break
        looks += 1
        if candidate in taken or not bank.config.miners.can_hold(candidate, size):
            continue
        if candidate in late:
            second_choice.append(candidate)
        else:
            _try_assign(bank, candidate, file_hash, deal, index, fragments, missing)
    for candidate in second_choice:
        if missing:
            _try_assign(bank, candidate, file_hash, deal, index, fragments, missing)
    put_pending(bank, file_hash, index, segment, fragments)
    return looks, charged


def _shuffled_miners(
    bank: "FileBank", file_hash: FileHash, deal: DealInfo, index: U32
) -> Iterator[AccountId]:
    """Different miners in random order, ``DRAW_CANDIDATES_MAX`` at most."""
    miners = bank.config.miners
    seed = bank.config.randomness.random(
        b"cess/deal-draw/v1"
        + file_hash
        + index.to_bytes(4, "little")
        + deal.attempt.to_bytes(1, "little")
    )
    for position in shuffled_indexes(seed, miners.count(), DRAW_CANDIDATES_MAX):
        yield miners.miner_at(position)


def _try_assign(
    bank: "FileBank",
    who: AccountId,
    file_hash: FileHash,
    deal: DealInfo,
    index: U32,
    fragments: list[DealFragment],
    missing: list[int],
) -> None:
    """Make ``who`` the holder of the first missing fragment, unless its list is full."""
    position = missing[0]
    fragment = fragments[position]
    work = AssignedFragment(
        file_hash=file_hash,
        segment_index=index,
        fragment_index=U8(position),
        deadline=deal.deadline,
    )
    if (who, fragment.hash) not in bank.assigned:
        bank.assigned[who, fragment.hash] = work
    else:
        more = bank.assigned_more.get(who, fragment.hash) or AssignedFragments()
        if len(more) >= ASSIGNED_MORE_MAX:
            return
        bank.assigned_more[who, fragment.hash] = AssignedFragments((*more, work))
    bank.config.miners.lock_space(who, bank.fragment_space())
    fragments[position] = replace(fragment, miner=who)
    missing.pop(0)


# Lists of work.


def charge_late(bank: "FileBank", fragments: Sequence[DealFragment]) -> int:
    """Charge the holders of a segment that missed its deadline, if its owner served half of them;
    return how many."""
    if sum(fragment.reported for fragment in fragments) < SERVED_MIN:
        return 0
    late = [item.miner for item in fragments if item.miner is not None and not item.reported]
    for who in late:
        bank.config.miners.missed_report(who, int(bank.config.deal_deadline_blocks))
    return len(late)


def released(
    bank: "FileBank", file_hash: FileHash, index: U32, position: int, fragment: DealFragment
) -> DealFragment:
    """The fragment without a holder that has not reported."""
    if fragment.reported or fragment.miner is None:
        return fragment
    unassign(bank, fragment.miner, fragment.hash, file_hash, index, position)
    bank.config.miners.unlock_space(fragment.miner, bank.fragment_space())
    return replace(fragment, miner=None, late=fragment.miner)


def unassign(
    bank: "FileBank",
    who: AccountId,
    fragment_hash: FragmentHash,
    file_hash: FileHash,
    index: U32,
    position: int,
) -> None:
    """Take one place from a miner's list; the next place of the same hash moves up."""

    def is_meant(work: AssignedFragment) -> bool:
        place = (work.file_hash, int(work.segment_index), int(work.fragment_index))
        return place == (file_hash, int(index), position)

    more = list(bank.assigned_more.get(who, fragment_hash) or ())
    if is_meant(bank.assigned[who, fragment_hash]):
        if not more:
            del bank.assigned[who, fragment_hash]
            return
        bank.assigned[who, fragment_hash] = more.pop(0)
    else:
        more = [work for work in more if not is_meant(work)]
    if more:
        bank.assigned_more[who, fragment_hash] = AssignedFragments(more)
    else:
        del bank.assigned_more[who, fragment_hash]


def put_pending(
    bank: "FileBank",
    file_hash: FileHash,
    index: U32,
    segment: DealSegment,
    fragments: Sequence[DealFragment],
) -> None:
    """Store a segment of a deal with changed fragments."""
    bank.deal_segments[file_hash, index] = replace(segment, fragments=DealFragments(fragments))
