"""Transfers, reserves, dust, and who may force what."""

import pytest

from pallets.balances import BOND, Balances, BalanceStatus
from pallets.frame import (
    BadOrigin,
    DictState,
    Origin,
    PalletError,
    TokenError,
    TokenFailure,
)
from pallets.frame.error import ConsumerRemaining, LookupFailed
from pallets.frame.genesis import build_genesis
from pallets.system import System
from primitives.errors import ArithmeticOverflow
from primitives.extrinsic import MultiAddressIndex
from primitives.scale import U32
from primitives.types import Balance
from tests.pallets.small_chains import (
    ALICE,
    BOB,
    CHARLIE,
    DAVE,
    DEPOSIT,
    TREASURY,
    Money,
    signed,
    to,
)

MAX = Balance(2**128 - 1)
TOTAL = 16_000
"""What the fixture's three owners have together."""


def send(money, amount, *, src=ALICE, dst=BOB, name="transfer_keep_alive"):
    return money.call("Balances", name, signed(src), dest=to(dst), value=Balance(amount))


def refused(money, kind: TokenError):
    return Refused(money, kind)


class Refused:
    """The body fails with this TokenError and leaves no trace."""

    def __init__(self, money, kind):
        self.trace, self.kind = money.no_trace(), kind

    def __enter__(self):
        self.trace.__enter__()

    def __exit__(self, kind, failure, traceback):
        assert isinstance(failure, TokenFailure), failure
        assert failure.kind is self.kind
        self.trace.__exit__(None, None, None)
        return True


# Transfers.


def test_a_transfer_moves_exactly_the_amount(money):
    send(money, 300)
    balances = money.runtime.balances
    assert (balances.free(ALICE), balances.free(BOB)) == (9_700, 1_300)
    assert balances.total_issuance.get() == TOTAL
    assert money.events() == [Balances.Transfer(from_=ALICE, to=BOB, amount=Balance(300))]


def test_a_transfer_creates_an_account_with_the_existential_deposit(money):
    with refused(money, TokenError.BelowMinimum):
        send(money, DEPOSIT - 1, dst=CHARLIE)
    send(money, DEPOSIT, dst=CHARLIE)
    assert money.events() == [
        System.NewAccount(account=CHARLIE),
        Balances.Endowed(account=CHARLIE, free_balance=DEPOSIT),
        Balances.Transfer(from_=ALICE, to=CHARLIE, amount=DEPOSIT),
    ]


@pytest.mark.parametrize("name", ["transfer_keep_alive", "transfer_allow_death"])
def test_nobody_sends_more_than_it_has(money, name):
    with refused(money, TokenError.FundsUnavailable):
        send(money, 1_001, src=BOB, dst=ALICE, name=name)
    with refused(money, TokenError.FundsUnavailable):
        send(money, MAX, src=BOB, dst=ALICE, name=name)
    with refused(money, TokenError.FundsUnavailable):
        send(money, 1, src=CHARLIE, dst=ALICE, name=name)


def test_keep_alive_leaves_the_existential_deposit(money):
    with refused(money, TokenError.NotExpendable):
        send(money, 1_000 - DEPOSIT + 1, src=BOB, dst=ALICE)
    send(money, 1_000 - DEPOSIT, src=BOB, dst=ALICE)
    assert money.runtime.balances.free(BOB) == DEPOSIT


def test_allow_death_removes_an_emptied_account(money):
    send(money, 1_000, src=BOB, dst=ALICE, name="transfer_allow_death")
    assert BOB not in money.runtime.system.account
    assert money.runtime.balances.free(ALICE) == 11_000
    assert money.events() == [
        System.KilledAccount(account=BOB),
        Balances.Transfer(from_=BOB, to=ALICE, amount=Balance(1_000)),
    ]


def test_dust_is_burned(money):
    send(money, 950, src=BOB, dst=ALICE, name="transfer_allow_death")
    assert BOB not in money.runtime.system.account
    assert money.runtime.balances.total_issuance.get() == TOTAL - 50
    assert Balances.DustLost(account=BOB, amount=Balance(50)) in money.events()


def test_the_existential_deposit_itself_is_no_dust(money):
    send(money, 900, src=BOB, dst=ALICE, name="transfer_allow_death")
    assert money.runtime.balances.free(BOB) == DEPOSIT


def test_an_account_with_a_reserve_cannot_be_emptied(money):
    money.runtime.balances.reserve(BOB, Balance(200))
    with refused(money, TokenError.OnlyProvider):
        send(money, 701, src=BOB, dst=ALICE, name="transfer_allow_death")
    send(money, 700, src=BOB, dst=ALICE, name="transfer_allow_death")


