"""Rows: bytes of a fragment as field elements, their random combinations and their polynomials.

A row is given in EIP-4844's evaluation form: element i is the value at the i-th root of unity in
bit-reversed order. The same blob therefore commits and opens with `ckzg` unchanged. Combinations
are exact integers with bounded memory: one packed row and one accumulator (2 x 0.23 MB), whatever
the number of rows. Needs numpy only.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import TypeAlias

import numpy as np

from .params import (
    BLOB_BYTES,
    COMBINED_ROWS_MAX,
    ELEMENT_BYTES,
    FIELD_ELEMENTS,
    PRIMITIVE_ROOT,
    ROW_BYTES,
    SCALAR_BYTES,
    SCALAR_MODULUS,
    row_count,
)

COEFFICIENT_BITS = 128
# 248 bits of data, 128 of coefficient and 72 for carries: no sum reaches the next slot.
SLOT_BYTES = 56


def split_rows(fragment: bytes | bytearray | memoryview) -> Iterator[memoryview]:
    """The rows of a fragment, without copying; the last may be short (it counts as zero padded)."""
    view = memoryview(fragment).cast("B")
    for index in range(row_count(view.nbytes)):
        yield view[index * ROW_BYTES : (index + 1) * ROW_BYTES]


def blob_of_row(row: bytes | bytearray | memoryview) -> bytes:
    """A row as an EIP-4844 blob: 31 bytes, big-endian, behind a zero byte for each element.

    Raises: ValueError when it is empty or longer than a row.
    """
    blob = np.zeros((FIELD_ELEMENTS, SCALAR_BYTES), np.uint8)
    _fill(blob, row)
    return blob.tobytes()


Slots: TypeAlias = np.ndarray[tuple[int, int], np.dtype[np.uint8]]


def _fill(slots: Slots, row: bytes | bytearray | memoryview) -> None:
    """Write a row into the last 31 bytes of each slot; the rest of the slots is zero already."""
    data = np.frombuffer(row, np.uint8)
    if not 1 <= len(data) <= ROW_BYTES:
        raise ValueError(f"a row has 1 to {ROW_BYTES} bytes, not {len(data)}")
    if len(data) < ROW_BYTES:
        data = np.concatenate((data, np.zeros(ROW_BYTES - len(data), np.uint8)))
    slots[:, -ELEMENT_BYTES:] = data.reshape(FIELD_ELEMENTS, ELEMENT_BYTES)


def combine(
    rows: Iterable[bytes | bytearray | memoryview], coefficients: Iterable[int]
) -> list[int]:
    """Σ coefficient · row, element by element, modulo the field's order.

    The rows are packed into slots of one big integer, so that a multiplication by a 128-bit
    coefficient serves 4096 elements at once and no carry crosses a slot.
    Shapes: as many coefficients as rows, 0 ≤ each < 2^128, at most COMBINED_ROWS_MAX.
    Cost: under 1 ms a row. Raises: ValueError for other shapes.
    """
    slots = np.zeros((FIELD_ELEMENTS, SLOT_BYTES), np.uint8)
    total = 0
    # Counted down by hand: `enumerate` around `zip` would keep the first row alive to the end.
    room = COMBINED_ROWS_MAX
    for row, coefficient in zip(rows, coefficients, strict=True):
        if not 0 <= coefficient < 1 << COEFFICIENT_BITS:
            raise ValueError("a coefficient is a number of 128 bits")
        if not room:
            raise ValueError(f"at most {COMBINED_ROWS_MAX} rows combine into one proof")
        room -= 1
        _fill(slots, row)
        total += int.from_bytes(slots.data, "big") * coefficient
    packed = total.to_bytes(FIELD_ELEMENTS * SLOT_BYTES, "big")
    return [
        int.from_bytes(packed[start : start + SLOT_BYTES], "big") % SCALAR_MODULUS
        for start in range(0, len(packed), SLOT_BYTES)
    ]


def blob_of_elements(elements: list[int]) -> bytes:
    """Field elements as an EIP-4844 blob. Shapes: FIELD_ELEMENTS numbers below the order."""
    blob = b"".join(element.to_bytes(SCALAR_BYTES, "big") for element in elements)
    assert len(blob) == BLOB_BYTES, "combine() returns one number for each element"
    return blob


@cache
def roots_of_unity() -> tuple[int, ...]:
    """The evaluation points of a row's elements, in order: EIP-4844's bit-reversed permutation."""
    root = pow(PRIMITIVE_ROOT, (SCALAR_MODULUS - 1) // FIELD_ELEMENTS, SCALAR_MODULUS)
    powers = [1]
    for _ in range(FIELD_ELEMENTS - 1):
        powers.append(powers[-1] * root % SCALAR_MODULUS)
    bits = FIELD_ELEMENTS.bit_length() - 1
    return tuple(powers[int(f"{index:0{bits}b}"[::-1], 2)] for index in range(FIELD_ELEMENTS))


def evaluate(elements: list[int], z: int) -> int:
    """The value at z of the polynomial through `elements` (barycentric formula).

    P(z) = (z^n - 1)/n · Σ e_i·w_i/(z - w_i), with one inversion for all denominators.
    Cost: about 5 ms. Source: EIP-4844, `evaluate_polynomial_in_evaluation_form`.
    """
    roots = roots_of_unity()
    if z in roots:
        return elements[roots.index(z)]
    return _evaluate(elements, z, _inverses(z))


def divide(elements: list[int], z: int) -> tuple[int, list[int]]:
    """P(z), and the values of (P(X) - P(z))/(X - z) at the roots; z is none of these.

    Cost: about 10 ms.
    """
    inverses = _inverses(z)
    y = _evaluate(elements, z, inverses)
    return y, [
        (y - element) * inverse % SCALAR_MODULUS
        for element, inverse in zip(elements, inverses, strict=True)
    ]


def _inverses(z: int) -> list[int]:
    """1/(z - w) for every root w, by Montgomery's trick: one inversion for all."""
    differences = [z - root for root in roots_of_unity()]
    prefixes = []
    product = 1
    for difference in differences:
        prefixes.append(product)
        product = product * difference % SCALAR_MODULUS
    inverse = pow(product, -1, SCALAR_MODULUS)
    found = [0] * FIELD_ELEMENTS
    for index in range(FIELD_ELEMENTS - 1, -1, -1):
        found[index] = inverse * prefixes[index] % SCALAR_MODULUS
        inverse = inverse * differences[index] % SCALAR_MODULUS
    return found


def _evaluate(elements: list[int], z: int, inverses: list[int]) -> int:
    total = sum(
        element * root % SCALAR_MODULUS * inverse
        for element, root, inverse in zip(elements, roots_of_unity(), inverses, strict=True)
    )
    scale = (pow(z, FIELD_ELEMENTS, SCALAR_MODULUS) - 1) * pow(FIELD_ELEMENTS, -1, SCALAR_MODULUS)
    return total * scale % SCALAR_MODULUS
