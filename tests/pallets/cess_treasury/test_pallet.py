"""Eras, shares and treasuries: every rule, error and event."""

import pytest

from pallets.cess_treasury import (
    PUNISH_TREASURY,
    RESERVE_REWARD,
    REWARD_POT,
    SPACE_TREASURY,
    CessTreasury,
    PowerRecord,
)
from pallets.cess_treasury.pallet import DECAY_YEARS_MAX, era_reward
from pallets.frame import BadOrigin, Origin
from pallets.frame.error import TokenFailure
from primitives.scale import U32, U128
from primitives.types import Balance, BlockNumber
from tests.pallets.sminer.space_chain import (
    ALICE,
    BOB,
    CHARLIE,
    DEPOSIT,
    ERA,
    ERAS_PER_YEAR,
    EVE,
    RICH,
    YEAR_ONE,
    start,
)

POOL = YEAR_ONE // ERAS_PER_YEAR


def power(world, who, amount):
    world.treasury.record_power(who, U128(amount))


def earned(world, who):
    return int(world.treasury.take_earned(who))


# The pool of an era.


def test_the_pool_is_a_part_of_the_years_reward():
    assert era_reward(1_000_003, 10, 0) == 100_000
    assert era_reward(1_000_003, 10, 9) == 100_000


@pytest.mark.parametrize(("era", "pool"), [(9, 100_000), (10, 84_100), (20, 70_728)])
def test_the_reward_falls_to_841_thousandths_each_year(era, pool):
    assert era_reward(1_000_000, 10, era) == pool


def test_the_decay_ends_after_thirty_years():
    last = era_reward(10**24, 10, 10 * DECAY_YEARS_MAX)
    assert era_reward(10**24, 10, 10 * DECAY_YEARS_MAX - 1) > last > 0
    assert era_reward(10**24, 10, 10 * (DECAY_YEARS_MAX + 1)) == last
    assert era_reward(10**24, 10, 2**32 - 1) == last


def test_a_reward_smaller_than_the_number_of_eras_is_none():
    assert era_reward(9, 10, 0) == 0


def test_the_largest_reward_is_worked_out():
    assert era_reward(2**128 - 1, 1, 2**32 - 1) < 2**128


def test_the_pool_is_minted_in_the_first_block_of_the_next_era(world):
    power(world, ALICE, 7)
    world.run_to_block(ERA - 1)
    assert world.total() == 4 * RICH + 4 * DEPOSIT
    world.pass_blocks(1)
    assert world.total() == 4 * RICH + 4 * DEPOSIT + POOL
    assert world.balances.free(REWARD_POT) == DEPOSIT + POOL
    assert world.treasury.currency_reward.get() == POOL
    assert CessTreasury.Deposit(balance=POOL) in world.events()
    assert CessTreasury.EraRewarded(era=U32(0), total=POOL, power=U128(7)) in world.events()
    assert world.treasury.current_era.get() == 1
    world.pass_blocks(1)
    assert world.treasury.currency_reward.get() == POOL


def test_an_era_that_audited_nobody_mints_nothing(world):
    before = world.total()
    world.end_era()
    power(world, ALICE, 5)
    power(world, ALICE, 0)
    world.end_era()
    assert world.total() == before
    assert world.events() == []


def test_a_pool_that_cannot_be_minted_is_no_pool(world):
    power(world, ALICE, 7)
    world.balances.total_issuance.put(Balance(2**128 - 1))
    world.end_era()
    assert world.treasury.current_era.get() == 1
    assert world.treasury.currency_reward.get() == 0
    assert earned(world, ALICE) == 0
    assert world.treasury.round_reward.keys(limit=1) == []


