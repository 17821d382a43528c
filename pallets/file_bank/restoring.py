"""Fragments that are lost or whose holder left: orders to restore them, and who may take over.

An order belongs to one place of one file (``types.order_id``). A fragment hash alone would not do:
anybody can declare a file that has it too, lose it, and so occupy the order.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from pallets.file_bank import placing, removal, reporting
from pallets.file_bank.types import (
    FragmentInfo,
    FragmentInfos,
    RestoralOrderInfo,
    order_id,
    place_number,
)
from pallets.frame import ensure
from primitives.scale import U8, U32
from primitives.types import AccountId, BlockNumber, FileHash, FragmentHash, Hash

if TYPE_CHECKING:
    from pallets.file_bank.pallet import FileBank

__all__ = [
    "SELF_REPORT_PERMILLE",
    "claim",
    "claim_unordered",
    "ensure_can_restore",
    "ensure_stranger",
    "find",
    "lapse_permille",
    "move_holding",
    "open_order",
    "take_over",
]

SELF_REPORT_PERMILLE = 2
"""What a miner pays, of its collateral limit, for a loss that it reports unasked."""

LAPSED_CLAIM_PERMILLE = 2
"""What a miner pays for a claimed and unfinished restoral that another takes over: this much for
the first claim of an order and twice as much for each further one."""

LAPSED_CLAIM_PERMILLE_MAX = 64
"""The most that a lapsed claim costs."""


# Losing.


def open_order(
    bank: "FileBank",
    miner: AccountId,
    file_hash: FileHash,
    segment_index: int,
    fragment_index: int,
) -> None:
    """``miner`` does not hold a fragment any more: others may, by an order or by the next draw.

    Nothing happens if it has not held it.
    """
    segment = bank.file_segments.get(file_hash, U32(segment_index))
    if segment is None:
        reporting.unreport(bank, miner, file_hash, segment_index, fragment_index)
        return
    fragment = segment.fragment_list[fragment_index]
    if not fragment.avail or fragment.miner != miner:
        return
    place = place_number(segment_index, fragment_index)
    bank.lost_commitments[file_hash, place] = bank.config.holdings.points_of(
        miner, int(fragment.slot)
    )
    removal.end_holding(bank, miner, fragment.slot)
    _put_fragment(
        bank, file_hash, segment_index, fragment_index, replace(fragment, avail=False, tag=None)
    )
    number = order_id(file_hash, segment_index, fragment_index)
    if number in bank.restoral_order:
        return  # it left before, and somebody restores the fragment already
    bank.restoral_order[number] = RestoralOrderInfo(
        count=U32(0),
        miner=miner,
        origin_miner=miner,
        fragment_hash=fragment.hash,
        file_hash=file_hash,
        segment_index=U32(segment_index),
        fragment_index=U8(fragment_index),
        gen_block=bank.now(),
        deadline=BlockNumber(0),
    )
    bank.deposit_event(bank.GenerateRestoralOrder(miner=miner, fragment_hash=fragment.hash))


def find(
    bank: "FileBank", file_hash: FileHash, fragment_hash: FragmentHash, miner: AccountId
) -> tuple[int, int]:
    """Segment and index of a fragment that ``miner`` answers for and that has no order.

    Looks at each segment of the file or the open deal, at most a thousand.
    """
    is_there = False
    info = bank.file.get(file_hash) or bank.deal_map.get(file_hash)
    if info is None:
        raise bank.FileNonExistent
    for index in range(int(info.segment_count)):
        for position in _answered(bank, file_hash, U32(index), fragment_hash, miner):
            is_there = True
            if order_id(file_hash, index, position) not in bank.restoral_order:
                return index, position
    raise bank.Existed if is_there else bank.NonExistent


def _answered(
    bank: "FileBank", file_hash: FileHash, index: U32, fragment_hash: FragmentHash, miner: AccountId
) -> list[int]:
    """The places of a segment, complete or not, where ``miner`` answers for the fragment."""
    segment = bank.file_segments.get(file_hash, index)
    if segment is not None:
        return [
            position
            for position, held in enumerate(segment.fragment_list)
            if held.avail and (held.hash, held.miner) == (fragment_hash, miner)
        ]
    pending = bank.deal_segments[file_hash, index]
    return [
        position
        for position, drawn in enumerate(pending.fragments)
        if drawn.reported and (drawn.hash, drawn.miner) == (fragment_hash, miner)
    ]


def move_holding(
    bank: "FileBank", file_hash: FileHash, segment_index: int, fragment_index: int, slot: int
) -> None:
    """Note the slot in which the holder of a fragment keeps it now."""
    segment = bank.file_segments.get(file_hash, U32(segment_index))
    if segment is not None:
        moved = replace(segment.fragment_list[fragment_index], slot=U32(slot))
        _put_fragment(bank, file_hash, segment_index, fragment_index, moved)
        return
    pending = bank.deal_segments[file_hash, U32(segment_index)]
    fragments = list(pending.fragments)
    fragments[fragment_index] = replace(fragments[fragment_index], slot=U32(slot))
    placing.put_pending(bank, file_hash, U32(segment_index), pending, fragments)


def _put_fragment(
    bank: "FileBank",
    file_hash: FileHash,
    segment_index: int,
    position: int,
    fragment: FragmentInfo,
) -> None:
    segment = bank.file_segments[file_hash, U32(segment_index)]
    fragments = list(segment.fragment_list)
    fragments[position] = fragment
    bank.file_segments[file_hash, U32(segment_index)] = replace(
        segment, fragment_list=FragmentInfos(fragments)
    )


# Restoring.


def ensure_can_restore(bank: "FileBank", who: AccountId) -> None:
    """``who`` may take new work and has room for a fragment."""
    ensure(bank.config.miners.is_positive(who), bank.MinerStateError)
    ensure(
        bank.config.miners.can_hold(who, int(bank.config.fragment_bytes)),
        bank.MinerPowerInsufficient,
    )


def ensure_stranger(
    bank: "FileBank", who: AccountId, file_hash: FileHash, index: U32, position: U8
) -> None:
    """``who`` holds no other fragment of the segment; its own lost one it may restore."""
    segment = bank.file_segments.get(file_hash, index)
    if segment is None:
        raise bank.NonExistent
    for other, fragment in enumerate(segment.fragment_list):
        if other != position:
            ensure(not (fragment.avail and fragment.miner == who), bank.AlreadyHolder)


def lapse_permille(claims: int) -> int:
    """What the last of ``claims`` claims of an order costs when it lapses.

    It doubles, so that accounts of one party that take turns at an order cannot keep it for long.
    """
    doublings = min(claims - 1, LAPSED_CLAIM_PERMILLE_MAX.bit_length())
    return min(LAPSED_CLAIM_PERMILLE << doublings, LAPSED_CLAIM_PERMILLE_MAX)


def claim(bank: "FileBank", who: AccountId, order: RestoralOrderInfo) -> None:
    """Give an open or lapsed order to ``who``; whoever let it lapse pays."""
    now, life = bank.now(), bank.config.restoral_order_life
    ensure(now > order.deadline, bank.Locked)
    is_lapsed = order.count > 0
    if is_lapsed and order.miner == who:
        ensure(now > order.deadline + life, bank.ClaimLapsed)
    ensure_stranger(bank, who, order.file_hash, order.segment_index, order.fragment_index)

    if is_lapsed and order.miner != who:
        bank.config.miners.punish(order.miner, lapse_permille(int(order.count)))
    number = order_id(order.file_hash, int(order.segment_index), int(order.fragment_index))
    bank.restoral_order[number] = replace(
        order, count=U32(order.count + 1), miner=who, deadline=BlockNumber(now + life)
    )


def claim_unordered(
    bank: "FileBank",
    who: AccountId,
    miner: AccountId,
    file_hash: FileHash,
    fragment_hash: FragmentHash,
) -> Hash:
    """Open an order for a fragment of ``miner``, which left, and give it to ``who``."""
    ensure(bank.config.miners.is_leaving(miner), bank.NonExistent)
    segment_index, index = find(bank, file_hash, fragment_hash, miner)
    ensure_stranger(bank, who, file_hash, U32(segment_index), U8(index))
    now = bank.now()
    number = order_id(file_hash, segment_index, index)
    bank.restoral_order[number] = RestoralOrderInfo(
        count=U32(1),
        miner=who,
        origin_miner=miner,
        fragment_hash=fragment_hash,
        file_hash=file_hash,
        segment_index=U32(segment_index),
        fragment_index=U8(index),
        gen_block=now,
        deadline=BlockNumber(now + bank.config.restoral_order_life),
    )
    return number


def take_over(bank: "FileBank", who: AccountId, order: RestoralOrderInfo) -> None:
    """``who`` is the holder; the one before, if it still answered, is released now."""
    index, position = int(order.segment_index), int(order.fragment_index)
    fragment = bank.file_segments[order.file_hash, order.segment_index].fragment_list[position]
    holdings = bank.config.holdings
    if fragment.avail:
        points = holdings.points_of(fragment.miner, int(fragment.slot))
        removal.end_holding(bank, fragment.miner, fragment.slot)
    else:
        kept = bank.lost_commitments.take(order.file_hash, place_number(index, position))
        assert kept is not None, "because a lost fragment leaves its commitments"
        points = kept
    bank.config.miners.idle_to_service(who, bank.fragment_space())
    slot = holdings.open_holding(who, order.file_hash, index, position, fragment.hash, points)
    restored = replace(fragment, avail=True, tag=bank.now(), miner=who, slot=slot)
    _put_fragment(bank, order.file_hash, index, position, restored)
