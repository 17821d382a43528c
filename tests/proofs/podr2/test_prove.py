"""The prover opens exactly the combination that was asked, from streamed rows."""

import ckzg
import pytest

from proofs.podr2.params import FIELD_ELEMENTS, ROW_BYTES, SCALAR_MODULUS
from proofs.podr2.prove import prove, prove_elements
from proofs.podr2.rows import combine, evaluate
from proofs.podr2.setup import prover_setup
from proofs.podr2.verify import IDENTITY, verify
from tests.proofs.kit import Holdings


def test_y_is_the_value_of_the_combined_polynomial(holdings: Holdings) -> None:
    asked = holdings.question(1)
    proof = prove(asked.rows(holdings), asked.coefficients, asked.z)
    combined = combine(asked.rows(holdings), asked.coefficients)
    assert int.from_bytes(proof.y, "big") == evaluate(combined, asked.z)


def test_the_library_of_the_ceremony_accepts_a_proof_of_one_row(holdings: Holdings) -> None:
    z = 12345
    proof = prove(holdings.rows[:1], [1], z)
    assert ckzg.verify_kzg_proof(
        bytes(holdings.points[0]),
        z.to_bytes(32, "big"),
        bytes(proof.y),
        bytes(proof.proof),
        prover_setup(),
    )


def test_a_proof_is_the_same_whenever_it_is_made(holdings: Holdings) -> None:
    asked = holdings.question(2)
    first, second = (prove(asked.rows(holdings), asked.coefficients, asked.z) for _ in range(2))
    assert first == second


def test_rows_may_be_streamed(holdings: Holdings) -> None:
    asked = holdings.question(3)
    rows, numbers = asked.rows(holdings), asked.coefficients
    streamed = prove((bytearray(row) for row in rows), iter(numbers), asked.z)
    assert streamed == prove(rows, numbers, asked.z)


def test_rows_of_zeros_are_proved_by_infinity() -> None:
    proof = prove([bytes(10)], [5], 7)
    assert bytes(proof.y) == bytes(32)
    assert bytes(proof.proof) == IDENTITY
    verify([IDENTITY], [5], 7, proof)


def test_z_may_be_one_of_the_row_s_own_points(holdings: Holdings) -> None:
    """The quotient needs another formula there; chance never leads to it."""
    proof = prove(holdings.rows[:1], [3], 1)
    verify(holdings.points[:1], [3], 1, proof)


@pytest.mark.parametrize("z", [-1, SCALAR_MODULUS])
def test_a_point_outside_the_field_is_a_programmer_s_error(z: int) -> None:
    with pytest.raises(ValueError, match="element of the field"):
        prove_elements([0] * FIELD_ELEMENTS, z)


@pytest.mark.parametrize(
    ("rows", "numbers"),
    [
        ([b"x"], [1, 2]),
        ([b"x", b"y"], [1]),
        ([b""], [1]),
        ([bytes(ROW_BYTES + 1)], [1]),
        ([b"x"], [2**128]),
        ([b"x"], [-1]),
    ],
)
def test_shapes_that_no_round_has_are_refused(rows: list[bytes], numbers: list[int]) -> None:
    with pytest.raises(ValueError):
        prove(rows, numbers, 1)
