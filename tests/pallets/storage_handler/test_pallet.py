"""Leases: their price, their life and their space; every rule, error and event."""

from dataclasses import replace

import pytest

from pallets.cess_treasury import SPACE_TREASURY
from pallets.frame import BadOrigin, Origin
from pallets.frame.weight import Weight
from pallets.storage_handler import StorageHandler, TerritoryState, TerrName
from pallets.storage_handler.pallet import (
    CURSOR_STEPS_MAX,
    LEASE_DAYS_MAX,
    TRANSITIONS_PER_BLOCK_MAX,
)
from primitives.errors import ArithmeticOverflow
from primitives.scale import U32, U128
from primitives.types import Balance, BlockNumber
from tests.pallets.sminer.space_chain import (
    ALICE,
    BOB,
    DAY,
    DEPOSIT,
    EVE,
    FROZEN_DAYS,
    GIB,
    HOME,
    LEASE_DAYS_MIN,
    PRICE,
    RICH,
    start,
)

LEASE = LEASE_DAYS_MIN * DAY
FROZEN = FROZEN_DAYS * DAY
CAPACITY = 100


@pytest.fixture
def world():
    """Miners have proved space for a hundred units."""
    world = start()
    world.space.add_total_idle_space(U128(CAPACITY * GIB - 1))
    world.space.add_total_service_space(U128(1))
    return world


def lease(world, who=ALICE, name=HOME):
    return world.space.territory.get(who, TerrName(name))


def expand(world, units, name=HOME, who=ALICE):
    world.by(
        who,
        "StorageHandler",
        "expanding_territory",
        territory_name=TerrName(name),
        gib_count=U32(units),
    )


def renew(world, days, name=HOME, who=ALICE):
    world.by(
        who,
        "StorageHandler",
        "renewal_territory",
        territory_name=TerrName(name),
        days_count=U32(days),
    )


def income(world):
    return world.balances.free(SPACE_TREASURY) - DEPOSIT


def files(world, used=0, locked=0, who=ALICE):
    """Fill Alice's territory the way files do."""
    if used:
        world.space.add_used_space(who, HOME, U128(used))
    if locked:
        world.space.lock_user_space(who, HOME, U128(locked))


# Minting.


def test_a_lease_begins_when_it_is_paid(world):
    world.mint(units=3, days=5)
    info = lease(world)
    assert info.total_space == info.remaining_space == 3 * GIB
    assert (info.used_space, info.locked_space) == (0, 0)
    assert (info.start, info.deadline, info.state) == (1, 1 + 5 * DAY, TerritoryState.Active)
    assert world.space.territory_key[info.token] == (ALICE, HOME)
    assert world.space.purchased_space.get() == 3 * GIB
    spend = Balance(3 * 5 * int(PRICE))
    assert income(world) == spend
    assert world.balances.free(ALICE) == RICH - spend
    minted = StorageHandler.MintTerritory(
        token=info.token, name=HOME, storage_capacity=U128(3 * GIB), spend=spend
    )
    assert minted in world.events()


@pytest.mark.parametrize("name", [b"", b"a\x00", b"\x1b[2J", b"\xff\xfe", "\u202egpj".encode()])
def test_a_name_must_not_fool_its_readers(world, name):
    with world.no_trace(), pytest.raises(StorageHandler.ParamError):
        world.mint(name=name)


def test_a_lease_has_a_size(world):
    with world.no_trace(), pytest.raises(StorageHandler.ParamError):
        world.mint(units=0)


@pytest.mark.parametrize("days", [0, LEASE_DAYS_MIN - 1, LEASE_DAYS_MAX + 1, 2**32 - 1])
def test_a_lease_has_a_shortest_and_a_longest_time(world, days):
    with world.no_trace(), pytest.raises(StorageHandler.BoundariesNotMet):
        world.mint(days=days)


@pytest.mark.parametrize("days", [LEASE_DAYS_MIN, LEASE_DAYS_MAX])
def test_the_shortest_and_the_longest_lease_are_sold(world, days):
    world.mint(days=days)
    assert lease(world).deadline == 1 + days * DAY


def test_a_name_is_used_once_by_an_owner(world):
    world.mint()
    with world.no_trace(), pytest.raises(StorageHandler.DuplicateName):
        world.mint()
    world.mint(BOB)
    world.mint(name=b"other")
    tokens = {lease(world).token, lease(world, BOB).token, lease(world, name=b"other").token}
    assert len(tokens) == 3


def test_no_more_is_sold_than_miners_have_proved(world):
    with world.no_trace(), pytest.raises(StorageHandler.InsufficientAvailableSpace):
        world.mint(units=CAPACITY + 1)
    world.mint(units=CAPACITY)
    with world.no_trace(), pytest.raises(StorageHandler.InsufficientAvailableSpace):
        world.mint(BOB, units=1)
    with world.no_trace(), pytest.raises(StorageHandler.InsufficientAvailableSpace):
        world.mint(BOB, units=2**32 - 1)


