"""How miners leave, and that what they leave behind is settled first."""

import pytest

from pallets.audit import Audit
from pallets.cess_treasury import PUNISH_TREASURY, RESERVE_REWARD, REWARD_POT
from pallets.frame.weight import Weight
from pallets.sminer import EndPoint, MinerInfo, MinerState, Sminer, SpaceProofInfo
from pallets.sminer.leaving import COOLING_DAYS_MAX, CURSOR_STEPS_MAX, EXITS_PER_BLOCK_MAX
from primitives.scale import U64, U128
from primitives.types import AccountId, Balance, BlockNumber
from tests.pallets.sminer.space_chain import (
    ALICE,
    BOB,
    CHARLIE,
    DAY,
    EXIT_LOCK,
    FRAGMENT,
    PER_UNIT,
    PLOT,
    RICH,
    STAKING_LOCK,
    UNIT,
    start,
)
from tests.pallets.sminer.test_pallet import set_miner, state_of

COOLING = 2 * DAY  # of a miner with one unit


def withdraw(world, who=ALICE):
    world.by(who, "Sminer", "miner_withdraw")


def refused(world, error, who=ALICE):
    with world.no_trace(), pytest.raises(error):
        withdraw(world, who)


# The exit.


def test_the_exit_follows_its_announcement_in_time(world):
    world.register()
    world.pass_blocks(STAKING_LOCK)
    world.by(ALICE, "Sminer", "miner_exit_prep", miner=ALICE)
    world.pass_blocks(EXIT_LOCK - 1)
    assert state_of(world) == MinerState.Lock
    world.pass_blocks(1)
    assert state_of(world) == MinerState.Exit
    assert ALICE not in world.sminer.miner_lock
    assert world.sminer.exit_schedule.keys(limit=1) == []
    exited = Sminer.MinerExited(miner=ALICE, state=MinerState.Exit, service_space=U128(0))
    assert exited in world.events()


def test_a_miner_that_left_gives_up_its_plots_and_keeps_its_fragments(world):
    world.register()
    world.certify(count=3)
    world.store(size=FRAGMENT)
    world.sminer.lock_space(ALICE, U128(FRAGMENT))
    world.leave()
    info = world.sminer.miner_items[ALICE]
    assert (info.idle_space, info.lock_space, info.service_space) == (0, FRAGMENT, FRAGMENT)
    assert info.space_proof_info == SpaceProofInfo(front=U64(3), rear=U64(3))
    assert ALICE not in world.sminer.pending_replacements
    assert world.space.total_idle_space.get() == FRAGMENT
    assert world.space.total_service_space.get() == FRAGMENT
    assert world.sminer.is_leaving(ALICE)
    assert world.sminer.restoral_target[ALICE].service_space == FRAGMENT


def test_a_miner_that_left_is_still_drawn_for_audits_but_takes_nothing_new(world):
    world.register()
    world.certify()
    world.store()
    world.sminer.lock_space(ALICE, U128(FRAGMENT))
    world.leave()
    assert world.sminer.miner_at(0) == ALICE
    assert not world.sminer.can_hold(ALICE, 0)
    world.sminer.release_service(ALICE, U128(FRAGMENT))
    assert world.sminer.count() == 1, "it is promised for another fragment"
    world.sminer.unlock_space(ALICE, U128(FRAGMENT))
    assert world.sminer.count() == 0


def test_a_miner_that_left_without_fragments_is_drawn_no_more(world):
    world.register()
    world.certify()
    world.leave()
    assert world.sminer.count() == 0
    assert ALICE in world.sminer.miner_items


def test_promises_of_a_miner_that_left_end_as_service_space_or_as_nothing(world):
    world.register()
    world.certify()
    world.sminer.lock_space(ALICE, U128(2 * FRAGMENT))
    world.leave()
    world.sminer.lock_to_service(ALICE, U128(FRAGMENT))
    world.sminer.unlock_space(ALICE, U128(FRAGMENT))
    info = world.sminer.miner_items[ALICE]
    assert (info.idle_space, info.lock_space, info.service_space) == (0, 0, FRAGMENT)
    assert world.space.total_idle_space.get() == 0
    assert world.space.total_service_space.get() == FRAGMENT
    assert ALICE not in world.sminer.pending_replacements
    world.sminer.release_service(ALICE, U128(FRAGMENT))
    assert world.space.total_service_space.get() == 0
    assert world.sminer.miner_items[ALICE].idle_space == 0


def test_a_certification_ends_with_the_exit(world):
    world.register()
    world.pass_blocks(STAKING_LOCK)
    world.request(ALICE, 1)
    world.by(ALICE, "Sminer", "miner_exit_prep", miner=ALICE)
    world.pass_blocks(EXIT_LOCK)
    assert ALICE not in world.sminer.pending_idle


def a_miner(units: int = 1) -> MinerInfo:
    return MinerInfo(
        beneficiary=ALICE,
        staking_account=ALICE,
        endpoint=EndPoint(b"http://a"),
        collaterals=Balance(0),
        debt=Balance(0),
        state=MinerState.Lock,
        declaration_space=U128(units * UNIT),
        idle_space=U128(0),
        service_space=U128(0),
        lock_space=U128(0),
        space_proof_info=SpaceProofInfo(front=U64(0), rear=U64(0)),
        registered_at=BlockNumber(1),
    )


