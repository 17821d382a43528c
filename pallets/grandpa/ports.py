"""What Grandpa needs of its neighbours, and no more."""

from typing import Protocol

from primitives.digest import DigestItem
from primitives.equivocation import MembershipProof
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


class KeyOwners(Protocol):
    """Historical: whose key it was."""

    def owner_of(self, kind: bytes, key: bytes, proof: MembershipProof) -> AccountId | None:
        """The validator whose key of this ``kind`` it was in the session of ``proof``, if any."""
        ...

    def prove_owner(self, kind: bytes, key: bytes) -> MembershipProof | None:
        """Whose key it is in the running session, proved; None if it is no validator's."""
        ...


class OffenceReports(Protocol):
    """Offences: counts and punishes."""

    def report(
        self,
        reporter: AccountId | None,
        kind: bytes,
        session: U32,
        validator_count: U32,
        offender: AccountId,
    ) -> int:
        """How many have committed ``kind`` in ``session`` with this one; 0 if it was known."""
        ...

    def is_known(self, kind: bytes, session: U32, offender: AccountId) -> bool:
        """Whether this was reported already."""
        ...


class Sessions(Protocol):
    """Session: which one runs."""

    def index(self) -> U32:
        """Index of this session."""
        ...
