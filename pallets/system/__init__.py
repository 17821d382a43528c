"""The ground of the chain: accounts and who refers to them, the block's place, its event log."""

from pallets.system.pallet import CONSUMERS_MAX, System
from pallets.system.types import AccountInfo, LastRuntimeUpgradeInfo

__all__ = ["CONSUMERS_MAX", "AccountInfo", "LastRuntimeUpgradeInfo", "System"]
