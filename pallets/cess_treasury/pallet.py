"""The treasury: an era's reward for the audited, and the accounts for fines and for leases.

When an era ends its pool is minted and belongs to the miners that were audited in it, in
proportion to the power that each last proved. An era without an audited miner mints nothing. A
share is worked out when its miner is next audited or claims, so no step loops over miners and a
miner has at most one share to work out.

Invariants, tested as properties:
- the shares of an era never exceed its pool (each is rounded down);
- the reward pot holds at least what miners have earned and were not paid: ``currency_reward``;
- money is created in one place (the era's pool) and destroyed in one (the burning calls).

What hooks do never raises: a pool that the currency will not mint is no pool, and a forfeited
reward that it will not move stays in the pot, where it is nobody's. Both need an account below
the existential deposit; a genesis endows the treasury's accounts with it, and no call here takes
it from them.

The pool of an era is ``year_one_reward x 0.841^year / eras_per_year``, with ``year`` counted in
eras and the decay ending after 30 years, as in CESS.

Ports needed: ``currency`` (Balances). Provided: to Audit ``record_power``; to Sminer
``take_earned``, ``pay``, ``forfeit``.
"""

from dataclasses import replace
from typing import Annotated, Protocol

from pallets.cess_treasury.accounts import (
    PUNISH_TREASURY,
    RESERVE_REWARD,
    REWARD_POT,
    SPACE_TREASURY,
)
from pallets.cess_treasury.types import PowerRecord, RoundRewardInfo
from pallets.frame import (
    Blake2_128Concat,
    Doc,
    Origin,
    Pallet,
    PalletConfig,
    PalletError,
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
from pallets.frame.runtime import EXPECTED
from primitives.scale import U32, U128
from primitives.types import AccountId, Balance, BlockNumber

__all__ = ["CessTreasury", "Currency", "era_reward"]

DECAY_NUMERATOR = 841
DECAY_DENOMINATOR = 1000
DECAY_YEARS_MAX = 30


class Currency(Protocol):
    """What the treasury needs of a currency."""

    def transfer(
        self, src: AccountId, dst: AccountId, amount: Balance, keep_alive: bool = True
    ) -> None:
        """Move ``amount`` or raise."""
        ...

    def spendable(self, who: AccountId, *, keep_alive: bool) -> Balance:
        """The most that ``who`` can send, if it must keep the existential deposit or not."""
        ...

    def mint_into(self, who: AccountId, amount: Balance) -> None:
        """Create ``amount`` or raise."""
        ...

    def burn_from(self, who: AccountId, amount: Balance) -> None:
        """Destroy ``amount`` or raise."""
        ...


def era_reward(year_one: int, eras_per_year: int, era: int) -> Balance:
    """The pool of ``era`` in planck, rounded down."""
    year = min(era // eras_per_year, DECAY_YEARS_MAX)
    yearly = year_one * DECAY_NUMERATOR**year // DECAY_DENOMINATOR**year
    return Balance(yearly // eras_per_year)


class CessTreasury(Pallet):
    """Rewards by era, and the accounts of fines and leases."""

    class Config(PalletConfig):
        """Constants of the chain, and the currency."""

        era_blocks: Annotated[BlockNumber, Doc("Blocks of an era.")]
        eras_per_year: Annotated[U32, Doc("Eras of a year.")]
        year_one_reward: Annotated[Balance, Doc("What miners earn in the first year, in planck.")]
        currency: Currency

    config: Config

    currency_reward = StorageValue(
        Balance, default=Balance(0), doc="Of the reward pot: what miners earned and are not paid."
    )
    reserve_reward = StorageValue(
        Balance, default=Balance(0), doc="Forfeited rewards, all time, in planck."
    )
    current_era = StorageValue(U32, default=U32(0), doc="The era of the current block.")
    # Era numbers cannot be crafted.
    round_reward = StorageMap(
        U32, RoundRewardInfo, hasher=Twox64Concat, doc="Pools with shares not worked out yet."
    )
    # Accounts are chosen by users.
    power_record = StorageMap(
        AccountId, PowerRecord, hasher=Blake2_128Concat, doc="The last audited power of a miner."
    )
    earned = StorageMap(
        AccountId,
        Balance,
        hasher=Blake2_128Concat,
        default=Balance(0),
        doc="Shares of finished eras that a miner has not claimed.",
    )

    @event(index=0)
    class Deposit:
        """The reward pot received ``balance`` planck."""

        balance: Balance

    @event(index=1)
    class EraRewarded:
        """The pool of ``era`` is ``total`` planck for ``power`` bytes of proved power."""

        era: U32
        total: Balance
        power: U128

    class InsufficientFunds(PalletError, index=2):
        """The account holds less than that beside the existential deposit, which it keeps."""

    def on_initialize(self, n: BlockNumber) -> Weight:
        """In the first block of an era, mint the pool of the era before."""
        era = U32(n // self.config.era_blocks)
        ended = self.current_era.get()
        if era == ended:
            return Weight(reads=1)
        self.current_era.put(era)
        pool = self.round_reward.get(ended)
        if pool is None or pool.power == 0:
            return Weight(reads=2, writes=1)
        total = era_reward(
            int(self.config.year_one_reward), int(self.config.eras_per_year), int(ended)
        )
        if not self._mint(total):
            return Weight(reads=4, writes=1)
        self.round_reward[ended] = replace(pool, total=total)
        self.currency_reward.put(Balance(self.currency_reward.get() + total))
        self.deposit_event(self.Deposit(balance=total))
        self.deposit_event(self.EraRewarded(era=ended, total=total, power=pool.power))
        return Weight(reads=5, writes=5)

    @call(index=0, weight=Weight(reads=2, writes=2))
    def send_funds_to_pid(self, origin: Origin, funds: Balance) -> None:
        """Give ``funds`` planck to the punishment treasury. *Origin*: signed."""
        self.config.currency.transfer(ensure_signed(origin), PUNISH_TREASURY, funds)

    @call(index=1, weight=Weight(reads=2, writes=2))
    def send_funds_to_sid(self, origin: Origin, funds: Balance) -> None:
        """Give ``funds`` planck to the space treasury. *Origin*: signed."""
        self.config.currency.transfer(ensure_signed(origin), SPACE_TREASURY, funds)

    @call(index=2, weight=Weight(reads=2, writes=2))
    def pid_burn_funds(self, origin: Origin, burn_amount: Balance) -> None:
        """Destroy money of the punishment treasury. *Origin*: root. *Errors*: InsufficientFunds."""
        ensure_root(origin)
        self._burn(PUNISH_TREASURY, burn_amount)

    @call(index=3, weight=Weight(reads=2, writes=2))
    def sid_burn_funds(self, origin: Origin, burn_amount: Balance) -> None:
        """Destroy money of the space treasury. *Origin*: root. *Errors*: InsufficientFunds."""
        ensure_root(origin)
        self._burn(SPACE_TREASURY, burn_amount)

    @call(index=4, weight=Weight(reads=2, writes=2))
    def pid_send_funds(self, origin: Origin, acc: AccountId, funds: Balance) -> None:
        """Pay ``acc`` from the punishment treasury. *Origin*: root. *Errors*: InsufficientFunds."""
        ensure_root(origin)
        self._send(PUNISH_TREASURY, acc, funds)

    @call(index=5, weight=Weight(reads=2, writes=2))
    def sid_send_funds(self, origin: Origin, acc: AccountId, funds: Balance) -> None:
        """Pay ``acc`` from the space treasury. *Origin*: root. *Errors*: InsufficientFunds."""
        ensure_root(origin)
        self._send(SPACE_TREASURY, acc, funds)

    # Port of Audit.

    def record_power(self, who: AccountId, power: U128) -> None:
        """``who`` proved ``power`` in the current era; it replaces what it proved earlier in it.

        Zero takes the share of this era away: the last audit of the era counts.
        """
        era = self.current_era.get()
        record = self.power_record.get(who)
        pool = self.round_reward.get(era) or _empty_pool()
        if record is not None and record.era != era:
            self._settle(who)
            record = None
        if record is not None:
            pool = replace(pool, power=U128(pool.power - record.power))
        elif power == 0:
            return
        else:
            pool = replace(pool, unsettled=U32(pool.unsettled + 1))
        self.power_record[who] = PowerRecord(era=era, power=power)
        self.round_reward[era] = replace(pool, power=U128(pool.power + power))

    # Port of Sminer.

    def take_earned(self, who: AccountId) -> Balance:
        """Take the shares of finished eras; the caller pays them out, now or later."""
        self._settle(who)
        return self.earned.take(who) or Balance(0)

    def pay(self, to: AccountId, amount: Balance) -> None:
        """Pay ``amount`` of what was taken, or raise what the currency raises."""
        self.config.currency.transfer(REWARD_POT, to, amount)
        self.currency_reward.put(Balance(self.currency_reward.get() - amount))

    def forfeit(self, who: AccountId, unpaid: Balance) -> None:
        """Move what ``who`` earned, and ``unpaid`` of what it took, to the reserve.

        Never raises.
        """
        lost = Balance(self.take_earned(who) + unpaid)
        self._drop_record(who)
        if lost == 0:
            return
        self.currency_reward.put(Balance(self.currency_reward.get() - lost))
        if self._is_reserved(lost):
            self.reserve_reward.put(Balance(self.reserve_reward.get() + lost))

    # Private.

    def _mint(self, amount: Balance) -> bool:
        """Create ``amount`` in the pot. False, and nothing changed, where the currency refuses."""
        try:
            with self.overlay.transaction():
                self.config.currency.mint_into(REWARD_POT, amount)
        except EXPECTED:
            return False
        return True

    def _is_reserved(self, amount: Balance) -> bool:
        """Move ``amount`` from the pot to the reserve. False where the currency refuses."""
        try:
            with self.overlay.transaction():
                self.config.currency.transfer(REWARD_POT, RESERVE_REWARD, amount)
        except EXPECTED:
            return False
        return True

    def _settle(self, who: AccountId) -> None:
        """Work out the share of the last audited era, if that era is over."""
        record = self.power_record.get(who)
        if record is None or record.era == self.current_era.get():
            return
        del self.power_record[who]
        pool = self.round_reward[record.era]
        share = Balance(int(pool.total) * int(record.power) // int(pool.power) if pool.power else 0)
        if pool.unsettled > 1:
            self.round_reward[record.era] = replace(
                pool, issued=Balance(pool.issued + share), unsettled=U32(pool.unsettled - 1)
            )
        else:
            self._close(record.era, replace(pool, issued=Balance(pool.issued + share)))
        if share > 0:
            self.earned[who] = Balance(self.earned.get(who) + share)

    def _drop_record(self, who: AccountId) -> None:
        """Take ``who`` out of the current era, as if it had not been audited in it."""
        record = self.power_record.take(who)
        if record is None:
            return
        pool = self.round_reward[record.era]
        if pool.unsettled > 1:
            self.round_reward[record.era] = replace(
                pool, power=U128(pool.power - record.power), unsettled=U32(pool.unsettled - 1)
            )
        else:
            del self.round_reward[record.era]

    def _close(self, era: U32, pool: RoundRewardInfo) -> None:
        """All shares are worked out: what rounding left over is nobody's and stays in the pot."""
        del self.round_reward[era]
        rest = Balance(pool.total - pool.issued)
        if rest > 0:
            self.currency_reward.put(Balance(self.currency_reward.get() - rest))

    def _burn(self, account: AccountId, amount: Balance) -> None:
        self._ensure_funds(account, amount)
        self.config.currency.burn_from(account, amount)

    def _send(self, account: AccountId, to: AccountId, amount: Balance) -> None:
        self._ensure_funds(account, amount)
        self.config.currency.transfer(account, to, amount)

    def _ensure_funds(self, account: AccountId, amount: Balance) -> None:
        spendable = self.config.currency.spendable(account, keep_alive=True)
        ensure(spendable >= amount, self.InsufficientFunds)


def _empty_pool() -> RoundRewardInfo:
    return RoundRewardInfo(total=Balance(0), issued=Balance(0), power=U128(0), unsettled=U32(0))
