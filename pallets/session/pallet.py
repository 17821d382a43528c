"""Sessions: who validates when, and with which keys.

A session is an epoch of BABE. At each one's begin the validators that were *queued* a session
before take office, and those of the next one are queued: whom ``manager`` names, or the same as
before, each with the newest keys that it has set. So keys and elections count two sessions later,
and light clients learn of them a session ahead. Babe and Grandpa get the keys in the same order:
authority ``i`` of both is validator ``i``.

Whoever sets keys shows that it has them: each key signs for its owner, see ``types``. A key belongs
to one account. Without that, an account could claim a validator's keys and be punished, rewarded or
elected with it in its place.

An offender is *disabled*: it may author no more until a set with other members takes office. At
most ``(n - 1) // 3`` are, so that blocks go on.

Invariants:
- there is always a validator, and none twice, and no key twice;
- ``key_owner`` names exactly the keys of ``next_keys``;
- the keys of a session never change while it lasts, whatever its validators set.

Bounds: ``max_validators``. Ports needed: ``manager`` (Staking), ``epochs`` (Babe), ``finality``
(Grandpa), ``history`` (Historical), ``accounts`` (System). Provided: ``Sessions`` of Babe and of
Historical, ``Disabling`` of Offences.
"""

from typing import Annotated, Final

from pallets.frame import (
    Doc,
    Holes,
    Origin,
    Pallet,
    PalletConfig,
    PalletError,
    PalletGenesis,
    StorageMap,
    StorageValue,
    Twox64Concat,
    Weight,
    call,
    ensure,
    ensure_signed,
    event,
)
from pallets.frame.error import NoProviders, TooManyConsumers
from pallets.session.ports import Accounts, Epochs, Finality, History, SessionManager
from pallets.session.types import SessionKeys, is_possession_proof
from primitives.digest import AuthorityKey
from primitives.scale import U32
from primitives.types import AccountId, KeyTypeId

__all__ = ["Session"]

Keyed = tuple[tuple[AccountId, SessionKeys], ...]
"""Validators with their keys, in their order."""

POSSESSION_REF_TIME: Final = 400_000_000
"""Picoseconds to check two signatures; measured 0.2 ms on one core."""

ROTATION_REF_TIME: Final = 25_000_000
"""Picoseconds for each validator, old or new, when a session begins, beside its reads and writes.

Measured on one core: 10 ms for 1,000 that stay, 50 ms for 1,000 of whom some change, which includes
the root over their keys and both digests.
"""


