"""Sums over the setup's points by tables made once: commitments and openings faster than `ckzg`'s.

`ckzg` is built upon blst and its library exports blst's functions, so they are called in place by
`ctypes` (docs/adr/0028-fixed-base-tables.md). The points never change: for each of the 4096
Lagrange points P the table holds 2^(13·j)·P, affine, 8.3 MB in all. A sum is then one pass in which
every signed 13-bit digit of every scalar throws its point into one of 4096 buckets: 20 additions an
element instead of 26, and no doublings. A row's elements have 248 bits; less 2^247 their digits
fill 19 windows but for the highest, which may be twice too large and then takes 2·2^(13·18)·P.

Guarantees: the sums are `ckzg`'s, bit for bit. A library without the functions, of another layout
or with another answer to a fixed question is not used: ``fixed_base`` is None, ``why_without`` says
why, and callers turn to `ckzg`. Every call works in memory of its own and lets other threads run.
Cost: 0.7 s of CPU once for a process; no file, so that nothing on disk can spoil a commitment.
"""

import ctypes
import hashlib
import importlib.util
from collections.abc import Sequence
from functools import cache
from typing import Final, TypeAlias

import numpy as np

from primitives.errors import CessError
from primitives.types import Bytes48

from .params import (
    COMMITMENT_BYTES,
    ELEMENT_BYTES,
    FIELD_ELEMENTS,
    ROW_BYTES,
    SCALAR_BYTES,
    SCALAR_MODULUS,
)
from .setup import lagrange_bytes

__all__ = ["FixedBase", "LibraryUnfit", "fixed_base", "make_fixed_base", "why_without"]

WINDOW_BITS: Final = 13
"""Measured: 12 to 14 are alike, others slower."""

WINDOWS: Final = 20
"""20·13 bits hold every field element with its sign."""

ROW_WINDOWS: Final = 19
ROW_OFFSET_BITS: Final = 8 * ELEMENT_BYTES - 1
BUCKETS: Final = 1 << (WINDOW_BITS - 1)

AFFINE_BYTES: Final = 2 * COMMITMENT_BYTES
JACOBIAN_BYTES: Final = 3 * COMMITMENT_BYTES
BUCKET_BYTES: Final = 4 * COMMITMENT_BYTES
CHUNK_BYTES: Final = 2
CHUNK_MASK: Final = (1 << (WINDOW_BITS + 1)) - 1

SELF_TEST_TAG: Final = b"cess/podr2/fixed-base/self-test"
SELF_TEST_ROW: Final = bytes.fromhex(
    "afdbfcfc45b9c36d1afb9d6de090c3e3d5193b3385e876bc"
    "b3086c1d7fe94aab59d9e82c2e60aa3877b2a91b47bbb067"
)
SELF_TEST_ELEMENTS: Final = bytes.fromhex(
    "b961226bb2b4e0b445ac73f63cee5ba5442c54e9ffc28c85"
    "50c4f518e642b8d5fbb6bcefe9404e1adba4d44d71866eda"
)
"""What `ckzg` commits to for the row and for the field elements that are made from the tag."""

Bytes: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
Digits: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.int32]]
Chunks: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.uint16]]
Addresses: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.uint64]]

CHUNK: Final = np.dtype("<u2")
NO_ADDRESSES: Final[Addresses] = np.zeros(0, np.uint64)
NO_CHUNKS: Final[Chunks] = np.zeros(0, CHUNK)


class LibraryUnfit(CessError):  # noqa: N818  a fact
    """`ckzg`'s library does not offer blst's functions as they are expected."""


class _Blst:
    """The functions of blst that are used, with their types."""

    def __init__(self, path: str) -> None:
        pointer, size = ctypes.c_void_p, ctypes.c_size_t
        try:
            library = ctypes.CDLL(path)
            for name, expected in (("p1", JACOBIAN_BYTES), ("p1_affine", AFFINE_BYTES)):
                measure = library[f"blst_{name}_sizeof"]
                measure.restype = size
                if measure() != expected:
                    raise LibraryUnfit(f"a blst_{name} has {measure()} bytes, not {expected}")
            self.uncompress = library.blst_p1_uncompress
            self.compress = library.blst_p1_compress
            self.from_affine = library.blst_p1_from_affine
            self.double = library.blst_p1_double
            self.to_affine = library.blst_p1s_to_affine
            self.tile = library.blst_p1s_tile_pippenger
        except (OSError, AttributeError) as error:
            raise LibraryUnfit(f"{path}: {error}") from error
        for function in (self.uncompress, self.compress, self.from_affine, self.double):
            function.argtypes, function.restype = [pointer, pointer], None
        self.uncompress.restype = ctypes.c_int
        self.to_affine.argtypes, self.to_affine.restype = [pointer, pointer, size], None
        # The sum; points; how many; scalars; their bits; buckets; lowest bit and width of a window.
        self.tile.argtypes = [pointer, pointer, size, pointer, size, pointer, size, size]
        self.tile.restype = None


