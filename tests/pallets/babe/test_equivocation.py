"""Who makes two blocks for one slot is punished, once, and nobody else ever is."""

from dataclasses import replace

import pytest

from pallets.babe import Babe
from pallets.frame import Weight
from pallets.offences import slash_fraction
from primitives.equivocation import MembershipProof
from primitives.scale import U32, U64
from tests.pallets import equivocations
from tests.pallets.equivocations import (
    START,
    double_block,
    report,
    report_call,
    sealed_header,
    seven_validators,
)
from tests.pallets.small_chains import (
    ALICE,
    BOB,
    DAVE,
    EPOCH_SLOTS,
    MANY,
    SESSIONS_KEPT,
    SlotChain,
    keys_of,
    pair_of,
    proof_of,
    signed,
)

KIND = b"babe:equivocatio"


@pytest.fixture
def chain() -> SlotChain:
    return seven_validators()


def owner_proof(chain: SlotChain, seed: int) -> MembershipProof:
    return equivocations.owner_proof(chain, seed, "Babe")


def run_to_session(chain: SlotChain, session: int) -> None:
    """Finish the block that is begun, and begin the first block of ``session``."""
    chain.finish()
    while chain.runtime.session.current_index.get() < session:
        now = int(chain.runtime.session.current_index.get())
        chain.begin_at(START + (now + 1) * EPOCH_SLOTS)
        if now + 1 < session:
            chain.finish()


def test_an_equivocation_is_punished_and_its_reporter_pays_nothing(chain):
    post = report(chain, double_block(pair_of(5), START), owner_proof(chain, 5))
    assert chain.judge.cases == [((MANY[5][0],), slash_fraction(1, 7), 0, KIND)]
    assert chain.judge.reporters == [(DAVE,)]
    assert post.pays_fee is False
    assert post.weight is not None
    assert chain.runtime.babe.authorities_at(START + 1).disabled == (5,)


def test_a_report_uses_no_more_than_it_declares(chain):
    proof, owner = double_block(pair_of(5), START), owner_proof(chain, 5)
    declared = report_call(chain, proof, owner).info().weight
    for seed in (1, 2, 3, 5):
        post = report(chain, double_block(pair_of(seed), START), owner_proof(chain, seed))
        assert isinstance(post.weight, Weight)
        assert post.weight.fits(declared)


def test_a_report_does_not_count_twice_whatever_it_shows(chain):
    owner = owner_proof(chain, 5)
    report(chain, double_block(pair_of(5), START), owner)
    again = [
        double_block(pair_of(5), START),
        replace(double_block(pair_of(5), START), first_header=sealed_header(pair_of(5), START, 9)),
        double_block(pair_of(5), START, author=5),
    ]
    for proof in again:
        for who in (DAVE, BOB):
            with pytest.raises(Babe.DuplicateOffenceReport):
                report(chain, proof, owner, who)
    assert len(chain.judge.cases) == 1


def test_a_forged_equivocation_punishes_nobody(chain):
    good, owner = double_block(pair_of(5), START), owner_proof(chain, 5)
    forged = {
        "one block twice": replace(good, second_header=good.first_header),
        "blocks of two slots": replace(good, second_header=sealed_header(pair_of(5), START + 1, 2)),
        "another slot": replace(good, slot=U64(START + 1)),
        "the seal of another": replace(good, second_header=sealed_header(pair_of(6), START, 2)),
        "no seal": replace(good, second_header=good.second_header.split_seal()[0]),
        "a slot before the chain": double_block(pair_of(5), START - 1),
        "a slot that has not come": double_block(pair_of(5), START + 1),
    }
    for proof in forged.values():
        with pytest.raises(Babe.InvalidEquivocationProof):
            report(chain, proof, owner)
    assert chain.judge.cases == []


def test_an_equivocation_of_nobody_in_the_session_punishes_nobody(chain):
    stranger = double_block(pair_of(9), START)
    own, good = owner_proof(chain, 5), double_block(pair_of(5), START)
    for proof, owner in (
        (stranger, own),  # another validator's proof
        (good, replace(own, trie_nodes=())),
        (good, replace(own, validator_count=U32(1))),  # would be all of the validators
        (good, replace(own, session=U32(1))),
    ):
        with pytest.raises(Babe.InvalidKeyOwnershipProof):
            report(chain, proof, owner)
    assert chain.judge.cases == []


def test_a_late_report_counts_for_the_session_of_the_slot(chain):
    owner = owner_proof(chain, 5)
    run_to_session(chain, SESSIONS_KEPT)
    report(chain, double_block(pair_of(5), START), owner)
    assert chain.judge.cases[-1][2] == 0


def test_a_session_that_is_forgotten_punishes_nobody(chain):
    owner = owner_proof(chain, 5)
    run_to_session(chain, SESSIONS_KEPT + 1)
    with pytest.raises(Babe.InvalidKeyOwnershipProof):
        report(chain, double_block(pair_of(5), START), owner)


def test_a_slot_counts_for_its_own_session_only(chain):
    early = owner_proof(chain, 5)
    run_to_session(chain, 1)
    late = owner_proof(chain, 5)
    first = START + EPOCH_SLOTS
    with pytest.raises(Babe.InvalidKeyOwnershipProof):
        report(chain, double_block(pair_of(5), START), late)
    with pytest.raises(Babe.InvalidKeyOwnershipProof):
        report(chain, double_block(pair_of(5), first), early)
    report(chain, double_block(pair_of(5), first), late)
    report(chain, double_block(pair_of(5), START), early)
    assert [case[2] for case in chain.judge.cases] == [1, 0]


def test_sessions_are_found_beyond_skipped_epochs(chain):
    chain.finish()
    where = {0: 0}
    for session, epoch in enumerate((1, 4, 5, 9), 1):
        chain.block(START + epoch * EPOCH_SLOTS)
        where[epoch] = session
    assert [int(found[0]) for found in chain.runtime.babe.skipped_epochs.get()] == [4, 9]
    chain.begin_at(START + 9 * EPOCH_SLOTS + 1)
    babe = chain.runtime.babe
    assert {epoch: babe.session_of(epoch) for epoch in where} == where
    report(chain, double_block(pair_of(5), START + 9 * EPOCH_SLOTS), owner_proof(chain, 5))
    assert chain.judge.cases[-1][2] == 4


def test_who_changes_its_keys_is_punished_for_the_old_ones(chain):
    who = MANY[5][0]
    owner = owner_proof(chain, 5)
    chain.call("Session", "set_keys", signed(who), keys=keys_of(9), proof=proof_of(9, who))
    report(chain, double_block(pair_of(5), START), owner)
    chain.call("Session", "purge_keys", signed(ALICE))
    report(chain, double_block(pair_of(0), START), owner_proof(chain, 0))
    assert chain.judge.cases[-1][0] == (who, ALICE)
