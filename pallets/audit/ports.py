"""What the audit needs of other pallets, and no more."""

from typing import Protocol

from primitives.scale import U64, U128
from primitives.types import AccountId, Balance, FileHash, Hash

__all__ = ["Files", "Miners", "Randomness", "Rewards"]


class Miners(Protocol):
    """Sminer: who can be drawn, what is asked of it and what a fault costs."""

    def count(self) -> int:
        """How many miners can be drawn."""
        ...

    def miner_at(self, index: int) -> AccountId:
        """The miner at ``index`` of those."""
        ...

    def idle_range(self, who: AccountId) -> tuple[U64, U64]:
        """Front and rear of its plots."""
        ...

    def service_space(self, who: AccountId) -> U128:
        """Bytes of fragments that it holds."""
        ...

    def proved_power(self, who: AccountId, service_proved: U128, idle_proved: U128) -> U128:
        """What the proved bytes weigh, as far as it still has as much space of each kind."""
        ...

    def punish(self, who: AccountId, permille: int) -> Balance:
        """Fine it; never raises."""
        ...

    def force_exit(self, who: AccountId) -> None:
        """Throw it out; never raises."""
        ...


class Files(Protocol):
    """FileBank: where fragments belong."""

    def report_lost(
        self, miner: AccountId, file_hash: FileHash, segment_index: int, fragment_index: int
    ) -> None:
        """``miner`` lost a fragment: close the holding and open a restoral order. Never raises."""
        ...

    def holding_moved(
        self, file_hash: FileHash, segment_index: int, fragment_index: int, slot: int
    ) -> None:
        """The holding of a fragment is in another slot of the same miner now."""
        ...


class Rewards(Protocol):
    """CessTreasury: what audited miners earn."""

    def record_power(self, who: AccountId, power: U128) -> None:
        """``who`` proved ``power`` in this era, or nothing."""
        ...


class Randomness(Protocol):
    """Babe: what nobody knew before the parent block."""

    def random(self, subject: bytes) -> Hash:
        """Randomness of this block, separated by ``subject``."""
        ...