def schedule(world, count, block):
    crowd = [AccountId(b"crowd" + index.to_bytes(27, "little")) for index in range(count)]
    for who in crowd:
        world.sminer.miner_items[who] = a_miner()
        world.sminer.miner_lock[who] = BlockNumber(block)
        world.sminer.exit_schedule[BlockNumber(block), who] = True
    return crowd


def gone(world, crowd):
    return sum(world.sminer.miner_items[who].state == MinerState.Exit for who in crowd)


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_crowd_of_exits_is_carried_out_in_turn(world, more):
    crowd = schedule(world, EXITS_PER_BLOCK_MAX + more, 5)
    world.run_to_block(4)
    assert gone(world, crowd) == 0
    world.run_to_block(5)
    assert gone(world, crowd) == min(len(crowd), EXITS_PER_BLOCK_MAX)
    world.run_to_block(6)
    assert gone(world, crowd) == len(crowd)
    assert world.sminer.exit_schedule.keys(limit=1) == []
    world.run_to_block(7)
    assert world.sminer.exit_cursor.get() == 8


def test_a_cursor_left_far_behind_catches_up_in_bounded_steps(world):
    far = 3 * CURSOR_STEPS_MAX
    crowd = schedule(world, 1, far - 1)
    spent = world.sminer.on_initialize(BlockNumber(far))
    assert world.sminer.exit_cursor.get() <= CURSOR_STEPS_MAX + 2
    assert spent.fits(Weight(reads=CURSOR_STEPS_MAX + 10, writes=10))
    for _ in range(3):
        world.sminer.on_initialize(BlockNumber(far))
    assert gone(world, crowd) == 1
    assert world.sminer.exit_cursor.get() == far + 1


def test_the_largest_miner_leaves_without_stopping_the_chain(world):
    (who,) = schedule(world, 1, 3)
    world.sminer.miner_items[who] = a_miner(units=2**40)
    world.run_to_block(3)
    target = world.sminer.restoral_target[who]
    assert target.cooling_block == 3 + COOLING_DAYS_MAX * DAY


@pytest.mark.parametrize(("units", "days"), [(1, 2), (2, 3), (178, 179), (179, 180), (180, 180)])
def test_the_cooling_time_is_a_day_for_each_unit_and_one_more_up_to_its_limit(world, units, days):
    (who,) = schedule(world, 1, 3)
    world.sminer.miner_items[who] = a_miner(units=units)
    world.run_to_block(3)
    assert world.sminer.restoral_target[who].cooling_block == 3 + days * DAY


def test_an_exit_at_the_end_of_time_does_not_stop_the_chain(world):
    last = BlockNumber(2**32 - 2)
    (who,) = schedule(world, 1, last)
    world.sminer.exit_cursor.put(BlockNumber(last - 1))
    world.runtime.overlay.put(*number_entry(last))
    world.sminer.on_initialize(last)
    assert world.sminer.restoral_target[who].cooling_block == 2**32 - 1


def number_entry(number):
    from pallets.frame.context import NUMBER_KEY
    from primitives.scale import encode

    return NUMBER_KEY, encode(BlockNumber, number)


# Being thrown out.


def test_whoever_is_thrown_out_is_drawn_no_more_and_loses_what_it_was_not_paid(world):
    world.register()
    world.register(BOB)
    world.certify()
    world.certify(BOB)
    world.earn(ALICE)
    pool = int(world.treasury.currency_reward.get())
    world.by(ALICE, "Sminer", "receive_reward")
    left = int(world.treasury.currency_reward.get())
    assert 0 < left < pool
    before = world.balances.free(RESERVE_REWARD)
    world.sminer.force_exit(ALICE)
    assert state_of(world) == MinerState.Offline
    assert world.sminer.count() == 1
    assert world.sminer.miner_at(0) == BOB
    assert world.balances.free(RESERVE_REWARD) == before + left
    assert world.treasury.currency_reward.get() == 0
    assert ALICE not in world.sminer.reward_map
    assert world.balances.reserved(ALICE) == PER_UNIT
    assert world.space.total_idle_space.get() == 4 * PLOT, "those of the other"


def test_being_thrown_out_cancels_an_announced_exit(world):
    world.register()
    world.pass_blocks(STAKING_LOCK)
    world.by(ALICE, "Sminer", "miner_exit_prep", miner=ALICE)
    world.sminer.force_exit(ALICE)
    world.pass_blocks(EXIT_LOCK + 1)
    assert state_of(world) == MinerState.Offline


def test_whoever_left_may_still_be_thrown_out_once(world):
    world.register()
    world.certify()
    world.store()
    world.leave()
    cooling = world.sminer.restoral_target[ALICE].cooling_block
    world.pass_blocks(1)
    world.sminer.force_exit(ALICE)
    assert state_of(world) == MinerState.Offline
    assert world.sminer.restoral_target[ALICE].cooling_block == cooling
    with world.no_trace():
        world.sminer.force_exit(ALICE)
        world.sminer.force_exit(CHARLIE)


