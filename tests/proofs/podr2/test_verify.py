"""A proof is accepted when every challenged row is held; every attack that we know is refused."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_arkworks_bls12381 import G1Point, Scalar

from primitives.errors import ProofRejected
from primitives.types import Bytes48
from proofs.podr2 import verify as verify_module
from proofs.podr2.challenge import coefficients
from proofs.podr2.params import COMBINED_ROWS_MAX, SCALAR_MODULUS
from proofs.podr2.prove import prove
from proofs.podr2.setup import tau_g2_bytes
from proofs.podr2.verify import (
    IDENTITY,
    Claim,
    decode_commitment,
    is_identity,
    verify,
    verify_batch,
)
from proofs.podr2.wire import Opening, ScalarBytes, ServiceProof
from tests.proofs.kit import (
    COMPRESSED,
    FIELD_MODULUS,
    LARGER_Y,
    OTHER,
    Holdings,
    Question,
    compressed,
    on_curve,
)

VECTORS = Path(__file__).parents[2] / "vectors/podr2"


def vectors(name: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads((VECTORS / name).read_text())
    return cases


def accepted(claim: Claim) -> bool:
    try:
        verify(*claim)
    except ProofRejected:
        return False
    return True


@pytest.fixture(scope="module")
def asked(holdings: Holdings) -> Question:
    """A round that asks four rows with data in each; the last two rows are zero."""
    questions = (holdings.question(round_index) for round_index in range(100))
    return next(question for question in questions if max(question.positions) < 7)


@pytest.fixture(scope="module")
def honest(holdings: Holdings, asked: Question) -> Claim:
    return asked.claim(holdings, asked.answer(holdings))


# What is accepted.


@pytest.mark.parametrize("count", [1, 2, 9])
def test_an_honest_proof_of_any_number_of_rows_is_accepted(holdings: Holdings, count: int) -> None:
    asked = holdings.question(10 + count, count)
    assert len(asked.positions) == count
    verify(*asked.claim(holdings, asked.answer(holdings)))


def test_faulty_rows_drop_out_on_both_sides(holdings: Holdings, asked: Question) -> None:
    """Coefficients belong to positions, so that the rest is proved as if nothing had happened."""
    kept = [0, 2, 3]
    rows = [asked.rows(holdings)[index] for index in kept]
    numbers = [asked.coefficients[index] for index in kept]
    points = [holdings.points[asked.positions[index]] for index in kept]
    proof = prove(rows, numbers, asked.z)
    verify(points, numbers, asked.z, proof)
    assert not accepted(asked.claim(holdings, proof))


def test_two_equal_rows_are_two_rows(holdings: Holdings) -> None:
    row, point = holdings.rows[0], holdings.points[0]
    numbers = coefficients(bytes(32), 2)
    verify([point, point], numbers, 5, prove([row, row], numbers, 5))


def test_an_opening_is_verified_as_a_proof_is(honest: Claim) -> None:
    verify(*honest[:3], Opening(honest.proof.y, honest.proof.proof))


@pytest.mark.parametrize("case", vectors("eip4844_verify.json"), ids=lambda case: case["name"])
def test_the_ceremony_s_own_vectors(case: dict[str, Any]) -> None:
    """One commitment with coefficient 1 makes our equation that of EIP-4844."""
    try:
        proof = ServiceProof(
            ScalarBytes(bytes.fromhex(case["y"])), Bytes48(bytes.fromhex(case["proof"]))
        )
        verify([bytes.fromhex(case["commitment"])], [1], int(case["z"], 16), proof)
        valid = True
    except (ProofRejected, ValueError):
        valid = False
    assert valid == bool(case["valid"])


def claim_of(case: dict[str, Any]) -> Claim:
    seed = bytes.fromhex(case["seed"])
    points = [bytes.fromhex(case["commitments"][position]) for position in case["positions"]]
    proof = ServiceProof(
        ScalarBytes(bytes.fromhex(case["y"])), Bytes48(bytes.fromhex(case["proof"]))
    )
    return Claim(points, coefficients(seed, len(points)), int(case["z"], 16), proof)


@pytest.mark.parametrize("case", vectors("rounds.json"), ids=lambda case: case["name"])
def test_rounds_made_without_our_code(case: dict[str, Any]) -> None:
    assert accepted(claim_of(case)) == case["valid"]


@pytest.mark.parametrize("name", ["honest", "another row in place of the last"])
def test_py_ecc_gives_the_same_verdict_on_a_round(name: str) -> None:
    """The equation of docs/specs/podr2.md once more, in pure Python by other people."""
    from py_ecc.bls.point_compression import decompress_G1, decompress_G2
    from py_ecc.bls.typing import G1Compressed, G2Compressed
    from py_ecc.optimized_bls12_381 import FQ12, G1, G2, add, multiply, neg, pairing

    (case,) = (case for case in vectors("rounds.json") if case["name"] == name)

    def point(data: bytes) -> Any:
        return decompress_G1(G1Compressed(int.from_bytes(data, "big")))

    tau = tau_g2_bytes()
    tau_g2 = decompress_G2(
        G2Compressed((int.from_bytes(tau[:48], "big"), int.from_bytes(tau[48:], "big")))
    )
    claim = claim_of(case)
    quotient = point(bytes(claim.proof.proof))
    left = multiply(quotient, claim.z)
    for commitment, weight in zip(claim.commitments, claim.coefficients, strict=True):
        left = add(left, multiply(point(commitment), weight))
    left = add(left, neg(multiply(G1, int.from_bytes(claim.proof.y, "big"))))
    product = pairing(G2, left, final_exponentiate=False) * pairing(
        tau_g2, neg(quotient), final_exponentiate=False
    )
    order = SCALAR_MODULUS
    verdict = product ** ((FIELD_MODULUS**12 - 1) // order) == FQ12.one()
    assert verdict == case["valid"] == accepted(claim)


# Wrong proofs.


def test_every_changed_byte_of_a_proof_is_refused(honest: Claim) -> None:
    """Each of 80 bytes: all 255 other values in the point, each bit and all bits in y."""
    data = bytes(honest.proof.y) + bytes(honest.proof.proof)
    wrong = []
    for place in range(len(data)):
        for mask in range(1, 256) if place >= 32 else (1, 2, 4, 8, 16, 32, 64, 128, 255):
            changed = bytearray(data)
            changed[place] ^= mask
            proof = ServiceProof(ScalarBytes(changed[:32]), Bytes48(changed[32:]))
            if accepted(honest._replace(proof=proof)):
                wrong.append((place, mask))
    assert wrong == []
    assert len(data) == 80


@settings(max_examples=100, deadline=None)
@given(data=st.binary(min_size=80, max_size=80))
def test_random_bytes_are_no_proof(honest: Claim, data: bytes) -> None:
    proof = ServiceProof(ScalarBytes(data[:32]), Bytes48(data[32:]))
    with pytest.raises(ProofRejected):
        verify(*honest._replace(proof=proof))


@pytest.mark.parametrize(
    "other",
    [
        {"round_index": 2},
        {"round_index": 1, "genesis": bytes(32)},
        {"round_index": 1, "block": 8},
        {"round_index": 1, "randomness": b"\1" * 32},
        {"round_index": 1, "miner": OTHER},
    ],
    ids=["round", "genesis", "block", "randomness", "miner"],
)
def test_a_proof_of_another_challenge_is_refused(
    holdings: Holdings, honest: Claim, other: dict[str, Any]
) -> None:
    """All nine rows are asked, so that nothing but the challenge's numbers differs."""
    asked, elsewhere = holdings.question(1, 9), holdings.question(**other, count=9)
    proof = asked.answer(holdings)
    assert accepted(asked.claim(holdings, proof))
    assert not accepted(elsewhere.claim(holdings, proof))


