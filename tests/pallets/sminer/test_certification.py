"""Plots become idle space once, for whoever made them, and with proofs of space that are real."""

from math import comb, exp

import pytest

from pallets.file_bank import FileBank
from pallets.file_bank.types import IdleAnswer, IdleAnswers, IdleProofBytes
from pallets.sminer import MinerState, Sminer
from pallets.sminer.certification import SEEDS_PER_BLOCK_MAX, needed_bytes
from primitives.scale import U16, U64, U128
from primitives.types import AccountId, BlockNumber
from proofs.pois.params import answer_rate, plot_bytes
from proofs.pois.verify import estimate_bytes
from tests.pallets.sminer.space_chain import (
    ALICE,
    BOB,
    CERT_DRAWS,
    IDLE_DEADLINE,
    PLOT,
    PLOTS_PER_UNIT,
    UNIT,
    answers_of,
    drawn_seed,
    honest_answers,
    proofs_hold,
    start,
)
from tests.pallets.sminer.test_pallet import set_miner


def asked(count=2):
    """A chain on which Alice's certification of ``count`` plots has its seed."""
    world = start()
    world.register()
    world.request(ALICE, count)
    world.pass_blocks(1)
    return world, honest_answers(drawn_seed(world), count)


def refused(world, error, proofs):
    with world.no_trace(), pytest.raises(error):
        world.prove(ALICE, answers_of(proofs))


def test_an_honest_miner_certifies_its_plots():
    world, answers = asked()
    world.prove(ALICE, answers_of(answers))
    info = world.sminer.miner_items[ALICE]
    assert info.idle_space == 2 * PLOT == world.space.total_idle_space.get()
    assert (info.space_proof_info.front, info.space_proof_info.rear) == (0, 2)
    assert ALICE not in world.sminer.pending_idle
    assert FileBank.IdleSpaceCert(acc=ALICE, space=U128(2 * PLOT)) in world.events()


def test_the_answers_may_come_in_any_order():
    world, answers = asked()
    world.prove(ALICE, answers_of(dict(reversed(answers.items()))))
    assert world.sminer.miner_items[ALICE].idle_space == 2 * PLOT


def test_half_of_the_claim_is_enough_and_less_is_not():
    world, answers = asked()
    # Half of two plots is proved by 25 of 64 answers: 1 - e^(-0.95 / 2) = 0.378.
    assert len(answers) >= 25
    few = dict(list(answers.items())[:24])
    refused(world, Sminer.InsufficientIdleProof, few)
    refused(world, Sminer.InsufficientIdleProof, {})
    enough = dict(list(answers.items())[:25])
    world.prove(ALICE, answers_of(enough))


def test_a_wrong_answer_refuses_all_and_may_be_corrected():
    world, answers = asked()
    first = next(iter(answers))
    refused(world, Sminer.InvalidIdleProof, {**answers, first: bytes(len(answers[first]))})
    world.prove(ALICE, answers_of(answers))


def test_an_answer_to_another_draw_is_wrong():
    world, answers = asked()
    (_, proof), (other, _) = list(answers.items())[:2]
    refused(world, Sminer.InvalidIdleProof, {**answers, other: proof})
    unanswered = next(t for t in range(CERT_DRAWS) if t not in answers)
    refused(world, Sminer.InvalidIdleProof, {**answers, unanswered: proof})
    refused(world, Sminer.InvalidIdleProof, {**answers, CERT_DRAWS: proof})


def test_an_answer_given_twice_is_refused():
    world, answers = asked()
    t, proof = next(iter(answers.items()))
    twice = IdleAnswers((*answers_of(answers), IdleAnswer(t=U16(t), proof=IdleProofBytes(proof))))
    with world.no_trace(), pytest.raises(Sminer.InvalidIdleProof):
        world.prove(ALICE, twice)


@pytest.mark.parametrize("length", [0, 1, 143, 145])
def test_a_proof_of_another_length_is_wrong(length):
    world, answers = asked()
    first = next(iter(answers))
    refused(world, Sminer.InvalidIdleProof, {**answers, first: bytes(length)})


# Asking.


def test_a_request_waits_for_the_seed_of_the_next_block(world):
    world.register()
    world.request(ALICE, 2)
    pending = world.sminer.pending_idle[ALICE]
    assert (pending.from_index, pending.to_index, pending.seed) == (0, 2, None)
    assert (
        FileBank.IdleSpaceRequest(acc=ALICE, from_index=U64(0), to_index=U64(2)) in world.events()
    )
    with world.no_trace(), pytest.raises(Sminer.SeedNotDrawn):
        world.prove(ALICE, answers_of({}))
    world.pass_blocks(1)
    pending = world.sminer.pending_idle[ALICE]
    assert pending.deadline == 2 + IDLE_DEADLINE
    assert Sminer.IdleSeedDrawn(miner=ALICE, deadline=pending.deadline) in world.events()


