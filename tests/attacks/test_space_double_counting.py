"""Attacks on the account of space: claiming one byte twice, or one that is not there."""

import pytest

from pallets.file_bank.types import FRAGMENT_COUNT
from pallets.sminer import MinerState, Sminer
from pallets.storage_handler import StorageHandler, TerrName
from primitives.scale import U32, U64, U128
from tests.pallets.sminer.space_chain import (
    ALICE,
    BOB,
    CHARLIE,
    DAY,
    FRAGMENT,
    GIB,
    LEASE_DAYS_MIN,
    PLOT,
    PLOTS_PER_UNIT,
    start,
)


def test_a_plot_that_service_data_displaced_earns_no_second_life():
    """Retire displaced plots, drop the fragments, and hope that both count as idle again."""
    world = start()
    world.register()
    world.certify(count=4)
    world.store(size=2 * PLOT)
    world.by(ALICE, "FileBank", "replace_idle_space", count=U64(2))
    world.sminer.release_service(ALICE, U128(2 * PLOT))
    info = world.sminer.miner_items[ALICE]
    assert info.idle_space == 2 * PLOT == world.space.total_idle_space.get()
    with world.no_trace(), pytest.raises(Sminer.InsufficientReplaceable):
        world.by(ALICE, "FileBank", "replace_idle_space", count=U64(1))


def test_retiring_plots_makes_no_room_for_a_certification_beyond_the_declaration():
    """Displaced plots are retired and certified anew on top of the service data."""
    world = start()
    world.register()
    world.certify(count=PLOTS_PER_UNIT)
    world.store(size=2 * PLOT)
    world.by(ALICE, "FileBank", "replace_idle_space", count=U64(2))
    with world.no_trace(), pytest.raises(Sminer.ExceedingDeclarationSpace):
        world.request(ALICE, 1)


def test_space_asked_for_twice_is_certified_once():
    """Two certifications in flight, each of which fits the declaration alone."""
    world = start()
    world.register()
    world.request(ALICE, PLOTS_PER_UNIT)
    for _ in range(2):
        with world.no_trace(), pytest.raises(Sminer.CertificationPending):
            world.request(ALICE, PLOTS_PER_UNIT)
        world.pass_blocks(1)


def test_a_declaration_cannot_shrink_while_a_certification_fills_it():
    """Ask for two units of plots, declare one unit less, prove: less collateral, more space."""
    world = start()
    world.register(units=2)
    world.request(ALICE, 2 * PLOTS_PER_UNIT)
    world.by(ALICE, "Sminer", "decrease_declaration_space", tib_count=U32(1))
    world.pass_blocks(1)
    from tests.pallets.sminer.space_chain import CERT_DRAWS, answers_of, proofs_hold

    answers = answers_of(dict.fromkeys(range(CERT_DRAWS), b"p"))
    with world.no_trace(), pytest.raises(Sminer.ExceedingDeclarationSpace), proofs_hold():
        world.prove(ALICE, answers)


def test_a_miner_that_left_keeps_no_idle_space_and_comes_back_with_none():
    """Certify, leave, come back: the plots of the first life are not space of the second."""
    world = start()
    world.register()
    world.certify()
    world.leave()
    world.pass_blocks(2 * DAY)
    world.by(ALICE, "Sminer", "miner_withdraw")
    world.register()
    assert world.sminer.miner_items[ALICE].idle_space == 0
    assert world.space.total_idle_space.get() == 0


def test_space_of_miners_that_left_is_sold_to_nobody():
    """Inflate what can be leased with space that leaves at once."""
    world = start()
    world.register()
    world.certify()
    units = 4 * PLOT // GIB
    world.mint(BOB, units=units)
    world.leave()
    with world.no_trace(), pytest.raises(StorageHandler.InsufficientAvailableSpace):
        world.mint(BOB, units=1, name=b"more")


def test_a_promise_to_a_deal_survives_no_exit_as_idle_space():
    """Leave with locked space, then let the deal miss its deadline: nothing becomes idle."""
    world = start()
    world.register()
    world.certify()
    world.sminer.lock_space(ALICE, U128(FRAGMENT * FRAGMENT_COUNT))
    world.leave()
    world.sminer.unlock_space(ALICE, U128(FRAGMENT * FRAGMENT_COUNT))
    assert world.sminer.miner_items[ALICE].idle_space == 0
    assert world.space.total_idle_space.get() == 0


def test_a_crowd_of_registrations_costs_its_collateral():
    """Fill the registry with miners that have nothing."""
    world = start()
    free = world.balances.free(CHARLIE)
    world.register(CHARLIE)
    assert world.balances.free(CHARLIE) == free - world.sminer.limit(1)
    with world.no_trace(), pytest.raises(Sminer.InsufficientStakingPeriod):
        world.by(CHARLIE, "Sminer", "miner_exit_prep", miner=CHARLIE)


def test_a_crowd_of_registrations_does_not_thin_out_the_draws():
    """Accounts without plots would be drawn and passed over, and real miners be asked less."""
    world = start()
    for who in (BOB, CHARLIE):
        world.register(who)
    world.register()
    world.certify(count=1)
    for who in (BOB, CHARLIE):
        world.request(who, 1)
    world.pass_blocks(2)
    assert world.sminer.count() == 1
    assert world.sminer.miner_at(0) == ALICE


def test_a_lease_about_to_end_buys_no_space_for_a_time_that_is_not_paid():
    """Mint a small lease, expand it in its last block: a begun day is a day, and then it ends."""
    world = start()
    world.space.add_total_idle_space(U128(1_000 * GIB))
    world.mint()
    world.pass_blocks(LEASE_DAYS_MIN * DAY - 1)
    paid = world.balances.free(ALICE)
    world.by(
        ALICE,
        "StorageHandler",
        "expanding_territory",
        territory_name=TerrName(b"home"),
        gib_count=U32(100),
    )
    assert paid - world.balances.free(ALICE) == 100 * int(world.space.unit_price.get())
    world.pass_blocks(1)
    with world.no_trace(), pytest.raises(StorageHandler.NotActive):
        world.space.lock_user_space(ALICE, b"home", U128(1))


def test_cheap_leases_cannot_keep_others_from_being_cleared():
    """A crowd of empty leases expires in the block before a full one."""
    world = start()
    world.space.add_total_idle_space(U128(1_000 * GIB))
    for index in range(60):
        world.mint(name=b"junk%d" % index)
    world.pass_blocks(1)
    world.mint(BOB)
    world.space.add_used_space(BOB, b"home", U128(1))
    world.pass_blocks((LEASE_DAYS_MIN + 1) * DAY)
    assert world.space.next_to_clear() == (BOB, b"home")


def test_a_frozen_miner_takes_no_new_space():
    """Owe a fine and go on certifying and taking deals."""
    world = start()
    world.register()
    world.certify(count=2)
    world.sminer.punish(ALICE, 50)
    assert world.sminer.miner_items[ALICE].state == MinerState.Frozen
    assert not world.sminer.can_hold(ALICE, 1)
    with world.no_trace(), pytest.raises(Sminer.NotpositiveState):
        world.request(ALICE, 1)
