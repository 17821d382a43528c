"""Attacks on repair: orders that are occupied, gathered, or completed without the bytes."""

from dataclasses import replace

import pytest

from pallets.audit import Audit, FaultKind
from pallets.file_bank import FileBank
from pallets.file_bank.types import order_id
from pallets.sminer import Sminer
from primitives.scale import U32
from tests.attacks.test_audit_proofs import verdict
from tests.pallets.file_bank.conservation import check
from tests.pallets.file_bank.storage_world import (
    ALICE,
    BOB,
    LIFE,
    LIMIT,
    World,
    made_file,
    refused,
    twin_file,
)

FILE = made_file("a")
PLACE = (0, 3)
ORDER = order_id(FILE.fid, *PLACE)


@pytest.fixture
def lost():
    """Twenty miners; a fragment of Alice's file is lost."""
    world = World(miners=20)
    world.store(ALICE, FILE)
    world.lose(FILE, *PLACE)
    world.chain.clear_events()
    return world


def test_a_file_with_the_same_fragments_does_not_occupy_the_order():
    """A rival stores the victim's fragments once more, loses them, and lets nobody restore."""
    world = World(miners=20)
    twin = twin_file(FILE, "rival's")
    world.store(ALICE, FILE)
    world.store(BOB, twin)
    rival = world.lose(twin, *PLACE)
    stranger = world.strangers(twin)[0]
    world.claim(stranger, order_id(twin.fid, *PLACE))
    world.lose(FILE, *PLACE)
    helper = next(who for who in world.strangers(FILE) if who not in (rival, stranger))
    world.claim(helper, ORDER)
    world.complete(helper, ORDER)
    assert world.holder(FILE, *PLACE) == helper
    check(world)


def test_claims_without_work_cost_each_time_and_give_way(lost):
    """Two accounts of one party take turns at an order; each lapse is paid."""
    first, second, honest = lost.strangers(FILE)[:3]
    for who in (first, second):
        lost.claim(who, ORDER)
        with refused(lost, FileBank.Locked):
            lost.claim(honest, ORDER)
        lost.go(LIFE + 1)
    lost.claim(honest, ORDER)
    fined = [event.miner for event in lost.events(Sminer.Punished)]
    assert fined == [first, second]
    lost.complete(honest, ORDER)
    check(lost)


def test_an_order_is_not_squatted_in_turns_for_long(lost):
    """The fine doubles with each claim: seven lapses of two accounts cost 190 thousandths."""
    pair = lost.strangers(FILE)[:2]
    for turn in range(8):
        lost.claim(pair[turn % 2], ORDER)
        lost.go(LIFE + 1)
    fines = [int(event.fine) for event in lost.events(Sminer.Punished)]
    assert sum(fines) == LIMIT * (2 + 4 + 8 + 16 + 32 + 64 + 64) // 1000
    check(lost)


def test_one_account_does_not_renew_its_claim(lost):
    who = lost.strangers(FILE)[0]
    lost.claim(who, ORDER)
    for _ in range(2 * LIFE):
        with pytest.raises((FileBank.Locked, FileBank.ClaimLapsed)):
            lost.claim(who, ORDER)
        lost.go()


def test_a_miner_does_not_gather_the_fragments_of_a_segment(lost):
    """Whoever held four fragments could rebuild the rest when asked, and store a third."""
    who = lost.strangers(FILE)[0]
    lost.claim(who, ORDER)
    lost.complete(who, ORDER)
    lost.lose(FILE, 0, 4)
    with refused(lost, FileBank.AlreadyHolder):
        lost.claim(who, order_id(FILE.fid, 0, 4))


def test_a_completed_order_without_the_bytes_is_found_out_by_the_next_round(lost):
    who = lost.strangers(FILE)[0]
    lost.claim(who, ORDER)
    lost.complete(who, ORDER)
    lost.remove_plots(who)
    lost.go()
    lost.begin_round(who)
    lost.chain.clear_events()
    junk = lost.proof(who, dict.fromkeys(FILE.values, 1))
    lost.submit(who, junk)
    assert verdict(lost, who) == FaultKind.ServiceRejected
    assert not lost.events(Audit.ServiceProofAccepted)


def test_the_lost_fragment_keeps_its_commitments_whoever_restores_it(lost):
    """A restorer in league with nobody, or with anybody, answers for the same points."""
    for _ in range(3):
        who = lost.strangers(FILE)[0]
        lost.claim(who, ORDER)
        lost.complete(who, ORDER)
        slot = lost.bank.file_segments[FILE.fid, U32(0)].fragment_list[PLACE[1]].slot
        assert lost.audit.commitments[who, slot].points.commitments() == FILE.commitments_at(*PLACE)
        lost.lose(FILE, *PLACE)
        check(lost)


def test_a_miner_does_not_end_the_holding_of_another(lost):
    victim = lost.holder(FILE, 0, 5)
    rival = lost.holder(FILE, 0, 6)
    with refused(lost, FileBank.NonExistent):
        lost.call(
            "FileBank",
            "generate_restoral_order",
            rival,
            file_hash=FILE.fid,
            restoral_fragment=FILE.hash_at(0, 5),
        )
    stranger = lost.strangers(FILE)[0]
    with refused(lost, FileBank.NonExistent):
        lost.claim_of_leaver(stranger, victim, FILE, 0, 5)
    assert lost.holder(FILE, 0, 5) == victim


def test_losing_and_restoring_in_turns_costs_and_earns_nothing(lost):
    """A miner reports the loss of what it has, restores it, and is fined for each turn."""
    who = lost.holder(FILE, 0, 5)
    number = order_id(FILE.fid, 0, 5)
    for _ in range(3):
        lost.lose(FILE, 0, 5)
        lost.claim(who, number)
        lost.complete(who, number)
    assert len([event for event in lost.events(Sminer.Punished) if event.miner == who]) == 3
    check(lost)


def test_a_griefer_with_no_more_than_its_collateral_claims_once(lost):
    """The fine for a lapse takes it below its limit: it is frozen until it pays."""
    griefer, honest = lost.strangers(FILE)[:2]
    info = lost.miners.miner_items[griefer]
    lost.runtime.balances.unreserve(griefer, LIMIT)
    lost.miners.miner_items[griefer] = replace(info, collaterals=LIMIT)
    lost.claim(griefer, ORDER)
    lost.go(LIFE + 1)
    lost.claim(honest, ORDER)
    lost.go(2 * LIFE + 2)
    with refused(lost, FileBank.MinerStateError):
        lost.claim(griefer, ORDER)
