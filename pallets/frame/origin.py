"""Origins: on whose behalf a call runs.

An origin is one of three: ``Signed`` by an account, ``Root`` (governance) or ``None_`` (nobody: an
inherent, put there by the block's author).
"""

from dataclasses import dataclass
from typing import ClassVar

from pallets.frame.error import BadOrigin
from primitives.types import AccountId

__all__ = ["NONE", "ROOT", "Origin", "ensure_none", "ensure_root", "ensure_signed"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asks. Build one with ``Origin.signed(who)``, ``Origin.root()`` or ``Origin.none()``."""

    kind: str
    who: AccountId | None = None

    SIGNED: ClassVar[str] = "signed"
    ROOT: ClassVar[str] = "root"
    NONE: ClassVar[str] = "none"

    @classmethod
    def signed(cls, who: AccountId) -> "Origin":
        """The account ``who``, whose signature was checked."""
        return cls("signed", who)

    @classmethod
    def root(cls) -> "Origin":
        """The chain's own authority."""
        return ROOT

    @classmethod
    def none(cls) -> "Origin":
        """Nobody: an inherent."""
        return NONE


ROOT = Origin("root")
NONE = Origin("none")


def ensure_signed(origin: Origin) -> AccountId:
    """The account that signed, or BadOrigin."""
    who = origin.who
    if who is None:
        raise BadOrigin
    return who


def ensure_root(origin: Origin) -> None:
    """Refuse everyone but root with BadOrigin."""
    if origin.kind != "root":
        raise BadOrigin


def ensure_none(origin: Origin) -> None:
    """Refuse everything but an inherent with BadOrigin."""
    if origin.kind != "none":
        raise BadOrigin
