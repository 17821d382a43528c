"""The registry of storage miners."""

from pallets.sminer.pallet import Sminer
from pallets.sminer.types import (
    EndPoint,
    MinerInfo,
    MinerState,
    PendingIdle,
    RestoralTargetInfo,
    Reward,
    RewardOrder,
    SpaceProofInfo,
)

__all__ = [
    "EndPoint",
    "MinerInfo",
    "MinerState",
    "PendingIdle",
    "RestoralTargetInfo",
    "Reward",
    "RewardOrder",
    "Sminer",
    "SpaceProofInfo",
]