def test_the_price_must_be_there_beside_the_existential_deposit(world):
    price = LEASE_DAYS_MIN * int(PRICE)
    world.balances.transfer(ALICE, EVE, Balance(DEPOSIT + price - 1))
    with world.no_trace(), pytest.raises(StorageHandler.InsufficientBalance):
        world.mint(EVE)
    world.balances.transfer(ALICE, EVE, Balance(1))
    world.mint(EVE)
    assert world.balances.free(EVE) == DEPOSIT


def test_a_price_beyond_all_money_is_an_error_of_arithmetic(world):
    world.space.unit_price.put(Balance(2**127))
    with world.no_trace(), pytest.raises(ArithmeticOverflow):
        world.mint()


# Expanding.


@pytest.mark.parametrize(("passed", "days"), [(0, 2), (1, 2), (9, 2), (10, 1), (11, 1), (19, 1)])
def test_an_expansion_is_paid_for_the_days_left_and_a_day_begun_in_full(world, passed, days):
    world.mint()
    paid = income(world)
    world.pass_blocks(passed)
    expand(world, 4)
    spend = Balance(4 * days * int(PRICE))
    assert income(world) - paid == spend
    info = lease(world)
    assert info.total_space == info.remaining_space == 5 * GIB
    assert info.deadline == 1 + LEASE
    assert world.space.purchased_space.get() == 5 * GIB
    expanded = StorageHandler.ExpansionTerritory(
        name=HOME, expansion_space=U128(4 * GIB), spend=spend
    )
    assert expanded in world.events()


def test_an_expansion_has_a_size_and_a_territory(world):
    with world.no_trace(), pytest.raises(StorageHandler.NotHaveTerritory):
        expand(world, 1)
    world.mint()
    with world.no_trace(), pytest.raises(StorageHandler.ParamError):
        expand(world, 0)
    with world.no_trace(), pytest.raises(StorageHandler.NotHaveTerritory):
        expand(world, 1, who=BOB)


def test_no_more_is_added_than_miners_have_proved(world):
    world.mint()
    with world.no_trace(), pytest.raises(StorageHandler.InsufficientAvailableSpace):
        expand(world, CAPACITY)
    expand(world, CAPACITY - 1)


def test_nothing_is_added_after_the_deadline(world):
    world.mint()
    world.pass_blocks(LEASE - 1)
    expand(world, 1)
    world.pass_blocks(1)
    with world.no_trace(), pytest.raises(StorageHandler.NotActive):
        expand(world, 1)


# Renewing.


def test_a_renewal_extends_the_deadline_and_is_paid_for_all_space(world):
    world.mint(units=3)
    paid = income(world)
    world.pass_blocks(7)
    renew(world, 4)
    spend = Balance(3 * 4 * int(PRICE))
    assert income(world) - paid == spend
    info = lease(world)
    assert (info.start, info.deadline) == (1, 1 + LEASE + 4 * DAY)
    assert StorageHandler.RenewalTerritory(name=HOME, days=U32(4), spend=spend) in world.events()
    world.run_to_block(int(info.deadline) - 1)
    assert lease(world).state == TerritoryState.Active
    world.pass_blocks(1)
    assert lease(world).state == TerritoryState.Frozen


def test_a_frozen_territory_begins_anew(world):
    world.mint()
    token = lease(world).token
    world.pass_blocks(LEASE + 3)
    assert lease(world).state == TerritoryState.Frozen
    renew(world, 1)
    info = lease(world)
    now = 1 + LEASE + 3
    assert (info.start, info.deadline, info.state) == (now, now + DAY, TerritoryState.Active)
    assert info.token == token
    assert world.space.territory_expired.keys(limit=1) == []
    world.run_to_block(1 + LEASE + FROZEN)
    assert lease(world).state == TerritoryState.Active


@pytest.mark.parametrize("days", [0, LEASE_DAYS_MAX + 1])
def test_a_renewal_is_bounded(world, days):
    world.mint()
    with world.no_trace(), pytest.raises(StorageHandler.BoundariesNotMet):
        renew(world, days)


def test_only_an_owner_renews_what_it_has(world):
    world.mint()
    with world.no_trace(), pytest.raises(StorageHandler.NotHaveTerritory):
        renew(world, 1, who=BOB)


def test_an_expired_territory_is_renewed_no_more(world):
    world.mint()
    files(world, used=1)
    world.pass_blocks(LEASE + FROZEN)
    with world.no_trace(), pytest.raises(StorageHandler.LeaseExpired):
        renew(world, 1)


