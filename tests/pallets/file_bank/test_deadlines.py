"""A deal that is late is drawn again, then dropped; nothing waits for ever."""

from dataclasses import replace

from pallets.file_bank import FileBank
from pallets.file_bank.deadlines import CURSOR_STEPS_MAX, OVERDUE_PER_BLOCK_MAX
from pallets.sminer import MinerState, Sminer
from primitives.scale import U32
from tests.pallets.file_bank.conservation import check
from tests.pallets.file_bank.storage_world import (
    ALICE,
    ATTEMPTS,
    DEADLINE,
    LIMIT,
    World,
    made_file,
    refused,
)

FILE = made_file("a")


def test_a_report_is_taken_in_the_block_of_the_deadline(world):
    world.declare(ALICE, FILE)
    world.go(DEADLINE)
    assert world.block == world.bank.deal_map[FILE.fid].deadline
    world.report_all(ALICE, FILE)
    assert FILE.fid in world.bank.file


def test_after_the_deadline_the_missing_holders_are_drawn_again(world):
    world.declare(ALICE, FILE)
    world.go()
    world.report_all(ALICE, FILE, but=2)
    late = [world.holder(FILE, 0, position) for position in (10, 11)]
    strangers = world.strangers(FILE)
    world.go(DEADLINE)
    deal = world.bank.deal_map[FILE.fid]
    assert (deal.attempt, deal.deadline) == (1, world.block + DEADLINE)
    assert {world.holder(FILE, 0, position) for position in (10, 11)} == set(strangers)
    assert all(world.miners.miner_items[who].lock_space == 0 for who in late)
    check(world)
    world.report_all(ALICE, FILE)
    assert FILE.fid in world.bank.file


def test_a_late_miner_is_told_so(world):
    world.declare(ALICE, FILE)
    world.go()
    late = world.holder(FILE, 0, 3)
    report = world.report_of(ALICE, FILE, 0, 3)
    world.report_all(ALICE, FILE, but=9)
    world.go(DEADLINE)
    assert world.holder(FILE, 0, 3) != late, "miners that were not late are preferred"
    with refused(world, FileBank.Expired):
        world.send(late, FILE, report)


def test_late_miners_are_drawn_when_nobody_else_is_left():
    world = World(miners=12)
    world.declare(ALICE, FILE)
    world.go(DEADLINE + 1)
    assert world.bank.deal_map[FILE.fid].attempt == 1
    holders = {world.holder(FILE, 0, position) for position in range(12)}
    assert len(holders) == 12
    world.report_all(ALICE, FILE)
    check(world)
    assert FILE.fid in world.bank.file


def test_a_deal_is_dropped_after_its_last_draw(world):
    world.declare(ALICE, FILE)
    world.go()
    world.report_all(ALICE, FILE, but=3)
    for attempt in range(1, ATTEMPTS):
        world.go(int(world.bank.deal_map[FILE.fid].deadline) + 1 - world.block)
        assert world.bank.deal_map[FILE.fid].attempt == attempt
    world.go(DEADLINE)
    assert not world.events(FileBank.DealDropped)
    world.go()
    assert world.events(FileBank.DealDropped) == [
        FileBank.DealDropped(owner=ALICE.account_id, deal_hash=FILE.fid)
    ]
    assert FILE.fid not in world.bank.deal_map
    assert world.territory(ALICE).locked_space == 0
    world.go()
    assert not world.bank.deal_segments.keys(limit=1)
    check(world)


def test_complete_segments_are_left_alone_by_a_new_draw(world):
    file = made_file("two", 2)
    world.declare(ALICE, file)
    world.go()
    for position in range(12):
        world.report(ALICE, file, 0, position)
    before = world.bank.file_segments[file.fid, U32(0)]
    world.go(DEADLINE)
    assert world.bank.deal_map[file.fid].attempt == 1
    assert world.bank.file_segments[file.fid, U32(0)] == before
    world.report_all(ALICE, file)
    assert file.fid in world.bank.file
    check(world)


def test_nothing_is_reported_on_a_dropped_deal(world):
    world.declare(ALICE, FILE)
    world.go()
    report, who = world.report_of(ALICE, FILE, 0, 0), world.holder(FILE, 0, 0)
    world.go(ATTEMPTS * (DEADLINE + 1))
    with refused(world, FileBank.NonExistent):
        world.send(who, FILE, report)


def test_a_block_handles_a_bounded_number_of_overdue_deals(world, monkeypatch):
    monkeypatch.setattr("pallets.file_bank.deadlines.OVERDUE_PER_BLOCK_MAX", 2)
    files = [made_file(str(number)) for number in range(5)]
    for file in files:
        world.declare(ALICE, file)
    attempts = []
    world.go(DEADLINE)
    for _ in range(4):
        attempts.append(sum(world.bank.deal_map[file.fid].attempt for file in files))
        world.go()
    assert attempts == [0, 2, 4, 5]
    check(world)
    assert OVERDUE_PER_BLOCK_MAX == 32


