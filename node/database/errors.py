"""What can go wrong with the database; each says whose fault it is and what to do."""

# ruff: noqa: N818  these are facts, named as the operator is told them, like those of `primitives`

from typing import Final

from primitives.errors import CessError, StateUnreadable, StorageCorrupt
from primitives.types import Hash

__all__ = [
    "ADVICE",
    "BlockRefused",
    "DatabaseClosed",
    "DatabaseEmpty",
    "DatabaseFailed",
    "DatabaseLocked",
    "GenesisMismatch",
    "NoteRefused",
    "PruningMismatch",
    "StateDiscarded",
    "UnknownBlock",
    "corrupt",
]

ADVICE: Final = "restore the directory from a copy, or run `cess node purge-chain` and sync again"


def corrupt(what: str) -> StorageCorrupt:
    """The disk lost or changed something: ``what``, and what the operator can do."""
    return StorageCorrupt(f"the chain database is damaged: {what}; {ADVICE}")


class DatabaseClosed(StateUnreadable):
    """The database was closed while somebody still used it; the node is stopping."""


class DatabaseEmpty(CessError):
    """The database has no genesis block yet; the caller must give it one."""


class DatabaseFailed(StateUnreadable):
    """The disk refused an operation (full, read-only, broken). Fatal: nothing more is written."""


class DatabaseLocked(CessError):
    """Another process has the directory open."""


class GenesisMismatch(CessError):
    """The directory holds another chain."""


class PruningMismatch(CessError):
    """The database was made with another kind of pruning."""


class UnknownBlock(CessError):
    """No block with this hash is known; it may have been on a fork that lost."""

    def __init__(self, why: str, block: Hash) -> None:
        super().__init__(why)
        self.block = block


class StateDiscarded(StateUnreadable):
    """The state of this block was pruned; an archive node has it."""

    def __init__(self, why: str, block: Hash) -> None:
        super().__init__(why)
        self.block = block


class BlockRefused(CessError):
    """A block cannot be put or finalized where it was asked for; the caller is at fault."""


class NoteRefused(CessError):
    """A note has no key, or is longer than one may be; the caller is at fault."""
