"""What Babe needs of its neighbours, and no more."""

from typing import Protocol

from pallets.frame import Weight
from pallets.frame.equivocation import KeyOwners, OffenceReports
from primitives.digest import AuthorityKey, Digest, DigestItem
from primitives.scale import U32
from primitives.types import AccountId

__all__ = ["Chain", "KeyOwners", "OffenceReports", "Sessions"]


class Chain(Protocol):
    """System: where the block stands, and its digest."""

    def current_digest(self) -> Digest:
        """The block's digest so far."""
        ...

    def deposit_log(self, item: DigestItem) -> None:
        """Append ``item`` to it."""
        ...


class Sessions(Protocol):
    """Session: the people behind the keys."""

    def index(self) -> U32:
        """Index of this session."""
        ...

    def validator_at(self, index: int) -> AccountId | None:
        """The account of authority ``index``."""
        ...

    def disabled(self, *, in_next: bool) -> tuple[U32, ...]:
        """Authorities that may not author, in this session or in the next one."""
        ...

    def on_new_epoch(self) -> tuple[tuple[AuthorityKey, ...], Weight]:
        """An epoch begins; the authorities of the one after it, and what finding them took.

        Those of this one are what was given a session before.
        """
        ...
