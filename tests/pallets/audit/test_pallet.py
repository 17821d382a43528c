"""Rounds: how they open, how they are answered, and how they end."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from pallets.audit import Audit, AuditRecord, FaultKind, FaultyPositions, IdleAnswers
from pallets.audit.weights import LOSSES_DECLARED_MAX
from pallets.cess_treasury import PUNISH_TREASURY
from pallets.file_bank.types import order_id
from pallets.frame import BadOrigin, Origin
from pallets.sminer import MinerState, Sminer
from pallets.sminer.collateral import power_of
from primitives.scale import U32
from primitives.types import Balance, BlockNumber, Bytes48
from proofs.podr2.wire import ScalarBytes, ServiceProof
from tests.pallets.file_bank.conservation import check
from tests.pallets.file_bank.storage_world import (
    ALICE,
    BOB,
    FRAGMENT,
    IDLE_DEADLINE,
    LIMIT,
    MINERS,
    PLOT,
    SERVICE_DEADLINE,
    World,
    answers_of,
    made_file,
    refused,
)

FILE = made_file("a")
MINER = MINERS[0]
JUNK = ServiceProof(y=ScalarBytes(bytes(32)), proof=Bytes48(b"\xc0" + bytes(47)))


@pytest.fixture
def stored():
    """Twelve miners, each with a fragment of Alice's file and without plots."""
    world = World(miners=12)
    world.store(ALICE, FILE)
    for who in MINERS[:12]:
        world.remove_plots(who)
    world.chain.clear_events()
    return world


def power(world, who=MINER):
    record = world.runtime.cess_treasury.power_record.get(who)
    return None if record is None else record.power


def fault(world, who=MINER):
    return [event.kind for event in world.events(Audit.Fault) if event.miner == who]


def fines(world, who=MINER):
    return [event.fine for event in world.events(Sminer.Punished) if event.miner == who]


# Drawing.


def test_each_block_opens_rounds_for_the_drawn():
    world = World(miners=12, period=3)
    world.go(3)
    issued = world.events(Audit.ChallengeIssued)
    assert 1 <= len(issued) <= 12
    assert {event.miner for event in issued} == set(world.audit.challenge_snap_shot.keys(limit=99))
    check(world)


def test_a_block_opens_sixteen_rounds_at_most():
    world = World(miners=40, period=1)
    opened = [0]
    for _ in range(3):
        world.go()
        opened.append(len(world.audit.challenge_snap_shot.keys(limit=99)))
    steps = [after - before for before, after in pairwise(opened)]
    assert all(0 < step <= 16 for step in steps)
    check(world)


def test_a_miner_has_one_round_at_a_time():
    world = World(miners=12, period=1)
    world.go(SERVICE_DEADLINE)
    numbers = Counter(event.miner for event in world.events(Audit.ChallengeIssued))
    assert set(numbers.values()) == {1}
    assert len(numbers) == 12


def test_a_miner_with_nothing_to_prove_is_passed_over():
    world = World(miners=12, plots=0, period=1)
    world.go(5)
    assert not world.events(Audit.ChallengeIssued)
    assert not world.audit.audit_record.keys(limit=1)


def test_a_round_fixes_what_it_asks(stored):
    info = stored.begin_round(MINER)
    assert (info.round, info.start) == (1, stored.block)
    assert (info.slots, info.service_space) == (1, FRAGMENT)
    assert info.deadline == stored.block + SERVICE_DEADLINE
    assert info.idle_deadline == stored.block + IDLE_DEADLINE
    assert (info.service_done, info.idle_done) == (False, True), "it has no plots"
    assert stored.events(Audit.ChallengeIssued) == [
        Audit.ChallengeIssued(miner=MINER, round=U32(1), deadline=info.deadline)
    ]


def test_a_miner_without_fragments_has_no_service_part(world):
    info = world.begin_round(MINER)
    assert (info.service_done, info.service_passed, info.idle_done) == (True, True, False)
    with refused(world, Audit.Submitted):
        world.submit(MINER, JUNK)


