"""Judging answers: what a round asks, and whether an answer proves it. Nothing here writes.

Whether a proof holds is a function of ``RowsCheck`` alone, so a node may work it out before the
block comes to it, in another thread: ``Audit.verifier``, ``node/consensus/proof_threads.py``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

from pallets.audit.rounds import is_counted
from pallets.audit.types import AskedRows, ChallengeInfo, IdleAnswers
from primitives.errors import ProofRejected
from primitives.hashing import blake2_256
from primitives.scale import U32, U128, encode
from primitives.types import AccountId, Hash
from proofs.podr2 import challenge
from proofs.podr2.points import load_point
from proofs.podr2.verify import verify_points
from proofs.podr2.wire import ServiceProof
from proofs.pois.verify import estimate_bytes, verify_answers
from proofs.transcript import framed

if TYPE_CHECKING:
    from pallets.audit.pallet import Audit

__all__ = [
    "RowsCheck",
    "RowsVerifier",
    "ascends_below",
    "asked_rows",
    "idle_estimate",
    "is_proved",
    "positions_of",
    "rows_check",
    "rows_hold",
]

ROUNDS_KEPT_MAX: Final = 256
"""Rounds whose positions are kept: a block asks for them twice if it is checked ahead."""


@dataclass(frozen=True, slots=True)
class RowsCheck:
    """A proof with all that its verdict depends on: rows by their index in the round's sample."""

    seed: Hash
    indexes: tuple[int, ...]
    points: tuple[bytes, ...]
    proof: ServiceProof

    def key(self) -> bytes:
        """A hash of every part."""
        parts = (
            self.seed,
            b"".join(index.to_bytes(4, "little") for index in self.indexes),
            b"".join(self.points),
            encode(ServiceProof, self.proof),
        )
        return bytes(blake2_256(framed(CHECK_TAG, *parts)))


RowsVerifier: TypeAlias = Callable[[RowsCheck], bool]
"""Answers as ``rows_hold`` does."""

CHECK_TAG: Final = b"cess/audit/rows-check/v1"


def ascends_below(indexes: Sequence[int], end: int) -> bool:
    """Whether ``indexes`` strictly ascend and stay below ``end``."""
    return all(
        (position == 0 or indexes[position - 1] < index) and index < end
        for position, index in enumerate(indexes)
    )


def asked_rows(
    audit: "Audit", who: AccountId, info: ChallengeInfo, positions: Sequence[int], rows: int
) -> dict[int, bytes]:
    """The point of each sampled position that counts, as it is kept, by the position's index.

    A block keeps the points that are asked, and not the 6 kB of a fragment that they come from.
    """
    wanted: dict[int, list[int]] = {}
    for index, position in enumerate(positions):
        wanted.setdefault(position // rows, []).append(index)
    start = int(info.start)
    found: list[bytes | None] = [None] * len(positions)
    for slot, indexes in wanted.items():
        asked = tuple([positions[index] % rows for index in indexes])
        kept = audit.commitments.get_part(who, U32(slot), asked, AskedRows.of)
        if kept is not None and is_counted(kept, start):
            for index, point in zip(indexes, kept.points, strict=True):
                found[index] = point
    return {index: point for index, point in enumerate(found) if point is not None}


@lru_cache(maxsize=ROUNDS_KEPT_MAX)
def positions_of(seed: bytes, population: int, count: int) -> tuple[int, ...]:
    """The positions that a round samples."""
    return challenge.sample_positions(seed, population, count)


def rows_check(
    info: ChallengeInfo, asked: Mapping[int, bytes], proved: Sequence[int], proof: ServiceProof
) -> RowsCheck:
    """The question whether ``proof`` opens the rows at ``proved``."""
    return RowsCheck(info.seed, tuple(proved), tuple(asked[index] for index in proved), proof)


def rows_hold(check: RowsCheck) -> bool:
    """Whether a proof opens the rows. Nothing asked is nothing to prove.

    Raises: StorageCorrupt when a point cannot have come from the state.
    """
    indexes = check.indexes
    if not indexes:
        return True
    weights = challenge.coefficients(check.seed, max(indexes) + 1)
    try:
        verify_points(
            [load_point(point) for point in check.points],
            [weights[index] for index in indexes],
            challenge.evaluation_point(check.seed),
            check.proof,
        )
    except ProofRejected:
        return False
    return True


def is_proved(
    info: ChallengeInfo,
    asked: Mapping[int, bytes],
    proved: Sequence[int],
    proof: ServiceProof,
    verifier: RowsVerifier = rows_hold,
) -> bool:
    """Whether ``proof`` opens the rows at ``proved``."""
    return verifier(rows_check(info, asked, proved, proof))


def idle_estimate(
    audit: "Audit", who: AccountId, info: ChallengeInfo, answers: IdleAnswers
) -> U128 | None:
    """The proved bytes, or None when an answer is wrong."""
    k = int(audit.config.plot_k)
    front, rear = int(info.idle_front), int(info.idle_rear)
    draws = int(audit.config.plot_draws)
    pairs = [(int(answer.t), bytes(answer.proof)) for answer in answers]
    try:
        accepted = verify_answers(
            audit.genesis_hash(), who, k, info.seed, front, rear, draws, pairs
        )
    except ProofRejected:
        return None
    return U128(estimate_bytes(accepted, draws, rear - front, k))