def test_the_cursor_passes_a_bounded_number_of_blocks(world, monkeypatch):
    """A long gap is walked in pieces, and what lies behind it is found."""
    world.declare(ALICE, FILE)
    monkeypatch.setattr("pallets.file_bank.deadlines.CURSOR_STEPS_MAX", 0)
    world.go(DEADLINE)
    assert world.bank.deal_cursor.get() < world.block - DEADLINE + 1
    monkeypatch.setattr("pallets.file_bank.deadlines.CURSOR_STEPS_MAX", 7)
    world.go(1)
    assert world.bank.deal_map[FILE.fid].attempt == 0
    world.go(DEADLINE)
    assert world.bank.deal_map[FILE.fid].attempt == 1
    check(world)
    assert CURSOR_STEPS_MAX == 256


def test_a_dropped_deal_frees_the_space_of_all_that_were_drawn(world):
    world.declare(ALICE, FILE)
    world.go(ATTEMPTS * (DEADLINE + 1))
    for who in [world.runtime.sminer.all_miner[U32(index)] for index in range(14)]:
        assert world.miners.miner_items[who].lock_space == 0
        assert not world.bank.assigned.prefix_keys(who, limit=1)


# What being late costs.


def fines(world):
    found = {}
    for event in world.events(Sminer.Punished):
        found[event.miner] = found.get(event.miner, 0) + int(event.fine) * 1000 // int(LIMIT)
    return found


def late_with(world, file, *, missing):
    """Declare a file, leave its last ``missing`` reports out until the deadline; who was late."""
    world.declare(ALICE, file)
    world.go()
    world.report_all(ALICE, file, but=missing)
    late = {world.holder(file, 0, position) for position in range(12 - missing, 12)}
    world.go(DEADLINE)
    return late


def test_the_second_missed_deadline_of_a_day_is_paid():
    world = World(miners=12)
    late = late_with(world, FILE, missing=3)
    assert fines(world) == {}
    assert {who for who in late if world.miners.missed_reports[who].count == 1} == late
    world.go(DEADLINE + 1)
    assert fines(world) == dict.fromkeys(late, 1), "nobody else is left, so all were drawn again"
    check(world)


def test_nobody_pays_when_the_owner_served_too_few():
    """An owner that declares and sends nothing must not make holders poor."""
    world = World(miners=12)
    late_with(world, FILE, missing=7)
    world.go(ATTEMPTS * (DEADLINE + 1))
    assert world.events(FileBank.DealDropped)
    assert fines(world) == {}
    assert not world.miners.missed_reports.keys(limit=1)


def test_holders_pay_at_the_last_deadline_too(world):
    late_with(world, FILE, missing=1)
    for _ in range(ATTEMPTS - 1):
        world.go(DEADLINE)
    world.go(3)
    assert world.events(FileBank.DealDropped)
    counts = [record.count for _, record in world.miners.missed_reports.items(limit=20)]
    assert sum(counts) == ATTEMPTS
    check(world)


def test_a_cancelled_deal_costs_no_holder_anything(world):
    world.declare(ALICE, FILE)
    world.go()
    world.report_all(ALICE, FILE, but=1)
    world.delete(ALICE, FILE)
    world.go(3)
    assert not world.miners.missed_reports.keys(limit=1)


def test_a_holder_that_reported_its_loss_is_not_late(world):
    world.declare(ALICE, FILE)
    world.go()
    world.report_all(ALICE, FILE, but=1)
    honest = world.lose(FILE, 0, 3)
    world.go(DEADLINE)
    assert honest not in world.miners.missed_reports
    check(world)


def test_dead_space_is_frozen_and_drawn_no_more():
    """A miner with certified plots that never fetches anything, and no more than its collateral."""
    world = World(miners=13)
    dead = world.runtime.sminer.miner_at(0)
    info = world.miners.miner_items[dead]
    world.runtime.balances.unreserve(dead, LIMIT)
    world.miners.miner_items[dead] = replace(info, collaterals=LIMIT)
    for number in range(9):
        file = made_file(f"deal {number}")
        world.declare(ALICE, file)
        world.go()
        for position in range(12):
            if world.holder(file, 0, position) != dead:
                world.report(ALICE, file, 0, position)
        world.go(DEADLINE)
        if world.miners.miner_items[dead].state == MinerState.Frozen:
            break
    assert world.miners.miner_items[dead].state == MinerState.Frozen
    file = made_file("the next")
    world.declare(ALICE, file)
    world.go()
    assert dead not in {world.holder(file, 0, position) for position in range(12)}
    check(world)
