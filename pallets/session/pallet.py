"""Sessions: the accounts behind the keys that make and finalize blocks.

The validators and their keys are those of genesis: this chain does not change its set yet, so there
are no calls to set keys. A session is an epoch of BABE. Genesis is the only place where keys are
written; from here Babe and Grandpa get theirs, in the same order, so that authority ``i`` of both
is validator ``i``.

Bounds: as many validators as Babe takes. Ports needed: ``epochs`` (Babe) and ``finality``
(Grandpa), at genesis only. Provided: ``Sessions`` of Babe.
"""

from typing import Protocol

from pallets.frame import (
    Pallet,
    PalletConfig,
    PalletGenesis,
    StorageMap,
    StorageValue,
    Twox64Concat,
    event,
)
from pallets.session.types import BABE_KEY_TYPE, GRANDPA_KEY_TYPE, KeyTypeId, SessionKeys
from primitives.digest import AuthorityKey
from primitives.scale import U32
from primitives.types import AccountId

__all__ = ["Epochs", "Finality", "Session"]


class Epochs(Protocol):
    """Babe: takes the keys of authors."""

    def on_genesis_session(self, keys: tuple[AuthorityKey, ...]) -> None:
        """These are the first authorities."""
        ...


class Finality(Protocol):
    """Grandpa: takes the keys of voters."""

    def on_genesis_session(self, keys: tuple[AuthorityKey, ...]) -> None:
        """These are the first authorities."""
        ...


class Session(Pallet):
    """Validators and their keys."""

    class Config(PalletConfig):
        """The engines."""

        epochs: Epochs
        finality: Finality

    class Genesis(PalletGenesis):
        """The validators; without any, no block can be made."""

        validators: tuple[tuple[AccountId, SessionKeys], ...] = ()

    config: Config

    validators = StorageValue(
        tuple[AccountId, ...], default=(), doc="The accounts of the authorities, in their order."
    )
    current_index = StorageValue(U32, default=U32(0), doc="Index of the session.")
    queued_keys = StorageValue(
        tuple[tuple[AccountId, SessionKeys], ...],
        default=(),
        doc="Validators and keys of the next session.",
    )
    # Only genesis writes these maps, so nobody can craft keys.
    next_keys = StorageMap(
        AccountId, SessionKeys, hasher=Twox64Concat, doc="The keys of each validator."
    )
    key_owner = StorageMap(
        tuple[KeyTypeId, bytes],
        AccountId,
        hasher=Twox64Concat,
        doc="The validator that a key of a type belongs to.",
    )

    @event(index=0)
    class NewSession:
        """The session ``session_index`` begins."""

        session_index: U32

    def genesis_build(self, genesis: Genesis) -> None:
        """Write the validators and hand out their keys."""
        if not genesis.validators:
            return  # a runtime that is only asked questions, or a test of another pallet
        for who, keys in genesis.validators:
            assert who not in self.next_keys, "a chain spec lists a validator twice"
            self.next_keys[who] = keys
            for kind, key in ((BABE_KEY_TYPE, keys.babe), (GRANDPA_KEY_TYPE, keys.grandpa)):
                assert (kind, key) not in self.key_owner, "a chain spec gives a key to two"
                self.key_owner[kind, key] = who
        self.validators.put(tuple(who for who, _ in genesis.validators))
        self.queued_keys.put(genesis.validators)
        self.config.epochs.on_genesis_session(tuple(keys.babe for _, keys in genesis.validators))
        self.config.finality.on_genesis_session(
            tuple(keys.grandpa for _, keys in genesis.validators)
        )

    # Port of Babe.

    def validator_at(self, index: int) -> AccountId | None:
        """The account of authority ``index``."""
        validators = self.validators.get()
        return validators[index] if 0 <= index < len(validators) else None

    def on_new_epoch(self) -> None:
        """Begin a session."""
        index = U32(self.current_index.get() + 1)
        self.current_index.put(index)
        self.deposit_event(self.NewSession(session_index=index))