def test_z_and_coefficients_are_bound_each_on_its_own(honest: Claim) -> None:
    assert not accepted(honest._replace(z=(honest.z + 1) % SCALAR_MODULUS))
    first, *rest = honest.coefficients
    assert not accepted(honest._replace(coefficients=[first ^ 1, *rest]))
    assert not accepted(honest._replace(coefficients=[*rest, first]))


def test_swapped_commitments_are_refused(honest: Claim) -> None:
    first, second, *rest = honest.commitments
    assert not accepted(honest._replace(commitments=[second, first, *rest]))


def test_a_miner_that_lost_one_byte_is_refused(holdings: Holdings, asked: Question) -> None:
    rows = [bytearray(row) for row in asked.rows(holdings)]
    rows[2][17] ^= 0x40
    assert not accepted(asked.claim(holdings, prove(rows, asked.coefficients, asked.z)))


def test_a_row_in_place_of_another_is_refused(holdings: Holdings, asked: Question) -> None:
    """The miner holds one row twice and claims it for the one that it lost."""
    rows = asked.rows(holdings)
    rows[1] = rows[0]
    assert not accepted(asked.claim(holdings, prove(rows, asked.coefficients, asked.z)))


def test_rows_left_out_are_noticed(holdings: Holdings, asked: Question) -> None:
    rows = asked.rows(holdings)
    fewer = prove(rows[:-1], asked.coefficients[:-1], asked.z)
    assert not accepted(asked.claim(holdings, fewer))


