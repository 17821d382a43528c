"""What proves that an authority did two things, and what only looks like it."""

from dataclasses import replace

import pytest

from primitives.crypto.keys import KeyPair
from primitives.digest import BABE_ENGINE, AuthorityKey, Digest, Other, PreRuntime, Seal
from primitives.equivocation import (
    HEADER_LOGS_MAX,
    BabeEquivocationProof,
    DoublePrecommits,
    DoublePrevotes,
    GrandpaEquivocationProof,
    MembershipProof,
    grandpa_proof,
    is_babe_equivocation,
    is_grandpa_equivocation,
)
from primitives.grandpa import Equivocation, VoteKind
from primitives.header import HEADER_BYTES_MAX
from primitives.scale import U32, U64, decode, encode
from tests.pallets.equivocations import double_block, double_vote, sealed_header, vote_for

AUTHOR, OTHER = KeyPair.from_suri("//Alice"), KeyPair.from_suri("//Bob")
VOTER, SECOND = (KeyPair.from_suri(name, "ed25519") for name in ("//Alice", "//Bob"))
SLOT = 1_000


def headers(first, second, slot=SLOT, offender=AUTHOR) -> BabeEquivocationProof:
    return BabeEquivocationProof(
        offender=AuthorityKey(offender.public),
        slot=U64(slot),
        first_header=first,
        second_header=second,
    )


def test_two_blocks_of_one_slot_are_an_equivocation():
    proof = double_block(AUTHOR, SLOT)
    assert is_babe_equivocation(proof)
    assert decode(BabeEquivocationProof, encode(BabeEquivocationProof, proof)) == proof


def test_what_is_no_double_block():
    one, two = (sealed_header(AUTHOR, SLOT, content) for content in (1, 2))
    bare, seal = two.split_seal()
    assert seal is not None
    twice = bare.sealed(seal).sealed(seal)
    claimless = replace(bare, digest=Digest())
    two_claims = replace(bare, digest=Digest(bare.digest.logs * 2))
    junk = replace(bare, digest=Digest((PreRuntime(engine=BABE_ENGINE, data=b"\x09"),)))
    crowd = (*bare.digest.logs, *(Other(data=b"") for _ in range(HEADER_LOGS_MAX)))
    long = replace(bare, digest=Digest(crowd))
    large = replace(bare, digest=Digest((*bare.digest.logs, Other(data=bytes(HEADER_BYTES_MAX)))))
    foreign = Seal(engine=b"aura", data=seal.data)

    def signed(header):
        return header.sealed(Seal(BABE_ENGINE, AUTHOR.sign(bytes(header.hash()))))

    wrong = {
        "the same block twice": headers(one, one),
        "another slot": headers(one, two, slot=SLOT + 1),
        "two slots": headers(one, sealed_header(AUTHOR, SLOT + 1, 2)),
        "two claims of other authorities": headers(one, sealed_header(AUTHOR, SLOT, 2, author=1)),
        "another's seal": headers(one, sealed_header(OTHER, SLOT, 2)),
        "another offender": headers(one, two, offender=OTHER),
        "no seal": headers(one, bare),
        "an empty seal": headers(one, bare.sealed(Seal(BABE_ENGINE, b""))),
        "a seal of another header": headers(
            one, replace(two, state_root=one.state_root, number=U32(8))
        ),
        "two seals": headers(one, twice),
        "a seal of another engine": headers(one, bare.sealed(foreign)),
        "no claim": headers(one, signed(claimless)),
        "two claims": headers(one, signed(two_claims)),
        "a claim that does not decode": headers(one, signed(junk)),
        "a million items": headers(one, signed(long)),
        "megabytes": headers(one, signed(large)),
    }
    found = [what for what, proof in wrong.items() if is_babe_equivocation(proof)]
    assert found == []


@pytest.mark.parametrize(
    ("kind", "shape"), [(VoteKind.PREVOTE, DoublePrevotes), (VoteKind.PRECOMMIT, DoublePrecommits)]
)
def test_two_votes_of_one_round_are_an_equivocation(kind, shape):
    proof = double_vote(VOTER, 3, 7, kind)
    assert type(proof.equivocation) is shape
    assert is_grandpa_equivocation(proof)
    assert proof.offender == VOTER.public
    assert proof.round == 3
    assert decode(GrandpaEquivocationProof, encode(GrandpaEquivocationProof, proof)) == proof


def test_proposals_are_not_reported():
    first, second = (vote_for(VOTER, at, 3, 7, VoteKind.PROPOSAL) for at in (1, 2))
    assert grandpa_proof(Equivocation(7, 3, first, second)) is None


@pytest.mark.parametrize("kind", [VoteKind.PREVOTE, VoteKind.PRECOMMIT])
def test_what_is_no_double_vote(kind):
    def proof(first, second, round_=3, set_id=7):
        made = grandpa_proof(Equivocation(set_id, round_, first, second))
        assert made is not None
        return made

    one, two = (vote_for(VOTER, at, 3, 7, kind) for at in (1, 2))
    other = VoteKind.PRECOMMIT if kind is VoteKind.PREVOTE else VoteKind.PREVOTE
    wrong = {
        "the same vote twice": proof(one, one),
        "another round": proof(one, two, round_=4),
        "another set": proof(one, two, set_id=8),
        "votes of two rounds": proof(one, vote_for(VOTER, 2, 4, 7, kind)),
        "votes of two sets": proof(one, vote_for(VOTER, 2, 3, 8, kind)),
        "votes of two voters": proof(one, vote_for(SECOND, 2, 3, 7, kind)),
        "votes of two kinds": proof(one, vote_for(VOTER, 2, 3, 7, other)),
        "a signature of another vote": proof(one, replace(two, signature=one.signature)),
        "another's name": proof(replace(one, authority=AuthorityKey(SECOND.public)), two),
    }
    found = [what for what, made in wrong.items() if is_grandpa_equivocation(made)]
    assert found == []


def test_a_membership_proof_is_session_nodes_and_count():
    made = MembershipProof(session=U32(1), trie_nodes=(b"\x05",), validator_count=U32(3))
    assert encode(MembershipProof, made).hex() == "01000000" + "040405" + "03000000"
