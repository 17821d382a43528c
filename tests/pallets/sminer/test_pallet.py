"""Registration, collateral, declaration, fines and rewards: every rule, error and event."""

from dataclasses import replace

import pytest

from pallets.balances import Balances
from pallets.cess_treasury import PUNISH_TREASURY, REWARD_POT
from pallets.frame import BadOrigin, Origin
from pallets.frame.error import TokenFailure
from pallets.sminer import EndPoint, MinerState, Sminer
from pallets.sminer.pallet import TIB_COUNT_MAX
from primitives.scale import U32, U64, U128
from primitives.types import Balance
from tests.pallets.sminer.space_chain import (
    ALICE,
    BOB,
    CERT_DRAWS,
    CHARLIE,
    DAVE,
    DEPOSIT,
    EVE,
    FRAGMENT,
    ITEM_LIMIT,
    PER_UNIT,
    PLOT,
    PLOTS_PER_UNIT,
    RICH,
    STAKING_LOCK,
    UNIT,
    URL,
    answers_of,
    proofs_hold,
    start,
)


def state_of(world, who=ALICE):
    return world.sminer.miner_items[who].state


def set_miner(world, who=ALICE, **fields):
    world.sminer.miner_items[who] = replace(world.sminer.miner_items[who], **fields)


# Registration.


def test_a_miner_registers_with_collateral_and_may_work_at_once(world):
    world.register(units=2)
    info = world.sminer.miner_items[ALICE]
    assert info.state == MinerState.Positive
    assert info.declaration_space == 2 * UNIT
    assert info.collaterals == 2 * PER_UNIT == world.balances.reserved(ALICE)
    assert (info.idle_space, info.service_space, info.lock_space, info.debt) == (0, 0, 0, 0)
    assert (info.beneficiary, info.staking_account) == (ALICE, ALICE)
    assert info.registered_at == 1
    assert world.sminer.miner_items.count() == 1
    assert Sminer.Registered(acc=ALICE) in world.events()


def test_a_miner_is_drawn_from_its_first_certified_plots_on(world):
    world.register()
    world.request(ALICE, 1)
    world.pass_blocks(1)
    assert world.sminer.count() == 0
    with proofs_hold():
        world.prove(ALICE, answers_of(dict.fromkeys(range(CERT_DRAWS), b"p")))
    assert world.sminer.count() == 1
    assert world.sminer.miner_at(0) == ALICE
    world.certify(count=1)
    assert world.sminer.count() == 1


def test_nobody_registers_twice(world):
    world.register()
    with world.no_trace(), pytest.raises(Sminer.AlreadyRegistered):
        world.register()


@pytest.mark.parametrize("units", [0, TIB_COUNT_MAX + 1, 2**32 - 1])
def test_a_declaration_is_at_least_a_unit_and_at_most_an_exbibyte(world, units):
    with world.no_trace(), pytest.raises(Sminer.CountError):
        world.register(units=units, staking=RICH)


def test_the_largest_declaration_is_only_a_matter_of_collateral(world):
    with world.no_trace(), pytest.raises(Sminer.CollateralNotUp):
        world.register(units=TIB_COUNT_MAX, staking=RICH)


def test_collateral_one_planck_below_the_limit_is_too_little(world):
    with world.no_trace(), pytest.raises(Sminer.CollateralNotUp):
        world.register(units=2, staking=2 * PER_UNIT - 1)
    world.register(units=2, staking=2 * PER_UNIT)
    world.register(BOB, units=2, staking=2 * PER_UNIT + 1)


def test_an_endpoint_is_a_url(world):
    with world.no_trace(), pytest.raises(Sminer.InvalidEndpoint):
        world.by(
            ALICE,
            "Sminer",
            "regnstk",
            beneficiary=ALICE,
            endpoint=EndPoint(b"127.0.0.1:80"),
            staking_val=PER_UNIT,
            tib_count=U32(1),
        )


def test_collateral_must_be_there(world):
    with world.no_trace(), pytest.raises(Balances.InsufficientBalance):
        world.register(EVE)


