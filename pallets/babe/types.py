"""Epochs as BABE's runtime API tells them. Times are milliseconds, lengths are slots."""

from typing import Final

from primitives.digest import AllowedSlots, AuthorityKey, Randomness
from primitives.scale import U64, BoundedVec, struct

__all__ = [
    "SEGMENT_OUTPUTS_MAX",
    "Authorities",
    "BabeConfiguration",
    "BabeEpochConfiguration",
    "Epoch",
    "OutputSegment",
]

Authorities = tuple[tuple[AuthorityKey, U64], ...]
"""Keys with their weights; every weight is 1."""


SEGMENT_OUTPUTS_MAX: Final = 32
"""Random outputs in one stored segment: what a block rewrites stays about 1 KiB."""


class OutputSegment(BoundedVec[Randomness], limit=SEGMENT_OUTPUTS_MAX):
    """Random outputs of blocks in order."""


@struct(path="sp_consensus_babe::BabeEpochConfiguration")
class BabeEpochConfiguration:
    """Which claims count; ``c`` is the chance of a primary slot as a fraction."""

    c: tuple[U64, U64]
    allowed_slots: AllowedSlots


@struct(path="sp_consensus_babe::BabeConfiguration")
class BabeConfiguration:
    """What a light client needs to follow the chain from genesis."""

    slot_duration: U64
    epoch_length: U64
    c: tuple[U64, U64]
    authorities: tuple[tuple[AuthorityKey, U64], ...]
    randomness: Randomness
    allowed_slots: AllowedSlots


@struct(path="sp_consensus_babe::Epoch")
class Epoch:
    """One epoch: its place, and who may author when."""

    epoch_index: U64
    start_slot: U64
    duration: U64
    authorities: tuple[tuple[AuthorityKey, U64], ...]
    randomness: Randomness
    config: BabeEpochConfiguration