def test_a_renewal_must_be_paid(world):
    world.mint()
    world.space.unit_price.put(RICH)
    with world.no_trace(), pytest.raises(StorageHandler.InsufficientBalance):
        renew(world, 1)


def test_a_lease_beyond_the_last_block_is_an_error_of_arithmetic(world):
    world.mint()
    info = lease(world)
    world.space.territory[ALICE, HOME] = replace(info, deadline=BlockNumber(2**32 - DAY))
    with world.no_trace(), pytest.raises(ArithmeticOverflow):
        renew(world, 1)


def test_a_renewal_takes_a_territory_that_the_queue_has_not_frozen_yet(world):
    world.mint()
    world.pass_blocks(LEASE - 1)
    world.space.frozen_cursor.put(BlockNumber(1 + LEASE + 5))  # as if it lagged behind
    world.pass_blocks(2)
    assert lease(world).state == TerritoryState.Active
    with world.no_trace(), pytest.raises(StorageHandler.NotActive):
        files(world, used=1)
    renew(world, 1)
    assert lease(world).deadline == world.block + DAY
    assert len(world.space.territory_frozen.keys(limit=5)) == 1


# The life of a lease.


def test_a_lease_freezes_at_its_deadline_and_expires_after_its_frozen_days(world):
    world.mint(units=2)
    files(world, used=GIB)
    world.pass_blocks(LEASE - 1)
    assert lease(world).state == TerritoryState.Active
    world.pass_blocks(1)
    assert lease(world).state == TerritoryState.Frozen
    expires = BlockNumber(1 + LEASE + FROZEN)
    assert StorageHandler.LeaseFrozen(acc=ALICE, name=HOME, expires=expires) in world.events()
    assert world.space.purchased_space.get() == 2 * GIB
    world.pass_blocks(FROZEN - 1)
    assert lease(world).state == TerritoryState.Frozen
    assert not world.space.is_expired(ALICE, HOME)
    world.pass_blocks(1)
    assert lease(world).state == TerritoryState.Expired
    assert world.space.is_expired(ALICE, HOME)
    assert StorageHandler.LeaseEnded(acc=ALICE, name=HOME, size=U128(2 * GIB)) in world.events()
    assert world.space.purchased_space.get() == 0
    assert world.space.territory_frozen.keys(limit=1) == []
    assert world.space.territory_expired.keys(limit=1) == []
    assert world.space.territory_schedule.keys(limit=1) == []


def test_an_empty_lease_is_gone_when_it_expires(world):
    world.mint()
    token = lease(world).token
    world.pass_blocks(LEASE + FROZEN)
    assert lease(world) is None
    assert token not in world.space.territory_key
    assert world.space.next_to_clear() is None
    assert StorageHandler.LeaseEnded(acc=ALICE, name=HOME, size=U128(GIB)) in world.events()
    world.mint()
    assert lease(world).token != token


def test_files_are_cleared_before_a_territory_is_gone(world):
    world.mint()
    files(world, used=GIB)
    world.pass_blocks(LEASE + FROZEN)
    assert world.space.next_to_clear() == (ALICE, HOME)
    world.space.sub_used_space(ALICE, HOME, U128(GIB))
    world.space.finish_clearing()
    assert lease(world) is None
    assert world.space.next_to_clear() is None
    assert world.space.territory_key.keys(limit=1) == []


def test_a_territory_with_an_open_deal_waits_for_its_end(world):
    for who in (ALICE, BOB):
        world.mint(who)
        files(world, locked=GIB, who=who)
    world.pass_blocks(LEASE + FROZEN)
    first = world.space.next_to_clear()
    world.space.finish_clearing()
    assert world.space.next_to_clear() not in (first, None)
    world.space.unlock_user_space(*first, U128(GIB))
    world.space.finish_clearing()
    assert world.space.next_to_clear() == first
    world.space.finish_clearing()
    assert world.space.territory.get(*first) is None


def test_whoever_has_no_territory_has_an_expired_one(world):
    assert world.space.is_expired(ALICE, HOME)


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_crowd_of_deadlines_is_handled_in_turn(more):
    world = start()
    world.space.add_total_idle_space(U128(1_000 * GIB))
    count = TRANSITIONS_PER_BLOCK_MAX + more
    for index in range(count):
        world.mint(name=b"n%d" % index)

    def frozen():
        found = world.space.territory.items(limit=1_000)
        return sum(info.state == TerritoryState.Frozen for _, info in found)

    world.pass_blocks(LEASE)
    assert frozen() == min(count, TRANSITIONS_PER_BLOCK_MAX)
    world.pass_blocks(1)
    assert frozen() == count
    # The last ones were frozen late and still have until the same block.
    world.run_to_block(1 + LEASE + FROZEN + 2)
    assert world.space.territory.items(limit=1) == []
    assert world.space.purchased_space.get() == 0
    assert world.space.frozen_cursor.get() == world.block + 1
    assert world.space.expired_cursor.get() == world.block + 1