def test_seeds_differ_by_miner_round_and_block(stored):
    first = stored.begin_round(MINER)
    other = stored.begin_round(MINERS[1])
    stored.prove(MINER, FILE)
    again = stored.begin_round(MINER)
    assert again.round == 2
    assert len({first.seed, other.seed, again.seed}) == 3


# Passing.


def test_a_right_proof_is_paid_for(stored):
    stored.begin_round(MINER)
    stored.go(SERVICE_DEADLINE)
    stored.prove(MINER, FILE)
    assert stored.events(Audit.ServiceProofAccepted) == [
        Audit.ServiceProofAccepted(miner=MINER, round=U32(1), rows=U32(1))
    ]
    assert stored.audit.audit_record[MINER] == AuditRecord(
        round=U32(1), passed=U32(1), faults=U32(0), last_audit=BlockNumber(stored.block)
    )
    assert power(stored) == power_of(0, FRAGMENT)
    assert not stored.audit.is_challenged(MINER)
    check(stored)


def test_both_parts_are_needed_for_a_reward(world, plot):
    world = World(miners=12, plots=1)
    world.store(ALICE, FILE)
    info = world.begin_round(MINER)
    world.prove(MINER, FILE)
    assert power(world) is None
    assert world.audit.is_challenged(MINER)
    pairs = answers_of(plot, info.seed, 0, 1)
    assert len(pairs) > 20
    world.answer_idle(MINER, pairs)
    assert power(world) == power_of(PLOT - FRAGMENT, FRAGMENT)
    assert world.events(Audit.IdleProofAccepted)[0].space == PLOT
    check(world)


