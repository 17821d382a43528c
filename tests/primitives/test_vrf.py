"""The random function against Substrate's networks and schnorrkel, and attacks on it."""

import json
import pickle
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import sr25519

from primitives.crypto.keys import KeyPair
from primitives.crypto.merlin import Transcript
from primitives.crypto.ristretto import ORDER, decode_point, encode_scalar, multiply
from primitives.crypto.vrf import (
    RANDOMNESS_CONTEXT,
    VrfKey,
    babe_transcript,
    make_bytes,
    primary_score,
    primary_threshold,
    vrf_verify,
)
from primitives.errors import InvalidKey, ProofRejected

FOLDER = Path(__file__).parents[1] / "vectors" / "vrf"
HEADERS = json.loads((FOLDER / "babe_headers.json").read_text())
WASM = json.loads((FOLDER / "wasm_crypto.json").read_text())

SEED = bytes(range(32))
SLOT, EPOCH, RANDOMNESS = 291_835_218, 11_841, bytes(range(100, 132))


def secret_of(seed: bytes) -> bytes:
    return bytes(sr25519.pair_from_seed(seed)[1])


KEY = VrfKey.from_secret(secret_of(SEED))


def claim() -> Transcript:
    return babe_transcript(SLOT, EPOCH, RANDOMNESS)


POINT, PROOF = KEY.sign(claim())


def signing_context(context: bytes, message: bytes) -> Transcript:
    transcript = Transcript.of(b"SigningContext")
    transcript.append(b"", context)
    transcript.append(b"sign-bytes", message)
    return transcript


# Other implementations.


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: header["network"])
def test_claims_in_blocks_of_public_networks_hold(header: dict[str, Any]) -> None:
    transcript = babe_transcript(
        header["slot"], header["epoch"], bytes.fromhex(header["randomness"])
    )
    point = vrf_verify(
        bytes.fromhex(header["author"]),
        transcript,
        bytes.fromhex(header["pre_output"]),
        bytes.fromhex(header["proof"]),
    )
    weights = [1] * header["authority_count"]
    threshold = primary_threshold(tuple(header["c"]), weights, 0)
    assert str(primary_score(point)) == header["score"]
    assert str(threshold) == header["threshold"]
    assert (primary_score(point) < threshold) == header["wins"]


def test_a_primary_block_of_a_public_network_won_its_slot() -> None:
    assert [header["wins"] for header in HEADERS if header["claim"] == "Primary"] == [True]


@pytest.mark.parametrize("case", WASM, ids=range(len(WASM)))
def test_schnorrkel_computes_the_same_and_its_proofs_hold(case: dict[str, str]) -> None:
    data = {name: bytes.fromhex(value) for name, value in case.items()}
    transcript = signing_context(data["context"], data["message"])
    extra = Transcript.of(b"VRF")
    if data["extra"]:
        extra.append(b"", data["extra"])
    key = VrfKey.from_secret(secret_of(data["seed"]))
    assert key.public == data["public"]
    point, proof = key.sign(transcript, extra)
    assert point.pre_output == data["pre_output"]
    assert proof == data["proof_of_ours"]
    vrf_verify(key.public, transcript, data["pre_output"], data["proof"], extra)


# Keys.


def test_the_public_key_of_a_seed_is_its_scalar_times_the_base() -> None:
    for mark in range(8):
        seed = bytes([mark]) * 32
        public, secret = sr25519.pair_from_seed(seed)
        assert VrfKey.from_secret(secret).public == public
        assert KeyPair.from_seed(seed).public == public


@pytest.mark.parametrize(
    "secret",
    [b"", bytes(63), bytes(65), bytes(64), ORDER.to_bytes(32, "little") + bytes(32), b"\xff" * 64],
    ids=["empty", "short", "long", "zero", "order", "ones"],
)
def test_a_secret_that_cannot_be_one_is_refused(secret: bytes) -> None:
    with pytest.raises(InvalidKey):
        VrfKey.from_secret(secret)


def test_a_key_does_not_show_its_secret_and_is_not_pickled() -> None:
    assert repr(KEY) == f"VrfKey(public=0x{KEY.public.hex()})"
    with pytest.raises(TypeError):
        pickle.dumps(KEY)


# Use.


