"""Who has the key does everything, and nobody else does anything."""

import pytest

from pallets.frame import BadOrigin, Origin, TokenError, Weight
from pallets.frame.error import DispatchToken, LookupFailed
from pallets.frame.testing import ext
from pallets.sudo import Sudo
from primitives.extrinsic import MultiAddressIndex
from primitives.scale import U32, Err, Ok
from primitives.types import Balance
from tests.pallets.small_chains import ALICE, BOB, DAVE, Money, signed, to

NO_FUNDS = DispatchToken(error=TokenError.FundsUnavailable)


def set_balance(money, amount=7_000):
    return money.runtime.calls().make(
        "Balances", "force_set_balance", who=to(BOB), new_free=Balance(amount)
    )


def send(money, amount):
    return money.runtime.calls().make(
        "Balances", "transfer_keep_alive", dest=to(ALICE), value=Balance(amount)
    )


def everything(money):
    weight = Weight(5, 6).wire()
    return [
        ("sudo", {"call": set_balance(money)}),
        ("sudo_unchecked_weight", {"call": set_balance(money), "weight": weight}),
        ("sudo_as", {"who": to(BOB), "call": send(money, 1)}),
        ("set_key", {"new": to(BOB)}),
        ("remove_key", {}),
    ]


def test_nobody_without_the_key_does_anything(money):
    for name, arguments in everything(money):
        with pytest.raises(Sudo.RequireSudo), money.no_trace():
            money.call("Sudo", name, signed(ALICE), **arguments)
        with pytest.raises(BadOrigin), money.no_trace():
            money.call("Sudo", name, Origin.none(), **arguments)


def test_the_key_costs_no_fee(money):
    for name, arguments in everything(money):
        assert money.call("Sudo", name, signed(DAVE), **arguments).pays_fee is False
        money.runtime.sudo.key.put(DAVE)


def test_root_may_what_the_key_may(money):
    for name, arguments in everything(money):
        money.call("Sudo", name, Origin.root(), **arguments)


def test_the_key_acts_as_root(money):
    money.call("Sudo", "sudo", signed(DAVE), call=set_balance(money))
    assert money.runtime.balances.free(BOB) == 7_000
    assert money.events()[-1] == Sudo.Sudid(sudo_result=Ok(None))


def test_a_failed_call_is_told_and_undone(money):
    transfer = money.runtime.calls().make(
        "Balances", "force_transfer", source=to(BOB), dest=to(ALICE), value=Balance(10**9)
    )
    before = money.changes()
    money.call("Sudo", "sudo", signed(DAVE), call=transfer)
    assert money.events() == [Sudo.Sudid(sudo_result=Err(NO_FUNDS))]
    assert money.changes() == before


def test_an_unchecked_call_weighs_what_its_sender_says(money):
    weight = Weight(5, 6)
    made = money.runtime.calls().make(
        "Sudo", "sudo_unchecked_weight", call=set_balance(money), weight=weight.wire()
    )
    assert made.info().weight == weight
    money.dispatch(made, signed(DAVE))
    assert money.runtime.balances.free(BOB) == 7_000
    assert money.events()[-1] == Sudo.Sudid(sudo_result=Ok(None))


def test_a_checked_call_weighs_what_it_does(money):
    inner = set_balance(money)
    table = money.runtime.calls()
    for made in (
        table.make("Sudo", "sudo", call=inner),
        table.make("Sudo", "sudo_as", who=to(BOB), call=inner),
    ):
        assert inner.info().weight.fits(made.info().weight)


def test_the_key_acts_as_anybody(money):
    money.call("Sudo", "sudo_as", signed(DAVE), who=to(BOB), call=send(money, 300))
    assert money.runtime.balances.free(BOB) == 700
    assert money.events()[-1] == Sudo.SudoAsDone(sudo_result=Ok(None))
    money.call("Sudo", "sudo_as", signed(DAVE), who=to(BOB), call=send(money, 10**9))
    assert money.events()[-1] == Sudo.SudoAsDone(sudo_result=Err(NO_FUNDS))


def test_acting_as_somebody_gives_no_power_of_root(money):
    money.call("Sudo", "sudo_as", signed(DAVE), who=to(BOB), call=set_balance(money))
    assert money.runtime.balances.free(BOB) == 1_000


def test_a_key_that_was_handed_on_is_lost_to_its_old_owner(money):
    money.call("Sudo", "set_key", signed(DAVE), new=to(ALICE))
    assert money.events() == [Sudo.KeyChanged(old=DAVE, new=ALICE)]
    with pytest.raises(Sudo.RequireSudo):
        money.call("Sudo", "sudo", signed(DAVE), call=set_balance(money))
    money.call("Sudo", "sudo", signed(ALICE), call=set_balance(money))


def test_the_key_goes_only_to_an_account(money):
    with pytest.raises(LookupFailed), money.no_trace():
        money.call("Sudo", "set_key", signed(DAVE), new=MultiAddressIndex(U32(0)))


def test_a_removed_key_is_gone_for_everybody(money):
    money.call("Sudo", "remove_key", signed(DAVE))
    assert money.events() == [Sudo.KeyRemoved()]
    with pytest.raises(Sudo.RequireSudo):
        money.call("Sudo", "set_key", signed(DAVE), new=to(DAVE))


def test_a_chain_may_begin_without_a_key():
    world = ext(Money)
    assert world.runtime.sudo.key.get() is None
    with pytest.raises(Sudo.RequireSudo):
        world.call("Sudo", "remove_key", signed(DAVE))
