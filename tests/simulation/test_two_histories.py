"""More than a third betray: two histories become final, and honest nodes stop with the proof.

Two of four vote for whatever either side of a partition builds. Nothing can keep both sides from
finalizing; what is asked of honest nodes is that they notice it when they meet, and keep a proof
that anybody can verify.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest

from primitives.grandpa import Block
from tests.simulation import broken
from tests.simulation.campaign import report, run_plan
from tests.simulation.checkers import Checkers, Violation
from tests.simulation.faults import TWO_FACED, Fault
from tests.simulation.world import Plan

BETRAYED = Plan(
    seed=1,
    length_ms=150_000,
    faults=(Fault(30_000, 90_000, "partition", (0, 0, 0, 1)),),
    traitors=((0, (TWO_FACED,)), (1, (TWO_FACED,))),
    is_betrayed=True,
)
SEEDS = (1, 2, 3, 4)


def test_two_final_histories_are_seen_by_the_checkers() -> None:
    for seed in SEEDS:
        outcome = run_plan(replace(BETRAYED, seed=seed, is_betrayed=False))
        assert outcome.failure is not None
        assert outcome.failure.count("finalized") == 2, outcome.failure


@pytest.mark.parametrize("seed", SEEDS)
def test_who_meets_the_other_history_stops_and_keeps_the_proof(seed: int) -> None:
    outcome = run_plan(replace(BETRAYED, seed=seed))
    assert outcome.failure is None, report(outcome)
    assert outcome.counts["conflict"] >= 1


def test_one_traitor_of_four_cannot_do_it() -> None:
    one = replace(BETRAYED, traitors=BETRAYED.traitors[:1])
    assert "conflict" not in run_plan(one).counts
    assert run_plan(replace(one, is_betrayed=False)).failure is None


@pytest.mark.parametrize(
    ("twin", "seed", "what"),
    [
        (broken.unnoticed_histories, 1, "nobody stopped"),
        (broken.untold_finality, 2, "nobody stopped"),
        (broken.unproven_stops, 1, "stopped without a proof"),
    ],
    ids=["unnoticed", "untold", "unproven"],
)
def test_a_broken_defence_is_found(
    twin: Callable[[], AbstractContextManager[None]], seed: int, what: str
) -> None:
    outcome = run_plan(replace(BETRAYED, seed=seed), [twin()])
    assert outcome.failure is not None
    assert what in outcome.failure


def test_who_stops_where_nothing_is_wrong_is_at_fault() -> None:
    with pytest.raises(Violation, match="against what is final"):
        Checkers((True,), issuance=7).on_conflict(0, Block(bytes(32), 3), b"", (), 0)
