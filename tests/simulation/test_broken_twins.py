"""With a defence broken, the checkers find it: they can fail. Without, the same plans pass."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from tests.simulation import broken
from tests.simulation.campaign import plan_of, report, run_plan
from tests.simulation.checkers import Checkers, Violation
from tests.simulation.faults import Fault
from tests.simulation.world import Plan

MINUTES_15 = 15 * 60_000
CRASHES = Plan(
    seed=1,
    length_ms=600_000,
    faults=tuple(
        Fault(20_000 + 7000 * turn, 21_500 + 7000 * turn, "crash_write", (turn % 4, turn % 5))
        for turn in range(80)
    ),
)
PARTITIONS = Plan(
    seed=1,
    length_ms=600_000,
    faults=tuple(
        Fault(20_000 + 60_000 * turn, 60_000 + 60_000 * turn, "partition", (0, 0, turn % 2, 1))
        for turn in range(9)
    ),
    traitors=((0, ("double_author", "withhold")),),
)
WIPES = Plan(
    seed=1,
    length_ms=600_000,
    faults=tuple(
        Fault(24_800 + 12_000 * turn, 25_300 + 12_000 * turn, "wipe", (turn % 4,))
        for turn in range(40)
    ),
)
"""A node loses its database and is back in the slot in which it may have authored."""
DOUBLE_VOTES = Plan(seed=1, length_ms=300_000, traitors=((0, ("double_vote",)),))
LIES = plan_of(14, MINUTES_15)
BODIES = plan_of(19, MINUTES_15)
FORKS = plan_of(5, MINUTES_15)
MIXED = plan_of(9, MINUTES_15)
ESTIMATES = plan_of(17, MINUTES_15)

TWINS: tuple[tuple[Callable[[], AbstractContextManager[None]], Plan, str], ...] = (
    (broken.lowered_threshold, PARTITIONS, "finalized"),
    (broken.forgotten_votes, FORKS, "cast two votes"),
    (broken.forgotten_slots, WIPES, "sealed two blocks"),
    (broken.unsynced_writes, CRASHES, "had acknowledged"),
    (broken.unsettled_votes, LIES, "not on disk"),
    (broken.made_money, CRASHES, "units of money"),
    (broken.nondeterministic_execution, MIXED, "gave something else"),
    (broken.unlooked_bodies, BODIES, "not all finalized"),
    (broken.ignored_finality, FORKS, "not all finalized"),
    (broken.ignored_estimate, ESTIMATES, "died of InvalidJustification"),
    (broken.unsuspected_traitors, DOUBLE_VOTES, "is honest and cast two votes"),
    (broken.silent_rot, CRASHES, "nothing rotted"),
    (broken.unexpected_lies, LIES, "died of IndexError"),
)


@pytest.mark.parametrize(
    ("twin", "plan", "what"), TWINS, ids=[twin.__name__ for twin, _, _ in TWINS]
)
def test_a_broken_defence_is_found(
    twin: Callable[[], AbstractContextManager[None]], plan: Plan, what: str
) -> None:
    outcome = run_plan(plan, [twin()])
    assert outcome.failure is not None, f"{twin.__name__} was not found"
    assert what in outcome.failure


def test_what_no_twin_does_is_found_all_the_same() -> None:
    checkers = Checkers((True,), issuance=7)
    checkers.on_growth(0, 4, 5)
    checkers.on_state(0, b"root", b"root", 7)
    for before in (5, 6):
        with pytest.raises(Violation, match="had finalized"):
            checkers.on_growth(0, before, 5)
    with pytest.raises(Violation, match="has the root"):
        checkers.on_state(0, b"root", b"other", 7)


@pytest.mark.parametrize(
    "plan",
    [CRASHES, PARTITIONS, WIPES, DOUBLE_VOTES, MIXED, LIES, BODIES, FORKS, ESTIMATES],
    ids=[
        "crashes",
        "partitions",
        "wipes",
        "double",
        "mixed",
        "lies",
        "bodies",
        "forks",
        "estimates",
    ],
)
def test_with_all_defences_the_same_plans_pass(plan: Plan) -> None:
    outcome = run_plan(plan)
    assert outcome.failure is None, report(outcome)
