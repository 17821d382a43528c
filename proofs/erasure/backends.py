"""Three ways to multiply shards by a matrix over GF(2^8): ISA-L, numpy and `reedsolo`.

All give the same bytes. Each is checked against `reedsolo` before its first use (`self_test`), and
one that differs anywhere is never used. The ISA-L library is the one inside the `pyeclib` wheel,
else the system's `libisal`.

Cost, measured for 4+8 on the development machine: see docs/benchmarks.md (ISA-L ~ GB/s, numpy
~ 100 MB/s, reedsolo ~ 0.5 MB/s).
"""

import ctypes
import ctypes.util
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from primitives.errors import CessError

from .galois import ORDER, Matrix, generator_matrix, multiplication_table

BACKENDS = ("isal", "numpy", "reedsolo")
TABLES_CACHED_MAX = 1024
# Blocks stay in the processor's second-level cache while every parity row passes over them.
BLOCK_BYTES = 64 * 1024
# Long enough for the widest vector path and each of its tails.
SELF_TEST_LENGTHS = (1, 2, 31, 64, 521)

Bytes: TypeAlias = npt.NDArray[np.uint8]


class BackendUnavailableError(CessError):
    """A named backend cannot be used here; the text says why."""


class Multiplier(Protocol):
    """Sets `targets[i]` to the sum over j of `matrix[i][j] · sources[j]`."""

    name: str

    def multiply(self, matrix: Matrix, sources: Sequence[Bytes], targets: Sequence[Bytes]) -> None:
        """Overwrite each target. Shapes: all arrays have one length; targets are writable."""


class ReedsoloMultiplier:
    """The definition: one `reedsolo` product per byte."""

    name = "reedsolo"

    def multiply(self, matrix: Matrix, sources: Sequence[Bytes], targets: Sequence[Bytes]) -> None:
        """See `Multiplier`."""
        table = multiplication_table()
        for row, target in zip(matrix, targets, strict=True):
            total = bytearray(len(target))
            for factor, source in zip(row, sources, strict=True):
                products = table[factor]
                for index, value in enumerate(source.tobytes()):
                    total[index] ^= products[value]
            target[:] = np.frombuffer(total, np.uint8)


class NumpyMultiplier:
    """Table look-ups by `bytes.translate`, sums by numpy, in blocks that fit the cache."""

    name = "numpy"

    def multiply(self, matrix: Matrix, sources: Sequence[Bytes], targets: Sequence[Bytes]) -> None:
        """See `Multiplier`."""
        table = multiplication_table()
        length = len(targets[0]) if targets else 0
        for start in range(0, length, BLOCK_BYTES):
            stop = min(start + BLOCK_BYTES, length)
            blocks = [source[start:stop].tobytes() for source in sources]
            for row, target in zip(matrix, targets, strict=True):
                total = target[start:stop]
                total[:] = 0
                for factor, block in zip(row, blocks, strict=True):
                    if factor:
                        total ^= np.frombuffer(block.translate(table[factor]), np.uint8)


class IsalMultiplier:
    """Intel's ISA-L by ctypes. Releases the interpreter lock; keeps no reference to the data."""

    name = "isal"

    def __init__(self, library: ctypes.CDLL) -> None:
        self._encode = library.ec_encode_data
        self._encode.restype = None
        self._encode.argtypes = [ctypes.c_int] * 3 + [ctypes.c_void_p] * 3
        self._init_tables = library.ec_init_tables
        self._init_tables.restype = None
        self._init_tables.argtypes = [ctypes.c_int] * 2 + [ctypes.c_char_p, ctypes.c_void_p]
        self._tables = lru_cache(maxsize=TABLES_CACHED_MAX)(self._make_tables)

    def _make_tables(self, matrix: Matrix) -> ctypes.Array[ctypes.c_char]:
        rows, columns = len(matrix), len(matrix[0])
        tables = ctypes.create_string_buffer(32 * rows * columns)
        self._init_tables(columns, rows, b"".join(matrix), tables)
        return tables

    def multiply(self, matrix: Matrix, sources: Sequence[Bytes], targets: Sequence[Bytes]) -> None:
        """See `Multiplier`. Every array must be contiguous: ISA-L sees only its address."""
        if not targets or not len(targets[0]):
            return
        assert all(array.flags.c_contiguous for array in (*sources, *targets)), (
            "arrays come from numpy.frombuffer, which is contiguous"
        )
        inputs = (ctypes.c_void_p * len(sources))(*(array.ctypes.data for array in sources))
        outputs = (ctypes.c_void_p * len(targets))(*(array.ctypes.data for array in targets))
        self._encode(
            len(targets[0]), len(sources), len(targets), self._tables(matrix), inputs, outputs
        )


