"""Kept points are the reported commitments, checked once and loaded without a second look."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_arkworks_bls12381 import G1Point, Scalar

from primitives.errors import ProofRejected, StorageCorrupt
from proofs.podr2.params import FRAGMENT_ROWS_MAX, SCALAR_MODULUS
from proofs.podr2.points import HALF_OF_FIELD, POINT_BYTES, RowPoints, checked_points, load_point
from proofs.podr2.verify import IDENTITY, Claim, verify, verify_points
from tests.attacks.points import BAD_POINTS
from tests.proofs.kit import FIELD_MODULUS, Holdings, Question


def commitment(scalar: int) -> bytes:
    return bytes((G1Point() * Scalar(scalar)).to_compressed_bytes())


def accepted(check: Callable[..., None], first: Sequence[object], claim: Claim) -> bool:
    try:
        check(first, claim.coefficients, claim.z, claim.proof)
    except ProofRejected:
        return False
    return True


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, SCALAR_MODULUS - 1), max_size=4))
def test_kept_points_are_the_reported_commitments(scalars: list[int]) -> None:
    reported = [commitment(scalar) for scalar in scalars]
    kept = checked_points(reported)
    assert kept.rows() == len(reported)
    assert list(kept.commitments()) == reported
    for row, scalar in enumerate(scalars):
        assert load_point(kept.point(row)) == G1Point() * Scalar(scalar)


def test_both_points_of_one_x_are_told_apart() -> None:
    assert 2 * HALF_OF_FIELD + 1 == FIELD_MODULUS
    one, other = commitment(5), commitment(SCALAR_MODULUS - 5)
    assert one[1:] == other[1:]
    assert checked_points([one, other]).commitments() == (one, other)


def test_a_row_of_zeros_is_kept_as_zeros() -> None:
    kept = checked_points([IDENTITY])
    assert kept == bytes(POINT_BYTES)
    assert kept.commitment(0) == IDENTITY
    assert load_point(kept.point(0)) == G1Point.identity()


@pytest.mark.parametrize("kind", sorted(BAD_POINTS))
def test_what_is_no_commitment_is_not_kept(kind: str) -> None:
    with pytest.raises(ProofRejected):
        checked_points([commitment(1), BAD_POINTS[kind]])


def test_a_damaged_point_is_noticed_when_it_is_off_the_curve() -> None:
    kept = bytearray(checked_points([commitment(3)]))
    kept[50] ^= 1
    with pytest.raises(StorageCorrupt, match="curve"):
        load_point(bytes(kept))
    with pytest.raises(StorageCorrupt):
        load_point(bytes(POINT_BYTES - 1))


@pytest.mark.parametrize("row", [-1, 2, 10**9])
def test_there_are_no_other_rows(row: int) -> None:
    kept = checked_points([commitment(1), commitment(2)])
    with pytest.raises(IndexError):
        kept.point(row)


def test_the_points_of_the_largest_fragment_fit() -> None:
    assert checked_points([commitment(1)] * FRAGMENT_ROWS_MAX).rows() == FRAGMENT_ROWS_MAX
    with pytest.raises(ValueError, match="holds at most"):
        RowPoints(bytes(POINT_BYTES * FRAGMENT_ROWS_MAX + 1))


def test_kept_points_give_the_verdict_of_the_commitments(holdings: Holdings) -> None:
    for number in range(6):
        asked: Question = holdings.question(number)
        claim = asked.claim(holdings, asked.answer(holdings))
        kept = checked_points(claim.commitments)
        points = [load_point(kept.point(row)) for row in range(kept.rows())]
        verify(*claim)
        verify_points(points, claim.coefficients, claim.z, claim.proof)
        for wrong in (points[::-1], [*points[1:], points[0]]):
            reported = [bytes(point.to_compressed_bytes()) for point in wrong]
            verdicts = [
                accepted(verify, reported, claim),
                accepted(verify_points, wrong, claim),
            ]
            assert verdicts[0] == verdicts[1]
            assert verdicts[0] == (wrong == points)


def test_no_points_are_no_proof(holdings: Holdings) -> None:
    asked = holdings.question(1)
    proof = asked.answer(holdings)
    with pytest.raises(ProofRejected, match="nothing to prove"):
        verify_points([], [], asked.z, proof)
    with pytest.raises(ValueError, match="coefficients"):
        verify_points([G1Point()], [], asked.z, proof)


@settings(max_examples=300, deadline=None)
@given(data=st.binary(min_size=0, max_size=200))
def test_any_bytes_are_kept_only_as_the_points_that_they_are(data: bytes) -> None:
    """Never an accepted forgery: what is kept gives the very bytes back, or nothing is kept."""
    try:
        kept = checked_points([data])
    except ProofRejected:
        return
    assert kept.commitments() == (data,)


@settings(max_examples=200, deadline=None)
@given(flip=st.integers(0, 383), scalar=st.integers(1, 2**64))
def test_a_commitment_with_a_flipped_bit_is_another_or_none(flip: int, scalar: int) -> None:
    data = bytearray(commitment(scalar))
    data[flip // 8] ^= 1 << flip % 8
    try:
        kept = checked_points([bytes(data)])
    except ProofRejected:
        return
    assert kept.commitment(0) == bytes(data) != commitment(scalar)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(min_size=0, max_size=200))
def test_any_stored_bytes_load_or_are_called_corrupt(data: bytes) -> None:
    try:
        load_point(data)
    except StorageCorrupt:
        return
    assert len(data) == POINT_BYTES
