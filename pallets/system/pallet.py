"""Accounts and who refers to them, the block's place in the chain, and its event log.

An account exists while somebody *provides* for it: its own money (at least the existential deposit)
is one provider. A *consumer* is a pallet that keeps something under the account, such as a
reserve, and needs it to stay. A provider may not leave while consumers remain; when the last
provider is gone, the account is removed with its nonce. If it is created again, its nonce begins at
0, as on any Substrate chain: extrinsics that it signed before can then be sent again by anybody,
those with an immortal era for ever. So wallets sign with mortal eras, and the refund of a fee
never brings an account back.

The executive drives a block: ``initialize``, for every extrinsic ``note_applied_extrinsic``,
``note_finished_extrinsics``, the hooks, ``finalize``. What describes the block (events, weight,
lengths) stays readable until the next block begins.

New code for the runtime, which root sets at once or schedules for a block, must be of the same
``spec_name`` and a higher ``spec_version``. It stands in ``:code`` after that block, whose digest
says so, and the next block is the new runtime's. See docs/adr/0025-shim-and-upgrades.md.

Invariants:
- an account has an entry if and only if its ``providers`` are not 0; ``sufficients`` is always 0,
  because no pallet gives that kind of reason;
- the hash of block 0 is kept for ever, the others for ``block_hash_count`` blocks.

Bounds: ``CODE_BYTES_MAX`` bytes of code, one scheduled at a time; ``SCHEDULE_BLOCKS_MAX`` blocks
ahead; ``CONSUMERS_MAX`` consumers for an account, ``PREFIX_KEYS_MAX`` keys removed by one
``kill_prefix``. Provided: ``SystemPort`` of the executive, ``Accounts`` of Balances, ``Chain`` of
Babe, ``Blocks`` of TransactionPayment, ``Lookup`` of Sudo.
"""

from dataclasses import replace
from typing import Annotated, Final

from pallets.frame import (
    Blake2_128Concat,
    DispatchError,
    DispatchInfo,
    Doc,
    Holes,
    Origin,
    Pallet,
    PalletConfig,
    PalletGenesis,
    StorageMap,
    StorageValue,
    Twox64Concat,
    Weight,
    call,
    ensure,
    ensure_root,
    ensure_signed,
    event,
)
from pallets.frame.account import AccountData
from pallets.frame.code import CODE_BYTES_MAX, check_shape, code_version
from pallets.frame.dispatch import DispatchInfoV2
from pallets.frame.error import (
    ConsumerRemaining,
    KeyTooLong,
    LookupFailed,
    NoProviders,
    PalletError,
    TooManyConsumers,
)
from pallets.frame.limits import BlockLength, BlockWeights, DbWeight, PerClassWeight
from pallets.frame.storage import EventsEntry
from pallets.frame.version import RuntimeVersion
from pallets.frame.weight import WeightV2
from pallets.system.types import (
    NO_ACCOUNT,
    AccountInfo,
    LastRuntimeUpgradeInfo,
    ScheduledUpgrade,
)
from primitives.digest import Digest, DigestItem, RuntimeEnvironmentUpdated
from primitives.errors import DecodeError
from primitives.extrinsic import MultiAddress, MultiAddressId
from primitives.hashing import blake2_256
from primitives.scale import U16, U32, U64
from primitives.trie import KEY_BYTES_MAX
from primitives.types import AccountId, BlockNumber, Hash, Nonce

__all__ = ["CODE_KEY", "CONSUMERS_MAX", "PREFIX_KEYS_MAX", "SCHEDULE_BLOCKS_MAX", "System"]

CODE_KEY: Final = b":code"
"""Where the state says which runtime executes the next block."""

SCHEDULE_BLOCKS_MAX: Final = 1 << 23
"""Blocks that an upgrade may be ahead: more than a year of slots of six seconds."""

CONSUMERS_MAX: Final = 16
"""Consumers of one account; each pallet that keeps something under it is one."""

PREFIX_KEYS_MAX: Final = 1024
"""Keys that one ``kill_prefix`` removes at most."""

_ZERO: Final = WeightV2(ref_time=U64(0), proof_size=U64(0))

NO_WEIGHT: Final = PerClassWeight(normal=_ZERO, operational=_ZERO, mandatory=_ZERO)
"""The weight of a block before it is known."""

