"""Fewer hours with nothing made cheap: the local network's runtime, VRFs, seals and signatures."""

import random
from dataclasses import replace

import pytest

from node.consensus.grandpa.shell import timing_for
from tests.simulation.checkers import Violation
from tests.simulation.faults import draw_faults
from tests.simulation.substance import RealSubstance
from tests.simulation.world import Plan, World

MINUTES = 12
PLAN = Plan(
    seed=0,
    length_ms=MINUTES * 60_000,
    timing=timing_for(6000),
    is_wired=True,
    repeats_gossip=True,
)


def live(plan: Plan) -> World:
    world = World(plan, RealSubstance(plan.validators))
    try:
        return world.run()
    except Violation as violation:
        pytest.fail(f"{violation}\n{plan}")


def test_four_real_validators_finalize_what_they_build() -> None:
    world = live(replace(PLAN, length_ms=3 * 60_000))
    assert world.checkers.highest >= 28
    assert world.checkers.checked_states >= 2


@pytest.mark.parametrize("seed", [1, 2])
def test_real_validators_keep_their_promises_under_faults(seed: int) -> None:
    faults = draw_faults(random.Random(seed), 4, PLAN.length_ms)
    traitors = ((3, ("double_author", "double_vote", "liar")),) if seed == 2 else ()
    world = live(replace(PLAN, seed=seed, faults=faults, traitors=traitors))
    assert len(world.heals) >= 3
    assert world.checkers.highest > 40
