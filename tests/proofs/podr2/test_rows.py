"""Rows become blobs, combinations and values exactly as plain integers say."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.podr2 import rows
from proofs.podr2.params import (
    BLOB_BYTES,
    ELEMENT_BYTES,
    FIELD_ELEMENTS,
    ROW_BYTES,
    SCALAR_MODULUS,
)


def elements_of(row: bytes) -> list[int]:
    """A row by its definition."""
    padded = row.ljust(ROW_BYTES, b"\0")
    return [
        int.from_bytes(padded[start : start + ELEMENT_BYTES], "big")
        for start in range(0, ROW_BYTES, ELEMENT_BYTES)
    ]


def random_row(seed: int, size: int = ROW_BYTES) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def test_a_fragment_splits_without_copies_into_its_rows() -> None:
    fragment = random_row(1, ROW_BYTES * 2 + 10)
    parts = list(rows.split_rows(fragment))
    assert [len(part) for part in parts] == [ROW_BYTES, ROW_BYTES, 10]
    assert b"".join(parts) == fragment
    assert all(part.obj is fragment for part in parts)


@pytest.mark.parametrize("size", [1, 30, 31, 32, ROW_BYTES - 1, ROW_BYTES])
def test_a_blob_holds_each_element_behind_a_zero_byte(size: int) -> None:
    row = random_row(size, size)
    blob = rows.blob_of_row(row)
    assert len(blob) == BLOB_BYTES
    assert blob == b"".join(element.to_bytes(32, "big") for element in elements_of(row))


@pytest.mark.parametrize("size", [0, ROW_BYTES + 1])
def test_what_is_no_row_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="a row has 1 to"):
        rows.blob_of_row(bytes(size))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 2**128 - 1), min_size=1, max_size=4), st.integers(1, ROW_BYTES))
def test_a_combination_is_the_sum_of_products(weights: list[int], last_size: int) -> None:
    data = [random_row(seed) for seed in range(len(weights) - 1)] + [random_row(9, last_size)]
    tables = [elements_of(row) for row in data]
    expected = [
        sum(weight * table[i] for weight, table in zip(weights, tables, strict=True))
        % SCALAR_MODULUS
        for i in range(FIELD_ELEMENTS)
    ]
    assert rows.combine(data, weights) == expected


def test_the_largest_sums_do_not_carry_into_their_neighbours() -> None:
    """Every bit set in 300 rows and coefficients, beside zero elements."""
    full, gap = b"\xff" * ELEMENT_BYTES, bytes(ELEMENT_BYTES)
    row = (full + gap) * (FIELD_ELEMENTS // 2)
    combined = rows.combine([row] * 300, [2**128 - 1] * 300)
    expected = 300 * (2**128 - 1) * (2**248 - 1) % SCALAR_MODULUS
    assert combined == [expected, 0] * (FIELD_ELEMENTS // 2)
    slot_bits = rows.SLOT_BYTES * 8
    assert 2**slot_bits > rows.COMBINED_ROWS_MAX * (2**128 - 1) * (2**248 - 1)


def test_a_short_row_leaves_nothing_of_the_row_before() -> None:
    combined = rows.combine([b"\xff" * ROW_BYTES, b"\x01"], [0, 1])
    assert combined == elements_of(b"\x01")


@pytest.mark.parametrize("weight", [-1, 2**128])
def test_a_coefficient_has_128_bits(weight: int) -> None:
    with pytest.raises(ValueError, match="128 bits"):
        rows.combine([b"x"], [weight])


@pytest.mark.parametrize(("row_number", "weight_number"), [(1, 2), (2, 1)])
def test_rows_and_coefficients_come_in_pairs(row_number: int, weight_number: int) -> None:
    with pytest.raises(ValueError, match="zip"):
        rows.combine([b"x"] * row_number, [1] * weight_number)


def test_no_more_rows_than_slots_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "COMBINED_ROWS_MAX", 3)
    rows.combine([b"x"] * 3, [1] * 3)
    with pytest.raises(ValueError, match="at most 3"):
        rows.combine([b"x"] * 4, [1] * 4)


def test_rows_are_taken_one_at_a_time() -> None:
    alive = 0
    most = 0

    class Row(bytearray):
        def __init__(self, data: bytes) -> None:
            nonlocal alive, most
            super().__init__(data)
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    rows.combine((Row(b"abc") for _ in range(20)), [1] * 20)
    assert most <= 2


def test_roots_are_the_bit_reversed_powers_of_one_root() -> None:
    roots = rows.roots_of_unity()
    assert len(set(roots)) == FIELD_ELEMENTS
    assert roots[0] == 1
    assert roots[1] == SCALAR_MODULUS - 1
    assert all(pow(root, FIELD_ELEMENTS, SCALAR_MODULUS) == 1 for root in roots[::97])
    assert roots[2] * roots[2] % SCALAR_MODULUS == roots[1]


def test_evaluation_of_a_known_polynomial() -> None:
    """X^3 + 5 given by its values at the roots."""
    values = [(pow(root, 3, SCALAR_MODULUS) + 5) % SCALAR_MODULUS for root in rows.roots_of_unity()]
    z = int.from_bytes(hashlib.sha256(b"z").digest(), "big") % SCALAR_MODULUS
    assert rows.evaluate(values, z) == (pow(z, 3, SCALAR_MODULUS) + 5) % SCALAR_MODULUS
    assert rows.evaluate(values, 0) == 5


@pytest.mark.parametrize("index", [0, 1, 77, FIELD_ELEMENTS - 1])
def test_evaluation_at_a_root_is_the_element_there(index: int) -> None:
    values = elements_of(random_row(3))
    assert rows.evaluate(values, rows.roots_of_unity()[index]) == values[index]
