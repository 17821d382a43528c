"""What is given up, by whom, and how it is taken down."""

import pytest

from pallets.file_bank import FileBank, TerrName
from pallets.file_bank.removal import FILES_PER_BLOCK_MAX, SEGMENTS_PER_BLOCK_MAX
from pallets.storage_handler import TerritoryState
from tests.pallets.file_bank.conservation import check
from tests.pallets.file_bank.storage_world import (
    ALICE,
    BOB,
    CAROL,
    DAY,
    FRAGMENT,
    HOME,
    MINERS,
    PLOT,
    made_file,
    refused,
    twin_file,
)

FILE = made_file("a")


def test_a_deleted_file_frees_the_territory_at_once_and_its_holders_with_the_next_block(world):
    world.store(ALICE, FILE)
    holder = world.holder(FILE, 0, 0)
    world.chain.clear_events()
    world.delete(ALICE, FILE)
    who = ALICE.account_id
    assert world.events(FileBank.DeleteFile) == [
        FileBank.DeleteFile(operator=who, owner=who, file_hash=FILE.fid)
    ]
    assert world.territory(ALICE).used_space == 0
    assert world.miners.service_space(holder) == FRAGMENT
    check(world)
    world.go()
    info = world.miners.miner_items[holder]
    assert (info.service_space, info.idle_space) == (0, 4 * PLOT)
    assert world.audit.holding_count.get(holder) == 0
    assert not world.bank.file_segments.keys(limit=1)
    check(world)


def test_a_file_stays_for_its_other_owners(world):
    world.store(ALICE, FILE)
    world.declare(BOB, FILE)
    world.delete(ALICE, FILE)
    world.go(2)
    assert not world.bank.is_owner(FILE.fid, ALICE.account_id)
    assert world.bank.is_owner(FILE.fid, BOB.account_id)
    assert world.bank.file_segments.keys(limit=1)
    check(world)
    world.delete(BOB, FILE)
    world.go()
    assert not world.bank.file_segments.keys(limit=1)
    check(world)


def test_only_the_owner_itself_deletes(world):
    world.store(ALICE, FILE)
    with refused(world, FileBank.NoPermission):
        world.call("FileBank", "delete_file", BOB, owner=ALICE.account_id, file_hash=FILE.fid)
    with refused(world, FileBank.NotOwner):
        world.delete(BOB, FILE)


def test_what_is_not_there_is_not_deleted(world):
    with refused(world, FileBank.FileNonExistent):
        world.delete(ALICE, FILE)
    world.store(ALICE, FILE)
    world.delete(ALICE, FILE)
    with refused(world, FileBank.FileNonExistent):
        world.delete(ALICE, FILE)


@pytest.mark.parametrize("reported", [None, 0, 5, 11])
def test_an_open_deal_is_cancelled(world, reported):
    world.declare(ALICE, FILE)
    if reported is not None:
        world.go()
        world.report_all(ALICE, FILE, but=12 - reported)
    world.delete(ALICE, FILE)
    assert world.events(FileBank.DealDropped) == [
        FileBank.DealDropped(owner=ALICE.account_id, deal_hash=FILE.fid)
    ]
    assert world.territory(ALICE).locked_space == 0
    check(world)
    world.go()
    assert not world.bank.deal_segments.keys(limit=1)
    assert all(world.miners.service_space(who) == 0 for who in MINERS[:14])
    check(world)


def test_a_deal_is_cancelled_by_its_owner_only(world):
    world.declare(ALICE, FILE)
    with refused(world, FileBank.NotOwner):
        world.delete(BOB, FILE)


def test_a_deal_with_a_complete_segment_and_a_lost_fragment_is_taken_down(world):
    file = made_file("two", 2)
    world.declare(ALICE, file)
    world.go()
    for position in range(12):
        world.report(ALICE, file, 0, position)
    who = world.holder(file, 0, 2)
    world.begin_round(who)
    world.prove(who, file, faulty=list(world.asked(who)))
    assert world.bank.restoral_order.keys(limit=2)
    check(world)
    world.delete(ALICE, file)
    world.go()
    assert not world.bank.restoral_order.keys(limit=1)
    assert not world.bank.lost_commitments.keys(limit=1)
    check(world)


