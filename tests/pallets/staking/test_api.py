"""What the runtime API tells of stakes and validators."""

from types import SimpleNamespace

import pytest

from pallets.staking.api import LISTED_MAX, StakingApi, Standing, ValidatorsApi
from primitives.scale import U32
from primitives.types import Balance
from tests.pallets.staking.stake_chain import (
    ANN,
    BEN,
    BOND_EACH,
    CAT,
    DAN,
    MIN_VALIDATOR,
    NIA,
    NOA,
    StakeWorld,
)


@pytest.fixture
def validators(stake: StakeWorld) -> ValidatorsApi:
    return ValidatorsApi(SimpleNamespace(staking=stake.staking))


@pytest.fixture
def stakes(stake: StakeWorld) -> StakingApi:
    return StakingApi(SimpleNamespace(staking=stake.staking))


def test_pages_and_what_is_left_to_claim(stake: StakeWorld, stakes: StakingApi) -> None:
    assert stakes.nominations_quota(Balance(1)) == 16
    assert stakes.eras_stakers_page_count(U32(0), ANN) == 1
    assert stakes.eras_stakers_page_count(U32(0), NIA) == 0
    assert not stakes.pending_rewards(U32(0), ANN)  # the era goes on
    stake.to_era(1)
    assert stakes.pending_rewards(U32(0), ANN)
    assert not stakes.pending_rewards(U32(0), NIA)
    stake.call("payout_stakers", NOA, validator_stash=ANN, era=U32(0))
    assert not stakes.pending_rewards(U32(0), ANN)


def test_a_validator_sees_how_it_stands(stake: StakeWorld, validators: ValidatorsApi) -> None:
    stake.block(ANN)
    stake.around.credits[ANN] = 900
    view = validators.validator(ANN)
    assert view.standing == Standing.Eligible
    assert view.ledger is not None
    assert view.ledger.active == view.exposure == BOND_EACH
    assert (view.is_active, view.points, view.credit) == (True, 20, 900)


def test_who_cannot_be_elected_is_told_the_first_reason(
    stake: StakeWorld, validators: ValidatorsApi
) -> None:
    def standing() -> Standing:
        return validators.validator(DAN).standing

    stake.around.without_keys.append(DAN)
    assert standing() == Standing.NotBonded
    stake.bond(DAN, MIN_VALIDATOR)
    assert standing() == Standing.NotCandidate
    stake.validate(DAN)
    stake.staking.min_validator_bond.put(Balance(MIN_VALIDATOR + 1))
    assert standing() == Standing.BondTooLow
    stake.staking.min_validator_bond.put(Balance(MIN_VALIDATOR))
    assert standing() == Standing.NoSessionKeys
    stake.around.without_keys.clear()
    assert standing() == Standing.TooNew
    stake.next_session()
    assert standing() == Standing.Eligible
    assert not validators.validator(DAN).is_active


def test_candidates_are_listed_by_what_is_certain(
    stake: StakeWorld, validators: ValidatorsApi
) -> None:
    stake.around.credits = {ANN: 500, BEN: 1000, CAT: 500}
    stake.bond(NIA, BOND_EACH)
    stake.nominate(NIA, CAT)
    first, second, third = validators.candidates(U32(LISTED_MAX + 1))
    assert [first.who, second.who, third.who] == [BEN, CAT, ANN]
    assert first.certain == 50 * 1000 + 30 * 500
    assert (second.own, second.backed, second.stake) == (BOND_EACH, 2 * BOND_EACH, 1000)
    assert validators.candidates(U32(1)) == (first,)
    # What is certain is what the election counts, but for chance.
    stake.next_session()
    for era, who in stake.staking.eras_stakers_overview.keys(limit=9):
        assert era <= 1
        assert who in (ANN, BEN, CAT)
