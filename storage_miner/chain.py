"""The chain as the daemon needs it: a port, and the adapter over `client.chain.ChainClient`.

Reads that must agree are made at one block. Submissions never raise for what the chain or the
network says: they end in an `Ended`, and what really happened shows in the next view.

What a round asks (docs/specs/challenge-lifecycle.md) is read from the state of the block that is
looked at now: the rule that decides whether a slot counts gives the same result at any time while
the round is open.

Bounds: ASSIGNMENTS_MAX places in a view, HOLDINGS_MAX holdings in a listing, LEAVERS_MAX miners
that left are looked at for work, KEYS_PER_READ_MAX values in one request.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from client.chain import CallFailed, ChainClient, PreparedCall
from pallets.audit import Audit
from pallets.audit.rounds import is_counted
from pallets.audit.types import (
    ChallengeInfo,
    FaultyPositions,
    Holding,
    IdleAnswer,
    IdleAnswers,
    IdleProofBytes,
)
from pallets.file_bank import FileBank
from pallets.file_bank.types import (
    AssignedFragment,
    DealInfo,
    FragmentReport,
    FragmentReports,
    RowCommitments,
    order_id,
)
from pallets.frame import StorageEntry
from pallets.sminer import Sminer
from pallets.sminer.types import EndPoint, MinerInfo
from pallets.system import System
from primitives.crypto.keys import Signer
from primitives.errors import CessError
from primitives.extrinsic import MultiSignature
from primitives.scale import U8, U16, U32, U64, decode
from primitives.types import AccountId, Balance, Bytes48, FileHash, FragmentHash, Hash
from proofs.podr2 import challenge as podr2_challenge
from proofs.podr2.params import row_count
from proofs.podr2.wire import ScalarBytes

from .facts import (
    ASSIGNMENTS_MAX,
    Assignment,
    ChainFacts,
    Ended,
    HeldFragment,
    MinerView,
    Outcome,
    Place,
    RestoralTask,
)
from .responder import IdleAnswers as RoundIdleAnswers
from .responder import ServiceAnswer
from .store.records import Cosignature

HOLDINGS_MAX = 1 << 20
KEYS_PER_READ_MAX = 500
ORDERS_MAX = 256
LEAVERS_MAX = 16
LEAVER_HOLDINGS_MAX = 64
SUBMIT_TIMEOUT_S = 60.0

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Head:
    """A block by height and hash."""

    number: int
    hash: Hash


@dataclass(frozen=True, slots=True)
class SampledRow:
    """A row that a round asks for, at `index` of the sampled positions, with its commitment."""

    index: int
    fragment_hash: FragmentHash
    row: int
    commitment: Bytes48


@dataclass(frozen=True, slots=True)
class Survivor:
    """A fragment of a segment that another miner holds, and where it is served."""

    fragment_index: int
    fragment_hash: FragmentHash
    endpoint: str


class MinerChain(Protocol):
    """All that the daemon asks of a chain. `at` is a block hash; None is the best block."""

    async def facts(self) -> ChainFacts:
        """The constants."""
        ...

    def heads(self) -> AsyncIterator[Head]:
        """Best blocks as they come; numbers may be skipped. Waits for a node that is away."""
        ...

    async def finalized(self) -> Head:
        """The last finalized block."""
        ...

    async def view(self, head: Head) -> MinerView:
        """This miner's affairs at a block."""
        ...

    async def assignments_of(self, fragment_hash: FragmentHash) -> tuple[Assignment, ...]:
        """The places that this miner is drawn for with a fragment, at the best block."""
        ...

    async def deal_owner(self, file_hash: FileHash) -> AccountId | None:
        """Who signs for the fragments of an open deal."""
        ...

    async def holdings(self, at: Hash) -> tuple[HeldFragment, ...]:
        """All that this miner answers for."""
        ...

    async def sampled_rows(self, challenge: ChallengeInfo) -> tuple[SampledRow, ...]:
        """The rows that count in the service part of a round, ascending by index."""
        ...

    async def restoral_tasks(self) -> tuple[RestoralTask, ...]:
        """Fragments that may be restored."""
        ...

    async def survivors(self, place: Place) -> tuple[Survivor, ...]:
        """The other fragments of a segment that are held."""
        ...

    async def register(
        self, endpoint: str, beneficiary: AccountId, collateral: int, units: int
    ) -> Ended:
        """`Sminer.regnstk`."""
        ...

    async def update_endpoint(self, endpoint: str) -> Ended:
        """`Sminer.update_endpoint`."""
        ...

    async def update_beneficiary(self, beneficiary: AccountId) -> Ended:
        """`Sminer.update_beneficiary`."""
        ...

    async def add_collateral(self, amount: int) -> Ended:
        """`Sminer.increase_collateral`."""
        ...

    async def increase_declaration(self, units: int) -> Ended:
        """`Sminer.increase_declaration_space`."""
        ...

    async def report_fragments(
        self, file_hash: FileHash, items: Sequence[tuple[Cosignature, Sequence[Bytes48]]]
    ) -> Ended:
        """`FileBank.transfer_report`."""
        ...

    async def submit_service(self, round_number: int, answer: ServiceAnswer) -> Ended:
        """`Audit.submit_service_proof`."""
        ...

    async def submit_idle(self, round_number: int, answer: RoundIdleAnswers) -> Ended:
        """`Audit.submit_idle_proof`."""
        ...

    async def request_certificate(self, count: int) -> Ended:
        """`FileBank.cert_idle_space`."""
        ...

    async def prove_certificate(self, answers: Sequence[tuple[int, bytes]]) -> Ended:
        """`FileBank.prove_idle_space`."""
        ...

    async def retire_plots(self, count: int) -> Ended:
        """`FileBank.replace_idle_space`."""
        ...

    async def report_loss(self, file_hash: FileHash, fragment_hash: FragmentHash) -> Ended:
        """`FileBank.generate_restoral_order`."""
        ...

    async def claim_order(self, task: RestoralTask) -> Ended:
        """`FileBank.claim_restoral_order`, or the call for a miner that left."""
        ...

    async def complete_order(self, task: RestoralTask) -> Ended:
        """`FileBank.restoral_order_complete`."""
        ...


