"""Epochs as BABE's runtime API tells them. Times are milliseconds, lengths are slots."""

from typing import Final

from primitives.digest import AllowedSlots, AuthorityKey, Randomness
from primitives.scale import U32, U64, BoundedVec, struct

__all__ = [
    "SEGMENT_OUTPUTS_MAX",
    "SKIPPED_EPOCHS_MAX",
    "Authorities",
    "BabeConfiguration",
    "BabeEpochConfiguration",
    "Epoch",
    "OutputSegment",
    "SkippedEpochs",
]

Authorities = tuple[tuple[AuthorityKey, U64], ...]
"""Keys with their weights; every weight is 1."""


SEGMENT_OUTPUTS_MAX: Final = 32
"""Random outputs in one stored segment: what a block rewrites stays about 1 KiB."""


class OutputSegment(BoundedVec[Randomness], limit=SEGMENT_OUTPUTS_MAX):
    """Random outputs of blocks in order."""


SKIPPED_EPOCHS_MAX: Final = 100
"""Gaps between epochs that are remembered, the newest ones."""


class SkippedEpochs(BoundedVec[tuple[U64, U32]], limit=SKIPPED_EPOCHS_MAX):
    """Epochs that began after skipped ones, each with its session."""


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
