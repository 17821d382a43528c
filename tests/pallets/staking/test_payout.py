"""What an era brings, and how it is shared: nothing is made up, little is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.cess_treasury.pallet import era_reward
from pallets.staking.payout import era_payout, page_rewards, validator_payout
from primitives.types import AccountId

TCESS = 10**18
YEAR_ONE = 238_500_000 * TCESS
ERAS = 1461


def payout(era: int, sessions: int = 6) -> int:
    return era_payout(YEAR_ONE, ERAS, era, sessions=sessions, sessions_per_era=6)


def test_the_first_year_pays_what_cess_says() -> None:
    assert payout(0) // 10**16 == 16_324_435  # 163,244.35 TCESS
    assert payout(ERAS - 1) == payout(0)


def test_each_year_pays_841_thousandths_of_the_one_before_for_30_years() -> None:
    for year in range(1, 31):
        before, after = payout((year - 1) * ERAS), payout(year * ERAS)
        assert abs(after * 1000 - before * 841) < 2_000
    assert payout(31 * ERAS) == payout(30 * ERAS) == payout(500 * ERAS)
    total = sum(payout(year * ERAS) * ERAS for year in range(30))
    assert 1_490_000_000 < total // TCESS < 1_495_000_000  # 1.492 B in 30 years


def test_validators_and_miners_are_paid_by_the_same_curve() -> None:
    for era in (0, 1460, 1461, 20_000, 60_000):
        expected = era_reward(YEAR_ONE, ERAS, era)
        assert 0 <= int(expected) - payout(era) <= 6


@pytest.mark.parametrize("sessions", range(1, 6))
def test_a_shorter_era_pays_for_its_sessions(sessions) -> None:
    assert abs(payout(0, sessions) * 6 - payout(0) * sessions) < 6


def test_a_longer_era_pays_no_more() -> None:
    assert payout(0, 7) == payout(0, 600) == payout(0)


def test_points_share_a_payout() -> None:
    assert validator_payout(1_000, 1, 3) == 333
    assert validator_payout(1_000, 0, 0) == 0


def test_the_commission_comes_first_and_the_rest_is_shared_by_stake() -> None:
    nia, nora = AccountId(b"a" * 32), AccountId(b"b" * 32)
    validator, others = page_rewards(
        1_000,
        commission=10**8,
        total=1_000,
        own=500,
        others=((nia, 300), (nora, 200)),
        is_first=True,
    )
    assert validator == 100 + 450
    assert others == [(nia, 270), (nora, 180)]


def test_nothing_is_shared_by_no_stake() -> None:
    assert page_rewards(10, commission=0, total=0, own=0, others=(), is_first=True) == (0, [])


stakes = st.integers(0, 10**27)


@given(
    st.integers(0, 10**30),
    st.integers(0, 10**9),
    stakes,
    st.lists(st.lists(stakes, max_size=5), min_size=1, max_size=4),
)
def test_all_pages_together_pay_what_there_is_but_for_roundings(amount, commission, own, pages):
    total = own + sum(sum(page) for page in pages)
    paid = shares = 0
    for at, page in enumerate(pages):
        others = tuple((AccountId(bytes([at]) * 32), value) for value in page)
        validator, rewards = page_rewards(
            amount,
            commission=commission,
            total=total,
            own=own,
            others=others,
            is_first=at == 0,
        )
        paid += validator + sum(reward for _, reward in rewards)
        shares += 2 + len(others)
    assert paid <= amount
    if total > 0:
        assert amount - paid < 2 * shares