def test_a_certification_asks_for_plots_behind_the_last(world):
    world.register()
    world.certify(count=1)
    world.request(ALICE, 2)
    pending = world.sminer.pending_idle[ALICE]
    assert (pending.from_index, pending.to_index) == (1, 3)


def test_the_plots_must_fit_the_declared_space(world):
    world.register()
    with world.no_trace(), pytest.raises(Sminer.ExceedingDeclarationSpace):
        world.request(ALICE, PLOTS_PER_UNIT + 1)
    with world.no_trace(), pytest.raises(Sminer.ExceedingDeclarationSpace):
        world.request(ALICE, 2**64 - 1)
    world.certify(count=PLOTS_PER_UNIT)
    with world.no_trace(), pytest.raises(Sminer.ExceedingDeclarationSpace):
        world.request(ALICE, 1)


def test_the_plots_must_still_fit_when_they_are_proved(world):
    world.register(units=2)
    world.request(ALICE, PLOTS_PER_UNIT + 1)
    world.pass_blocks(1)
    set_miner(world, declaration_space=U128(UNIT))
    with world.no_trace(), pytest.raises(Sminer.ExceedingDeclarationSpace), proofs_hold():
        world.prove(ALICE, answers_of(dict.fromkeys(range(CERT_DRAWS), b"p")))


def test_no_plot_is_no_claim(world):
    world.register()
    with world.no_trace(), pytest.raises(Sminer.CountError):
        world.request(ALICE, 0)


def test_only_a_miner_asks_and_proves(world):
    with world.no_trace(), pytest.raises(Sminer.NotMiner):
        world.request(ALICE, 1)
    with world.no_trace(), pytest.raises(Sminer.NotMiner):
        world.prove(ALICE, answers_of({}))
    with world.no_trace(), pytest.raises(Sminer.NotMiner):
        world.by(ALICE, "FileBank", "replace_idle_space", count=U64(1))


@pytest.mark.parametrize(
    "state", [MinerState.Frozen, MinerState.Lock, MinerState.Exit, MinerState.Offline]
)
def test_only_a_positive_miner_asks_and_proves(world, state):
    world.register()
    world.request(ALICE, 1)
    world.pass_blocks(1)
    set_miner(world, state=state)
    with world.no_trace(), pytest.raises(Sminer.NotpositiveState):
        world.prove(ALICE, answers_of({}))
    with world.no_trace(), pytest.raises(Sminer.NotpositiveState):
        world.request(ALICE, 1)


def test_nothing_is_proved_that_was_not_asked(world):
    world.register()
    with world.no_trace(), pytest.raises(Sminer.NoCertification):
        world.prove(ALICE, answers_of({}))


def test_answers_are_taken_up_to_the_deadline(world):
    world.register()
    world.request(ALICE, 1)
    world.pass_blocks(1 + IDLE_DEADLINE)
    with world.no_trace(), pytest.raises(Sminer.CertificationPending):
        world.request(ALICE, 1)
    with proofs_hold():
        world.prove(ALICE, answers_of(dict.fromkeys(range(CERT_DRAWS), b"p")))


def test_after_the_deadline_the_certification_is_asked_for_again(world):
    world.register()
    world.request(ALICE, 1)
    world.pass_blocks(2 + IDLE_DEADLINE)
    seed = drawn_seed(world)
    with world.no_trace(), pytest.raises(Sminer.CertificationExpired):
        world.prove(ALICE, answers_of({}))
    world.request(ALICE, 1)
    world.pass_blocks(1)
    assert drawn_seed(world) != seed


def test_two_certifications_at_once_are_refused(world):
    world.register()
    world.request(ALICE, 1)
    with world.no_trace(), pytest.raises(Sminer.CertificationPending):
        world.request(ALICE, 1)
    world.pass_blocks(1)
    with world.no_trace(), pytest.raises(Sminer.CertificationPending):
        world.request(ALICE, 1)


def test_a_crowd_of_requests_gets_its_seeds_in_turn(world):
    world.register()
    world.request(ALICE, 1)
    template = world.sminer.pending_idle[ALICE]
    crowd = [AccountId(index.to_bytes(32, "little")) for index in range(1, 2 * SEEDS_PER_BLOCK_MAX)]
    for who in crowd:
        world.sminer.pending_idle[who] = template
        tail = world.sminer.idle_queue_tail.get()
        world.sminer.idle_queue[tail] = who
        world.sminer.idle_queue_tail.put(U64(tail + 1))

    def waiting():
        pending = world.sminer.pending_idle
        return sum(pending[who].seed is None for who in (ALICE, *crowd))

    world.pass_blocks(1)
    assert waiting() == SEEDS_PER_BLOCK_MAX
    world.pass_blocks(1)
    assert waiting() == 0
    assert world.sminer.idle_queue.keys(limit=1) == []
    deadlines = {int(world.sminer.pending_idle[who].deadline) for who in crowd}
    assert deadlines == {2 + IDLE_DEADLINE, 3 + IDLE_DEADLINE}


