"""The prover: rows streamed from disk become one 80-byte proof.

Memory is bounded by one row and one accumulator whatever the number of rows. Makes the tables of
`fixed_base` on first use in a process (0.8 s), or without them loads `ckzg`'s setup (2 s); keep a
worker process alive between rounds.
"""

from collections.abc import Iterable

from primitives.types import Bytes48

from .fixed_base import fixed_base
from .params import SCALAR_BYTES, SCALAR_MODULUS
from .rows import blob_of_elements, combine, divide, roots_of_unity
from .setup import prover_setup
from .wire import ScalarBytes, ServiceProof


def prove(
    rows: Iterable[bytes | bytearray | memoryview], coefficients: Iterable[int], z: int
) -> ServiceProof:
    """The opening at z of Σ coefficient·row.

    Shapes: as many coefficients as rows, at least one, in the order of the sampled positions.
    Raises: ValueError for other shapes, an empty or overlong row, or z outside the field.
    """
    return prove_elements(combine(rows, coefficients), z)


def prove_elements(elements: list[int], z: int) -> ServiceProof:
    """The opening at z of a polynomial in evaluation form."""
    if not 0 <= z < SCALAR_MODULUS:
        raise ValueError("z is an element of the field")
    # At a root the division has another form, which `ckzg` knows; a drawn z is none of them.
    if z not in roots_of_unity():
        tables = fixed_base()
        if tables is not None:
            y, quotient = divide(elements, z)
            value = ScalarBytes(y.to_bytes(SCALAR_BYTES, "big"))
            return ServiceProof(y=value, proof=tables.commit_elements(quotient))
    import ckzg

    proof, y = ckzg.compute_kzg_proof(
        blob_of_elements(elements), z.to_bytes(SCALAR_BYTES, "big"), prover_setup()
    )
    return ServiceProof(y=ScalarBytes(y), proof=Bytes48(proof))