def test_a_transfer_to_oneself_is_checked_and_changes_nothing(money):
    with money.no_trace():
        send(money, 500, dst=ALICE)
    with refused(money, TokenError.FundsUnavailable):
        send(money, 10_001, dst=ALICE)
    with refused(money, TokenError.NotExpendable):
        send(money, 10_000, dst=ALICE)


def test_nothing_can_be_sent_to_anybody(money):
    before = money.changes()
    send(money, 0, dst=CHARLIE)
    assert money.changes() == before
    assert money.events() == [Balances.Transfer(from_=ALICE, to=CHARLIE, amount=Balance(0))]


def test_transfers_need_a_signature(money):
    for name in ("transfer_keep_alive", "transfer_allow_death"):
        for origin in (Origin.root(), Origin.none()):
            with pytest.raises(BadOrigin), money.no_trace():
                money.call("Balances", name, origin, dest=to(BOB), value=Balance(1))
    with pytest.raises(BadOrigin):
        money.call("Balances", "transfer_all", Origin.root(), dest=to(BOB), keep_alive=True)


def test_money_goes_only_to_accounts(money):
    with pytest.raises(LookupFailed), money.no_trace():
        money.call(
            "Balances",
            "transfer_keep_alive",
            signed(ALICE),
            dest=MultiAddressIndex(U32(1)),
            value=Balance(1),
        )


def test_transfer_all_empties_the_account(money):
    money.call("Balances", "transfer_all", signed(BOB), dest=to(ALICE), keep_alive=False)
    assert BOB not in money.runtime.system.account
    assert money.runtime.balances.free(ALICE) == 11_000


def test_transfer_all_with_keep_alive_leaves_the_existential_deposit(money):
    money.call("Balances", "transfer_all", signed(BOB), dest=to(ALICE), keep_alive=True)
    assert money.runtime.balances.free(BOB) == DEPOSIT


def test_transfer_all_leaves_what_a_reserve_needs(money):
    money.runtime.balances.reserve(BOB, Balance(200))
    money.call("Balances", "transfer_all", signed(BOB), dest=to(ALICE), keep_alive=False)
    assert money.runtime.balances.free(BOB) == DEPOSIT
    assert money.runtime.balances.reserved(BOB) == 200


# Root.


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("force_transfer", {"source": to(BOB), "dest": to(ALICE), "value": Balance(1)}),
        ("force_unreserve", {"who": to(BOB), "amount": Balance(1)}),
        ("force_set_balance", {"who": to(BOB), "new_free": Balance(1_000)}),
    ],
)
def test_only_root_forces(money, name, arguments):
    for origin in (signed(BOB), signed(DAVE), Origin.none()):
        with pytest.raises(BadOrigin), money.no_trace():
            money.call("Balances", name, origin, **arguments)
    money.call("Balances", name, Origin.root(), **arguments)


def test_root_transfers_for_somebody_else(money):
    amount = Balance(1_000)
    money.call(
        "Balances", "force_transfer", Origin.root(), source=to(BOB), dest=to(ALICE), value=amount
    )
    assert BOB not in money.runtime.system.account
    assert Balances.Transfer(from_=BOB, to=ALICE, amount=amount) in money.events()


def test_root_frees_no_more_than_is_reserved(money):
    money.runtime.balances.reserve(BOB, Balance(200))
    money.clear_events()
    money.call("Balances", "force_unreserve", Origin.root(), who=to(BOB), amount=Balance(500))
    assert money.runtime.balances.free(BOB) == 1_000
    assert money.events() == [Balances.Unreserved(who=BOB, amount=Balance(200))]


def set_balance(money, who, amount):
    money.call(
        "Balances", "force_set_balance", Origin.root(), who=to(who), new_free=Balance(amount)
    )


def test_root_sets_balances_and_the_issuance_follows(money):
    set_balance(money, BOB, 5_000)
    assert money.runtime.balances.total_issuance.get() == TOTAL + 4_000
    set_balance(money, CHARLIE, 300)
    set_balance(money, BOB, 100)
    assert money.runtime.balances.total_issuance.get() == TOTAL - 900 + 300
    assert Balances.BalanceSet(who=CHARLIE, free=Balance(300)) in money.events()


def test_setting_a_balance_to_dust_removes_the_account(money):
    set_balance(money, BOB, DEPOSIT - 1)
    assert BOB not in money.runtime.system.account
    assert money.runtime.balances.total_issuance.get() == TOTAL - 1_000
    assert Balances.BalanceSet(who=BOB, free=Balance(0)) in money.events()
    set_balance(money, CHARLIE, 1)
    assert CHARLIE not in money.runtime.system.account


def test_root_cannot_remove_an_account_that_has_a_reserve(money):
    money.runtime.balances.reserve(BOB, Balance(200))
    with pytest.raises(ConsumerRemaining), money.no_trace():
        set_balance(money, BOB, 0)


