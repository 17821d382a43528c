"""A hundred cluster-hours of validators under faults and traitors; seeds are fixed.

A failure prints its seed, its faults and the command that replays it. ``make soak`` goes on with
seeds that nobody chose.
"""

import pytest

from tests.simulation.campaign import HOUR_MS, report, run_seed
from tests.simulation.faults import KINDS

SEEDS = tuple(range(1000, 1100))
WORLDS = 20
HOURS_EACH = 5


@pytest.mark.parametrize("world", range(WORLDS))
def test_no_promise_is_broken(world: int) -> None:
    healed, counts = 0, {}
    for seed in SEEDS[world * HOURS_EACH :][:HOURS_EACH]:
        outcome = run_seed(seed, HOUR_MS)
        assert outcome.failure is None, report(outcome)
        assert outcome.hours == 1
        healed += len(outcome.heals)
        counts.update(outcome.counts)
        assert outcome.finalized > 100
    assert healed > 10 * HOURS_EACH
    assert set(KINDS) - {name.removeprefix("fault ") for name in counts} == set()
