"""Loss, orders, claims and completion, and what a miner that left leaves behind."""

from dataclasses import replace

import pytest

from pallets.file_bank import FileBank
from pallets.file_bank.restoring import lapse_permille
from pallets.file_bank.types import order_id, place_number
from pallets.sminer import MinerState, Sminer
from primitives.scale import U32, U128
from primitives.types import FragmentHash, Hash
from tests.pallets.file_bank.conservation import check
from tests.pallets.file_bank.storage_world import (
    ALICE,
    BOB,
    FRAGMENT,
    LIFE,
    LIMIT,
    MINERS,
    World,
    made_file,
    refused,
    twin_file,
)

FILE = made_file("a")
PLACE = (0, 3)
ORDER = order_id(FILE.fid, *PLACE)


@pytest.fixture
def stored(world):
    """Alice's file; its holders, and two miners that hold nothing."""
    world.store(ALICE, FILE)
    world.chain.clear_events()
    return world


@pytest.fixture
def lost(stored):
    """One of its fragments is lost."""
    stored.lose(FILE, *PLACE)
    return stored


def fragment(world, place=PLACE):
    return world.bank.file_segments[FILE.fid, U32(place[0])].fragment_list[place[1]]


# Loss.


def test_a_loss_reported_unasked_costs_two_thousandths_and_opens_an_order(stored):
    who = stored.lose(FILE, *PLACE)
    assert stored.events(Sminer.Punished)[0].fine == LIMIT * 2 // 1000
    assert stored.events(FileBank.GenerateRestoralOrder) == [
        FileBank.GenerateRestoralOrder(miner=who, fragment_hash=FILE.hash_at(*PLACE))
    ]
    order = stored.bank.restoral_order[ORDER]
    assert (order.count, order.origin_miner, order.deadline) == (0, who, 0)
    assert not fragment(stored).avail
    assert stored.miners.service_space(who) == 0
    kept = stored.bank.lost_commitments[FILE.fid, place_number(*PLACE)]
    assert kept.commitments() == FILE.commitments_at(*PLACE)
    check(stored)


def test_a_loss_is_reported_once(lost):
    who = lost.bank.restoral_order[ORDER].origin_miner
    with refused(lost, FileBank.NonExistent):
        lost.call(
            "FileBank",
            "generate_restoral_order",
            who,
            file_hash=FILE.fid,
            restoral_fragment=FILE.hash_at(*PLACE),
        )


def test_nobody_reports_the_loss_of_what_another_holds(stored):
    stranger = stored.strangers(FILE)[0]
    other = stored.holder(FILE, 0, 4)
    for who in (stranger, other, ALICE):
        with refused(stored, FileBank.NonExistent):
            stored.call(
                "FileBank",
                "generate_restoral_order",
                who,
                file_hash=FILE.fid,
                restoral_fragment=FILE.hash_at(*PLACE),
            )


def test_the_loss_must_be_of_a_file_or_a_deal(stored):
    for fid, fragment_hash, error in (
        (made_file("b").fid, FILE.hash_at(*PLACE), FileBank.FileNonExistent),
        (FILE.fid, FragmentHash(bytes(32)), FileBank.NonExistent),
    ):
        with refused(stored, error):
            stored.call(
                "FileBank",
                "generate_restoral_order",
                stored.holder(FILE, *PLACE),
                file_hash=fid,
                restoral_fragment=fragment_hash,
            )


def test_a_holder_that_lost_its_fragment_before_the_segment_was_complete_is_replaced(world):
    world.declare(ALICE, FILE)
    world.go()
    world.report_all(ALICE, FILE, but=2)
    who = world.holder(FILE, *PLACE)
    world.begin_round(who)
    world.prove(who, FILE, faulty=list(world.asked(who)))
    item = world.bank.deal_segments[FILE.fid, U32(0)].fragments[PLACE[1]]
    assert (item.miner, item.reported, item.late) == (None, False, who)
    check(world)
    world.go(21)
    assert world.holder(FILE, *PLACE) != who
    world.report_all(ALICE, FILE)
    assert FILE.fid in world.bank.file
    check(world)


