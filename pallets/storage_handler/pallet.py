"""Territories: space leased by the day, and the account of what the network can lease.

A territory is active until its deadline, then frozen (nothing new is stored, reading goes on), and
expired after ``frozen_days`` more; then its files are cleared and it is removed, at once if it is
empty. Transitions wait
in queues by block. A cursor walks them and at most ``TRANSITIONS_PER_BLOCK_MAX`` are made in a
block; what is left over is made in the next one, so nobody can fill a block's queue to keep
others out, and nothing is forgotten. Between deadline and transition a territory is already
refused for new files, because every check also looks at the deadline.

Invariants:
- ``total = used + locked + remaining`` in every territory;
- ``purchased_space`` is the sum of ``total_space`` over active and frozen territories;
- ``territory_key`` and ``territory`` are the two directions of one relation;
- every active or frozen territory waits for its next transition under one block, which a cursor
  has not passed, and ``territory_schedule`` says under which;
- each planck of a payment arrives at ``space_treasury``.

Ports needed: ``currency`` (Balances), ``treasury`` account (constant). Provided, see the bottom of
the class: to FileBank ``lock_user_space``, ``unlock_user_space``, ``unlock_and_use``,
``add_used_space``, ``sub_used_space``, ``is_expired``, ``next_to_clear``, ``finish_clearing``; to
Sminer ``add_total_idle_space``, ``sub_total_idle_space``, ``add_total_service_space``,
``sub_total_service_space``.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Protocol

from pallets.frame import (
    Blake2_128Concat,
    Doc,
    Origin,
    Pallet,
    PalletConfig,
    PalletError,
    PalletGenesis,
    StorageDoubleMap,
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
from pallets.frame.storage import BoundDoubleMap, BoundValue
from pallets.storage_handler.names import is_proper_name
from pallets.storage_handler.types import TerritoryInfo, TerritoryState, TerrName
from primitives.hashing import blake2_256
from primitives.scale import U32, U64, U128
from primitives.types import AccountId, Balance, BlockNumber, Hash

__all__ = ["Currency", "StorageHandler"]

TRANSITIONS_PER_BLOCK_MAX = 64
"""Territories that freeze or expire in one block; the others wait for the next."""

CURSOR_STEPS_MAX = 256
"""Blocks of a queue that a cursor may pass in one block, so that a long gap is walked in pieces."""

LEASE_DAYS_MAX = 36_500
"""The longest lease that one call may buy: a hundred years."""


class Currency(Protocol):
    """What territories need of a currency."""

    def spendable(self, who: AccountId, *, keep_alive: bool) -> Balance:
        """The most that ``who`` can send, if it must keep the existential deposit or not."""
        ...

    def transfer(
        self, src: AccountId, dst: AccountId, amount: Balance, keep_alive: bool = True
    ) -> None:
        """Move ``amount`` or raise."""
        ...


class StorageHandler(Pallet):
    """Leases of space and the totals that bound them."""

    class Config(PalletConfig):
        """Constants of the chain, and the currency."""

        space_unit_bytes: Annotated[U128, Doc("The unit of a lease: a GiB on a live chain.")]
        one_day: Annotated[BlockNumber, Doc("Blocks of a day of lease.")]
        lease_days_min: Annotated[U32, Doc("The shortest lease, in days.")]
        frozen_days: Annotated[U32, Doc("Days between the end of a lease and its expiry.")]
        space_treasury: Annotated[AccountId, Doc("Receives every payment for space.")]
        currency: Currency

    class Genesis(PalletGenesis):
        """The price at the start, in planck for each unit and day."""

        price: Balance = Balance(0)

    config: Config

    # Tokens are hashes; names and accounts are chosen by users: all need a resistant hasher.
    territory_key = StorageMap(
        Hash,
        tuple[AccountId, TerrName],
        hasher=Blake2_128Concat,
        doc="Owner and name of the territory with this token.",
    )
    territory = StorageDoubleMap(
        AccountId,
        TerrName,
        TerritoryInfo,
        hashers=(Blake2_128Concat, Blake2_128Concat),
        doc="Territories by owner and name.",
    )
    # Block numbers cannot be crafted, so the cheap hasher is enough for the first key.
    territory_frozen = StorageDoubleMap(
        BlockNumber,
        Hash,
        bool,
        hashers=(Twox64Concat, Blake2_128Concat),
        doc="Territories that freeze at this block.",
    )
    territory_expired = StorageDoubleMap(
        BlockNumber,
        Hash,
        bool,
        hashers=(Twox64Concat, Blake2_128Concat),
        doc="Territories that expire at this block.",
    )
    territory_schedule = StorageMap(
        Hash,
        BlockNumber,
        hasher=Blake2_128Concat,
        doc="The block under which the next transition of a territory waits.",
    )
    frozen_cursor = StorageValue(
        BlockNumber, default=BlockNumber(0), doc="First block with freezes left to make."
    )
    expired_cursor = StorageValue(
        BlockNumber, default=BlockNumber(0), doc="First block with expiries left to make."
    )
    clearing = StorageMap(
        U64,
        tuple[AccountId, TerrName],
        hasher=Twox64Concat,
        doc="Expired territories whose files are being cleared, a queue.",
    )
    clearing_head = StorageValue(U64, default=U64(0), doc="Index of the queue's first entry.")
    clearing_tail = StorageValue(U64, default=U64(0), doc="Index after the queue's last entry.")
    unit_price = StorageValue(
        Balance, default=Balance(0), doc="Price of a unit of space for a day, in planck."
    )
    total_idle_space = StorageValue(
        U128, default=U128(0), doc="Idle and locked space of all miners, in bytes."
    )
    total_service_space = StorageValue(
        U128, default=U128(0), doc="Service space of all miners, in bytes."
    )
    purchased_space = StorageValue(
        U128, default=U128(0), doc="Space of all active and frozen territories, in bytes."
    )

    @event(index=7)
    class MintTerritory:
        """A territory of ``storage_capacity`` bytes begins; ``spend`` planck were paid."""

        token: Hash
        name: TerrName
        storage_capacity: U128
        spend: Balance

    @event(index=8)
    class ExpansionTerritory:
        """A territory grew by ``expansion_space`` bytes; ``spend`` planck were paid."""

        name: TerrName
        expansion_space: U128
        spend: Balance

    @event(index=9)
    class RenewalTerritory:
        """A territory was extended by ``days``; ``spend`` planck were paid."""

        name: TerrName
        days: U32
        spend: Balance

    @event(index=16)
    class LeaseFrozen:
        """The lease ``name`` of ``acc`` ended: renew it before ``expires``, or its files go."""

        acc: AccountId
        name: TerrName
        expires: BlockNumber

    @event(index=17)
    class LeaseEnded:
        """The lease ``name`` of ``acc`` over ``size`` bytes expired; its files are cleared now."""

        acc: AccountId
        name: TerrName
        size: U128

    @event(index=18)
    class UnitPriceChanged:
        """A unit of space costs ``price`` planck a day from now on."""

        price: Balance

    class InsufficientAvailableSpace(PalletError, index=2):
        """The miners have not proved that much free space; lease less, or wait for more miners."""

    class InsufficientBalance(PalletError, index=3):
        """The price is higher than what you can spend; lease less space or fewer days."""

    class InsufficientStorage(PalletError, index=4):
        """The territory has too little remaining space; expand it or delete files."""

    class LeaseExpired(PalletError, index=10):
        """The territory has expired and is being cleared; mint a new one."""

    class ParamError(PalletError, index=14):
        """A name is 1 to 63 bytes of UTF-8 without control characters; a size is not 0."""

    class NotHaveTerritory(PalletError, index=16):
        """There is no territory of that name; mint one first."""

    class NotActive(PalletError, index=17):
        """The territory is not active; renew it first."""

    class BoundariesNotMet(PalletError, index=32):
        """The days are fewer than ``lease_days_min`` or more than a hundred years."""

    class DuplicateName(PalletError, index=33):
        """You have a territory of that name already; expand or renew it, or choose another name."""

    def genesis_build(self, genesis: Genesis) -> None:
        """Set the price."""
        self.unit_price.put(genesis.price)

    def on_initialize(self, n: BlockNumber) -> Weight:
        """Freeze and expire what is due, at most ``TRANSITIONS_PER_BLOCK_MAX`` of each."""
        frozen, passed = self._advance(n, self.territory_frozen, self.frozen_cursor, self._freeze)
        expired, more = self._advance(n, self.territory_expired, self.expired_cursor, self._expire)
        made, steps = frozen + expired, passed + more
        return Weight(reads=2 + steps + 4 * made, writes=2 + 6 * made)

    @call(index=0, weight=Weight(reads=9, writes=7))
    def mint_territory(
        self, origin: Origin, gib_count: U32, territory_name: TerrName, days: U32
    ) -> None:
        """Lease ``gib_count`` units of space for ``days`` under a new name.

        *Origin*: signed. *Errors*: ParamError, BoundariesNotMet, DuplicateName,
        InsufficientAvailableSpace, InsufficientBalance, Arithmetic. *Events*: MintTerritory.
        """
        who = ensure_signed(origin)
        ensure(is_proper_name(territory_name) and gib_count > 0, self.ParamError)
        ensure(self.config.lease_days_min <= days <= LEASE_DAYS_MAX, self.BoundariesNotMet)
        ensure((who, territory_name) not in self.territory, self.DuplicateName)
        space = self._space(gib_count)
        self._ensure_available(space)

        now = self.now()
        spend = self._pay(who, gib_count, days)
        token = Hash(
            blake2_256(
                b"cess/territory/v1"
                + self.genesis_hash()
                + who
                + now.to_bytes(4, "little")
                + territory_name
            )
        )
        info = TerritoryInfo(
            token=token,
            total_space=space,
            used_space=U128(0),
            locked_space=U128(0),
            remaining_space=space,
            start=now,
            deadline=BlockNumber(now + self._blocks(days)),
            state=TerritoryState.Active,
        )
        self.territory[who, territory_name] = info
        self.territory_key[token] = (who, territory_name)
        self._schedule_freeze(info)
        self.purchased_space.put(U128(self.purchased_space.get() + space))
        self.deposit_event(
            self.MintTerritory(
                token=token, name=territory_name, storage_capacity=space, spend=spend
            )
        )

    @call(index=1, weight=Weight(reads=8, writes=4))
    def expanding_territory(self, origin: Origin, territory_name: TerrName, gib_count: U32) -> None:
        """Add ``gib_count`` units to an active territory for the days it has left.

        A day that has begun is paid in full.
        *Origin*: signed. *Errors*: ParamError, NotHaveTerritory, NotActive,
        InsufficientAvailableSpace, InsufficientBalance. *Events*: ExpansionTerritory.
        """
        who = ensure_signed(origin)
        ensure(gib_count > 0, self.ParamError)
        info = self._existing(who, territory_name)
        self._ensure_active(info)
        space = self._space(gib_count)
        self._ensure_available(space)

        days_left = -(-(int(info.deadline) - int(self.now())) // int(self.config.one_day))
        spend = self._pay(who, gib_count, U32(days_left))
        self.territory[who, territory_name] = replace(
            info,
            total_space=U128(info.total_space + space),
            remaining_space=U128(info.remaining_space + space),
        )
        self.purchased_space.put(U128(self.purchased_space.get() + space))
        self.deposit_event(
            self.ExpansionTerritory(name=territory_name, expansion_space=space, spend=spend)
        )

    @call(index=2, weight=Weight(reads=7, writes=7))
    def renewal_territory(self, origin: Origin, territory_name: TerrName, days_count: U32) -> None:
        """Extend a territory that is active or frozen by ``days_count`` days.

        A frozen one is active again, from now.
        *Origin*: signed. *Errors*: BoundariesNotMet, NotHaveTerritory, LeaseExpired,
        InsufficientBalance, Arithmetic. *Events*: RenewalTerritory.
        """
        who = ensure_signed(origin)
        ensure(0 < days_count <= LEASE_DAYS_MAX, self.BoundariesNotMet)
        info = self._existing(who, territory_name)
        ensure(info.state in (TerritoryState.Active, TerritoryState.Frozen), self.LeaseExpired)

        now = self.now()
        units = U32(info.total_space // self.config.space_unit_bytes)
        spend = self._pay(who, units, days_count)
        self._unschedule(info)
        is_over = info.deadline <= now
        info = replace(
            info,
            start=now if is_over else info.start,
            deadline=BlockNumber((now if is_over else info.deadline) + self._blocks(days_count)),
            state=TerritoryState.Active,
        )
        self.territory[who, territory_name] = info
        self._schedule_freeze(info)
        self.deposit_event(self.RenewalTerritory(name=territory_name, days=days_count, spend=spend))

    @call(index=9, weight=Weight(writes=1))
    def define_update_price(self, origin: Origin, price: U128) -> None:
        """Set what a unit of space costs a day, in planck. Leases that run are not touched.

        *Origin*: root. *Events*: UnitPriceChanged.
        """
        ensure_root(origin)
        self.unit_price.put(Balance(price))
        self.deposit_event(self.UnitPriceChanged(price=Balance(price)))

    # Port of FileBank: the space of one owner's files.

    def lock_user_space(self, who: AccountId, name: bytes, size: U128) -> None:
        """Reserve ``size`` bytes of an active territory for a declared file."""
        info = self._existing(who, TerrName(name))
        self._ensure_active(info)
        ensure(info.remaining_space >= size, self.InsufficientStorage)
        self.territory[who, TerrName(name)] = replace(
            info,
            locked_space=U128(info.locked_space + size),
            remaining_space=U128(info.remaining_space - size),
        )

    def unlock_user_space(self, who: AccountId, name: bytes, size: U128) -> None:
        """Give back what ``lock_user_space`` took."""
        info = self._existing(who, TerrName(name))
        self.territory[who, TerrName(name)] = replace(
            info,
            locked_space=U128(info.locked_space - size),
            remaining_space=U128(info.remaining_space + size),
        )

    def unlock_and_use(self, who: AccountId, name: bytes, size: U128) -> None:
        """Turn locked space into used space: the file is stored."""
        info = self._existing(who, TerrName(name))
        self.territory[who, TerrName(name)] = replace(
            info,
            locked_space=U128(info.locked_space - size),
            used_space=U128(info.used_space + size),
        )

    def add_used_space(self, who: AccountId, name: bytes, size: U128) -> None:
        """Use ``size`` bytes of an active territory at once: the file is stored already."""
        info = self._existing(who, TerrName(name))
        self._ensure_active(info)
        ensure(info.remaining_space >= size, self.InsufficientStorage)
        self.territory[who, TerrName(name)] = replace(
            info,
            used_space=U128(info.used_space + size),
            remaining_space=U128(info.remaining_space - size),
        )

    def sub_used_space(self, who: AccountId, name: bytes, size: U128) -> None:
        """Return used space: a file was deleted."""
        info = self._existing(who, TerrName(name))
        self.territory[who, TerrName(name)] = replace(
            info,
            used_space=U128(info.used_space - size),
            remaining_space=U128(info.remaining_space + size),
        )

    def is_expired(self, who: AccountId, name: bytes) -> bool:
        """Whether the territory is missing or past its frozen days."""
        info = self.territory.get(who, TerrName(name))
        return info is None or info.state == TerritoryState.Expired

    def next_to_clear(self) -> tuple[AccountId, bytes] | None:
        """The expired territory whose files are to be cleared now."""
        return self.clearing.get(self.clearing_head.get())

    def finish_clearing(self) -> None:
        """Remove the territory that ``next_to_clear`` names; its files are gone.

        While a declared file still locks some of its space it goes to the end of the queue
        instead: that file is stored or dropped within a bounded time.
        """
        head = self.clearing_head.get()
        entry = self.clearing.take(head)
        assert entry is not None, "because FileBank asks for the territory first"
        self.clearing_head.put(U64(head + 1))
        who, name = entry
        info = self.territory[who, name]
        if _is_empty(info):
            self._remove(who, name, info)
        else:
            self._enqueue_clearing(who, name)

    # Port of Sminer: what the miners of the network have.

    def add_total_idle_space(self, size: U128) -> None:
        """A miner proved, or regained, ``size`` bytes of idle space."""
        self.total_idle_space.put(U128(self.total_idle_space.get() + size))

    def sub_total_idle_space(self, size: U128) -> None:
        """A miner filled, retired or left ``size`` bytes of idle space."""
        self.total_idle_space.put(U128(self.total_idle_space.get() - size))

    def add_total_service_space(self, size: U128) -> None:
        """A miner began to hold ``size`` bytes of fragments."""
        self.total_service_space.put(U128(self.total_service_space.get() + size))

    def sub_total_service_space(self, size: U128) -> None:
        """A miner ceased to hold ``size`` bytes of fragments."""
        self.total_service_space.put(U128(self.total_service_space.get() - size))

    # Private.

    def _advance(
        self,
        n: BlockNumber,
        queue: BoundDoubleMap[BlockNumber, Hash, bool, bool | None],
        cursor: BoundValue[BlockNumber, BlockNumber],
        transition: Callable[[AccountId, TerrName, TerritoryInfo, BlockNumber], None],
    ) -> tuple[int, int]:
        """Make the transitions that wait under blocks up to ``n``, in order, within the bounds.

        Returns how many were made, and how many blocks of the queue were looked at.
        """
        block = cursor.get()
        made = steps = 0
        while block <= n and made < TRANSITIONS_PER_BLOCK_MAX and steps < CURSOR_STEPS_MAX:
            wanted = TRANSITIONS_PER_BLOCK_MAX - made
            tokens = queue.prefix_keys(block, limit=wanted)
            for token in tokens:
                del queue[block, token]
                who, name = self.territory_key[token]
                transition(who, name, self.territory[who, name], n)
            made += len(tokens)
            steps += 1
            if len(tokens) < wanted:
                block = BlockNumber(block + 1)
        cursor.put(block)
        return made, steps

    def _existing(self, who: AccountId, name: TerrName) -> TerritoryInfo:
        info = self.territory.get(who, name)
        if info is None:
            raise self.NotHaveTerritory
        return info

    def _ensure_active(self, info: TerritoryInfo) -> None:
        ensure(info.state == TerritoryState.Active and self.now() < info.deadline, self.NotActive)

    def _ensure_available(self, space: U128) -> None:
        capacity = self.total_idle_space.get() + self.total_service_space.get()
        ensure(self.purchased_space.get() + space <= capacity, self.InsufficientAvailableSpace)

    def _space(self, units: U32) -> U128:
        return U128(int(units) * int(self.config.space_unit_bytes))

    def _blocks(self, days: U32) -> BlockNumber:
        return BlockNumber(int(days) * int(self.config.one_day))

    def _pay(self, who: AccountId, units: U32, days: U32) -> Balance:
        price = Balance(int(units) * int(days) * int(self.unit_price.get()))
        spendable = self.config.currency.spendable(who, keep_alive=True)
        ensure(spendable >= price, self.InsufficientBalance)
        self.config.currency.transfer(who, self.config.space_treasury, price)
        return price

    def _schedule_freeze(self, info: TerritoryInfo) -> None:
        self.territory_frozen[info.deadline, info.token] = True
        self.territory_schedule[info.token] = info.deadline

    def _unschedule(self, info: TerritoryInfo) -> None:
        due = self.territory_schedule.take(info.token)
        assert due is not None, "because an active or frozen territory waits for its transition"
        queue = (
            self.territory_frozen if info.state == TerritoryState.Active else self.territory_expired
        )
        del queue[due, info.token]

    def _freeze(self, who: AccountId, name: TerrName, info: TerritoryInfo, n: BlockNumber) -> None:
        """Freeze, and queue the expiry; never in a block that the cursor has passed."""
        frozen = int(self.config.frozen_days) * int(self.config.one_day)
        expires = BlockNumber(max(info.deadline.saturating_add(frozen), n + 1))
        self.territory[who, name] = replace(info, state=TerritoryState.Frozen)
        self.territory_expired[expires, info.token] = True
        self.territory_schedule[info.token] = expires
        self.deposit_event(self.LeaseFrozen(acc=who, name=name, expires=expires))

    def _expire(self, who: AccountId, name: TerrName, info: TerritoryInfo, _: BlockNumber) -> None:
        self.purchased_space.put(U128(self.purchased_space.get() - info.total_space))
        del self.territory_schedule[info.token]
        if _is_empty(info):  # so a crowd of empty leases keeps no files from being cleared
            self._remove(who, name, info)
        else:
            self.territory[who, name] = replace(info, state=TerritoryState.Expired)
            self._enqueue_clearing(who, name)
        self.deposit_event(self.LeaseEnded(acc=who, name=name, size=info.total_space))

    def _remove(self, who: AccountId, name: TerrName, info: TerritoryInfo) -> None:
        del self.territory[who, name]
        del self.territory_key[info.token]

    def _enqueue_clearing(self, who: AccountId, name: TerrName) -> None:
        tail = self.clearing_tail.get()
        self.clearing[tail] = (who, name)
        self.clearing_tail.put(U64(tail + 1))


def _is_empty(info: TerritoryInfo) -> bool:
    return info.used_space == 0 and info.locked_space == 0