def test_the_issuance_cannot_overflow(money):
    with pytest.raises(ArithmeticOverflow), money.no_trace():
        set_balance(money, BOB, MAX)
    with pytest.raises(ArithmeticOverflow), money.no_trace():
        money.runtime.balances.mint_into(BOB, MAX)
    money.runtime.balances.mint_into(BOB, Balance(MAX - TOTAL))
    assert money.runtime.balances.total_issuance.get() == MAX


# Reserves.


def test_reserved_money_cannot_be_spent(money):
    balances = money.runtime.balances
    balances.reserve(BOB, Balance(900))
    assert (balances.free(BOB), balances.reserved(BOB)) == (100, 900)
    assert money.events() == [Balances.Reserved(who=BOB, amount=Balance(900))]
    with refused(money, TokenError.FundsUnavailable):
        send(money, 101, src=BOB, dst=ALICE)


def test_nobody_reserves_more_than_it_has(money):
    with pytest.raises(Balances.InsufficientBalance), money.no_trace():
        money.runtime.balances.reserve(BOB, Balance(1_001))
    assert issubclass(Balances.InsufficientBalance, PalletError)


def test_a_reserve_leaves_the_existential_deposit_free(money):
    with pytest.raises(ConsumerRemaining), money.no_trace():
        money.runtime.balances.reserve(BOB, Balance(901))


def test_unreserve_returns_what_was_not_there(money):
    balances = money.runtime.balances
    balances.reserve(BOB, Balance(300))
    assert balances.unreserve(BOB, Balance(100)) == 0
    assert balances.unreserve(BOB, Balance(500)) == 300
    assert (balances.free(BOB), balances.reserved(BOB)) == (1_000, 0)
    assert money.runtime.system.account[BOB].consumers == 0
    assert balances.unreserve(CHARLIE, Balance(7)) == 7


def test_repatriated_money_is_free_at_its_new_owner(money):
    balances = money.runtime.balances
    balances.reserve(BOB, Balance(300))
    money.clear_events()
    assert balances.repatriate_reserved(BOB, ALICE, Balance(200)) == 0
    assert (balances.reserved(BOB), balances.free(ALICE)) == (100, 10_200)
    assert money.events() == [
        Balances.ReserveRepatriated(
            from_=BOB, to=ALICE, amount=Balance(200), destination_status=BalanceStatus.Free
        )
    ]
    assert balances.repatriate_reserved(BOB, ALICE, Balance(150)) == 50
    assert money.runtime.system.account[BOB].consumers == 0


def test_repatriation_creates_its_receiver_but_never_with_dust(money):
    balances = money.runtime.balances
    balances.reserve(BOB, Balance(300))
    with money.no_trace():
        assert balances.repatriate_reserved(BOB, TREASURY, Balance(DEPOSIT - 1)) == DEPOSIT - 1
    assert balances.repatriate_reserved(BOB, TREASURY, DEPOSIT) == 0
    assert balances.free(TREASURY) == DEPOSIT


def test_repatriation_to_oneself_unreserves(money):
    balances = money.runtime.balances
    balances.reserve(BOB, Balance(300))
    assert balances.repatriate_reserved(BOB, BOB, Balance(500)) == 200
    assert balances.free(BOB) == 1_000


def test_nothing_is_repatriated_from_nobody(money):
    with money.no_trace():
        assert money.runtime.balances.repatriate_reserved(CHARLIE, ALICE, Balance(5)) == 5


# Minting, burning and fees.


def test_minting_and_burning_move_the_issuance(money):
    balances = money.runtime.balances
    balances.mint_into(ALICE, Balance(500))
    assert balances.total_issuance.get() == TOTAL + 500
    balances.burn_from(ALICE, Balance(700))
    assert balances.total_issuance.get() == TOTAL - 200
    assert money.events() == [
        Balances.Minted(who=ALICE, amount=Balance(500)),
        Balances.Burned(who=ALICE, amount=Balance(700)),
    ]


def test_dust_is_not_minted(money):
    with refused(money, TokenError.BelowMinimum):
        money.runtime.balances.mint_into(CHARLIE, Balance(DEPOSIT - 1))
    money.runtime.balances.mint_into(CHARLIE, DEPOSIT)


def test_burning_may_remove_the_account_but_not_what_a_reserve_needs(money):
    balances = money.runtime.balances
    with refused(money, TokenError.FundsUnavailable):
        balances.burn_from(BOB, Balance(1_001))
    balances.reserve(ALICE, Balance(1))
    with refused(money, TokenError.OnlyProvider):
        balances.burn_from(ALICE, Balance(9_999))
    balances.burn_from(BOB, Balance(1_000))
    assert BOB not in money.runtime.system.account


