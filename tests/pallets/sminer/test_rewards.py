"""How a reward is paid: nothing is lost, nothing is paid twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.sminer.rewards import claim, unpaid
from pallets.sminer.types import RELEASE_DAYS, Reward, RewardOrders
from primitives.scale import U32, encode
from primitives.types import Balance


def nothing() -> Reward:
    return Reward(Balance(0), Balance(0), RewardOrders())


def test_half_is_paid_at_once_and_a_ninetieth_of_the_other_half_a_day():
    reward, due = claim(nothing(), Balance(1_800), U32(5))
    assert due == 900
    assert unpaid(reward) == 900
    for day in range(6, 6 + RELEASE_DAYS):
        reward, due = claim(reward, Balance(0), U32(day))
        assert due == 10
    assert unpaid(reward) == 0
    assert reward.order_list == ()


@pytest.mark.parametrize(("earned", "at_once"), [(0, 0), (1, 1), (179, 179), (180, 90), (181, 91)])
def test_what_the_daily_part_cannot_divide_is_paid_at_once(earned, at_once):
    reward, due = claim(nothing(), Balance(earned), U32(0))
    assert due == at_once
    assert unpaid(reward) == earned - at_once


def test_days_that_nobody_claimed_are_not_lost():
    reward, _ = claim(nothing(), Balance(1_800), U32(0))
    reward, due = claim(reward, Balance(0), U32(40))
    assert due == 400
    _, due = claim(reward, Balance(0), U32(1_000))
    assert due == 500


@pytest.mark.parametrize(("day", "due"), [(89, 890), (90, 900), (91, 900)])
def test_the_last_part_is_paid_on_the_ninetieth_day(day, due):
    reward, _ = claim(nothing(), Balance(1_800), U32(0))
    assert claim(reward, Balance(0), U32(day))[1] == due


def test_claims_of_one_day_share_an_order():
    reward = nothing()
    for _ in range(100):
        reward, _ = claim(reward, Balance(1_800), U32(3))
    assert len(reward.order_list) == 1
    assert reward.order_list[0].each_amount == 1_000


def test_a_claim_every_day_for_a_year_stays_within_the_list():
    reward = nothing()
    for day in range(365):
        reward, _ = claim(reward, Balance(1_800), U32(day))
        assert len(reward.order_list) <= RELEASE_DAYS
    encode(Reward, reward)


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 10**24)), min_size=1, max_size=40))
def test_every_planck_is_paid_once(claims):
    reward, day, paid, earned = nothing(), 0, 0, 0
    for days, amount in claims:
        day += days
        reward, due = claim(reward, Balance(amount), U32(day))
        paid, earned = paid + due, earned + amount
        assert due >= amount // 2
        assert unpaid(reward) == earned - paid
        owed = sum(
            (RELEASE_DAYS - int(order.receive_count)) * int(order.each_amount)
            for order in reward.order_list
        )
        assert owed == unpaid(reward)
    reward, due = claim(reward, Balance(0), U32(day + RELEASE_DAYS))
    assert paid + due == earned
    assert unpaid(reward) == 0
    assert reward.order_list == ()