def test_values_kept_in_place_of_data_are_useless(holdings: Holdings) -> None:
    """P(z₁) of a former round does not give P(z₂): the old opening fails at the new point."""
    old, new = holdings.question(20, 9), holdings.question(21, 9)
    assert old.z != new.z
    proof = old.answer(holdings)
    renewed = replace(proof, y=new.answer(holdings).y)
    assert not accepted(new.claim(holdings, renewed))


def test_the_honest_value_with_a_zero_quotient_is_refused(honest: Claim) -> None:
    proof = replace(honest.proof, proof=Bytes48(IDENTITY))
    assert not accepted(honest._replace(proof=proof))


# Malformed bytes.


def outside_the_subgroup() -> bytes:
    """The first point of the curve whose order is not that of G1."""
    from py_ecc.bls.point_compression import decompress_G1
    from py_ecc.bls.typing import G1Compressed
    from py_ecc.optimized_bls12_381 import is_inf, is_on_curve, multiply
    from py_ecc.optimized_bls12_381.optimized_curve import b

    x = next(x for x in range(1, 100) if on_curve(x))
    data = compressed(x)
    point = decompress_G1(G1Compressed(int.from_bytes(data, "big")))
    assert is_on_curve(point, b)
    assert not is_inf(multiply(point, SCALAR_MODULUS))
    return data


