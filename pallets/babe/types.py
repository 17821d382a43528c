"""Epochs as BABE's runtime API tells them. Times are milliseconds, lengths are slots."""

from typing import NamedTuple

from primitives.digest import AllowedSlots, AuthorityKey, Randomness
from primitives.scale import U64, struct

__all__ = [
    "Authorities",
    "BabeConfiguration",
    "BabeEpochConfiguration",
    "Epoch",
    "EpochAuthorities",
]

Authorities = tuple[tuple[AuthorityKey, U64], ...]
"""Keys with their weights; every weight is 1."""


class EpochAuthorities(NamedTuple):
    """Who may author in an epoch, and the randomness that says when."""

    authorities: Authorities
    randomness: Randomness


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
