"""Points in the form that a verifier keeps: checked once, loaded fast ever after.

A commitment travels as 48 bytes, and reading it costs 0.08 ms: a square root and a check of the
subgroup. A chain reads the same commitments round after round, so it checks them when they are
reported and keeps both coordinates, 96 bytes, which load in 0.0004 ms
(docs/adr/0018-points-kept-uncompressed.md). Whoever stores ``RowPoints`` vouches that they come
from ``checked_points``: loading looks at the curve and not at the subgroup.
"""

from collections.abc import Sequence
from typing import Final

from py_arkworks_bls12381 import G1Point

from primitives.errors import StorageCorrupt
from primitives.scale import BoundedBytes
from primitives.types import Bytes48

from .params import COMMITMENT_BYTES, FRAGMENT_ROWS_MAX
from .verify import IDENTITY, decode_commitment

__all__ = ["POINT_BYTES", "RowPoints", "checked_points", "load_point"]

POINT_BYTES: Final = 2 * COMMITMENT_BYTES

# Half of the order of the field that coordinates are in: of the points with one x, the sign bit
# marks the one whose y is above it.
HALF_OF_FIELD: Final = int(
    "0d0088f51cbff34d258dd3db21a5d66bb23ba5c279c2895f"
    "b39869507b587b120f55ffff58a9ffffdcff7fffffffd555",
    16,
)
COMPRESSED: Final = 0x80
LARGER_Y: Final = 0x20
ORIGIN: Final = bytes(POINT_BYTES)
"""How the point at infinity is kept; it is not on the curve, so nothing else is written so."""


class RowPoints(BoundedBytes, limit=POINT_BYTES * FRAGMENT_ROWS_MAX):
    """The commitments to a fragment's rows, in order: x and y of each, 48 bytes big-endian."""

    def rows(self) -> int:
        """How many rows there are."""
        return len(self) // POINT_BYTES

    def point(self, row: int) -> bytes:
        """The 96 bytes of a row, for ``load_point``. Raises: IndexError beyond the last row."""
        if not 0 <= row < self.rows():
            raise IndexError(f"row {row} of {self.rows()}")
        return self[row * POINT_BYTES : (row + 1) * POINT_BYTES]

    def commitment(self, row: int) -> Bytes48:
        """The commitment of a row as it was reported. Raises: IndexError beyond the last row."""
        return _compressed(self.point(row))

    def commitments(self) -> tuple[Bytes48, ...]:
        """The commitments as they were reported."""
        return tuple(self.commitment(row) for row in range(self.rows()))


def checked_points(commitments: Sequence[bytes]) -> RowPoints:
    """The points of reported commitments, each checked for its encoding, curve and subgroup.

    Shapes: at most FRAGMENT_ROWS_MAX. Raises: ProofRejected.
    """
    return RowPoints(b"".join(decode_commitment(item).to_xy_bytes_be() for item in commitments))


def load_point(kept: bytes) -> G1Point:
    """The curve point of 96 bytes that came from ``checked_points``.

    Raises: StorageCorrupt when they cannot have.
    """
    try:
        return G1Point.from_xy_bytes_unchecked_be(kept)
    except ValueError as error:
        raise StorageCorrupt(f"a stored commitment is no point of the curve: {error}") from error


def _compressed(kept: bytes) -> Bytes48:
    if kept == ORIGIN:
        return Bytes48(IDENTITY)
    raw = bytearray(kept[:COMMITMENT_BYTES])
    raw[0] |= COMPRESSED
    if int.from_bytes(kept[COMMITMENT_BYTES:], "big") > HALF_OF_FIELD:
        raw[0] |= LARGER_Y
    return Bytes48(bytes(raw))
