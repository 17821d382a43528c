"""What Staking needs of its neighbours, and no more."""

from typing import Protocol

from primitives.extrinsic import MultiAddress
from primitives.scale import U32
from primitives.types import AccountId, Balance, Hash, Moment

__all__ = ["Accounts", "Authors", "Clock", "Credits", "Currency", "Randomness", "Sessions"]


class Currency(Protocol):
    """Balances: money that Staking holds, and nobody else can free or take."""

    def spendable(self, who: AccountId) -> Balance:
        """The most of ``who`` that can be held beside what is."""
        ...

    def held(self, who: AccountId) -> Balance:
        """What is held of ``who``."""
        ...

    def hold(self, who: AccountId, amount: Balance) -> None:
        """Hold ``amount`` more, or raise."""
        ...

    def release(self, who: AccountId, amount: Balance) -> Balance:
        """Free ``amount``, or all that is held; return how much."""
        ...

    def move_held(self, source: AccountId, dest: AccountId, amount: Balance) -> Balance:
        """Move ``amount``, or all that is held, to ``dest``; return how much. Never raises."""
        ...

    def transfer(self, source: AccountId, dest: AccountId, amount: Balance) -> None:
        """Move ``amount`` that is free; ``source`` stays alive. Raises where it cannot."""
        ...

    def mint_into(self, who: AccountId, amount: Balance) -> None:
        """Create ``amount``, or raise."""
        ...


class Accounts(Protocol):
    """System: which account an address names."""

    def lookup(self, address: MultiAddress) -> AccountId:
        """The account, or LookupFailed."""
        ...


class Sessions(Protocol):
    """Session: which session it is, and who may work in it."""

    def index(self) -> U32:
        """Index of this session."""
        ...

    def keys_of(self, who: AccountId) -> object | None:
        """The keys that ``who`` has set: nobody can work without."""
        ...

    def disable(self, who: AccountId) -> bool:
        """Let ``who`` author no more; False if that cannot be."""
        ...


class Authors(Protocol):
    """Babe: who made this block."""

    def author(self) -> AccountId | None:
        """The author's account; None in genesis."""
        ...


class Randomness(Protocol):
    """Babe: what nobody chose."""

    def random(self, subject: bytes) -> Hash:
        """Randomness from the outputs of all blocks before this one, separated by ``subject``."""
        ...


class Credits(Protocol):
    """SchedulerCredit: how well candidates have worked."""

    def credit(self, who: AccountId) -> U32:
        """From 0 to 1000."""
        ...

    def record_punishment(self, who: AccountId) -> None:
        """``who`` committed an offence. Never raises."""
        ...


class Clock(Protocol):
    """Timestamp: the time of the block."""

    def time_of_block(self) -> Moment:
        """Milliseconds since 1970."""
        ...