def test_what_a_key_signs_is_verified() -> None:
    point = vrf_verify(KEY.public, claim(), POINT.pre_output, PROOF)
    assert point == POINT
    assert make_bytes(point, b"purpose", 40) == make_bytes(POINT, b"purpose", 40)


def test_the_output_is_one_and_proofs_vary_with_entropy_only() -> None:
    again, proof = KEY.sign(claim())
    assert (again.pre_output, proof) == (POINT.pre_output, PROOF)
    other, different = KEY.sign(claim(), entropy=b"\1" * 32)
    assert other.pre_output == POINT.pre_output
    assert different != PROOF
    vrf_verify(KEY.public, claim(), POINT.pre_output, different)


def test_bytes_for_different_purposes_are_unrelated() -> None:
    score = make_bytes(POINT, RANDOMNESS_CONTEXT, 16)
    assert int.from_bytes(score, "little") != primary_score(POINT)
    assert primary_score(POINT) < 2**128


def test_signing_leaves_transcripts_as_they_are() -> None:
    transcript, extra = claim(), Transcript.of(b"VRF")
    KEY.sign(transcript, extra)
    assert transcript.challenge(b"c", 8) == claim().challenge(b"c", 8)
    assert extra.challenge(b"c", 8) == Transcript.of(b"VRF").challenge(b"c", 8)


# Attacks.


def rejected(
    *,
    public: bytes = KEY.public,
    transcript: Transcript | None = None,
    pre_output: bytes = POINT.pre_output,
    proof: bytes = PROOF,
    extra: Transcript | None = None,
) -> None:
    with pytest.raises(ProofRejected):
        vrf_verify(public, transcript or claim(), pre_output, proof, extra)


@pytest.mark.parametrize(
    "transcript",
    [
        babe_transcript(SLOT + 1, EPOCH, RANDOMNESS),
        babe_transcript(SLOT, EPOCH + 1, RANDOMNESS),
        babe_transcript(SLOT, EPOCH, RANDOMNESS[::-1]),
        babe_transcript(EPOCH, SLOT, RANDOMNESS),
        Transcript.of(b"BABE"),
    ],
    ids=["slot", "epoch", "randomness", "swapped", "empty"],
)
def test_a_claim_for_another_slot_is_rejected(transcript: Transcript) -> None:
    rejected(transcript=transcript)


def test_an_output_chosen_by_the_author_is_rejected() -> None:
    # The author searches multiples of its output for a better score, with honest-looking proofs.
    for factor in (2, 3, ORDER - 1):
        forged = multiply(factor, POINT.output_point).encode()
        rejected(pre_output=forged)


def test_a_proof_made_for_a_false_output_is_rejected() -> None:
    # The author runs the honest prover over a pair that is not input and output of its key.
    other = VrfKey.from_secret(secret_of(b"\2" * 32))
    false = other.evaluate(claim())
    rejected(pre_output=false.pre_output, proof=KEY.prove(false))
    rejected(pre_output=false.pre_output, proof=other.prove(false))


def test_another_authority_does_not_take_over_a_claim() -> None:
    other = VrfKey.from_secret(secret_of(b"\2" * 32))
    rejected(public=other.public)
    point, proof = other.sign(claim())
    rejected(pre_output=point.pre_output)
    rejected(proof=proof)


def test_every_changed_byte_is_rejected() -> None:
    for at in range(0, 64, 5):
        changed = bytearray(PROOF)
        changed[at] ^= 1
        rejected(proof=bytes(changed))
    for at in range(0, 32, 5):
        changed = bytearray(POINT.pre_output)
        changed[at] ^= 4
        rejected(pre_output=bytes(changed))


def test_a_proof_is_not_malleable() -> None:
    challenge = int.from_bytes(PROOF[:32], "little")
    response = int.from_bytes(PROOF[32:], "little")
    rejected(proof=(challenge + ORDER).to_bytes(32, "little") + PROOF[32:])
    rejected(proof=PROOF[:32] + (response + ORDER).to_bytes(32, "little"))
    rejected(proof=PROOF[32:] + PROOF[:32])
    rejected(proof=encode_scalar(-challenge) + encode_scalar(-response))
    rejected(proof=bytes(64))


