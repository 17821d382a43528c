"""Seeds that once failed, each with what it found. A seed means its plan at this commit."""

import pytest

from tests.simulation.campaign import report, run_seed

MINUTES_20 = 20 * 60_000
SEEDS = {
    5: "a lying peer had a good block remembered as a bad one",
    7: "a voter died of a late vote for the round before its restart",
    8: "after a partition all nodes waited for each other's forks",
}


@pytest.mark.parametrize("seed", SEEDS, ids=str)
def test_a_seed_that_failed_passes(seed: int) -> None:
    outcome = run_seed(seed, MINUTES_20)
    assert outcome.failure is None, report(outcome)
