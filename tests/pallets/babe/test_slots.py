"""Whose slot it is: who has no right to it, or shows another output than its own, is refused."""

import hashlib
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pallets.babe import SlotEpoch, check_claim, secondary_author, wins_primary
from primitives.digest import (
    AllowedSlots,
    BabePreDigest,
    Primary,
    SecondaryPlain,
    SecondaryVrf,
    VrfPreOutput,
    VrfProof,
    VrfSignature,
)
from primitives.errors import InvalidBlock
from primitives.scale import U32, U64
from tests.pallets.small_chains import pair_of, signature_of

SEED = bytes(range(32))
EPOCH = SlotEpoch(
    index=4,
    authorities=tuple(pair_of(seed).public for seed in range(3)),
    weights=(1, 1, 1),
    randomness=SEED,
    c=(1, 4),
)


def wins(slot: int, author: int, epoch: SlotEpoch = EPOCH) -> bool:
    output = pair_of(author).vrf_key().evaluate(epoch.transcript(slot))
    return wins_primary(output, epoch, author)


def owner(slot: int) -> int:
    return secondary_author(slot, SEED, 3)


def made(
    kind: type[Primary | SecondaryVrf],
    slot: int,
    author: int,
    signature: VrfSignature | None = None,
) -> BabePreDigest:
    return kind(
        authority_index=U32(author),
        slot=U64(slot),
        vrf_signature=signature or signature_of(slot, author, EPOCH),
    )


# Secondary slots.


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
    for slot in range(5):
        claim = made(SecondaryVrf, slot, owner(slot))
        output = check_claim(claim, EPOCH)
        assert output.pre_output == claim.vrf_signature.pre_output


def test_nobody_else_may_claim_it_as_a_secondary_one():
    for author in {0, 1, 2} - {owner(7)}:
        with pytest.raises(InvalidBlock, match="belongs to"):
            check_claim(made(SecondaryVrf, 7, author), EPOCH)


# Primary slots.


def test_the_winner_of_a_slot_may_claim_it_whoever_owns_it():
    won = [(slot, at) for slot in range(40) for at in range(3) if wins(slot, at)]
    strangers = [(slot, at) for slot, at in won if owner(slot) != at]
    assert strangers
    for slot, author in strangers:
        check_claim(made(Primary, slot, author), EPOCH)


def test_a_primary_claim_above_the_threshold_is_refused_even_of_the_owner():
    lost = [(slot, at) for slot in range(6) for at in range(3) if not wins(slot, at)]
    assert any(owner(slot) == at for slot, at in lost)
    for slot, author in lost:
        with pytest.raises(InvalidBlock, match="did not win"):
            check_claim(made(Primary, slot, author), EPOCH)


def test_the_threshold_is_that_of_the_chance():
    never, always = replace(EPOCH, c=(0, 1)), replace(EPOCH, c=(1, 1))
    assert not any(wins(slot, 0, never) for slot in range(20))
    assert all(wins(slot, 0, always) for slot in range(20))


def test_about_a_quarter_of_the_slots_have_a_primary_author():
    won = sum(any(wins(slot, at) for at in range(3)) for slot in range(200))
    assert 30 <= won <= 70


def test_both_kinds_of_claim_carry_the_same_output():
    slot = next(at for at in range(100) if wins(at, owner(at)))
    outputs = {
        check_claim(made(kind, slot, owner(slot)), EPOCH).pre_output
        for kind in (Primary, SecondaryVrf)
    }
    assert len(outputs) == 1


# Forged outputs.


def test_an_output_of_another_slot_epoch_or_key_is_refused():
    slot, author = 7, owner(7)
    forged = {
        "slot": signature_of(slot + 1, author, EPOCH),
        "epoch": signature_of(slot, author, replace(EPOCH, index=5)),
        "randomness": signature_of(slot, author, replace(EPOCH, randomness=bytes(32))),
        "key": signature_of(slot, (author + 1) % 3, EPOCH),
    }
    for signature in forged.values():
        with pytest.raises(InvalidBlock, match="not what its author's key gives"):
            check_claim(made(SecondaryVrf, slot, author, signature), EPOCH)


