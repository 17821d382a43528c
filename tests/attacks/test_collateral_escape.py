"""Attacks on collateral, fines and rewards: getting out what others rely on."""

from dataclasses import replace

import pytest

from pallets.cess_treasury import PUNISH_TREASURY, RESERVE_REWARD
from pallets.frame import BadOrigin
from pallets.sminer import MinerState, Sminer
from primitives.scale import U32, U128
from primitives.types import Balance, BlockNumber
from tests.pallets.sminer.space_chain import (
    ALICE,
    BOB,
    DAY,
    DEPOSIT,
    EXIT_LOCK,
    FRAGMENT,
    PER_UNIT,
    RICH,
    STAKING_LOCK,
    start,
)


def miner():
    """Alice is a miner that holds a fragment."""
    world = start()
    world.register()
    world.certify()
    world.store(size=FRAGMENT)
    return world


def withdraw(world, who=ALICE):
    world.by(who, "Sminer", "miner_withdraw")


def test_collateral_is_returned_once():
    """Withdraw twice, with other money reserved on the same account."""
    world = start()
    world.register()
    world.balances.reserve(ALICE, PER_UNIT)
    world.leave()
    world.pass_blocks(2 * DAY)
    withdraw(world)
    for _ in range(2):
        with world.no_trace(), pytest.raises(Sminer.NotMiner):
            withdraw(world)
    assert world.balances.reserved(ALICE) == PER_UNIT


def test_waiting_out_the_cooling_time_frees_no_collateral_while_fragments_are_held():
    world = miner()
    world.leave()
    world.pass_blocks(50 * DAY)
    with world.no_trace(), pytest.raises(Sminer.NotRestored):
        withdraw(world)
    assert world.balances.reserved(ALICE) == PER_UNIT


def test_getting_thrown_out_is_no_quicker_way_to_the_collateral():
    world = miner()
    world.sminer.force_exit(ALICE)
    with world.no_trace(), pytest.raises(Sminer.Cooling):
        withdraw(world)
    world.pass_blocks(2 * DAY)
    with world.no_trace(), pytest.raises(Sminer.NotRestored):
        withdraw(world)


def test_announcing_an_exit_does_not_escape_fines():
    world = miner()
    world.pass_blocks(STAKING_LOCK)
    world.by(ALICE, "Sminer", "miner_exit_prep", miner=ALICE)
    fine = world.sminer.punish(ALICE, 150)
    world.pass_blocks(EXIT_LOCK)
    second = world.sminer.punish(ALICE, 150)
    assert fine > 0
    assert second > 0
    assert world.balances.free(PUNISH_TREASURY) == DEPOSIT + fine + second
    assert world.sminer.miner_items[ALICE].state == MinerState.Exit


def test_shrinking_the_declaration_does_not_release_collateral():
    world = start()
    world.register(units=3)
    world.by(ALICE, "Sminer", "decrease_declaration_space", tib_count=U32(2))
    assert world.balances.reserved(ALICE) == 3 * PER_UNIT


def test_spending_the_free_money_does_not_escape_a_fine():
    """Everything but the collateral is moved away before the audit fails."""
    world = miner()
    world.balances.transfer(ALICE, BOB, Balance(RICH - PER_UNIT - DEPOSIT))
    fine = world.sminer.punish(ALICE, 50)
    assert world.balances.free(PUNISH_TREASURY) == DEPOSIT + fine


def test_a_miner_in_debt_takes_no_reward_past_its_creditor():
    """Lose the collateral in fines, announce nothing, leave with the reward."""
    world = miner()
    world.treasury.record_power(ALICE, U128(1))
    world.end_era()
    world.by(ALICE, "Sminer", "miner_exit_prep", miner=ALICE)
    for _ in range(21):
        world.sminer.punish(ALICE, 50)
    debt = world.sminer.miner_items[ALICE].debt
    assert debt == PER_UNIT // 20
    free, fines = world.balances.free(ALICE), world.balances.free(PUNISH_TREASURY)
    world.by(ALICE, "Sminer", "receive_reward")
    assert world.balances.free(PUNISH_TREASURY) - fines == debt
    assert world.balances.free(ALICE) > free
    assert world.sminer.miner_items[ALICE].debt == 0


def test_debt_cannot_be_shaken_off_by_registering_again():
    world = miner()
    world.sminer.punish(ALICE, 1000)
    world.sminer.punish(ALICE, 50)
    assert world.sminer.miner_items[ALICE].debt > 0
    with world.no_trace(), pytest.raises(Sminer.AlreadyRegistered):
        world.register()


