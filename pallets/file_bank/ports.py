"""What the file bank needs of other pallets, and no more."""

from collections.abc import Sequence
from typing import Protocol

from primitives.scale import U32, U64, U128
from primitives.types import AccountId, Balance, FileHash, FragmentHash, Hash
from proofs.podr2.points import RowPoints

__all__ = ["Holdings", "Miners", "Randomness", "Territories"]


class Territories(Protocol):
    """StorageHandler: the space of owners, in bytes."""

    def lock_user_space(self, who: AccountId, name: bytes, size: U128) -> None:
        """Reserve space of an active territory or raise."""
        ...

    def unlock_user_space(self, who: AccountId, name: bytes, size: U128) -> None:
        """Give reserved space back."""
        ...

    def unlock_and_use(self, who: AccountId, name: bytes, size: U128) -> None:
        """Use reserved space."""
        ...

    def add_used_space(self, who: AccountId, name: bytes, size: U128) -> None:
        """Use space of an active territory or raise."""
        ...

    def sub_used_space(self, who: AccountId, name: bytes, size: U128) -> None:
        """Give used space back."""
        ...

    def is_expired(self, who: AccountId, name: bytes) -> bool:
        """Whether the lease is over for good."""
        ...

    def next_to_clear(self) -> tuple[AccountId, bytes] | None:
        """An expired territory whose files are to be removed."""
        ...

    def finish_clearing(self) -> None:
        """That territory has no files left."""
        ...


class Miners(Protocol):
    """Sminer: who can hold fragments, and their space in bytes."""

    def count(self) -> int:
        """How many miners can be drawn."""
        ...

    def miner_at(self, index: int) -> AccountId:
        """The miner at ``index`` of those."""
        ...

    def is_positive(self, who: AccountId) -> bool:
        """Whether it may take new work."""
        ...

    def is_leaving(self, who: AccountId) -> bool:
        """Whether it left, so that others may restore its fragments."""
        ...

    def can_hold(self, who: AccountId, size: int) -> bool:
        """Whether it may take work and has that much idle space."""
        ...

    def lock_space(self, who: AccountId, size: U128) -> None:
        """Idle to locked."""
        ...

    def unlock_space(self, who: AccountId, size: U128) -> None:
        """Locked to idle."""
        ...

    def lock_to_service(self, who: AccountId, size: U128) -> None:
        """Locked to service."""
        ...

    def idle_to_service(self, who: AccountId, size: U128) -> None:
        """Idle to service."""
        ...

    def release_service(self, who: AccountId, size: U128) -> None:
        """Service to nothing, or to idle as far as its plots still stand."""
        ...

    def missed_report(self, who: AccountId, window: int) -> None:
        """It let a promised fragment go unreported; charged once in ``window``; never raises."""
        ...

    def request_idle(self, who: AccountId, count: U64) -> tuple[U64, U64]:
        """Begin a certification; return the range of plot indexes."""
        ...

    def prove_idle(self, who: AccountId, answers: Sequence[tuple[int, bytes]]) -> U128:
        """Finish a certification; return the bytes certified."""
        ...

    def replace_idle(self, who: AccountId, count: U64) -> U128:
        """Retire displaced plots; return their bytes."""
        ...

    def punish(self, who: AccountId, permille: int) -> Balance:
        """Fine it; never raises."""
        ...


class Holdings(Protocol):
    """Audit: what each miner answers for."""

    def open_holding(
        self,
        miner: AccountId,
        file_hash: FileHash,
        segment_index: int,
        fragment_index: int,
        fragment_hash: FragmentHash,
        points: RowPoints,
    ) -> U32:
        """Begin; return the slot."""
        ...

    def close_holding(self, miner: AccountId, slot: int) -> None:
        """End."""
        ...

    def points_of(self, miner: AccountId, slot: int) -> RowPoints:
        """What the fragment in a slot was committed to, as it is kept."""
        ...


class Randomness(Protocol):
    """Babe: what nobody knew before the parent block."""

    def random(self, subject: bytes) -> Hash:
        """Randomness of this block, separated by ``subject``."""
        ...
