"""Money: transfers, reserves, and the law that none appears or vanishes unsaid.

An account holds ``free`` money, which it may spend, and ``reserved`` money, which a pallet set
aside. ``free`` provides for the account while it is at least the existential deposit; ``reserved``
is a consumer, so an account with a reserve cannot be emptied below that deposit. What would be left
below it is dust: it is burned, and the account is removed with it.

Invariants, tested as properties:
- ``total_issuance`` is the sum of ``free + reserved`` over all accounts, at every moment;
- every account holds at least the existential deposit as ``free``, or does not exist;
- what is held of an account for named reasons is at most what is reserved of it, and neither
  ``unreserve`` nor ``repatriate_reserved`` reaches it: only whoever has the ``Holder`` does;
- a call or a port that raises changed nothing.

A fee that is being paid is out of circulation between ``withdraw`` and ``deposit``: the first
lowers the issuance, the second raises it again.

Bounds: an amount has 128 bits; an account has ``HOLDS_MAX`` holds; nothing else here loops. Ports
needed: ``accounts`` (System). Provided: ``Currency`` of StorageHandler, Sminer, CessTreasury, Mdrc
and TransactionPayment; ``holder`` of a reason is the ``Currency`` of Staking.
"""

from dataclasses import replace
from typing import Annotated, Protocol

from pallets.balances.types import BalanceStatus, HoldReason, Holds, IdAmount
from pallets.frame import (
    Blake2_128Concat,
    Doc,
    Holes,
    Origin,
    Pallet,
    PalletConfig,
    PalletError,
    PalletGenesis,
    StorageMap,
    StorageValue,
    TokenError,
    TokenFailure,
    Weight,
    call,
    ensure,
    ensure_root,
    ensure_signed,
    event,
)
from pallets.frame.account import AccountData
from primitives.extrinsic import MultiAddress
from primitives.scale import Compact
from primitives.types import AccountId, Balance

__all__ = ["Accounts", "Balances", "Holder"]

ZERO = Balance(0)


class Accounts(Protocol):
    """System: the accounts that money lies in, and who refers to them."""

    def lookup(self, address: MultiAddress) -> AccountId:
        """The account that an address names, or LookupFailed."""
        ...

    def data(self, who: AccountId) -> AccountData:
        """Money of ``who``, nothing if it does not exist."""
        ...

    def set_data(self, who: AccountId, data: AccountData) -> None:
        """Replace the money of an account that exists."""
        ...

    def inc_providers(self, who: AccountId) -> None:
        """``who`` has a reason to exist; the first one creates it."""
        ...

    def dec_providers(self, who: AccountId) -> None:
        """That reason is gone, or ConsumerRemaining; the last one removes the account."""
        ...

    def can_dec_provider(self, who: AccountId) -> bool:
        """Whether ``dec_providers`` would not raise."""
        ...

    def inc_consumers(self, who: AccountId) -> None:
        """``who`` must stay, or NoProviders or TooManyConsumers."""
        ...

    def dec_consumers(self, who: AccountId) -> None:
        """That is over."""
        ...


