"""What Session needs of its neighbours, and no more."""

from typing import Protocol

from primitives.digest import AuthorityKey
from primitives.scale import U32
from primitives.types import AccountId

__all__ = ["Accounts", "Epochs", "Finality", "History", "SessionManager"]


class SessionManager(Protocol):
    """Staking: who validates. Sessions count from 0.

    At genesis the calls are ``new_session(0)``, ``new_session(1)``, ``start_session(0)``, after the
    genesis of every pallet with a lower index. When session ``i`` ends they are
    ``end_session(i)``, ``start_session(i + 1)``, ``new_session(i + 2)``, in this order and in the
    ``on_initialize`` of the block that begins session ``i + 1``. None of them may raise.
    """

    def new_session(self, index: U32) -> tuple[AccountId, ...] | None:
        """The validators of session ``index``, announced a session ahead; None: as before.

        Session leaves out accounts that have set no keys, those beyond the most that it takes, and
        the second of two equal ones. If nobody is left, the set stays.
        """
        ...

    def start_session(self, index: U32) -> None:
        """Session ``index`` begins; its validators are those of ``new_session(index)``."""
        ...

    def end_session(self, index: U32) -> None:
        """Session ``index`` ends; its validators are still in office."""
        ...


class Epochs(Protocol):
    """Babe: takes the keys of authors."""

    def on_genesis_session(
        self, keys: tuple[AuthorityKey, ...], next_keys: tuple[AuthorityKey, ...]
    ) -> None:
        """These are the first authorities, and those of the epoch after the first."""
        ...

    def on_disabled(self, index: U32) -> None:
        """Authority ``index`` may not author any more in this session."""
        ...


class Finality(Protocol):
    """Grandpa: takes the keys of voters."""

    def on_genesis_session(self, keys: tuple[AuthorityKey, ...]) -> None:
        """These are the first authorities."""
        ...

    def on_new_session(self, session: U32, keys: tuple[AuthorityKey, ...]) -> None:
        """The session ``session`` begins with these voters."""
        ...

    def on_disabled(self, index: U32) -> None:
        """Authority ``index`` has misbehaved in this session."""
        ...


class History(Protocol):
    """Historical: remembers who had which keys in which session."""

    def on_session_planned(
        self,
        session: U32,
        owners: tuple[tuple[AccountId, tuple[tuple[bytes, bytes], ...]], ...],
        *,
        is_changed: bool,
    ) -> None:
        """In ``session`` these validate, with these keys by type.

        Unless ``is_changed`` they are those of the session before.
        """
        ...


class Accounts(Protocol):
    """System: accounts stay while something is kept under them."""

    def inc_providers(self, who: AccountId) -> None:
        """Let ``who`` exist."""
        ...

    def inc_consumers(self, who: AccountId) -> None:
        """Keep ``who``; raises NoProviders or TooManyConsumers."""
        ...

    def dec_consumers(self, who: AccountId) -> None:
        """Let ``who`` go."""
        ...
