"""Seeds that once failed, each with what it found; and bugs that the simulator found, replayed."""

import pytest

from tests.simulation.campaign import HOUR_MS, report, run_seed

SEEDS = {
    7: "a voter died of a late vote for the round before its restart: its record named lost blocks",
    12: "the same under two equivocating voters and changing sets",
    8: "after a partition all nodes waited for each other: a higher fork counted as missing blocks",
}


@pytest.mark.parametrize("seed", SEEDS, ids=str)
def test_a_seed_that_failed_passes(seed: int) -> None:
    outcome = run_seed(seed, HOUR_MS)
    assert outcome.failure is None, report(outcome)
