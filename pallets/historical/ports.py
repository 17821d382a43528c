"""What Historical needs of its neighbours, and no more."""

from typing import Protocol

from primitives.scale import U32
from primitives.types import AccountId

__all__ = ["Reports", "Sessions"]


class Sessions(Protocol):
    """Session: who is in office."""

    def index(self) -> U32:
        """Index of this session."""
        ...

    def owners(self) -> tuple[tuple[AccountId, tuple[tuple[bytes, bytes], ...]], ...]:
        """The validators of this session, each with its keys by type."""
        ...


class Reports(Protocol):
    """Offences: what was reported of a session."""

    def forget_session(self, session: U32) -> None:
        """Nothing can be proved of ``session`` any more."""
        ...
