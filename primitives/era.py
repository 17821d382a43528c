"""Eras: for how many blocks a signed extrinsic may be included.

A mortal era of ``period`` blocks (a power of two) and a ``phase`` in it names, together with the
height at which it is looked at, a birth block. An extrinsic signs that block's hash, is valid from
the birth block on for ``period`` blocks, and dies.

On the wire an immortal era is one zero byte, a mortal one a u16: the low four bits hold
``log2(period) - 1`` and the others ``phase / quantum``, where the quantum is ``period / 4096``, at
least 1. Encodings that no era has are refused.
"""

from dataclasses import dataclass
from typing import Final

from primitives.errors import DecodeError
from primitives.scale import U8
from primitives.scale.type_info import Registry, TypeInfo, VariantInfo, Variants

__all__ = ["IMMORTAL", "PERIOD_MAX", "PERIOD_MIN", "Era"]

PERIOD_MIN: Final = 4
PERIOD_MAX: Final = 1 << 16
FOREVER: Final = (1 << 64) - 1
"""The block at which an immortal era ends."""

_QUANTA_SHIFT = 12


@dataclass(frozen=True, slots=True)
class Era:
    """An era; ``period`` 0 stands for the immortal one. Build with ``immortal`` and ``mortal``."""

    period: int
    phase: int

    def __post_init__(self) -> None:
        if self.period == 0 == self.phase:
            return
        power = self.period & (self.period - 1) == 0
        if not power or not PERIOD_MIN <= self.period <= PERIOD_MAX:
            raise ValueError(f"a period is a power of two from 4 to 65536, not {self.period}")
        if not 0 <= self.phase < self.period or self.phase % _quantum(self.period):
            raise ValueError(
                f"a phase in a period of {self.period} is a multiple of "
                f"{_quantum(self.period)} below it, not {self.phase}"
            )

    @staticmethod
    def immortal() -> "Era":
        """The era that never ends."""
        return IMMORTAL

    @staticmethod
    def mortal(period: int, current: int) -> "Era":
        """The era that begins about block ``current`` and lasts at least ``period`` blocks.

        The period is rounded up to a power of two within 4..65536, and the phase down.
        """
        rounded = 1 << max(0, period - 1).bit_length()
        length = min(max(rounded, PERIOD_MIN), PERIOD_MAX)
        quantum = _quantum(length)
        return Era(length, current % length // quantum * quantum)

    @property
    def is_immortal(self) -> bool:
        """Whether the era never ends."""
        return self.period == 0

    def birth(self, current: int) -> int:
        """The block in which the era began, seen from block ``current``."""
        if self.period == 0:
            return 0
        return (max(current, self.phase) - self.phase) // self.period * self.period + self.phase

    def death(self, current: int) -> int:
        """The first block that is not in the era, seen from block ``current``."""
        return FOREVER if self.period == 0 else self.birth(current) + self.period

    def __scale_encode__(self) -> bytes:
        if self.period == 0:
            return b"\0"
        low = min(max(self.period.bit_length() - 2, 1), 15)
        return (low | self.phase // _quantum(self.period) << 4).to_bytes(2, "little")

    @classmethod
    def __scale_decode__(cls, data: bytes, at: int) -> tuple["Era", int]:
        first = data[at]
        if first == 0:
            return IMMORTAL, at + 1
        word = first | data[at + 1] << 8
        period = 2 << (word & 15)
        phase = (word >> 4) * _quantum(period)
        if period < PERIOD_MIN or phase >= period:
            raise DecodeError(f"at {at}: the era 0x{word:04x} has a phase outside its period")
        return Era(period, phase), at + 2

    @classmethod
    def __type_info__(cls, registry: Registry) -> TypeInfo:
        """An enum by the first byte: ``Immortal`` and 255 ``Mortal`` ones with the second byte."""
        byte = registry.field(None, U8)
        mortal = (VariantInfo(f"Mortal{first}", (byte,), first) for first in range(1, 256))
        variants = Variants((VariantInfo("Immortal", (), 0), *mortal))
        return TypeInfo(("sp_runtime", "generic", "era", "Era"), (), variants)


IMMORTAL: Final = Era(0, 0)


def _quantum(period: int) -> int:
    return max(period >> _QUANTA_SHIFT, 1)
