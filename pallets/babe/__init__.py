"""Slots, epochs and randomness: whose turn it is to make a block."""

from pallets.babe.pallet import Babe
from pallets.babe.ports import Chain, KeyOwners, OffenceReports, Sessions
from pallets.babe.slots import SlotEpoch, check_claim, secondary_author, wins_primary
from pallets.babe.types import BabeConfiguration, BabeEpochConfiguration, Epoch

__all__ = [
    "Babe",
    "BabeConfiguration",
    "BabeEpochConfiguration",
    "Chain",
    "Epoch",
    "KeyOwners",
    "OffenceReports",
    "Sessions",
    "SlotEpoch",
    "check_claim",
    "secondary_author",
    "wins_primary",
]
