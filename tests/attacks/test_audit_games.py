"""Games around the audit: being paid without holding, escaping a round, gaining from the rules."""

import pytest

from pallets.audit import Audit, FaultKind
from pallets.sminer import MinerState, Sminer
from pallets.sminer.collateral import power_of
from primitives.types import BlockNumber, Bytes48
from proofs.podr2.wire import ScalarBytes, ServiceProof
from proofs.pois.challenge import idle_draws
from tests.pallets.file_bank.conservation import check
from tests.pallets.file_bank.storage_world import (
    ALICE,
    BOB,
    DAY,
    FRAGMENT,
    LIMIT,
    MINERS,
    PLOT,
    SERVICE_DEADLINE,
    World,
    answers_of,
    made_file,
)

FILE = made_file("a")
MINER = MINERS[0]
JUNK = ServiceProof(y=ScalarBytes(bytes(32)), proof=Bytes48(b"\xc0" + bytes(47)))


def power(world, who=MINER) -> int:
    record = world.runtime.cess_treasury.power_record.get(who)
    return 0 if record is None else int(record.power)


def without_plots(files, miners: int = 12) -> World:
    world = World(miners=miners)
    for file in files:
        world.store(ALICE, file)
    for who in MINERS[:miners]:
        world.remove_plots(who)
    world.chain.clear_events()
    return world


def values_of(files):
    return {key: value for file in files for key, value in file.values.items()}


@pytest.mark.parametrize("strategy", ["silence", "junk", "mixed"])
def test_a_miner_without_data_never_earns_and_is_out_within_three_rounds(strategy):
    world = without_plots([FILE])
    for number in range(3):
        assert world.miners.is_positive(MINER)
        world.begin_round(MINER)
        if strategy == "junk" or (strategy == "mixed" and number % 2):
            world.submit(MINER, JUNK)
        world.go(SERVICE_DEADLINE + 1)
        assert power(world) == 0
    assert world.miners.miner_items[MINER].state == MinerState.Offline
    assert world.miners.count() == 11
    check(world)


