"""Staking: who may validate, what they have at stake, earn and lose."""

from pallets.staking.pallet import Staking
from pallets.staking.types import (
    Forcing,
    PayNone,
    PayOther,
    PayStaked,
    PayStash,
    RewardDestination,
    ValidatorPrefs,
)

__all__ = [
    "Forcing",
    "PayNone",
    "PayOther",
    "PayStaked",
    "PayStash",
    "RewardDestination",
    "Staking",
    "ValidatorPrefs",
]
