"""What the miner registry needs of other pallets, and no more."""

from typing import Protocol

from primitives.scale import U128
from primitives.types import AccountId, Balance, Hash

__all__ = ["Audits", "Currency", "NetworkSpace", "Randomness", "Rewards"]


class Currency(Protocol):
    """Balances: collateral is reserved, fines move what is reserved."""

    def transfer(
        self, src: AccountId, dst: AccountId, amount: Balance, keep_alive: bool = True
    ) -> None:
        """Move ``amount`` or raise."""
        ...

    def reserve(self, who: AccountId, amount: Balance) -> None:
        """Set ``amount`` aside or raise."""
        ...

    def unreserve(self, who: AccountId, amount: Balance) -> Balance:
        """Free ``amount`` again; return what was not there."""
        ...

    def repatriate_reserved(
        self, slashed: AccountId, beneficiary: AccountId, amount: Balance
    ) -> Balance:
        """Move ``amount`` of what is reserved; return what could not be moved. Never raises."""
        ...


class NetworkSpace(Protocol):
    """StorageHandler: the totals of all miners, in bytes."""

    def add_total_idle_space(self, size: U128) -> None:
        """Idle and locked space grew."""
        ...

    def sub_total_idle_space(self, size: U128) -> None:
        """Idle and locked space shrank."""
        ...

    def add_total_service_space(self, size: U128) -> None:
        """Service space grew."""
        ...

    def sub_total_service_space(self, size: U128) -> None:
        """Service space shrank."""
        ...


class Audits(Protocol):
    """Audit: the rounds of a miner."""

    def is_challenged(self, who: AccountId) -> bool:
        """Whether a round of ``who`` is open."""
        ...

    def forget(self, who: AccountId) -> None:
        """Drop the record of a miner that withdrew."""
        ...


class Rewards(Protocol):
    """CessTreasury: the reward pot."""

    def take_earned(self, who: AccountId) -> Balance:
        """What ``who`` earned in finished eras and has not taken yet; it counts as taken now."""
        ...

    def pay(self, to: AccountId, amount: Balance) -> None:
        """Pay from the reward pot, or raise what the currency raises."""
        ...

    def forfeit(self, who: AccountId, unpaid: Balance) -> None:
        """``who`` loses what it earned, and ``unpaid`` of what it took. Never raises."""
        ...


class Randomness(Protocol):
    """Babe: what nobody knew before the parent block."""

    def random(self, subject: bytes) -> Hash:
        """Randomness of this block, separated by ``subject``."""
        ...
