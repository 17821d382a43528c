"""The key that may do everything, while the network is young.

Its owner makes calls as root or as any account, hands the key on, or removes it for ever. A failed
inner call does not fail the extrinsic: the event tells its result. Such extrinsics pay no fee.

Ports needed: ``accounts`` (System).
"""

from typing import Protocol

from pallets.frame import (
    Origin,
    Pallet,
    PalletConfig,
    PalletError,
    PalletGenesis,
    PostInfo,
    RuntimeCall,
    StorageValue,
    Weight,
    call,
    ensure,
    ensure_signed,
    event,
)
from pallets.frame.dispatch import Outcome
from pallets.frame.error import DispatchError
from pallets.frame.weight import WeightV2
from primitives.extrinsic import MultiAddress
from primitives.scale import Err, Ok, Result
from primitives.types import AccountId

__all__ = ["Lookup", "Sudo"]

SUDO_WEIGHT = Weight(reads=1)


class Lookup(Protocol):
    """System: from an address to an account."""

    def lookup(self, address: MultiAddress) -> AccountId:
        """The account that an address names, or LookupFailed."""
        ...


def _inner_weight(inner: RuntimeCall) -> Weight:
    return inner.info().weight + SUDO_WEIGHT


def _told_weight(_inner: RuntimeCall, weight: WeightV2) -> Weight:
    return Weight.from_wire(weight)


def _as_weight(_who: MultiAddress, inner: RuntimeCall) -> Weight:
    return inner.info().weight + SUDO_WEIGHT


class Sudo(Pallet):
    """Root by one key."""

    class Config(PalletConfig):
        """The accounts."""

        accounts: Lookup

    class Genesis(PalletGenesis):
        """Who has the key at the start, if anybody."""

        key: AccountId | None = None

    config: Config

    key = StorageValue(AccountId, doc="The account that may act as root.")

    @event(index=0)
    class Sudid:
        """A call was made as root, or with the weight that its sender told."""

        sudo_result: Result[None, DispatchError]

    @event(index=1)
    class KeyChanged:
        """The key was handed on."""

        old: AccountId | None
        new: AccountId

    @event(index=2)
    class KeyRemoved:
        """Nobody has the key any more."""

    @event(index=3)
    class SudoAsDone:
        """A call was made as another account."""

        sudo_result: Result[None, DispatchError]

    class RequireSudo(PalletError, index=0):
        """Only the owner of the key may do that."""

    def genesis_build(self, genesis: Genesis) -> None:
        """Hand out the key."""
        if genesis.key is not None:
            self.key.put(genesis.key)

    @call(index=0, weight=_inner_weight)
    def sudo(self, origin: Origin, call: RuntimeCall) -> PostInfo:
        """Make a call as root. *Origin*: the key. *Errors*: RequireSudo. *Events*: Sudid."""
        self._ensure_sudo(origin)
        outcome = self.try_dispatch(call, Origin.root())
        self.deposit_event(self.Sudid(sudo_result=_result(outcome)))
        return PostInfo(pays_fee=False)

    @call(index=1, weight=_told_weight)
    def sudo_unchecked_weight(
        self,
        origin: Origin,
        call: RuntimeCall,
        weight: WeightV2,  # noqa: ARG002 - weighs the call
    ) -> PostInfo:
        """Make a call as root that counts as ``weight``, whatever it declares.

        *Origin*: the key. *Errors*: RequireSudo. *Events*: Sudid.
        """
        self._ensure_sudo(origin)
        outcome = self.try_dispatch(call, Origin.root())
        self.deposit_event(self.Sudid(sudo_result=_result(outcome)))
        return PostInfo(pays_fee=False)

    @call(index=2, weight=Weight(reads=1, writes=1))
    def set_key(self, origin: Origin, new: MultiAddress) -> PostInfo:
        """Hand the key on. *Origin*: the key. *Errors*: RequireSudo. *Events*: KeyChanged."""
        self._ensure_sudo(origin)
        old, heir = self.key.get(), self.config.accounts.lookup(new)
        self.key.put(heir)
        self.deposit_event(self.KeyChanged(old=old, new=heir))
        return PostInfo(pays_fee=False)

    @call(index=3, weight=_as_weight)
    def sudo_as(self, origin: Origin, who: MultiAddress, call: RuntimeCall) -> PostInfo:
        """Make a call as ``who``.

        *Origin*: the key. *Errors*: RequireSudo. *Events*: SudoAsDone.
        """
        self._ensure_sudo(origin)
        account = self.config.accounts.lookup(who)
        outcome = self.try_dispatch(call, Origin.signed(account))
        self.deposit_event(self.SudoAsDone(sudo_result=_result(outcome)))
        return PostInfo(pays_fee=False)

    @call(index=4, weight=Weight(reads=1, writes=1))
    def remove_key(self, origin: Origin) -> PostInfo:
        """Remove the key for ever.

        *Origin*: the key. *Errors*: RequireSudo. *Events*: KeyRemoved.
        """
        self._ensure_sudo(origin)
        self.key.kill()
        self.deposit_event(self.KeyRemoved())
        return PostInfo(pays_fee=False)

    def _ensure_sudo(self, origin: Origin) -> None:
        if origin.kind != Origin.ROOT:
            ensure(ensure_signed(origin) == self.key.get(), self.RequireSudo)


def _result(outcome: Outcome) -> Result[None, DispatchError]:
    return Ok(None) if outcome.error is None else Err(outcome.error)
