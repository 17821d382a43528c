"""Distance between codes, and the bands by which the chain finds near ones; integers only.

A 256-bit code is cut into 16 bands of 16 bits. Two codes that share a band are candidates, whose
Hamming distance is then compared exactly. The chance to share at least one band is 1 for distances
up to 15 (pigeonhole), 0.99 at 24, 0.91 at 31 and 0.67 at 40 for bits that differ at random places.
Source: locality-sensitive hashing by bit sampling, Indyk and Motwani 1998.
"""

from .units import CODE_BYTES

BAND_COUNT = 16
BAND_BYTES = CODE_BYTES // BAND_COUNT


def hamming(left: bytes, right: bytes) -> int:
    """How many bits differ, 0..256. Raises: ValueError unless both codes have 32 bytes."""
    if len(left) != CODE_BYTES or len(right) != CODE_BYTES:
        raise ValueError(f"codes have {CODE_BYTES} bytes, not {len(left)} and {len(right)}")
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).bit_count()


def bands(code: bytes) -> tuple[int, ...]:
    """The 16 band values of a code, each a u16, in order. Raises: ValueError unless 32 bytes."""
    if len(code) != CODE_BYTES:
        raise ValueError(f"a code has {CODE_BYTES} bytes, not {len(code)}")
    return tuple(
        int.from_bytes(code[start : start + BAND_BYTES], "big")
        for start in range(0, CODE_BYTES, BAND_BYTES)
    )
