"""What becomes of a batch when one of its calls fails."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.balances import Balances
from pallets.frame import CALL_DEPTH_MAX, BadOrigin, Origin, TokenError, TokenFailure, Weight
from pallets.frame.error import DispatchBadOrigin, DispatchToken
from pallets.frame.testing import ext
from pallets.utility import Utility, derivative_account
from pallets.utility.types import NoneOrigin, RootOrigin, SignedOrigin, SystemOrigin
from primitives.crypto.ss58 import ss58_decode
from primitives.errors import DecodeError
from primitives.scale import U16, U32, Err, Ok
from primitives.types import Balance
from tests.pallets.small_chains import ALICE, BOB, CHARLIE, Money, signed, to

TOO_MUCH = 10**9
NO_FUNDS = DispatchToken(error=TokenError.FundsUnavailable)


def send(money, amount, dst=BOB):
    return money.runtime.calls().make(
        "Balances", "transfer_keep_alive", dest=to(dst), value=Balance(amount)
    )


def make(money, name, **arguments):
    return money.runtime.calls().make("Utility", name, **arguments)


def run(money, name, *calls, origin=None):
    return money.call("Utility", name, origin or signed(ALICE), calls=calls)


def own_events(money):
    return [each for each in money.events() if type(each).__qualname__.startswith("Utility.")]


BATCHES = ("batch", "batch_all", "force_batch")


@pytest.mark.parametrize("name", BATCHES)
def test_all_calls_of_a_batch_are_made_by_its_sender(money, name):
    run(money, name, send(money, 300), send(money, 200, CHARLIE))
    balances = money.runtime.balances
    assert (balances.free(ALICE), balances.free(BOB), balances.free(CHARLIE)) == (9_500, 1_300, 200)
    assert own_events(money) == [
        Utility.ItemCompleted(),
        Utility.ItemCompleted(),
        Utility.BatchCompleted(),
    ]


def test_batch_stops_at_the_first_failure_and_keeps_what_preceded(money):
    run(money, "batch", send(money, 300), send(money, TOO_MUCH), send(money, 200))
    assert money.runtime.balances.free(BOB) == 1_300
    assert own_events(money) == [
        Utility.ItemCompleted(),
        Utility.BatchInterrupted(index=U32(1), error=NO_FUNDS),
    ]


def test_batch_all_undoes_everything_at_the_first_failure(money):
    with pytest.raises(TokenFailure), money.no_trace():
        run(money, "batch_all", send(money, 300), send(money, TOO_MUCH), send(money, 200))


def test_force_batch_makes_what_can_be_made(money):
    run(money, "force_batch", send(money, 300), send(money, TOO_MUCH), send(money, 200))
    assert money.runtime.balances.free(BOB) == 1_500
    assert own_events(money) == [
        Utility.ItemCompleted(),
        Utility.ItemFailed(error=NO_FUNDS),
        Utility.ItemCompleted(),
        Utility.BatchCompletedWithErrors(),
    ]


def test_a_failed_batch_in_a_batch_leaves_nothing(money):
    inner = make(money, "batch_all", calls=(send(money, 300), send(money, TOO_MUCH)))
    run(money, "force_batch", send(money, 50), inner)
    assert money.runtime.balances.free(BOB) == 1_050
    transfers = [each for each in money.events() if isinstance(each, Balances.Transfer)]
    assert len(transfers) == 1


def test_an_interrupted_batch_inside_counts_as_done(money):
    inner = make(money, "batch", calls=(send(money, 300), send(money, TOO_MUCH)))
    run(money, "batch_all", inner, send(money, 50))
    assert money.runtime.balances.free(BOB) == 1_350


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_has_a_limit(money, name):
    run(money, name, *[send(money, 100)] * 4)
    with pytest.raises(Utility.TooManyCalls), money.no_trace():
        run(money, name, *[send(money, 100)] * 5)


@pytest.mark.parametrize("name", BATCHES)
def test_an_empty_batch_is_complete(money, name):
    run(money, name)
    assert own_events(money) == [Utility.BatchCompleted()]


@pytest.mark.parametrize("name", BATCHES)
def test_nobody_batches_for_nobody(money, name):
    with pytest.raises(BadOrigin), money.no_trace():
        run(money, name, send(money, 1), origin=Origin.none())


def test_root_batches_with_its_own_power(money):
    kill = money.runtime.calls().make("System", "kill_storage", keys=(b"x",))
    run(money, "batch_all", kill, origin=Origin.root())
    with pytest.raises(BadOrigin):
        run(money, "batch_all", kill)


def test_a_batch_weighs_what_its_calls_weigh_together(money):
    one, two = send(money, 1), send(money, 2, CHARLIE)
    batch = make(money, "batch", calls=(one, two)).info().weight
    parts = one.info().weight + two.info().weight
    assert parts.fits(batch)
    nested = make(money, "batch_all", calls=(make(money, "batch", calls=(one, two)),))
    assert batch.fits(nested.info().weight)


def test_what_was_not_done_is_not_charged(money):
    calls = (send(money, TOO_MUCH), send(money, 1), send(money, 1))
    declared = make(money, "batch", calls=calls).info().weight
    used = run(money, "batch", *calls).weight
    assert used is not None
    assert used.fits(declared)
    assert used.ref_time < declared.ref_time
    everything = run(money, "force_batch", *calls).weight
    assert everything == declared


def test_an_inner_refund_reaches_the_outside(money):
    failing = (send(money, TOO_MUCH), send(money, 1))
    inner = make(money, "batch", calls=failing)
    declared = make(money, "batch", calls=(inner,)).info().weight
    used = run(money, "batch", inner).weight
    assert used is not None
    assert used.ref_time < declared.ref_time


def test_calls_nest_only_so_deep(money):
    nested = send(money, 1)
    for _ in range(CALL_DEPTH_MAX - 1):
        nested = make(money, "batch_all", calls=(nested,))
    money.dispatch(money.runtime.calls().decode(nested.encode()), signed(ALICE))
    assert money.runtime.balances.free(BOB) == 1_001
    deeper = make(money, "batch_all", calls=(nested,))
    with pytest.raises(DecodeError):
        money.runtime.calls().decode(deeper.encode())


# Derived accounts.


def test_a_derived_account_is_the_one_of_any_substrate_chain():
    # From the test of `encodeDerivedAddress` in @polkadot/util-crypto.
    owner = ss58_decode("5GvUh7fGKsdBEh5XpypkfkGuf7j3vXLxH9BdxjxnJNVXRYi1")
    known = ss58_decode("5E5XxqPxm7QbEs6twYfp3tyjXidn4kqRrNPH4o6JK9JSLUeD")
    assert derivative_account(owner, 0) == known
    assert derivative_account(owner, 1) != known


def test_a_call_is_made_as_the_derived_account(money):
    derived = derivative_account(ALICE, 7)
    money.runtime.balances.transfer(ALICE, derived, Balance(500))
    inner = send(money, 300)
    money.call("Utility", "as_derivative", signed(ALICE), index=U16(7), call=inner)
    assert money.runtime.balances.free(derived) == 200
    with pytest.raises(TokenFailure), money.no_trace():
        money.call("Utility", "as_derivative", signed(BOB), index=U16(7), call=inner)
    with pytest.raises(BadOrigin):
        money.call("Utility", "as_derivative", Origin.root(), index=U16(7), call=inner)


# As another origin.


def dispatch_as(money, raw, inner, origin=None):
    money.call(
        "Utility",
        "dispatch_as",
        origin or Origin.root(),
        as_origin=SystemOrigin(raw),
        call=inner,
    )


def test_root_makes_calls_as_anybody(money):
    dispatch_as(money, SignedOrigin(BOB), send(money, 300, ALICE))
    assert money.runtime.balances.free(BOB) == 700
    assert own_events(money) == [Utility.DispatchedAs(result=Ok(None))]


def test_a_failure_as_somebody_else_is_told_and_undone(money):
    dispatch_as(money, NoneOrigin(), send(money, 300, ALICE))
    assert own_events(money) == [Utility.DispatchedAs(result=Err(DispatchBadOrigin()))]


def test_only_root_makes_calls_as_anybody(money):
    with pytest.raises(BadOrigin), money.no_trace():
        dispatch_as(money, SignedOrigin(BOB), send(money, 300, ALICE), signed(ALICE))
    with pytest.raises(BadOrigin), money.no_trace():
        dispatch_as(money, RootOrigin(), send(money, 300, ALICE), signed(ALICE))


@given(
    name=st.sampled_from(BATCHES),
    amounts=st.lists(st.sampled_from([0, 100, 900, TOO_MUCH]), max_size=4),
)
def test_a_batch_uses_no_more_than_it_declares_and_conserves_money(name, amounts):
    owners = ((ALICE, Balance(1_500)), (BOB, Balance(100)))
    money = ext(Money, balances=Balances.Genesis(balances=owners))
    calls = tuple(send(money, amount) for amount in amounts)
    declared = make(money, name, calls=calls).info().weight
    try:
        used = run(money, name, *calls).weight
    except TokenFailure:
        used = Weight()
    assert used is not None
    assert used.fits(declared)
    balances = money.runtime.balances
    assert balances.free(ALICE) + balances.free(BOB) == balances.total_issuance.get() == 1_600


def test_a_call_as_somebody_else_weighs_at_least_what_it_does(money):
    inner = send(money, 1)
    derived = make(money, "as_derivative", index=U16(1), call=inner)
    other = make(money, "dispatch_as", as_origin=SystemOrigin(RootOrigin()), call=inner)
    assert inner.info().weight.fits(derived.info().weight)
    assert inner.info().weight.fits(other.info().weight)
