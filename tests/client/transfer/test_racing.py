"""The race for one segment: whom to ask, when to ask more, when to give up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.transfer.racing import Candidate, Race

HEDGE = 1.5


def race(indexes: list[int], *, wanted: list[int] | None = None) -> Race:
    return Race(
        [Candidate(index) for index in indexes],
        needed=4,
        wanted=[0, 1, 2, 3] if wanted is None else wanted,
        hedge_after_s=HEDGE,
    )


def ask_all(runner: Race, now: float) -> list[int]:
    asked = []
    while (index := runner.next_request(now)) is not None:
        asked.append(index)
    return asked


def test_data_fragments_are_asked_first_and_no_more_than_needed() -> None:
    runner = race(list(range(11, -1, -1)))
    assert sorted(ask_all(runner, 0.0)) == [0, 1, 2, 3]


def test_a_range_asks_only_for_what_it_touches() -> None:
    assert ask_all(race(list(range(12)), wanted=[2]), 0.0) == [2]


def test_cheap_holders_are_asked_before_dear_ones() -> None:
    runner = Race(
        [Candidate(index, cost=12.0 - index) for index in range(4, 12)],
        needed=4,
        wanted=[0, 1, 2, 3],
        hedge_after_s=HEDGE,
    )
    assert ask_all(runner, 0.0) == [11, 10, 9, 8]


def test_a_failure_is_replaced_at_once() -> None:
    runner = race(list(range(12)))
    ask_all(runner, 0.0)
    runner.failed(2)
    assert ask_all(runner, 0.1) == [4]


def test_a_lost_single_fragment_is_rebuilt_from_four_others() -> None:
    runner = race(list(range(12)), wanted=[2])
    ask_all(runner, 0.0)
    runner.failed(2)
    assert len(ask_all(runner, 0.1)) == 4


def test_a_silent_holder_gets_a_rival_after_the_hedge_and_may_still_win() -> None:
    runner = race(list(range(12)))
    ask_all(runner, 0.0)
    for index in (0, 1, 2):
        runner.arrived(index)
    assert runner.next_wakeup(0.5) == HEDGE
    assert ask_all(runner, HEDGE - 0.01) == []
    assert ask_all(runner, HEDGE) == [4]
    assert not runner.is_complete
    runner.arrived(3)
    assert runner.is_complete
    assert ask_all(runner, 99.0) == []


def test_eight_lost_holders_do_not_stop_it_and_nine_do() -> None:
    runner = race([8, 9, 10, 11])
    assert sorted(ask_all(runner, 0.0)) == [8, 9, 10, 11]
    for index in (8, 9, 10):
        runner.arrived(index)
    assert not runner.is_hopeless
    runner.failed(11)
    assert runner.is_hopeless
    assert race([9, 10, 11]).is_hopeless


@given(
    held=st.sets(st.integers(0, 11)),
    honest=st.sets(st.integers(0, 11)),
    wanted=st.sets(st.integers(0, 3), min_size=1),
)
def test_it_ends_complete_exactly_when_enough_honest_holders_are_there(
    held: set[int], honest: set[int], wanted: set[int]
) -> None:
    runner = race(sorted(held), wanted=sorted(wanted))
    now = 0.0
    for _ in range(60):
        if runner.is_complete or runner.is_hopeless:
            break
        asked = ask_all(runner, now)
        for index in asked:
            if index in honest:
                runner.arrived(index)
            else:
                runner.failed(index)
        now += HEDGE
    good = held & honest
    assert runner.is_complete == (wanted <= good or len(good) >= 4)
    assert runner.is_complete != runner.is_hopeless


@pytest.mark.parametrize("silent", [1, 4, 8])
def test_silent_holders_cost_at_most_two_hedges(silent: int) -> None:
    runner = race(list(range(12)))
    quiet, now = set(range(silent)), 0.0
    while not runner.is_complete:
        for index in ask_all(runner, now):
            if index not in quiet:
                runner.arrived(index)
        wakeup = runner.next_wakeup(now)
        now = now if wakeup is None or runner.is_complete else wakeup
    assert now <= 2 * HEDGE