def test_nobody_leaves_or_withdraws_for_another():
    world = miner()
    world.register(BOB)
    world.pass_blocks(STAKING_LOCK)
    with world.no_trace(), pytest.raises(Sminer.NotStakingAcc):
        world.by(BOB, "Sminer", "miner_exit_prep", miner=ALICE)
    with world.no_trace(), pytest.raises(Sminer.NotExisted):
        withdraw(world, BOB)


def test_nobody_takes_from_the_treasuries():
    world = start()
    for name in ("pid", "sid"):
        with world.no_trace(), pytest.raises(BadOrigin):
            world.by(ALICE, "CessTreasury", f"{name}_send_funds", acc=ALICE, funds=Balance(1))
        with world.no_trace(), pytest.raises(BadOrigin):
            world.by(ALICE, "CessTreasury", f"{name}_burn_funds", burn_amount=Balance(1))


def test_claiming_every_block_pays_no_more_than_claiming_once():
    """Rounding, day borders and merged orders, tried against one who waits."""
    world = start()
    world.register()
    world.register(BOB)
    for _ in range(3):
        world.treasury.record_power(ALICE, U128(7))
        world.treasury.record_power(BOB, U128(7))
        world.end_era()
    world.pass_blocks(1)
    world.by(BOB, "Sminer", "receive_reward")
    for _ in range(95 * DAY):
        world.by(ALICE, "Sminer", "receive_reward")
        world.pass_blocks(1)
    world.by(BOB, "Sminer", "receive_reward")
    world.by(ALICE, "Sminer", "receive_reward")
    assert world.balances.free(ALICE) == world.balances.free(BOB)
    assert world.treasury.currency_reward.get() == 0


def test_a_miner_thrown_out_leaves_its_unpaid_reward_behind():
    world = miner()
    world.earn(ALICE)
    world.by(ALICE, "Sminer", "receive_reward")
    paid = world.balances.free(ALICE)
    unpaid = world.treasury.currency_reward.get()
    world.sminer.force_exit(ALICE)
    with world.no_trace(), pytest.raises(Sminer.NotpositiveState):
        world.by(ALICE, "Sminer", "receive_reward")
    assert world.balances.free(ALICE) == paid
    assert world.balances.free(RESERVE_REWARD) == DEPOSIT + unpaid


def test_the_reward_of_an_era_is_not_shared_twice_by_two_audits_in_it():
    world = start()
    world.register()
    world.register(BOB)
    world.treasury.record_power(BOB, U128(10))
    for _ in range(5):
        world.treasury.record_power(ALICE, U128(10))
    world.end_era()
    assert world.treasury.take_earned(ALICE) == world.treasury.take_earned(BOB)


def test_leaving_does_not_escape_an_open_round():
    """A round opens, the miner leaves at once and is through with cooling before the deadline."""
    world = start()
    audit = world.runtime.audit
    audit.config = replace(
        audit.config,
        challenge_period_blocks=BlockNumber(1),
        idle_deadline_blocks=BlockNumber(10 * DAY),
    )
    world.register()
    world.certify()
    world.leave()
    assert audit.is_challenged(ALICE)
    world.pass_blocks(2 * DAY)
    with world.no_trace(), pytest.raises(Sminer.Challenged):
        withdraw(world)
    world.run_to_block(int(audit.challenge_snap_shot[ALICE].idle_deadline) + 1)
    assert not audit.is_challenged(ALICE)
    withdraw(world)


def test_a_miner_that_answers_no_round_is_thrown_out_and_its_fragments_stay_covered():
    """Take fragments, drop them, and hope that silence is free."""
    world = start()
    audit = world.runtime.audit
    audit.config = replace(audit.config, challenge_period_blocks=BlockNumber(1))
    world.register()
    world.certify()
    world.store(size=FRAGMENT)
    for _ in range(3 * 8):
        world.pass_blocks(1)
        if world.sminer.miner_items[ALICE].state == MinerState.Offline:
            break
    fines = [e.fine for e in world.events() if isinstance(e, Sminer.Punished)]
    assert [int(fine) * 1000 // int(PER_UNIT) for fine in fines] == [50, 150]
    assert world.sminer.count() == 0
    assert world.sminer.is_leaving(ALICE)
    assert world.balances.reserved(ALICE) == PER_UNIT - sum(fines)
    with world.no_trace(), pytest.raises(Sminer.Cooling):
        withdraw(world)