def test_cursors_left_far_behind_catch_up_in_bounded_steps(world):
    world.mint()
    far = BlockNumber(2 * CURSOR_STEPS_MAX)
    spent = world.space.on_initialize(far)
    assert spent.fits(Weight(reads=2 * CURSOR_STEPS_MAX + 20, writes=20))
    assert spent.ref_time >= Weight(reads=CURSOR_STEPS_MAX).ref_time
    for _ in range(3):
        world.space.on_initialize(far)
    assert world.space.frozen_cursor.get() == far + 1
    assert lease(world).state == TerritoryState.Frozen


def test_a_late_freeze_expires_in_a_block_that_is_still_to_come(world):
    world.mint()
    files(world, used=1)
    late = BlockNumber(1 + LEASE + FROZEN + 50)
    world.space.frozen_cursor.put(BlockNumber(1 + LEASE))
    world.space.expired_cursor.put(late)
    world.space.on_initialize(late)
    (due, _), *more = world.space.territory_expired.keys(limit=5)
    assert (due, more) == (late + 1, [])
    world.space.on_initialize(BlockNumber(late + 1))
    assert lease(world).state == TerritoryState.Expired


def test_the_end_of_time_does_not_stop_the_chain(world):
    world.mint()
    last = BlockNumber(2**32 - 3)
    info = replace(lease(world), deadline=last)
    world.space.territory[ALICE, HOME] = info
    world.space.territory_frozen[last, info.token] = True
    world.space.frozen_cursor.put(last)
    world.space.expired_cursor.put(last)
    world.space.on_initialize(last)
    assert world.space.territory_schedule[info.token] == 2**32 - 1


# Space for files.


def test_space_is_locked_for_a_file_and_used_when_it_is_stored(world):
    world.mint(units=2)
    files(world, locked=GIB)
    world.space.unlock_and_use(ALICE, HOME, U128(GIB - 5))
    world.space.unlock_user_space(ALICE, HOME, U128(5))
    info = lease(world)
    assert (info.used_space, info.locked_space, info.remaining_space) == (GIB - 5, 0, GIB + 5)
    world.space.sub_used_space(ALICE, HOME, U128(GIB - 5))
    assert lease(world).remaining_space == 2 * GIB


@pytest.mark.parametrize("name", ["lock_user_space", "add_used_space"])
def test_no_more_space_is_taken_than_remains(world, name):
    world.mint()
    take = getattr(world.space, name)
    with world.no_trace(), pytest.raises(StorageHandler.InsufficientStorage):
        take(ALICE, HOME, U128(GIB + 1))
    with world.no_trace(), pytest.raises(StorageHandler.NotHaveTerritory):
        take(BOB, HOME, U128(1))
    take(ALICE, HOME, U128(GIB))
    with world.no_trace(), pytest.raises(StorageHandler.InsufficientStorage):
        take(ALICE, HOME, U128(1))
    world.pass_blocks(LEASE)
    with world.no_trace(), pytest.raises(StorageHandler.NotActive):
        take(ALICE, HOME, U128(0))


def test_a_deal_of_a_frozen_territory_may_complete_or_end(world):
    world.mint()
    files(world, locked=10)
    world.pass_blocks(LEASE)
    world.space.unlock_and_use(ALICE, HOME, U128(4))
    world.space.unlock_user_space(ALICE, HOME, U128(6))
    assert lease(world).used_space == 4


def test_more_space_than_is_locked_or_used_is_never_returned(world):
    world.mint()
    files(world, used=5, locked=5)
    for name in ("unlock_user_space", "unlock_and_use", "sub_used_space"):
        with world.no_trace(), pytest.raises(ArithmeticOverflow):
            getattr(world.space, name)(ALICE, HOME, U128(6))


def test_the_price_at_genesis_is_the_price(world):
    assert world.space.unit_price.get() == PRICE


def test_root_changes_the_price_and_leases_that_run_are_not_touched(world):
    world.space.add_total_idle_space(U128(100 * GIB))
    with world.no_trace(), pytest.raises(BadOrigin):
        world.by(ALICE, "StorageHandler", "define_update_price", price=U128(7))
    world.mint(units=2)
    before = world.space.territory[ALICE, HOME]
    world.call("StorageHandler", "define_update_price", Origin.root(), price=U128(7))
    assert StorageHandler.UnitPriceChanged(price=Balance(7)) in world.events()
    assert world.space.territory[ALICE, HOME] == before
    paid = world.balances.free(BOB)
    world.mint(BOB, units=3, days=5)
    assert paid - world.balances.free(BOB) == 3 * 5 * 7