def _isal_candidates() -> Iterator[str]:
    spec = find_spec("pyeclib")
    if spec is not None and spec.origin is not None:
        beside = Path(spec.origin).parent.parent / "pyeclib.libs"
        yield from sorted(str(path) for path in beside.glob("libisal*.so*"))
    found = ctypes.util.find_library("isal")
    if found is not None:
        yield found


def load_isal(candidates: Sequence[str] | None = None) -> IsalMultiplier:
    """The first candidate library that loads and has the functions.

    Raises: BackendUnavailableError, naming every library tried.
    """
    tried = []
    for name in _isal_candidates() if candidates is None else candidates:
        try:
            return IsalMultiplier(ctypes.CDLL(name))
        except (OSError, AttributeError) as error:
            tried.append(f"{name}: {error}")
    raise BackendUnavailableError(
        "ISA-L was not found; install the `pyeclib` wheel or the system's libisal2"
        + "".join(f" ({line})" for line in tried)
    )


def self_test(multiplier: Multiplier) -> None:
    """Compare a backend with `reedsolo`: every product, odd lengths, klauspost's vector.

    Raises: BackendUnavailableError when one byte differs.
    """
    every = np.arange(ORDER, dtype=np.uint8)
    got = [np.full(ORDER, 0xA5, np.uint8) for _ in range(ORDER)]
    multiplier.multiply(tuple(bytes([a]) for a in range(ORDER)), [every], got)
    if tuple(row.tobytes() for row in got) != multiplication_table():
        raise BackendUnavailableError(f"{multiplier.name} multiplies wrongly in GF(256)")

    # TestOneEncode of klauspost/reedsolomon: five shards of two bytes, five of parity.
    shards = [np.array(pair, np.uint8) for pair in ([0, 1], [4, 5], [2, 3], [6, 7], [8, 9])]
    parity = [np.full(2, 0xA5, np.uint8) for _ in range(5)]
    multiplier.multiply(generator_matrix(5, 10)[5:], shards, parity)
    expected = [[12, 13], [10, 11], [14, 15], [90, 91], [94, 95]]
    if [row.tolist() for row in parity] != expected:
        raise BackendUnavailableError(f"{multiplier.name} fails klauspost's vector")

    reference = ReedsoloMultiplier()
    matrix = generator_matrix(4, 12)[4:]
    for length in SELF_TEST_LENGTHS:
        sources = [
            np.array([(i * 7 + j * 31 + i * j) & 0xFF for i in range(length)], np.uint8)
            for j in range(4)
        ]
        # One guard byte before and after shows a backend that writes outside its target.
        arenas = [[np.full(length + 2, 0xA5, np.uint8) for _ in range(8)] for _ in range(2)]
        for backend, arena in zip((reference, multiplier), arenas, strict=True):
            backend.multiply(matrix, sources, [row[1:-1] for row in arena])
        if any((a != b).any() for a, b in zip(*arenas, strict=True)):
            raise BackendUnavailableError(f"{multiplier.name} differs at {length} bytes")


@cache
def backend(name: str) -> Multiplier:
    """The named backend, self-tested once per process.

    Raises: BackendUnavailableError when it is unknown, not installed or wrong.
    """
    match name:
        case "isal":
            chosen: Multiplier = load_isal()
        case "numpy":
            chosen = NumpyMultiplier()
        case "reedsolo":
            chosen = ReedsoloMultiplier()
        case _:
            raise BackendUnavailableError(
                f"no backend {name!r}; choose one of {', '.join(BACKENDS)}"
            )
    self_test(chosen)
    return chosen


@cache
def best_backend() -> Multiplier:
    """The fastest backend that passes its self-test.

    Raises: BackendUnavailableError when none does, which means that the machine computes wrongly.
    """
    reasons = []
    for name in BACKENDS:
        try:
            return backend(name)
        except BackendUnavailableError as error:
            reasons.append(str(error))
    raise BackendUnavailableError("no erasure backend is usable: " + "; ".join(reasons))
