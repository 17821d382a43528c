"""A hundred and one cluster-hours of validators under faults and traitors; seeds are fixed.

A failure prints its seed, its faults and the command that replays it. ``make soak`` goes on with
seeds that nobody chose.
"""

import pytest

from tests.simulation.campaign import HOUR_MS, plan_of, report, run_seed
from tests.simulation.faults import KINDS, TREASONS

SEEDS = tuple(range(1000, 1101))


@pytest.mark.parametrize("seed", SEEDS)
def test_no_promise_is_broken(seed: int) -> None:
    outcome = run_seed(seed, HOUR_MS)
    assert outcome.failure is None, report(outcome)
    assert outcome.hours == 1
    assert len(outcome.heals) >= 5
    assert outcome.finalized > 100


def test_every_fault_and_every_treason_is_in_many_hours() -> None:
    plans = [plan_of(seed, HOUR_MS) for seed in SEEDS]
    for kind in KINDS:
        assert sum(any(fault.kind == kind for fault in plan.faults) for plan in plans) >= 20, kind
    for treason in TREASONS:
        found = [any(treason in kinds for _, kinds in plan.traitors) for plan in plans]
        assert sum(found) >= 5, treason