class Session(Pallet):
    """Validators and their keys."""

    # 1: an account validates under its own name, there is no other to look up.
    holes = Holes(errors=(1,))

    class Config(PalletConfig):
        """Who elects, and who is told."""

        max_validators: Annotated[U32, Doc("The most validators that a session may have.")]
        manager: SessionManager
        epochs: Epochs
        finality: Finality
        history: History
        accounts: Accounts

    class Genesis(PalletGenesis):
        """The validators and their keys; without any, no block can be made."""

        validators: tuple[tuple[AccountId, SessionKeys], ...] = ()

    config: Config

    validators = StorageValue(
        tuple[AccountId, ...], default=(), doc="The accounts of the authorities, in their order."
    )
    current_index = StorageValue(U32, default=U32(0), doc="Index of the session.")
    queued_changed = StorageValue(
        bool, default=False, doc="Whether the queued validators or keys are not those in office."
    )
    queued_keys = StorageValue(
        tuple[tuple[AccountId, SessionKeys], ...],
        default=(),
        doc="Validators and keys of the next session.",
    )
    active_keys = StorageValue(
        tuple[SessionKeys, ...],
        default=(),
        doc="Keys of the validators in this session; what they set since is in NextKeys.",
    )
    disabled_validators = StorageValue(
        tuple[U32, ...],
        default=(),
        doc="Indices of the validators that may not author, in rising order.",
    )
    # Accounts cannot be chosen freely: a key must sign for each, and a deposit keeps it alive.
    next_keys = StorageMap(
        AccountId, SessionKeys, hasher=Twox64Concat, doc="The keys that each account has set."
    )
    key_owner = StorageMap(
        tuple[KeyTypeId, bytes],
        AccountId,
        hasher=Twox64Concat,
        doc="The account that a key of a type belongs to.",
    )

    @event(index=0)
    class NewSession:
        """The session ``session_index`` begins."""

        session_index: U32

    @event(index=1)
    class ValidatorDisabled:
        """``validator`` may author no more until another set takes office."""

        validator: AccountId

    class InvalidProof(PalletError, index=0):
        """The proof is not each key's signature for this account: author_rotateKeysWithOwner."""

    class DuplicatedKey(PalletError, index=2):
        """One of the keys belongs to another account."""

    class NoKeys(PalletError, index=3):
        """This account has set no keys."""

    class NoAccount(PalletError, index=4):
        """The account does not exist, or too much is kept under it already."""

    def integrity_test(self) -> None:
        """There is room for a validator."""
        assert self.config.max_validators > 0, "because somebody must make blocks"

    def genesis_build(self, genesis: Genesis) -> None:
        """Write the keys, ask who begins, and hand the keys out."""
        if not genesis.validators:
            return  # a runtime that is only asked questions, or a test of another pallet
        accounts, manager = self.config.accounts, self.config.manager
        for who, keys in genesis.validators:
            assert who not in self.next_keys, "a chain spec lists a validator twice"
            try:
                accounts.inc_consumers(who)
            except NoProviders:  # an account without money may validate from the beginning
                accounts.inc_providers(who)
                accounts.inc_consumers(who)
            for kind, key in keys.typed():
                assert (kind, key) not in self.key_owner, "a chain spec gives a key to two"
            self._put_keys(who, None, keys)
        assert len(genesis.validators) <= self.config.max_validators, "because a spec is checked"
        first = self._chosen(manager.new_session(U32(0)), genesis.validators)
        second = self._chosen(manager.new_session(U32(1)), first)
        self.validators.put(tuple(who for who, _ in first))
        self.active_keys.put(tuple(keys for _, keys in first))
        self.queued_keys.put(second)
        self.queued_changed.put(second != first)
        self.config.epochs.on_genesis_session(
            tuple(keys.babe for _, keys in first), tuple(keys.babe for _, keys in second)
        )
        self.config.finality.on_genesis_session(tuple(keys.grandpa for _, keys in first))
        self.config.history.on_session_planned(U32(0), _owners(first), is_changed=True)
        self.config.history.on_session_planned(U32(1), _owners(second), is_changed=second != first)
        manager.start_session(U32(0))

    # Calls.

    @call(index=0, weight=Weight(POSSESSION_REF_TIME) + Weight(reads=4, writes=6))
    def set_keys(self, origin: Origin, keys: SessionKeys, proof: bytes) -> None:
        """Work with ``keys`` from the session after the next. *Origin*: signed.

        ``proof`` holds the signatures of the keys, in their order, over ``POP_`` and the caller's
        account. The keys of before stay in use until then. Only who is elected works with them.
        """
        who = ensure_signed(origin)
        ensure(is_possession_proof(proof, who, keys), self.InvalidProof)
        for kind, key in keys.typed():
            ensure(self.key_owner.get((kind, key)) in (None, who), self.DuplicatedKey)
        before = self.next_keys.get(who)
        if before is None:
            try:
                self.config.accounts.inc_consumers(who)
            except (NoProviders, TooManyConsumers):
                raise self.NoAccount from None
        self._put_keys(who, before, keys)

    @call(index=1, weight=Weight(reads=2, writes=4))
    def purge_keys(self, origin: Origin) -> None:
        """Forget the caller's keys. *Origin*: signed.

        A validator still works with them in this session and the next, and is punished for what it
        does with them; then it is left out. Keys that are the last validator's stay in use.
        """
        who = ensure_signed(origin)
        before = self.next_keys.take(who)
        if before is None:
            raise self.NoKeys
        for kind, key in before.typed():
            del self.key_owner[kind, key]
        self.config.accounts.dec_consumers(who)

    # Port of Babe.

    def on_new_epoch(self) -> tuple[tuple[AuthorityKey, ...], Weight]:
        """Begin a session; the authorities of the one after it, and what this took."""
        config = self.config
        ended = self.current_index.get()
        config.manager.end_session(ended)
        begun, is_changed = self.queued_keys.get(), self.queued_changed.get()
        index = U32(ended + 1)
        self.current_index.put(index)
        if is_changed:
            validators = tuple(who for who, _ in begun)
            if validators != self.validators.get():
                self.disabled_validators.kill()
                self.validators.put(validators)
            self.active_keys.put(tuple(keys for _, keys in begun))
        config.manager.start_session(index)
        planned = U32(index + 1)
        queued = self._chosen(config.manager.new_session(planned), begun)
        will_change = queued != begun
        if will_change:
            self.queued_keys.put(queued)
        if will_change != is_changed:
            self.queued_changed.put(will_change)
        config.history.on_session_planned(planned, _owners(queued), is_changed=will_change)
        config.finality.on_new_session(index, tuple(keys.grandpa for _, keys in begun))
        self.deposit_event(self.NewSession(session_index=index))
        count = len(begun) + len(queued)
        used = Weight(ROTATION_REF_TIME * count) + Weight(reads=len(begun) + 10, writes=12)
        return tuple(keys.babe for _, keys in queued), used

    def validator_at(self, index: int) -> AccountId | None:
        """The account of authority ``index``."""
        validators = self.validators.get()
        return validators[index] if 0 <= index < len(validators) else None

    def disabled(self, *, in_next: bool) -> tuple[U32, ...]:
        """Authorities that may not author, in this session or in the next one."""
        found = self.disabled_validators.get()
        if found and in_next:
            queued = tuple(who for who, _ in self.queued_keys.get())
            return found if queued == self.validators.get() else ()
        return found

    # Port of Historical.

    def index(self) -> U32:
        """Index of this session."""
        return self.current_index.get()

    def owners(self) -> tuple[tuple[AccountId, tuple[tuple[bytes, bytes], ...]], ...]:
        """The validators of this session, each with its keys by type."""
        return _owners(tuple(zip(self.validators.get(), self.active_keys.get(), strict=True)))

    # Port of Offences.

    def disable(self, who: AccountId) -> bool:
        """Let ``who`` author no more until another set takes office.

        False if it does not validate, or as many as may be are disabled.
        """
        validators, before = self.validators.get(), self.disabled_validators.get()
        if who not in validators:
            return False
        index = U32(validators.index(who))
        if index in before:
            return True
        if len(before) >= (len(validators) - 1) // 3:
            return False
        self.disabled_validators.put(tuple(sorted((*before, index))))
        self.config.epochs.on_disabled(index)
        self.config.finality.on_disabled(index)
        self.deposit_event(self.ValidatorDisabled(validator=who))
        return True

    # Views.

    def keys_of(self, who: AccountId) -> SessionKeys | None:
        """The newest keys of ``who``: an election takes nobody without."""
        return self.next_keys.get(who)

    # Private.

    def _put_keys(self, who: AccountId, before: SessionKeys | None, keys: SessionKeys) -> None:
        if before is not None:
            for kind, key in before.typed():
                del self.key_owner[kind, key]
        for kind, key in keys.typed():
            self.key_owner[kind, key] = who
        self.next_keys[who] = keys

    def _chosen(self, named: tuple[AccountId, ...] | None, before: Keyed) -> Keyed:
        """``named``, or who was there before, with their newest keys; never nobody."""
        asked = tuple(who for who, _ in before) if named is None else named
        taken: dict[AccountId, None] = {}
        found: list[tuple[AccountId, SessionKeys]] = []
        for who in asked:
            keys = self.next_keys.get(who)
            if keys is None or who in taken:
                continue
            taken[who] = None
            found.append((who, keys))
            if len(found) == self.config.max_validators:
                break
        return tuple(found) or before


def _owners(keyed: Keyed) -> tuple[tuple[AccountId, tuple[tuple[bytes, bytes], ...]], ...]:
    """Validators with their keys as pairs of type and key."""
    return tuple((who, keys.typed()) for who, keys in keyed)
