"""Whose slot it is: one authority's, everybody knows whose, and nobody else gets it."""

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.babe import check_claim, secondary_author
from primitives.digest import (
    Primary,
    SecondaryPlain,
    SecondaryVrf,
    VrfPreOutput,
    VrfProof,
    VrfSignature,
)
from primitives.errors import InvalidBlock
from primitives.scale import U32, U64

SEED = bytes(range(32))
VRF = VrfSignature(pre_output=VrfPreOutput(bytes(32)), proof=VrfProof(bytes(64)))


def plain(author: int, slot: int = 7) -> SecondaryPlain:
    return SecondaryPlain(authority_index=U32(author), slot=U64(slot))


@given(st.integers(0, 2**64 - 1), st.binary(min_size=32, max_size=32), st.integers(1, 100))
def test_the_owner_is_the_hash_of_randomness_and_slot_modulo_the_authorities(slot, seed, count):
    drawn = hashlib.blake2b(seed + slot.to_bytes(8, "little"), digest_size=32).digest()
    expected = 0
    for byte in drawn:  # big-endian, as U256::from_big_endian reads it
        expected = (expected * 256 + byte) % count
    assert secondary_author(slot, seed, count) == expected


def test_a_single_authority_owns_every_slot():
    assert {secondary_author(slot, SEED, 1) for slot in range(100)} == {0}


def test_authorities_get_about_equally_many_slots():
    owned = Counter(secondary_author(slot, SEED, 4) for slot in range(4_000))
    assert sorted(owned) == [0, 1, 2, 3]
    assert all(900 < count < 1_100 for count in owned.values())


def test_the_owner_of_a_slot_may_claim_it():
    check_claim(plain(secondary_author(7, SEED, 3)), SEED, 3)


def test_nobody_else_may_claim_it():
    owner = secondary_author(7, SEED, 3)
    for author in {0, 1, 2} - {owner}:
        with pytest.raises(InvalidBlock, match="belongs to"):
            check_claim(plain(author), SEED, 3)


def test_an_authority_that_does_not_exist_claims_nothing():
    for author in (3, 2**32 - 1):
        with pytest.raises(InvalidBlock, match="none of 3"):
            check_claim(plain(author), SEED, 3)
    with pytest.raises(InvalidBlock, match="none of 0"):
        check_claim(plain(0), SEED, 0)


@pytest.mark.parametrize("kind", [Primary, SecondaryVrf])
def test_claims_with_a_random_function_are_refused(kind):
    owner = secondary_author(7, SEED, 3)
    claim = kind(authority_index=U32(owner), slot=U64(7), vrf_signature=VRF)
    with pytest.raises(InvalidBlock, match="secondary plain"):
        check_claim(claim, SEED, 3)
