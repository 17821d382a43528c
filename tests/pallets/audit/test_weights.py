"""A proof weighs what it declares lost; the rest is charged for the worst case."""

import pytest

from pallets.audit.types import (
    IDLE_ANSWERS_MAX,
    POSITIONS_MAX,
    FaultyPositions,
    IdleAnswer,
    IdleAnswers,
    IdleProofBytes,
)
from pallets.audit.weights import (
    IDLE_ANSWER,
    LOSSES_DECLARED_MAX,
    ROW,
    idle_proof,
    service_proof,
)
from primitives.scale import U16, U32
from primitives.types import Bytes48
from proofs.podr2.wire import ScalarBytes


def weight(losses: int) -> int:
    faulty = FaultyPositions(U16(index) for index in range(losses))
    return service_proof(U32(1), faulty, ScalarBytes(bytes(32)), Bytes48(bytes(48))).ref_time


@pytest.mark.parametrize("losses", [0, 1, 255])
def test_each_loss_weighs_more(losses):
    assert weight(losses) < weight(losses + 1)


def test_losses_beyond_the_limit_are_refused_and_weigh_no_more():
    assert weight(LOSSES_DECLARED_MAX) == weight(LOSSES_DECLARED_MAX + 1) == weight(POSITIONS_MAX)


def test_proofs_are_charged_for_the_most_rows_and_for_their_answers():
    assert weight(0) > POSITIONS_MAX * ROW
    answer = IdleAnswer(t=U16(0), proof=IdleProofBytes(b""))
    weights = [
        idle_proof(U32(1), IdleAnswers([answer] * count)).ref_time
        for count in (0, 1, IDLE_ANSWERS_MAX)
    ]
    assert weights[0] > 0
    assert weights[1] - weights[0] == IDLE_ANSWER
    assert weights[2] > IDLE_ANSWERS_MAX * IDLE_ANSWER
