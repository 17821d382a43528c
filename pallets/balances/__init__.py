"""Money: transfers, reserves, and the law that none appears or vanishes unsaid."""

from pallets.balances.pallet import Accounts, Balances, Holder
from pallets.balances.types import BOND, BalanceStatus, HoldReason

__all__ = ["BOND", "Accounts", "BalanceStatus", "Balances", "HoldReason", "Holder"]
