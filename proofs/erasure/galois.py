"""GF(2^8) with polynomial 0x11d, and the systematic matrix of klauspost/reedsolomon.

`reedsolo` supplies the arithmetic; this module holds what is built from it: the multiplication
table, matrix inversion and the generator matrix. Matrices are tuples of `bytes` rows, at most
256 x 256.

Source: klauspost/reedsolomon v1, `buildMatrix`: the Vandermonde matrix V[r][c] = r^c (r as a field
element, 0^0 = 1), times the inverse of its top square, so that the top square becomes the identity.
"""

from collections.abc import Sequence
from functools import cache
from typing import TypeAlias

import reedsolo

POLYNOMIAL = 0x11D
GENERATOR = 2
ORDER = 256

Matrix: TypeAlias = tuple[bytes, ...]


class SingularMatrixError(ArithmeticError):
    """The matrix has no inverse; never the case for rows of the generator matrix."""


@cache
def multiplication_table() -> Matrix:
    """`table[a][b]` is the product a·b; row `a` is also a `bytes.translate` table.

    Cost: 65,536 products by `reedsolo`, once per process.
    """
    # The library keeps its field in module globals that any other user may have changed.
    reedsolo.init_tables(POLYNOMIAL, GENERATOR, 8)
    return tuple(bytes(reedsolo.gf_mul(a, b) for b in range(ORDER)) for a in range(ORDER))


@cache
def _inverses() -> bytes:
    table = multiplication_table()
    return bytes([0, *(table[a].index(1) for a in range(1, ORDER))])


def power(base: int, exponent: int) -> int:
    """`base` to the `exponent` by repeated products; 0^0 is 1, as klauspost defines it."""
    table = multiplication_table()
    value = 1
    for _ in range(exponent):
        value = table[value][base]
    return value


def multiply(left: Sequence[bytes], right: Sequence[bytes]) -> Matrix:
    """The matrix product. Shapes: (n x k) · (k x m) = (n x m)."""
    table = multiplication_table()
    columns = range(len(right[0]))
    product = []
    for row in left:
        values = bytearray(len(columns))
        for factor, other in zip(row, right, strict=True):
            for column in columns:
                values[column] ^= table[factor][other[column]]
        product.append(bytes(values))
    return tuple(product)


def invert(matrix: Sequence[bytes]) -> Matrix:
    """The inverse of a square matrix by Gauss-Jordan elimination.

    Raises: SingularMatrixError.
    """
    size = len(matrix)
    table, inverses = multiplication_table(), _inverses()
    rows = [bytearray(row) + bytearray(size) for row in matrix]
    for index, row in enumerate(rows):
        row[size + index] = 1
    for column in range(size):
        pivot = next((r for r in range(column, size) if rows[r][column]), None)
        if pivot is None:
            raise SingularMatrixError(f"column {column} has no pivot")
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = bytearray(rows[column].translate(table[inverses[rows[column][column]]]))
        for index in range(size):
            factor = rows[index][column]
            if index != column and factor:
                scaled = rows[column].translate(table[factor])
                rows[index] = bytearray(a ^ b for a, b in zip(rows[index], scaled, strict=True))
    return tuple(bytes(row[size:]) for row in rows)


@cache
def generator_matrix(data_shards: int, total_shards: int) -> Matrix:
    """The systematic code matrix: the identity above, the parity rows below.

    Shapes: total_shards rows of data_shards coefficients; 1 ≤ data < total ≤ 256.
    """
    vandermonde = [
        bytes(power(row, column) for column in range(data_shards)) for row in range(total_shards)
    ]
    return multiply(vandermonde, invert(vandermonde[:data_shards]))
