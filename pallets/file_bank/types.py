"""What files, deals and restoral orders are on the wire.

Sizes are bytes, times block numbers, hashes raw 32 bytes. Every type has a fixed largest encoding;
a file's segments are separate entries, so no entry grows with the file.
"""

from primitives.extrinsic import MultiSignature
from primitives.hashing import blake2_256
from primitives.scale import U8, U32, U128, BoundedBytes, BoundedVec, ScaleEnum, struct
from primitives.types import (
    AccountId,
    BlockNumber,
    Bytes48,
    FileHash,
    FragmentHash,
    Hash,
    SegmentHash,
    TerrName,
)
from proofs.podr2.params import FRAGMENT_ROWS_MAX
from proofs.pois.wire import IdleAnswer, IdleAnswers, IdleProofBytes

__all__ = [
    "FRAGMENT_COUNT",
    "AssignedFragment",
    "AssignedFragments",
    "DealFragment",
    "DealFragments",
    "DealInfo",
    "DealSegment",
    "DealSegments",
    "FileInfo",
    "FileName",
    "FileState",
    "FragmentHashes",
    "FragmentInfo",
    "FragmentInfos",
    "FragmentReport",
    "FragmentReports",
    "IdleAnswer",
    "IdleAnswers",
    "IdleProofBytes",
    "Owners",
    "PlaceTask",
    "RemovalTask",
    "RestoralOrderInfo",
    "RowCommitments",
    "SegmentInfo",
    "SegmentList",
    "TerrName",
    "UserBrief",
    "UserFileSliceInfo",
    "order_id",
    "place_number",
]

FRAGMENT_COUNT = 12
"""Fragments of a segment: 4 of data and 8 of parity."""

SEGMENT_COUNT_MAX = 1000
"""Segments of a file."""

OWNERS_MAX = 100
"""Accounts that can own one file."""

REPORTS_MAX = 16
"""Fragments that one call reports."""

ASSIGNED_MORE_MAX = 16
"""Further places that a miner can be drawn for while it is drawn for the same fragment hash."""

ORDER_TAG = b"cess/restoral-order/v1"


class FileName(BoundedBytes, limit=63):
    """The name of a file, for its owner."""


class FragmentHashes(BoundedVec[FragmentHash], limit=FRAGMENT_COUNT):
    """The fragments of a segment, data first."""


@struct(path="pallet_file_bank::types::SegmentList")
class SegmentList:
    """A declared segment: its hash and those of its fragments."""

    hash: SegmentHash
    fragment_list: FragmentHashes


class DealSegments(BoundedVec[SegmentList], limit=SEGMENT_COUNT_MAX):
    """The segments of a declared file, in order."""


@struct(path="pallet_file_bank::types::UserBrief")
class UserBrief:
    """Who owns a file, under which name, and whose territory it fills."""

    user: AccountId
    file_name: FileName
    territory_name: TerrName


@struct(path="pallet_file_bank::types::DealInfo")
class DealInfo:
    """A file that is declared and not yet held by all its holders.

    ``deadline`` is the last block in which reports are taken; after it the missing holders are
    drawn again. ``attempt`` counts the draws that are done.
    """

    file_size: U128
    user: UserBrief
    segment_count: U32
    complete_count: U32
    deadline: BlockNumber
    attempt: U8


@struct(path="pallet_file_bank::types::DealFragment")
class DealFragment:
    """A fragment of a deal. ``miner`` is missing until the draw of the next block.

    ``late`` is the miner that was drawn before and missed the deadline. ``slot`` is meaningful
    once the fragment is reported.
    """

    hash: FragmentHash
    miner: AccountId | None
    reported: bool
    late: AccountId | None
    slot: U32


class DealFragments(BoundedVec[DealFragment], limit=FRAGMENT_COUNT):
    """The fragments of one segment of a deal."""


@struct(path="pallet_file_bank::types::DealSegment")
class DealSegment:
    """A segment of which some fragments are not reported yet."""

    hash: SegmentHash
    fragments: DealFragments


class FileState(ScaleEnum):
    """Where a stored file stands. Only ``Active`` is used."""

    Active = 0
    Calculate = 1
    Missing = 2
    Recovery = 3


class Owners(BoundedVec[UserBrief], limit=OWNERS_MAX):
    """The owners of a file, the first declarer first."""