def test_a_pool_of_dust_for_a_pot_that_does_not_exist_is_no_pool():
    world = start(treasuries=())
    power(world, ALICE, 7)
    small = CessTreasury.Config(
        era_blocks=BlockNumber(ERA),
        eras_per_year=U32(1),
        year_one_reward=Balance(DEPOSIT - 1),
        currency=world.balances,
    )
    world.treasury.config = small
    world.end_era()
    assert world.treasury.currency_reward.get() == 0
    assert earned(world, ALICE) == 0


# Shares.


def test_a_share_is_in_proportion_to_power(world):
    power(world, ALICE, 1)
    power(world, BOB, 3)
    world.end_era()
    assert earned(world, BOB) == POOL * 3 // 4
    assert earned(world, ALICE) == POOL // 4


def test_a_share_counts_once(world):
    power(world, ALICE, 1)
    world.end_era()
    assert earned(world, ALICE) == POOL
    assert earned(world, ALICE) == 0


def test_the_current_era_is_not_shared_yet(world):
    power(world, ALICE, 1)
    assert earned(world, ALICE) == 0
    assert world.treasury.power_record[ALICE] == PowerRecord(era=U32(0), power=U128(1))


def test_the_last_audit_of_an_era_counts(world):
    power(world, BOB, 10)
    for amount in (5, 0, 30):
        power(world, ALICE, amount)
    world.end_era()
    assert earned(world, ALICE) == POOL * 3 // 4
    assert earned(world, BOB) == POOL // 4


def test_a_failed_audit_takes_the_share_of_the_era_away(world):
    power(world, ALICE, 10)
    power(world, BOB, 10)
    power(world, ALICE, 0)
    world.end_era()
    assert earned(world, ALICE) == 0
    assert earned(world, BOB) == POOL


def test_a_failed_audit_alone_leaves_no_record(world):
    with world.no_trace():
        power(world, ALICE, 0)


def test_shares_of_many_eras_add_up_without_a_claim(world):
    for _ in range(3):
        power(world, ALICE, 4)
        world.end_era()
    assert earned(world, ALICE) == 3 * POOL


def test_a_share_waits_for_whoever_comes_back_late(world):
    power(world, ALICE, 4)
    power(world, BOB, 4)
    for _ in range(5):
        world.end_era()
    assert earned(world, ALICE) == POOL // 2
    power(world, BOB, 1)
    assert earned(world, BOB) == POOL // 2


