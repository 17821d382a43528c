"""The quick prover gives the very bytes of `ckzg`."""

import numpy as np
import pytest

from proofs.podr2.challenge import coefficients
from proofs.podr2.commit import commit_fragment, open_transfer
from proofs.podr2.params import ROW_BYTES, SCALAR_MODULUS
from proofs.podr2.prove import prove
from proofs.podr2.quick import commit_fragment_quickly, open_transfer_quickly, prove_quickly
from proofs.podr2.rows import roots_of_unity, split_rows

DATA = np.random.default_rng(9).bytes(ROW_BYTES + 777)
WEIGHTS = coefficients(bytes(32), 2)


@pytest.mark.parametrize("data", [DATA, bytes(100), b"\xff" * ROW_BYTES])
def test_commitments_are_the_same(data: bytes) -> None:
    assert commit_fragment_quickly(data) == commit_fragment(data)


@pytest.mark.parametrize("z", [0, 5, SCALAR_MODULUS - 2, roots_of_unity()[3]])
def test_proofs_are_the_same(z: int) -> None:
    assert prove_quickly(split_rows(DATA), WEIGHTS, z) == prove(split_rows(DATA), WEIGHTS, z)


def test_openings_are_the_same() -> None:
    commitments = commit_fragment(DATA)
    arguments = (DATA, bytes(32), commitments, bytes(32))
    assert open_transfer_quickly(*arguments) == open_transfer(*arguments)


@pytest.mark.parametrize("z", [-1, SCALAR_MODULUS])
def test_a_point_outside_the_field_is_refused(z: int) -> None:
    with pytest.raises(ValueError, match="field"):
        prove_quickly(split_rows(DATA), WEIGHTS, z)
