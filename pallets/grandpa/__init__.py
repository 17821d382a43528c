"""Finality: the authorities that vote on it."""

from pallets.grandpa.pallet import Grandpa
from pallets.grandpa.ports import Authors, Chain, KeyOwners, OffenceReports, Sessions
from pallets.grandpa.types import Authorities, StoredPendingChange

__all__ = [
    "Authorities",
    "Authors",
    "Chain",
    "Grandpa",
    "KeyOwners",
    "OffenceReports",
    "Sessions",
    "StoredPendingChange",
]