class Balances(Pallet):
    """Balances of all accounts in the chain's currency."""

    # Calls of old account formats, of forced issuance; events of slashing, which burns and
    # repatriation report; errors that TokenError replaced.
    holes = Holes(calls=(1, 6, 7), events=(9,), errors=(0, 1))

    class Config(PalletConfig):
        """The existential deposit, and the accounts."""

        existential_deposit: Annotated[
            Balance, Doc("The least free balance, in planck; an account below it is removed.")
        ]
        accounts: Accounts

    class Genesis(PalletGenesis):
        """Who owns what at the start."""

        balances: tuple[tuple[AccountId, Balance], ...] = ()

    config: Config

    total_issuance = StorageValue(Balance, default=ZERO, doc="All money there is, in planck.")
    inactive_issuance = StorageValue(
        Balance, default=ZERO, doc="The part of it that takes no part in governance: none."
    )

    # Accounts are chosen by users.
    holds = StorageMap(
        AccountId,
        Holds,
        default=Holds(),
        hasher=Blake2_128Concat,
        doc="What is held of an account for named reasons; it is part of what is reserved.",
    )

    @event(index=0)
    class Endowed:
        """``account`` was created with ``free_balance``."""

        account: AccountId
        free_balance: Balance

    @event(index=1)
    class DustLost:
        """``account`` was removed; the ``amount`` left in it was burned."""

        account: AccountId
        amount: Balance

    @event(index=2)
    class Transfer:
        """``amount`` moved."""

        from_: AccountId
        to: AccountId
        amount: Balance

    @event(index=3)
    class BalanceSet:
        """Root set the free balance of ``who``."""

        who: AccountId
        free: Balance

    @event(index=4)
    class Reserved:
        """``amount`` of ``who`` was set aside."""

        who: AccountId
        amount: Balance

    @event(index=5)
    class Unreserved:
        """``amount`` that was set aside is free again."""

        who: AccountId
        amount: Balance

    @event(index=6)
    class ReserveRepatriated:
        """``amount`` moved out of the reserve of ``from_``."""

        from_: AccountId
        to: AccountId
        amount: Balance
        destination_status: BalanceStatus

    @event(index=7)
    class Deposit:
        """``amount`` came back into circulation: a fee was paid on or refunded."""

        who: AccountId
        amount: Balance

    @event(index=8)
    class Withdraw:
        """``amount`` left the account to pay a fee."""

        who: AccountId
        amount: Balance

    @event(index=10)
    class Minted:
        """``amount`` was created."""

        who: AccountId
        amount: Balance

    @event(index=11)
    class Burned:
        """``amount`` was destroyed."""

        who: AccountId
        amount: Balance

    class InsufficientBalance(PalletError, index=2):
        """The free balance is too low to reserve that much."""

    def integrity_test(self) -> None:
        """Without an existential deposit nothing would keep empty accounts out of the state."""
        assert self.config.existential_deposit > 0, "because an account must cost something"

    def genesis_build(self, genesis: Genesis) -> None:
        """Endow the accounts of the chain spec."""
        owners = [who for who, _ in genesis.balances]
        assert len(set(owners)) == len(owners), "a chain spec gives one account two balances"
        total = ZERO
        for who, amount in genesis.balances:
            assert amount >= self.config.existential_deposit, f"{who.hex()} is given only dust"
            data = self.config.accounts.data(who)
            self._store(who, data, replace(data, free=amount))
            total = Balance(total + amount)
        self.total_issuance.put(total)

    # Calls.

    @call(index=0, weight=Weight(reads=2, writes=2))
    def transfer_allow_death(
        self, origin: Origin, dest: MultiAddress, value: Annotated[Balance, Compact]
    ) -> None:
        """Send ``value``; your account is removed if less than the existential deposit is left.

        *Origin*: signed. *Errors*: Token. *Events*: Transfer, Endowed, DustLost.
        """
        who = ensure_signed(origin)
        self.transfer(who, self.config.accounts.lookup(dest), value, keep_alive=False)

    @call(index=2, weight=Weight(reads=3, writes=3))
    def force_transfer(
        self,
        origin: Origin,
        source: MultiAddress,
        dest: MultiAddress,
        value: Annotated[Balance, Compact],
    ) -> None:
        """``transfer_allow_death`` on behalf of ``source``.

        *Origin*: root. *Errors*: Token. *Events*: Transfer, Endowed, DustLost.
        """
        ensure_root(origin)
        accounts = self.config.accounts
        self.transfer(accounts.lookup(source), accounts.lookup(dest), value, keep_alive=False)

    @call(index=3, weight=Weight(reads=2, writes=2))
    def transfer_keep_alive(
        self, origin: Origin, dest: MultiAddress, value: Annotated[Balance, Compact]
    ) -> None:
        """Send ``value``, unless that would leave less than the existential deposit.

        *Origin*: signed. *Errors*: Token. *Events*: Transfer, Endowed.
        """
        who = ensure_signed(origin)
        self.transfer(who, self.config.accounts.lookup(dest), value, keep_alive=True)

    @call(index=4, weight=Weight(reads=2, writes=2))
    def transfer_all(self, origin: Origin, dest: MultiAddress, keep_alive: bool) -> None:
        """Send all that can be sent; with ``keep_alive`` the existential deposit stays.

        *Origin*: signed. *Errors*: Token. *Events*: Transfer, Endowed.
        """
        who = ensure_signed(origin)
        to = self.config.accounts.lookup(dest)
        self.transfer(who, to, self.spendable(who, keep_alive=keep_alive), keep_alive=keep_alive)

    @call(index=5, weight=Weight(reads=2, writes=1))
    def force_unreserve(self, origin: Origin, who: MultiAddress, amount: Balance) -> None:
        """Free ``amount`` of a reserve, or all there is; what is held for a named reason stays.

        *Origin*: root. *Events*: Unreserved.
        """
        ensure_root(origin)
        self.unreserve(self.config.accounts.lookup(who), amount)

    @call(index=8, weight=Weight(reads=2, writes=2))
    def force_set_balance(
        self, origin: Origin, who: MultiAddress, new_free: Annotated[Balance, Compact]
    ) -> None:
        """Set a free balance; less than the existential deposit counts as 0.

        *Origin*: root. *Errors*: ConsumerRemaining. *Events*: BalanceSet, Endowed.
        """
        ensure_root(origin)
        account = self.config.accounts.lookup(who)
        free = new_free if new_free >= self.config.existential_deposit else ZERO
        data = self.config.accounts.data(account)
        self.total_issuance.put(Balance(self.total_issuance.get() - data.free + free))
        self._store(account, data, replace(data, free=free))
        self.deposit_event(self.BalanceSet(who=account, free=free))

    # Ports: what other pallets do with money. Each checks first and writes last.

    def free(self, who: AccountId) -> Balance:
        """Balance that ``who`` may spend."""
        return self.config.accounts.data(who).free

    def reserved(self, who: AccountId) -> Balance:
        """What is set aside of ``who``."""
        return self.config.accounts.data(who).reserved

    def spendable(self, who: AccountId, *, keep_alive: bool) -> Balance:
        """The most that ``who`` can send at once, if it must stay alive or not."""
        free = self.free(who)
        if keep_alive or not self.config.accounts.can_dec_provider(who):
            return free.saturating_sub(self.config.existential_deposit)
        return free

    def transfer(
        self, src: AccountId, dst: AccountId, amount: Balance, keep_alive: bool = True
    ) -> None:
        """Move ``amount``, or raise TokenFailure.

        Raises: FundsUnavailable, OnlyProvider (a reserve must stay covered), NotExpendable (with
        ``keep_alive``), BelowMinimum (``dst`` would hold only dust).
        """
        accounts, deposit = self.config.accounts, self.config.existential_deposit
        source, target = accounts.data(src), accounts.data(dst)
        if amount > 0:
            self._ensure_can_leave(src, source, amount, keep_alive=keep_alive)
            received = Balance(target.free + amount)
            ensure(received >= deposit, TokenFailure(TokenError.BelowMinimum))
            if src == dst:
                return
            self._store(src, source, replace(source, free=Balance(source.free - amount)))
            self._store(dst, target, replace(target, free=received))
        if src != dst:
            self.deposit_event(self.Transfer(from_=src, to=dst, amount=amount))

    def reserve(self, who: AccountId, amount: Balance) -> None:
        """Set ``amount`` aside, or raise InsufficientBalance or ConsumerRemaining.

        The latter where less than the existential deposit would stay free.
        """
        if amount == 0:
            return
        data = self.config.accounts.data(who)
        ensure(data.free >= amount, self.InsufficientBalance)
        self._store(
            who,
            data,
            replace(
                data, free=Balance(data.free - amount), reserved=Balance(data.reserved + amount)
            ),
        )
        self.deposit_event(self.Reserved(who=who, amount=amount))

    def unreserve(self, who: AccountId, amount: Balance) -> Balance:
        """Free ``amount`` again; return what was not there. What is held stays."""
        data = self.config.accounts.data(who)
        actual = min(self._unnamed(who, data), amount)
        if actual > 0:
            self._store(
                who,
                data,
                replace(
                    data, free=Balance(data.free + actual), reserved=Balance(data.reserved - actual)
                ),
            )
            self.deposit_event(self.Unreserved(who=who, amount=actual))
        return Balance(amount - actual)

    def repatriate_reserved(
        self, slashed: AccountId, beneficiary: AccountId, amount: Balance
    ) -> Balance:
        """Move ``amount`` of what is reserved to the free balance of ``beneficiary``.

        Returns what could not be moved: what is not reserved or is held for a named reason, or
        everything where the beneficiary would hold only dust. Never raises.
        """
        if slashed == beneficiary:
            return self.unreserve(slashed, amount)
        source = self.config.accounts.data(slashed)
        target = self.config.accounts.data(beneficiary)
        actual = min(self._unnamed(slashed, source), amount)
        received = Balance(target.free + actual)
        if actual == 0 or received < self.config.existential_deposit:
            return amount
        self._store(slashed, source, replace(source, reserved=Balance(source.reserved - actual)))
        self._store(beneficiary, target, replace(target, free=received))
        self.deposit_event(
            self.ReserveRepatriated(
                from_=slashed,
                to=beneficiary,
                amount=actual,
                destination_status=BalanceStatus.Free,
            )
        )
        return Balance(amount - actual)

    def mint_into(self, who: AccountId, amount: Balance) -> None:
        """Create ``amount``, or raise BelowMinimum."""
        if amount == 0:
            return
        self._create(who, amount)
        self.deposit_event(self.Minted(who=who, amount=amount))

    def burn_from(self, who: AccountId, amount: Balance) -> None:
        """Destroy ``amount``, or raise FundsUnavailable or OnlyProvider."""
        if amount == 0:
            return
        self._destroy(who, amount, keep_alive=False)
        self.deposit_event(self.Burned(who=who, amount=amount))

    def can_withdraw(self, who: AccountId, amount: Balance) -> bool:
        """Whether ``withdraw`` would not raise."""
        return amount == 0 or amount <= self.spendable(who, keep_alive=True)

    def withdraw(self, who: AccountId, amount: Balance) -> None:
        """Take ``amount`` out of circulation; ``who`` stays alive, or TokenFailure is raised."""
        if amount == 0:
            return
        self._destroy(who, amount, keep_alive=True)
        self.deposit_event(self.Withdraw(who=who, amount=amount))

    def deposit(self, who: AccountId, amount: Balance) -> bool:
        """Put ``amount`` of what was withdrawn back into circulation.

        False if ``who`` would hold only dust: then the amount stays out for ever.
        """
        if amount == 0:
            return True
        if self.free(who) + amount < self.config.existential_deposit:
            return False
        self._create(who, amount)
        self.deposit_event(self.Deposit(who=who, amount=amount))
        return True

    # Ports: holds, see ``Holder``.

    def holder(self, reason: HoldReason) -> "Holder":
        """The hands that money held for ``reason`` is in."""
        return Holder(self, reason)

    def held(self, who: AccountId, reason: HoldReason) -> Balance:
        """What is held of ``who`` for ``reason``."""
        return next((each.amount for each in self.holds.get(who) if each.id == reason), ZERO)

    def hold(self, who: AccountId, reason: HoldReason, amount: Balance) -> None:
        """Set ``amount`` aside for ``reason``, or raise InsufficientBalance or ConsumerRemaining.

        The latter where less than the existential deposit would stay free.
        """
        if amount == 0:
            return
        with self.overlay.transaction():
            self.reserve(who, amount)
            self._set_held(who, reason, Balance(self.held(who, reason) + amount))

    def release(self, who: AccountId, reason: HoldReason, amount: Balance) -> Balance:
        """Free ``amount`` that is held for ``reason``, or all that is; return how much."""
        before = self.held(who, reason)
        actual = Balance(min(before, amount))
        if actual > 0:
            self._set_held(who, reason, Balance(before - actual))
            self.unreserve(who, actual)
        return actual

    def move_held(
        self, source: AccountId, dest: AccountId, reason: HoldReason, amount: Balance
    ) -> Balance:
        """Move ``amount`` that is held, or all that is, to the free balance of ``dest``.

        Returns how much was moved: nothing where ``dest`` would hold only dust. Never raises.
        """
        before = self.held(source, reason)
        wanted = Balance(min(before, amount))
        if wanted == 0:
            return wanted
        self._set_held(source, reason, Balance(before - wanted))
        left = self.repatriate_reserved(source, dest, wanted)
        if left > 0:
            self._set_held(source, reason, Balance(before - wanted + left))
        return Balance(wanted - left)

    # Private.

    def _unnamed(self, who: AccountId, data: AccountData) -> Balance:
        """What is reserved of ``who`` and not held for a named reason."""
        if data.reserved == 0:
            return ZERO
        return Balance(data.reserved - sum(int(each.amount) for each in self.holds.get(who)))

    def _set_held(self, who: AccountId, reason: HoldReason, amount: Balance) -> None:
        others = [each for each in self.holds.get(who) if each.id != reason]
        if amount > 0:
            others.append(IdAmount(id=reason, amount=amount))
        if others:
            self.holds[who] = Holds(others)
        else:
            del self.holds[who]

    def _create(self, who: AccountId, amount: Balance) -> None:
        data = self.config.accounts.data(who)
        issued = Balance(self.total_issuance.get() + amount)  # bounds every balance as well
        received = Balance(data.free + amount)
        ensure(received >= self.config.existential_deposit, TokenFailure(TokenError.BelowMinimum))
        self.total_issuance.put(issued)
        self._store(who, data, replace(data, free=received))

    def _destroy(self, who: AccountId, amount: Balance, *, keep_alive: bool) -> None:
        data = self.config.accounts.data(who)
        self._ensure_can_leave(who, data, amount, keep_alive=keep_alive)
        self.total_issuance.put(Balance(self.total_issuance.get() - amount))
        self._store(who, data, replace(data, free=Balance(data.free - amount)))

    def _ensure_can_leave(
        self, who: AccountId, data: AccountData, amount: Balance, *, keep_alive: bool
    ) -> None:
        ensure(amount <= data.free, TokenFailure(TokenError.FundsUnavailable))
        if data.free - amount < self.config.existential_deposit:
            can_die = self.config.accounts.can_dec_provider(who)
            ensure(can_die, TokenFailure(TokenError.OnlyProvider))
            ensure(not keep_alive, TokenFailure(TokenError.NotExpendable))

    def _store(self, who: AccountId, old: AccountData, new: AccountData) -> None:
        """Write ``new``, with the references that follow from it; raises with nothing changed."""
        accounts, deposit = self.config.accounts, self.config.existential_deposit
        provided, provides = old.free >= deposit, new.free >= deposit
        consumed, consumes = old.reserved > 0, new.reserved > 0
        if provided and provides and consumed == consumes:  # nearly always
            accounts.set_data(who, new)
            return
        with self.overlay.transaction():
            if provides and not provided:
                accounts.inc_providers(who)
                self.deposit_event(self.Endowed(account=who, free_balance=new.free))
            if consumes and not consumed:
                accounts.inc_consumers(who)
            if consumed and not consumes:
                accounts.dec_consumers(who)
            if provides:
                accounts.set_data(who, new)
            elif provided:
                accounts.set_data(who, replace(new, free=ZERO))
                accounts.dec_providers(who)
                self._burn_dust(who, new.free)

    def _burn_dust(self, who: AccountId, dust: Balance) -> None:
        if dust > 0:
            self.total_issuance.put(Balance(self.total_issuance.get() - dust))
            self.deposit_event(self.DustLost(account=who, amount=dust))