def test_the_registry_has_an_end():
    people = [type(ALICE)(bytes([seed]) * 32) for seed in range(10, 11 + ITEM_LIMIT)]
    world = start(owners=tuple(people))
    for who in people[:-1]:
        world.register(who)
    with world.no_trace(), pytest.raises(Sminer.StorageLimitReached):
        world.register(people[-1])
    assert world.sminer.miner_items.count() == ITEM_LIMIT
    assert world.sminer.count() == 0, "none of them has plots"


def test_only_a_signature_registers(world):
    with pytest.raises(BadOrigin):
        world.call(
            "Sminer",
            "regnstk",
            Origin.root(),
            beneficiary=ALICE,
            endpoint=URL,
            staking_val=PER_UNIT,
            tib_count=U32(1),
        )


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("increase_collateral", {"miner": ALICE, "collaterals": Balance(1)}),
        ("update_beneficiary", {"beneficiary": BOB}),
        ("update_endpoint", {"endpoint": URL}),
        ("decrease_declaration_space", {"tib_count": U32(1)}),
        ("increase_declaration_space", {"tib_count": U32(1)}),
        ("receive_reward", {}),
        ("miner_exit_prep", {"miner": ALICE}),
        ("miner_withdraw", {}),
    ],
)
def test_whoever_is_no_miner_is_told_so(world, name, arguments):
    with world.no_trace(), pytest.raises(Sminer.NotMiner):
        world.by(ALICE, "Sminer", name, **arguments)


# Beneficiary and endpoint.


def test_a_miner_names_another_beneficiary(world):
    world.register()
    world.by(ALICE, "Sminer", "update_beneficiary", beneficiary=BOB)
    assert world.sminer.miner_items[ALICE].beneficiary == BOB
    assert Sminer.UpdateBeneficiary(acc=ALICE, new=BOB) in world.events()


def test_a_miner_moves(world):
    world.register()
    new = EndPoint(b"https://elsewhere")
    world.by(ALICE, "Sminer", "update_endpoint", endpoint=new)
    assert world.sminer.miner_items[ALICE].endpoint == new
    assert Sminer.UpdateEndPoint(acc=ALICE, old=URL, new=new) in world.events()
    with world.no_trace(), pytest.raises(Sminer.InvalidEndpoint):
        world.by(ALICE, "Sminer", "update_endpoint", endpoint=EndPoint(b"\x1b[2J"))


# Collateral.


def test_collateral_is_added(world):
    world.register()
    world.by(ALICE, "Sminer", "increase_collateral", miner=ALICE, collaterals=Balance(5))
    assert world.sminer.miner_items[ALICE].collaterals == PER_UNIT + 5
    assert world.balances.reserved(ALICE) == PER_UNIT + 5
    assert Sminer.IncreaseCollateral(acc=ALICE, balance=Balance(PER_UNIT + 5)) in world.events()


def test_only_the_staking_account_adds_collateral(world):
    world.register()
    with world.no_trace(), pytest.raises(Sminer.NotStakingAcc):
        world.by(BOB, "Sminer", "increase_collateral", miner=ALICE, collaterals=Balance(5))


@pytest.mark.parametrize("state", [MinerState.Lock, MinerState.Exit, MinerState.Offline])
def test_whoever_leaves_adds_no_collateral(world, state):
    world.register()
    set_miner(world, state=state)
    with world.no_trace(), pytest.raises(Sminer.StateError):
        world.by(ALICE, "Sminer", "increase_collateral", miner=ALICE, collaterals=Balance(5))


def test_debt_is_paid_before_collateral_grows(world):
    world.register()
    set_miner(world, debt=Balance(100), state=MinerState.Frozen)
    before = world.balances.free(PUNISH_TREASURY)
    world.by(ALICE, "Sminer", "increase_collateral", miner=ALICE, collaterals=Balance(99))
    info = world.sminer.miner_items[ALICE]
    assert (info.debt, info.collaterals, info.state) == (1, PER_UNIT, MinerState.Frozen)
    world.by(ALICE, "Sminer", "increase_collateral", miner=ALICE, collaterals=Balance(3))
    info = world.sminer.miner_items[ALICE]
    assert (info.debt, info.collaterals, info.state) == (0, PER_UNIT + 2, MinerState.Positive)
    assert world.balances.free(PUNISH_TREASURY) == before + 100
    assert Sminer.DebtPaid(miner=ALICE, paid=Balance(99), debt=Balance(1)) in world.events()
    assert Sminer.DebtPaid(miner=ALICE, paid=Balance(1), debt=Balance(0)) in world.events()


