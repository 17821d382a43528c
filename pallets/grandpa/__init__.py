"""Finality: the authorities that vote on it."""

from pallets.grandpa.pallet import Authorities, Grandpa

__all__ = ["Authorities", "Grandpa"]