class Holder:
    """Money held for one reason: what a neighbour gets that may hold for this reason only."""

    def __init__(self, balances: Balances, reason: HoldReason) -> None:
        self._balances = balances
        self._reason = reason

    def spendable(self, who: AccountId) -> Balance:
        """The most of ``who`` that can be held beside what is: the existential deposit stays."""
        return self._balances.spendable(who, keep_alive=True)

    def held(self, who: AccountId) -> Balance:
        """What is held of ``who``."""
        return self._balances.held(who, self._reason)

    def hold(self, who: AccountId, amount: Balance) -> None:
        """Hold ``amount`` more, or raise InsufficientBalance or ConsumerRemaining."""
        self._balances.hold(who, self._reason, amount)

    def release(self, who: AccountId, amount: Balance) -> Balance:
        """Free ``amount``, or all that is held; return how much."""
        return self._balances.release(who, self._reason, amount)

    def move_held(self, source: AccountId, dest: AccountId, amount: Balance) -> Balance:
        """Move ``amount``, or all that is held, to ``dest``; return how much. Never raises."""
        return self._balances.move_held(source, dest, self._reason, amount)

    def transfer(self, source: AccountId, dest: AccountId, amount: Balance) -> None:
        """Move ``amount`` that is free, or raise TokenFailure; ``source`` stays alive."""
        self._balances.transfer(source, dest, amount)

    def mint_into(self, who: AccountId, amount: Balance) -> None:
        """Create ``amount``, or raise BelowMinimum."""
        self._balances.mint_into(who, amount)