@pytest.mark.parametrize(("added", "state"), [(99, MinerState.Frozen), (100, MinerState.Positive)])
def test_a_frozen_miner_works_again_at_the_limit(world, added, state):
    world.register()
    world.balances.unreserve(ALICE, Balance(100))
    set_miner(world, collaterals=Balance(PER_UNIT - 100), state=MinerState.Frozen)
    world.by(ALICE, "Sminer", "increase_collateral", miner=ALICE, collaterals=Balance(added))
    assert state_of(world) == state


# Declaration.


def test_more_space_is_declared_when_the_collateral_suffices(world):
    world.register(staking=3 * PER_UNIT)
    world.by(ALICE, "Sminer", "increase_declaration_space", tib_count=U32(2))
    assert world.sminer.miner_items[ALICE].declaration_space == 3 * UNIT
    assert Sminer.IncreaseDeclarationSpace(miner=ALICE, space=U128(2 * UNIT)) in world.events()
    with world.no_trace(), pytest.raises(Sminer.CollateralNotUp):
        world.by(ALICE, "Sminer", "increase_declaration_space", tib_count=U32(1))


@pytest.mark.parametrize("units", [0, TIB_COUNT_MAX + 1])
@pytest.mark.parametrize("name", ["increase_declaration_space", "decrease_declaration_space"])
def test_a_change_of_declaration_is_bounded(world, name, units):
    world.register()
    with world.no_trace(), pytest.raises(Sminer.CountError):
        world.by(ALICE, "Sminer", name, tib_count=U32(units))


@pytest.mark.parametrize(
    "state", [MinerState.Frozen, MinerState.Lock, MinerState.Exit, MinerState.Offline]
)
def test_only_a_positive_miner_declares_more(world, state):
    world.register(staking=3 * PER_UNIT)
    set_miner(world, state=state)
    with world.no_trace(), pytest.raises(Sminer.NotpositiveState):
        world.by(ALICE, "Sminer", "increase_declaration_space", tib_count=U32(1))


def test_a_declaration_never_falls_below_what_is_used(world):
    world.register(units=2)
    world.certify(count=PLOTS_PER_UNIT)
    world.store()
    world.sminer.lock_space(ALICE, U128(FRAGMENT))
    world.by(ALICE, "Sminer", "decrease_declaration_space", tib_count=U32(1))
    info = world.sminer.miner_items[ALICE]
    assert info.declaration_space == UNIT
    assert info.idle_space + info.lock_space + info.service_space == UNIT
    assert Sminer.DecreaseDeclarationSpace(miner=ALICE, space=U128(UNIT)) in world.events()


def test_a_declaration_one_plot_below_what_is_used_is_refused(world):
    world.register(units=2)
    world.certify(count=PLOTS_PER_UNIT + 1)
    with world.no_trace(), pytest.raises(Sminer.UnableReduceDeclaration):
        world.by(ALICE, "Sminer", "decrease_declaration_space", tib_count=U32(1))


@pytest.mark.parametrize("units", [2, 3])
def test_a_miner_declares_at_least_a_unit(world, units):
    world.register(units=2)
    with world.no_trace(), pytest.raises(Sminer.UnableReduceDeclaration):
        world.by(ALICE, "Sminer", "decrease_declaration_space", tib_count=U32(units))


@pytest.mark.parametrize("state", [MinerState.Lock, MinerState.Exit, MinerState.Offline])
def test_whoever_leaves_declares_no_less(world, state):
    world.register(units=2)
    set_miner(world, state=state)
    with world.no_trace(), pytest.raises(Sminer.StateError):
        world.by(ALICE, "Sminer", "decrease_declaration_space", tib_count=U32(1))


def test_a_smaller_declaration_unfreezes_at_its_smaller_limit(world):
    world.register(units=2)
    set_miner(world, collaterals=PER_UNIT, state=MinerState.Frozen)
    world.by(ALICE, "Sminer", "decrease_declaration_space", tib_count=U32(1))
    assert state_of(world) == MinerState.Positive