def test_removal_forgets_lost_fragments_and_their_orders_but_no_others(world):
    """Another file has the same fragments; its order stays."""
    twin = twin_file(FILE, "twin")
    world.store(ALICE, FILE)
    world.store(BOB, twin)
    world.lose(FILE, 0, 3)
    world.lose(twin, 0, 3)
    assert len(world.bank.restoral_order.keys(limit=9)) == 2
    world.delete(ALICE, FILE)
    world.go()
    (order,) = [order for _, order in world.bank.restoral_order.items(limit=9)]
    assert order.file_hash == twin.fid
    check(world)


def test_a_block_takes_down_a_bounded_number_of_segments(world, monkeypatch):
    monkeypatch.setattr("pallets.file_bank.removal.SEGMENTS_PER_BLOCK_MAX", 2)
    file, other = made_file("long", 3), made_file("b")
    world.store(ALICE, file)
    world.store(BOB, other)
    world.delete(ALICE, file)
    world.delete(BOB, other)
    world.go()
    left = sorted(int(index) for _, index in world.bank.file_segments.keys(limit=9))
    assert left == [0, 2]
    with refused(world, FileBank.BeingRemoved):
        world.declare(ALICE, file)
    check(world)
    world.go()
    assert not world.bank.file_segments.keys(limit=9)
    assert not world.bank.removing.keys(limit=9)
    check(world)
    assert SEGMENTS_PER_BLOCK_MAX == 16


def test_files_of_an_expired_territory_go_in_order_and_a_bounded_number_at_a_time(
    world, monkeypatch
):
    monkeypatch.setattr("pallets.file_bank.removal.FILES_PER_BLOCK_MAX", 2)
    name = TerrName(b"short")
    world.mint(CAROL, name, 10, days=1)
    files = [made_file(str(number)) for number in range(5)]
    for file in files:
        world.store(CAROL, file, territory=name)
    world.go(2 * DAY + 1 - world.block)
    assert world.territory(CAROL, name).state == TerritoryState.Expired
    world.chain.clear_events()
    left = []
    for _ in range(4):
        left.append(len(world.bank.file.keys(limit=9)))
        check(world)
        world.go()
    assert left[0] - left[1] == 2
    assert world.territory(CAROL, name) is None
    assert not world.bank.file.keys(limit=9)
    assert world.territory(CAROL, HOME) is not None
    assert FILES_PER_BLOCK_MAX == 32


def test_an_expired_territory_takes_only_its_own_files_and_owner(world):
    name = TerrName(b"short")
    world.mint(ALICE, name, 10, days=1)
    kept = made_file("kept")
    world.store(ALICE, kept)
    world.store(ALICE, FILE, territory=name)
    world.declare(BOB, FILE)
    world.go(2 * DAY + 3 - world.block)
    assert world.territory(ALICE, name) is None
    assert [brief.user for brief in world.bank.file[FILE.fid].owner] == [BOB.account_id]
    assert world.bank.is_owner(kept.fid, ALICE.account_id)
    check(world)


def test_a_territory_is_cleared_after_its_last_deal_has_ended(world):
    name, file = TerrName(b"short"), made_file("long", 9)
    other = TerrName(b"other")
    world.mint(ALICE, name, 20, days=1)
    world.mint(BOB, other, 2, days=1)
    world.go(DAY - 2)
    world.declare(ALICE, file, territory=name)
    world.go(DAY + 10)
    assert world.territory(ALICE, name).state == TerritoryState.Expired
    assert world.territory(BOB, other) is None, "the one that waits keeps nobody waiting"
    world.go(20)
    assert file.fid not in world.bank.deal_map
    assert world.territory(ALICE, name) is None
    check(world)
