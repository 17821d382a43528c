"""Storage networks under faults keep their promises; broken ones are found out."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.simulation.storage import broken
from tests.simulation.storage.miner import Lie
from tests.simulation.storage.world import StorageFault, StoragePlan, live, plan_of, report

ROOT = Path(__file__).parents[3]
SCRIPT = """
from dataclasses import replace
from tests.simulation.storage.world import live, plan_of
world, failure = live(replace(plan_of(2, 330), blocks=80))
print(world.digest, failure)
"""


def plan_with(*faults: StorageFault, blocks: int, liar: Lie | None = None) -> StoragePlan:
    liars = () if liar is None else ((0, liar),)
    return StoragePlan(1, 14, (1, 1, 1), blocks, liars, faults)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_storage_network_lives_through_its_faults(seed: int) -> None:
    plan = plan_of(seed, 300)
    _, failure = live(plan)
    assert failure is None, report(plan, failure or "")


def test_a_lost_disk_is_declared_and_every_fragment_is_restored() -> None:
    plan = plan_with(StorageFault("disk", 3, 80, 0), blocks=240)
    world, failure = live(plan)
    assert failure is None, report(plan, failure or "")
    counts = world.checkers.counts
    assert counts["honest ServiceDeclared"] >= 1
    assert counts["restored"] == counts["orders"] >= 1


@pytest.mark.parametrize("lie", [Lie.drops, Lie.replays])
def test_a_liar_is_found_and_thrown_out(lie: Lie) -> None:
    plan = plan_with(StorageFault("betray", 0, 80, 0), blocks=240, liar=lie)
    world, failure = live(plan)
    assert failure is None, report(plan, failure or "")
    assert world.checkers.counts["liar ServiceRejected"] == 3
    assert world.chain.runtime().sminer.is_leaving(world.miners[0].account)


Twin = Callable[[], AbstractContextManager[None]]
OUT = tuple(StorageFault("crash", index, 60, 70) for index in (1, 2))
TWINS: list[tuple[Twin, str, StoragePlan]] = [
    (broken.no_draws, "nobody was audited", plan_with(blocks=120)),
    (broken.late_answers, "could be reached and missed", plan_with(blocks=80)),
    (broken.no_deadline, "has no end", plan_with(*OUT, blocks=130)),
    (
        broken.free_faults,
        "was not charged",
        plan_with(StorageFault("disk", 3, 80, 0), blocks=150),
    ),
    (
        broken.believed_proofs,
        "proved what it has lost",
        plan_with(StorageFault("betray", 0, 80, 0), blocks=160, liar=Lie.drops),
    ),
    (
        broken.made_money,
        "money was made or lost",
        plan_with(StorageFault("disk", 3, 80, 0), blocks=150),
    ),
    (
        broken.lazy_restorers,
        "an order was not carried out",
        plan_with(StorageFault("lose", 3, 80, 0), blocks=310),
    ),
]


@pytest.mark.parametrize(
    ("twin", "word", "plan"), TWINS, ids=lambda each: getattr(each, "__name__", None)
)
def test_a_broken_defence_is_found_out(twin: Twin, word: str, plan: StoragePlan) -> None:
    _, failure = live(plan, [twin()])
    assert failure is not None
    assert word in failure


def test_a_failure_says_how_to_live_through_it_again() -> None:
    said = report(plan_of(9, 120), "block 7: something")
    assert "--seed 9 --blocks 120" in said
    assert "block 7: something" in said


def test_traces_of_storage_networks_do_not_depend_on_the_hash_seed() -> None:
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
    assert stories[0] == stories[1]
