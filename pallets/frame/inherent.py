"""Inherents: what an author tells the chain about the world outside, once per block.

Bounds: one inherent per providing pallet and block.
"""

from dataclasses import dataclass

__all__ = ["InherentData", "InherentError"]


@dataclass(frozen=True, slots=True)
class InherentData:
    """What the author (or an importer, checking) knows. ``timestamp_ms`` counts from 1970, UTC."""

    timestamp_ms: int
    slot: int | None = None


@dataclass(frozen=True, slots=True)
class InherentError:
    """Why an importer refuses an inherent; a block that is only ``too_early`` may become good."""

    message: str
    too_early: bool = False
