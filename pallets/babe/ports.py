"""What Babe needs of its neighbours, and no more."""

from typing import Protocol

from pallets.frame import Weight
from primitives.digest import AuthorityKey, Digest, DigestItem
from primitives.equivocation import MembershipProof
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
