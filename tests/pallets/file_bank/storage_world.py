"""A small storage chain of the real pallets, and people who use it: owners, miners, their files.

Fragments are real and cheap to prove: a fragment is one row whose 4,096 elements are equal. Its
polynomial is a constant ``c``, its commitment ``c·G`` and every opening ``(y = c, infinity)``.
Reed-Solomon works byte by byte, so the parity of such fragments is of the same kind. Tests of the
proof itself use random rows and ``ckzg``.

Only the miners' plots are put down without proof: what is idle space is not the subject here.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from py_arkworks_bls12381 import G1Point, Scalar

from pallets.audit import Audit, ChallengeInfo, FaultyPositions, IdleAnswer, IdleAnswers
from pallets.audit.types import IdleProofBytes
from pallets.balances import Balances
from pallets.cess_treasury import (
    PUNISH_TREASURY,
    RESERVE_REWARD,
    REWARD_POT,
    SPACE_TREASURY,
    CessTreasury,
)
from pallets.file_bank import (
    DealSegments,
    FileBank,
    FileName,
    FragmentHashes,
    FragmentReport,
    FragmentReports,
    RowCommitments,
    SegmentList,
    TerrName,
    UserBrief,
)
from pallets.frame import FrameRuntime, Origin, StateReader, pallet
from pallets.frame.testing import GENESIS_HASH, TestExternalities, ext
from pallets.mdrc import Mdrc
from pallets.sminer import EndPoint, Sminer, listing
from pallets.storage_handler import StorageHandler
from pallets.storage_handler import TerrName as LeaseName
from pallets.system import System
from primitives.crypto.keys import KeyPair
from primitives.hashing import blake2_256
from primitives.scale import U8, U16, U32, U64, U128
from primitives.types import (
    AccountId,
    Balance,
    BlockNumber,
    Bytes48,
    FileHash,
    FragmentHash,
    Hash,
    SegmentHash,
)
from proofs.erasure.reed_solomon import ReedSolomon
from proofs.erasure.segments import file_id, fragment_hash, segment_hash
from proofs.podr2 import challenge
from proofs.podr2.params import ELEMENT_BYTES, FIELD_ELEMENTS, ROW_BYTES, SCALAR_MODULUS
from proofs.podr2.verify import IDENTITY
from proofs.podr2.wire import ScalarBytes, ServiceProof, cosign_message
from proofs.pois.challenge import idle_draws, plot_seed
from proofs.pois.params import plot_bytes
from proofs.pois.plot import PlotFile, create_plot
from tests.pallets.small_chains import SYSTEM

ALICE, BOB, CAROL = (KeyPair.from_suri(f"//{name}") for name in ("Alice", "Bob", "Carol"))
OWNERS = (ALICE, BOB, CAROL)
MINERS = tuple(AccountId(bytes([0x40 + index]) * 32) for index in range(40))
HOME = TerrName(b"home")
MIB = 1024**2
PLOT_K = 18
PLOT = plot_bytes(PLOT_K)
FRAGMENT = ROW_BYTES
SEGMENT_SPACE = 12 * FRAGMENT
DEADLINE, ATTEMPTS, LIFE = 20, 3, 10
SERVICE_DEADLINE, IDLE_DEADLINE = 8, 12
DAY = 100
DEPOSIT = Balance(500)
LIMIT = Balance(1_000_000)
"""Collateral for the one unit that a miner declares, and so the limit that fines are parts of."""


class Beacon:
    """Randomness that changes with the block; a test may begin another sequence."""

    def __init__(self) -> None:
        self.salt = b""
        self.number = lambda: 0

    def random(self, subject: bytes) -> Hash:
        return blake2_256(self.salt + self.number().to_bytes(4, "little") + subject)


class StorageChain(FrameRuntime):
    """What files, miners and audits need, and nothing of consensus."""

    system: System = pallet(index=0)
    balances: Balances = pallet(index=6)
    cess_treasury: CessTreasury = pallet(index=100)
    file_bank: FileBank = pallet(index=104)
    sminer: Sminer = pallet(index=105)
    audit: Audit = pallet(index=106)
    storage_handler: StorageHandler = pallet(index=107)
    mdrc: Mdrc = pallet(index=112)

    def __init__(self, state: StateReader, *, period: int = 1 << 30, rows: int = 1) -> None:
        self.period, self.rows = period, rows
        self.beacon = Beacon()
        super().__init__(state)
        self.beacon.number = lambda: int(self.context.number())

    def wire(self) -> None:
        fragment = FRAGMENT * self.rows
        self.system.config = System.Config(**SYSTEM)
        self.balances.config = Balances.Config(existential_deposit=Balance(1), accounts=self.system)
        self.cess_treasury.config = CessTreasury.Config(
            era_blocks=BlockNumber(1 << 30),
            eras_per_year=U32(10),
            year_one_reward=Balance(10**9),
            currency=self.balances,
        )
        self.file_bank.config = FileBank.Config(
            fragment_bytes=U64(fragment),
            segment_bytes=U64(4 * fragment),
            deal_deadline_blocks=BlockNumber(DEADLINE),
            deal_attempts_max=U8(ATTEMPTS),
            restoral_order_life=BlockNumber(LIFE),
            territories=self.storage_handler,
            miners=self.sminer,
            holdings=self.audit,
            randomness=self.beacon,
        )
        self.sminer.config = Sminer.Config(
            item_limit=U32(1000),
            one_day_block=BlockNumber(DAY),
            staking_lock_block=BlockNumber(0),
            exit_lock_block=BlockNumber(2),
            collateral_per_unit=LIMIT,
            declaration_unit_bytes=U128(1024 * MIB),
            plot_k=U8(PLOT_K),
            cert_draws=U16(64),
            idle_deadline_block=BlockNumber(IDLE_DEADLINE),
            punish_treasury=PUNISH_TREASURY,
            currency=self.balances,
            space=self.storage_handler,
            audits=self.audit,
            rewards=self.cess_treasury,
            randomness=self.beacon,
        )
        self.audit.config = Audit.Config(
            fragment_bytes=U64(fragment),
            rows_sampled_max=U16(460),
            plot_k=U8(PLOT_K),
            plot_draws=U16(64),
            challenge_period_blocks=BlockNumber(self.period),
            service_deadline_blocks=BlockNumber(SERVICE_DEADLINE),
            idle_deadline_blocks=BlockNumber(IDLE_DEADLINE),
            faults_max=U32(3),
            miners=self.sminer,
            files=self.file_bank,
            rewards=self.cess_treasury,
            randomness=self.beacon,
        )
        self.storage_handler.config = StorageHandler.Config(
            space_unit_bytes=U128(MIB),
            one_day=BlockNumber(DAY),
            lease_days_min=U32(1),
            frozen_days=U32(1),
            space_treasury=SPACE_TREASURY,
            currency=self.balances,
        )
        self.mdrc.config = Mdrc.Config(
            deposit=DEPOSIT,
            distance_max=U16(24),
            files=self.file_bank,
            currency=self.balances,
        )


# Files.


@cache
def commitment_to(value: int) -> Bytes48:
    """The commitment to a row whose elements all are ``value``."""
    point = G1Point() * Scalar(value)
    return Bytes48(IDENTITY if value == 0 else bytes(point.to_compressed_bytes()))


@dataclass(frozen=True)
class MadeFile:
    """A file of constant rows: what its owner declares, and what its fragments are worth."""

    fid: FileHash
    size: int
    segments: tuple[SegmentList, ...]
    values: dict[FragmentHash, int]

    @property
    def described(self) -> DealSegments:
        return DealSegments(self.segments)

    def hash_at(self, segment: int, fragment: int) -> FragmentHash:
        return self.segments[segment].fragment_list[fragment]

    def commitments_at(self, segment: int, fragment: int) -> RowCommitments:
        return RowCommitments((commitment_to(self.values[self.hash_at(segment, fragment)]),))


def row_of(element: bytes) -> bytes:
    return element * FIELD_ELEMENTS


@cache
def made_file(name: str, segments: int = 1) -> MadeFile:
    """A file that differs from those of other names."""
    lists, values = [], {}
    for number in range(segments):
        digest = hashlib.sha512(f"{name}/{number}".encode()).digest() * 2
        elements = [
            digest[at : at + ELEMENT_BYTES] for at in range(0, 4 * ELEMENT_BYTES, ELEMENT_BYTES)
        ]
        encoded = ReedSolomon().encode_segment(b"".join(elements))
        hashes = []
        for element in encoded:
            hashes.append(fragment_hash(row_of(element)))
            values[hashes[-1]] = int.from_bytes(element, "big")
        whole = segment_hash(b"".join(row_of(element) for element in elements))
        lists.append(SegmentList(hash=whole, fragment_list=FragmentHashes(hashes)))
    return described_file(lists, segments * 4 * FRAGMENT - 5, values)


def described_file(
    lists: Sequence[SegmentList], size: int, values: dict[FragmentHash, int]
) -> MadeFile:
    described = [(item.hash, tuple(item.fragment_list)) for item in lists]
    return MadeFile(file_id(size, described), size, tuple(lists), values)


def twin_file(file: MadeFile, name: str) -> MadeFile:
    """Another file whose segments have the same fragments under other segment hashes."""
    lists = [
        replace(item, hash=SegmentHash(hashlib.sha256(name.encode() + item.hash).digest()))
        for item in file.segments
    ]
    return described_file(lists, file.size, file.values)


# The world.


class World:
    """A chain, and shorthands for what people do on it."""

    def __init__(self, miners: int = 14, plots: int = 4, **constants: int) -> None:
        treasuries = (PUNISH_TREASURY, SPACE_TREASURY, REWARD_POT, RESERVE_REWARD)
        people = [owner.account_id for owner in OWNERS]
        balances = [(who, Balance(10**12)) for who in (*people, *MINERS)]
        balances += [(who, Balance(1)) for who in treasuries]
        self.chain: TestExternalities[StorageChain] = ext(
            lambda state: StorageChain(state, **constants),
            balances=Balances.Genesis(balances=tuple(balances)),
            storage_handler=StorageHandler.Genesis(price=Balance(1)),
        )
        self.runtime = self.chain.runtime
        for who in MINERS[:miners]:
            self.register(who, plots)
        for owner in OWNERS:
            if miners * plots >= 12:
                self.mint(owner, HOME, min(40, miners * plots))
        self.chain.clear_events()

    # Shorthands.

    @property
    def bank(self) -> FileBank:
        return self.runtime.file_bank

    @property
    def audit(self) -> Audit:
        return self.runtime.audit

    @property
    def miners(self) -> Sminer:
        return self.runtime.sminer

    @property
    def block(self) -> int:
        return self.chain.block

    def go(self, blocks: int = 1) -> None:
        self.chain.run_to_block(self.block + blocks)

    def call(self, pallet: str, name: str, who: AccountId | KeyPair, **arguments: object) -> None:
        account = who.account_id if isinstance(who, KeyPair) else who
        self.chain.call(pallet, name, Origin.signed(account), **arguments)

    def events(self, kind: type) -> list:
        return [event for event in self.chain.events() if isinstance(event, kind)]

    # Miners and leases.

    def register(self, who: AccountId, plots: int) -> None:
        self.call(
            "Sminer",
            "regnstk",
            who,
            beneficiary=who,
            endpoint=EndPoint(b"http://miner"),
            staking_val=Balance(2 * LIMIT),
            tib_count=U32(1),
        )
        info = self.miners.miner_items[who]
        self.miners.miner_items[who] = replace(
            info,
            idle_space=U128(plots * PLOT),
            space_proof_info=replace(info.space_proof_info, rear=U64(plots)),
        )
        self.runtime.storage_handler.add_total_idle_space(U128(plots * PLOT))
        if plots > 0:
            listing.enter(self.miners, who)

    def mint(self, owner: KeyPair, name: TerrName, units: int, days: int = 30) -> None:
        self.call(
            "StorageHandler",
            "mint_territory",
            owner,
            gib_count=U32(units),
            territory_name=LeaseName(name),
            days=U32(days),
        )

    def territory(self, owner: KeyPair, name: TerrName = HOME):
        return self.runtime.storage_handler.territory.get(owner.account_id, LeaseName(name))

    def leave(self, who: AccountId) -> None:
        """``who`` announces its exit and is gone."""
        self.call("Sminer", "miner_exit_prep", who, miner=who)
        self.go(3)
        assert self.miners.is_leaving(who)

    # Deals.

    def declare(
        self,
        owner: KeyPair,
        file: MadeFile,
        *,
        name: bytes = b"file",
        territory: TerrName = HOME,
        signer: KeyPair | None = None,
        fid: FileHash | None = None,
        size: int | None = None,
        described: DealSegments | None = None,
    ) -> None:
        self.call(
            "FileBank",
            "upload_declaration",
            signer or owner,
            file_hash=fid or file.fid,
            deal_info=file.described if described is None else described,
            user_brief=UserBrief(
                user=owner.account_id, file_name=FileName(name), territory_name=territory
            ),
            file_size=U128(file.size if size is None else size),
        )

    def holder(self, file: MadeFile, segment: int, fragment: int) -> AccountId:
        """Who was drawn for, or holds, a place."""
        pending = self.bank.deal_segments.get(file.fid, U32(segment))
        if pending is not None:
            who = pending.fragments[fragment].miner
            assert who is not None, "nobody was drawn"
            return who
        return self.bank.file_segments[file.fid, U32(segment)].fragment_list[fragment].miner

    def report_of(
        self,
        owner: KeyPair,
        file: MadeFile,
        segment: int,
        fragment: int,
        *,
        holder: AccountId | None = None,
        commitments: RowCommitments | None = None,
        signed: bytes | None = None,
    ) -> FragmentReport:
        """What the holder of a place sends, co-signed by ``owner``."""
        who = holder or self.holder(file, segment, fragment)
        points = file.commitments_at(segment, fragment) if commitments is None else commitments
        message = signed or cosign_message(
            GENESIS_HASH, file.fid, segment, fragment, who, file.hash_at(segment, fragment), points
        )
        return FragmentReport(
            segment_index=U32(segment),
            fragment_index=U8(fragment),
            commitments=points,
            co_signature=owner.multi_signature(message),
        )

    def send(self, who: AccountId, file: MadeFile, *reports: FragmentReport) -> None:
        self.call(
            "FileBank",
            "transfer_report",
            who,
            deal_hash=file.fid,
            reports=FragmentReports(reports),
        )

    def report(self, owner: KeyPair, file: MadeFile, segment: int, fragment: int) -> None:
        who = self.holder(file, segment, fragment)
        self.send(who, file, self.report_of(owner, file, segment, fragment))

    def report_all(self, owner: KeyPair, file: MadeFile, *, but: int = 0) -> None:
        """All reports that are missing, or all but the last ``but`` of each segment."""
        for segment in range(len(file.segments)):
            for fragment in range(12 - but):
                pending = self.bank.deal_segments.get(file.fid, U32(segment))
                if pending is not None and not pending.fragments[fragment].reported:
                    self.report(owner, file, segment, fragment)

    def store(self, owner: KeyPair, file: MadeFile, territory: TerrName = HOME) -> None:
        """Declare a file and lead it to its end."""
        self.declare(owner, file, territory=territory)
        self.go()
        self.report_all(owner, file)
        assert file.fid in self.bank.file

    # Loss and repair.

    def lose(self, file: MadeFile, segment: int, fragment: int) -> AccountId:
        """The holder of a place reports its loss; who it was."""
        who = self.holder(file, segment, fragment)
        self.call(
            "FileBank",
            "generate_restoral_order",
            who,
            file_hash=file.fid,
            restoral_fragment=file.hash_at(segment, fragment),
        )
        return who

    def claim(self, who: AccountId, number: Hash) -> None:
        self.call("FileBank", "claim_restoral_order", who, order_id=number)

    def claim_of_leaver(
        self, who: AccountId, leaver: AccountId, file: MadeFile, segment: int, fragment: int
    ) -> None:
        self.call(
            "FileBank",
            "claim_restoral_noexist_order",
            who,
            miner=leaver,
            file_hash=file.fid,
            restoral_fragment=file.hash_at(segment, fragment),
        )

    def complete(self, who: AccountId, number: Hash) -> None:
        self.call("FileBank", "restoral_order_complete", who, order_id=number)

    def strangers(self, file: MadeFile, segment: int = 0) -> list[AccountId]:
        """Miners that hold nothing of a segment."""
        held = {self.holder(file, segment, fragment) for fragment in range(12)}
        registered = [who for who in MINERS if who in self.miners.miner_items]
        return [who for who in registered if who not in held]

    # Audits.

    def begin_round(self, who: AccountId) -> ChallengeInfo:
        """Open a round as the hook of this block does for a drawn miner."""
        assert self.audit._begin(BlockNumber(self.block), who)
        return self.audit.challenge_snap_shot[who]

    def date(self, who: AccountId, slot: int, **dates: BlockNumber | None) -> None:
        """Set ``since`` or ``removed`` of a holding, in both entries that have them."""
        key = (who, U32(slot))
        self.audit.holdings[key] = replace(self.audit.holdings[key], **dates)
        self.audit.commitments[key] = replace(self.audit.commitments[key], **dates)

    def asked(self, who: AccountId) -> dict[int, int]:
        """The slot of each position that counts in the open round, by the position's index."""
        from pallets.audit.rounds import is_counted

        info = self.audit.challenge_snap_shot[who]
        positions = challenge.sample_positions(info.seed, int(info.slots), 460)
        return {
            index: slot
            for index, slot in enumerate(positions)
            if is_counted(self.audit.holdings.get(who, U32(slot)), int(info.start))
        }

    def proof(
        self, who: AccountId, file_values: dict[FragmentHash, int], faulty: Sequence[int] = ()
    ) -> ServiceProof:
        """The honest answer over what is asked, without the positions in ``faulty``."""
        info = self.audit.challenge_snap_shot[who]
        asked = {index: slot for index, slot in self.asked(who).items() if index not in faulty}
        weights = challenge.coefficients(info.seed, max(asked, default=0) + 1)
        total = sum(
            weights[index] * file_values[self.audit.holdings[who, U32(slot)].fragment_hash]
            for index, slot in asked.items()
        )
        y = (total % SCALAR_MODULUS).to_bytes(32, "big")
        return ServiceProof(y=ScalarBytes(y), proof=Bytes48(IDENTITY))

    def submit(
        self,
        who: AccountId,
        proof: ServiceProof,
        *,
        faulty: Sequence[int] = (),
        number: int | None = None,
    ) -> None:
        info = self.audit.challenge_snap_shot.get(who)
        current = 1 if info is None else int(info.round)
        self.call(
            "Audit",
            "submit_service_proof",
            who,
            round=U32(current if number is None else number),
            faulty=FaultyPositions(U16(index) for index in faulty),
            y=proof.y,
            proof=proof.proof,
        )

    def delete(self, owner: KeyPair, file: MadeFile) -> None:
        self.call("FileBank", "delete_file", owner, owner=owner.account_id, file_hash=file.fid)

    def prove(self, who: AccountId, file: MadeFile, faulty: Sequence[int] = ()) -> None:
        """Answer the service part honestly, for fragments of ``file``."""
        self.submit(who, self.proof(who, file.values, faulty), faulty=faulty)

    def answer_idle(
        self, who: AccountId, pairs: Sequence[tuple[int, bytes]], number: int | None = None
    ) -> None:
        """Answer the idle part of the round."""
        info = self.audit.challenge_snap_shot.get(who)
        current = 1 if info is None else int(info.round)
        self.call(
            "Audit",
            "submit_idle_proof",
            who,
            round=U32(current if number is None else number),
            answers=IdleAnswers(
                IdleAnswer(t=U16(t), proof=IdleProofBytes(proof)) for t, proof in pairs
            ),
        )

    def remove_plots(self, who: AccountId) -> None:
        """Make ``who`` a miner without plots, so that its rounds have a service part only."""
        info = self.miners.miner_items[who]
        plots = info.space_proof_info
        self.runtime.storage_handler.sub_total_idle_space(info.idle_space)
        self.miners.pending_replacements.take(who)
        self.miners.miner_items[who] = replace(
            info, idle_space=U128(0), space_proof_info=replace(plots, front=plots.rear)
        )


