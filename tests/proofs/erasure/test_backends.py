"""A backend that computes wrongly or is missing is never used."""

import ctypes
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.erasure import backends
from proofs.erasure.backends import BackendUnavailableError, Bytes, NumpyMultiplier
from proofs.erasure.galois import Matrix, generator_matrix


@pytest.fixture(autouse=True)
def _fresh_choice() -> Iterator[None]:
    """Each test makes its own choice of backend."""
    backends.backend.cache_clear()
    backends.best_backend.cache_clear()
    yield
    backends.backend.cache_clear()
    backends.best_backend.cache_clear()


class WrongProduct(NumpyMultiplier):
    """Gives one wrong product of 65,536."""

    name = "wrong product"

    def multiply(self, matrix: Matrix, sources: Sequence[Bytes], targets: Sequence[Bytes]) -> None:
        super().multiply(matrix, sources, targets)
        if matrix[-1] == b"\xff" and len(targets) == 256:
            targets[255][255] ^= 1


class WrongTail(NumpyMultiplier):
    """Right for short shards, wrong in the last byte of long ones."""

    name = "wrong tail"

    def multiply(self, matrix: Matrix, sources: Sequence[Bytes], targets: Sequence[Bytes]) -> None:
        super().multiply(matrix, sources, targets)
        if len(matrix) == 8 and len(targets[0]) == 521:
            targets[7][520] ^= 0x80


class WritesOutside(NumpyMultiplier):
    """Touches the byte after its target."""

    name = "writes outside"

    def multiply(self, matrix: Matrix, sources: Sequence[Bytes], targets: Sequence[Bytes]) -> None:
        super().multiply(matrix, sources, targets)
        base = targets[0].base
        if len(matrix) == 8 and isinstance(base, np.ndarray):
            base[-1] ^= 1


class AddsToItsTarget(NumpyMultiplier):
    """Forgets that a target may hold old bytes: the fault of a reused buffer."""

    name = "adds"

    def multiply(self, matrix: Matrix, sources: Sequence[Bytes], targets: Sequence[Bytes]) -> None:
        before = [target.copy() for target in targets]
        super().multiply(matrix, sources, targets)
        for target, old in zip(targets, before, strict=True):
            np.bitwise_xor(target, old, out=target)


@pytest.mark.parametrize("broken", [WrongProduct, WrongTail, WritesOutside, AddsToItsTarget])
def test_the_self_test_finds(broken: type[NumpyMultiplier]) -> None:
    with pytest.raises(BackendUnavailableError, match=broken.name):
        backends.self_test(broken())


@pytest.mark.parametrize("name", backends.BACKENDS)
def test_a_backend_passes_its_self_test(name: str) -> None:
    backends.self_test(backends.backend(name))


def test_klauspost_s_vector_is_part_of_the_self_test() -> None:
    class Lagging(NumpyMultiplier):
        name = "lagging"

        def multiply(
            self, matrix: Matrix, sources: Sequence[Bytes], targets: Sequence[Bytes]
        ) -> None:
            super().multiply(matrix, sources, targets)
            if len(sources) == 5:
                targets[0][0] ^= 1

    with pytest.raises(BackendUnavailableError, match="klauspost"):
        backends.self_test(Lagging())


def test_the_fastest_right_backend_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert backends.best_backend().name == "isal"
    backends.best_backend.cache_clear()
    backends.backend.cache_clear()
    monkeypatch.setattr(backends, "load_isal", WrongProduct)
    assert backends.best_backend().name == "numpy"


def test_no_right_backend_is_an_error_not_a_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(multiplier: backends.Multiplier) -> None:
        raise BackendUnavailableError(f"{multiplier.name} is wrong")

    monkeypatch.setattr(backends, "self_test", refuse)
    with pytest.raises(BackendUnavailableError, match="isal is wrong; numpy is wrong"):
        backends.best_backend()


def test_an_unknown_backend_names_the_known_ones() -> None:
    with pytest.raises(BackendUnavailableError, match="isal, numpy, reedsolo"):
        backends.backend("abacus")


def test_a_missing_library_says_what_to_install() -> None:
    with pytest.raises(BackendUnavailableError, match="libisal2"):
        backends.load_isal([])
    with pytest.raises(BackendUnavailableError, match=r"nothing-here\.so"):
        backends.load_isal(["nothing-here.so"])


def test_a_library_without_the_functions_is_passed_over() -> None:
    libc = ctypes.util.find_library("c")
    assert libc is not None
    with pytest.raises(BackendUnavailableError, match="ec_encode_data"):
        backends.load_isal([libc])


def test_the_system_library_is_looked_for_when_the_wheel_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backends, "find_spec", lambda _name: None)
    monkeypatch.setattr(ctypes.util, "find_library", lambda _name: "libisal-of-the-system.so.2")
    with pytest.raises(BackendUnavailableError, match="libisal-of-the-system"):
        backends.load_isal()


@pytest.mark.parametrize("name", backends.BACKENDS)
def test_empty_work_is_no_work(name: str) -> None:
    backends.backend(name).multiply((), [np.zeros(4, np.uint8)], [])


@settings(max_examples=40, deadline=None)
@given(
    data=st.integers(1, 8),
    parity=st.integers(1, 10),
    length=st.integers(1, 300),
    seed=st.integers(0, 2**32 - 1),
)
def test_all_backends_give_the_same_bytes(data: int, parity: int, length: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    sources = [generator.integers(0, 256, length, np.uint8) for _ in range(data)]
    matrix = generator_matrix(data, data + parity)[data:]
    results = []
    for name in backends.BACKENDS:
        targets = [np.full(length, 0xA5, np.uint8) for _ in range(parity)]
        backends.backend(name).multiply(matrix, sources, targets)
        results.append([target.tobytes() for target in targets])
    assert results[0] == results[1] == results[2]


def test_numpy_crosses_its_block_size_without_a_seam() -> None:
    length = backends.BLOCK_BYTES * 2 + 7
    sources = [np.arange(length, dtype=np.uint32).astype(np.uint8) * (j + 3) for j in range(4)]
    matrix = generator_matrix(4, 12)[4:]
    results = []
    for name in ("isal", "numpy"):
        targets = [np.zeros(length, np.uint8) for _ in range(8)]
        backends.backend(name).multiply(matrix, sources, targets)
        results.append([target.tobytes() for target in targets])
    assert results[0] == results[1]
