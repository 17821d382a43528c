"""The time of a block, as its author told it."""

from pallets.timestamp.pallet import DRIFT_MS_MAX, Slots, Timestamp

__all__ = ["DRIFT_MS_MAX", "Slots", "Timestamp"]