def test_a_smaller_declaration_does_not_forgive_debt(world):
    world.register(units=2)
    set_miner(world, debt=Balance(1), state=MinerState.Frozen)
    world.by(ALICE, "Sminer", "decrease_declaration_space", tib_count=U32(1))
    assert state_of(world) == MinerState.Frozen


# Fines.


def test_a_fine_moves_collateral_to_the_treasury_and_freezes(world):
    world.register()
    world.certify()
    before, total = world.balances.free(PUNISH_TREASURY), world.total()
    fine = world.sminer.punish(ALICE, 50)
    assert fine == PER_UNIT // 20
    info = world.sminer.miner_items[ALICE]
    assert info.collaterals == PER_UNIT - fine == world.balances.reserved(ALICE)
    assert (info.debt, info.state) == (0, MinerState.Frozen)
    assert world.balances.free(PUNISH_TREASURY) == before + fine
    assert world.total() == total
    assert (
        Sminer.Punished(miner=ALICE, fine=fine, debt=Balance(0), state=MinerState.Frozen)
        in world.events()
    )


def test_a_miner_with_collateral_to_spare_stays_positive(world):
    world.register(staking=2 * PER_UNIT)
    world.certify()
    world.sminer.punish(ALICE, 1000)
    assert state_of(world) == MinerState.Positive
    world.sminer.punish(ALICE, 1)
    assert state_of(world) == MinerState.Frozen


def test_what_the_collateral_lacks_becomes_debt_and_debts_add_up(world):
    world.register()
    world.certify()
    set_miner(world, collaterals=Balance(30))
    world.balances.unreserve(ALICE, Balance(PER_UNIT - 30))
    fine = int(world.sminer.punish(ALICE, 50))
    assert world.sminer.miner_items[ALICE].debt == fine - 30
    assert world.sminer.miner_items[ALICE].collaterals == 0
    world.sminer.punish(ALICE, 50)
    assert world.sminer.miner_items[ALICE].debt == 2 * fine - 30


def test_a_miner_without_power_and_a_stranger_are_not_fined(world):
    world.register()
    with world.no_trace():
        assert world.sminer.punish(ALICE, 1000) == 0
        assert world.sminer.punish(BOB, 1000) == 0


def test_a_fine_that_the_treasury_cannot_hold_becomes_debt():
    world = start(treasuries=())
    world.register()
    world.certify()
    set_miner(world, collaterals=Balance(DEPOSIT - 1))
    fine = world.sminer.punish(ALICE, 50)
    info = world.sminer.miner_items[ALICE]
    assert (info.debt, info.collaterals) == (fine, DEPOSIT - 1)
    assert world.balances.reserved(ALICE) == PER_UNIT


