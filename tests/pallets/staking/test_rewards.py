"""Rewards: points, claims by page, each once, and never more than the era brought."""

import pytest

from pallets.staking import PayNone, PayOther, PayStash, Staking
from pallets.staking.types import EXPOSURE_PAGE_MAX
from primitives.hashing import blake2_256
from primitives.scale import U32
from primitives.types import AccountId, Balance
from tests.pallets.staking.stake_chain import (
    ANN,
    BEN,
    BOND_EACH,
    CAT,
    ERAS_PER_YEAR,
    EVA,
    HISTORY,
    MONEY,
    NIA,
    NOA,
    NORA,
    YEAR_ONE,
    StakeWorld,
)

PAYOUT = YEAR_ONE // ERAS_PER_YEAR
ERA = U32(1)
STRANGER = AccountId(b"x" * 32)


def claim(stake: StakeWorld, who: AccountId = ANN, era: int = 1) -> None:
    stake.call("payout_stakers", NOA, validator_stash=who, era=U32(era))


def claim_page(stake: StakeWorld, page: int, who: AccountId = ANN, era: int = 1) -> None:
    stake.call("payout_stakers_by_page", NOA, validator_stash=who, era=U32(era), page=U32(page))


def through_era_1(stake: StakeWorld, *authors: AccountId) -> None:
    """Era 1 with a block by each of ``authors``, and its end."""
    stake.to_era(1)
    for author in authors:
        stake.block(author)
    stake.to_era(2)
    stake.world.clear_events()


def test_a_block_brings_its_author_points_in_the_active_era(stake: StakeWorld) -> None:
    for author in (CAT, ANN, CAT, None):
        stake.block(author)
    points = stake.staking.eras_reward_points.get(U32(0))
    assert points.total == 60
    assert points.individual == ((ANN, 20), (CAT, 40))


def test_a_payout_is_shared_by_points_commission_and_stake(stake: StakeWorld) -> None:
    stake.validate(ANN, 10**8)
    stake.bond(NIA, 6_000, PayStash())
    stake.bond(NORA, 4_000, PayOther(account=EVA))
    stake.nominate(NIA, ANN)
    stake.nominate(NORA, ANN)
    through_era_1(stake, ANN, ANN, BEN, CAT)
    claim(stake)
    whole = PAYOUT // 2
    taken = whole // 10
    shared = whole - taken
    assert stake.free(NIA) == MONEY - 6_000 + shared * 6_000 // 20_000
    assert stake.free(EVA) == MONEY + shared * 4_000 // 20_000
    mine = taken + shared * BOND_EACH // 20_000
    # Rewards of who wants them at stake are at stake.
    assert stake.held(ANN) == stake.staking.ledger[ANN].active == BOND_EACH + mine
    started = Staking.PayoutStarted(era_index=ERA, validator_stash=ANN)
    first, second, *others = stake.events()
    assert first == started
    assert second == Staking.Rewarded(
        stash=ANN, dest=stake.staking.payee.get(ANN), amount=Balance(mine)
    )
    assert len(others) == 2
    stake.check_money()


def test_all_claims_of_an_era_never_exceed_its_payout(stake: StakeWorld) -> None:
    stake.bond(NIA, 7_777)
    stake.nominate(NIA, ANN, BEN, CAT)
    stake.validate(BEN, 333_333_333)
    through_era_1(stake, ANN, BEN, BEN, CAT, CAT, CAT, ANN)
    before = int(stake.runtime.balances.total_issuance.get())
    for who in (ANN, BEN, CAT):
        claim(stake, who)
    made = int(stake.runtime.balances.total_issuance.get()) - before
    assert 0 <= PAYOUT - made < 2 * 6 + 3
    stake.check_money()


def test_rewards_are_paid_once(stake: StakeWorld) -> None:
    through_era_1(stake, ANN)
    claim(stake)
    with stake.world.no_trace(), pytest.raises(Staking.AlreadyClaimed):
        claim(stake)
    with stake.world.no_trace(), pytest.raises(Staking.AlreadyClaimed):
        claim_page(stake, 0)


