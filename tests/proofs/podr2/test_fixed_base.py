"""Tables over the setup give the very bytes of `ckzg`, and a library that is unfit is not used."""

import ctypes.util
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ckzg
import numpy as np
import pytest

from proofs.podr2 import fixed_base as module
from proofs.podr2.commit import commit_fragment
from proofs.podr2.fixed_base import (
    BUCKETS,
    FixedBase,
    LibraryUnfit,
    fixed_base,
    make_fixed_base,
    why_without,
)
from proofs.podr2.params import ELEMENT_BYTES, FIELD_ELEMENTS, ROW_BYTES, SCALAR_MODULUS
from proofs.podr2.prove import prove_elements
from proofs.podr2.rows import blob_of_elements, blob_of_row, roots_of_unity
from proofs.podr2.setup import prover_setup

RNG = np.random.default_rng(28)
RANDOM = RNG.bytes(ROW_BYTES)


def elements_of(values: list[int]) -> bytes:
    """A row that holds these numbers, then zeros."""
    return b"".join(value.to_bytes(ELEMENT_BYTES, "big") for value in values)


def tables() -> FixedBase:
    """The tables of this process."""
    found = fixed_base()
    assert found is not None, why_without()
    return found


# Digits at the borders of the windows: all halves, all carries, the highest digit at both ends.
HALVES = sum(BUCKETS << 13 * window for window in range(19))
BORDERS = [
    HALVES % (1 << 248),
    (HALVES - 1) % (1 << 248),
    (HALVES + 1) % (1 << 248),
    *(value << 234 for value in (1, 4095, 4096, 4097, 8191, 8192, 8193, 12287, 12288, 12289)),
    *((value << 234) - 1 for value in (1, 4096, 8192, 12288, 16384)),
    (1 << 248) - 1,
]


@pytest.mark.parametrize(
    "row",
    [
        RANDOM,
        RANDOM[:1],
        RANDOM[:-5],
        bytes(ROW_BYTES),
        b"\x01",
        b"\xff" * ROW_BYTES,
        b"\x80" * ROW_BYTES,
        elements_of(BORDERS),
        elements_of(BORDERS[::-1] * (FIELD_ELEMENTS // len(BORDERS))),
        elements_of([7] * FIELD_ELEMENTS),
    ],
    ids=range(10),
)
def test_a_row_has_the_commitment_of_ckzg(row: bytes) -> None:
    assert tables().commit(row) == ckzg.blob_to_kzg_commitment(blob_of_row(row), prover_setup())


@pytest.mark.parametrize(
    "elements",
    [
        [0] * FIELD_ELEMENTS,
        [1] * FIELD_ELEMENTS,
        [SCALAR_MODULUS - 1] * FIELD_ELEMENTS,
        [SCALAR_MODULUS >> 1] * FIELD_ELEMENTS,
        [(SCALAR_MODULUS >> 1) + 1] * FIELD_ELEMENTS,
        [int.from_bytes(RNG.bytes(32), "big") % SCALAR_MODULUS for _ in range(FIELD_ELEMENTS)],
    ],
    ids=range(6),
)
def test_field_elements_have_the_commitment_of_ckzg(elements: list[int]) -> None:
    expected = ckzg.blob_to_kzg_commitment(blob_of_elements(elements), prover_setup())
    assert tables().commit_elements(elements) == expected


@pytest.mark.parametrize("z", [0, 5, SCALAR_MODULUS - 2, roots_of_unity()[3]])
def test_an_opening_is_that_of_ckzg(z: int) -> None:
    elements = [int.from_bytes(RNG.bytes(32), "big") % SCALAR_MODULUS for _ in range(4096)]
    proof, y = ckzg.compute_kzg_proof(
        blob_of_elements(elements), z.to_bytes(32, "big"), prover_setup()
    )
    made = prove_elements(elements, z)
    assert (made.proof, made.y) == (proof, y)


@pytest.mark.parametrize("size", [0, ROW_BYTES + 1])
def test_no_row_is_too_short_or_too_long(size: int) -> None:
    with pytest.raises(ValueError, match="a row has 1 to"):
        tables().commit(bytes(size))


def test_a_polynomial_has_all_its_values() -> None:
    with pytest.raises(ValueError, match="4096 values"):
        tables().commit_elements([1])


def test_threads_do_not_disturb_each_other() -> None:
    rows = [RNG.bytes(ROW_BYTES) for _ in range(6)]
    alone = [tables().commit(row) for row in rows]
    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(tables().commit, rows)) == alone


# Libraries that are not what is expected.


@pytest.fixture
def afresh() -> Iterator[None]:
    """The process forgets its tables before and after."""
    module._attempt.cache_clear()
    yield
    module._attempt.cache_clear()


def test_a_library_without_the_functions_is_refused() -> None:
    with pytest.raises(LibraryUnfit, match="blst_p1_sizeof"):
        make_fixed_base(ctypes.util.find_library("c"))


def test_a_library_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.so").write_bytes(b"none")
    with pytest.raises(LibraryUnfit, match=r"none\.so"):
        make_fixed_base(str(tmp_path / "none.so"))


def test_another_layout_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "JACOBIAN_BYTES", 96)
    with pytest.raises(LibraryUnfit, match="144 bytes, not 96"):
        make_fixed_base()


def test_points_that_are_none_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "lagrange_bytes", lambda: [bytes(48)] * FIELD_ELEMENTS)
    with pytest.raises(LibraryUnfit, match="point 0 of the setup"):
        make_fixed_base()


@pytest.mark.usefixtures("afresh")
def test_wrong_sums_are_found_out_and_ckzg_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = commit_fragment(RANDOM)
    module._attempt.cache_clear()
    chunks = module._chunks

    def wrong(scalars: module.Bytes, windows: int) -> module.Chunks:
        found = chunks(scalars, windows)
        found[5, 77] ^= 2
        return found

    monkeypatch.setattr(module, "_chunks", wrong)
    assert fixed_base() is None
    assert "not those of ckzg" in why_without()
    assert commit_fragment(RANDOM) == expected
    assert prove_elements([3] * FIELD_ELEMENTS, 9).y == (3).to_bytes(32, "big")


def test_the_questions_of_the_self_test_are_answered_by_ckzg() -> None:
    row, elements = module.self_test_questions()
    setup = prover_setup()
    assert ckzg.blob_to_kzg_commitment(blob_of_row(row), setup) == module.SELF_TEST_ROW
    blob = blob_of_elements(elements)
    assert ckzg.blob_to_kzg_commitment(blob, setup) == module.SELF_TEST_ELEMENTS
