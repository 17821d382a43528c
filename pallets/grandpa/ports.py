"""What Grandpa needs of its neighbours, and no more."""

from typing import Protocol

from pallets.frame.equivocation import KeyOwners, OffenceReports
from primitives.digest import DigestItem
from primitives.scale import U32
from primitives.types import AccountId

__all__ = ["Authors", "Chain", "KeyOwners", "OffenceReports", "Sessions"]


class Chain(Protocol):
    """System: the block's digest."""

    def deposit_log(self, item: DigestItem) -> None:
        """Append ``item`` to it."""
        ...


class Authors(Protocol):
    """Babe: who made this block."""

    def author(self) -> AccountId | None:
        """The account of this block's author; None where there is none."""
        ...


class Sessions(Protocol):
    """Session: which one runs."""

    def index(self) -> U32:
        """Index of this session."""
        ...
