"""Committing and opening without tables: ready in 0.1 s, not 0.8 s, but slower for a row.

For processes that come up to do a little: a miner that commits to one fragment, one opening, a
proof after a long pause. The same bytes as those of `commit` and `prove`, which tests compare. Uses
`py_arkworks_bls12381`; about 1 MB for the points.
"""

from collections.abc import Iterable, Sequence
from functools import cache

from py_arkworks_bls12381 import G1Point, Scalar

from primitives.types import Bytes48

from .challenge import coefficients, evaluation_point, transfer_seed
from .params import ELEMENT_BYTES, ROW_BYTES, SCALAR_BYTES, SCALAR_MODULUS
from .prove import prove_elements
from .rows import combine, divide, roots_of_unity, split_rows
from .setup import lagrange_bytes
from .wire import Opening, ScalarBytes, ServiceProof


@cache
def lagrange_points() -> list[G1Point]:
    """[L_i(τ)]₁ in the order of a row's elements. The file's hash vouches for the subgroup."""
    return [G1Point.from_compressed_bytes_unchecked(data) for data in lagrange_bytes()]


def commit_fragment_quickly(data: bytes | bytearray | memoryview) -> tuple[Bytes48, ...]:
    """As `commit.commit_fragment`. Cost: about 80 ms of CPU for each row."""
    points = lagrange_points()
    return tuple(_commit(points, bytes(row)) for row in split_rows(data))


def _commit(points: list[G1Point], row: bytes) -> Bytes48:
    padded = row.ljust(ROW_BYTES, b"\0")
    scalars = [
        Scalar(int.from_bytes(padded[start : start + ELEMENT_BYTES], "big"))
        for start in range(0, ROW_BYTES, ELEMENT_BYTES)
    ]
    return Bytes48(G1Point.multiexp_unchecked(points, scalars).to_compressed_bytes())


def open_transfer_quickly(
    data: bytes | bytearray | memoryview,
    fragment_hash: bytes,
    commitments: Sequence[bytes],
    nonce: bytes,
) -> Opening:
    """As `commit.open_transfer`."""
    seed = transfer_seed(nonce, fragment_hash, commitments)
    weights = coefficients(seed, len(commitments))
    proof = prove_quickly(split_rows(data), weights, evaluation_point(seed))
    return Opening(y=proof.y, proof=proof.proof)


def prove_quickly(
    rows: Iterable[bytes | bytearray | memoryview], coefficients: Iterable[int], z: int
) -> ServiceProof:
    """As `prove.prove`."""
    return prove_elements_quickly(combine(rows, coefficients), z)


def prove_elements_quickly(elements: list[int], z: int) -> ServiceProof:
    """As `prove.prove_elements`: the commitment to (P(X) - y)/(X - z), in evaluation form."""
    if not 0 <= z < SCALAR_MODULUS:
        raise ValueError("z is an element of the field")
    if z in roots_of_unity():
        return prove_elements(elements, z)  # the division has another form there; chance 2^-243
    y, values = divide(elements, z)
    quotient = [Scalar(value) for value in values]
    proof = G1Point.multiexp_unchecked(lagrange_points(), quotient).to_compressed_bytes()
    return ServiceProof(y=ScalarBytes(y.to_bytes(SCALAR_BYTES, "big")), proof=Bytes48(proof))
