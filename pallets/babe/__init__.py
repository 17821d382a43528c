"""Slots, epochs and randomness: whose turn it is to make a block."""

from pallets.babe.pallet import Babe, Chain, Sessions
from pallets.babe.slots import check_claim, secondary_author
from pallets.babe.types import BabeConfiguration, BabeEpochConfiguration, Epoch, EpochAuthorities

__all__ = [
    "Babe",
    "BabeConfiguration",
    "BabeEpochConfiguration",
    "Chain",
    "Epoch",
    "EpochAuthorities",
    "Sessions",
    "check_claim",
    "secondary_author",
]
