"""Territories: leases of space, their life and their account."""

from pallets.storage_handler.pallet import StorageHandler
from pallets.storage_handler.types import TerritoryInfo, TerritoryState, TerrName

__all__ = ["StorageHandler", "TerrName", "TerritoryInfo", "TerritoryState"]
