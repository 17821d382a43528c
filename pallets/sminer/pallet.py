"""The registry of storage miners: collateral, space, plots, exit and reward.

A miner registers with collateral for the space it declares and may work at once. Its space is
idle (proved by plots), locked (promised to declared files) or service (holding fragments).

Invariants, tested as properties:
- ``idle + service + lock <= declaration`` for every miner;
- ``idle + lock + pending_replacements = (rear - front) x plot_bytes`` for a miner that has not
  left: a plot counts as idle space or is to be replaced by the service data that displaced it;
- StorageHandler's totals are the sums over all miners of ``idle + lock`` and of ``service``;
- ``collaterals`` of a miner is reserved on its staking account; a fine moves it to
  ``punish_treasury`` to the planck, and what is missing becomes ``debt``;
- ``all_miner`` is dense in ``0..miner_count`` and ``miner_index`` is its inverse; a miner is in it
  from its first certified plots until it is thrown out, or has left and holds nothing more.

Leaving: ``miner_exit_prep`` announces, the exit follows after ``exit_lock_block`` blocks. A miner
that left answers for its fragments, and is audited, until others have restored all of them; only
then, after its cooling time and with no round open, ``miner_withdraw`` returns the collateral and
removes every trace, so it can happen once. A miner thrown out is in the same place, but it is
neither audited nor paid.

A miner that owes a fine earns for the fine first: no reward leaves the pot for its beneficiary
while there is ``debt``.

Subjects of their own: ``certification`` (plots), ``listing`` (who can be drawn), ``leaving``
(exits), ``punctuality`` (missed reports), ``collateral`` and ``rewards`` (arithmetic),
``endpoint``.

Bounds: seeds for at most 64 certifications and at most 16 exits in a block; the queues keep the
rest for the next.

Ports needed: ``currency`` (Balances), ``space`` (StorageHandler), ``audits`` (Audit), ``rewards``
(CessTreasury), ``randomness`` (Babe). Provided, see below the calls: to FileBank ``count``,
``miner_at``, ``is_positive``, ``is_leaving``, ``can_hold``, ``lock_space``, ``unlock_space``,
``lock_to_service``, ``idle_to_service``, ``release_service``, ``missed_report``, ``request_idle``,
``prove_idle``, ``replace_idle``, ``punish``; to Audit ``count``, ``miner_at``, ``idle_range``,
``service_space``, ``proved_power``, ``punish``, ``force_exit``.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from pallets.frame import (
    Blake2_128Concat,
    Doc,
    Origin,
    Pallet,
    PalletConfig,
    PalletError,
    StorageDoubleMap,
    StorageMap,
    StorageValue,
    Twox64Concat,
    Weight,
    call,
    ensure,
    ensure_signed,
    event,
)
from pallets.sminer import certification, leaving, listing, punctuality
from pallets.sminer.collateral import fine_of, limit_of, power_of
from pallets.sminer.endpoint import is_endpoint
from pallets.sminer.ports import Audits, Currency, NetworkSpace, Randomness, Rewards
from pallets.sminer.rewards import claim
from pallets.sminer.types import (
    EndPoint,
    MinerInfo,
    MinerState,
    MissedReports,
    PendingIdle,
    RestoralTargetInfo,
    Reward,
    RewardOrders,
    SpaceProofInfo,
)
from primitives.scale import U8, U16, U32, U64, U128, Compact
from primitives.types import AccountId, Balance, BlockNumber
from proofs.pois.params import plot_bytes

__all__ = ["Sminer"]

ORDERS = 1_000_000_000
"""Picoseconds for decoding, working out and encoding 91 orders of a reward."""

TIB_COUNT_MAX = 1 << 20
"""The most units that one call can declare: an exbibyte."""


class Sminer(Pallet):
    """Storage miners and what they pledge, prove, hold and earn."""

    class Config(PalletConfig):
        """Constants of the chain, and the neighbours."""

        item_limit: Annotated[U32, Doc("The most miners that can be registered.")]
        one_day_block: Annotated[BlockNumber, Doc("Blocks of a day.")]
        staking_lock_block: Annotated[
            BlockNumber, Doc("Blocks between registration and the announcement of an exit.")
        ]
        exit_lock_block: Annotated[
            BlockNumber, Doc("Blocks between the announcement of an exit and the exit.")
        ]
        collateral_per_unit: Annotated[
            Balance, Doc("Collateral for each unit of declared space, in planck.")
        ]
        declaration_unit_bytes: Annotated[U128, Doc("The unit of declared space: a TiB.")]
        plot_k: Annotated[U8, Doc("The size parameter of the plots that stand for idle space.")]
        cert_draws: Annotated[U16, Doc("Draws that a certification of plots must answer.")]
        idle_deadline_block: Annotated[
            BlockNumber, Doc("Blocks a miner has to answer a certification.")
        ]
        punish_treasury: Annotated[AccountId, Doc("Receives every fine.")]
        currency: Currency
        space: NetworkSpace
        audits: Audits
        rewards: Rewards
        randomness: Randomness

    config: Config

    # Keys are accounts chosen by users, so the hash must resist crafted prefixes.
    miner_items = StorageMap(
        AccountId,
        MinerInfo,
        hasher=Blake2_128Concat,
        counted=True,
        doc="Every registered miner.",
    )
    # Dense indexes cannot be crafted.
    all_miner = StorageMap(
        U32, AccountId, hasher=Twox64Concat, doc="Miners that can be drawn, without gaps."
    )
    miner_index = StorageMap(
        AccountId, U32, hasher=Blake2_128Concat, doc="Where a miner stands in AllMiner."
    )
    miner_count = StorageValue(U32, default=U32(0), doc="How many miners AllMiner holds.")
    pending_replacements = StorageMap(
        AccountId,
        U128,
        hasher=Blake2_128Concat,
        default=U128(0),
        doc="Bytes of plots that service data displaced and the miner has not retired yet.",
    )
    pending_idle = StorageMap(
        AccountId, PendingIdle, hasher=Blake2_128Concat, doc="Certifications under way."
    )
    idle_queue = StorageMap(
        U64, AccountId, hasher=Twox64Concat, doc="Certifications without a seed, a queue."
    )
    idle_queue_head = StorageValue(U64, default=U64(0), doc="Index of the queue's first entry.")
    idle_queue_tail = StorageValue(U64, default=U64(0), doc="Index after the queue's last entry.")
    miner_lock = StorageMap(
        AccountId, BlockNumber, hasher=Blake2_128Concat, doc="When an announced exit is due."
    )
    exit_schedule = StorageDoubleMap(
        BlockNumber,
        AccountId,
        bool,
        hashers=(Twox64Concat, Blake2_128Concat),
        doc="Miners whose exit is due at this block.",
    )
    exit_cursor = StorageValue(
        BlockNumber, default=BlockNumber(0), doc="First block with exits left to carry out."
    )
    restoral_target = StorageMap(
        AccountId,
        RestoralTargetInfo,
        hasher=Blake2_128Concat,
        doc="Miners that left and whose fragments others may restore.",
    )
    missed_reports = StorageMap(
        AccountId,
        MissedReports,
        hasher=Blake2_128Concat,
        doc="Promised fragments that a miner did not report in time, within a day.",
    )
    reward_map = StorageMap(
        AccountId, Reward, hasher=Blake2_128Concat, doc="What a miner earned and was paid."
    )

    @event(index=0)
    class Registered:
        """``acc`` is a storage miner now."""

        acc: AccountId

    @event(index=6)
    class IncreaseCollateral:
        """The collateral of ``acc`` is ``balance`` planck now."""

        acc: AccountId
        balance: Balance

    @event(index=8)
    class UpdateBeneficiary:
        """Rewards of ``acc`` go to ``new`` from now on."""

        acc: AccountId
        new: AccountId

    @event(index=9)
    class UpdateEndPoint:
        """``acc`` serves fragments at ``new`` instead of ``old``."""

        acc: AccountId
        old: EndPoint
        new: EndPoint

    @event(index=10)
    class Receive:
        """``reward`` planck were paid to the beneficiary of ``acc``."""

        acc: AccountId
        reward: Balance

    @event(index=11)
    class MinerExitPrep:
        """``miner`` announced its exit."""

        miner: AccountId

    @event(index=12)
    class Withdraw:
        """``acc`` got its collateral back and is no miner any more."""

        acc: AccountId

    @event(index=13)
    class IncreaseDeclarationSpace:
        """``miner`` declares ``space`` bytes more."""

        miner: AccountId
        space: U128

    @event(index=14)
    class DecreaseDeclarationSpace:
        """``miner`` declares ``space`` bytes less."""

        miner: AccountId
        space: U128

    @event(index=15)
    class Punished:
        """``miner`` was fined ``fine`` planck; it owes ``debt`` and its state is ``state``."""

        miner: AccountId
        fine: Balance
        debt: Balance
        state: MinerState

    @event(index=16)
    class MinerExited:
        """``miner`` left, in ``state``; others may restore its ``service_space`` bytes."""

        miner: AccountId
        state: MinerState
        service_space: U128

    @event(index=17)
    class IdleSeedDrawn:
        """``miner`` may answer its certification until ``deadline``."""

        miner: AccountId
        deadline: BlockNumber

    @event(index=18)
    class DebtPaid:
        """``paid`` planck of the debt of ``miner`` reached the treasury; it still owes ``debt``."""

        miner: AccountId
        paid: Balance
        debt: Balance

    class NotMiner(PalletError, index=0):
        """This account is no storage miner; register it with `regnstk`."""

    class AlreadyRegistered(PalletError, index=1):
        """This account is a storage miner already."""

    class NotExisted(PalletError, index=3):
        """The miner has not left; call `miner_exit_prep` and wait for the exit."""

    class NotpositiveState(PalletError, index=7):
        """The miner's state does not allow it; `increase_collateral` pays debt and unfreezes."""

    class StorageLimitReached(PalletError, index=8):
        """The registry is full."""

    class CountError(PalletError, index=13):
        """The number of units or of plots is zero or too large."""

    class StateError(PalletError, index=14):
        """The miner has announced its exit or has left; its collateral and space are settled."""

    class CollateralNotUp(PalletError, index=16):
        """The collateral is below the limit for the declared space; deposit more."""

    class NotStakingAcc(PalletError, index=17):
        """Only the miner's staking account, or the miner itself, may do this."""

    class InsufficientStakingPeriod(PalletError, index=19):
        """The miner registered too recently to leave; wait for `StakingLockBlock`."""

    class ExceedingDeclarationSpace(PalletError, index=20):
        """More than the declared space; call `increase_declaration_space` first."""

    class InsufficientReplaceable(PalletError, index=21):
        """Service data has not displaced that many plots yet."""

    class UnableReduceDeclaration(PalletError, index=26):
        """The miner uses more space than that; retire plots first."""

    class InvalidEndpoint(PalletError, index=27):
        """An endpoint is a URL with http:// or https://, of printable ASCII without spaces."""

    class CertificationPending(PalletError, index=28):
        """A certification is under way; answer it, or wait for its deadline."""

    class NoCertification(PalletError, index=29):
        """No certification is under way; call `FileBank.cert_idle_space` first."""

    class SeedNotDrawn(PalletError, index=30):
        """The seed comes with a later block; wait for `IdleSeedDrawn`."""

    class CertificationExpired(PalletError, index=31):
        """The deadline has passed; call `FileBank.cert_idle_space` again."""

    class InvalidIdleProof(PalletError, index=32):
        """An answer is wrong, twice there or not asked for; check the plots and the seed."""

    class InsufficientIdleProof(PalletError, index=33):
        """Too few draws were answered for the claimed plots; some of them are missing."""

    class Cooling(PalletError, index=34):
        """The cooling time after the exit is not over."""

    class NotRestored(PalletError, index=35):
        """Some fragments of the miner are not restored or released yet; keep serving them."""

    class Challenged(PalletError, index=36):
        """An audit round of the miner is open; answer it first."""

    def on_initialize(self, n: BlockNumber) -> Weight:
        """Draw seeds for certifications of earlier blocks; carry out exits that are due."""
        seeds = certification.draw_seeds(self, n)
        exits, steps = leaving.carry_out_exits(self, n)
        return Weight(reads=5 + steps + 2 * seeds + 6 * exits, writes=2 + 2 * seeds + 8 * exits)

    @call(index=0, weight=Weight(reads=5, writes=5))
    def regnstk(
        self,
        origin: Origin,
        beneficiary: AccountId,
        endpoint: EndPoint,
        staking_val: Balance,
        tib_count: U32,
    ) -> None:
        """Register the caller as a miner of ``tib_count`` units, reserving ``staking_val``.

        It is drawn for deals and audits from its first certified plots on.

        *Origin*: signed. *Errors*: AlreadyRegistered, CountError, InvalidEndpoint,
        CollateralNotUp, StorageLimitReached. *Events*: Registered.
        """
        who = ensure_signed(origin)
        ensure(who not in self.miner_items, self.AlreadyRegistered)
        ensure(0 < tib_count <= TIB_COUNT_MAX, self.CountError)
        ensure(is_endpoint(endpoint), self.InvalidEndpoint)
        declared = self._declared(tib_count)
        ensure(staking_val >= self.limit(declared), self.CollateralNotUp)
        ensure(self.miner_items.count() < self.config.item_limit, self.StorageLimitReached)

        self.config.currency.reserve(who, staking_val)
        self.miner_items[who] = MinerInfo(
            beneficiary=beneficiary,
            staking_account=who,
            endpoint=endpoint,
            collaterals=staking_val,
            debt=Balance(0),
            state=MinerState.Positive,
            declaration_space=declared,
            idle_space=U128(0),
            service_space=U128(0),
            lock_space=U128(0),
            space_proof_info=SpaceProofInfo(front=U64(0), rear=U64(0)),
            registered_at=self.now(),
        )
        self.deposit_event(self.Registered(acc=who))

    @call(index=1, weight=Weight(reads=4, writes=4))
    def increase_collateral(
        self, origin: Origin, miner: AccountId, collaterals: Annotated[Balance, Compact]
    ) -> None:
        """Pay a miner's debt first, then reserve the rest as collateral.

        A frozen miner without debt whose collateral reaches the limit works again.
        *Origin*: signed by the staking account. *Errors*: NotMiner, NotStakingAcc, StateError.
        *Events*: DebtPaid, IncreaseCollateral.
        """
        who = ensure_signed(origin)
        info = self.existing(miner)
        ensure(who == info.staking_account, self.NotStakingAcc)
        ensure(info.state in (MinerState.Positive, MinerState.Frozen), self.StateError)

        paid = Balance(min(info.debt, collaterals))
        added = Balance(collaterals - paid)
        if paid > 0:
            self.config.currency.transfer(who, self.config.punish_treasury, paid)
            debt = Balance(info.debt - paid)
            self.deposit_event(self.DebtPaid(miner=miner, paid=paid, debt=debt))
        if added > 0:
            self.config.currency.reserve(who, added)
        info = self._judged(
            replace(
                info, debt=Balance(info.debt - paid), collaterals=Balance(info.collaterals + added)
            )
        )
        self.miner_items[miner] = info
        self.deposit_event(self.IncreaseCollateral(acc=miner, balance=info.collaterals))

    @call(index=2, weight=Weight(reads=1, writes=1))
    def update_beneficiary(self, origin: Origin, beneficiary: AccountId) -> None:
        """Send the caller's rewards to ``beneficiary`` from now on.

        *Origin*: signed by the miner. *Errors*: NotMiner. *Events*: UpdateBeneficiary.
        """
        who = ensure_signed(origin)
        self.miner_items[who] = replace(self.existing(who), beneficiary=beneficiary)
        self.deposit_event(self.UpdateBeneficiary(acc=who, new=beneficiary))

    @call(index=3, weight=Weight(reads=1, writes=1))
    def update_endpoint(self, origin: Origin, endpoint: EndPoint) -> None:
        """Announce where the caller serves fragments.

        *Origin*: signed by the miner. *Errors*: NotMiner, InvalidEndpoint.
        *Events*: UpdateEndPoint.
        """
        who = ensure_signed(origin)
        info = self.existing(who)
        ensure(is_endpoint(endpoint), self.InvalidEndpoint)
        self.miner_items[who] = replace(info, endpoint=endpoint)
        self.deposit_event(self.UpdateEndPoint(acc=who, old=info.endpoint, new=endpoint))

    @call(index=4, weight=Weight(reads=1, writes=1))
    def decrease_declaration_space(self, origin: Origin, tib_count: U32) -> None:
        """Declare ``tib_count`` units less; a frozen miner may reach its lower limit so.

        *Origin*: signed by the miner. *Errors*: NotMiner, StateError, CountError,
        UnableReduceDeclaration. *Events*: DecreaseDeclarationSpace.
        """
        who = ensure_signed(origin)
        info = self.existing(who)
        ensure(info.state in (MinerState.Positive, MinerState.Frozen), self.StateError)
        ensure(0 < tib_count <= TIB_COUNT_MAX, self.CountError)
        less = self._declared(tib_count)
        used = info.idle_space + info.service_space + info.lock_space
        ensure(info.declaration_space - 1 >= less, self.UnableReduceDeclaration)
        ensure(info.declaration_space - less >= used, self.UnableReduceDeclaration)

        self.miner_items[who] = self._judged(
            replace(info, declaration_space=U128(info.declaration_space - less))
        )
        self.deposit_event(self.DecreaseDeclarationSpace(miner=who, space=less))

    @call(index=6, weight=Weight(ref_time=ORDERS, reads=10, writes=10))
    def receive_reward(self, origin: Origin) -> None:
        """Pay what is due to the caller's beneficiary, after the caller's debt.

        Half of what was earned since the last claim is due at once, the rest over 90 days.
        *Origin*: signed by the miner. *Errors*: NotMiner, NotpositiveState.
        *Events*: DebtPaid, Receive.
        """
        who = ensure_signed(origin)
        info = self.existing(who)
        ensure(
            info.state in (MinerState.Positive, MinerState.Lock, MinerState.Exit),
            self.NotpositiveState,
        )
        earned = self.config.rewards.take_earned(who)
        day = U32(self.now() // self.config.one_day_block)
        reward, due = claim(self.reward_of(who), earned, day)
        self.reward_map[who] = reward
        paid = self.pay_reward(who, info, due)
        self.deposit_event(self.Receive(acc=who, reward=paid))

    @call(index=7, weight=Weight(reads=2, writes=3))
    def miner_exit_prep(self, origin: Origin, miner: AccountId) -> None:
        """Announce the exit of a miner: nothing new is drawn for it, and it leaves later.

        *Origin*: signed by the miner or its staking account. *Errors*: NotMiner, NotStakingAcc,
        NotpositiveState, InsufficientStakingPeriod. *Events*: MinerExitPrep.
        """
        who = ensure_signed(origin)
        info = self.existing(miner)
        ensure(who in (miner, info.staking_account), self.NotStakingAcc)
        ensure(info.state == MinerState.Positive, self.NotpositiveState)
        now = self.now()
        ensure(
            now >= info.registered_at + self.config.staking_lock_block,
            self.InsufficientStakingPeriod,
        )
        due = BlockNumber(now + max(1, self.config.exit_lock_block))
        self.miner_items[miner] = replace(info, state=MinerState.Lock)
        self.miner_lock[miner] = due
        self.exit_schedule[due, miner] = True
        self.deposit_event(self.MinerExitPrep(miner=miner))

    @call(index=9, weight=Weight(ref_time=ORDERS, reads=22, writes=22))
    def miner_withdraw(self, origin: Origin) -> None:
        """Return the collateral of a miner that left and whose fragments are all restored.

        It also pays all that the miner is owed, and forgets the miner with the rest of its debt:
        the account may register again.
        *Origin*: signed by the miner. *Errors*: NotMiner, NotExisted, Cooling, NotRestored,
        Challenged. *Events*: DebtPaid, Withdraw.
        """
        who = ensure_signed(origin)
        leaving.withdraw(self, who)
        self.deposit_event(self.Withdraw(acc=who))

    @call(index=18, weight=Weight(reads=1, writes=1))
    def increase_declaration_space(self, origin: Origin, tib_count: U32) -> None:
        """Declare ``tib_count`` units more; the collateral must suffice for them.

        *Origin*: signed by the miner. *Errors*: NotMiner, NotpositiveState, CountError,
        CollateralNotUp. *Events*: IncreaseDeclarationSpace.
        """
        who = ensure_signed(origin)
        info = self.existing(who)
        ensure(info.state == MinerState.Positive, self.NotpositiveState)
        ensure(0 < tib_count <= TIB_COUNT_MAX, self.CountError)
        more = self._declared(tib_count)
        declared = U128(info.declaration_space + more)
        ensure(info.collaterals >= self.limit(declared), self.CollateralNotUp)
        self.miner_items[who] = replace(info, declaration_space=declared)
        self.deposit_event(self.IncreaseDeclarationSpace(miner=who, space=more))

    # Port of FileBank and Audit: who is there.

    def count(self) -> int:
        """How many miners can be drawn."""
        return int(self.miner_count.get())

    def miner_at(self, index: int) -> AccountId:
        """The miner at ``index`` of those that can be drawn."""
        return self.all_miner[U32(index)]

    def is_positive(self, who: AccountId) -> bool:
        """Whether ``who`` is a miner that may take new work."""
        info = self.miner_items.get(who)
        return info is not None and info.state == MinerState.Positive

    def is_leaving(self, who: AccountId) -> bool:
        """Whether others may restore the fragments of ``who`` because it left."""
        return who in self.restoral_target

    def can_hold(self, who: AccountId, size: int) -> bool:
        """Whether ``who`` may take ``size`` bytes of new fragments."""
        info = self.miner_items.get(who)
        return info is not None and info.state == MinerState.Positive and info.idle_space >= size

    # Port of FileBank: space.

    def lock_space(self, who: AccountId, size: U128) -> None:
        """Promise ``size`` bytes of idle space to a declared file."""
        info = self.existing(who)
        ensure(info.idle_space >= size, self.InsufficientReplaceable)
        self.miner_items[who] = replace(
            info, idle_space=U128(info.idle_space - size), lock_space=U128(info.lock_space + size)
        )

    def unlock_space(self, who: AccountId, size: U128) -> None:
        """Take a promise back. A miner that left has no idle space to return it to."""
        info = self.existing(who)
        gone = self.is_leaving(who)
        self.miner_items[who] = replace(
            info,
            idle_space=info.idle_space if gone else U128(info.idle_space + size),
            lock_space=U128(info.lock_space - size),
        )
        if gone:
            self.config.space.sub_total_idle_space(size)
            listing.leave_if_empty(self, who)

    def lock_to_service(self, who: AccountId, size: U128) -> None:
        """The miner holds what it was promised for: ``size`` bytes of plots are displaced."""
        info = self.existing(who)
        self._put_service(who, replace(info, lock_space=U128(info.lock_space - size)), size)

    def idle_to_service(self, who: AccountId, size: U128) -> None:
        """The miner restored a fragment: ``size`` bytes of plots are displaced."""
        info = self.existing(who)
        ensure(info.idle_space >= size, self.InsufficientReplaceable)
        self._put_service(who, replace(info, idle_space=U128(info.idle_space - size)), size)

    def release_service(self, who: AccountId, size: U128) -> None:
        """The miner ceases to hold ``size`` bytes of fragments.

        Plots that were displaced and not retired count as idle again; for retired ones the miner
        certifies new plots.
        """
        info = self.existing(who)
        pending = self.pending_replacements.get(who)
        returned = U128(0) if self.is_leaving(who) else U128(min(pending, size))
        self.miner_items[who] = replace(
            info,
            service_space=U128(info.service_space - size),
            idle_space=U128(info.idle_space + returned),
        )
        self.config.space.sub_total_service_space(size)
        listing.leave_if_empty(self, who)
        if returned > 0:
            self.put_pending(who, U128(pending - returned))
            self.config.space.add_total_idle_space(returned)

    def missed_report(self, who: AccountId, window: int) -> None:
        """``who`` let a promised fragment go unreported; charged once in ``window`` blocks.

        Never raises.
        """
        punctuality.charge(self, who, window)

    # Port of FileBank: plots.

    def request_idle(self, who: AccountId, count: U64) -> tuple[U64, U64]:
        """Begin the certification of ``count`` plots more; return their range of indexes."""
        return certification.request(self, who, count)

    def prove_idle(self, who: AccountId, answers: Sequence[tuple[int, bytes]]) -> U128:
        """Verify the answers of a certification; return the bytes that are idle space now."""
        return certification.prove(self, who, answers)

    def replace_idle(self, who: AccountId, count: U64) -> U128:
        """Retire the ``count`` oldest plots, which service data displaced; return their bytes."""
        return certification.retire(self, who, count)

    # Port of Audit: what is asked of a miner, and what a fault costs it.

    def idle_range(self, who: AccountId) -> tuple[U64, U64]:
        """Front and rear of the plots of ``who``."""
        plots = self.existing(who).space_proof_info
        return plots.front, plots.rear

    def proved_power(self, who: AccountId, service_proved: U128, idle_proved: U128) -> U128:
        """What the proved bytes weigh, as far as ``who`` still has as much space of each kind.

        Plots beyond the certified idle space weigh nothing: service data has displaced them.
        """
        info = self.existing(who)
        return power_of(min(idle_proved, info.idle_space), min(service_proved, info.service_space))

    def service_space(self, who: AccountId) -> U128:
        """Bytes of fragments that ``who`` holds."""
        return self.existing(who).service_space

    def punish(self, who: AccountId, permille: int) -> Balance:
        """Fine ``who`` that part of the limit for its power; return the fine. Never raises."""
        info = self.miner_items.get(who)
        if info is None:
            return Balance(0)
        limit = self.limit(power_of(info.idle_space, info.service_space))
        fine = fine_of(limit, permille)
        if fine == 0:
            return fine
        wanted = Balance(min(fine, info.collaterals))
        left = self.config.currency.repatriate_reserved(
            info.staking_account, self.config.punish_treasury, wanted
        )
        taken = Balance(wanted - left)
        info = self._judged(
            replace(
                info,
                collaterals=Balance(info.collaterals - taken),
                debt=Balance(info.debt + fine - taken),
            )
        )
        self.miner_items[who] = info
        self.deposit_event(self.Punished(miner=who, fine=fine, debt=info.debt, state=info.state))
        return fine

    def force_exit(self, who: AccountId) -> None:
        """Throw ``who`` out: it is drawn and paid no more, and others restore its fragments.

        Never raises.
        """
        leaving.throw_out(self, who)

    # For the modules of this package.

    def existing(self, who: AccountId) -> MinerInfo:
        """The record of a miner, or NotMiner."""
        info = self.miner_items.get(who)
        if info is None:
            raise self.NotMiner
        return info

    def reward_of(self, who: AccountId) -> Reward:
        """What ``who`` earned and was paid, nothing if it never claimed."""
        reward = self.reward_map.get(who)
        if reward is None:
            return Reward(
                total_reward=Balance(0), reward_issued=Balance(0), order_list=RewardOrders()
            )
        return reward

    def limit(self, space: int) -> Balance:
        """The collateral for ``space`` bytes."""
        return limit_of(
            int(space),
            int(self.config.declaration_unit_bytes),
            int(self.config.collateral_per_unit),
        )

    def _declared(self, units: U32) -> U128:
        return U128(int(units) * int(self.config.declaration_unit_bytes))

    def size_of(self, count: U64) -> U128:
        """The bytes that ``count`` plots stand for."""
        return U128(int(count) * plot_bytes(int(self.config.plot_k)))

    def ensure_declared(self, info: MinerInfo, count: U64) -> None:
        """``count`` plots more fit the declared space, or ExceedingDeclarationSpace."""
        used = info.idle_space + info.service_space + info.lock_space
        ensure(
            used + self.size_of(count) <= info.declaration_space,
            self.ExceedingDeclarationSpace,
        )

    def pay_reward(self, who: AccountId, info: MinerInfo, due: Balance) -> Balance:
        """Pay ``due``: the debt first, the rest to the beneficiary; return the rest."""
        owed = Balance(min(info.debt, due))
        if owed > 0:
            self.config.rewards.pay(self.config.punish_treasury, owed)
            debt = Balance(info.debt - owed)
            self.miner_items[who] = replace(info, debt=debt)
            self.deposit_event(self.DebtPaid(miner=who, paid=owed, debt=debt))
        rest = Balance(due - owed)
        if rest > 0:
            self.config.rewards.pay(info.beneficiary, rest)
        return rest

    def _judged(self, info: MinerInfo) -> MinerInfo:
        """Positive or frozen, as the collateral says; the other states stay."""
        if info.state not in (MinerState.Positive, MinerState.Frozen):
            return info
        is_covered = info.debt == 0 and info.collaterals >= self.limit(info.declaration_space)
        return replace(info, state=MinerState.Positive if is_covered else MinerState.Frozen)

    def _put_service(self, who: AccountId, info: MinerInfo, size: U128) -> None:
        self.miner_items[who] = replace(info, service_space=U128(info.service_space + size))
        if not self.is_leaving(who):
            self.put_pending(who, U128(self.pending_replacements.get(who) + size))
        self.config.space.sub_total_idle_space(size)
        self.config.space.add_total_service_space(size)

    def put_pending(self, who: AccountId, size: U128) -> None:
        """Set the bytes of plots that service data displaced and that are not retired."""
        if size > 0:
            self.pending_replacements[who] = size
        else:
            self.pending_replacements.take(who)