class FixedBase:
    """The tables and the sums over them. Made by ``make_fixed_base``."""

    def __init__(self, library_path: str, compressed: Sequence[bytes]) -> None:
        """Shapes: FIELD_ELEMENTS compressed points of the subgroup, none of them infinity.

        Raises: LibraryUnfit.
        """
        self._blst = _Blst(library_path)
        # Rows 0 to 19 hold 2^(13·j)·P, row 20 what the highest window of a row takes twice.
        self._table = np.zeros((WINDOWS + 1, FIELD_ELEMENTS, AFFINE_BYTES), np.uint8)
        self._at = _addresses(self._table).reshape(WINDOWS + 1, FIELD_ELEMENTS)
        points = self._read(compressed)
        for window in range(1, ROW_WINDOWS):
            self._double(points, WINDOW_BITS, window)
        self._double(points, 1, WINDOWS)
        self._double(points, WINDOW_BITS - 1, ROW_WINDOWS)
        self._offset = self._offset_of_rows()

    # Making the tables.

    def _read(self, compressed: Sequence[bytes]) -> Bytes:
        """Fill the first row; return the same points in Jacobian form."""
        blst = self._blst
        points = np.zeros((FIELD_ELEMENTS, JACOBIAN_BYTES), np.uint8)
        for index, data in enumerate(compressed):
            if blst.uncompress(self._table[0, index].ctypes.data, data) != 0:
                raise LibraryUnfit(f"it does not read point {index} of the setup")
            blst.from_affine(points[index].ctypes.data, self._table[0, index].ctypes.data)
        return points

    def _double(self, points: Bytes, times: int, row: int) -> None:
        """Double every point some times, and keep what comes out as a row of the table."""
        double, turns = self._blst.double, range(times)
        start = points.ctypes.data
        for point in range(start, start + points.size, JACOBIAN_BYTES):
            for _ in turns:
                double(point, point)
        self._blst.to_affine(self._table[row].ctypes.data, _one_after_another(points), len(points))

    def _offset_of_rows(self) -> Bytes:
        """2^247·ΣP, by which the sum over a row with its offset is too small."""
        ones = np.ones((1, FIELD_ELEMENTS), np.int32)
        total = self._sum(NO_ADDRESSES, NO_CHUNKS, _chunks_of(ones))
        for _ in range(ROW_OFFSET_BITS):
            self._blst.double(total.ctypes.data, total.ctypes.data)
        affine = np.zeros(AFFINE_BYTES, np.uint8)
        self._blst.to_affine(affine.ctypes.data, _one_after_another(total), 1)
        return affine

    # Sums.

    def commit(self, row: bytes | bytearray | memoryview) -> Bytes48:
        """The commitment to a row. Raises: ValueError when it is empty or longer than a row."""
        data = np.frombuffer(row, np.uint8)
        if not 1 <= len(data) <= ROW_BYTES:
            raise ValueError(f"a row has 1 to {ROW_BYTES} bytes, not {len(data)}")
        if len(data) < ROW_BYTES:
            data = np.concatenate((data, np.zeros(ROW_BYTES - len(data), np.uint8)))
        chunks = _chunks(data.reshape(FIELD_ELEMENTS, ELEMENT_BYTES)[:, ::-1], ROW_WINDOWS)
        # Nothing is above a row's highest window, so this digit has no sign: up to 2^14. Less the
        # offset it has one, and twice the range that there are buckets for.
        highest = ((chunks[-1] + 1) >> 1).astype(np.int32) - (1 << WINDOW_BITS)
        is_large = np.abs(highest) > BUCKETS
        digits = np.where(is_large, highest >> 1, highest)
        at = np.where(is_large, self._at[WINDOWS], self._at[ROW_WINDOWS - 1])
        halves = self._at[ROW_WINDOWS - 1][is_large & (highest & 1 == 1)]
        digits = np.concatenate((digits, np.ones(len(halves) + 1, np.int32)))
        at = np.concatenate((at, halves, _addresses(self._offset[np.newaxis])))
        return self._commitment(at, _chunks_of(digits), chunks[:-1])

    def commit_elements(self, elements: Sequence[int]) -> Bytes48:
        """The commitment to field elements. Shapes: FIELD_ELEMENTS numbers below the order."""
        if len(elements) != FIELD_ELEMENTS:
            raise ValueError(f"a polynomial has {FIELD_ELEMENTS} values, not {len(elements)}")
        # With signs, so that they fit into the windows and the highest digit is none of the others.
        half = SCALAR_MODULUS >> 1
        data = b"".join(
            (value if value <= half else value - SCALAR_MODULUS).to_bytes(
                SCALAR_BYTES + 1, "little", signed=True
            )
            for value in elements
        )
        scalars = np.frombuffer(data, np.uint8).reshape(FIELD_ELEMENTS, SCALAR_BYTES + 1)
        return self._commitment(NO_ADDRESSES, NO_CHUNKS, _chunks(scalars, WINDOWS))

    def _commitment(self, points: Addresses, chunks: Chunks, windows: Chunks) -> Bytes48:
        total = self._sum(points, chunks, windows)
        compressed = ctypes.create_string_buffer(COMMITMENT_BYTES)
        self._blst.compress(compressed, total.ctypes.data)
        return Bytes48(compressed.raw)

    def _sum(self, points: Addresses, chunks: Chunks, windows: Chunks) -> Bytes:
        """Σ digit·point over single points and the table's first rows, in Jacobian form.

        Shapes: a chunk for each address; a row of chunks for each row of the table that counts.
        """
        assert len(points) == len(chunks), "every digit has its point"
        # Addresses one by one, then the first of those that follow each other, then nothing.
        at = np.concatenate((points, self._at[0, :1], np.zeros(1, np.uint64)))
        scalars = np.concatenate((chunks, windows.ravel()))
        buckets = np.zeros(BUCKETS * BUCKET_BYTES, np.uint8)
        total = np.zeros(JACOBIAN_BYTES, np.uint8)
        self._blst.tile(
            total.ctypes.data,
            at.ctypes.data,
            len(scalars),
            _one_after_another(scalars),
            8 * CHUNK_BYTES,
            buckets.ctypes.data,
            1,
            WINDOW_BITS,
        )
        return total


