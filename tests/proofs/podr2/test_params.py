"""Numbers that the wire and the disk depend on."""

import pytest

from proofs.podr2 import params
from proofs.podr2.params import ROW_BYTES, row_count


def test_sizes_are_those_of_eip_4844() -> None:
    assert (params.FIELD_ELEMENTS, params.ELEMENT_BYTES, ROW_BYTES) == (4096, 31, 126_976)
    assert (params.BLOB_BYTES, params.COMMITMENT_BYTES) == (131_072, 48)


def test_the_order_is_that_of_bls12_381() -> None:
    from py_ecc.optimized_bls12_381 import curve_order

    assert curve_order == params.SCALAR_MODULUS
    assert params.SCALAR_MODULUS > 2**248  # so that 31 bytes are always canonical


@pytest.mark.parametrize(
    ("fragment_bytes", "rows"),
    [
        (1, 1),
        (ROW_BYTES, 1),
        (ROW_BYTES + 1, 2),
        (1 << 20, 9),
        (8 << 20, 67),
        (128 * ROW_BYTES, 128),
    ],
)
def test_rows_cover_the_fragment(fragment_bytes: int, rows: int) -> None:
    assert row_count(fragment_bytes) == rows


@pytest.mark.parametrize("fragment_bytes", [-1, 0, 128 * ROW_BYTES + 1])
def test_other_fragments_have_no_rows(fragment_bytes: int) -> None:
    with pytest.raises(ValueError, match="must have 1 to 128"):
        row_count(fragment_bytes)
