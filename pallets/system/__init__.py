"""The ground of the chain: accounts and who refers to them, the block's place, its event log."""

from pallets.system.pallet import CODE_KEY, CONSUMERS_MAX, System
from pallets.system.types import AccountInfo, LastRuntimeUpgradeInfo, ScheduledUpgrade

__all__ = [
    "CODE_KEY",
    "CONSUMERS_MAX",
    "AccountInfo",
    "LastRuntimeUpgradeInfo",
    "ScheduledUpgrade",
    "System",
]
