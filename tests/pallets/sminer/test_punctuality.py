"""What missed reports cost: nothing once a day, little after it, once for each outage."""

from pallets.sminer import Sminer
from pallets.sminer.punctuality import MISSED_REPORT_PERMILLE
from tests.pallets.sminer.space_chain import ALICE, BOB, DAY, PER_UNIT

WINDOW = 2


def miss(world, after=WINDOW):
    """Alice misses a report ``after`` blocks from now; what she pays, in thousandths."""
    world.pass_blocks(after)
    world.clear_events()
    world.sminer.missed_report(ALICE, WINDOW)
    fines = [event.fine for event in world.events() if isinstance(event, Sminer.Punished)]
    return sum(int(fine) * 1000 // int(PER_UNIT) for fine in fines)


def certified(world):
    world.register()
    world.certify()
    return world


def test_the_first_miss_of_a_day_is_free_and_the_others_are_not(world):
    certified(world)
    assert [miss(world) for _ in range(4)] == [0, 1, 2, 2]
    assert MISSED_REPORT_PERMILLE == (0, 1, 2)


def test_one_outage_is_charged_once_however_many_deals_it_makes_late(world):
    certified(world)
    assert miss(world) == 0
    assert [miss(world, after=0) for _ in range(50)] == [0] * 50
    assert world.sminer.missed_reports[ALICE].count == 1
    assert miss(world, after=WINDOW - 1) == 0
    assert miss(world, after=1) == 1


def test_a_new_day_begins_mildly(world):
    certified(world)
    assert [miss(world), miss(world)] == [0, 1]
    assert miss(world, after=DAY) == 0
    assert miss(world) == 1


def test_nobody_is_charged_who_is_no_miner(world):
    world.sminer.missed_report(BOB, WINDOW)
    assert not [event for event in world.events() if isinstance(event, Sminer.Punished)]


def test_a_miner_that_withdraws_leaves_no_record(world):
    certified(world)
    miss(world)
    world.leave()
    world.pass_blocks(3 * DAY)
    world.by(ALICE, "Sminer", "miner_withdraw")
    assert ALICE not in world.sminer.missed_reports