def _addresses(items: Bytes) -> Addresses:
    """Where each of the items is, whose bytes are the last axis."""
    size = items.shape[-1]
    offsets = np.arange(items.size // size, dtype=np.uint64) * np.uint64(size)
    return offsets + np.uint64(items.ctypes.data)


def _one_after_another(items: Bytes | Chunks) -> "ctypes.Array[ctypes.c_void_p]":
    """How blst is told where items are: the first one's address; nothing: behind the one before."""
    return (ctypes.c_void_p * 2)(items.ctypes.data, None)


def _chunks(scalars: Bytes, windows: int) -> Chunks:
    """A row for each window: its bits with the one below, from which blst makes a signed digit.

    Shapes: little-endian numbers. The highest window has up to 16 bits if there are as many.
    """
    width = scalars.shape[1]
    columns = np.zeros((width + 4, FIELD_ELEMENTS), np.uint32)
    columns[1 : width + 1] = scalars.T
    found = np.empty((windows, FIELD_ELEMENTS), CHUNK)
    for window in range(windows):
        byte, shift = divmod(8 + WINDOW_BITS * window - 1, 8)
        low, middle, high = columns[byte : byte + 3]
        found[window] = low >> shift | middle << (8 - shift) | high << (16 - shift)
    found[:-1] &= CHUNK_MASK
    return found


def _chunks_of(digits: Digits) -> Chunks:
    """The bits from which blst makes these digits, of -BUCKETS to BUCKETS."""
    return np.where(digits > 0, 2 * digits - 1, 2 * digits & CHUNK_MASK).astype(CHUNK)


def make_fixed_base(library_path: str | None = None) -> FixedBase:
    """New tables, after they answered two fixed questions as `ckzg` does.

    Raises: LibraryUnfit; StorageCorrupt as `setup.setup_lines`.
    """
    path = _library_path() if library_path is None else library_path
    made = FixedBase(path, lagrange_bytes())
    row, elements = self_test_questions()
    if made.commit(row) != SELF_TEST_ROW or made.commit_elements(elements) != SELF_TEST_ELEMENTS:
        raise LibraryUnfit(f"{path}: sums over the setup are not those of ckzg")
    return made


def self_test_questions() -> tuple[bytes, list[int]]:
    """The row and the field elements that a library must commit to as `ckzg` does."""
    row = hashlib.shake_256(SELF_TEST_TAG).digest(ROW_BYTES)
    words = hashlib.shake_256(SELF_TEST_TAG).digest(FIELD_ELEMENTS * SCALAR_BYTES)
    return row, [
        int.from_bytes(words[at : at + SCALAR_BYTES], "big") % SCALAR_MODULUS
        for at in range(0, len(words), SCALAR_BYTES)
    ]


def _library_path() -> str:
    spec = importlib.util.find_spec("ckzg")
    if spec is None or spec.origin is None:
        raise LibraryUnfit("ckzg is not installed")
    return spec.origin


@cache
def _attempt() -> tuple[FixedBase | None, str]:
    try:
        return make_fixed_base(), ""
    except LibraryUnfit as error:
        return None, str(error)


def fixed_base() -> FixedBase | None:
    """This process's tables, made at the first call; None where the library is unfit."""
    return _attempt()[0]


def why_without() -> str:
    """Why ``fixed_base`` is None; empty when it is not."""
    return _attempt()[1]
