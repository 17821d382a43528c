"""Who votes twice in a round is punished, once, and nobody else ever is."""

from dataclasses import replace

import pytest

from pallets.frame import Weight
from pallets.grandpa import Grandpa
from pallets.offences import slash_fraction
from primitives.equivocation import GrandpaEquivocationProof, MembershipProof, grandpa_proof
from primitives.grandpa import Equivocation, VoteKind
from primitives.scale import U32, U64
from primitives.types import AccountId
from tests.pallets import equivocations
from tests.pallets.equivocations import (
    START,
    WHO,
    double_vote,
    report,
    report_call,
    seven_validators,
    vote_for,
)
from tests.pallets.small_chains import (
    DAVE,
    EPOCH_SLOTS,
    SESSIONS_KEPT,
    SlotChain,
    voter_of,
)

KIND = b"grandpa:equivoca"


@pytest.fixture
def chain() -> SlotChain:
    return seven_validators()


def owner_proof(chain: SlotChain, seed: int) -> MembershipProof:
    return equivocations.owner_proof(chain, seed, "Grandpa")


def next_session(chain: SlotChain, elected: tuple[AccountId, ...] | None = None) -> None:
    """Finish the block that is begun, and begin the first block of the next session."""
    chain.finish()
    index = int(chain.runtime.session.current_index.get())
    if elected is not None:
        chain.elector.answers[index + 2] = elected
    chain.begin_at(START + (index + 1) * EPOCH_SLOTS)


def votes(first, second, round_=3, set_id=0) -> GrandpaEquivocationProof:
    made = grandpa_proof(Equivocation(set_id, round_, first, second))
    assert made is not None
    return made


@pytest.mark.parametrize("kind", [VoteKind.PREVOTE, VoteKind.PRECOMMIT])
def test_an_equivocation_is_punished_and_its_reporter_pays_nothing(chain, kind):
    post = report(chain, double_vote(voter_of(5), 3, 0, kind), owner_proof(chain, 5))
    assert chain.judge.cases == [((WHO[5],), slash_fraction(1, 7), 0, KIND)]
    assert chain.judge.reporters == [(DAVE,)]
    assert post.pays_fee is False
    made = report_call(chain, double_vote(voter_of(5), 3, 0, kind), owner_proof(chain, 5))
    assert isinstance(post.weight, Weight)
    assert post.weight.fits(made.info().weight)
    assert chain.runtime.session.disabled(in_next=False) == (5,)


def test_a_report_does_not_count_twice_whatever_round_it_is_of(chain):
    owner = owner_proof(chain, 5)
    report(chain, double_vote(voter_of(5), 3, 0), owner)
    for round_, kind in (
        (3, VoteKind.PREVOTE),
        (3, VoteKind.PRECOMMIT),
        (1 << 60, VoteKind.PREVOTE),
    ):
        with pytest.raises(Grandpa.DuplicateOffenceReport):
            report(chain, double_vote(voter_of(5), round_, 0, kind), owner)
    assert len(chain.judge.cases) == 1


def test_votes_together_are_punished_together_in_whatever_rounds(chain):
    for round_, seed in enumerate((1, 4, 6)):
        report(chain, double_vote(voter_of(seed), round_, 0), owner_proof(chain, seed))
    assert chain.judge.cases[-1] == ((WHO[1], WHO[4], WHO[6]), slash_fraction(3, 7), 0, KIND)


def test_a_forged_equivocation_punishes_nobody(chain):
    owner = owner_proof(chain, 5)
    one, two = (vote_for(voter_of(5), at, 3, 0) for at in (1, 2))
    good, later = votes(one, two), double_vote(voter_of(5), 3, 1)
    forged = {
        "one vote twice": votes(one, one),
        "votes of two rounds": votes(one, vote_for(voter_of(5), 2, 4, 0)),
        "votes of two kinds": votes(one, vote_for(voter_of(5), 2, 3, 0, VoteKind.PRECOMMIT)),
        "another's vote": votes(one, vote_for(voter_of(6), 2, 3, 0)),
        "another round": votes(one, two, round_=4),
        "a set that never was": later,
        "votes of a later set as of this one": replace(later, set_id=U64(0)),
        "a bad signature": votes(one, replace(two, signature=one.signature)),
    }
    for proof in forged.values():
        with pytest.raises(Grandpa.InvalidEquivocationProof):
            report(chain, proof, owner)
    assert chain.judge.cases == []
    report(chain, good, owner)


def test_an_equivocation_of_nobody_in_the_session_punishes_nobody(chain):
    own, good = owner_proof(chain, 5), double_vote(voter_of(5), 3, 0)
    for proof, owner in (
        (double_vote(voter_of(9), 3, 0), own),
        (good, replace(own, trie_nodes=())),
        (good, replace(own, validator_count=U32(1))),
    ):
        with pytest.raises(Grandpa.InvalidKeyOwnershipProof):
            report(chain, proof, owner)
    assert chain.judge.cases == []


def test_a_set_counts_for_its_own_sessions_only(chain):
    shown = [owner_proof(chain, 5)]
    next_session(chain)
    shown.append(owner_proof(chain, 5))
    next_session(chain, WHO[1:])
    shown.append(owner_proof(chain, 5))
    next_session(chain)  # set 1 votes from its end on
    shown.append(owner_proof(chain, 5))
    next_session(chain)
    assert chain.runtime.grandpa.set_id() == 1
    good = {0: (0, 1, 2), 1: (3,)}
    for set_id, sessions in good.items():
        for at, owner in enumerate(shown):
            if at not in sessions:
                with pytest.raises(Grandpa.InvalidEquivocationProof):
                    report(chain, double_vote(voter_of(5), 3, set_id), owner)
        for at in sessions:
            report(chain, double_vote(voter_of(5), 3, set_id), shown[at])
    assert [case[2] for case in chain.judge.cases] == [0, 1, 2, 3]


def test_a_session_that_is_forgotten_punishes_nobody(chain):
    owner = owner_proof(chain, 5)
    for _ in range(SESSIONS_KEPT):
        next_session(chain)
    report(chain, double_vote(voter_of(5), 3, 0), owner)
    other = owner_proof(chain, 6)
    assert other.session == SESSIONS_KEPT
    next_session(chain)
    with pytest.raises(Grandpa.InvalidKeyOwnershipProof):
        report(chain, double_vote(voter_of(5), 9, 0), owner)