@struct(path="pallet_file_bank::types::FileInfo")
class FileInfo:
    """A stored file, complete since block ``completion``."""

    owner: Owners
    file_size: U128
    segment_count: U32
    completion: BlockNumber
    stat: FileState


@struct(path="pallet_file_bank::types::FragmentInfo")
class FragmentInfo:
    """A held fragment: ``miner`` answers for it in ``slot`` of its holdings, since block ``tag``.

    When it is not ``avail`` it was lost: ``miner`` was its last holder, and ``tag`` is missing.
    """

    hash: FragmentHash
    avail: bool
    tag: BlockNumber | None
    miner: AccountId
    slot: U32


class FragmentInfos(BoundedVec[FragmentInfo], limit=FRAGMENT_COUNT):
    """The fragments of a stored segment, data first."""


@struct(path="pallet_file_bank::types::SegmentInfo")
class SegmentInfo:
    """A segment that all twelve holders reported."""

    hash: SegmentHash
    fragment_list: FragmentInfos


@struct(path="pallet_file_bank::types::UserFileSliceInfo")
class UserFileSliceInfo:
    """What an owner sees of its file."""

    territory_name: TerrName
    file_size: U128
    file_name: FileName


@struct(path="pallet_file_bank::types::AssignedFragment")
class AssignedFragment:
    """A fragment that a miner was drawn for and has to report until ``deadline``."""

    file_hash: FileHash
    segment_index: U32
    fragment_index: U8
    deadline: BlockNumber


class AssignedFragments(BoundedVec[AssignedFragment], limit=ASSIGNED_MORE_MAX):
    """Further places of one fragment hash, to be reported one after another."""


class RowCommitments(BoundedVec[Bytes48], limit=FRAGMENT_ROWS_MAX):
    """The KZG commitments of a fragment's rows, in order."""


@struct(path="pallet_file_bank::types::FragmentReport")
class FragmentReport:
    """A holder's commitments to one fragment, and the owner's signature under them."""

    segment_index: U32
    fragment_index: U8
    commitments: RowCommitments
    co_signature: MultiSignature


class FragmentReports(BoundedVec[FragmentReport], limit=REPORTS_MAX):
    """Reports of one miner for one deal."""


@struct(path="pallet_file_bank::types::RestoralOrderInfo")
class RestoralOrderInfo:
    """A fragment, lost or of a miner that left, which a miner may rebuild from any four others.

    It belongs to one place of one file: others can declare a fragment with the same hash, and what
    becomes of theirs must not keep this one from being restored. `order_id` names the place.

    ``miner`` claimed it until ``deadline``; a deadline of 0 says that nobody did yet. ``count`` is
    the number of claims so far.
    """

    count: U32
    miner: AccountId
    origin_miner: AccountId
    fragment_hash: FragmentHash
    file_hash: FileHash
    segment_index: U32
    fragment_index: U8
    gen_block: BlockNumber
    deadline: BlockNumber


@struct(path="pallet_file_bank::types::PlaceTask")
class PlaceTask:
    """Drawing the missing holders of a deal, from segment ``next_segment`` on.

    ``deadline`` is that of the deal when the draw was queued: with another one, or without a deal,
    there is nothing left to draw.
    """

    file_hash: FileHash
    deadline: BlockNumber
    next_segment: U32


@struct(path="pallet_file_bank::types::RemovalTask")
class RemovalTask:
    """Taking down the segments of a deleted file or a dropped deal, from ``next_segment`` on.

    ``is_overdue``: the deal was dropped because reports are missing, not given up by its owner.
    """

    file_hash: FileHash
    segment_count: U32
    next_segment: U32
    is_overdue: bool


def place_number(segment_index: int, fragment_index: int) -> U32:
    """The number of a fragment in its file: its key in ``LostCommitments``."""
    return U32(segment_index * FRAGMENT_COUNT + fragment_index)


def order_id(file_hash: FileHash, segment_index: int, fragment_index: int) -> Hash:
    """The name of the restoral order for a place of a file: its key in ``RestoralOrder``."""
    place = segment_index.to_bytes(4, "little") + fragment_index.to_bytes(1, "little")
    return blake2_256(ORDER_TAG + file_hash + place)