def test_points_are_accepted_in_their_one_encoding_only() -> None:
    prime = 2**255 - 19
    low = decode_point(bytes(32)).encode()
    assert low == bytes(32)
    rejected(pre_output=prime.to_bytes(32, "little"))
    rejected(pre_output=(prime - 1).to_bytes(32, "little"))
    high = bytearray(POINT.pre_output)
    high[31] |= 0x80
    rejected(pre_output=bytes(high))
    rejected(public=bytes(high))


def test_the_identity_is_no_output_and_no_key() -> None:
    rejected(pre_output=bytes(32))
    rejected(public=bytes(32))
    # With the identity as a key the output would be the identity for every input.
    rejected(public=bytes(32), pre_output=bytes(32), proof=bytes(64))


@pytest.mark.parametrize("length", [0, 31, 33, 63, 65, 96])
def test_wrong_lengths_are_rejected(length: int) -> None:
    rejected(pre_output=bytes(length) if length != 32 else b"")
    rejected(proof=bytes(length))
    rejected(public=bytes(length))


def test_a_proof_for_one_extra_transcript_is_not_one_for_another() -> None:
    extra = Transcript.of(b"VRF")
    extra.append(b"", b"bound")
    proof = KEY.prove(POINT, extra)
    vrf_verify(KEY.public, claim(), POINT.pre_output, proof, extra)
    rejected(proof=proof)


# Thresholds.


def in_floating_point(c: tuple[int, int], weights: list[int], index: int) -> int:
    """``calculate_primary_threshold`` of ``sc-consensus-babe``, step by step."""
    chance = float(c[0]) / float(c[1])
    theta = float(weights[index]) / float(sum(weights))
    p = Fraction(1.0 - (1.0 - chance) ** theta)
    return (p.numerator << 128) // p.denominator


def test_thresholds_are_substrates_for_equal_weights() -> None:
    for c in ((1, 4), (1, 2), (3, 10)):
        for count in (1, 2, 3, 4, 5, 6, 7, 10, 19, 50, 100, 150, 257, 297, 600, 1000):
            ours = primary_threshold(c, [1] * count, count - 1)
            assert ours == in_floating_point(c, [1] * count, 0)


def test_thresholds_are_within_one_rounding_of_substrates() -> None:
    draw = random.Random(7)
    different = 0
    for _ in range(1500):
        bottom = draw.choice([4, 10, draw.randrange(2, 2**64)])
        c = draw.randrange(1, bottom), bottom
        weights = [draw.choice([1, draw.randrange(1, 2**59)]) for _ in range(draw.randrange(1, 9))]
        at = draw.randrange(len(weights))
        ours, theirs = primary_threshold(c, weights, at), in_floating_point(c, weights, at)
        different += ours != theirs
        assert abs(ours - theirs) <= 2**75
    assert different <= 5


def test_thresholds_at_the_ends_of_their_range() -> None:
    assert primary_threshold((1, 4), [5], 0) == 2**126
    assert primary_threshold((1, 1), [1, 1], 0) == 2**128
    assert primary_threshold((0, 1), [1, 1], 0) == 0
    assert primary_threshold((1, 4), [0, 1], 0) == 0
    assert primary_threshold((2**64 - 1, 2**64 - 1), [1], 0) == 2**128
    assert primary_threshold((1, 2**64 - 1), [1], 0) == 0  # as in floating point
    assert primary_threshold((1, 2**50), [1], 0) == 2**78


def test_a_thresholds_chance_is_a_powers() -> None:
    # Whatever the weights are, nobody wins with the chance 1 - c.
    weights = [1, 2, 3, 4]
    nobody = Fraction(1)
    for index in range(4):
        nobody *= 1 - Fraction(primary_threshold((1, 4), weights, index), 2**128)
    assert abs(nobody - Fraction(3, 4)) < Fraction(1, 2**50)


@pytest.mark.parametrize(
    ("c", "weights"),
    [((5, 4), [1]), ((0, 0), [1]), ((1, 2**64), [1]), ((1, 4), [0]), ((1, 4), [2**63, 2**63])],
)
def test_rules_that_nobody_checked_are_a_bug(c: tuple[int, int], weights: list[int]) -> None:
    with pytest.raises(AssertionError):
        primary_threshold(c, weights, 0)