def test_nothing_is_minted_burned_reserved_or_withdrawn_without_a_trace(money):
    balances, nothing = money.runtime.balances, Balance(0)
    with money.no_trace():
        balances.mint_into(CHARLIE, nothing)
        balances.burn_from(CHARLIE, nothing)
        balances.reserve(CHARLIE, nothing)
        balances.withdraw(CHARLIE, nothing)
        assert balances.unreserve(CHARLIE, nothing) == 0
        assert balances.deposit(CHARLIE, nothing)
        assert balances.can_withdraw(CHARLIE, nothing)


def test_what_is_withdrawn_is_out_of_circulation_until_it_is_deposited(money):
    balances = money.runtime.balances
    balances.withdraw(ALICE, Balance(400))
    assert balances.total_issuance.get() == TOTAL - 400
    assert balances.deposit(BOB, Balance(300))
    assert balances.total_issuance.get() == TOTAL - 100
    assert money.events() == [
        Balances.Withdraw(who=ALICE, amount=Balance(400)),
        Balances.Deposit(who=BOB, amount=Balance(300)),
    ]


def test_a_withdrawal_leaves_the_payer_alive(money):
    balances = money.runtime.balances
    assert not balances.can_withdraw(BOB, Balance(901))
    with refused(money, TokenError.NotExpendable):
        balances.withdraw(BOB, Balance(901))
    assert balances.can_withdraw(BOB, Balance(900))
    balances.withdraw(BOB, Balance(900))
    assert not balances.can_withdraw(CHARLIE, Balance(1))


def test_a_deposit_of_dust_stays_out(money):
    with money.no_trace():
        assert not money.runtime.balances.deposit(CHARLIE, Balance(DEPOSIT - 1))
    assert money.runtime.balances.deposit(CHARLIE, DEPOSIT)


# Genesis and configuration.


def test_genesis_endows_and_counts():
    owners = ((ALICE, Balance(700)), (BOB, Balance(300)))
    given = {"balances": Balances.Genesis(balances=owners)}
    runtime = Money(DictState(build_genesis(Money(DictState({})), given)))
    assert runtime.balances.total_issuance.get() == 1_000
    assert runtime.balances.free(BOB) == 300
    assert runtime.system.account[BOB].providers == 1
    assert runtime.balances.inactive_issuance.get() == 0


@pytest.mark.parametrize(
    "owners",
    [((ALICE, Balance(700)), (ALICE, Balance(300))), ((ALICE, Balance(DEPOSIT - 1)),)],
)
def test_genesis_refuses_two_balances_of_one_account_and_dust(owners):
    given = {"balances": Balances.Genesis(balances=owners)}
    with pytest.raises(AssertionError):
        build_genesis(Money(DictState({})), given)


def test_an_account_must_cost_something(money):
    balances = money.runtime.balances
    balances.integrity_test()
    balances.config = Balances.Config(existential_deposit=Balance(0), accounts=money.runtime.system)
    with pytest.raises(AssertionError):
        balances.integrity_test()


def test_what_is_held_for_a_reason_is_out_of_reach_of_reserves_and_of_root(
    money,
) -> None:
    balances = money.runtime.balances
    balances.hold(ALICE, BOND, Balance(1_000))
    balances.reserve(ALICE, Balance(10))
    assert balances.reserved(ALICE) == 1_010
    money.call("Balances", "force_unreserve", Origin.root(), who=to(ALICE), amount=Balance(2_000))
    assert balances.reserved(ALICE) == balances.held(ALICE, BOND) == 1_000
    assert balances.repatriate_reserved(ALICE, BOB, Balance(1_000)) == 1_000
    assert balances.unreserve(ALICE, Balance(1)) == 1
    holder = balances.holder(BOND)
    assert holder.held(ALICE) == 1_000
    assert holder.move_held(ALICE, BOB, Balance(400)) == 400
    assert holder.release(ALICE, Balance(5_000)) == 600
    assert balances.reserved(ALICE) == 0
    assert balances.free(BOB) == 1_400


def test_a_hold_leaves_the_existential_deposit_free_or_fails(
    money,
) -> None:
    holder = money.runtime.balances.holder(BOND)
    assert holder.spendable(BOB) == 900
    with money.no_trace(), pytest.raises(Balances.InsufficientBalance):
        holder.hold(BOB, Balance(1_001))
    with money.no_trace(), pytest.raises(ConsumerRemaining):
        holder.hold(BOB, Balance(1_000))
    holder.hold(BOB, Balance(900))
    assert holder.held(BOB) == 900


def test_held_money_is_not_moved_to_where_it_would_be_dust(
    money,
) -> None:
    holder = money.runtime.balances.holder(BOND)
    holder.hold(ALICE, Balance(500))
    with money.no_trace():
        assert holder.move_held(ALICE, CHARLIE, Balance(99)) == 0
    assert holder.move_held(ALICE, CHARLIE, Balance(100)) == 100
