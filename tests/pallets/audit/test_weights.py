"""A proof weighs what it declares lost; the rest is charged for the worst case."""

import pytest

from pallets.audit.types import IDLE_ANSWERS_MAX, POSITIONS_MAX, FaultyPositions
from pallets.audit.weights import (
    IDLE_ANSWER,
    IDLE_PROOF,
    LOSSES_DECLARED_MAX,
    ROW,
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


def test_answers_are_charged_for_the_most_rows_and_draws():
    assert weight(0) > POSITIONS_MAX * ROW
    assert IDLE_PROOF.ref_time > IDLE_ANSWERS_MAX * IDLE_ANSWER