def test_whoever_left_since_it_asked_gets_no_seed(world):
    world.register()
    world.request(ALICE, 1)
    world.sminer.force_exit(ALICE)
    world.pass_blocks(1)
    assert ALICE not in world.sminer.pending_idle
    assert world.sminer.idle_queue.keys(limit=1) == []


def test_a_seed_once_drawn_is_never_drawn_again(world):
    """A miner that left with a request in a long queue and came back stands in it twice."""
    world.register()
    world.request(ALICE, 1)
    tail = world.sminer.idle_queue_tail.get()
    world.sminer.idle_queue[U64(tail + SEEDS_PER_BLOCK_MAX)] = ALICE
    world.sminer.idle_queue_tail.put(U64(tail + SEEDS_PER_BLOCK_MAX + 1))
    world.pass_blocks(1)
    pending = world.sminer.pending_idle[ALICE]
    world.pass_blocks(1)
    assert world.sminer.pending_idle[ALICE] == pending
    assert world.sminer.idle_queue.keys(limit=1) == []


def test_a_deadline_beyond_the_last_block_does_not_stop_the_chain(world):
    world.register()
    world.request(ALICE, 1)
    last = BlockNumber(2**32 - 2)
    world.sminer.on_initialize(last)
    assert world.sminer.pending_idle[ALICE].deadline == 2**32 - 1


# Retiring plots.


def test_plots_are_retired_as_far_as_service_data_displaced_them(world):
    world.register()
    world.certify(count=3)
    world.store(size=2 * PLOT - 1)
    with world.no_trace(), pytest.raises(Sminer.InsufficientReplaceable):
        world.by(ALICE, "FileBank", "replace_idle_space", count=U64(2))
    world.by(ALICE, "FileBank", "replace_idle_space", count=U64(1))
    info = world.sminer.miner_items[ALICE]
    assert (info.space_proof_info.front, info.space_proof_info.rear) == (1, 3)
    assert world.sminer.pending_replacements.get(ALICE) == PLOT - 1
    assert FileBank.ReplaceIdleSpace(acc=ALICE, space=U128(PLOT)) in world.events()
    world.store(size=1)
    world.by(ALICE, "FileBank", "replace_idle_space", count=U64(1))
    assert ALICE not in world.sminer.pending_replacements


@pytest.mark.parametrize(
    ("count", "error"), [(0, "CountError"), (2**64 - 1, "InsufficientReplaceable")]
)
def test_the_number_of_retired_plots_is_bounded(world, count, error):
    world.register()
    world.certify(count=1)
    world.store(size=PLOT)
    with world.no_trace(), pytest.raises(getattr(Sminer, error)):
        world.by(ALICE, "FileBank", "replace_idle_space", count=U64(count))


def test_a_stranger_does_not_answer_for_the_miner():
    world, answers = asked()
    world.register(BOB)
    world.request(BOB, 2)
    world.pass_blocks(1)
    with world.no_trace(), pytest.raises(Sminer.InvalidIdleProof):
        world.prove(BOB, answers_of(answers))


# How much of a claim is believed.


@pytest.mark.parametrize(
    ("draws", "needed"),
    [(1, 500), (16, 500), (64, 500), (80, 500), (81, 556), (100, 600), (256, 750), (1024, 875)],
)
def test_more_draws_believe_less_beyond_the_estimate(draws, needed):
    assert needed_bytes(1_000, draws) == needed


def test_what_is_needed_is_rounded_up():
    assert needed_bytes(3, 64) == 2
    assert needed_bytes(1, 256) == 1
    assert needed_bytes(0, 256) == 0


def passing(share, draws, k):
    """How often a miner that keeps ``share`` of its claim passes, over many plots."""
    claim = 10**6
    least = next(
        found
        for found in range(draws + 1)
        if estimate_bytes(found, draws, claim, k) >= needed_bytes(claim * plot_bytes(k), draws)
    )
    answered = share * (1 - exp(-answer_rate(k) / 2**20))
    return sum(
        comb(draws, found) * answered**found * (1 - answered) ** (draws - found)
        for found in range(least, draws + 1)
    )


@pytest.mark.parametrize(("draws", "k"), [(64, 18), (256, 32)])
def test_an_honest_miner_hardly_ever_fails(draws, k):
    assert 1 - passing(1, draws, k) < 0.001


def test_a_cheat_hardly_ever_passes():
    assert passing(1 / 3, 64, 18) < 0.001
    assert passing(1 / 2, 64, 18) < 0.1
    assert passing(1 / 2, 256, 32) < 1e-11
    assert passing(2 / 3, 256, 32) < 0.001