def test_a_loss_in_an_open_deal_is_reported_unasked_and_drawn_again(world):
    world.declare(ALICE, FILE)
    world.go()
    world.report_all(ALICE, FILE, but=2)
    waiting = world.holder(FILE, 0, 11)
    who = world.lose(FILE, *PLACE)
    assert [event.fine for event in world.events(Sminer.Punished)] == [LIMIT * 2 // 1000]
    assert world.miners.service_space(who) == 0
    item = world.bank.deal_segments[FILE.fid, U32(0)].fragments[PLACE[1]]
    assert (item.miner, item.reported, item.late) == (None, False, who)
    assert world.holder(FILE, 0, 11) == waiting, "the others go on"
    assert not world.bank.restoral_order.keys(limit=1)
    check(world)
    world.go(21)
    assert world.holder(FILE, *PLACE) != who
    world.report_all(ALICE, FILE)
    assert FILE.fid in world.bank.file
    check(world)


def test_a_holder_that_has_not_reported_has_nothing_to_lose(world):
    world.declare(ALICE, FILE)
    world.go()
    with refused(world, FileBank.NonExistent):
        world.lose(FILE, *PLACE)


def test_a_loss_in_a_complete_segment_of_an_open_deal_has_an_order():
    world, file = World(miners=20), made_file("two", 2)
    world.declare(ALICE, file)
    world.go()
    for position in range(12):
        world.report(ALICE, file, 0, position)
    world.lose(file, *PLACE)
    helper = world.strangers(file)[0]
    world.claim(helper, order_id(file.fid, *PLACE))
    world.complete(helper, order_id(file.fid, *PLACE))
    check(world)
    world.report_all(ALICE, file)
    assert file.fid in world.bank.file
    check(world)


def test_losses_of_what_is_not_held_change_nothing(world):
    """Audit reports what a round found; by then the place may be another's, or gone."""
    stranger = MINERS[20]
    world.declare(ALICE, FILE)
    world.go()
    with world.chain.no_trace():
        world.bank.report_lost(stranger, FILE.fid, 0, 3)
        world.bank.report_lost(world.holder(FILE, 0, 3), FILE.fid, 0, 3)
        world.bank.report_lost(stranger, FILE.fid, 1, 3)
        world.bank.report_lost(stranger, made_file("b").fid, 0, 0)
    world.report_all(ALICE, FILE)
    with world.chain.no_trace():
        world.bank.report_lost(stranger, FILE.fid, 0, 3)


# Claiming.


def test_a_stranger_claims_restores_and_answers_from_then_on(lost):
    who = lost.strangers(FILE)[0]
    lost.claim(who, ORDER)
    order = lost.bank.restoral_order[ORDER]
    assert (order.miner, order.count, order.deadline) == (who, 1, lost.block + LIFE)
    lost.go(LIFE)
    lost.complete(who, ORDER)
    assert lost.events(FileBank.ClaimRestoralOrder) == [
        FileBank.ClaimRestoralOrder(miner=who, order_id=ORDER)
    ]
    assert lost.events(FileBank.RecoveryCompleted) == [
        FileBank.RecoveryCompleted(miner=who, order_id=ORDER)
    ]
    assert not lost.bank.restoral_order.keys(limit=1)
    held = fragment(lost)
    assert (held.avail, held.miner, held.tag) == (True, who, lost.block)
    assert lost.audit.commitments[who, held.slot].points.commitments() == FILE.commitments_at(
        *PLACE
    )
    assert lost.miners.service_space(who) == FRAGMENT
    check(lost)
    lost.go()
    lost.begin_round(who)
    lost.prove(who, FILE)
    assert lost.audit.audit_record[who].passed == 1


def test_the_miner_that_lost_it_may_restore_it(lost):
    who = lost.bank.restoral_order[ORDER].origin_miner
    lost.claim(who, ORDER)
    lost.complete(who, ORDER)
    assert fragment(lost).miner == who
    check(lost)


def test_a_claim_keeps_others_out_until_its_deadline(lost):
    first, second = lost.strangers(FILE)[:2]
    lost.claim(first, ORDER)
    with refused(lost, FileBank.Locked):
        lost.claim(first, ORDER)
    lost.go(LIFE)
    with refused(lost, FileBank.Locked):
        lost.claim(second, ORDER)
    lost.go()
    lost.claim(second, ORDER)
    assert lost.bank.restoral_order[ORDER].count == 2


def test_a_lapsed_claim_costs_when_another_takes_over(lost):
    first, second = lost.strangers(FILE)[:2]
    lost.claim(first, ORDER)
    lost.go(LIFE + 1)
    lost.chain.clear_events()
    lost.claim(second, ORDER)
    (fine,) = lost.events(Sminer.Punished)
    assert (fine.miner, fine.fine) == (first, LIMIT * 2 // 1000)


def test_each_claim_of_an_order_costs_twice_as_much_as_the_one_before():
    assert [lapse_permille(count) for count in range(1, 9)] == [2, 4, 8, 16, 32, 64, 64, 64]
    assert lapse_permille(2**32 - 1) == 64


def test_two_accounts_that_take_turns_pay_more_for_each_turn(lost):
    pair = lost.strangers(FILE)[:2]
    for turn in range(5):
        lost.claim(pair[turn % 2], ORDER)
        lost.go(LIFE + 1)
    fines = [int(event.fine) * 1000 // int(LIMIT) for event in lost.events(Sminer.Punished)]
    assert fines[-4:] == [2, 4, 8, 16]
    check(lost)


def test_who_let_a_claim_lapse_waits_as_long_again(lost):
    who = lost.strangers(FILE)[0]
    lost.claim(who, ORDER)
    lost.go(2 * LIFE)
    with refused(lost, FileBank.ClaimLapsed):
        lost.claim(who, ORDER)
    lost.go()
    lost.claim(who, ORDER)


def test_nothing_is_completed_after_the_deadline(lost):
    who = lost.strangers(FILE)[0]
    lost.claim(who, ORDER)
    lost.go(LIFE + 1)
    with refused(lost, FileBank.Expired):
        lost.complete(who, ORDER)


def test_only_the_claimer_completes(lost):
    first, second = lost.strangers(FILE)[:2]
    with refused(lost, FileBank.NoPermission):
        lost.complete(lost.bank.restoral_order[ORDER].miner, ORDER)  # nobody claimed it yet
    lost.claim(first, ORDER)
    with refused(lost, FileBank.NoPermission):
        lost.complete(second, ORDER)


def test_there_must_be_such_an_order(lost):
    who = lost.strangers(FILE)[0]
    nothing = Hash(bytes(32))
    with refused(lost, FileBank.NonExistent):
        lost.claim(who, nothing)
    with refused(lost, FileBank.NonExistent):
        lost.complete(who, nothing)


def test_a_holder_of_another_fragment_of_the_segment_restores_nothing(lost):
    with refused(lost, FileBank.AlreadyHolder):
        lost.claim(lost.holder(FILE, 0, 5), ORDER)


def test_a_miner_does_not_gather_two_fragments_by_two_claims(lost):
    lost.lose(FILE, 0, 4)
    second = order_id(FILE.fid, 0, 4)
    who = lost.strangers(FILE)[0]
    lost.claim(who, ORDER)
    lost.claim(who, second)
    lost.complete(who, ORDER)
    with refused(lost, FileBank.AlreadyHolder):
        lost.complete(who, second)
    check(lost)


@pytest.mark.parametrize("stage", ["claim", "complete"])
def test_only_a_positive_miner_with_room_restores(lost, stage):
    who = lost.strangers(FILE)[0]
    if stage == "complete":
        lost.claim(who, ORDER)
    step = getattr(lost, stage)
    items = lost.miners.miner_items
    info = items[who]
    items[who] = replace(info, state=MinerState.Frozen)
    with refused(lost, FileBank.MinerStateError):
        step(who, ORDER)
    items[who] = replace(info, idle_space=U128(FRAGMENT - 1))
    with refused(lost, FileBank.MinerPowerInsufficient):
        step(who, ORDER)
    items[who] = info
    step(who, ORDER)
    with refused(lost, FileBank.MinerStateError):
        lost.claim(ALICE.account_id, ORDER)


def test_a_claim_of_a_miner_that_exits_lapses(lost):
    first, second = lost.strangers(FILE)[:2]
    lost.claim(first, ORDER)
    lost.leave(first)
    with refused(lost, FileBank.MinerStateError):
        lost.complete(first, ORDER)
    lost.go(LIFE)
    lost.claim(second, ORDER)
    lost.complete(second, ORDER)
    check(lost)


def test_a_claim_of_a_miner_that_withdrew_lapses_without_a_fine(lost):
    first, second = lost.strangers(FILE)[:2]
    lost.claim(first, ORDER)
    lost.leave(first)
    lost.go(2 * 100 + 1)
    lost.call("Sminer", "miner_withdraw", first)
    assert first not in lost.miners.miner_items
    lost.claim(second, ORDER)
    lost.complete(second, ORDER)
    check(lost)


def test_the_order_of_a_removed_segment_is_gone(lost):
    who = lost.strangers(FILE)[0]
    lost.claim(who, ORDER)
    lost.delete(ALICE, FILE)
    lost.go()
    with refused(lost, FileBank.NonExistent):
        lost.complete(who, ORDER)
    check(lost)


def test_a_fragment_restored_while_its_file_is_taken_down_is_released_with_it(lost):
    who = lost.strangers(FILE)[0]
    lost.claim(who, ORDER)
    lost.delete(ALICE, FILE)
    lost.complete(who, ORDER)
    check(lost)
    lost.go()
    assert lost.miners.service_space(who) == 0
    check(lost)


# Equal fragments at several places.


def test_a_file_with_the_same_fragments_has_orders_of_its_own(stored):
    twin = twin_file(FILE, "twin")
    stored.store(BOB, twin)
    stored.lose(twin, *PLACE)
    stored.lose(FILE, *PLACE)
    for file in (twin, FILE):
        number = order_id(file.fid, *PLACE)
        who = stored.strangers(file)[0]
        stored.claim(who, number)
        stored.complete(who, number)
        check(stored)


def test_equal_fragments_of_one_miner_are_lost_one_after_the_other():
    """One miner holds the same bytes for two segments and reports them twice."""
    from tests.pallets.file_bank.storage_world import described_file

    item = FILE.segments[0]
    equal = replace(item, fragment_list=type(item.fragment_list)([item.fragment_list[0]] * 12))
    file = described_file([equal, equal], 8 * FRAGMENT, FILE.values)
    world = World(miners=12)
    world.store(ALICE, file)
    who = MINERS[0]
    for count in (1, 2):
        world.call(
            "FileBank",
            "generate_restoral_order",
            who,
            file_hash=file.fid,
            restoral_fragment=file.hash_at(0, 0),
        )
        assert len(world.bank.restoral_order.keys(limit=9)) == count
        check(world)
    assert world.miners.service_space(who) == 0


# Miners that leave.


def test_the_fragments_of_a_miner_that_left_are_taken_over(stored):
    leaver = stored.holder(FILE, *PLACE)
    who = stored.strangers(FILE)[0]
    stored.leave(leaver)
    stored.claim_of_leaver(who, leaver, FILE, *PLACE)
    assert fragment(stored).miner == leaver, "it answers until another does"
    stored.complete(who, ORDER)
    assert fragment(stored).miner == who
    assert stored.miners.service_space(leaver) == 0
    points = stored.audit.commitments[who, fragment(stored).slot].points
    assert points.commitments() == FILE.commitments_at(*PLACE)
    check(stored)
    stored.go(2 * 100 + 1)
    stored.call("Sminer", "miner_withdraw", leaver)
    check(stored)


def test_a_miner_that_stays_keeps_its_fragments(stored):
    holder = stored.holder(FILE, *PLACE)
    stranger = stored.strangers(FILE)[0]
    with refused(stored, FileBank.NonExistent):
        stored.claim_of_leaver(stranger, holder, FILE, *PLACE)
    stored.call("Sminer", "miner_exit_prep", holder, miner=holder)
    with refused(stored, FileBank.NonExistent):
        stored.claim_of_leaver(stranger, holder, FILE, *PLACE)


def test_a_fragment_of_a_leaver_has_one_order(stored):
    leaver = stored.holder(FILE, *PLACE)
    first, second = stored.strangers(FILE)[:2]
    stored.leave(leaver)
    stored.claim_of_leaver(first, leaver, FILE, *PLACE)
    with refused(stored, FileBank.Existed):
        stored.claim_of_leaver(second, leaver, FILE, *PLACE)
    stored.go(LIFE + 1)
    stored.claim(second, ORDER)
    stored.complete(second, ORDER)
    check(stored)


def test_what_a_leaver_does_not_hold_is_not_claimed(stored):
    leaver = stored.holder(FILE, *PLACE)
    who = stored.strangers(FILE)[0]
    stored.leave(leaver)
    with refused(stored, FileBank.NonExistent):
        stored.claim_of_leaver(who, leaver, FILE, 0, 4)
    with refused(stored, FileBank.FileNonExistent):
        stored.claim_of_leaver(who, leaver, made_file("b"), 0, 0)
    with refused(stored, FileBank.AlreadyHolder):
        stored.claim_of_leaver(stored.holder(FILE, 0, 4), leaver, FILE, *PLACE)
    with refused(stored, FileBank.MinerStateError):
        stored.claim_of_leaver(leaver, leaver, FILE, *PLACE)


def test_a_leaver_may_declare_lost_what_another_restores_already(stored):
    leaver = stored.holder(FILE, *PLACE)
    who = stored.strangers(FILE)[0]
    stored.leave(leaver)
    stored.claim_of_leaver(who, leaver, FILE, *PLACE)
    stored.begin_round(leaver)
    stored.prove(leaver, FILE, faulty=list(stored.asked(leaver)))
    order = stored.bank.restoral_order[ORDER]
    assert (order.miner, order.count) == (who, 1), "the claim stands"
    check(stored)
    stored.complete(who, ORDER)
    check(stored)


def test_a_leaver_that_is_being_asked_keeps_its_bytes_until_the_round_closes(stored):
    leaver = stored.holder(FILE, *PLACE)
    who = stored.strangers(FILE)[0]
    stored.leave(leaver)
    stored.begin_round(leaver)
    stored.claim_of_leaver(who, leaver, FILE, *PLACE)
    stored.complete(who, ORDER)
    stored.go()
    assert stored.asked(leaver), "what was held when the round began counts on"
    stored.prove(leaver, FILE)
    assert stored.audit.audit_record[leaver].passed == 1
