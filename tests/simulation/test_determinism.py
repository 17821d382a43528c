"""The same seed tells the same story: twice in a process, and under other hash seeds."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tests.simulation.campaign import plan_of, run_plan, run_seed

ROOT = Path(__file__).parents[2]
MINUTES_20 = 20 * 60_000
SCRIPT = """
from tests.simulation.campaign import run_seed
for seed in (7, 12, 31):
    print(seed, run_seed(seed, 600_000).digest)
"""


def test_a_seed_tells_the_same_story_twice() -> None:
    assert run_seed(12, MINUTES_20).digest == run_seed(12, MINUTES_20).digest


def test_other_seeds_tell_other_stories() -> None:
    assert run_seed(1, 120_000).digest != run_seed(2, 120_000).digest


def test_one_fault_less_is_another_story() -> None:
    plan = plan_of(12, MINUTES_20)
    fewer = replace(plan, faults=plan.faults[1:])
    assert run_plan(plan).digest != run_plan(fewer).digest


def test_traces_do_not_depend_on_the_hash_seed() -> None:
    stories = []
    for hash_seed in ("1", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        stories.append(done.stdout)
    assert len(stories[0].splitlines()) == 3
    assert stories[0] == stories[1]