HASH_PICOSECONDS_PER_BYTE: Final = 1_500
"""Time to hash a byte of a remark (BLAKE2b at well over 600 MB/s)."""


def _remark_weight(remark: bytes) -> Weight:
    return Weight(ref_time=HASH_PICOSECONDS_PER_BYTE * len(remark))


def _code_weight(code: bytes) -> Weight:
    return Weight(ref_time=HASH_PICOSECONDS_PER_BYTE * len(code), reads=2, writes=3)


def _schedule_weight(code: bytes, _at: BlockNumber) -> Weight:
    # It is written twice.
    return _code_weight(code) + _code_weight(code)


def _items_weight(items: tuple[tuple[bytes, bytes], ...]) -> Weight:
    return Weight(writes=len(items))


def _keys_weight(keys: tuple[bytes, ...]) -> Weight:
    return Weight(writes=len(keys))


def _prefix_weight(_prefix: bytes, subkeys: U32) -> Weight:
    count = min(int(subkeys), PREFIX_KEYS_MAX)
    return Weight(reads=count + 1, writes=count)


class System(Pallet):
    """Accounts, block numbers and hashes, events."""

    # Heap pages, code that nobody checks or that others bring, tasks; errors of these.
    holes = Holes(calls=(1, 3, 8, 9, 10, 11), events=(6, 7), errors=(3, 4, 5, 6, 7, 8))

    class Config(PalletConfig):
        """The limits of a block and the version of the runtime."""

        block_weights: Annotated[BlockWeights, Doc("How much a block may weigh, by class.")]
        block_length: Annotated[BlockLength, Doc("How many bytes a block may have, by class.")]
        block_hash_count: Annotated[BlockNumber, Doc("How many block hashes are kept.")]
        db_weight: Annotated[DbWeight, Doc("What a read and a write of the state weigh.")]
        version: Annotated[RuntimeVersion, Doc("The version of this runtime.")]
        ss58_prefix: Annotated[U16, Doc("The prefix of this chain's addresses.")]

    class Genesis(PalletGenesis):
        """Nothing to say: what is written follows from the configuration."""

    config: Config

    # Accounts are chosen by users.
    account = StorageMap(
        AccountId,
        AccountInfo,
        default=NO_ACCOUNT,
        hasher=Blake2_128Concat,
        doc="The accounts: nonce, references and money.",
    )
    extrinsic_count = StorageValue(U32, doc="Extrinsics of the block.")
    block_weight = StorageValue(
        PerClassWeight, default=NO_WEIGHT, doc="What the block weighs, by class."
    )
    all_extrinsics_len = StorageValue(U32, doc="Bytes of all extrinsics of the block.")
    # Block numbers cannot be crafted.
    block_hashes = StorageMap(
        BlockNumber,
        Hash,
        default=Hash(bytes(32)),
        hasher=Twox64Concat,
        wire_name="BlockHash",
        doc="Hashes of the latest blocks, and of block 0.",
    )
    number = StorageValue(BlockNumber, default=BlockNumber(0), doc="Height of the block.")
    parent_hash = StorageValue(Hash, default=Hash(bytes(32)), doc="Hash of the block before.")
    digest = StorageValue(Digest, default=Digest(logs=()), doc="Digest items of the block so far.")
    events = EventsEntry(doc="What happened in the block. Read it only from outside of the chain.")
    event_count = StorageValue(U32, default=U32(0), doc="How many events the block has.")
    last_runtime_upgrade = StorageValue(
        LastRuntimeUpgradeInfo, doc="The runtime that executed the latest block."
    )

    scheduled_upgrade = StorageValue(ScheduledUpgrade, doc="The next runtime, and when it comes.")
    scheduled_code = StorageValue(bytes, doc="Its code.")

    class InvalidSpecName(PalletError, index=0):
        """The code is of another chain's runtime."""

    class SpecVersionNeedsToIncrease(PalletError, index=1):
        """The code is not newer than the runtime."""

    class FailedToExtractRuntimeVersion(PalletError, index=2):
        """The code is no module that says which version it is."""

    class CodeTooLarge(PalletError, index=9):
        """The code is longer than any that is taken."""

    class UpgradeNotAhead(PalletError, index=10):
        """The block of the upgrade is over, or too far ahead."""

    class UpgradeScheduled(PalletError, index=11):
        """An upgrade is scheduled already; cancel it first."""

    class NoUpgradeScheduled(PalletError, index=12):
        """There is nothing to cancel."""

    @event(index=0)
    class ExtrinsicSuccess:
        """An extrinsic completed; ``dispatch_info`` is what it cost."""

        dispatch_info: DispatchInfoV2

    @event(index=1)
    class ExtrinsicFailed:
        """An extrinsic failed and changed nothing but the fee; ``dispatch_error`` says why."""

        dispatch_error: DispatchError
        dispatch_info: DispatchInfoV2

    @event(index=2)
    class CodeUpdated:
        """New code is set: the next block is its runtime's."""

    @event(index=3)
    class NewAccount:
        """An account came into existence."""

        account: AccountId

    @event(index=4)
    class KilledAccount:
        """An account was removed: nothing provides for it any more."""

        account: AccountId

    @event(index=5)
    class Remarked:
        """``sender`` remarked something whose BLAKE2b-256 is ``hash``."""

        sender: AccountId
        hash: Hash

    @event(index=8)
    class UpgradeWasScheduled:
        """Block ``at`` will set the code of ``spec_version``."""

        spec_version: U32
        at: BlockNumber

    @event(index=9)
    class UpgradeWasCancelled:
        """The upgrade to ``spec_version`` will not come."""

        spec_version: U32

    def genesis_build(self, genesis: Genesis) -> None:  # noqa: ARG002 - it has no fields
        """Note the runtime that made genesis."""
        self.last_runtime_upgrade.put(self._running())

    def integrity_test(self) -> None:
        """A mortal extrinsic needs the hash of the block it was born in."""
        assert self.config.block_hash_count > 0, "because extrinsics are checked against hashes"

    @call(index=0, weight=_remark_weight)
    def remark(self, origin: Origin, remark: bytes) -> None:
        """Put ``remark`` into the block and change nothing. *Origin*: any."""

    @call(index=2, weight=_code_weight, dispatch_class="operational")
    def set_code(self, origin: Origin, code: bytes) -> None:
        """Replace the code of the runtime: the next block is its.

        *Origin*: root. *Events*: CodeUpdated. *Errors*: CodeTooLarge,
        FailedToExtractRuntimeVersion, InvalidSpecName, SpecVersionNeedsToIncrease.
        """
        ensure_root(origin)
        self._check_code(code)
        self._set_code(code)

    @call(index=12, weight=_schedule_weight, dispatch_class="operational")
    def schedule_code(self, origin: Origin, code: bytes, at: BlockNumber) -> None:
        """Let block ``at`` replace the code of the runtime, so that every node can be ready.

        *Origin*: root. *Events*: UpgradeWasScheduled. *Errors*: those of ``set_code``,
        UpgradeNotAhead, UpgradeScheduled.
        """
        ensure_root(origin)
        ahead = int(at) - int(self.number.get())
        ensure(0 < ahead <= SCHEDULE_BLOCKS_MAX, self.UpgradeNotAhead)
        ensure(not self.scheduled_upgrade.exists(), self.UpgradeScheduled)
        version = self._check_code(code)
        self.scheduled_upgrade.put(ScheduledUpgrade(at=at, spec_version=version.spec_version))
        self.scheduled_code.put(code)
        self.deposit_event(self.UpgradeWasScheduled(spec_version=version.spec_version, at=at))

    @call(index=13, weight=Weight(reads=1, writes=2), dispatch_class="operational")
    def cancel_scheduled_code(self, origin: Origin) -> None:
        """Forget the scheduled upgrade.

        *Origin*: root. *Events*: UpgradeWasCancelled. *Errors*: NoUpgradeScheduled.
        """
        ensure_root(origin)
        scheduled = self.scheduled_upgrade.take()
        if scheduled is None:
            raise self.NoUpgradeScheduled
        self.scheduled_code.kill()
        self.deposit_event(self.UpgradeWasCancelled(spec_version=scheduled.spec_version))

    @call(index=4, weight=_items_weight, dispatch_class="operational")
    def set_storage(self, origin: Origin, items: tuple[tuple[bytes, bytes], ...]) -> None:
        """Write raw values under raw keys. *Origin*: root. *Errors*: Exhausted (a key's length).

        Nothing else is checked: a value that its pallet cannot decode makes the pallet unusable.
        """
        ensure_root(origin)
        for key, value in items:
            ensure(len(key) <= KEY_BYTES_MAX, KeyTooLong)
            self.overlay.put(key, value)

    @call(index=5, weight=_keys_weight, dispatch_class="operational")
    def kill_storage(self, origin: Origin, keys: tuple[bytes, ...]) -> None:
        """Remove raw keys. *Origin*: root."""
        ensure_root(origin)
        for key in keys:
            self.overlay.delete(key)

    @call(index=6, weight=_prefix_weight, dispatch_class="operational")
    def kill_prefix(self, origin: Origin, prefix: bytes, subkeys: U32) -> None:
        """Remove the first ``subkeys`` keys with ``prefix``, at most 1024. *Origin*: root."""
        ensure_root(origin)
        for key in self.overlay.keys(prefix, min(int(subkeys), PREFIX_KEYS_MAX)):
            self.overlay.delete(key)

    @call(index=7, weight=_remark_weight)
    def remark_with_event(self, origin: Origin, remark: bytes) -> None:
        """Put ``remark`` into the block and its hash into an event.

        *Origin*: signed. *Events*: Remarked.
        """
        who = ensure_signed(origin)
        self.deposit_event(self.Remarked(sender=who, hash=blake2_256(remark)))

    # Port of the executive.

    def initialize(self, number: BlockNumber, parent_hash: Hash, digest: Digest) -> bool:
        """Begin block ``number``: forget what described its parent.

        Returns whether it is the first block of a new runtime.
        """
        self.events.kill()
        self.event_count.kill()
        self.block_weight.kill()
        self.all_extrinsics_len.kill()
        self.extrinsic_count.kill()
        self.number.put(number)
        self.parent_hash.put(parent_hash)
        self.digest.put(digest)
        self.block_hashes[BlockNumber(number - 1)] = parent_hash
        too_old = int(number) - 1 - int(self.config.block_hash_count)
        if too_old > 0:
            del self.block_hashes[BlockNumber(too_old)]
        self._upgrade_if_due(number)
        running = self._running()
        if self.last_runtime_upgrade.get() == running:
            return False
        self.last_runtime_upgrade.put(running)
        return True

    def block_hash(self, number: int) -> Hash | None:
        """Hash of block ``number``, None if it is not known (any more)."""
        if not 0 <= number < int(self.number.get()):
            return None
        key = BlockNumber(number)
        if key not in self.block_hashes:
            return None
        return self.block_hashes[key]

    def nonce_of(self, who: AccountId) -> Nonce | None:
        """Nonce of the next extrinsic of ``who``, None if the account does not exist."""
        info = self.account[who]
        return info.nonce if info.providers else None

    def inc_account_nonce(self, who: AccountId) -> None:
        """An extrinsic of ``who`` was accepted."""
        info = self.account[who]
        self.account[who] = replace(info, nonce=Nonce(info.nonce + 1))

    def note_applied_extrinsic(self, info: DispatchInfo, error: DispatchError | None) -> None:
        """Log how an extrinsic ended and what it cost."""
        if error is None:
            self.deposit_event(self.ExtrinsicSuccess(dispatch_info=info.wire()))
        else:
            self.deposit_event(
                self.ExtrinsicFailed(dispatch_error=error, dispatch_info=info.wire())
            )

    def note_finished_extrinsics(self, count: int, length: int, weight: PerClassWeight) -> None:
        """All ``count`` extrinsics are applied; they have ``length`` bytes and weigh ``weight``."""
        self.extrinsic_count.put(U32(count))
        self.all_extrinsics_len.put(U32(length))
        self.block_weight.put(weight)

    def finalize(self) -> Digest:
        """End the block: write its log; return the digest with what pallets added."""
        self.events.put(self.overlay.events)
        self.event_count.put(U32(len(self.overlay.events)))
        return self.digest.get()

    # Ports of Balances, Babe, TransactionPayment and Sudo.

    def lookup(self, address: MultiAddress) -> AccountId:
        """The account that ``address`` names, or LookupFailed."""
        if not isinstance(address, MultiAddressId):
            raise LookupFailed
        return address.value

    def deposit_log(self, item: DigestItem) -> None:
        """Append ``item`` to the block's digest."""
        self.digest.put(self.digest.get().pushed(item))

    def current_digest(self) -> Digest:
        """The block's digest so far."""
        return self.digest.get()

    def parent(self) -> Hash:
        """Hash of the block before."""
        return self.parent_hash.get()

    def weight_used(self) -> PerClassWeight:
        """What the block weighs, once its extrinsics are applied."""
        return self.block_weight.get()

    def limits(self) -> BlockWeights:
        """What a block may weigh."""
        return self.config.block_weights

    def data(self, who: AccountId) -> AccountData:
        """Money of ``who``."""
        return self.account[who].data

    def set_data(self, who: AccountId, data: AccountData) -> None:
        """Replace the money of an account that exists."""
        info = self.account[who]
        assert info.providers, "because money needs an account to lie in"
        self.account[who] = replace(info, data=data)

    # References.

    def inc_providers(self, who: AccountId) -> None:
        """One more reason for ``who`` to exist; the first one creates it."""
        info = self.account[who]
        if not info.providers:
            self.deposit_event(self.NewAccount(account=who))
        self.account[who] = replace(info, providers=U32(info.providers + 1))

    def dec_providers(self, who: AccountId) -> None:
        """One reason less; the last one removes the account, or ConsumerRemaining is raised."""
        info = self.account[who]
        assert info.providers, "because whoever provides can stop it only once"
        if info.providers > 1:
            self.account[who] = replace(info, providers=U32(info.providers - 1))
        elif info.consumers:
            raise ConsumerRemaining
        else:
            del self.account[who]
            self.deposit_event(self.KilledAccount(account=who))

    def can_dec_provider(self, who: AccountId) -> bool:
        """Whether one provider of ``who`` may leave."""
        info = self.account[who]
        return info.consumers == 0 or info.providers > 1

    def inc_consumers(self, who: AccountId) -> None:
        """Somebody needs ``who`` to stay; raises NoProviders or TooManyConsumers."""
        info = self.account[who]
        if not info.providers:
            raise NoProviders
        if info.consumers >= CONSUMERS_MAX:
            raise TooManyConsumers
        self.account[who] = replace(info, consumers=U32(info.consumers + 1))

    def dec_consumers(self, who: AccountId) -> None:
        """That need is over."""
        info = self.account[who]
        assert info.consumers, "because whoever consumes can stop it only once"
        self.account[who] = replace(info, consumers=U32(info.consumers - 1))

    # Private.

    def _check_code(self, code: bytes) -> RuntimeVersion:
        """The version of ``code``, if that may follow the running one."""
        ensure(len(code) <= CODE_BYTES_MAX, self.CodeTooLarge)
        try:
            check_shape(code)
            version = code_version(code)
        except DecodeError:
            raise self.FailedToExtractRuntimeVersion from None
        running = self.config.version
        ensure(version.spec_name == running.spec_name, self.InvalidSpecName)
        ensure(version.spec_version > running.spec_version, self.SpecVersionNeedsToIncrease)
        return version

    def _set_code(self, code: bytes) -> None:
        self.overlay.put(CODE_KEY, code)
        item = RuntimeEnvironmentUpdated()
        if item not in self.digest.get().logs:
            self.deposit_log(item)
        self.deposit_event(self.CodeUpdated())

    def _upgrade_if_due(self, number: BlockNumber) -> None:
        scheduled = self.scheduled_upgrade.get()
        if scheduled is None or number < scheduled.at:
            return
        code = self.scheduled_code.take()
        self.scheduled_upgrade.kill()
        assert code is not None, "because it is scheduled with its time"
        if scheduled.spec_version > self.config.version.spec_version:
            self._set_code(code)
        else:
            # Meanwhile a newer one was set at once.
            self.deposit_event(self.UpgradeWasCancelled(spec_version=scheduled.spec_version))

    def _running(self) -> LastRuntimeUpgradeInfo:
        version = self.config.version
        return LastRuntimeUpgradeInfo(
            spec_version=version.spec_version, spec_name=version.spec_name
        )