def test_rewards_are_paid_page_by_page_in_any_order(stake: StakeWorld) -> None:
    stake.validate(ANN, 10**8)
    people = [AccountId(blake2_256(b"n" + bytes([at]))) for at in range(EXPOSURE_PAGE_MAX + 6)]
    for who in people:
        stake.runtime.balances.mint_into(who, Balance(2_000))
        stake.bond(who, 1_000, PayStash())
        stake.nominate(who, ANN)
    through_era_1(stake, ANN)
    before = int(stake.runtime.balances.total_issuance.get())
    with stake.world.no_trace(), pytest.raises(Staking.InvalidPage):
        claim_page(stake, 2)
    claim_page(stake, 1)
    assert stake.staking.claimed_rewards.get(ERA, ANN) == (1,)
    claim(stake)  # the next that is left
    assert stake.staking.claimed_rewards.get(ERA, ANN) == (1, 0)
    made = int(stake.runtime.balances.total_issuance.get()) - before
    assert 0 <= PAYOUT - made < 2 * (len(people) + 4)
    shared = PAYOUT - PAYOUT // 10
    each = shared * 1_000 // (BOND_EACH + 1_000 * len(people))
    assert all(stake.free(who) == 1_000 + each for who in people)


def test_what_cannot_be_claimed(stake: StakeWorld) -> None:
    through_era_1(stake, ANN)
    for era in (2, 3, 99):  # not over, not begun
        with stake.world.no_trace(), pytest.raises(Staking.InvalidEraToReward):
            claim(stake, era=era)
        with stake.world.no_trace(), pytest.raises(Staking.InvalidEraToReward):
            claim_page(stake, 0, era=era)
    with stake.world.no_trace(), pytest.raises(Staking.NotStash):
        claim(stake, NIA)
    with stake.world.no_trace(), pytest.raises(Staking.NotStash):
        claim_page(stake, 0, NIA)


def test_rewards_can_be_claimed_for_the_history_and_no_longer(stake: StakeWorld) -> None:
    through_era_1(stake, ANN, BEN)
    stake.to_era(1 + HISTORY)
    claim(stake, ANN)
    stake.next_session()
    assert stake.staking.current_era.get() == HISTORY + 2
    with stake.world.no_trace(), pytest.raises(Staking.InvalidEraToReward):
        claim(stake, BEN)


def test_who_made_no_block_earns_nothing(stake: StakeWorld) -> None:
    through_era_1(stake, BEN)
    before = stake.runtime.balances.total_issuance.get()
    claim(stake, ANN)
    assert stake.runtime.balances.total_issuance.get() == before
    assert stake.events(Staking.Rewarded) == []


def test_rewards_for_nobody_and_dust_are_never_made(stake: StakeWorld) -> None:
    stake.call("set_payee", ANN, payee=PayNone())
    stake.bond(NIA, 1_000, PayOther(account=STRANGER))
    stake.nominate(NIA, BEN)
    through_era_1(stake, *[ANN] * 150, BEN)
    before = stake.runtime.balances.total_issuance.get()
    claim(stake, ANN)
    assert stake.runtime.balances.total_issuance.get() == before
    claim(stake, BEN)
    # 662 for Ben's era; Nia's part of 60 would be dust in an account that does not exist.
    assert [each.stash for each in stake.events(Staking.Rewarded)] == [BEN]
    assert STRANGER not in stake.runtime.system.account
    stake.check_money()


def test_who_left_is_still_paid(stake: StakeWorld) -> None:
    through_era_1(stake, ANN)
    stake.call("force_unstake", None, stash=ANN, num_slashing_spans=U32(0))
    claim(stake)
    assert stake.free(ANN) == MONEY + PAYOUT
    stake.check_money()


def test_a_payout_weighs_what_it_paid(stake: StakeWorld) -> None:
    through_era_1(stake, ANN)
    post = stake.call("payout_stakers", NOA, validator_stash=ANN, era=ERA)
    declared = stake.runtime.calls().make("Staking", "payout_stakers", validator_stash=ANN, era=ERA)
    assert post.weight is not None
    assert post.weight.ref_time < declared.info().weight.ref_time // 20