def test_a_fine_takes_nothing_from_other_reserves_of_the_account(world):
    world.register()
    world.certify()
    world.balances.reserve(ALICE, Balance(777))
    for _ in range(25):
        world.sminer.punish(ALICE, 50)
    info = world.sminer.miner_items[ALICE]
    assert (info.collaterals, info.debt) == (0, PER_UNIT // 4)
    assert world.balances.reserved(ALICE) == 777


# Rewards.


def test_half_of_a_reward_is_paid_at_once_to_the_beneficiary(world):
    world.register()
    world.by(ALICE, "Sminer", "update_beneficiary", beneficiary=EVE)
    world.earn(ALICE)
    pool = int(world.treasury.currency_reward.get())
    world.by(ALICE, "Sminer", "receive_reward")
    at_once = pool - 90 * (pool // 2 // 90)
    assert world.balances.free(EVE) == at_once
    assert Sminer.Receive(acc=ALICE, reward=Balance(at_once)) in world.events()
    assert world.treasury.currency_reward.get() == pool - at_once


def test_the_rest_is_paid_by_the_day(world):
    world.register()
    world.earn(ALICE)
    pool = int(world.treasury.currency_reward.get())
    world.by(ALICE, "Sminer", "receive_reward")
    before = world.balances.free(ALICE)
    world.pass_blocks(10)
    world.by(ALICE, "Sminer", "receive_reward")
    assert world.balances.free(ALICE) - before == pool // 2 // 90
    with pytest.raises(AssertionError), world.no_trace():
        world.by(ALICE, "Sminer", "receive_reward")
    assert world.balances.free(ALICE) - before == pool // 2 // 90


@pytest.mark.parametrize("state", [MinerState.Frozen, MinerState.Offline])
def test_a_frozen_miner_and_one_thrown_out_are_paid_nothing(world, state):
    world.register()
    world.earn(ALICE)
    set_miner(world, state=state)
    with world.no_trace(), pytest.raises(Sminer.NotpositiveState):
        world.by(ALICE, "Sminer", "receive_reward")


@pytest.mark.parametrize("state", [MinerState.Positive, MinerState.Lock, MinerState.Exit])
def test_a_miner_that_leaves_is_paid_on(world, state):
    world.register()
    world.earn(ALICE)
    set_miner(world, state=state)
    before = world.balances.free(ALICE)
    world.by(ALICE, "Sminer", "receive_reward")
    assert world.balances.free(ALICE) > before


def test_a_reward_pays_debt_first(world):
    world.register()
    world.earn(ALICE)
    pool = int(world.treasury.currency_reward.get())
    at_once = pool - 90 * (pool // 2 // 90)
    debt = Balance(at_once + 5)
    set_miner(world, state=MinerState.Lock, debt=debt)
    free, fines = world.balances.free(ALICE), world.balances.free(PUNISH_TREASURY)
    world.by(ALICE, "Sminer", "receive_reward")
    assert world.balances.free(ALICE) == free
    assert world.balances.free(PUNISH_TREASURY) == fines + at_once
    assert world.sminer.miner_items[ALICE].debt == 5
    assert Sminer.DebtPaid(miner=ALICE, paid=Balance(at_once), debt=Balance(5)) in world.events()
    assert Sminer.Receive(acc=ALICE, reward=Balance(0)) in world.events()
    world.pass_blocks(10)
    world.by(ALICE, "Sminer", "receive_reward")
    assert world.sminer.miner_items[ALICE].debt == 0
    assert world.balances.free(ALICE) == free + pool // 2 // 90 - 5


def test_a_payment_that_its_beneficiary_cannot_hold_waits(world):
    world.register()
    world.by(ALICE, "Sminer", "update_beneficiary", beneficiary=EVE)
    world.balances.transfer(ALICE, REWARD_POT, Balance(100))
    world.treasury.currency_reward.put(Balance(100))
    world.treasury.earned[ALICE] = Balance(100)
    with world.no_trace(), pytest.raises(TokenFailure):
        world.by(ALICE, "Sminer", "receive_reward")
    world.by(ALICE, "Sminer", "update_beneficiary", beneficiary=BOB)
    world.by(ALICE, "Sminer", "receive_reward")
    assert world.balances.free(BOB) == RICH + 100


# Announcing an exit.


def test_an_exit_is_announced(world):
    world.register()
    world.pass_blocks(STAKING_LOCK)
    world.by(ALICE, "Sminer", "miner_exit_prep", miner=ALICE)
    assert state_of(world) == MinerState.Lock
    assert Sminer.MinerExitPrep(miner=ALICE) in world.events()


def test_nobody_announces_the_exit_of_another(world):
    world.register()
    world.register(BOB)
    world.pass_blocks(STAKING_LOCK)
    with world.no_trace(), pytest.raises(Sminer.NotStakingAcc):
        world.by(BOB, "Sminer", "miner_exit_prep", miner=ALICE)


@pytest.mark.parametrize(
    "state", [MinerState.Frozen, MinerState.Lock, MinerState.Exit, MinerState.Offline]
)
def test_only_a_positive_miner_announces_an_exit(world, state):
    world.register()
    world.pass_blocks(STAKING_LOCK)
    set_miner(world, state=state)
    with world.no_trace(), pytest.raises(Sminer.NotpositiveState):
        world.by(ALICE, "Sminer", "miner_exit_prep", miner=ALICE)


def test_an_exit_is_not_announced_before_the_staking_time_is_over(world):
    world.register()
    world.pass_blocks(STAKING_LOCK - 1)
    with world.no_trace(), pytest.raises(Sminer.InsufficientStakingPeriod):
        world.by(ALICE, "Sminer", "miner_exit_prep", miner=ALICE)
    world.pass_blocks(1)
    world.by(ALICE, "Sminer", "miner_exit_prep", miner=ALICE)


# What FileBank and Audit ask.


def test_only_a_positive_miner_with_idle_space_can_hold_more(world):
    assert not world.sminer.can_hold(ALICE, 0)
    assert not world.sminer.is_positive(ALICE)
    world.register()
    world.certify(count=1)
    assert world.sminer.is_positive(ALICE)
    assert world.sminer.can_hold(ALICE, PLOT)
    assert not world.sminer.can_hold(ALICE, PLOT + 1)
    set_miner(world, state=MinerState.Frozen)
    assert not world.sminer.can_hold(ALICE, 0)
    assert not world.sminer.is_positive(ALICE)


@pytest.mark.parametrize("name", ["lock_space", "idle_to_service"])
def test_no_more_space_is_promised_than_is_idle(world, name):
    world.register()
    world.certify(count=1)
    with world.no_trace(), pytest.raises(Sminer.InsufficientReplaceable):
        getattr(world.sminer, name)(ALICE, U128(PLOT + 1))
    getattr(world.sminer, name)(ALICE, U128(PLOT))
    assert world.sminer.miner_items[ALICE].idle_space == 0


def test_power_counts_no_more_than_was_proved_and_is_still_there(world):
    world.register()
    world.certify(count=2)
    world.store(size=PLOT)
    power = world.sminer.proved_power
    assert power(ALICE, U128(PLOT), U128(0)) == PLOT * 95 // 100
    assert power(ALICE, U128(PLOT), U128(PLOT)) == PLOT * 95 // 100 + PLOT * 5 // 100
    assert power(ALICE, U128(PLOT), U128(2 * PLOT)) == power(ALICE, U128(PLOT), U128(PLOT))
    assert power(ALICE, U128(0), U128(PLOT)) == PLOT * 5 // 100
    assert power(ALICE, U128(2 * PLOT), U128(0)) == power(ALICE, U128(PLOT), U128(0))
    assert world.sminer.service_space(ALICE) == PLOT
    assert world.sminer.idle_range(ALICE) == (0, 2)


def test_space_that_is_released_counts_as_idle_as_far_as_its_plots_stand(world):
    world.register()
    world.certify(count=2)
    world.store(size=2 * PLOT)
    assert world.sminer.pending_replacements.get(ALICE) == 2 * PLOT
    world.sminer.replace_idle(ALICE, U64(1))
    world.sminer.release_service(ALICE, U128(2 * PLOT))
    info = world.sminer.miner_items[ALICE]
    assert (info.idle_space, info.service_space) == (PLOT, 0)
    assert ALICE not in world.sminer.pending_replacements
    assert world.space.total_idle_space.get() == PLOT
    assert world.space.total_service_space.get() == 0


def test_a_promise_that_is_taken_back_is_idle_again(world):
    world.register()
    world.certify(count=1)
    world.sminer.lock_space(ALICE, U128(FRAGMENT))
    assert world.space.total_idle_space.get() == PLOT
    world.sminer.unlock_space(ALICE, U128(FRAGMENT))
    info = world.sminer.miner_items[ALICE]
    assert (info.idle_space, info.lock_space) == (PLOT, 0)
    assert world.space.total_idle_space.get() == PLOT


def test_miners_that_can_be_drawn_are_listed_without_gaps(world):
    for who in (ALICE, BOB, CHARLIE, DAVE):
        world.register(who)
        world.certify(who, count=1)
    world.sminer.force_exit(BOB)
    assert [world.sminer.miner_at(index) for index in range(3)] == [ALICE, DAVE, CHARLIE]
    world.sminer.force_exit(CHARLIE)
    assert [world.sminer.miner_at(index) for index in range(2)] == [ALICE, DAVE]
    assert world.sminer.count() == 2
    assert len(world.sminer.all_miner.keys(limit=10)) == 2