def test_an_output_that_its_author_would_rather_have_is_refused():
    slot, author = 7, owner(7)
    good = signature_of(slot, author, EPOCH)
    chosen = signature_of(8, author, EPOCH)
    for signature in (
        VrfSignature(pre_output=chosen.pre_output, proof=good.proof),
        VrfSignature(pre_output=good.pre_output, proof=chosen.proof),
    ):
        with pytest.raises(InvalidBlock, match="not what its author's key gives"):
            check_claim(made(SecondaryVrf, slot, author, signature), EPOCH)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 96 * 8 - 1))
def test_a_flipped_bit_of_output_or_proof_is_refused(bit):
    slot, author = 7, owner(7)
    good = signature_of(slot, author, EPOCH)
    raw = bytearray(good.pre_output + good.proof)
    raw[bit // 8] ^= 1 << bit % 8
    signature = VrfSignature(
        pre_output=VrfPreOutput(bytes(raw[:32])), proof=VrfProof(bytes(raw[32:]))
    )
    with pytest.raises(InvalidBlock, match="claim of slot 7"):
        check_claim(made(SecondaryVrf, slot, author, signature), EPOCH)


@pytest.mark.parametrize("kind", [Primary, SecondaryVrf])
def test_the_identity_is_no_output(kind):
    nothing = VrfSignature(pre_output=VrfPreOutput(bytes(32)), proof=VrfProof(bytes(64)))
    with pytest.raises(InvalidBlock, match="claim of slot 7"):
        check_claim(made(kind, 7, owner(7), nothing), EPOCH)


# Who claims nothing.


def test_an_authority_that_does_not_exist_claims_nothing():
    signature = signature_of(7, 0, EPOCH)
    nobody = replace(EPOCH, authorities=(), weights=())
    for kind in (Primary, SecondaryVrf):
        for author in (3, 2**32 - 1):
            with pytest.raises(InvalidBlock, match="none of 3"):
                check_claim(made(kind, 7, author, signature), EPOCH)
        with pytest.raises(InvalidBlock, match="none of 0"):
            check_claim(made(kind, 7, 0, signature), nobody)


def test_a_claim_without_an_output_is_refused():
    claim = SecondaryPlain(authority_index=U32(owner(7)), slot=U64(7))
    with pytest.raises(InvalidBlock, match="has PrimaryAndSecondaryVRFSlots"):
        check_claim(claim, EPOCH)


def test_an_epoch_says_which_claims_count():
    slot = next(at for at in range(100) if wins(at, owner(at)))
    author = owner(slot)
    plain = SecondaryPlain(authority_index=U32(author), slot=U64(slot))
    claims = {
        Primary: made(Primary, slot, author),
        SecondaryVrf: made(SecondaryVrf, slot, author),
        SecondaryPlain: plain,
    }
    counting = {
        AllowedSlots.PrimarySlots: {Primary},
        AllowedSlots.PrimaryAndSecondaryPlainSlots: {Primary, SecondaryPlain},
        AllowedSlots.PrimaryAndSecondaryVRFSlots: {Primary, SecondaryVrf},
    }
    for allowed, kinds in counting.items():
        epoch = replace(EPOCH, allowed=allowed)
        for kind, claim in claims.items():
            if kind not in kinds:
                with pytest.raises(InvalidBlock, match=f"has {allowed.name}"):
                    check_claim(claim, epoch)
                continue
            output = check_claim(claim, epoch)
            assert (output is None) == (kind is SecondaryPlain)


def test_a_plain_claim_is_its_owners_only():
    epoch = replace(EPOCH, allowed=AllowedSlots.PrimaryAndSecondaryPlainSlots)
    for author in {0, 1, 2} - {owner(7)}:
        claim = SecondaryPlain(authority_index=U32(author), slot=U64(7))
        with pytest.raises(InvalidBlock, match="belongs to"):
            check_claim(claim, epoch)


def test_a_disabled_authority_has_no_slot_of_any_kind():
    slot = next(at for at in range(100) if wins(at, owner(at)))
    author = owner(slot)
    epoch = replace(EPOCH, disabled=(author,))
    for kind in (Primary, SecondaryVrf):
        with pytest.raises(InvalidBlock, match="is disabled"):
            check_claim(made(kind, slot, author), epoch)
