"""From work to credit."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.scheduler_credit.merit import (
    CREDIT_MAX,
    NEUTRAL,
    PERIOD_WEIGHTS,
    credit_of,
    period_value,
)
from pallets.scheduler_credit.types import NO_WORK, SchedulerCounterEntry
from primitives.crypto.vrf import primary_threshold
from primitives.scale import U32

counts = st.integers(0, 2**32 - 1)


def work(duties: int, served: int, punished: int = 0) -> SchedulerCounterEntry:
    return SchedulerCounterEntry(
        duties=U32(duties), served=U32(served), punishment_count=U32(punished)
    )


@pytest.mark.parametrize(
    ("duties", "served", "value"),
    [(100, 100, 1000), (100, 90, 1000), (100, 89, 988), (100, 45, 500), (100, 0, 0), (1, 0, 0)],
)
def test_nine_duties_in_ten_are_all_that_is_asked(duties, served, value) -> None:
    assert period_value(work(duties, served)) == value


@pytest.mark.parametrize("validators", [4, 7, 11, 21, 100])
def test_a_third_that_drops_the_blocks_of_one_costs_it_no_credit(validators: int) -> None:
    """The attack: whoever of the league wins the slot after the victim's builds past its block."""
    weights = [1] * validators
    league = range((validators - 1) // 3)
    missing = 1.0
    for member in league:
        missing *= 1 - primary_threshold((1, 4), weights, member) / 2**128
    dropped = 1 - missing
    assert 0 < dropped < 0.1
    duties = 100_000
    lost = math.ceil(duties * dropped)
    assert period_value(work(duties, duties - lost)) == CREDIT_MAX


def test_an_offence_makes_a_period_worthless() -> None:
    assert period_value(work(100, 100, 1)) == 0
    assert period_value(work(0, 0, 1)) == 0


def test_without_duties_a_period_is_neutral() -> None:
    assert period_value(NO_WORK) == NEUTRAL
    assert credit_of([None] * 5) == NEUTRAL


def test_weights_are_those_of_cess() -> None:
    assert PERIOD_WEIGHTS == (50, 20, 15, 10, 5)
    assert sum(PERIOD_WEIGHTS) == 100
    for at, weight in enumerate(PERIOD_WEIGHTS):
        values = [0] * 5
        values[at] = CREDIT_MAX
        assert credit_of(values) == 10 * weight


@given(counts, counts, counts)
def test_a_value_stays_on_its_scale(duties, served, punished) -> None:
    assert 0 <= period_value(work(duties, min(duties, served), punished)) <= CREDIT_MAX


@given(st.lists(st.none() | st.integers(0, CREDIT_MAX), min_size=5, max_size=5))
def test_a_credit_stays_on_its_scale(values) -> None:
    assert 0 <= credit_of(values) <= CREDIT_MAX


@given(st.integers(1, 10**6), st.data())
def test_serving_more_is_never_worth_less(duties, data) -> None:
    served = data.draw(st.integers(0, duties - 1))
    assert period_value(work(duties, served)) <= period_value(work(duties, served + 1))
    assert period_value(work(duties + 1, served)) <= period_value(work(duties, served))


def test_the_example_of_the_documents() -> None:
    """docs/specs/staking.md."""
    value = period_value(work(40, 34))
    assert value == 944
    assert credit_of([value, None, None, None, None]) == 872
