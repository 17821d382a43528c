"""Money: transfers, reserves, and the law that none appears or vanishes unsaid."""

from pallets.balances.pallet import Accounts, Balances
from pallets.balances.types import BalanceStatus

__all__ = ["Accounts", "BalanceStatus", "Balances"]
