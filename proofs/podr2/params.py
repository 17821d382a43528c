"""Sizes of the service proof and the prime field it works in.

A fragment is cut into rows; a row is FIELD_ELEMENTS values of a polynomial of degree below
FIELD_ELEMENTS, ELEMENT_BYTES of data in each, so that every value is below the field's order.
The last row of a fragment is zero padded.
"""

FIELD_ELEMENTS = 4096
ELEMENT_BYTES = 31
ROW_BYTES = FIELD_ELEMENTS * ELEMENT_BYTES
SCALAR_BYTES = 32
BLOB_BYTES = FIELD_ELEMENTS * SCALAR_BYTES
COMMITMENT_BYTES = 48

# The order of BLS12-381's G1 and the generator of its multiplicative group used by EIP-4844.
SCALAR_MODULUS = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
PRIMITIVE_ROOT = 7

FRAGMENT_ROWS_MAX = 128
COMBINED_ROWS_MAX = 2**16


def row_count(fragment_bytes: int) -> int:
    """How many rows cover a fragment. Raises: ValueError outside 1..FRAGMENT_ROWS_MAX rows."""
    rows = -(-fragment_bytes // ROW_BYTES)
    if not 1 <= rows <= FRAGMENT_ROWS_MAX:
        raise ValueError(
            f"a fragment of {fragment_bytes} bytes has {rows} rows; it must have 1 to "
            f"{FRAGMENT_ROWS_MAX}"
        )
    return rows
