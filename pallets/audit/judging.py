"""Judging answers: what a round asks, and whether an answer proves it. Nothing here writes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pallets.audit.rounds import is_counted
from pallets.audit.types import ChallengeInfo, IdleAnswers
from primitives.errors import ProofRejected
from primitives.scale import U32, U128
from primitives.types import AccountId
from proofs.podr2 import challenge
from proofs.podr2.points import RowPoints, load_point
from proofs.podr2.verify import verify_points
from proofs.podr2.wire import ServiceProof
from proofs.pois.verify import estimate_bytes, verify_answers

if TYPE_CHECKING:
    from pallets.audit.pallet import Audit

__all__ = ["ascends_below", "asked_rows", "idle_estimate", "is_proved"]


def ascends_below(indexes: Sequence[int], end: int) -> bool:
    """Whether ``indexes`` strictly ascend and stay below ``end``."""
    return all(
        (position == 0 or indexes[position - 1] < index) and index < end
        for position, index in enumerate(indexes)
    )


def asked_rows(
    audit: "Audit", who: AccountId, info: ChallengeInfo, positions: Sequence[int], rows: int
) -> dict[int, bytes]:
    """The point of each sampled position that counts, as it is kept, by the position's index."""
    by_slot: dict[int, RowPoints | None] = {}
    asked: dict[int, bytes] = {}
    for index, position in enumerate(positions):
        slot, row = divmod(position, rows)
        if slot not in by_slot:
            kept = audit.commitments.get(who, U32(slot))
            by_slot[slot] = None
            if kept is not None and is_counted(kept, int(info.start)):
                by_slot[slot] = kept.points
        points = by_slot[slot]
        if points is not None:
            asked[index] = points.point(row)
    return asked


def is_proved(
    info: ChallengeInfo,
    asked: Mapping[int, bytes],
    proved: Sequence[int],
    proof: ServiceProof,
) -> bool:
    """Whether ``proof`` opens the rows at ``proved``. Nothing asked is nothing to prove."""
    if not proved:
        return True
    weights = challenge.coefficients(info.seed, max(proved) + 1)
    try:
        verify_points(
            [load_point(asked[index]) for index in proved],
            [weights[index] for index in proved],
            challenge.evaluation_point(info.seed),
            proof,
        )
    except ProofRejected:
        return False
    return True


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