def test_what_rounding_leaves_is_nobodys_and_stays_in_the_pot(world):
    for who, amount in ((ALICE, 3), (BOB, 3), (CHARLIE, 1)):
        power(world, who, amount)
    world.end_era()
    shares = [earned(world, who) for who in (ALICE, BOB, CHARLIE)]
    assert shares == [POOL * 3 // 7, POOL * 3 // 7, POOL // 7]
    assert sum(shares) < POOL
    assert world.treasury.currency_reward.get() == sum(shares)
    assert world.balances.free(REWARD_POT) == DEPOSIT + POOL
    assert world.treasury.round_reward.keys(limit=1) == []


def test_shares_of_the_largest_powers_are_worked_out(world):
    power(world, ALICE, 2**127)
    power(world, BOB, 2**127 - 1)
    world.end_era()
    assert earned(world, ALICE) + earned(world, BOB) <= POOL


# Paying and losing.


def test_what_is_paid_leaves_the_pot(world):
    power(world, ALICE, 1)
    world.end_era()
    amount = Balance(earned(world, ALICE))
    world.treasury.pay(EVE, amount)
    assert world.balances.free(EVE) == POOL
    assert world.treasury.currency_reward.get() == 0
    assert world.balances.free(REWARD_POT) == DEPOSIT


def test_the_pot_is_never_emptied_into_dust(world):
    with world.no_trace(), pytest.raises(TokenFailure):
        world.treasury.pay(EVE, DEPOSIT)


def test_whoever_forfeits_loses_what_it_earned_and_the_running_era(world):
    power(world, ALICE, 1)
    power(world, BOB, 1)
    world.end_era()
    power(world, ALICE, 8)
    power(world, BOB, 1)
    world.treasury.forfeit(ALICE, Balance(0))
    assert world.balances.free(RESERVE_REWARD) == DEPOSIT + POOL // 2
    assert world.treasury.reserve_reward.get() == POOL // 2
    world.end_era()
    assert earned(world, ALICE) == 0
    assert earned(world, BOB) == POOL // 2 + POOL


def test_forfeiting_the_only_record_of_an_era_ends_its_pool(world):
    power(world, ALICE, 8)
    world.treasury.forfeit(ALICE, Balance(0))
    assert world.treasury.round_reward.keys(limit=1) == []
    before = world.total()
    world.end_era()
    assert world.total() == before


def test_whoever_earned_nothing_forfeits_nothing(world):
    world.treasury.forfeit(ALICE, Balance(0))
    assert world.events() == []
    assert world.treasury.reserve_reward.get() == 0


def test_forfeiting_never_raises_where_the_reserve_cannot_hold_it():
    world = start(treasuries=(REWARD_POT,))
    world.treasury.earned[ALICE] = Balance(5)
    world.treasury.currency_reward.put(Balance(5))
    world.treasury.forfeit(ALICE, Balance(0))
    assert world.treasury.currency_reward.get() == 0
    assert world.treasury.reserve_reward.get() == 0
    assert world.balances.free(REWARD_POT) == DEPOSIT


# The treasuries.


@pytest.mark.parametrize(
    ("name", "treasury"),
    [("send_funds_to_pid", PUNISH_TREASURY), ("send_funds_to_sid", SPACE_TREASURY)],
)
def test_anybody_may_give_to_a_treasury(world, name, treasury):
    world.by(ALICE, "CessTreasury", name, funds=Balance(5))
    assert world.balances.free(treasury) == DEPOSIT + 5
    assert world.balances.free(ALICE) == RICH - 5
    with world.no_trace(), pytest.raises(TokenFailure):
        world.by(ALICE, "CessTreasury", name, funds=RICH)
    with pytest.raises(BadOrigin):
        world.call("CessTreasury", name, Origin.root(), funds=Balance(5))


BURNS = [("pid_burn_funds", PUNISH_TREASURY), ("sid_burn_funds", SPACE_TREASURY)]
SENDS = [("pid_send_funds", PUNISH_TREASURY), ("sid_send_funds", SPACE_TREASURY)]


@pytest.mark.parametrize(("name", "treasury"), BURNS)
def test_root_burns_what_a_treasury_has_beside_its_deposit(world, name, treasury):
    world.balances.transfer(ALICE, treasury, Balance(5))
    before = world.total()
    with world.no_trace(), pytest.raises(CessTreasury.InsufficientFunds):
        world.call("CessTreasury", name, Origin.root(), burn_amount=Balance(6))
    world.call("CessTreasury", name, Origin.root(), burn_amount=Balance(5))
    assert world.balances.free(treasury) == DEPOSIT
    assert world.total() == before - 5
    with world.no_trace(), pytest.raises(BadOrigin):
        world.by(ALICE, "CessTreasury", name, burn_amount=Balance(1))


@pytest.mark.parametrize(("name", "treasury"), SENDS)
def test_root_pays_from_what_a_treasury_has_beside_its_deposit(world, name, treasury):
    world.balances.transfer(ALICE, treasury, Balance(5))
    before = world.total()
    with world.no_trace(), pytest.raises(CessTreasury.InsufficientFunds):
        world.call("CessTreasury", name, Origin.root(), acc=BOB, funds=Balance(6))
    world.call("CessTreasury", name, Origin.root(), acc=BOB, funds=Balance(5))
    assert world.balances.free(treasury) == DEPOSIT
    assert world.balances.free(BOB) == RICH + 5
    assert world.total() == before
    with world.no_trace(), pytest.raises(BadOrigin):
        world.by(ALICE, "CessTreasury", name, acc=ALICE, funds=Balance(1))
