"""Files: declaring, placing, holding, losing, restoring and deleting them.

The road of a file: ``upload_declaration`` locks the owner's territory; in the next block the chain
draws twelve different holders for each segment, with randomness that the declarer could not know;
each holder reports its fragment with commitments that the owner co-signed and answers for it from
then on; the twelfth report completes a segment, the last one makes the file active. Holders that
miss the deadline are drawn again, ``deal_attempts_max`` times in all; then the deal is dropped and
everything it held is released.

Nothing loops over a file in one step. Drawing, taking down segments and clearing expired
territories are queues, and each block does a bounded part of each.

Invariants, tested as properties:
- a fragment with a holder that has not reported is locked space of that holder; a reported or held
  one is its service space and one open holding of Audit; a lost one is neither;
- the holders of a segment are different miners;
- the used space of a territory is the sum over its files of ``segments x 12 x fragment_bytes``, its
  locked space the same sum over its deals;
- ``user_hold_file_list`` and ``territory_files`` list exactly the owners of files.

Ports needed: ``territories`` (StorageHandler), ``miners`` (Sminer), ``holdings`` (Audit),
``randomness`` (Babe). Provided, see below the calls: to Audit ``report_lost``, ``holding_moved``;
to Mdrc ``is_owner``.

What calls and hooks do is in the modules beside this one: ``declaring``, ``placing``,
``deadlines``, ``reporting``, ``removal`` and ``restoring``.
"""

from typing import Annotated

