"""Slots stay dense; removed holdings wait for the end of the round and then go."""

from pallets.audit.slots import (
    CLEANUPS_PER_BLOCK_MAX,
    REMOVED_PER_BLOCK_MAX,
    REMOVED_PER_CLEANUP_MAX,
    clean,
)
from primitives.scale import U32
from tests.pallets.file_bank.conservation import check
from tests.pallets.file_bank.storage_world import (
    ALICE,
    BOB,
    FRAGMENT,
    MINERS,
    World,
    made_file,
)

FILES = [made_file(str(number)) for number in range(5)]


def stored(count: int = 5) -> World:
    """Twelve miners: each holds one fragment of each file, in the order of the files."""
    world = World(miners=12)
    for file in FILES[:count]:
        world.store(ALICE, file)
    return world


def files_of(world, who=MINERS[0]):
    count = int(world.audit.holding_count.get(who))
    names = {file.fid: index for index, file in enumerate(FILES)}
    return [names[world.audit.holdings[who, U32(slot)].file_hash] for slot in range(count)]


def test_new_holdings_come_at_the_end():
    assert files_of(stored()) == [0, 1, 2, 3, 4]


def test_the_last_holding_fills_a_gap():
    world = stored()
    world.delete(ALICE, FILES[1])
    world.go()
    assert files_of(world) == [0, 4, 2, 3]
    check(world)


def test_the_last_slot_leaves_no_gap():
    world = stored()
    world.delete(ALICE, FILES[4])
    world.go()
    assert files_of(world) == [0, 1, 2, 3]
    check(world)


def test_removed_holdings_at_the_end_do_not_fill_gaps():
    world = stored()
    for index in (1, 3, 4):
        world.delete(ALICE, FILES[index])
    world.go()
    assert files_of(world) == [0, 2]
    check(world)


def test_a_miner_without_holdings_has_no_slots():
    world = stored(2)
    for index in (0, 1):
        world.delete(ALICE, FILES[index])
    world.go()
    assert not world.audit.holding_count.keys(limit=1)
    assert not world.audit.holdings.keys(limit=1)
    assert not world.audit.commitments.keys(limit=1)
    assert not world.audit.removed_queue.keys(limit=1)


def test_slots_stand_still_while_a_round_is_open():
    world = stored()
    who = MINERS[0]
    world.begin_round(who)
    world.delete(ALICE, FILES[1])
    world.go(3)
    assert files_of(world, who) == [0, 1, 2, 3, 4]
    assert files_of(world, MINERS[1]) == [0, 4, 2, 3]
    check(world)
    world.remove_plots(who)
    world.submit(who, world.proof(who, {k: v for f in FILES for k, v in f.values.items()}))
    assert world.audit.is_challenged(who), "the idle part is open"
    world.go(12)
    assert not world.audit.is_challenged(who)
    assert files_of(world, who) == [0, 4, 2, 3]
    check(world)


def test_a_moved_holding_is_found_by_its_file():
    """After the move the fragment is lost, restored and deleted like any other."""
    world = World()
    for file in FILES:
        world.store(ALICE, file)
    world.delete(ALICE, FILES[0])
    world.go()
    check(world)
    who = world.lose(FILES[4], 0, 0)
    check(world)
    assert world.miners.service_space(who) % FRAGMENT == 0
    world.delete(ALICE, FILES[4])
    world.go()
    check(world)


def test_a_moved_holding_of_an_open_deal_is_found_by_the_deal():
    world = stored(1)
    world.declare(BOB, FILES[1])
    world.go()
    world.report_all(BOB, FILES[1], but=1)
    world.delete(ALICE, FILES[0])
    world.go()
    check(world)
    world.report_all(BOB, FILES[1])
    check(world)
    world.delete(BOB, FILES[1])
    world.go()
    check(world)


def test_a_block_looks_at_a_bounded_number_of_removed_holdings(monkeypatch):
    monkeypatch.setattr("pallets.audit.slots.CLEANUPS_PER_BLOCK_MAX", 5)
    world = stored(1)
    world.delete(ALICE, FILES[0])
    left = []
    for _ in range(4):
        world.go()
        left.append(len(world.audit.holdings.keys(limit=20)))
        check(world)
    assert left == [7, 2, 0, 0]
    assert CLEANUPS_PER_BLOCK_MAX == 64


def test_a_block_takes_out_a_bounded_number_of_removed_holdings(monkeypatch):
    monkeypatch.setattr("pallets.audit.slots.REMOVED_PER_BLOCK_MAX", 5)
    world = stored(1)
    world.delete(ALICE, FILES[0])
    left = []
    for _ in range(3):
        world.go()
        left.append(len(world.audit.holdings.keys(limit=20)))
        check(world)
    assert left == [7, 2, 0]
    assert REMOVED_PER_BLOCK_MAX == 128


def test_holdings_of_challenged_miners_let_others_pass(monkeypatch):
    monkeypatch.setattr("pallets.audit.slots.CLEANUPS_PER_BLOCK_MAX", 3)
    world = stored(1)
    for who in MINERS[:6]:
        world.begin_round(who)
    world.delete(ALICE, FILES[0])
    world.go(6)
    assert all(world.audit.holding_count.get(who) == 0 for who in MINERS[6:12])
    assert all(world.audit.holding_count.get(who) == 1 for who in MINERS[:6])
    check(world)


def test_a_cleanup_takes_out_a_bounded_number(monkeypatch):
    monkeypatch.setattr("pallets.audit.slots.REMOVED_PER_CLEANUP_MAX", 2)
    monkeypatch.setattr("pallets.audit.slots.CLEANUPS_PER_BLOCK_MAX", 12)
    world = stored()
    for index in (0, 2, 3, 4):
        world.delete(ALICE, FILES[index])
    world.go()
    check(world)
    assert files_of(world) == [0, 1, 2]
    world.go()
    check(world)
    world.go(3)
    assert files_of(world) == [1]
    assert REMOVED_PER_CLEANUP_MAX == 8


def test_cleaning_weighs_what_it_did():
    world = stored(2)
    idle = clean(world.audit)
    world.delete(ALICE, FILES[0])
    world.chain._finish()
    world.bank.on_initialize(world.runtime.context.number())
    busy = clean(world.audit)
    assert type(busy.ref_time) is int
    assert busy.ref_time > idle.ref_time
