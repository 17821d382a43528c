"""Files: declaring, placing, holding, losing, restoring and deleting them.

The road of a file: ``upload_declaration`` locks the owner's territory; in the next block the chain
draws twelve different holders for each segment, with randomness that the declarer could not know;
each holder reports its fragment with commitments that the owner co-signed and answers for it from
then on; the twelfth report completes a segment, the last one makes the file active. Holders that
miss the deadline are drawn again, ``deal_attempts_max`` times in all; then the deal is dropped and
everything it held is released.

Nothing loops over a file in one step. Drawing, taking down segments and clearing expired
territories are queues, and each block does a bounded part of each, see the constants below.

Invariants, tested as properties:
- a fragment with a holder that has not reported is locked space of that holder; a reported or held
  one is its service space and one open holding of Audit; a lost one is neither;
- the holders of a segment are different miners;
- the used space of a territory is the sum over its files of ``segments x 12 x fragment_bytes``, its
  locked space the same sum over its deals;
- ``user_hold_file_list`` and ``territory_files`` list exactly the owners of files.

Ports needed: ``territories`` (StorageHandler), ``miners`` (Sminer), ``holdings`` (Audit),
``randomness`` (Babe). Provided, see below the calls: to Audit ``report_lost``, ``holding_moved``; to
Mdrc ``is_owner``.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from pallets.file_bank import weights
from pallets.file_bank.draws import shuffled_indexes
from pallets.file_bank.ports import Holdings, Miners, Randomness, Territories
from pallets.file_bank.types import (
    ASSIGNED_MORE_MAX,
    FRAGMENT_COUNT,
    OWNERS_MAX,
    AssignedFragment,
    AssignedFragments,
    DealFragment,
    DealFragments,
    DealInfo,
    DealSegment,
    DealSegments,
    FileInfo,
    FileState,
    FragmentInfo,
    FragmentInfos,
    FragmentReport,
    FragmentReports,
    IdleAnswers,
    Owners,
    PlaceTask,
    RemovalTask,
    RestoralOrderInfo,
    RowCommitments,
    SegmentInfo,
    TerrName,
    UserBrief,
    UserFileSliceInfo,
)
from pallets.frame import (
    Blake2_128Concat,
    Doc,
    Origin,
    Pallet,
    PalletConfig,
    PalletError,
    StorageDoubleMap,
    StorageMap,
    StorageValue,
    Twox64Concat,
    Weight,
    call,
    ensure,
    ensure_signed,
    event,
)
from primitives.errors import ProofRejected
from primitives.scale import U8, U32, U64, U128
from primitives.types import AccountId, BlockNumber, FileHash, FragmentHash
from proofs.erasure.segments import SegmentError, file_id, segment_count
from proofs.podr2.params import row_count
from proofs.podr2.verify import decode_commitment
from proofs.podr2.wire import cosign_message

__all__ = ["FileBank"]

NAME_LENGTH_MIN = 3
"""The shortest name of a file, in bytes (CESS)."""

SEGMENTS_PER_DEADLINE = 8
"""A deal has its deadline once for each begun group of this many segments."""

DRAW_CANDIDATES_MAX = 256
"""Miners that are looked at for the holders of one segment."""

OVERDUE_PER_BLOCK_MAX = 32
"""Deals past their deadline that one block handles."""

CURSOR_STEPS_MAX = 256
"""Blocks of the deadline queue that one block may pass."""

PLACED_SEGMENTS_PER_BLOCK_MAX = 16
"""Segments whose holders one block draws."""

REMOVED_SEGMENTS_PER_BLOCK_MAX = 32
"""Segments that one block takes down."""

CLEARED_FILES_PER_BLOCK_MAX = 32
"""Files of expired territories that one block removes."""

SELF_REPORT_PERMILLE = 2
"""What a miner pays, of its collateral limit, for a loss that it reports unasked."""

LAPSED_CLAIM_PERMILLE = 2
"""What a miner pays for a claimed and unfinished restoral that another takes over."""


class FileBank(Pallet):
    """Deals, files and restoral orders."""

    class Config(PalletConfig):
        """Constants of the chain, and the neighbours."""

        fragment_bytes: Annotated[U64, Doc("Bytes of a fragment.")]
        segment_bytes: Annotated[U64, Doc("Bytes of a segment of a file.")]
        deal_deadline_blocks: Annotated[
            BlockNumber, Doc("Blocks for the reports of up to eight segments of a deal.")
        ]
        deal_attempts_max: Annotated[
            U8, Doc("Draws of missing holders after which a deal is dropped.")
        ]
        restoral_order_life: Annotated[
            BlockNumber, Doc("Blocks to complete a claimed restoral order.")
        ]
        territories: Territories
        miners: Miners
        holdings: Holdings
        randomness: Randomness

    config: Config

    # File and fragment hashes are outputs of SHA-256, but a declarer can search for prefixes, so
    # they get the resistant hasher like accounts do. Segment numbers and blocks cannot be crafted.
    deal_map = StorageMap(
        FileHash, DealInfo, hasher=Blake2_128Concat, doc="Declared files that are not active yet."
    )
    deal_segments = StorageDoubleMap(
        FileHash,
        U32,
        DealSegment,
        hashers=(Blake2_128Concat, Twox64Concat),
        doc="Segments of deals that miss reports.",
    )
    file = StorageMap(FileHash, FileInfo, hasher=Blake2_128Concat, doc="Active files.")
    file_segments = StorageDoubleMap(
        FileHash,
        U32,
        SegmentInfo,
        hashers=(Blake2_128Concat, Twox64Concat),
        doc="Segments whose twelve fragments were reported, of files and of deals.",
    )
    user_hold_file_list = StorageDoubleMap(
        AccountId,
        FileHash,
        UserFileSliceInfo,
        hashers=(Blake2_128Concat, Blake2_128Concat),
        doc="Files by owner.",
    )
    territory_files = StorageDoubleMap(
        tuple[AccountId, TerrName],
        FileHash,
        bool,
        hashers=(Blake2_128Concat, Blake2_128Concat),
        doc="Files by the territory that they fill.",
    )
    assigned = StorageDoubleMap(
        AccountId,
        FragmentHash,
        AssignedFragment,
        hashers=(Blake2_128Concat, Blake2_128Concat),
        doc="Fragments that a miner has to fetch and report.",
    )
    assigned_more = StorageDoubleMap(
        AccountId,
        FragmentHash,
        AssignedFragments,
        hashers=(Blake2_128Concat, Blake2_128Concat),
        doc="Further places of the same fragment, which follow once the first is reported.",
    )
    restoral_order = StorageMap(
        FragmentHash, RestoralOrderInfo, hasher=Blake2_128Concat, doc="Fragments to restore."
    )
    lost_commitments = StorageDoubleMap(
        FileHash,
        U32,
        RowCommitments,
        hashers=(Blake2_128Concat, Twox64Concat),
        doc="Commitments of lost fragments, by file and segment x 12 + fragment.",
    )
    deal_schedule = StorageDoubleMap(
        BlockNumber,
        FileHash,
        bool,
        hashers=(Twox64Concat, Blake2_128Concat),
        doc="Deals whose deadline is this block.",
    )
    deal_cursor = StorageValue(
        BlockNumber, default=BlockNumber(0), doc="First block with overdue deals left to handle."
    )
    place_queue = StorageMap(
        U64, PlaceTask, hasher=Twox64Concat, doc="Deals whose missing holders are being drawn."
    )
    place_head = StorageValue(U64, default=U64(0), doc="Index of the queue's first entry.")
    place_tail = StorageValue(U64, default=U64(0), doc="Index after the queue's last entry.")
    removal_queue = StorageMap(
        U64, RemovalTask, hasher=Twox64Concat, doc="Files and deals that are being taken down."
    )
    removal_head = StorageValue(U64, default=U64(0), doc="Index of the queue's first entry.")
    removal_tail = StorageValue(U64, default=U64(0), doc="Index after the queue's last entry.")
    removing = StorageMap(
        FileHash, bool, hasher=Blake2_128Concat, doc="Hashes that wait in the removal queue."
    )

    @event(index=0)
    class UploadDeclaration:
        """``owner`` declared a file, or became a further owner of a stored one."""

        operator: AccountId
        owner: AccountId
        deal_hash: FileHash

    @event(index=1)
    class TransferReport:
        """``acc`` reported fragments of a deal and answers for them from now on."""

        acc: AccountId
        deal_hash: FileHash

    @event(index=2)
    class DeleteFile:
        """``owner`` has given up a file."""

        operator: AccountId
        owner: AccountId
        file_hash: FileHash

    @event(index=4)
    class IdleSpaceCert:
        """``acc`` proved ``space`` bytes more of idle space."""

        acc: AccountId
        space: U128

    @event(index=5)
    class ReplaceIdleSpace:
        """``acc`` retired ``space`` bytes of plots that service data had displaced."""

        acc: AccountId
        space: U128

    @event(index=6)
    class GenerateRestoralOrder:
        """``miner`` lost a fragment; any miner may restore it."""

        miner: AccountId
        fragment_hash: FragmentHash

    @event(index=7)
    class ClaimRestoralOrder:
        """``miner`` undertook to restore a fragment."""

        miner: AccountId
        order_id: FragmentHash

    @event(index=8)
    class RecoveryCompleted:
        """``miner`` holds a restored fragment."""

        miner: AccountId
        order_id: FragmentHash

    @event(index=9)
    class StorageCompleted:
        """All fragments of a file are held: it is active."""

        file_hash: FileHash

    @event(index=12)
    class IdleSpaceRequest:
        """``acc`` wants plots certified, from ``from_index`` up to, not including, ``to_index``."""

        acc: AccountId
        from_index: U64
        to_index: U64

    @event(index=13)
    class HoldersDrawn:
        """Holders were drawn for all segments of a deal; reports are due by ``deadline``."""

        deal_hash: FileHash
        deadline: BlockNumber

    @event(index=14)
    class DealDropped:
        """The deal of ``owner`` failed or was cancelled; what it held is released."""

        owner: AccountId
        deal_hash: FileHash

    class Existed(PalletError, index=0):
        """A deal or a restoral order with this hash is open already; wait for its end."""

    class FileExistent(PalletError, index=1):
        """You own this file already."""

    class FileNonExistent(PalletError, index=2):
        """There is no active file with this hash."""

    class NotOwner(PalletError, index=4):
        """The account does not own this file."""

    class StorageLimitReached(PalletError, index=7):
        """The file has as many owners as it can have."""

    class MinerPowerInsufficient(PalletError, index=8):
        """Too few miners, or too little idle space, for this; wait for more of it."""

    class Locked(PalletError, index=10):
        """Another miner works on this order; wait for its deadline."""

    class NoPermission(PalletError, index=14):
        """Only the owner, or the miner that it concerns, may do this."""

    class NonExistent(PalletError, index=15):
        """There is no such deal, segment, fragment or order."""

    class LessMinLength(PalletError, index=16):
        """A file name has 3 to 63 bytes without control characters."""

    class SpecError(PalletError, index=20):
        """The segments do not fit the size: one for each begun segment, twelve fragments in each."""

    class MinerStateError(PalletError, index=24):
        """The miner is not positive; settle its collateral first."""

    class Expired(PalletError, index=25):
        """Too late: the deadline has passed, and the work was given to another."""

    class FileHashMismatch(PalletError, index=33):
        """The hash is not that of this size and these segments; compute it again."""

    class BeingRemoved(PalletError, index=34):
        """A file with this hash is being taken down; declare it again some blocks later."""

    class NotAssigned(PalletError, index=35):
        """Another miner was drawn for this fragment, or none yet."""

    class AlreadyReported(PalletError, index=36):
        """This fragment was reported already."""

    class CommitmentCount(PalletError, index=37):
        """There must be one commitment for each row of a fragment."""

    class InvalidCommitment(PalletError, index=38):
        """A commitment is no point of the curve's subgroup."""

    class InvalidCoSignature(PalletError, index=39):
        """The owner of the deal did not sign this report of this miner."""

    class AlreadyHolder(PalletError, index=40):
        """The miner holds another fragment of this segment; leave this one to others."""

    class ClaimLapsed(PalletError, index=41):
        """You let your claim lapse; another miner has the first right for as long again."""

    class NoReports(PalletError, index=42):
        """A call must report at least one fragment."""

    def integrity_test(self) -> None:
        """A segment is twelve fragments, four of them data."""
        assert int(self.config.segment_bytes) * 3 == int(self.config.fragment_bytes) * 12, (
            "because a segment is cut into four data fragments and gets eight of parity"
        )

    def on_initialize(self, n: BlockNumber) -> Weight:
        """Handle overdue deals, draw holders, take down segments, clear expired territories."""
        overdue = self._handle_overdue(n)
        placed = self._place_some()
        removed = self._remove_some()
        cleared = self._clear_some()
        per_segment = FRAGMENT_COUNT * 4
        return Weight(
            reads=8 + 3 * overdue + per_segment * (placed + removed) + 8 * cleared,
            writes=4 + 4 * overdue + per_segment * (placed + removed) + 8 * cleared,
        )

    @call(index=0, weight=weights.declaration)
    def upload_declaration(
        self,
        origin: Origin,
        file_hash: FileHash,
        deal_info: DealSegments,
        user_brief: UserBrief,
        file_size: U128,
    ) -> None:
        """Declare a file of ``file_size`` bytes, or become a further owner of a stored one.

        *Origin*: signed by the owner. *Errors*: NoPermission, LessMinLength, SpecError,
        FileHashMismatch, BeingRemoved, Existed, FileExistent, StorageLimitReached,
        MinerPowerInsufficient, and those of the territory. *Events*: UploadDeclaration.
        """
        who = ensure_signed(origin)
        ensure(who == user_brief.user, self.NoPermission)
        ensure(_is_name(user_brief.file_name), self.LessMinLength)
        self._ensure_described(file_hash, deal_info, file_size)
        ensure(file_hash not in self.removing, self.BeingRemoved)
        ensure(file_hash not in self.deal_map, self.Existed)

        info = self.file.get(file_hash)
        if info is None:
            self._declare(file_hash, deal_info, user_brief, file_size)
        else:
            self._join(file_hash, info, user_brief)
        self.deposit_event(
            self.UploadDeclaration(operator=who, owner=user_brief.user, deal_hash=file_hash)
        )

    @call(index=3, weight=weights.transfer_report)
    def transfer_report(
        self, origin: Origin, deal_hash: FileHash, reports: FragmentReports
    ) -> None:
        """Report fragments that the caller holds, with commitments that the owner co-signed.

        All reports of a call are taken or none.
        *Origin*: signed by the holder. *Errors*: NoReports, MinerStateError, NonExistent, Expired,
        NotAssigned, AlreadyReported, CommitmentCount, InvalidCommitment, InvalidCoSignature.
        *Events*: TransferReport, StorageCompleted, DealDropped.
        """
        who = ensure_signed(origin)
        ensure(len(reports) > 0, self.NoReports)
        ensure(self.config.miners.is_positive(who), self.MinerStateError)
        deal = self.deal_map.get(deal_hash)
        if deal is None:
            raise self.NonExistent
        for report in reports:
            deal = self._take_report(who, deal_hash, deal, report)
        self.deposit_event(self.TransferReport(acc=who, deal_hash=deal_hash))
        if deal.complete_count == deal.segment_count:
            self._complete(deal_hash, deal)
        else:
            self.deal_map[deal_hash] = deal

    @call(index=5, weight=Weight(reads=2, writes=2))
    def replace_idle_space(self, origin: Origin, count: U64) -> None:
        """Retire the caller's ``count`` oldest plots, which service data has displaced.

        A miner whose idle round is open keeps the plots until it has answered.
        *Origin*: signed by the miner. *Errors*: those of Sminer. *Events*: ReplaceIdleSpace.
        """
        who = ensure_signed(origin)
        space = self.config.miners.replace_idle(who, count)
        self.deposit_event(self.ReplaceIdleSpace(acc=who, space=space))

    @call(index=6, weight=Weight(reads=6, writes=8))
    def delete_file(self, origin: Origin, owner: AccountId, file_hash: FileHash) -> None:
        """Give up a file; with its last owner it is taken down. Cancels a deal that is open.

        *Origin*: signed by the owner. *Errors*: NoPermission, FileNonExistent, NotOwner.
        *Events*: DeleteFile or DealDropped.
        """
        who = ensure_signed(origin)
        ensure(who == owner, self.NoPermission)
        deal = self.deal_map.get(file_hash)
        if deal is not None:
            ensure(deal.user.user == owner, self.NotOwner)
            self._drop(file_hash, deal)
            return
        ensure(file_hash in self.file, self.FileNonExistent)
        self._give_up(owner, file_hash)
        self.deposit_event(self.DeleteFile(operator=who, owner=owner, file_hash=file_hash))

    @call(index=8, weight=Weight(reads=4, writes=3))
    def cert_idle_space(self, origin: Origin, count: U64) -> None:
        """Ask for the certification of ``count`` plots more; the draws come with a later block.

        *Origin*: signed by the miner. *Errors*: those of Sminer. *Events*: IdleSpaceRequest.
        """
        who = ensure_signed(origin)
        first, end = self.config.miners.request_idle(who, count)
        self.deposit_event(self.IdleSpaceRequest(acc=who, from_index=first, to_index=end))

    @call(index=13, weight=weights.FIND_FRAGMENT)
    def generate_restoral_order(
        self, origin: Origin, file_hash: FileHash, restoral_fragment: FragmentHash
    ) -> None:
        """Report that the caller lost a fragment, for a small fine, and leave it to others.

        *Origin*: signed by the holder. *Errors*: Existed, NonExistent. *Events*:
        GenerateRestoralOrder.
        """
        who = ensure_signed(origin)
        ensure(restoral_fragment not in self.restoral_order, self.Existed)
        segment_index, index = self._find(file_hash, restoral_fragment, who, is_lost=False)
        self.config.miners.punish(who, SELF_REPORT_PERMILLE)
        self.report_lost(who, file_hash, segment_index, index)

    @call(index=14, weight=Weight(reads=6, writes=3))
    def claim_restoral_order(self, origin: Origin, restoral_fragment: FragmentHash) -> None:
        """Undertake to restore a fragment within ``restoral_order_life`` blocks.

        *Origin*: signed by a positive miner. *Errors*: MinerStateError, MinerPowerInsufficient,
        NonExistent, Locked, ClaimLapsed, AlreadyHolder. *Events*: ClaimRestoralOrder.
        """
        who = ensure_signed(origin)
        self._ensure_can_restore(who)
        order = self.restoral_order.get(restoral_fragment)
        if order is None:
            raise self.NonExistent
        now = self.now()
        life = self.config.restoral_order_life
        ensure(now > order.deadline, self.Locked)
        if order.count > 0:
            is_same = order.miner == who
            ensure(not is_same or now > order.deadline + life, self.ClaimLapsed)
        self._ensure_stranger(who, order.file_hash, order.segment_index, order.fragment_index)

        if order.count > 0 and order.miner != who:
            self.config.miners.punish(order.miner, LAPSED_CLAIM_PERMILLE)
        self.restoral_order[restoral_fragment] = replace(
            order, count=U32(order.count + 1), miner=who, deadline=BlockNumber(now + life)
        )
        self.deposit_event(self.ClaimRestoralOrder(miner=who, order_id=restoral_fragment))

    @call(index=15, weight=weights.FIND_FRAGMENT)
    def claim_restoral_noexist_order(
        self,
        origin: Origin,
        miner: AccountId,
        file_hash: FileHash,
        restoral_fragment: FragmentHash,
    ) -> None:
        """Undertake to restore a fragment of a miner that left, or a lost one without an order.

        *Origin*: signed by a positive miner. *Errors*: MinerStateError, MinerPowerInsufficient,
        Existed, NonExistent, AlreadyHolder. *Events*: ClaimRestoralOrder.
        """
        who = ensure_signed(origin)
        self._ensure_can_restore(who)
        ensure(restoral_fragment not in self.restoral_order, self.Existed)
        segment_index, index = self._find(file_hash, restoral_fragment, miner, is_lost=True)
        self._ensure_stranger(who, file_hash, U32(segment_index), U8(index))
        now = self.now()
        self.restoral_order[restoral_fragment] = RestoralOrderInfo(
            count=U32(1),
            miner=who,
            origin_miner=miner,
            fragment_hash=restoral_fragment,
            file_hash=file_hash,
            segment_index=U32(segment_index),
            fragment_index=U8(index),
            gen_block=now,
            deadline=BlockNumber(now + self.config.restoral_order_life),
        )
        self.deposit_event(self.ClaimRestoralOrder(miner=who, order_id=restoral_fragment))

    @call(index=16, weight=Weight(reads=8, writes=12))
    def restoral_order_complete(self, origin: Origin, fragment_hash: FragmentHash) -> None:
        """Take over a restored fragment: from now on the caller is audited for it.

        The commitments stay those of the fragment, so only its very bytes will pass.
        *Origin*: signed by the claiming miner. *Errors*: MinerStateError, MinerPowerInsufficient,
        NonExistent, NoPermission, Expired, AlreadyHolder. *Events*: RecoveryCompleted.
        """
        who = ensure_signed(origin)
        self._ensure_can_restore(who)
        order = self.restoral_order.get(fragment_hash)
        if order is None:
            raise self.NonExistent
        ensure(order.count > 0 and order.miner == who, self.NoPermission)
        ensure(self.now() <= order.deadline, self.Expired)
        self._ensure_stranger(who, order.file_hash, order.segment_index, order.fragment_index)

        self._take_over(who, order)
        del self.restoral_order[fragment_hash]
        self.deposit_event(self.RecoveryCompleted(miner=who, order_id=fragment_hash))

    @call(index=24, weight=weights.IDLE_CERTIFICATE)
    def prove_idle_space(self, origin: Origin, answers: IdleAnswers) -> None:
        """Answer the caller's certification.

        *Origin*: signed by the miner. *Errors*: those of Sminer. *Events*: IdleSpaceCert.
        """
        who = ensure_signed(origin)
        pairs = [(int(answer.t), bytes(answer.proof)) for answer in answers]
        space = self.config.miners.prove_idle(who, pairs)
        self.deposit_event(self.IdleSpaceCert(acc=who, space=space))

    # Port of Audit.

    def report_lost(
        self, miner: AccountId, file_hash: FileHash, segment_index: int, fragment_index: int
    ) -> None:
        """``miner`` lost a fragment that it answers for. Never raises.

        Of a stored segment it becomes a restoral order, unless one with the same hash is open:
        then `claim_restoral_noexist_order` finds it later. Of a deal it is drawn again with the
        other missing ones.
        """
        segment = self.file_segments.get(file_hash, U32(segment_index))
        if segment is None:
            self._unreport(miner, file_hash, segment_index, fragment_index)
            return
        fragment = segment.fragment_list[fragment_index]
        if not fragment.avail or fragment.miner != miner:
            return
        place = _place(segment_index, fragment_index)
        commitments = self.config.holdings.commitments_of(miner, int(fragment.slot))
        self.lost_commitments[file_hash, place] = RowCommitments(commitments)
        self._end_holding(miner, fragment.slot)
        self._put_fragment(
            file_hash, segment_index, fragment_index, replace(fragment, avail=False, tag=None)
        )
        if fragment.hash in self.restoral_order:
            return
        self.restoral_order[fragment.hash] = RestoralOrderInfo(
            count=U32(0),
            miner=miner,
            origin_miner=miner,
            fragment_hash=fragment.hash,
            file_hash=file_hash,
            segment_index=U32(segment_index),
            fragment_index=U8(fragment_index),
            gen_block=self.now(),
            deadline=BlockNumber(0),
        )
        self.deposit_event(self.GenerateRestoralOrder(miner=miner, fragment_hash=fragment.hash))

    def holding_moved(
        self, file_hash: FileHash, segment_index: int, fragment_index: int, slot: int
    ) -> None:
        """The holder of a fragment keeps it in another slot now."""
        segment = self.file_segments.get(file_hash, U32(segment_index))
        if segment is not None:
            fragment = segment.fragment_list[fragment_index]
            self._put_fragment(
                file_hash, segment_index, fragment_index, replace(fragment, slot=U32(slot))
            )
            return
        pending = self.deal_segments[file_hash, U32(segment_index)]
        fragments = list(pending.fragments)
        fragments[fragment_index] = replace(fragments[fragment_index], slot=U32(slot))
        self._put_pending(file_hash, U32(segment_index), pending, fragments)

    # Port of Mdrc.

    def is_owner(self, file_hash: FileHash, who: AccountId) -> bool:
        """Whether ``who`` owns an active file."""
        return (who, file_hash) in self.user_hold_file_list

    # Private: declaring.

    def _ensure_described(
        self, file_hash: FileHash, deal_info: DealSegments, file_size: U128
    ) -> None:
        """The list has the right shape, and the hash is that of the list and the size."""
        described = [(item.hash, tuple(item.fragment_list)) for item in deal_info]
        try:
            wanted = segment_count(int(file_size), int(self.config.segment_bytes))
            ensure(0 < wanted == len(described), self.SpecError)
            ensure(all(len(hashes) == FRAGMENT_COUNT for _, hashes in described), self.SpecError)
            identity = file_id(int(file_size), described)
        except SegmentError:
            raise self.SpecError from None
        ensure(identity == file_hash, self.FileHashMismatch)

    def _declare(
        self,
        file_hash: FileHash,
        deal_info: DealSegments,
        user_brief: UserBrief,
        file_size: U128,
    ) -> None:
        """Open a deal; its holders are drawn in the next block."""
        count = U32(len(deal_info))
        ensure(self.config.miners.count() >= FRAGMENT_COUNT, self.MinerPowerInsufficient)
        self.config.territories.lock_user_space(
            user_brief.user, user_brief.territory_name, self._space(count)
        )
        deadline = self._deadline(count)
        self.deal_map[file_hash] = DealInfo(
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
            self.deal_segments[file_hash, U32(index)] = DealSegment(
                hash=item.hash, fragments=DealFragments(fragments)
            )
        self.deal_schedule[deadline, file_hash] = True
        self._enqueue_place(PlaceTask(file_hash=file_hash, attempt=U8(0), next_segment=U32(0)))

    def _join(self, file_hash: FileHash, info: FileInfo, user_brief: UserBrief) -> None:
        """Add an owner to a stored file; it pays the full space and sends nothing."""
        user = user_brief.user
        ensure((user, file_hash) not in self.user_hold_file_list, self.FileExistent)
        ensure(len(info.owner) < OWNERS_MAX, self.StorageLimitReached)
        self.config.territories.add_used_space(
            user, user_brief.territory_name, self._space(info.segment_count)
        )
        self.file[file_hash] = replace(info, owner=Owners((*info.owner, user_brief)))
        self._list_owner(file_hash, user_brief, info.file_size)

    def _list_owner(self, file_hash: FileHash, brief: UserBrief, file_size: U128) -> None:
        self.user_hold_file_list[brief.user, file_hash] = UserFileSliceInfo(
            territory_name=brief.territory_name, file_size=file_size, file_name=brief.file_name
        )
        self.territory_files[(brief.user, brief.territory_name), file_hash] = True

    def _space(self, segments: U32) -> U128:
        return U128(int(segments) * FRAGMENT_COUNT * int(self.config.fragment_bytes))

    def _fragment_space(self) -> U128:
        return U128(int(self.config.fragment_bytes))

    def _deadline(self, segments: U32) -> BlockNumber:
        """The last block for reports on a deal of ``segments`` segments whose draw begins now."""
        groups = -(-int(segments) // SEGMENTS_PER_DEADLINE)
        return BlockNumber(self.now() + int(self.config.deal_deadline_blocks) * groups)

    # Private: drawing holders.

    def _enqueue_place(self, task: PlaceTask) -> None:
        tail = self.place_tail.get()
        self.place_queue[tail] = task
        self.place_tail.put(U64(tail + 1))

    def _place_some(self) -> int:
        """Draw holders for the oldest tasks. All were queued by earlier blocks or by this hook."""
        budget = PLACED_SEGMENTS_PER_BLOCK_MAX
        head = self.place_head.get()
        while budget > 0 and (task := self.place_queue.get(head)) is not None:
            deal = self.deal_map.get(task.file_hash)
            index = int(task.next_segment)
            if deal is not None and deal.attempt == task.attempt:
                end = min(int(deal.segment_count), index + budget)
                for segment in range(index, end):
                    self._place_segment(task.file_hash, deal, U32(segment))
                budget -= end - index
                if end < deal.segment_count:
                    self.place_queue[head] = replace(task, next_segment=U32(end))
                    break
                self.deposit_event(
                    self.HoldersDrawn(deal_hash=task.file_hash, deadline=deal.deadline)
                )
            else:
                budget -= 1  # the deal is gone or drawn again; looking at it was work too
            del self.place_queue[head]
            head = U64(head + 1)
        self.place_head.put(head)
        return PLACED_SEGMENTS_PER_BLOCK_MAX - budget

    def _place_segment(self, file_hash: FileHash, deal: DealInfo, index: U32) -> None:
        """Replace the holders of a segment that have not reported.

        Every holder is another miner. A miner that was late for this segment is taken only when
        nobody else is left. What finds no holder waits for the next draw.
        """
        segment = self.deal_segments.get(file_hash, index)
        if segment is None:
            return
        fragments = [
            self._released(file_hash, index, position, fragment)
            for position, fragment in enumerate(segment.fragments)
        ]
        taken = {fragment.miner for fragment in fragments if fragment.miner is not None}
        late = {fragment.late for fragment in fragments if fragment.late is not None}
        missing = [position for position, fragment in enumerate(fragments) if not fragment.reported]
        second_choice: list[AccountId] = []
        for candidate in self._candidates(file_hash, deal, index):
            if not missing:
                break
            if candidate in taken:
                continue
            if candidate in late:
                second_choice.append(candidate)
                continue
            self._try_assign(candidate, file_hash, deal, index, fragments, missing)
        for candidate in second_choice:
            if not missing:
                break
            self._try_assign(candidate, file_hash, deal, index, fragments, missing)
        self._put_pending(file_hash, index, segment, fragments)

    def _candidates(self, file_hash: FileHash, deal: DealInfo, index: U32) -> Sequence[AccountId]:
        """Miners that can hold a fragment, in random order, from a bounded look at the registry."""
        miners = self.config.miners
        seed = self.config.randomness.random(
            b"cess/deal-draw/v1"
            + file_hash
            + index.to_bytes(4, "little")
            + deal.attempt.to_bytes(1, "little")
        )
        size = int(self.config.fragment_bytes)
        found: list[AccountId] = []
        for position in shuffled_indexes(seed, miners.count(), DRAW_CANDIDATES_MAX):
            who = miners.miner_at(position)
            if miners.can_hold(who, size):
                found.append(who)
        return found

    def _try_assign(
        self,
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
        if (who, fragment.hash) not in self.assigned:
            self.assigned[who, fragment.hash] = work
        else:
            more = self.assigned_more.get(who, fragment.hash) or AssignedFragments()
            if len(more) >= ASSIGNED_MORE_MAX:
                return
            self.assigned_more[who, fragment.hash] = AssignedFragments((*more, work))
        self.config.miners.lock_space(who, self._fragment_space())
        fragments[position] = replace(fragment, miner=who)
        missing.pop(0)

    def _released(
        self, file_hash: FileHash, index: U32, position: int, fragment: DealFragment
    ) -> DealFragment:
        """The fragment without a holder that has not reported."""
        if fragment.reported or fragment.miner is None:
            return fragment
        self._unassign(fragment.miner, fragment.hash, file_hash, index, position)
        self.config.miners.unlock_space(fragment.miner, self._fragment_space())
        return replace(fragment, miner=None, late=fragment.miner)

    def _unassign(
        self,
        who: AccountId,
        fragment_hash: FragmentHash,
        file_hash: FileHash,
        index: U32,
        position: int,
    ) -> None:
        """Take one place from a miner's list; the next place of the same hash moves up."""

        def is_meant(work: AssignedFragment) -> bool:
            return (work.file_hash, int(work.segment_index), int(work.fragment_index)) == (
                file_hash,
                int(index),
                position,
            )

        more = list(self.assigned_more.get(who, fragment_hash) or ())
        if is_meant(self.assigned[who, fragment_hash]):
            if not more:
                del self.assigned[who, fragment_hash]
                return
            self.assigned[who, fragment_hash] = more.pop(0)
        else:
            more = [work for work in more if not is_meant(work)]
        if more:
            self.assigned_more[who, fragment_hash] = AssignedFragments(more)
        else:
            del self.assigned_more[who, fragment_hash]

    def _put_pending(
        self,
        file_hash: FileHash,
        index: U32,
        segment: DealSegment,
        fragments: Sequence[DealFragment],
    ) -> None:
        self.deal_segments[file_hash, index] = replace(segment, fragments=DealFragments(fragments))

    def _handle_overdue(self, n: BlockNumber) -> int:
        """Draw the missing holders of overdue deals again, or drop what was drawn often enough."""
        block = self.deal_cursor.get()
        handled = steps = 0
        while block < n and handled < OVERDUE_PER_BLOCK_MAX and steps < CURSOR_STEPS_MAX:
            wanted = OVERDUE_PER_BLOCK_MAX - handled
            overdue = self.deal_schedule.prefix_keys(block, limit=wanted)
            for file_hash in overdue:
                self._try_again(file_hash, self.deal_map[file_hash])
            handled += len(overdue)
            steps += 1
            if len(overdue) < wanted:
                block = BlockNumber(block + 1)
        self.deal_cursor.put(block)
        return handled

    def _try_again(self, file_hash: FileHash, deal: DealInfo) -> None:
        attempt = U8(deal.attempt + 1)
        if attempt >= self.config.deal_attempts_max:
            self._drop(file_hash, deal)
            return
        del self.deal_schedule[deal.deadline, file_hash]
        deadline = self._deadline(deal.segment_count)
        self.deal_schedule[deadline, file_hash] = True
        self.deal_map[file_hash] = replace(deal, attempt=attempt, deadline=deadline)
        self._enqueue_place(PlaceTask(file_hash=file_hash, attempt=attempt, next_segment=U32(0)))

    # Private: reports.

    def _take_report(
        self, who: AccountId, deal_hash: FileHash, deal: DealInfo, report: FragmentReport
    ) -> DealInfo:
        """Check one report and make ``who`` answer for the fragment; return the deal after it."""
        index, position = report.segment_index, int(report.fragment_index)
        ensure(index < deal.segment_count and position < FRAGMENT_COUNT, self.NonExistent)
        segment = self.deal_segments.get(deal_hash, index)
        if segment is None:
            raise self.AlreadyReported  # the whole segment was
        fragment = segment.fragments[position]
        if fragment.miner != who:
            raise self.Expired if fragment.late == who else self.NotAssigned
        ensure(not fragment.reported, self.AlreadyReported)
        ensure(self.now() <= deal.deadline, self.Expired)
        self._ensure_committed(who, deal_hash, deal, report, fragment)

        self._unassign(who, fragment.hash, deal_hash, index, position)
        self.config.miners.lock_to_service(who, self._fragment_space())
        slot = self.config.holdings.open_holding(
            who, deal_hash, int(index), position, fragment.hash, report.commitments
        )
        fragments = list(segment.fragments)
        fragments[position] = replace(fragment, reported=True, slot=slot)
        if not all(item.reported for item in fragments):
            self._put_pending(deal_hash, index, segment, fragments)
            return deal
        self.file_segments[deal_hash, index] = SegmentInfo(
            hash=segment.hash,
            fragment_list=FragmentInfos(_held(item, self.now()) for item in fragments),
        )
        del self.deal_segments[deal_hash, index]
        return replace(deal, complete_count=U32(deal.complete_count + 1))

    def _ensure_committed(
        self,
        who: AccountId,
        deal_hash: FileHash,
        deal: DealInfo,
        report: FragmentReport,
        fragment: DealFragment,
    ) -> None:
        """The commitments are points, one for each row, and the owner signed exactly them."""
        rows = row_count(int(self.config.fragment_bytes))
        ensure(len(report.commitments) == rows, self.CommitmentCount)
        try:
            for commitment in report.commitments:
                decode_commitment(commitment)
        except ProofRejected:
            raise self.InvalidCommitment from None
        message = cosign_message(
            self.genesis_hash(),
            deal_hash,
            int(report.segment_index),
            int(report.fragment_index),
            who,
            fragment.hash,
            report.commitments,
        )
        ensure(report.co_signature.verify(deal.user.user, message), self.InvalidCoSignature)

    def _complete(self, file_hash: FileHash, deal: DealInfo) -> None:
        """Every segment is held: the file is active, unless the lease has ended meanwhile."""
        brief = deal.user
        territories = self.config.territories
        if territories.is_expired(brief.user, brief.territory_name):
            self._drop(file_hash, deal)
            return
        territories.unlock_and_use(
            brief.user, brief.territory_name, self._space(deal.segment_count)
        )
        del self.deal_schedule[deal.deadline, file_hash]
        del self.deal_map[file_hash]
        self.file[file_hash] = FileInfo(
            owner=Owners((brief,)),
            file_size=deal.file_size,
            segment_count=deal.segment_count,
            completion=self.now(),
            stat=FileState.Active,
        )
        self._list_owner(file_hash, brief, deal.file_size)
        self.deposit_event(self.StorageCompleted(file_hash=file_hash))

    def _unreport(
        self, miner: AccountId, file_hash: FileHash, segment_index: int, position: int
    ) -> None:
        """A holder lost its fragment before the segment was complete: draw it again."""
        segment = self.deal_segments.get(file_hash, U32(segment_index))
        if segment is None:
            return
        fragments = list(segment.fragments)
        fragment = fragments[position]
        if not fragment.reported or fragment.miner != miner:
            return
        self._end_holding(miner, fragment.slot)
        fragments[position] = replace(fragment, miner=None, reported=False, late=miner, slot=U32(0))
        self._put_pending(file_hash, U32(segment_index), segment, fragments)

    # Private: taking down.

    def _drop(self, file_hash: FileHash, deal: DealInfo) -> None:
        """End a deal; its segments are taken down by later blocks."""
        brief = deal.user
        self.config.territories.unlock_user_space(
            brief.user, brief.territory_name, self._space(deal.segment_count)
        )
        del self.deal_schedule[deal.deadline, file_hash]
        self.deal_map.take(file_hash)
        self._enqueue_removal(file_hash, deal.segment_count)
        self.deposit_event(self.DealDropped(owner=brief.user, deal_hash=file_hash))

    def _give_up(self, owner: AccountId, file_hash: FileHash) -> None:
        """Take an owner from a file; with the last one the file goes."""
        info = self.file[file_hash]
        position = next(
            (index for index, brief in enumerate(info.owner) if brief.user == owner), None
        )
        if position is None:
            raise self.NotOwner
        brief = info.owner[position]
        self.config.territories.sub_used_space(
            owner, brief.territory_name, self._space(info.segment_count)
        )
        del self.user_hold_file_list[owner, file_hash]
        del self.territory_files[(owner, brief.territory_name), file_hash]
        owners = [*info.owner[:position], *info.owner[position + 1 :]]
        if owners:
            self.file[file_hash] = replace(info, owner=Owners(owners))
        else:
            del self.file[file_hash]
            self._enqueue_removal(file_hash, info.segment_count)

    def _enqueue_removal(self, file_hash: FileHash, segments: U32) -> None:
        tail = self.removal_tail.get()
        self.removal_queue[tail] = RemovalTask(
            file_hash=file_hash, segment_count=segments, next_segment=U32(0)
        )
        self.removal_tail.put(U64(tail + 1))
        self.removing[file_hash] = True

    def _remove_some(self) -> int:
        """Take down segments of the oldest tasks."""
        budget = REMOVED_SEGMENTS_PER_BLOCK_MAX
        head = self.removal_head.get()
        while budget > 0 and (task := self.removal_queue.get(head)) is not None:
            index = int(task.next_segment)
            end = min(int(task.segment_count), index + budget)
            for segment in range(index, end):
                self._remove_segment(task.file_hash, U32(segment))
            budget -= end - index
            if end < task.segment_count:
                self.removal_queue[head] = replace(task, next_segment=U32(end))
                break
            del self.removal_queue[head]
            del self.removing[task.file_hash]
            head = U64(head + 1)
        self.removal_head.put(head)
        return REMOVED_SEGMENTS_PER_BLOCK_MAX - budget

    def _remove_segment(self, file_hash: FileHash, index: U32) -> None:
        """Release the holders of a segment, complete or not."""
        pending = self.deal_segments.take(file_hash, index)
        if pending is not None:
            for position, item in enumerate(pending.fragments):
                if item.reported and item.miner is not None:
                    self._end_holding(item.miner, item.slot)
                else:
                    self._released(file_hash, index, position, item)
            return
        segment = self.file_segments.take(file_hash, index)
        assert segment is not None, "because a segment is pending or complete until it is removed"
        for position, fragment in enumerate(segment.fragment_list):
            if fragment.avail:
                self._end_holding(fragment.miner, fragment.slot)
            else:
                del self.lost_commitments[file_hash, _place(int(index), position)]
            order = self.restoral_order.get(fragment.hash)
            if order is not None and (order.file_hash, order.segment_index) == (file_hash, index):
                del self.restoral_order[fragment.hash]

    def _end_holding(self, miner: AccountId, slot: U32) -> None:
        self.config.holdings.close_holding(miner, int(slot))
        self.config.miners.release_service(miner, self._fragment_space())

    def _clear_some(self) -> int:
        """Give up files of the territory that expired first; when none is left it is removed."""
        territory = self.config.territories.next_to_clear()
        if territory is None:
            return 0
        owner, name = territory
        key = (owner, TerrName(name))
        limit = CLEARED_FILES_PER_BLOCK_MAX
        files = self.territory_files.prefix_keys(key, limit=limit)
        for file_hash in files:
            self._give_up(owner, file_hash)
            self.deposit_event(self.DeleteFile(operator=owner, owner=owner, file_hash=file_hash))
        if len(files) < limit:
            self.config.territories.finish_clearing()
        return len(files) + 1

    # Private: restoring.

    def _find(
        self, file_hash: FileHash, fragment_hash: FragmentHash, miner: AccountId, *, is_lost: bool
    ) -> tuple[int, int]:
        """Segment and index of a fragment of ``miner``: one it holds, or one it cannot serve.

        Looks at each of the file's segments, at most a thousand.
        """
        info = self.file.get(file_hash)
        if info is None:
            raise self.FileNonExistent
        is_gone = is_lost and self.config.miners.is_leaving(miner)
        for index in range(int(info.segment_count)):
            segment = self.file_segments[file_hash, U32(index)]
            for position, fragment in enumerate(segment.fragment_list):
                if fragment.hash != fragment_hash or fragment.miner != miner:
                    continue
                if fragment.avail != is_lost or is_gone:
                    return index, position
        raise self.NonExistent

    def _ensure_can_restore(self, who: AccountId) -> None:
        ensure(self.config.miners.is_positive(who), self.MinerStateError)
        ensure(
            self.config.miners.can_hold(who, int(self.config.fragment_bytes)),
            self.MinerPowerInsufficient,
        )

    def _ensure_stranger(
        self, who: AccountId, file_hash: FileHash, index: U32, position: U8
    ) -> None:
        """``who`` holds no other fragment of the segment; its own lost one it may restore."""
        segment = self.file_segments.get(file_hash, index)
        if segment is None:
            raise self.NonExistent
        for other, fragment in enumerate(segment.fragment_list):
            if other != position:
                ensure(not (fragment.avail and fragment.miner == who), self.AlreadyHolder)

    def _take_over(self, who: AccountId, order: RestoralOrderInfo) -> None:
        """``who`` is the holder; the one before, if it still answered, is released now."""
        index, position = int(order.segment_index), int(order.fragment_index)
        fragment = self.file_segments[order.file_hash, order.segment_index].fragment_list[position]
        holdings = self.config.holdings
        if fragment.avail:
            commitments = holdings.commitments_of(fragment.miner, int(fragment.slot))
            self._end_holding(fragment.miner, fragment.slot)
        else:
            kept = self.lost_commitments.take(order.file_hash, _place(index, position))
            assert kept is not None, "because a lost fragment leaves its commitments"
            commitments = tuple(kept)
        self.config.miners.idle_to_service(who, self._fragment_space())
        slot = holdings.open_holding(
            who, order.file_hash, index, position, fragment.hash, commitments
        )
        self._put_fragment(
            order.file_hash,
            index,
            position,
            replace(fragment, avail=True, tag=self.now(), miner=who, slot=slot),
        )

    def _put_fragment(
        self, file_hash: FileHash, segment_index: int, position: int, fragment: FragmentInfo
    ) -> None:
        segment = self.file_segments[file_hash, U32(segment_index)]
        fragments = list(segment.fragment_list)
        fragments[position] = fragment
        self.file_segments[file_hash, U32(segment_index)] = replace(
            segment, fragment_list=FragmentInfos(fragments)
        )


def _held(fragment: DealFragment, now: BlockNumber) -> FragmentInfo:
    assert fragment.miner is not None, "because a reported fragment has a holder"
    return FragmentInfo(
        hash=fragment.hash, avail=True, tag=now, miner=fragment.miner, slot=fragment.slot
    )


def _place(segment_index: int, position: int) -> U32:
    return U32(segment_index * FRAGMENT_COUNT + position)


def _is_name(name: bytes) -> bool:
    """Whether a name is long enough and has no control characters (they fool terminals)."""
    return len(name) >= NAME_LENGTH_MIN and all(byte >= 0x20 and byte != 0x7F for byte in name)