def plus_torsion(commitment: bytes) -> tuple[bytes, int]:
    """The commitment plus a point of order 3, and that order."""
    from py_ecc.bls.point_compression import compress_G1, decompress_G1
    from py_ecc.bls.typing import G1Compressed
    from py_ecc.optimized_bls12_381 import add, is_inf, multiply

    def point(data: bytes) -> Any:
        return decompress_G1(G1Compressed(int.from_bytes(data, "big")))

    cofactor = 0x396C8C005555E1568C00AAAB0000AAAB
    assert cofactor % 3 == 0
    for x in range(1, 100):
        if on_curve(x):
            small = multiply(point(compressed(x)), SCALAR_MODULUS * (cofactor // 3))
            if not is_inf(small):
                assert is_inf(multiply(small, 3))
                return int(compress_G1(add(point(commitment), small))).to_bytes(48, "big"), 3
    raise AssertionError("a third of all points have no such part")


def not_on_the_curve() -> bytes:
    return compressed(next(x for x in range(1, 100) if not on_curve(x)))


def with_an_unreduced_coordinate() -> bytes:
    """x + p in place of x, which fits into 381 bits for a small x."""
    point = G1Point()
    while True:
        data = point.to_compressed_bytes()
        x = int.from_bytes(data, "big") & ((1 << 381) - 1)
        if x + FIELD_MODULUS < 1 << 381:
            assert decode_commitment(data)
            return compressed(x + FIELD_MODULUS, data[0] & (COMPRESSED | LARGER_Y))
        point += G1Point()


MALFORMED = {
    "outside the subgroup": outside_the_subgroup(),
    "not on the curve": not_on_the_curve(),
    "x not reduced": with_an_unreduced_coordinate(),
    "infinity with a sign": b"\xe0" + bytes(47),
    "infinity with a last bit": b"\xc0" + bytes(46) + b"\1",
    "infinity with a first bit": b"\xc1" + bytes(47),
    "infinity, not compressed": b"\x40" + bytes(47),
    "zero bytes": bytes(48),
    "x of zero with no flag": b"\x20" + bytes(47),
    "all ones": b"\xff" * 48,
    "short": G1Point().to_compressed_bytes()[:47],
    "long": G1Point().to_compressed_bytes() + b"\0",
    "empty": b"",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_commitment_is_refused(honest: Claim, data: bytes) -> None:
    with pytest.raises(ProofRejected):
        decode_commitment(data)
    with pytest.raises(ProofRejected):
        verify(*honest._replace(commitments=[data, *honest.commitments[1:]]))


@pytest.mark.parametrize(
    "data",
    [data for data in MALFORMED.values() if len(data) == 48],
    ids=[name for name, data in MALFORMED.items() if len(data) == 48],
)
def test_a_malformed_proof_is_refused(honest: Claim, data: bytes) -> None:
    with pytest.raises(ProofRejected):
        verify(*honest._replace(proof=replace(honest.proof, proof=Bytes48(data))))


def test_a_commitment_with_a_torsion_part_is_refused(holdings: Holdings) -> None:
    """With a coefficient divisible by three its equation would hold: a second commitment."""
    twisted, order = plus_torsion(holdings.points[0])
    proof = prove(holdings.rows[:1], [order], 7)
    verify(holdings.points[:1], [order], 7, proof)
    with pytest.raises(ProofRejected, match="subgroup"):
        verify([twisted], [order], 7, proof)


def test_the_other_sign_of_a_point_is_another_point(honest: Claim) -> None:
    flipped = bytearray(honest.commitments[0])
    flipped[0] ^= LARGER_Y
    assert decode_commitment(bytes(flipped)) == -decode_commitment(honest.commitments[0])
    assert not accepted(honest._replace(commitments=[bytes(flipped), *honest.commitments[1:]]))


def test_a_value_is_written_in_one_way_only(honest: Claim) -> None:
    """y + r stands for the same element, and would make a second valid proof."""
    y = int.from_bytes(honest.proof.y, "big") + SCALAR_MODULUS
    proof = replace(honest.proof, y=ScalarBytes(y.to_bytes(32, "big")))
    with pytest.raises(ProofRejected, match="not reduced"):
        verify(*honest._replace(proof=proof))


@pytest.mark.parametrize("y", [SCALAR_MODULUS, 2**256 - 1])
def test_zero_is_not_written_as_the_order(y: int) -> None:
    proof = ServiceProof(ScalarBytes(y.to_bytes(32, "big")), Bytes48(IDENTITY))
    with pytest.raises(ProofRejected, match="not reduced"):
        verify([IDENTITY], [1], 3, proof)


def test_a_field_element_of_another_length_is_refused() -> None:
    with pytest.raises(ProofRejected, match="32 bytes, not 31"):
        verify_module._scalar(bytes(31))


def test_a_round_without_rows_proves_nothing() -> None:
    proof = ServiceProof(ScalarBytes(bytes(32)), Bytes48(IDENTITY))
    with pytest.raises(ProofRejected, match="nothing to prove"):
        verify([], [], 1, proof)


def test_more_rows_than_a_round_has_are_refused(honest: Claim) -> None:
    count = COMBINED_ROWS_MAX + 1
    with pytest.raises(ProofRejected, match="exceed"):
        verify([IDENTITY] * count, [1] * count, 1, honest.proof)


def test_the_most_rows_are_verified(holdings: Holdings) -> None:
    """At the limit itself; zeros but for one row, so that making the proof is quick."""
    count = COMBINED_ROWS_MAX
    numbers = [1] * (count - 1) + [3]
    proof = prove(holdings.rows[:1], [3], 5)
    verify([IDENTITY] * (count - 1) + holdings.points[:1], numbers, 5, proof)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"z": -1}, "element of the field"),
        ({"z": SCALAR_MODULUS}, "element of the field"),
        ({"coefficients": [1, 2, 3]}, "4 commitments, 3 coefficients"),
        ({"coefficients": [1, 2, 3, 2**128]}, "128 bits"),
        ({"coefficients": [1, 2, 3, -1]}, "128 bits"),
    ],
)
def test_numbers_that_no_prover_sends_are_a_programmer_s_error(
    honest: Claim, change: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        verify(*honest._replace(**change))


def test_only_a_row_of_zeros_has_the_identity(holdings: Holdings) -> None:
    assert [is_identity(point) for point in holdings.points] == [False] * 7 + [True] * 2
    assert not is_identity(b"\xe0" + bytes(47))


def test_refused_bytes_do_not_fill_the_cache() -> None:
    before = verify_module._decode.cache_info().currsize
    for last in range(64):
        with pytest.raises(ProofRejected):
            decode_commitment(b"\xc0" + bytes(46) + bytes([1 + last]))
    info = verify_module._decode.cache_info()
    assert info.currsize == before
    assert info.maxsize == verify_module.POINTS_CACHED_MAX


# Batches.


@pytest.fixture(scope="module")
def pool(holdings: Holdings) -> list[Claim]:
    """Claims of several rounds: good ones, then one of each kind of bad."""
    claims = []
    for round_index in range(30, 34):
        asked = holdings.question(round_index)
        claims.append(asked.claim(holdings, asked.answer(holdings)))
    first, second = claims[:2]
    y = (int.from_bytes(first.proof.y, "big") + 1) % SCALAR_MODULUS
    bad = [
        first._replace(proof=second.proof),
        first._replace(proof=replace(first.proof, y=ScalarBytes(y.to_bytes(32, "big")))),
        first._replace(proof=replace(first.proof, proof=Bytes48(MALFORMED["zero bytes"]))),
        first._replace(proof=replace(first.proof, y=ScalarBytes(b"\xff" * 32))),
        second._replace(commitments=[MALFORMED["not on the curve"], *second.commitments[1:]]),
        second._replace(commitments=[], coefficients=[]),
    ]
    return claims + bad


GOOD = 4


def alone(claim: Claim) -> str | None:
    try:
        verify(*claim)
    except ProofRejected as error:
        return str(error)
    return None


@settings(max_examples=40, deadline=None)
@given(picked=st.lists(st.integers(0, 9), max_size=6))
def test_verdicts_of_a_batch_are_those_of_one_by_one(pool: list[Claim], picked: list[int]) -> None:
    claims = [pool[index] for index in picked]
    verdicts = [verdict and str(verdict) for verdict in verify_batch(claims)]
    assert verdicts == [alone(claim) for claim in claims]
    assert [verdict is None for verdict in verdicts] == [index < GOOD for index in picked]


def test_an_empty_batch_has_no_verdicts() -> None:
    assert verify_batch([]) == []


def test_one_bad_proof_condemns_nobody_else(pool: list[Claim]) -> None:
    verdicts = verify_batch([*pool[:GOOD], pool[GOOD]])
    assert verdicts[:GOOD] == [None] * GOOD
    assert isinstance(verdicts[GOOD], ProofRejected)


def test_two_wrong_proofs_do_not_cancel_each_other(holdings: Holdings) -> None:
    """π₁ + D and π₂ - D at the same z: their plain sum is right; weights tell them apart."""
    claims = []
    for index in range(2):
        proof = prove(holdings.rows[index : index + 1], [1], 9)
        claims.append(Claim(holdings.points[index : index + 1], [1], 9, proof))
    shift = G1Point() * Scalar(1234)
    forged = []
    for claim, delta in zip(claims, (shift, -shift), strict=True):
        moved = decode_commitment(claim.proof.proof) + delta
        proof = replace(claim.proof, proof=Bytes48(moved.to_compressed_bytes()))
        forged.append(claim._replace(proof=proof))
    equations = [verify_module._equation(claim) for claim in forged]
    summed = verify_module._Equation(
        equations[0].left + equations[1].left, equations[0].right + equations[1].right
    )
    verify_module._check([summed])  # the attack works against a batch without weights
    assert all(isinstance(verdict, ProofRejected) for verdict in verify_batch(forged))


def test_every_byte_of_a_batch_decides_its_weights(pool: list[Claim]) -> None:
    first, second = pool[:2]
    other = [
        [first],
        [second, first],
        [first, second._replace(proof=first.proof)],
        [first, second._replace(z=second.z ^ 1)],
        [first, second._replace(coefficients=second.coefficients[::-1])],
        [first, second._replace(commitments=second.commitments[::-1])],
        [first, second._replace(proof=replace(second.proof, y=first.proof.y))],
    ]
    seeds = [verify_module._weights(claims) for claims in ([first, second], *other)]
    assert len(set(seeds)) == len(seeds)


def test_a_programmer_s_error_is_not_a_verdict(honest: Claim) -> None:
    with pytest.raises(ValueError, match="field"):
        verify_batch([honest, honest._replace(z=-1)])


def test_a_verifier_does_not_load_the_prover() -> None:
    """A node's memory stays small: neither ckzg nor numpy is imported."""
    source = (
        "import sys, proofs.podr2.verify as v; v.tau_g2_bytes();"
        "print([name for name in ('ckzg', 'numpy', 'chiapos') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