def test_few_idle_answers_are_paid_as_few(plot):
    """A quarter of the answers stands for less than a quarter of the plots."""
    world = World(miners=1, plots=1)
    info = world.begin_round(MINER)
    pairs = answers_of(plot, info.seed, 0, 1)
    world.answer_idle(MINER, pairs[: len(pairs) // 4])
    (accepted,) = world.events(Audit.IdleProofAccepted)
    assert 0 < accepted.space < PLOT // 4


def test_no_idle_answer_is_no_lie_and_earns_nothing():
    world = World(miners=1, plots=1)
    world.begin_round(MINER)
    world.answer_idle(MINER, [])
    assert fault(world) == []
    assert power(world) in (None, 0)


@pytest.mark.parametrize("wrong", ["proof", "twice", "unasked", "short"])
def test_one_wrong_idle_answer_loses_the_part(plot, wrong):
    world = World(miners=1, plots=1)
    info = world.begin_round(MINER)
    pairs = answers_of(plot, info.seed, 0, 1)
    t, proof = pairs[0]
    bad = {
        "proof": [(t, bytes([proof[0] ^ 1]) + proof[1:]), *pairs[1:]],
        "twice": [*pairs, pairs[0]],
        "unasked": [*pairs, (64, proof)],
        "short": [(t, proof[:-1]), *pairs[1:]],
    }[wrong]
    world.answer_idle(MINER, bad)
    assert fault(world) == [FaultKind.IdleRejected]
    assert fines(world) == []
    assert not world.audit.is_challenged(MINER)
    assert power(world) in (None, 0)


def test_a_miner_is_paid_for_what_it_held_when_the_round_began():
    """Fragments that came after the start were not asked for, so they weigh nothing yet."""
    world = World(miners=12)
    world.store(ALICE, FILE)
    world.begin_round(MINER)
    world.prove(MINER, FILE)
    world.store(BOB, made_file("b"))
    assert world.miners.service_space(MINER) == 2 * FRAGMENT
    world.answer_idle(MINER, [])
    assert power(world) == power_of(0, FRAGMENT)


def test_fragments_that_came_during_a_round_without_a_service_part_are_not_paid():
    world = World(miners=12)
    world.begin_round(MINER)
    world.store(BOB, FILE)
    world.answer_idle(MINER, [])
    assert power(world) in (None, 0)


def test_a_miner_is_paid_for_no_more_than_it_still_holds(stored):
    stored.begin_round(MINER)
    stored.delete(ALICE, FILE)
    stored.go()
    stored.prove(MINER, FILE)
    assert stored.audit.audit_record[MINER].passed == 1
    assert power(stored) in (None, 0)


def test_a_later_round_replaces_the_power_of_the_era(stored):
    stored.begin_round(MINER)
    stored.prove(MINER, FILE)
    assert power(stored) > 0
    stored.begin_round(MINER)
    stored.submit(MINER, JUNK)
    assert power(stored) == 0


# Faults.


def test_no_answer_is_a_fault_the_block_after_the_deadline(stored):
    stored.begin_round(MINER)
    stored.go(SERVICE_DEADLINE)
    assert fault(stored) == []
    stored.go()
    assert fault(stored) == [FaultKind.ServiceMissed]
    assert not stored.audit.is_challenged(MINER)
    assert power(stored) in (None, 0)
    check(stored)


def test_no_idle_answer_is_a_fault_without_a_fine(world):
    world.begin_round(MINER)
    world.go(IDLE_DEADLINE + 1)
    assert fault(world) == [FaultKind.IdleMissed]
    assert fines(world) == []
    assert not world.audit.is_challenged(MINER)
    check(world)


def miss(world, who=MINER):
    world.begin_round(who)
    world.go(SERVICE_DEADLINE + 1)


def test_missing_costs_nothing_then_a_twentieth_then_everything(stored):
    miss(stored)
    assert fines(stored) == []
    miss(stored)
    assert fines(stored) == [LIMIT // 20]
    before = stored.runtime.balances.free(PUNISH_TREASURY)
    miss(stored)
    assert fines(stored) == [LIMIT // 20, LIMIT * 150 // 1000]
    assert stored.runtime.balances.free(PUNISH_TREASURY) - before == LIMIT * 150 // 1000
    assert stored.miners.miner_items[MINER].state == MinerState.Offline
    assert stored.miners.is_leaving(MINER)
    check(stored)


def test_a_wrong_proof_costs_a_twentieth_at_once(stored):
    stored.begin_round(MINER)
    stored.submit(MINER, JUNK)
    assert fault(stored) == [FaultKind.ServiceRejected]
    assert fines(stored) == [LIMIT // 20]
    assert not stored.audit.is_challenged(MINER)
    check(stored)


def test_misses_and_wrong_proofs_count_together(stored):
    miss(stored)
    stored.begin_round(MINER)
    stored.submit(MINER, JUNK)
    assert fines(stored) == [LIMIT * 150 // 1000]
    miss(stored)
    assert stored.miners.miner_items[MINER].state == MinerState.Offline


def test_a_right_proof_forgives_the_faults_in_a_row(stored):
    miss(stored)
    miss(stored)
    stored.begin_round(MINER)
    stored.prove(MINER, FILE)
    stored.chain.clear_events()
    miss(stored)
    assert fines(stored) == []
    assert stored.audit.audit_record[MINER].faults == 3


def test_who_is_thrown_out_earns_nothing_and_leaves_its_fragments_to_others(stored):
    stored.begin_round(MINER)
    stored.prove(MINER, FILE)
    for _ in range(3):
        miss(stored)
    assert power(stored) is None
    assert not stored.audit.is_challenged(MINER)
    position = next(p for p in range(12) if stored.holder(FILE, 0, p) == MINER)
    stored.register(MINERS[20], 4)
    stored.claim_of_leaver(MINERS[20], MINER, FILE, 0, position)
    stored.complete(MINERS[20], order_id(FILE.fid, 0, position))
    check(stored)


def test_a_miner_is_thrown_out_with_its_idle_part_open():
    world = World(miners=12)
    world.store(ALICE, FILE)
    for count in range(3):
        world.begin_round(MINER)
        world.submit(MINER, JUNK)
        if count < 2:
            world.go(IDLE_DEADLINE + 1)
    assert world.miners.miner_items[MINER].state == MinerState.Offline
    assert not world.audit.idle_slip.keys(limit=1)
    check(world)
    world.go(IDLE_DEADLINE + 1)
    check(world)


def test_a_fine_that_the_collateral_does_not_cover_is_a_debt(stored):
    items = stored.miners.miner_items
    stored.runtime.balances.unreserve(MINER, Balance(2 * LIMIT - 10))
    items[MINER] = replace(items[MINER], collaterals=Balance(10))
    stored.begin_round(MINER)
    stored.submit(MINER, JUNK)
    info = items[MINER]
    assert (info.collaterals, info.debt) == (0, LIMIT // 20 - 10)
    assert info.state == MinerState.Frozen
    stored.begin_round(MINER)
    stored.prove(MINER, FILE)
    assert stored.audit.audit_record[MINER].passed == 1, "a frozen miner is audited on"


def test_a_round_goes_on_while_the_miner_leaves(stored):
    stored.begin_round(MINER)
    stored.leave(MINER)
    stored.prove(MINER, FILE)
    assert stored.audit.audit_record[MINER].passed == 1
    stored.begin_round(MINER)
    stored.delete(ALICE, FILE)
    stored.go(201)
    check(stored)


def test_a_miner_that_withdrew_leaves_no_record(stored):
    miss(stored)
    stored.leave(MINER)
    stored.delete(ALICE, FILE)
    stored.go(201)
    stored.call("Sminer", "miner_withdraw", MINER)
    for entry in (
        stored.audit.audit_record,
        stored.audit.counted_clear,
        stored.audit.counted_service_failed,
    ):
        assert MINER not in entry
    check(stored)


# Declared losses.


def test_a_declared_loss_costs_a_hundredth_and_the_reward_and_opens_an_order(stored):
    stored.begin_round(MINER)
    stored.prove(MINER, FILE, faulty=[0])
    assert fault(stored) == [FaultKind.ServiceDeclared]
    assert fines(stored) == [LIMIT // 100]
    assert not stored.events(Audit.ServiceProofAccepted)
    (order,) = [order for _, order in stored.bank.restoral_order.items(limit=9)]
    assert order.origin_miner == MINER
    assert power(stored) in (None, 0)
    assert stored.miners.service_space(MINER) == 0
    assert stored.audit.audit_record[MINER].passed == 0
    check(stored)


def test_a_declared_loss_neither_counts_nor_forgives(stored):
    file = made_file("b")
    world = World(miners=12)
    world.store(ALICE, FILE)
    world.store(ALICE, file)
    for who in MINERS[:12]:
        world.remove_plots(who)
    miss(world)
    assert world.audit.counted_clear.get(MINER) == 1
    world.begin_round(MINER)
    values = {**FILE.values, **file.values}
    world.submit(MINER, world.proof(MINER, values, [1]), faulty=[1])
    assert world.audit.counted_clear.get(MINER) == 1
    assert power(world) in (None, 0)
    assert world.miners.service_space(MINER) == FRAGMENT
    check(world)


@pytest.mark.parametrize("faulty", [[1], [0, 0], [1, 0], [65535]])
def test_a_fault_list_ascends_below_the_number_of_positions(stored, faulty):
    stored.begin_round(MINER)
    with refused(stored, Audit.InvalidFaultList):
        stored.submit(MINER, JUNK, faulty=faulty)


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_one_answer_opens_a_bounded_number_of_orders_and_the_next_round_the_rest(
    monkeypatch, limit
):
    """A dead disk with three fragments: the miner names all, and is not thrown out for it."""
    monkeypatch.setattr("pallets.audit.pallet.LOSSES_DECLARED_MAX", limit)
    world = World(miners=12)
    for name in "abc":
        world.store(ALICE, made_file(name))
    for who in MINERS[:12]:
        world.remove_plots(who)
    opened = 0
    while world.miners.service_space(MINER) > 0:
        world.begin_round(MINER)
        world.chain.clear_events()
        world.submit(MINER, JUNK, faulty=sorted(world.asked(MINER)))
        assert [event.kind for event in world.events(Audit.Fault)] == [FaultKind.ServiceDeclared]
        assert [event.fine for event in world.events(Sminer.Punished)] == [LIMIT // 100]
        opened = min(opened + limit, 3)
        assert len(world.bank.restoral_order.keys(limit=9)) == opened
        assert world.miners.service_space(MINER) == (3 - opened) * FRAGMENT
        assert power(world) in (None, 0)
        assert MINER not in world.audit.counted_service_failed
        world.go()
        check(world)
    assert opened == 3
    assert LOSSES_DECLARED_MAX == 256


def test_a_removed_holding_that_is_declared_lost_opens_no_order(stored):
    stored.begin_round(MINER)
    stored.delete(ALICE, FILE)
    stored.go()
    stored.prove(MINER, FILE, faulty=[0])
    assert fault(stored) == [FaultKind.ServiceDeclared]
    assert not stored.bank.restoral_order.keys(limit=1)
    check(stored)


# Who, when and which round.


@pytest.mark.parametrize("part", ["service", "idle"])
def test_an_answer_is_signed(world, part):
    world.store(ALICE, FILE)
    who = world.holder(FILE, 0, 0)
    world.begin_round(who)
    origin = Origin.root()
    with refused(world, BadOrigin):
        if part == "service":
            world.chain.call(
                "Audit",
                "submit_service_proof",
                origin,
                round=U32(1),
                faulty=FaultyPositions(),
                y=JUNK.y,
                proof=JUNK.proof,
            )
        else:
            world.chain.call(
                "Audit", "submit_idle_proof", origin, round=U32(1), answers=IdleAnswers()
            )


def test_without_a_round_there_is_nothing_to_answer(stored):
    with refused(stored, Audit.NoChallenge):
        stored.submit(MINER, JUNK)
    with refused(stored, Audit.NoChallenge):
        stored.answer_idle(MINER, [])


@pytest.mark.parametrize("number", [0, 2, 2**32 - 1])
def test_an_answer_names_its_round(world, number):
    world.store(ALICE, FILE)
    who = world.holder(FILE, 0, 0)
    world.begin_round(who)
    with refused(world, Audit.WrongRound):
        world.submit(who, JUNK, number=number)
    with refused(world, Audit.WrongRound):
        world.answer_idle(who, [], number=number)


def test_a_part_is_answered_once(world, plot):
    world = World(miners=12, plots=1)
    world.store(ALICE, FILE)
    info = world.begin_round(MINER)
    proof = world.proof(MINER, FILE.values)
    world.submit(MINER, proof)
    with refused(world, Audit.Submitted):
        world.submit(MINER, proof)
    other = World(miners=12, plots=1)
    other.store(ALICE, FILE)
    info = other.begin_round(MINER)
    other.answer_idle(MINER, answers_of(plot, info.seed, 0, 1))
    with refused(other, Audit.Submitted):
        other.answer_idle(MINER, [])


def test_a_late_answer_is_refused_while_the_other_part_is_open(world):
    world.store(ALICE, FILE)
    who = world.holder(FILE, 0, 0)
    world.begin_round(who)
    proof = world.proof(who, FILE.values)
    world.go(SERVICE_DEADLINE + 1)
    with refused(world, Audit.Expired):
        world.submit(who, proof)
    assert fault(world, who) == [FaultKind.ServiceMissed]


def test_a_late_idle_answer_finds_no_round(world):
    world.begin_round(MINER)
    world.go(IDLE_DEADLINE + 1)
    with refused(world, Audit.NoChallenge):
        world.answer_idle(MINER, [])


def test_an_idle_answer_is_late_while_the_service_part_is_open(world):
    """On a chain whose idle deadline comes first."""
    world.audit.config = replace(
        world.audit.config, idle_deadline_blocks=BlockNumber(SERVICE_DEADLINE - 4)
    )
    world.store(ALICE, FILE)
    who = world.holder(FILE, 0, 0)
    world.begin_round(who)
    world.go(SERVICE_DEADLINE - 3)
    with refused(world, Audit.Expired):
        world.answer_idle(who, [])
    world.prove(who, FILE)
    assert not world.audit.is_challenged(who)
    check(world)


def test_wire_indexes():
    assert {spec.index: spec.name for spec in Audit.call_specs} == {
        1: "submit_idle_proof",
        2: "submit_service_proof",
    }
    assert {error.index: error.__name__ for error in Audit.error_types} == {
        3: "NoChallenge",
        14: "Expired",
        17: "Submitted",
        22: "WrongRound",
        23: "InvalidFaultList",
    }
