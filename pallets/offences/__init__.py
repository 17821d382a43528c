"""Offences of validators: reported, counted, punished."""

from pallets.offences.pallet import Offences
from pallets.offences.ports import Disabling, OnOffence
from pallets.offences.types import PERBILL, Kind, OffenceDetails, slash_fraction

__all__ = [
    "PERBILL",
    "Disabling",
    "Kind",
    "OffenceDetails",
    "Offences",
    "OnOffence",
    "slash_fraction",
]
