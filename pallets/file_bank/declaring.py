"""Declaring a file: what is checked about its list, and what a new or a further owner gets."""

from dataclasses import replace
from typing import TYPE_CHECKING

from pallets.file_bank import placing
from pallets.file_bank.types import (
    FRAGMENT_COUNT,
    OWNERS_MAX,
    DealFragment,
    DealFragments,
    DealInfo,
    DealSegment,
    DealSegments,
    FileInfo,
    Owners,
    UserBrief,
    UserFileSliceInfo,
)
from pallets.frame import ensure
from primitives.scale import U8, U32, U128
from primitives.types import FileHash
from proofs.erasure.segments import SegmentError, file_id, segment_count

if TYPE_CHECKING:
    from pallets.file_bank.pallet import FileBank

__all__ = ["declare", "ensure_described", "is_name", "join", "list_owner"]

NAME_LENGTH_MIN = 3
"""The shortest name of a file, in bytes (CESS)."""

FIRST_PRINTABLE = 0x20
DELETE = 0x7F


def is_name(name: bytes) -> bool:
    """Whether a name is long enough and has no control characters (they fool terminals)."""
    is_printable = all(byte >= FIRST_PRINTABLE and byte != DELETE for byte in name)
    return len(name) >= NAME_LENGTH_MIN and is_printable


def ensure_described(
    bank: "FileBank", file_hash: FileHash, deal_info: DealSegments, file_size: U128
) -> None:
    """The list has the right shape, and the hash is that of the list and the size."""
    described = [(item.hash, tuple(item.fragment_list)) for item in deal_info]
    try:
        wanted = segment_count(int(file_size), int(bank.config.segment_bytes))
        ensure(0 < wanted == len(described), bank.SpecError)
        ensure(all(len(hashes) == FRAGMENT_COUNT for _, hashes in described), bank.SpecError)
        identity = file_id(int(file_size), described)
    except SegmentError:
        raise bank.SpecError from None
    ensure(identity == file_hash, bank.FileHashMismatch)


def declare(
    bank: "FileBank",
    file_hash: FileHash,
    deal_info: DealSegments,
    user_brief: UserBrief,
    file_size: U128,
) -> None:
    """Open a deal; its holders are drawn in the next block."""
    count = U32(len(deal_info))
    ensure(bank.config.miners.count() >= FRAGMENT_COUNT, bank.MinerPowerInsufficient)
    bank.config.territories.lock_user_space(
        user_brief.user, user_brief.territory_name, bank.space_of(count)
    )
    deadline = placing.deadline_of(bank, count)
    bank.deal_map[file_hash] = DealInfo(
        file_size=file_size,
        user=user_brief,
        segment_count=count,
        complete_count=U32(0),
        deadline=deadline,
        attempt=U8(0),
    )
    for index, item in enumerate(deal_info):
        fragments = [
            DealFragment(hash=fragment, miner=None, reported=False, late=None, slot=U32(0))
            for fragment in item.fragment_list
        ]
        bank.deal_segments[file_hash, U32(index)] = DealSegment(
            hash=item.hash, fragments=DealFragments(fragments)
        )
    placing.schedule(bank, file_hash, deadline)


def join(bank: "FileBank", file_hash: FileHash, info: FileInfo, user_brief: UserBrief) -> None:
    """Add an owner to a stored file; it pays the full space and sends nothing."""
    user = user_brief.user
    ensure((user, file_hash) not in bank.user_hold_file_list, bank.FileExistent)
    ensure(len(info.owner) < OWNERS_MAX, bank.StorageLimitReached)
    bank.config.territories.add_used_space(
        user, user_brief.territory_name, bank.space_of(info.segment_count)
    )
    bank.file[file_hash] = replace(info, owner=Owners((*info.owner, user_brief)))
    list_owner(bank, file_hash, user_brief, info.file_size)


def list_owner(bank: "FileBank", file_hash: FileHash, brief: UserBrief, file_size: U128) -> None:
    """Enter a file into the lists of an owner and of the territory that it fills."""
    bank.user_hold_file_list[brief.user, file_hash] = UserFileSliceInfo(
        territory_name=brief.territory_name, file_size=file_size, file_name=brief.file_name
    )
    bank.territory_files[(brief.user, brief.territory_name), file_hash] = True
