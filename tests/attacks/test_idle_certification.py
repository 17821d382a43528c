"""Attacks on the certification of plots, with plots that are real."""

import pytest

from pallets.file_bank.types import IdleAnswer, IdleAnswers, IdleProofBytes
from pallets.sminer import Sminer
from primitives.scale import U16
from proofs.pois.challenge import idle_draws
from tests.pallets.sminer.space_chain import (
    ALICE,
    BOB,
    CERT_DRAWS,
    IDLE_DEADLINE,
    PLOT,
    answers_of,
    drawn_seed,
    honest_answers,
    plots,
    start,
)


def asked(who=ALICE, count=2, units=1):
    world = start()
    world.register(who, units=units)
    world.request(who, count)
    world.pass_blocks(1)
    return world


def refused(world, error, answers, who=ALICE):
    with world.no_trace(), pytest.raises(error):
        world.prove(who, answers if isinstance(answers, IdleAnswers) else answers_of(answers))


def test_plots_of_another_miner_prove_nothing():
    """Bob has Alice's plots, by theft or by agreement, and answers his own draws from them."""
    world = asked(BOB)
    made = plots()
    stolen = {
        draw.t: made[draw.index].prove(draw.challenge)
        for draw in idle_draws(drawn_seed(world, BOB), 0, 2, CERT_DRAWS)
    }
    stolen = {t: proof for t, proof in stolen.items() if proof is not None}
    assert len(stolen) > CERT_DRAWS // 4
    refused(world, Sminer.InvalidIdleProof, stolen, BOB)


def test_answers_seen_in_the_pool_are_of_no_use_to_another():
    """Bob sends Alice's very call before her, and she is not hindered."""
    world = asked()
    answers = honest_answers(drawn_seed(world))
    world.register(BOB)
    refused(world, Sminer.NoCertification, answers, BOB)
    world.prove(ALICE, answers_of(answers))


def test_an_accepted_certification_cannot_be_replayed():
    world = asked()
    answers = honest_answers(drawn_seed(world))
    world.prove(ALICE, answers_of(answers))
    refused(world, Sminer.NoCertification, answers)
    world.request(ALICE, 2)
    world.pass_blocks(1)
    refused(world, Sminer.InvalidIdleProof, answers)
    assert world.sminer.miner_items[ALICE].idle_space == 2 * PLOT


def test_plots_that_are_certified_already_do_not_stand_for_new_ones():
    """Ask for two more indexes and answer from the two plots that are there."""
    world = asked()
    world.prove(ALICE, answers_of(honest_answers(drawn_seed(world))))
    world.request(ALICE, 2)
    world.pass_blocks(1)
    made = plots()
    reused = {
        draw.t: made[draw.index - 2].prove(draw.challenge)
        for draw in idle_draws(drawn_seed(world), 2, 4, CERT_DRAWS)
    }
    refused(world, Sminer.InvalidIdleProof, {t: p for t, p in reused.items() if p is not None})


def test_a_claim_of_ten_times_the_plots_fails():
    """Alice has two plots and claims twenty; she answers every draw that she can."""
    world = asked(count=20, units=5)
    answers = honest_answers(drawn_seed(world), count=20)
    assert 0 < len(answers) < CERT_DRAWS // 4
    refused(world, Sminer.InsufficientIdleProof, answers)


def test_one_answer_repeated_is_not_many():
    world = asked()
    t, proof = next(iter(honest_answers(drawn_seed(world)).items()))
    one = IdleAnswer(t=U16(t), proof=IdleProofBytes(proof))
    refused(world, Sminer.InvalidIdleProof, IdleAnswers([one] * CERT_DRAWS))


def test_one_proof_given_for_many_draws_is_not_many():
    world = asked()
    proof = next(iter(honest_answers(drawn_seed(world)).values()))
    refused(world, Sminer.InvalidIdleProof, dict.fromkeys(range(CERT_DRAWS), proof))


def test_asking_again_gives_no_other_seed_before_the_deadline():
    """Grinding: ask until the draws fall on the plots that are there."""
    world = asked()
    seed = drawn_seed(world)
    for _ in range(IDLE_DEADLINE + 1):
        with world.no_trace(), pytest.raises(Sminer.CertificationPending):
            world.request(ALICE, 1)
        refused(world, Sminer.InsufficientIdleProof, {})
        assert drawn_seed(world) == seed
        world.pass_blocks(1)


def test_the_seed_is_not_known_when_the_claim_is_made():
    """The same claim made one block later gets another seed; nothing of it is chosen by Alice."""
    seeds = set()
    for wait in range(4):
        world = start()
        world.register()
        world.pass_blocks(wait)
        world.request(ALICE, 2)
        assert world.sminer.pending_idle[ALICE].seed is None
        world.pass_blocks(1)
        seeds.add(drawn_seed(world))
    assert len(seeds) == 4


def test_answers_after_the_deadline_are_too_late():
    world = asked()
    answers = honest_answers(drawn_seed(world))
    world.pass_blocks(IDLE_DEADLINE + 1)
    refused(world, Sminer.CertificationExpired, answers)


def test_answers_to_the_seed_that_expired_do_not_answer_the_next():
    world = asked()
    answers = honest_answers(drawn_seed(world))
    world.pass_blocks(IDLE_DEADLINE + 1)
    world.request(ALICE, 2)
    world.pass_blocks(1)
    refused(world, Sminer.InvalidIdleProof, answers)


@pytest.mark.parametrize("flip", [0, 71, 143])
def test_a_proof_with_one_bit_changed_is_wrong(flip):
    world = asked()
    answers = honest_answers(drawn_seed(world))
    t, proof = next(iter(answers.items()))
    forged = bytearray(proof)
    forged[flip] ^= 1
    refused(world, Sminer.InvalidIdleProof, {**answers, t: bytes(forged)})