class ClientChain:
    """`MinerChain` over a connected client, signing with one key."""

    def __init__(self, client: ChainClient, signer: Signer) -> None:
        self.client = client
        self._signer = signer
        self.account = signer.account_id
        self._facts: ChainFacts | None = None

    # Reads.

    async def facts(self) -> ChainFacts:
        """See `MinerChain`."""
        if self._facts is None:
            self._facts = await self._read_facts()
        return self._facts

    async def _read_facts(self) -> ChainFacts:
        async def size(pallet: str, name: str) -> int:
            return int(await self.client.constant(pallet, name))

        return ChainFacts(
            genesis=self.client.genesis_hash,
            fragment_bytes=await size("FileBank", "FragmentBytes"),
            segment_bytes=await size("FileBank", "SegmentBytes"),
            plot_k=await size("Audit", "PlotK"),
            plot_draws=await size("Audit", "PlotDraws"),
            cert_draws=await size("Sminer", "CertDraws"),
            rows_sampled_max=await size("Audit", "RowsSampledMax"),
            declaration_unit_bytes=await size("Sminer", "DeclarationUnitBytes"),
            collateral_per_unit=await size("Sminer", "CollateralPerUnit"),
            service_deadline_blocks=await size("Audit", "ServiceDeadlineBlocks"),
            idle_deadline_blocks=await size("Audit", "IdleDeadlineBlocks"),
            restoral_order_life=await size("FileBank", "RestoralOrderLife"),
            deal_deadline_blocks=await size("FileBank", "DealDeadlineBlocks"),
        )

    async def heads(self) -> AsyncIterator[Head]:
        """See `MinerChain`."""
        async with aclosing(self.client.heads()) as heads:
            async for head in heads:
                yield Head(int(head.number), head.hash)

    async def finalized(self) -> Head:
        """See `MinerChain`."""
        block = await self.client.finalized_head()
        header = await self.client.header(block)
        return Head(int(header.number), block)

    async def view(self, head: Head) -> MinerView:
        """See `MinerChain`."""
        who = self.account
        entries: tuple[StorageEntry[Any], ...] = (
            Sminer.miner_items,
            Sminer.pending_idle,
            Sminer.pending_replacements,
            Audit.challenge_snap_shot,
            Audit.holding_count,
            Audit.audit_record,
            Sminer.miner_lock,
            Sminer.restoral_target,
            Audit.counted_clear,
            Audit.counted_service_failed,
        )
        raw = await self.client.storage_many([entry.key(who) for entry in entries], head.hash)
        info = Sminer.miner_items.decode_value(raw[0])
        # Nothing is assigned to a miner without locked space, so it need not be looked for.
        has_work = info is not None and info.lock_space > 0
        exit_due = Sminer.miner_lock.decode_value(raw[6])
        return MinerView(
            number=head.number,
            block_hash=head.hash,
            info=info,
            pending_idle=Sminer.pending_idle.decode_value(raw[1]),
            pending_replacements=int(Sminer.pending_replacements.decode_value(raw[2]) or 0),
            challenge=Audit.challenge_snap_shot.decode_value(raw[3]),
            holding_count=int(Audit.holding_count.decode_value(raw[4]) or 0),
            audits=Audit.audit_record.decode_value(raw[5]),
            exit_due=None if exit_due is None else int(exit_due),
            missed_in_row=sum(
                int(entry.decode_value(value) or 0)
                for entry, value in zip(entries[8:], raw[8:], strict=True)
            ),
            leaving=Sminer.restoral_target.decode_value(raw[7]),
            assignments=await self._assignments(head.hash) if has_work else (),
        )

    async def _assignments(self, at: Hash) -> tuple[Assignment, ...]:
        found: list[Assignment] = []
        first = await self.client.items(
            FileBank.assigned, self.account, limit=ASSIGNMENTS_MAX, at=at
        )
        found.extend(_assignment(keys[1], work) for keys, work in first)
        more = await self.client.items(
            FileBank.assigned_more, self.account, limit=ASSIGNMENTS_MAX, at=at
        )
        found.extend(_assignment(keys[1], work) for keys, works in more for work in works)
        return tuple(found[:ASSIGNMENTS_MAX])

    async def assignments_of(self, fragment_hash: FragmentHash) -> tuple[Assignment, ...]:
        """See `MinerChain`."""
        keys = (self.account, fragment_hash)
        first, more = await self.client.storage_many(
            [FileBank.assigned.key(*keys), FileBank.assigned_more.key(*keys)], None
        )
        work = FileBank.assigned.decode_value(first)
        if work is None:
            return ()
        others = FileBank.assigned_more.decode_value(more) or ()
        return tuple(_assignment(fragment_hash, item) for item in (work, *others))

    async def deal_owner(self, file_hash: FileHash) -> AccountId | None:
        """See `MinerChain`."""
        deal: DealInfo | None = await self.client.read(FileBank.deal_map, file_hash)
        return None if deal is None else deal.user.user

    async def holdings(self, at: Hash) -> tuple[HeldFragment, ...]:
        """See `MinerChain`."""
        found = await self.client.items(Audit.holdings, self.account, limit=HOLDINGS_MAX, at=at)
        return tuple(
            HeldFragment(
                slot=int(keys[1]),
                fragment_hash=holding.fragment_hash,
                file_hash=holding.file_hash,
                is_removed=holding.removed is not None,
            )
            for keys, holding in found
        )

    async def sampled_rows(self, challenge: ChallengeInfo) -> tuple[SampledRow, ...]:
        """See `MinerChain`."""
        facts = await self.facts()
        rows = row_count(facts.fragment_bytes)
        positions = podr2_challenge.sample_positions(
            challenge.seed, int(challenge.slots) * rows, facts.rows_sampled_max
        )
        slots = sorted({position // rows for position in positions})
        at = await self.client.best_head()
        held = await self._slots(Audit.holdings, slots, at)
        asked = [slot for slot in slots if is_counted(held[slot], int(challenge.start))]
        points = await self._slots(Audit.commitments, asked, at)
        sampled = []
        for index, position in enumerate(positions):
            slot, row = divmod(position, rows)
            holding, kept = held[slot], points.get(slot)
            if holding is not None and kept is not None:
                commitment = kept.points.commitment(row)
                sampled.append(SampledRow(index, holding.fragment_hash, row, commitment))
        return tuple(sampled)

    async def _slots(
        self, entry: StorageEntry[V], slots: Sequence[int], at: Hash
    ) -> dict[int, V | None]:
        found: dict[int, V | None] = {}
        for start in range(0, len(slots), KEYS_PER_READ_MAX):
            part = slots[start : start + KEYS_PER_READ_MAX]
            keys = [entry.key(self.account, U32(slot)) for slot in part]
            raw = await self.client.storage_many(keys, at)
            for slot, value in zip(part, raw, strict=True):
                found[slot] = entry.decode_value(value)
        return found

    async def restoral_tasks(self) -> tuple[RestoralTask, ...]:
        """See `MinerChain`."""
        at = await self.client.best_head()
        orders = await self.client.items(FileBank.restoral_order, limit=ORDERS_MAX, at=at)
        tasks = {
            number: RestoralTask(
                fragment_hash=order.fragment_hash,
                place=Place(order.file_hash, int(order.segment_index), int(order.fragment_index)),
                origin_miner=order.origin_miner,
                has_order=True,
                claimed_by=order.miner if order.count > 0 else None,
                deadline=int(order.deadline),
            )
            for (number,), order in orders
        }
        leavers = await self.client.items(Sminer.restoral_target, limit=LEAVERS_MAX, at=at)
        for (miner,), _ in leavers:
            if miner == self.account:
                continue
            left = await self.client.items(Audit.holdings, miner, limit=LEAVER_HOLDINGS_MAX, at=at)
            for _, holding in left:
                task = _abandoned(miner, holding)
                if holding.removed is None:
                    tasks.setdefault(_order_of(task), task)
        return await self._possible(tuple(tasks.values()), at)

    async def _possible(
        self, tasks: tuple[RestoralTask, ...], at: Hash
    ) -> tuple[RestoralTask, ...]:
        """Those whose segment has no other fragment with this miner: the chain refuses the rest."""
        keys = [
            FileBank.file_segments.key(task.place.file_hash, U32(task.place.segment_index))
            for task in tasks
        ]
        found = []
        for start in range(0, len(keys), KEYS_PER_READ_MAX):
            raw = await self.client.storage_many(keys[start : start + KEYS_PER_READ_MAX], at)
            for task, value in zip(tasks[start:], raw, strict=False):
                segment = FileBank.file_segments.decode_value(value)
                if segment is not None and not any(
                    fragment.avail
                    and fragment.miner == self.account
                    and index != task.place.fragment_index
                    for index, fragment in enumerate(segment.fragment_list)
                ):
                    found.append(task)
        return tuple(found)

    async def survivors(self, place: Place) -> tuple[Survivor, ...]:
        """See `MinerChain`."""
        at = await self.client.best_head()
        segment = await self.client.read(
            FileBank.file_segments, place.file_hash, U32(place.segment_index), at=at
        )
        if segment is None:
            return ()
        others = [
            (index, fragment)
            for index, fragment in enumerate(segment.fragment_list)
            if index != place.fragment_index and fragment.avail
        ]
        raw = await self.client.storage_many(
            [Sminer.miner_items.key(fragment.miner) for _, fragment in others], at
        )
        found = []
        for (index, fragment), value in zip(others, raw, strict=True):
            info: MinerInfo | None = Sminer.miner_items.decode_value(value)
            if info is not None:
                endpoint = bytes(info.endpoint).decode("utf-8", "replace")
                found.append(Survivor(index, fragment.hash, endpoint))
        return tuple(found)

    async def free_balance(self) -> int:
        """Planck that the account can spend, for the command line."""
        account = await self.client.read(System.account, self.account)
        return int(account.data.free)

    # Submissions.

    async def register(
        self, endpoint: str, beneficiary: AccountId, collateral: int, units: int
    ) -> Ended:
        """See `MinerChain`."""
        call = self.client.call(
            Sminer.regnstk,
            beneficiary=beneficiary,
            endpoint=EndPoint(endpoint.encode()),
            staking_val=Balance(collateral),
            tib_count=U32(units),
        )
        return await self.submit(call)

    async def update_endpoint(self, endpoint: str) -> Ended:
        """See `MinerChain`."""
        call = self.client.call(Sminer.update_endpoint, endpoint=EndPoint(endpoint.encode()))
        return await self.submit(call)

    async def update_beneficiary(self, beneficiary: AccountId) -> Ended:
        """See `MinerChain`."""
        call = self.client.call(Sminer.update_beneficiary, beneficiary=beneficiary)
        return await self.submit(call)

    async def add_collateral(self, amount: int) -> Ended:
        """See `MinerChain`."""
        call = self.client.call(
            Sminer.increase_collateral, miner=self.account, collaterals=Balance(amount)
        )
        return await self.submit(call)

    async def increase_declaration(self, units: int) -> Ended:
        """See `MinerChain`."""
        call = self.client.call(Sminer.increase_declaration_space, tib_count=U32(units))
        return await self.submit(call)

    async def report_fragments(
        self, file_hash: FileHash, items: Sequence[tuple[Cosignature, Sequence[Bytes48]]]
    ) -> Ended:
        """See `MinerChain`."""
        reports = FragmentReports(
            FragmentReport(
                segment_index=U32(item.segment_index),
                fragment_index=U8(item.fragment_index),
                commitments=RowCommitments(commitments),
                co_signature=decode(MultiSignature, item.signature),
            )
            for item, commitments in items
        )
        call = self.client.call(FileBank.transfer_report, deal_hash=file_hash, reports=reports)
        return await self.submit(call)

    async def submit_service(self, round_number: int, answer: ServiceAnswer) -> Ended:
        """See `MinerChain`."""
        call = self.client.call(
            Audit.submit_service_proof,
            round=U32(round_number),
            faulty=FaultyPositions(U16(index) for index in answer.faulty),
            y=ScalarBytes(answer.y),
            proof=answer.proof,
        )
        return await self.submit(call)

    async def submit_idle(self, round_number: int, answer: RoundIdleAnswers) -> Ended:
        """See `MinerChain`."""
        call = self.client.call(
            Audit.submit_idle_proof,
            round=U32(round_number),
            answers=IdleAnswers(
                IdleAnswer(t=U16(t), proof=IdleProofBytes(proof)) for t, proof in answer.answers
            ),
        )
        return await self.submit(call)

    async def request_certificate(self, count: int) -> Ended:
        """See `MinerChain`."""
        return await self.submit(self.client.call(FileBank.cert_idle_space, count=U64(count)))

    async def prove_certificate(self, answers: Sequence[tuple[int, bytes]]) -> Ended:
        """See `MinerChain`."""
        call = self.client.call(
            FileBank.prove_idle_space,
            answers=IdleAnswers(
                IdleAnswer(t=U16(t), proof=IdleProofBytes(proof)) for t, proof in answers
            ),
        )
        return await self.submit(call)

    async def retire_plots(self, count: int) -> Ended:
        """See `MinerChain`."""
        return await self.submit(self.client.call(FileBank.replace_idle_space, count=U64(count)))

    async def report_loss(self, file_hash: FileHash, fragment_hash: FragmentHash) -> Ended:
        """See `MinerChain`."""
        call = self.client.call(
            FileBank.generate_restoral_order,
            file_hash=file_hash,
            restoral_fragment=fragment_hash,
        )
        return await self.submit(call)

    async def claim_order(self, task: RestoralTask) -> Ended:
        """See `MinerChain`."""
        if task.has_order:
            call = self.client.call(FileBank.claim_restoral_order, order_id=_order_of(task))
        else:
            call = self.client.call(
                FileBank.claim_restoral_noexist_order,
                miner=task.origin_miner,
                file_hash=task.place.file_hash,
                restoral_fragment=task.fragment_hash,
            )
        return await self.submit(call)

    async def complete_order(self, task: RestoralTask) -> Ended:
        """See `MinerChain`."""
        call = self.client.call(FileBank.restoral_order_complete, order_id=_order_of(task))
        return await self.submit(call)

    async def claim_reward(self) -> Ended:
        """`Sminer.receive_reward`, for the command line."""
        return await self.submit(self.client.call(Sminer.receive_reward))

    async def announce_exit(self) -> Ended:
        """`Sminer.miner_exit_prep`, for the command line."""
        return await self.submit(self.client.call(Sminer.miner_exit_prep, miner=self.account))

    async def withdraw(self) -> Ended:
        """`Sminer.miner_withdraw`, for the command line."""
        return await self.submit(self.client.call(Sminer.miner_withdraw))

    async def submit(self, call: PreparedCall) -> Ended:
        """Sign and send a call, and wait until it is in a block.

        A refusal by the pool is `lost`: nothing happened, and the cause (a fee, a busy pool) may
        pass.
        """
        try:
            await self.client.submit(
                call, self._signer, wait="included", timeout_s=SUBMIT_TIMEOUT_S
            )
        except CallFailed as error:
            return Ended(Outcome.refused, error.name)
        except CessError as error:
            return Ended(Outcome.lost, str(error))
        return Ended(Outcome.done)


def _assignment(fragment_hash: FragmentHash, work: AssignedFragment) -> Assignment:
    return Assignment(
        fragment_hash=fragment_hash,
        place=Place(work.file_hash, int(work.segment_index), int(work.fragment_index)),
        deadline=int(work.deadline),
    )


def _order_of(task: RestoralTask) -> Hash:
    place = task.place
    return order_id(place.file_hash, place.segment_index, place.fragment_index)


def _abandoned(miner: AccountId, holding: Holding) -> RestoralTask:
    return RestoralTask(
        fragment_hash=holding.fragment_hash,
        place=Place(holding.file_hash, int(holding.segment_index), int(holding.fragment_index)),
        origin_miner=miner,
        has_order=False,
        claimed_by=None,
        deadline=0,
    )
