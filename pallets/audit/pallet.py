"""Audits: each block draws miners, and each drawn miner must prove what it holds.

A round has two parts. The service part samples rows of all the miner's fragments and is answered
with one aggregate KZG proof; the idle part draws plots and is answered with proofs of space. The
chain verifies both in the call. No answer by the deadline and a wrong answer are faults by
default, and a part is answered once: there is nothing to try again with.

What a round asks is fixed when it begins, without a loop over fragments: ``slots`` is the number
of the miner's holdings then. A position falls on a slot and a row; it counts if the holding stood
at the start. A holding that is removed later counts on, so the miner keeps its bytes, and the chain
its commitments, until the round closes. A holding that was removed before does not count, on either
side. So deleting a file cannot make an honest miner fail, and dropping one cannot save a dishonest
one.

A part is passed by a proof over all that it asks. A miner that declares losses proves the rest and
has not passed: it is paid nothing for the round and its faults in a row stay what they were.

Slots of removed holdings are taken out between rounds, by moving the last holding into the gap, so
that ``holding_count`` stays the number of fragments held and dead slots do not thin out the sample.

Invariants:
- slots of a miner are dense in ``0..holding_count``; ``holdings`` and ``commitments`` of a slot
  agree on ``since`` and ``removed``;
- a miner has at most one open round, and each open part waits under its deadline;
- every round ends in an accepted proof or a fault for each of its parts, by its deadlines;
- a round is paid for no more than was held at its start and is still held at its end.

Bounds: ``DRAWS_PER_BLOCK_MAX`` rounds open in a block, so that no more deadlines fall on one; the
removed holdings that a block looks at, see ``slots``; ``LOSSES_DECLARED_MAX`` fragments that an
answer opens for restoral.

Ports needed: ``miners`` (Sminer), ``files`` (FileBank), ``rewards`` (CessTreasury), ``randomness``
(Babe). Provided, see below the calls: to FileBank ``open_holding``, ``close_holding``,
``points_of``; to Sminer ``is_challenged``, ``forget``.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from pallets.audit import judging, slots
from pallets.audit.judging import RowsCheck, RowsVerifier
from pallets.audit.ports import Files, Miners, Randomness, Rewards
from pallets.audit.rounds import DRAWS_PER_BLOCK_MAX, drawn_indexes, fine_permille
from pallets.audit.types import (
    AuditRecord,
    ChallengeInfo,
    FaultKind,
    FaultyPositions,
    Holding,
    IdleAnswers,
    KeptRows,
)
from pallets.audit.weights import LOSSES_DECLARED_MAX, idle_proof, service_proof
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
from primitives.scale import U8, U16, U32, U64, U128
from primitives.types import AccountId, BlockNumber, Bytes48, FileHash, FragmentHash, Hash
from proofs.podr2 import challenge
from proofs.podr2.params import row_count
from proofs.podr2.points import RowPoints
from proofs.podr2.wire import ScalarBytes, ServiceProof

__all__ = ["Audit"]


class Audit(Pallet):
    """Challenges, proofs and faults of storage miners."""

    class Config(PalletConfig):
        """Constants of the chain, and the neighbours."""

        fragment_bytes: Annotated[U64, Doc("Bytes of a fragment.")]
        rows_sampled_max: Annotated[U16, Doc("The most rows that a service round samples.")]
        plot_k: Annotated[U8, Doc("The size parameter of the plots.")]
        plot_draws: Annotated[U16, Doc("Draws of an idle round.")]
        challenge_period_blocks: Annotated[
            BlockNumber, Doc("Blocks between two rounds of a miner, on average.")
        ]
        service_deadline_blocks: Annotated[
            BlockNumber, Doc("Blocks that a miner has for the service part of a round.")
        ]
        idle_deadline_blocks: Annotated[
            BlockNumber, Doc("Blocks that a miner has for the idle part of a round.")
        ]
        faults_max: Annotated[
            U32, Doc("Service faults in a row after which a miner is thrown out.")
        ]
        miners: Miners
        files: Files
        rewards: Rewards
        randomness: Randomness

    config: Config
    _verifier: RowsVerifier | None = None

    # Accounts are chosen by users, so their hash must resist crafted prefixes; slots and block
    # numbers cannot be crafted.
    holding_count = StorageMap(
        AccountId,
        U32,
        hasher=Blake2_128Concat,
        default=U32(0),
        doc="How many slots of a miner are in use, removed holdings included.",
    )
    holdings = StorageDoubleMap(
        AccountId,
        U32,
        Holding,
        hashers=(Blake2_128Concat, Twox64Concat),
        doc="What a miner answers for, by slot.",
    )
    commitments = StorageDoubleMap(
        AccountId,
        U32,
        KeptRows,
        hashers=(Blake2_128Concat, Twox64Concat),
        doc="The row commitments of the fragment in a slot: 96 bytes for each point, x and y.",
    )
    removed_queue = StorageMap(
        U64,
        tuple[AccountId, U32],
        hasher=Twox64Concat,
        doc="Slots whose holding was removed and that are to be taken out.",
    )
    removed_head = StorageValue(U64, default=U64(0), doc="Index of the queue's first entry.")
    removed_tail = StorageValue(U64, default=U64(0), doc="Index after the queue's last entry.")
    challenge_snap_shot = StorageMap(
        AccountId, ChallengeInfo, hasher=Blake2_128Concat, doc="Open rounds by miner."
    )
    challenge_slip = StorageDoubleMap(
        BlockNumber,
        AccountId,
        bool,
        hashers=(Twox64Concat, Blake2_128Concat),
        doc="Miners whose service answer is due at this block.",
    )
    idle_slip = StorageDoubleMap(
        BlockNumber,
        AccountId,
        bool,
        hashers=(Twox64Concat, Blake2_128Concat),
        doc="Miners whose idle answer is due at this block.",
    )
    counted_clear = StorageMap(
        AccountId,
        U32,
        hasher=Blake2_128Concat,
        default=U32(0),
        doc="Service answers missed since the last accepted one.",
    )
    counted_service_failed = StorageMap(
        AccountId,
        U32,
        hasher=Blake2_128Concat,
        default=U32(0),
        doc="Service answers rejected since the last accepted one.",
    )
    audit_record = StorageMap(
        AccountId, AuditRecord, hasher=Blake2_128Concat, doc="The audits of a miner so far."
    )

    @event(index=0)
    class ChallengeIssued:
        """``miner`` must answer ``round``, its service part until ``deadline``."""

        miner: AccountId
        round: U32
        deadline: BlockNumber

    @event(index=1)
    class ServiceProofAccepted:
        """``miner`` proved that it holds all that ``round`` asked: ``rows`` rows."""

        miner: AccountId
        round: U32
        rows: U32

    @event(index=2)
    class IdleProofAccepted:
        """``miner`` proved about ``space`` bytes of plots in ``round``."""

        miner: AccountId
        round: U32
        space: U128

    @event(index=3)
    class Fault:
        """``miner`` failed a part of ``round``."""

        miner: AccountId
        round: U32
        kind: FaultKind

    class NoChallenge(PalletError, index=3):
        """No round of this miner is open."""

    class Expired(PalletError, index=14):
        """The deadline of this part has passed."""

    class Submitted(PalletError, index=17):
        """This part was answered already, or asked nothing."""

    class WrongRound(PalletError, index=22):
        """Another round of this miner is open; read `ChallengeSnapShot`."""

    class InvalidFaultList(PalletError, index=23):
        """Faulty positions must ascend, without repeats, below the number of sampled positions."""

    def on_initialize(self, n: BlockNumber) -> Weight:
        """Close what was due, take out removed holdings, open new rounds."""
        missed = self._close_overdue(n)
        cleaned = slots.clean(self)
        opened = self._draw(n)
        rounds = Weight(reads=4 + 14 * missed + 8 * opened, writes=20 * missed + 4 * opened)
        return cleaned + rounds

    @call(index=1, weight=idle_proof)
    def submit_idle_proof(self, origin: Origin, round: U32, answers: IdleAnswers) -> None:  # noqa: A002
        """Answer the idle part of the caller's round.

        Each valid answer counts towards an estimate of the space; an invalid one loses the part.
        *Origin*: signed by the miner. *Errors*: NoChallenge, WrongRound, Submitted, Expired.
        *Events*: IdleProofAccepted or Fault.
        """
        who = ensure_signed(origin)
        info = self._open_round(who, round)
        ensure(self.now() <= info.idle_deadline, self.Expired)
        ensure(not info.idle_done, self.Submitted)

        del self.idle_slip[info.idle_deadline, who]
        space = judging.idle_estimate(self, who, info, answers)
        if space is None:
            info = self._idle_fault(who, info, FaultKind.IdleRejected)
        else:
            info = replace(info, idle_done=True, idle_passed=True, idle_space=space)
            self.deposit_event(self.IdleProofAccepted(miner=who, round=round, space=space))
        self._store(who, info)

    @call(index=2, weight=service_proof)
    def submit_service_proof(
        self,
        origin: Origin,
        round: U32,  # noqa: A002
        faulty: FaultyPositions,
        y: ScalarBytes,
        proof: Bytes48,
    ) -> None:
        """Answer the service part of the caller's round with one proof over all sampled rows.

        Rows that the miner names as ``faulty`` are left out of the proof; their fragments are open
        for restoral at once, for a smaller fine and no reward. Of more than 256 fragments those in
        the lowest slots are; the miner answers for the others on, and names them again when they
        are sampled again. A wrong proof is a fault and closes the part.
        *Origin*: signed by the miner. *Errors*: NoChallenge, WrongRound, Submitted, Expired,
        InvalidFaultList. *Events*: ServiceProofAccepted or Fault.
        """
        who = ensure_signed(origin)
        info = self._open_round(who, round)
        ensure(self.now() <= info.deadline, self.Expired)
        ensure(not info.service_done, self.Submitted)
        rows = row_count(int(self.config.fragment_bytes))
        positions = self._positions(info, rows)
        ensure(judging.ascends_below(faulty, len(positions)), self.InvalidFaultList)
        asked = judging.asked_rows(self, who, info, positions, rows)
        lost = {int(index) for index in faulty} & asked.keys()
        lost_slots = sorted({positions[index] // rows for index in lost})

        del self.challenge_slip[info.deadline, who]
        proved = [index for index in asked if index not in lost]
        answer = ServiceProof(y=y, proof=proof)
        if not judging.is_proved(info, asked, proved, answer, self.verifier):
            self._service_fault(who, info, FaultKind.ServiceRejected)
        elif lost_slots:
            self._declare_lost(who, info, lost_slots[:LOSSES_DECLARED_MAX])
        else:
            self._accept_service(who, info, len(proved))

    # For the node.

    @property
    def verifier(self) -> RowsVerifier:
        """Who says whether a service proof holds: ``judging.rows_hold``, or the node's threads."""
        return self._verifier or judging.rows_hold

    def verify_with(self, verifier: RowsVerifier) -> None:
        """Ask ``verifier`` instead, which gives the same answers from memory or other threads."""
        self._verifier = verifier

    def foresee(
        self,
        who: AccountId,
        number: U32,
        faulty: FaultyPositions,
        y: ScalarBytes,
        proof: Bytes48,
    ) -> RowsCheck | None:
        """What the verifier will be asked if ``who`` makes this call and the state stays as it is.

        Reads only, and what was read is at hand when the call comes. None where the call cannot
        come so far.
        """
        info = self.challenge_snap_shot.get(who)
        if info is None or info.round != number or info.service_done:
            return None
        rows = row_count(int(self.config.fragment_bytes))
        positions = self._positions(info, rows)
        asked = judging.asked_rows(self, who, info, positions, rows)
        lost = {int(index) for index in faulty}
        proved = [index for index in asked if index not in lost]
        return judging.rows_check(info, asked, proved, ServiceProof(y=y, proof=proof))

    # Port of FileBank: what a miner answers for.

    def open_holding(
        self,
        miner: AccountId,
        file_hash: FileHash,
        segment_index: int,
        fragment_index: int,
        fragment_hash: FragmentHash,
        points: RowPoints,
    ) -> U32:
        """``miner`` answers for a fragment from now on; return its slot."""
        holding = Holding(
            file_hash=file_hash,
            segment_index=U32(segment_index),
            fragment_index=U8(fragment_index),
            fragment_hash=fragment_hash,
            since=self.now(),
            removed=None,
        )
        return slots.append(self, miner, holding, points)

    def close_holding(self, miner: AccountId, slot: int) -> None:
        """``miner`` ceases to answer for a slot, except in a round that is open."""
        slots.remove(self, miner, U32(slot))

    def points_of(self, miner: AccountId, slot: int) -> RowPoints:
        """The row commitments in a slot, as they are kept."""
        return self.commitments[miner, U32(slot)].points

    # Port of Sminer.

    def is_challenged(self, who: AccountId) -> bool:
        """Whether a round of ``who`` is open."""
        return who in self.challenge_snap_shot

    def forget(self, who: AccountId) -> None:
        """Drop the counters of a miner that withdrew."""
        self.audit_record.take(who)
        self.counted_clear.take(who)
        self.counted_service_failed.take(who)

    # Private: opening rounds.

    def _draw(self, n: BlockNumber) -> int:
        """Open rounds for the miners that this block draws. A drawn miner with a round keeps it."""
        miners = self.config.miners
        count = miners.count()
        randomness = self.config.randomness.random(b"cess/audit-draw/v1")
        opened = 0
        for index in drawn_indexes(randomness, count, int(self.config.challenge_period_blocks)):
            who = miners.miner_at(index)
            if not self.is_challenged(who) and self._begin(n, who):
                opened += 1
        return opened

    def _begin(self, n: BlockNumber, who: AccountId) -> bool:
        """Open a round of ``who``, unless it has nothing to be asked about."""
        front, rear = self.config.miners.idle_range(who)
        service_space = self.config.miners.service_space(who)
        has_service = service_space > 0
        has_idle = rear > front
        if not has_service and not has_idle:
            return False
        record = self._record(who)
        number = U32(record.round + 1)
        self.audit_record[who] = replace(record, round=number)
        randomness = self.config.randomness.random(b"cess/audit-round/v1" + who)
        seed = challenge.round_seed(self.genesis_hash(), int(n), randomness, who, int(number))
        info = ChallengeInfo(
            round=number,
            start=n,
            seed=Hash(seed),
            slots=self.holding_count.get(who),
            service_space=service_space,
            idle_front=front,
            idle_rear=rear,
            deadline=BlockNumber(n + self.config.service_deadline_blocks),
            idle_deadline=BlockNumber(n + self.config.idle_deadline_blocks),
            service_done=not has_service,
            idle_done=not has_idle,
            service_passed=not has_service,
            idle_passed=not has_idle,
            idle_space=U128(0),
        )
        self.challenge_snap_shot[who] = info
        if has_service:
            self.challenge_slip[info.deadline, who] = True
        if has_idle:
            self.idle_slip[info.idle_deadline, who] = True
        self.deposit_event(self.ChallengeIssued(miner=who, round=number, deadline=info.deadline))
        return True

    # Private: judging answers.

    def _positions(self, info: ChallengeInfo, rows: int) -> tuple[int, ...]:
        return judging.positions_of(
            info.seed, int(info.slots) * rows, int(self.config.rows_sampled_max)
        )

    def _open_round(self, who: AccountId, number: U32) -> ChallengeInfo:
        info = self.challenge_snap_shot.get(who)
        if info is None:
            raise self.NoChallenge
        ensure(info.round == number, self.WrongRound)
        return info

    def _accept_service(self, who: AccountId, info: ChallengeInfo, rows: int) -> None:
        """Everything asked was proved. Where nothing was asked, nothing is paid or forgiven."""
        if rows > 0:
            record = self._record(who)
            self.audit_record[who] = replace(
                record, passed=U32(record.passed + 1), last_audit=self.now()
            )
            self.counted_clear.take(who)
            self.counted_service_failed.take(who)
        else:
            info = replace(info, service_space=U128(0))
        self.deposit_event(self.ServiceProofAccepted(miner=who, round=info.round, rows=U32(rows)))
        self._store(who, replace(info, service_done=True, service_passed=True))

    def _declare_lost(self, who: AccountId, info: ChallengeInfo, lost: Sequence[int]) -> None:
        """Open restoral orders for the fragments in the slots ``lost`` and fine the miner once."""
        self._count_fault(who, info, FaultKind.ServiceDeclared)
        self.config.miners.punish(who, fine_permille(FaultKind.ServiceDeclared, 1))
        for slot in lost:
            holding = self.holdings[who, U32(slot)]
            if holding.removed is None:
                self.config.files.report_lost(
                    who,
                    holding.file_hash,
                    int(holding.segment_index),
                    int(holding.fragment_index),
                )
        self._store(who, replace(info, service_done=True))

    def _service_fault(self, who: AccountId, info: ChallengeInfo, kind: FaultKind) -> None:
        """Fine the miner, more for each fault in a row, and throw it out after ``faults_max``."""
        counter = (
            self.counted_clear if kind == FaultKind.ServiceMissed else self.counted_service_failed
        )
        counter[who] = U32(counter.get(who) + 1)
        consecutive = int(self.counted_clear.get(who) + self.counted_service_failed.get(who))
        self._count_fault(who, info, kind)
        self.config.miners.punish(who, fine_permille(kind, consecutive))
        if consecutive < self.config.faults_max:
            self._store(who, replace(info, service_done=True))
            return
        if not info.idle_done:
            del self.idle_slip[info.idle_deadline, who]
        del self.challenge_snap_shot[who]
        self.config.miners.force_exit(who)

    def _idle_fault(self, who: AccountId, info: ChallengeInfo, kind: FaultKind) -> ChallengeInfo:
        """An idle fault costs the reward of the round, nothing else."""
        self._count_fault(who, info, kind)
        return replace(info, idle_done=True)

    def _count_fault(self, who: AccountId, info: ChallengeInfo, kind: FaultKind) -> None:
        record = self._record(who)
        self.audit_record[who] = replace(record, faults=U32(record.faults + 1))
        self.deposit_event(self.Fault(miner=who, round=info.round, kind=kind))

    def _store(self, who: AccountId, info: ChallengeInfo) -> None:
        """Keep the round, or close it when both parts are done."""
        if not (info.service_done and info.idle_done):
            self.challenge_snap_shot[who] = info
            return
        del self.challenge_snap_shot[who]
        has_passed = info.service_passed and info.idle_passed
        power = U128(0)
        if has_passed:
            power = self.config.miners.proved_power(who, info.service_space, info.idle_space)
        self.config.rewards.record_power(who, power)

    def _record(self, who: AccountId) -> AuditRecord:
        record = self.audit_record.get(who)
        if record is None:
            return AuditRecord(round=U32(0), passed=U32(0), faults=U32(0), last_audit=None)
        return record

    # Private: deadlines.

    def _close_overdue(self, n: BlockNumber) -> int:
        """Judge the parts whose deadline was the block before ``n``, which is never block 0.

        All rounds last equally long and a block opens at most DRAWS_PER_BLOCK_MAX, so one look
        takes all of a block's deadlines.
        """
        due = BlockNumber(n - 1)
        missed = self.challenge_slip.prefix_keys(due, limit=DRAWS_PER_BLOCK_MAX)
        for who in missed:
            del self.challenge_slip[due, who]
            self._service_fault(who, self.challenge_snap_shot[who], FaultKind.ServiceMissed)
        unproved = self.idle_slip.prefix_keys(due, limit=DRAWS_PER_BLOCK_MAX)
        for who in unproved:
            del self.idle_slip[due, who]
            info = self.challenge_snap_shot[who]
            self._store(who, self._idle_fault(who, info, FaultKind.IdleMissed))
        return len(missed) + len(unproved)
