"""Reports of holders: what is checked before a miner answers for a fragment, and what follows."""

from dataclasses import replace
from typing import TYPE_CHECKING

from pallets.file_bank import declaring, placing, removal
from pallets.file_bank.types import (
    FRAGMENT_COUNT,
    DealFragment,
    DealInfo,
    FileInfo,
    FileState,
    FragmentInfo,
    FragmentInfos,
    FragmentReport,
    Owners,
    SegmentInfo,
)
from pallets.frame import ensure
from primitives.errors import ProofRejected
from primitives.scale import U32
from primitives.types import AccountId, BlockNumber, FileHash
from proofs.podr2.params import row_count
from proofs.podr2.points import RowPoints, checked_points
from proofs.podr2.wire import cosign_message

if TYPE_CHECKING:
    from pallets.file_bank.pallet import FileBank

__all__ = ["complete", "take_report", "unreport"]


def take_report(
    bank: "FileBank", who: AccountId, deal_hash: FileHash, deal: DealInfo, report: FragmentReport
) -> DealInfo:
    """Check one report and make ``who`` answer for the fragment; return the deal after it."""
    index, position = report.segment_index, int(report.fragment_index)
    ensure(index < deal.segment_count and position < FRAGMENT_COUNT, bank.NonExistent)
    segment = bank.deal_segments.get(deal_hash, index)
    if segment is None:
        raise bank.AlreadyReported  # the whole segment was
    fragment = segment.fragments[position]
    if fragment.miner != who:
        raise bank.Expired if fragment.late == who else bank.NotAssigned
    ensure(not fragment.reported, bank.AlreadyReported)
    ensure(bank.now() <= deal.deadline, bank.Expired)
    points = _committed(bank, who, deal_hash, deal, report, fragment)

    placing.unassign(bank, who, fragment.hash, deal_hash, index, position)
    bank.config.miners.lock_to_service(who, bank.fragment_space())
    slot = bank.config.holdings.open_holding(
        who, deal_hash, int(index), position, fragment.hash, points
    )
    fragments = list(segment.fragments)
    fragments[position] = replace(fragment, reported=True, slot=slot)
    if not all(item.reported for item in fragments):
        placing.put_pending(bank, deal_hash, index, segment, fragments)
        return deal
    bank.file_segments[deal_hash, index] = SegmentInfo(
        hash=segment.hash,
        fragment_list=FragmentInfos(_held(item, bank.now()) for item in fragments),
    )
    del bank.deal_segments[deal_hash, index]
    return replace(deal, complete_count=U32(deal.complete_count + 1))


def _committed(
    bank: "FileBank",
    who: AccountId,
    deal_hash: FileHash,
    deal: DealInfo,
    report: FragmentReport,
    fragment: DealFragment,
) -> RowPoints:
    """The reported commitments: one for each row, all of them points, and signed by the owner."""
    rows = row_count(int(bank.config.fragment_bytes))
    ensure(len(report.commitments) == rows, bank.CommitmentCount)
    try:
        points = checked_points(report.commitments)
    except ProofRejected:
        raise bank.InvalidCommitment from None
    message = cosign_message(
        bank.genesis_hash(),
        deal_hash,
        int(report.segment_index),
        int(report.fragment_index),
        who,
        fragment.hash,
        report.commitments,
    )
    ensure(report.co_signature.verify(deal.user.user, message), bank.InvalidCoSignature)
    return points


def _held(fragment: DealFragment, now: BlockNumber) -> FragmentInfo:
    assert fragment.miner is not None, "because a reported fragment has a holder"
    return FragmentInfo(
        hash=fragment.hash, avail=True, tag=now, miner=fragment.miner, slot=fragment.slot
    )


def complete(bank: "FileBank", file_hash: FileHash, deal: DealInfo) -> None:
    """Every segment is held: the file is active, unless the lease has ended meanwhile."""
    brief = deal.user
    territories = bank.config.territories
    if territories.is_expired(brief.user, brief.territory_name):
        removal.drop(bank, file_hash, deal)
        return
    territories.unlock_and_use(brief.user, brief.territory_name, bank.space_of(deal.segment_count))
    del bank.deal_schedule[deal.deadline, file_hash]
    del bank.deal_map[file_hash]
    bank.file[file_hash] = FileInfo(
        owner=Owners((brief,)),
        file_size=deal.file_size,
        segment_count=deal.segment_count,
        completion=bank.now(),
        stat=FileState.Active,
    )
    declaring.list_owner(bank, file_hash, brief, deal.file_size)
    bank.deposit_event(bank.StorageCompleted(file_hash=file_hash))


def unreport(
    bank: "FileBank", miner: AccountId, file_hash: FileHash, segment_index: int, position: int
) -> None:
    """A holder lost its fragment before the segment was complete: draw it again."""
    segment = bank.deal_segments.get(file_hash, U32(segment_index))
    if segment is None:
        return
    fragments = list(segment.fragments)
    fragment = fragments[position]
    if not fragment.reported or fragment.miner != miner:
        return
    removal.end_holding(bank, miner, fragment.slot)
    fragments[position] = replace(fragment, miner=None, reported=False, late=miner, slot=U32(0))
    placing.put_pending(bank, file_hash, U32(segment_index), segment, fragments)
