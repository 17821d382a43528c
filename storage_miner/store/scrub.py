"""Finding rot before an audit does: every fragment is read and hashed, one after another, slowly.

`Scrub` remembers only where it is; the caller decides when to look at the next fragment. A round
takes `fragments × fragment_bytes / bytes_per_second` and then begins anew.
"""

import hashlib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from primitives.types import FragmentHash

READ_BYTES = 1 << 18


class Finding(Enum):
    """What a look at one fragment found."""

    sound = "sound"
    missing = "missing"
    damaged = "damaged"
    unreadable = "unreadable"


@dataclass(frozen=True, slots=True)
class ScrubResult:
    """One fragment and its state."""

    fragment_hash: FragmentHash
    finding: Finding


def examine(path: Path, fragment_hash: FragmentHash) -> ScrubResult:
    """Read a whole fragment and compare its hash. Blocks for as long as the disk takes."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(READ_BYTES):
                digest.update(chunk)
    except FileNotFoundError:
        return ScrubResult(fragment_hash, Finding.missing)
    except OSError:
        return ScrubResult(fragment_hash, Finding.unreadable)
    is_sound = digest.digest() == fragment_hash
    return ScrubResult(fragment_hash, Finding.sound if is_sound else Finding.damaged)


def pause_s(length: int, bytes_per_second: int) -> float:
    """How long to rest after `length` bytes so that the disk is read no faster than asked."""
    return length / bytes_per_second
