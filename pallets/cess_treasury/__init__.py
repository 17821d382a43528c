"""The treasury: rewards of eras, fines and payments for space."""

from pallets.cess_treasury.accounts import (
    PUNISH_TREASURY,
    RESERVE_REWARD,
    REWARD_POT,
    SPACE_TREASURY,
    runtime_account,
)
from pallets.cess_treasury.pallet import CessTreasury
from pallets.cess_treasury.types import PowerRecord, RoundRewardInfo

__all__ = [
    "PUNISH_TREASURY",
    "RESERVE_REWARD",
    "REWARD_POT",
    "SPACE_TREASURY",
    "CessTreasury",
    "PowerRecord",
    "RoundRewardInfo",
    "runtime_account",
]