def test_declaring_everything_lost_each_round_earns_nothing_and_ends():
    """The cheapest way out of a round: one percent each time, until nothing is held any more."""
    files = [made_file(str(number)) for number in range(3)]
    world = without_plots(files)
    world.begin_round(MINER)
    world.prove(MINER, FILE, faulty=sorted(world.asked(MINER)))
    assert power(world) == 0
    assert world.miners.service_space(MINER) == 0
    assert [event.fine for event in world.events(Sminer.Punished)] == [LIMIT // 100]
    assert not world.audit._begin(BlockNumber(world.block), MINER), "nothing is left to ask"
    check(world)


def test_admitting_one_of_five_losses_is_a_wrong_answer():
    files = [made_file(str(number)) for number in range(5)]
    world = without_plots(files)
    world.begin_round(MINER)
    world.submit(MINER, JUNK, faulty=[min(world.asked(MINER))])
    assert [event.kind for event in world.events(Audit.Fault)] == [FaultKind.ServiceRejected]
    assert world.miners.service_space(MINER) == 5 * FRAGMENT, "a wrong answer frees nothing"
    assert power(world) == 0


def test_a_declared_loss_does_not_start_the_count_of_faults_afresh():
    """Miss, miss, declare, miss: out after the third miss."""
    files = [made_file(str(number)) for number in range(3)]
    world = without_plots(files)
    for _ in range(2):
        world.begin_round(MINER)
        world.go(SERVICE_DEADLINE + 1)
    world.begin_round(MINER)
    index = min(world.asked(MINER))
    world.submit(MINER, world.proof(MINER, values_of(files), [index]), faulty=[index])
    world.go()
    world.begin_round(MINER)
    world.go(SERVICE_DEADLINE + 1)
    assert world.miners.miner_items[MINER].state == MinerState.Offline


def test_a_file_that_is_deleted_during_the_round_is_still_asked_for():
    """An owner that is in league with the miner deletes what the miner has lost."""
    world = without_plots([FILE])
    world.begin_round(MINER)
    world.delete(ALICE, FILE)
    world.go(3)
    world.submit(MINER, JUNK)
    assert [event.kind for event in world.events(Audit.Fault)] == [FaultKind.ServiceRejected]
    check(world)


def test_a_deletion_in_the_block_of_the_challenge_comes_too_late():
    """Whoever sees the parent block knows the draw and may act in the same block; in vain."""
    world = without_plots([FILE])
    position = next(p for p in range(12) if world.holder(FILE, 0, p) == MINER)
    world.begin_round(MINER)
    world.lose(FILE, 0, position)
    assert world.asked(MINER) == {0: 0}
    world.chain.clear_events()
    world.submit(MINER, JUNK)
    assert [event.kind for event in world.events(Audit.Fault)] == [FaultKind.ServiceRejected]


def test_a_deletion_during_the_round_does_not_hurt_an_honest_miner():
    world = without_plots([FILE])
    world.begin_round(MINER)
    world.delete(ALICE, FILE)
    world.go(3)
    world.prove(MINER, FILE)
    assert not world.events(Audit.Fault)
    assert world.audit.audit_record[MINER].passed == 1
    assert power(world) == 0, "it holds nothing any more"


def test_an_honest_miner_survives_every_order_of_events_in_a_round():
    """Deletions, losses of others, new fragments and repairs between challenge and answer."""
    files = [made_file(str(number)) for number in range(4)]
    for salt in range(6):
        world = World(miners=14)
        world.runtime.beacon.salt = bytes([salt])
        for file in files[:3]:
            world.store(ALICE, file)
        who = world.holder(files[0], 0, 0)
        world.go()
        world.begin_round(who)
        steps = [
            lambda w: w.delete(ALICE, files[1]),
            lambda w: w.store(BOB, files[3]),
            lambda w, place=salt: w.lose(files[2], 0, place),
            lambda w: w.go(2),
        ]
        for step in steps[salt % 4 :] + steps[: salt % 4]:
            if step is steps[2] and world.holder(files[2], 0, salt) == who:
                continue
            step(world)
            check(world)
        world.chain.clear_events()
        world.submit(who, world.proof(who, values_of(files)))
        assert not world.events(Audit.Fault)
        check(world)


def test_removed_holdings_do_not_pass_for_held_ones():
    """When the sample falls on removed holdings only, nothing is asked, paid or forgiven."""
    files = [made_file(str(number)) for number in range(2)]
    world = without_plots(files)
    world.begin_round(MINER)
    world.go(SERVICE_DEADLINE + 1)
    assert world.audit.counted_clear.get(MINER) == 1
    world.delete(ALICE, files[0])
    world.go()
    info = world.begin_round(MINER)
    assert info.slots == 1
    world.date(MINER, 0, removed=BlockNumber(info.start - 1))
    world.chain.clear_events()
    world.submit(MINER, JUNK)
    assert [event.rows for event in world.events(Audit.ServiceProofAccepted)] == [0]
    assert power(world) == 0
    assert world.audit.counted_clear.get(MINER) == 1, "nothing was forgiven"
    assert world.audit.audit_record[MINER].passed == 0


def test_fragments_taken_in_during_a_round_are_paid_only_after_their_own():
    """Gather fragments without their bytes, then answer a round that began before."""
    files = [made_file(str(number)) for number in range(4)]
    world = World(miners=12)
    world.store(ALICE, files[0])
    world.begin_round(MINER)
    for file in files[1:]:
        world.store(BOB, file)
    world.prove(MINER, files[0])
    world.answer_idle(MINER, [])
    assert world.miners.service_space(MINER) == 4 * FRAGMENT
    assert power(world) == power_of(0, FRAGMENT)


def test_idle_answers_of_another_miner_lose_the_part(plot):
    """One directory of plots, two miners: the second cannot use the first one's."""
    world = World(miners=2, plots=1)
    info = world.begin_round(MINERS[1])
    proofs = [
        (draw.t, proof)
        for draw in idle_draws(info.seed, 0, 1, 64)
        if (proof := plot.prove(draw.challenge)) is not None
    ]
    assert proofs, "the plot of the first miner answers the challenges as such"
    world.answer_idle(MINERS[1], proofs)
    assert [event.kind for event in world.events(Audit.Fault)] == [FaultKind.IdleRejected]
    assert power(world, MINERS[1]) == 0


def test_idle_answers_of_an_older_round_lose_the_part(plot):
    world = World(miners=1, plots=1)
    first = world.begin_round(MINER)
    pairs = answers_of(plot, first.seed, 0, 1)
    world.answer_idle(MINER, pairs)
    assert power(world) > power_of(PLOT // 2, 0)
    world.go()
    world.begin_round(MINER)
    world.answer_idle(MINER, pairs)
    assert [event.kind for event in world.events(Audit.Fault)] == [FaultKind.IdleRejected]
    assert power(world) == 0


def test_claiming_more_plots_than_there_are_is_not_paid(plot):
    """One plot of eight: the estimate says so, whatever was certified."""
    world = World(miners=1, plots=8)
    info = world.begin_round(MINER)
    world.answer_idle(MINER, answers_of(plot, info.seed, 0, 8))
    assert power(world) < power_of(3 * PLOT, 0)


def test_plots_that_service_data_displaced_are_not_paid_twice(plot):
    world = World(miners=12, plots=1)
    world.store(ALICE, FILE)
    info = world.begin_round(MINER)
    world.prove(MINER, FILE)
    world.answer_idle(MINER, answers_of(plot, info.seed, 0, 1))
    assert power(world) == power_of(PLOT - FRAGMENT, FRAGMENT)


def test_nobody_answers_for_another(world):
    """A rival with junk in the victim's name only hurts itself: the call is the signer's."""
    world.store(ALICE, FILE)
    victim, rival = world.holder(FILE, 0, 0), world.holder(FILE, 0, 1)
    world.begin_round(victim)
    with pytest.raises(Audit.NoChallenge):
        world.submit(rival, JUNK)
    world.prove(victim, FILE)
    assert not world.events(Audit.Fault)


def test_exit_does_not_end_a_round():
    world = without_plots([FILE])
    world.begin_round(MINER)
    world.leave(MINER)
    world.go(SERVICE_DEADLINE)
    assert [event.kind for event in world.events(Audit.Fault)] == [FaultKind.ServiceMissed]


def test_a_miner_that_is_asked_does_not_withdraw():
    world = without_plots([FILE])
    world.leave(MINER)
    world.go(2 * DAY)
    world.begin_round(MINER)
    world.delete(ALICE, FILE)
    world.go()
    assert world.miners.service_space(MINER) == 0
    with pytest.raises(Sminer.Challenged):
        world.call("Sminer", "miner_withdraw", MINER)
    world.prove(MINER, FILE)
    world.call("Sminer", "miner_withdraw", MINER)
    check(world)
