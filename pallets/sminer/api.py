"""What clients ask about storage miners, by ``state_call``."""

from typing import Protocol

from pallets.frame.runtime_api import runtime_api
from pallets.sminer.pallet import Sminer
from pallets.sminer.types import MinerInfo, PendingIdle, RestoralTargetInfo, Reward
from primitives.scale import U32
from primitives.types import AccountId

__all__ = ["MinersApi"]


class Host(Protocol):
    """A runtime with this pallet."""

    sminer: Sminer


@runtime_api(version=1)
class MinersApi:
    """Storage miners: their state and space, and what they earned."""

    def __init__(self, runtime: Host) -> None:
        self._pallet = runtime.sminer

    def miner(self, account: AccountId) -> MinerInfo | None:
        """A registered miner."""
        return self._pallet.miner_items.get(account)

    def count(self) -> U32:
        """How many miners can be drawn for fragments."""
        return self._pallet.miner_count.get()

    def certification(self, account: AccountId) -> PendingIdle | None:
        """The certification of idle space that a miner has under way."""
        return self._pallet.pending_idle.get(account)

    def reward(self, account: AccountId) -> Reward | None:
        """What a miner earned and was paid."""
        return self._pallet.reward_map.get(account)

    def left(self, account: AccountId) -> RestoralTargetInfo | None:
        """What a miner that left leaves for others to restore."""
        return self._pallet.restoral_target.get(account)