from pallets.file_bank import (
    deadlines,
    declaring,
    placing,
    removal,
    reporting,
    restoring,
    weights,
)
from pallets.file_bank.ports import Holdings, Miners, Randomness, Territories
from pallets.file_bank.types import (
    FRAGMENT_COUNT,
    AssignedFragment,
    AssignedFragments,
    DealInfo,
    DealSegment,
    DealSegments,
    FileInfo,
    FragmentReports,
    IdleAnswers,
    PlaceTask,
    RemovalTask,
    RestoralOrderInfo,
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
from primitives.scale import U8, U32, U64, U128
from primitives.types import AccountId, BlockNumber, FileHash, FragmentHash, Hash
from proofs.podr2.points import RowPoints

__all__ = ["FileBank"]


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
        Hash,
        RestoralOrderInfo,
        hasher=Blake2_128Concat,
        doc="Fragments to restore, by a hash of file, segment and fragment index.",
    )
    lost_commitments = StorageDoubleMap(
        FileHash,
        U32,
        RowPoints,
        hashers=(Blake2_128Concat, Twox64Concat),
        doc="Points of lost fragments, as in Audit, by file and segment x 12 + fragment.",
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
        order_id: Hash

    @event(index=8)
    class RecoveryCompleted:
        """``miner`` holds a restored fragment."""

        miner: AccountId
        order_id: Hash

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
        """The segments do not fit the size: one for each begun segment, of twelve fragments."""

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
        overdue = deadlines.handle_overdue(self, n)
        placed = placing.place_some(self)
        removed = removal.remove_some(self)
        cleared = removal.clear_some(self)
        return overdue + placed + removed + cleared

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
        ensure(declaring.is_name(user_brief.file_name), self.LessMinLength)
        declaring.ensure_described(self, file_hash, deal_info, file_size)
        ensure(file_hash not in self.removing, self.BeingRemoved)
        ensure(file_hash not in self.deal_map, self.Existed)

        info = self.file.get(file_hash)
        if info is None:
            declaring.declare(self, file_hash, deal_info, user_brief, file_size)
        else:
            declaring.join(self, file_hash, info, user_brief)
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
            deal = reporting.take_report(self, who, deal_hash, deal, report)
        self.deposit_event(self.TransferReport(acc=who, deal_hash=deal_hash))
        if deal.complete_count == deal.segment_count:
            reporting.complete(self, deal_hash, deal)
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
            removal.drop(self, file_hash, deal)
            return
        ensure(file_hash in self.file, self.FileNonExistent)
        removal.give_up(self, owner, file_hash)
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

        In a deal whose segment is not complete its place is drawn again with the missing ones.
        *Origin*: signed by the holder. *Errors*: FileNonExistent, NonExistent, Existed.
        *Events*: GenerateRestoralOrder, for a complete segment.
        """
        who = ensure_signed(origin)
        segment_index, index = restoring.find(self, file_hash, restoral_fragment, who)
        self.config.miners.punish(who, restoring.SELF_REPORT_PERMILLE)
        restoring.open_order(self, who, file_hash, segment_index, index)

    @call(index=14, weight=Weight(reads=8, writes=6))
    def claim_restoral_order(self, origin: Origin, order_id: Hash) -> None:
        """Undertake to restore a fragment within ``restoral_order_life`` blocks.

        *Origin*: signed by a positive miner. *Errors*: MinerStateError, MinerPowerInsufficient,
        NonExistent, Locked, ClaimLapsed, AlreadyHolder. *Events*: ClaimRestoralOrder.
        """
        who = ensure_signed(origin)
        restoring.ensure_can_restore(self, who)
        order = self.restoral_order.get(order_id)
        if order is None:
            raise self.NonExistent
        restoring.claim(self, who, order)
        self.deposit_event(self.ClaimRestoralOrder(miner=who, order_id=order_id))

    @call(index=15, weight=weights.FIND_FRAGMENT)
    def claim_restoral_noexist_order(
        self,
        origin: Origin,
        miner: AccountId,
        file_hash: FileHash,
        restoral_fragment: FragmentHash,
    ) -> None:
        """Undertake to restore a fragment of a miner that left; the order begins with it.

        *Origin*: signed by a positive miner. *Errors*: MinerStateError, MinerPowerInsufficient,
        FileNonExistent, NonExistent, Existed, AlreadyHolder. *Events*: ClaimRestoralOrder.
        """
        who = ensure_signed(origin)
        restoring.ensure_can_restore(self, who)
        order_id = restoring.claim_unordered(self, who, miner, file_hash, restoral_fragment)
        self.deposit_event(self.ClaimRestoralOrder(miner=who, order_id=order_id))

    @call(index=16, weight=Weight(reads=16, writes=17))
    def restoral_order_complete(self, origin: Origin, order_id: Hash) -> None:
        """Take over a restored fragment: from now on the caller is audited for it.

        The commitments stay those of the fragment, so only its very bytes will pass.
        *Origin*: signed by the claiming miner. *Errors*: MinerStateError, MinerPowerInsufficient,
        NonExistent, NoPermission, Expired, AlreadyHolder. *Events*: RecoveryCompleted.
        """
        who = ensure_signed(origin)
        restoring.ensure_can_restore(self, who)
        order = self.restoral_order.get(order_id)
        if order is None:
            raise self.NonExistent
        ensure(order.count > 0 and order.miner == who, self.NoPermission)
        ensure(self.now() <= order.deadline, self.Expired)
        restoring.ensure_stranger(
            self, who, order.file_hash, order.segment_index, order.fragment_index
        )

        restoring.take_over(self, who, order)
        del self.restoral_order[order_id]
        self.deposit_event(self.RecoveryCompleted(miner=who, order_id=order_id))

    @call(index=24, weight=weights.idle_certificate)
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

        Of a stored segment it becomes a restoral order. Of a segment that is not complete it is
        drawn again with the other missing ones.
        """
        restoring.open_order(self, miner, file_hash, segment_index, fragment_index)

    def holding_moved(
        self, file_hash: FileHash, segment_index: int, fragment_index: int, slot: int
    ) -> None:
        """The holder of a fragment keeps it in another slot now."""
        restoring.move_holding(self, file_hash, segment_index, fragment_index, slot)

    # Port of Mdrc.

    def is_owner(self, file_hash: FileHash, who: AccountId) -> bool:
        """Whether ``who`` owns an active file."""
        return (who, file_hash) in self.user_hold_file_list

    # Sizes, for the modules of this package.

    def space_of(self, segments: U32) -> U128:
        """Bytes of territory that ``segments`` segments fill: all twelve fragments of each."""
        return U128(int(segments) * FRAGMENT_COUNT * int(self.config.fragment_bytes))

    def fragment_space(self) -> U128:
        """Bytes of a miner's space that a fragment fills."""
        return U128(int(self.config.fragment_bytes))
