"""With a defence broken, the checkers find it: they can fail. Without, the same seeds pass."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from tests.simulation import broken
from tests.simulation.campaign import plan_of, report, run_plan

MINUTES_15 = 15 * 60_000

TWINS: tuple[tuple[Callable[[], AbstractContextManager[None]], int, str], ...] = (
    (broken.lowered_threshold, 1, "finalized"),
    (broken.forgotten_votes, 2, "cast two votes"),
    (broken.forgotten_slots, 13, "sealed two blocks"),
    (broken.ignored_estimate, 9, "died|finalized|cast|last fault"),
    (broken.ignored_finality, 9, "last fault|finalized|died"),
    (broken.unsynced_writes, 1, "had acknowledged"),
    (broken.made_money, 1, "units of money"),
    (broken.nondeterministic_execution, 1, "gave something else"),
)


@pytest.mark.parametrize(
    ("twin", "seed", "what"), TWINS, ids=[twin.__name__ for twin, _, _ in TWINS]
)
def test_a_broken_defence_is_found(
    twin: Callable[[], AbstractContextManager[None]], seed: int, what: str
) -> None:
    outcome = run_plan(plan_of(seed, MINUTES_15), [twin()])
    assert outcome.failure is not None, f"{twin.__name__} was not found with seed {seed}"
    assert any(word in outcome.failure for word in what.split("|")), outcome.failure


@pytest.mark.parametrize("seed", sorted({seed: None for _, seed, _ in TWINS}))
def test_with_all_defences_the_same_seeds_pass(seed: int) -> None:
    outcome = run_plan(plan_of(seed, MINUTES_15))
    assert outcome.failure is None, report(outcome)
