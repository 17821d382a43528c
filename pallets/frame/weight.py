"""Weights: how much of a block a call may use.

``ref_time`` is computing time in picoseconds on the reference machine, ``proof_size`` the bytes of
state proof that a call touches at most. Both saturate at 2^64 - 1. A weight is declared before a
call runs and may be corrected downwards after it.
"""

from typing import Annotated, Final

from primitives.scale import U64, Compact, struct

__all__ = [
    "MAX_BLOCK_REF_TIME",
    "PICOSECONDS_PER_SECOND",
    "READ_REF_TIME",
    "WRITE_REF_TIME",
    "Weight",
    "WeightV2",
]

PICOSECONDS_PER_SECOND: Final = 10**12

READ_REF_TIME: Final = 25_000_000
"""Picoseconds of one storage read (25 microseconds: a trie walk over an embedded database).

Measured on two busy cores, first read of a random key: 4 microseconds of processor time among 10^4
keys, 14 among 10^5, 38 among 10^6; what a block reads again costs one look-up.
"""

WRITE_REF_TIME: Final = 100_000_000
"""Picoseconds of one storage write (100 microseconds: the nodes of its path are hashed again).

Measured in blocks of 1,000 random writes, root and synced commit together: 30 microseconds of
processor time among 10^4 keys, 60 among 10^5, 100 among 10^6.
"""

PROOF_BYTES_PER_READ: Final = 1024
"""What one storage access adds to a state proof, at most, for small values."""

MAX_BLOCK_REF_TIME: Final = 2 * PICOSECONDS_PER_SECOND
"""Computing time that a block of six seconds may use."""

_MAX: Final = (1 << 64) - 1


@struct(path="sp_weights::weight_v2::Weight")
class WeightV2:
    """A weight on the wire."""

    ref_time: Annotated[U64, Compact]
    proof_size: Annotated[U64, Compact]


class Weight:
    """An immutable weight: ``Weight(reads=2, writes=1)``, or measured ``ref_time, proof_size``.

    Units: ``ref_time`` in picoseconds, ``proof_size`` in bytes; sums saturate.
    """

    __slots__ = ("proof_size", "ref_time")

    ref_time: int
    proof_size: int

    def __init__(
        self, ref_time: int = 0, proof_size: int = 0, *, reads: int = 0, writes: int = 0
    ) -> None:
        self.ref_time = min(_MAX, ref_time + reads * READ_REF_TIME + writes * WRITE_REF_TIME)
        self.proof_size = min(_MAX, proof_size + (reads + writes) * PROOF_BYTES_PER_READ)

    def __add__(self, other: "Weight") -> "Weight":
        return Weight(self.ref_time + other.ref_time, self.proof_size + other.proof_size)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Weight):
            return NotImplemented
        return self.ref_time == other.ref_time and self.proof_size == other.proof_size

    def __hash__(self) -> int:
        return hash((self.ref_time, self.proof_size))

    def __repr__(self) -> str:
        return f"Weight(ref_time={self.ref_time}, proof_size={self.proof_size})"

    def fits(self, limit: "Weight") -> bool:
        """Whether neither part exceeds that of ``limit``."""
        return self.ref_time <= limit.ref_time and self.proof_size <= limit.proof_size

    def min(self, other: "Weight") -> "Weight":
        """The smaller of each part."""
        return Weight(min(self.ref_time, other.ref_time), min(self.proof_size, other.proof_size))

    def wire(self) -> WeightV2:
        """This weight as it is encoded."""
        return WeightV2(ref_time=U64(self.ref_time), proof_size=U64(self.proof_size))

    @classmethod
    def from_wire(cls, wire: WeightV2) -> "Weight":
        """The weight that ``wire`` encodes."""
        return cls(int(wire.ref_time), int(wire.proof_size))


ZERO = Weight()