def test_throwing_out_never_raises_for_want_of_a_reserve_account():
    world = start(treasuries=())
    world.register()
    world.balances.mint_into(REWARD_POT, PER_UNIT)
    world.treasury.currency_reward.put(Balance(7))
    world.treasury.earned[ALICE] = Balance(7)
    world.sminer.force_exit(ALICE)
    assert world.treasury.currency_reward.get() == 0
    assert world.treasury.reserve_reward.get() == 0


# The return of the collateral.


def test_a_miner_that_left_gets_its_collateral_back_after_cooling(world):
    world.register()
    world.certify()
    world.leave()
    world.pass_blocks(COOLING - 1)
    refused(world, Sminer.Cooling)
    world.pass_blocks(1)
    withdraw(world)
    assert world.balances.free(ALICE) == RICH
    assert world.balances.reserved(ALICE) == 0
    assert Sminer.Withdraw(acc=ALICE) in world.events()
    assert world.sminer.count() == 0
    assert ALICE not in world.sminer.miner_items
    assert not world.sminer.is_leaving(ALICE)
    refused(world, Sminer.NotMiner)


def test_nothing_of_the_miner_stays_and_it_may_register_again(world):
    empty = {key for key, value in world.changes().items() if value is not None}
    world.register()
    world.certify()
    world.leave()
    world.pass_blocks(COOLING)
    withdraw(world)
    # What the chain counts for ever: its height, its queues and cursors.
    kept = {key for key, value in world.changes().items() if value is not None} - empty
    counters = ("IdleQueueHead", "IdleQueueTail", "ExitCursor", "MinerCount")
    prefixes = [
        entry.prefix_key()
        for entry in Sminer.storage_entries
        if entry.name not in (*counters, "CounterForMinerItems")
    ]
    assert not [key for key in kept if any(key.startswith(prefix) for prefix in prefixes)]
    assert world.sminer.miner_items.count() == world.sminer.count() == 0
    world.register()
    world.certify()
    assert world.sminer.miner_items[ALICE].idle_space == 4 * PLOT


def test_whoever_has_not_left_withdraws_nothing(world):
    world.register()
    refused(world, Sminer.NotExisted)
    world.pass_blocks(STAKING_LOCK)
    world.by(ALICE, "Sminer", "miner_exit_prep", miner=ALICE)
    refused(world, Sminer.NotExisted)


@pytest.mark.parametrize("field", ["service_space", "lock_space"])
def test_the_collateral_stays_until_every_fragment_is_restored(world, field):
    world.register()
    world.leave()
    world.pass_blocks(COOLING)
    set_miner(world, **{field: U128(1)})
    refused(world, Sminer.NotRestored)
    set_miner(world, **{field: U128(0)})
    withdraw(world)


def test_the_collateral_stays_while_a_round_is_open(world):
    world.register()
    world.certify()
    world.leave()
    world.pass_blocks(COOLING)
    # The round began before the exit: what it asks is not looked at here.
    world.runtime.overlay.put(Audit.challenge_snap_shot.key(ALICE), b"round")
    refused(world, Sminer.Challenged)
    world.runtime.overlay.delete(Audit.challenge_snap_shot.key(ALICE))
    withdraw(world)


def test_a_withdrawal_pays_all_that_is_owed(world):
    world.register()
    world.certify()
    world.earn(ALICE)
    world.by(ALICE, "Sminer", "receive_reward")
    world.treasury.record_power(ALICE, U128(5))
    world.end_era()
    owed = int(world.treasury.currency_reward.get())
    world.leave()
    world.pass_blocks(COOLING)
    before = world.balances.free(ALICE)
    withdraw(world)
    assert world.balances.free(ALICE) == before + owed + PER_UNIT
    assert world.treasury.currency_reward.get() == 0


def test_a_withdrawal_pays_debt_first_and_forgets_the_rest(world):
    world.register()
    world.earn(ALICE)
    owed = int(world.treasury.currency_reward.get())
    world.leave()
    world.pass_blocks(COOLING)
    set_miner(world, debt=Balance(owed + 1))
    free, fines = world.balances.free(ALICE), world.balances.free(PUNISH_TREASURY)
    withdraw(world)
    assert world.balances.free(ALICE) == free + PER_UNIT
    assert world.balances.free(PUNISH_TREASURY) == fines + owed


def test_whoever_was_thrown_out_gets_its_collateral_and_no_reward(world):
    world.register()
    world.earn(ALICE)
    world.sminer.force_exit(ALICE)
    world.pass_blocks(COOLING)
    free = world.balances.free(ALICE)
    withdraw(world)
    assert world.balances.free(ALICE) == free + PER_UNIT


def test_a_withdrawal_leaves_other_reserves_alone(world):
    world.register()
    world.balances.reserve(ALICE, Balance(55))
    world.leave()
    world.pass_blocks(COOLING)
    withdraw(world)
    assert world.balances.reserved(ALICE) == 55
