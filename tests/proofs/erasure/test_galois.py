"""The field and the matrix, against definitions written from scratch."""

import itertools

import pytest

from proofs.erasure import galois
from proofs.erasure.galois import SingularMatrixError, generator_matrix, invert, multiply


def carryless(a: int, b: int) -> int:
    """Multiplication by the definition: polynomials over GF(2), modulo 0x11d."""
    product = 0
    for bit in range(8):
        if b >> bit & 1:
            product ^= a << bit
    for bit in range(14, 7, -1):
        if product >> bit & 1:
            product ^= 0x11D << (bit - 8)
    return product


def test_products_are_those_of_polynomials_modulo_0x11d() -> None:
    table = galois.multiplication_table()
    assert all(table[a][b] == carryless(a, b) for a in range(256) for b in range(256))


def test_the_table_does_not_depend_on_what_others_did_to_reedsolo() -> None:
    import reedsolo

    reedsolo.init_tables(0x187, 2, 8)
    try:
        galois.multiplication_table.cache_clear()
        assert galois.multiplication_table()[7][200] == carryless(7, 200)
    finally:
        reedsolo.init_tables(0x11D, 2, 8)


def test_powers_follow_klauspost_in_that_zero_to_the_zero_is_one() -> None:
    assert [galois.power(0, n) for n in range(3)] == [1, 0, 0]
    assert [galois.power(2, n) for n in (0, 1, 8, 255)] == [1, 2, 0x1D, 1]


def test_the_code_is_systematic() -> None:
    matrix = generator_matrix(4, 12)
    assert [list(row) for row in matrix[:4]] == [[int(r == c) for c in range(4)] for r in range(4)]


def test_parity_rows_extrapolate_the_polynomial_through_the_data() -> None:
    """V·(top V)^-1 evaluates at r the polynomial of degree 3 through the data at 0..3."""
    matrix = generator_matrix(4, 12)
    for row, column in itertools.product(range(4, 12), range(4)):
        numerator, denominator = 1, 1
        for other in set(range(4)) - {column}:
            numerator = carryless(numerator, row ^ other)
            denominator = carryless(denominator, column ^ other)
        assert carryless(matrix[row][column], denominator) == numerator


def test_every_four_rows_are_independent() -> None:
    matrix = generator_matrix(4, 12)
    for rows in itertools.combinations(matrix, 4):
        assert multiply(rows, invert(rows)) == generator_matrix(4, 12)[:4]


def test_a_singular_matrix_has_no_inverse() -> None:
    with pytest.raises(SingularMatrixError, match="column 1"):
        invert([bytes([1, 2]), bytes([1, 2])])


def test_inversion_swaps_rows_when_the_pivot_is_zero() -> None:
    matrix = [bytes([0, 3]), bytes([5, 0])]
    assert multiply(matrix, invert(matrix)) == (bytes([1, 0]), bytes([0, 1]))
