"""Builders of what the chain says to a miner, small and with plain numbers."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from pallets.audit.types import ChallengeInfo
from pallets.sminer.types import EndPoint, MinerInfo, MinerState, PendingIdle, SpaceProofInfo
from primitives.hashing import blake2_256
from primitives.scale import U32, U64, U128
from primitives.types import AccountId, Balance, BlockNumber, FileHash, FragmentHash, Hash
from proofs.pois.params import plot_bytes
from storage_miner.facts import Assignment, ChainFacts, Ended, MinerView, Outcome, Place
from storage_miner.store import Volume, VolumePlan, Volumes, open_volumes
from storage_miner.store.records import Cosignature

ACCOUNT = AccountId(b"\x0a" * 32)
OTHER = AccountId(b"\x0b" * 32)
FRAGMENT_BYTES = 100_000
PLOT_K = 18
PLOT = plot_bytes(PLOT_K)
UNIT = 1 << 30
DONE = Ended(Outcome.done)
NOW = 1_700_000_000
LOST = Ended(Outcome.lost, "the node is away")

FACTS = ChainFacts(
    genesis=Hash(b"\x01" * 32),
    fragment_bytes=FRAGMENT_BYTES,
    segment_bytes=4 * FRAGMENT_BYTES,
    plot_k=PLOT_K,
    plot_draws=64,
    cert_draws=64,
    rows_sampled_max=460,
    declaration_unit_bytes=UNIT,
    collateral_per_unit=4000,
    service_deadline_blocks=20,
    idle_deadline_blocks=30,
    restoral_order_life=60,
    deal_deadline_blocks=100,
)


def refused(error: str) -> Ended:
    return Ended(Outcome.refused, error)


def fragment(number: int) -> FragmentHash:
    return FragmentHash(blake2_256(b"fragment" + number.to_bytes(4, "little")))


def file(number: int) -> FileHash:
    return FileHash(blake2_256(b"file" + number.to_bytes(4, "little")))


def info(
    *,
    state: MinerState = MinerState.Positive,
    front: int = 0,
    rear: int = 0,
    service: int = 0,
    locked: int = 0,
    declared: int = UNIT,
    endpoint: bytes = b"http://127.0.0.1:15001",
    collateral: int = 4000,
    idle: int | None = None,
) -> MinerInfo:
    space = (rear - front) * PLOT - locked if idle is None else idle
    return MinerInfo(
        beneficiary=ACCOUNT,
        staking_account=ACCOUNT,
        endpoint=EndPoint(endpoint),
        collaterals=Balance(collateral),
        debt=Balance(0),
        state=state,
        declaration_space=U128(declared),
        idle_space=U128(max(0, space)),
        service_space=U128(service),
        lock_space=U128(locked),
        space_proof_info=SpaceProofInfo(front=U64(front), rear=U64(rear)),
        registered_at=BlockNumber(0),
    )


def challenge(
    *,
    number: int = 1,
    start: int = 10,
    deadline: int = 30,
    idle_deadline: int = 40,
    service_done: bool = False,
    idle_done: bool = False,
    seed: int = 1,
    front: int = 0,
    rear: int = 4,
) -> ChallengeInfo:
    return ChallengeInfo(
        round=U32(number),
        start=BlockNumber(start),
        seed=Hash(bytes([seed]) * 32),
        slots=U32(2),
        service_space=U128(0),
        idle_front=U64(front),
        idle_rear=U64(rear),
        deadline=BlockNumber(deadline),
        idle_deadline=BlockNumber(idle_deadline),
        service_done=service_done,
        idle_done=idle_done,
        service_passed=False,
        idle_passed=False,
        idle_space=U128(0),
    )


def pending(first: int, end: int, *, seed: int | None = None, deadline: int = 0) -> PendingIdle:
    return PendingIdle(
        from_index=U64(first),
        to_index=U64(end),
        requested_at=BlockNumber(1),
        seed=None if seed is None else Hash(bytes([seed]) * 32),
        deadline=BlockNumber(deadline),
    )


def view(number: int, **parts: object) -> MinerView:
    base = MinerView(number=number, block_hash=Hash(number.to_bytes(32, "big")), info=info())
    return replace(base, **parts)  # type: ignore[arg-type]


def place(number: int, segment: int = 0, index: int = 0) -> Place:
    return Place(file(number), segment, index)


def assignment(number: int, where: Place, deadline: int = 60) -> Assignment:
    return Assignment(fragment(number), where, deadline)


def cosignature(number: int, where: Place) -> Cosignature:
    return Cosignature(
        file_hash=where.file_hash,
        segment_index=where.segment_index,
        fragment_index=where.fragment_index,
        fragment_hash=fragment(number),
        signature=b"\x01" + bytes(64),
    )


def effects(core: object) -> list[object]:
    """All orders that a core has to give."""
    found = []
    while (effect := core.next_effect()) is not None:  # type: ignore[attr-defined]
        found.append(effect)
    return found


def volumes_at(*roots: Path, capacity: int) -> Volumes:
    """The volumes at `roots`, each with `capacity` bytes."""
    return open_volumes([VolumePlan(root, capacity) for root in roots], NOW)


def put(volume: Volume | Volumes, data: bytes) -> FragmentHash:
    """Store a fragment."""
    fragment_hash = FragmentHash(sha256(data).digest())
    upload = volume.begin(fragment_hash, len(data))
    try:
        upload.write([data])
        upload.finish()
    finally:
        upload.abort()
    return fragment_hash
