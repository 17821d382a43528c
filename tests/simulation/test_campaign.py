"""A campaign lives through the seeds it says, in however many processes, and counts what failed."""

from contextlib import closing
from functools import partial
from itertools import islice

import pytest

from tests.simulation import campaign as campaign_module
from tests.simulation.campaign import Outcome, Tally, campaign, plan_of, run_seed
from tests.simulation.workers import outcomes

MINUTES_2 = 120_000


def test_workers_live_through_the_same_worlds_as_one() -> None:
    stories = []
    for workers in (1, 2):
        with closing(outcomes(partial(run_seed, length_ms=MINUTES_2), 40, workers)) as found:
            lived = {each.plan.seed: each.digest for each in islice(found, 4)}
        stories.append(lived)
    assert list(stories[0]) == [40, 41, 42, 43]
    both = stories[0].keys() & stories[1].keys()
    assert len(both) >= 3  # the two that were under way when the last one came may be others
    assert all(stories[0][seed] == stories[1][seed] for seed in both)


def test_a_campaign_ends_after_its_hours_and_counts_each_violation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lived(seed: int, length_ms: int) -> Outcome:
        return Outcome(plan_of(seed, length_ms), "bad" if seed == 8 else None, "", 1.0, 2.0)

    monkeypatch.setattr(campaign_module, "run_seed", lived)
    assert campaign(5, MINUTES_2, 6) == 1
    said = capsys.readouterr().out
    assert "--seed 8 --minutes 2" in said
    assert "5.0 cluster-hours in 5 worlds" in said
    assert "2.0 s of processor time for each" in said
    assert "violations: 1 [8]" in said


def test_a_campaign_in_which_everything_fails_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    def lived(seed: int, length_ms: int) -> Outcome:
        return Outcome(plan_of(seed, length_ms), "bad", "", 0.1, 0.1)

    monkeypatch.setattr(campaign_module, "run_seed", lived)
    assert campaign(5000, MINUTES_2, 6) == campaign_module.FAILURES_MAX


def test_a_tally_tells_how_long_finality_took_to_come_back() -> None:
    tally = Tally()
    for heals in ((1000, 3000), (2000,)):
        tally.add(Outcome(plan_of(1), None, "", 1.0, 4.0, heals))
    assert "healed 3 times within (median, 99 %, all) 2.0 s, 3.0 s, 3.0 s" in tally.summary(60.0)
    assert "120 in an hour of the clock" in tally.summary(60.0)