def refused(world: World, error: type[Exception]) -> "Refused":
    """The body raises ``error`` and leaves no trace."""
    return Refused(world, error)


class Refused:
    """See ``refused``."""

    def __init__(self, world: World, error: type[Exception]) -> None:
        self.trace, self.error = world.chain.no_trace(), error

    def __enter__(self) -> None:
        self.trace.__enter__()

    def __exit__(self, kind, failure, traceback) -> bool:
        assert kind is not None, f"{self.error.__name__} was expected"
        if not issubclass(kind, self.error):
            return False
        self.trace.__exit__(None, None, None)
        return True


# Plots.


@cache
def made_plot(directory: Path, miner: AccountId = MINERS[0], index: int = 0) -> PlotFile:
    """A real plot of ``miner`` on this chain; made once (2 s of CPU)."""
    seed = plot_seed(GENESIS_HASH, miner, index, PLOT_K)
    return PlotFile(create_plot(directory / "plots", directory, seed, PLOT_K))


def answers_of(
    plot: PlotFile, seed: bytes, front: int, rear: int, draws: int = 64
) -> list[tuple[int, bytes]]:
    """All right answers of a miner that has ``plot`` and no other."""
    index = front
    answers = []
    for draw in idle_draws(seed, front, rear, draws):
        proof = plot.prove(draw.challenge) if draw.index == index else None
        if proof is not None:
            answers.append((draw.t, proof))
    return answers
