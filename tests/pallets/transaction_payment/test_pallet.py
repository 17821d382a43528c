"""What an extrinsic costs, who pays it, who gets it; and that none of it is lost."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.balances import Balances
from pallets.frame import DispatchClass, DispatchInfo, TransactionInvalid, Weight
from pallets.frame.limits import BASE_EXTRINSIC, PerClassWeight
from pallets.frame.testing import ext
from pallets.frame.validity import Payment
from pallets.transaction_payment import TransactionPayment
from pallets.transaction_payment.multiplier import ONE
from pallets.transaction_payment.types import FixedU128, Releases
from primitives.scale import U8
from primitives.types import Balance, BlockNumber
from tests.pallets.small_chains import ALICE, AUTHOR, BOB, TREASURY, WEIGHTS, Money, to

RICH = Balance(10**16)
BASE_FEE = 2 * BASE_EXTRINSIC.ref_time
CALL = DispatchInfo(Weight(1_000, 50))
FREE = replace(CALL, pays_fee=False)


@pytest.fixture
def world():
    owners = tuple((who, RICH) for who in (ALICE, AUTHOR, TREASURY))
    made = ext(Money, balances=Balances.Genesis(balances=owners))
    made.clear_events()
    return made


def pay(world, *, actual=CALL, info=CALL, length=10, tip=0, who=ALICE):
    payment = world.runtime.transaction_payment
    taken = payment.withdraw_fee(who, info, length, tip)
    payment.correct_and_deposit_fee(who, actual, length, tip, taken)
    return taken


# Prices.


def test_a_fee_is_base_length_weight_and_tip(world):
    payment = world.runtime.transaction_payment
    details = payment.compute_fee_details(10, CALL, 7)
    assert details.inclusion_fee is not None
    assert details.inclusion_fee.base_fee == BASE_FEE
    assert details.inclusion_fee.len_fee == 10 * 1_000
    assert details.inclusion_fee.adjusted_weight_fee == 2 * 1_000
    assert details.tip == 7
    assert payment.compute_fee(10, CALL, 7) == BASE_FEE + 10_000 + 2_000 + 7


def test_the_multiplier_scales_the_weight_fee_only(world):
    payment = world.runtime.transaction_payment
    payment.next_fee_multiplier.put(FixedU128(3 * ONE // 2))
    assert payment.compute_fee(10, CALL) == BASE_FEE + 10_000 + 3_000


@pytest.mark.parametrize("dispatch_class", list(DispatchClass))
def test_every_class_has_its_base_fee(world, dispatch_class):
    info = replace(CALL, dispatch_class=dispatch_class)
    assert world.runtime.transaction_payment.compute_fee(0, info) == BASE_FEE + 2_000


def test_a_free_call_costs_its_tip(world):
    payment = world.runtime.transaction_payment
    assert payment.compute_fee_details(10, FREE).inclusion_fee is None
    assert payment.compute_fee(10, FREE, 5) == 5


def test_more_weight_than_a_block_costs_a_block(world):
    payment = world.runtime.transaction_payment
    most = int(WEIGHTS.max_block.ref_time)
    assert payment.weight_to_fee(Weight(2**64 - 1)) == 2 * most
    assert payment.weight_to_fee(Weight(most - 1)) == 2 * most - 2


def test_fees_saturate(world):
    payment = world.runtime.transaction_payment
    payment.next_fee_multiplier.put(FixedU128(2**128 - 1))
    assert payment.compute_fee(10, DispatchInfo(Weight(2**63)), 2**128 - 1) == 2**128 - 1
    assert payment.length_to_fee(2**200) == 2**128 - 1


# Paying.


def test_a_fee_is_split_between_author_and_treasury(world):
    balances = world.runtime.balances
    fee = pay(world, tip=100)
    to_author = int(fee) * 20 // 100
    assert balances.free(ALICE) == RICH - fee
    assert balances.free(AUTHOR) == RICH + to_author
    assert balances.free(TREASURY) == RICH + fee - to_author
    assert balances.total_issuance.get() == 3 * RICH
    assert world.events() == [
        Balances.Withdraw(who=ALICE, amount=fee),
        Balances.Deposit(who=AUTHOR, amount=Balance(to_author)),
        Balances.Deposit(who=TREASURY, amount=Balance(fee - to_author)),
        TransactionPayment.TransactionFeePaid(who=ALICE, actual_fee=fee, tip=Balance(100)),
    ]


def test_unused_weight_is_refunded(world):
    taken = pay(world, actual=replace(CALL, weight=Weight(400, 0)))
    assert world.runtime.balances.free(ALICE) == RICH - (taken - 1_200)
    assert Balances.Deposit(who=ALICE, amount=Balance(1_200)) in world.events()


def test_a_call_that_turns_out_free_costs_its_tip(world):
    pay(world, actual=FREE, tip=9)
    assert world.runtime.balances.free(ALICE) == RICH - 9


def test_nobody_pays_more_than_was_taken(world):
    taken = pay(world, actual=replace(CALL, weight=Weight(10**9)))
    assert world.runtime.balances.free(ALICE) == RICH - taken


def test_who_cannot_pay_is_refused(world):
    payment = world.runtime.transaction_payment
    for attempt in (payment.can_withdraw_fee, payment.withdraw_fee):
        with pytest.raises(TransactionInvalid) as refusal, world.no_trace():
            attempt(BOB, CALL, 10, 0)
        assert refusal.value.reason == Payment()


def test_a_fee_never_removes_its_payer(world):
    payment = world.runtime.transaction_payment
    everything = int(RICH) - int(payment.compute_fee(10, CALL))
    with pytest.raises(TransactionInvalid), world.no_trace():
        payment.withdraw_fee(ALICE, CALL, 10, everything - 99)
    payment.withdraw_fee(ALICE, CALL, 10, everything - 100)


def test_a_payer_that_its_call_removed_gets_no_refund(world):
    payment, balances = world.runtime.transaction_payment, world.runtime.balances
    taken = payment.withdraw_fee(ALICE, CALL, 10, 0)
    balances.transfer(ALICE, TREASURY, balances.free(ALICE), keep_alive=False)
    cheaper = replace(CALL, weight=Weight(990, 0))
    payment.correct_and_deposit_fee(ALICE, cheaper, 10, 0, taken)
    assert ALICE not in world.runtime.system.account
    assert balances.total_issuance.get() == 3 * RICH
    paid = TransactionPayment.TransactionFeePaid(who=ALICE, actual_fee=taken, tip=Balance(0))
    assert world.events()[-1] == paid


def test_without_an_author_the_treasury_gets_everything(world):
    world.runtime.wall.who = None
    fee = pay(world)
    assert world.runtime.balances.free(TREASURY) == RICH + fee


def test_a_share_that_would_be_dust_is_burned():
    world = ext(Money, balances=Balances.Genesis(balances=((ALICE, RICH),)))
    pay(world, actual=FREE, tip=124)  # 24 for the author, 100 for the treasury: just not dust
    balances = world.runtime.balances
    assert balances.free(AUTHOR) == 0
    assert balances.free(TREASURY) == 100
    assert balances.total_issuance.get() == RICH - 24


@given(
    declared=st.integers(0, 10**12),
    used=st.integers(0, 10**12),
    length=st.integers(0, 10**6),
    tip=st.integers(0, 10**6),
    is_free=st.booleans(),
    has_author=st.booleans(),
)
def test_a_fee_is_refunded_and_paid_on_to_the_last_planck(
    declared, used, length, tip, is_free, has_author
):
    owners = tuple((who, RICH) for who in (ALICE, AUTHOR, TREASURY))
    world = ext(Money, balances=Balances.Genesis(balances=owners))
    if not has_author:
        world.runtime.wall.who = None
    info = DispatchInfo(Weight(declared))
    actual = DispatchInfo(Weight(min(used, declared)), pays_fee=not is_free)
    taken = pay(world, info=info, actual=actual, length=length, tip=tip)
    balances, payment = world.runtime.balances, world.runtime.transaction_payment
    paid = RICH - balances.free(ALICE)
    assert paid == payment.compute_fee(length, actual, tip) <= taken
    assert sum(balances.free(who) for who in (ALICE, AUTHOR, TREASURY)) == 3 * RICH
    assert balances.total_issuance.get() == 3 * RICH


# The multiplier.


def full(world, percent: int) -> None:
    share = WEIGHTS.per_class.normal.max_total
    assert share is not None
    used = Weight(int(share.ref_time) * percent // 100).wire()
    none = Weight().wire()
    weights = PerClassWeight(normal=used, operational=none, mandatory=none)
    world.runtime.system.note_finished_extrinsics(1, 1, weights)
    world.runtime.transaction_payment.on_finalize(BlockNumber(world.block))


def test_full_blocks_make_weight_dearer_and_empty_ones_cheaper(world):
    multiplier = world.runtime.transaction_payment.next_fee_multiplier
    full(world, 100)
    assert multiplier.get() > ONE
    full(world, 0)
    full(world, 0)
    full(world, 0)
    full(world, 0)
    assert multiplier.get() < ONE


def test_genesis_marks_the_format(world):
    payment = world.runtime.transaction_payment
    assert payment.storage_version.get() is Releases.V2
    assert payment.next_fee_multiplier.get() == ONE


def test_an_author_gets_no_more_than_the_fee(world):
    payment = world.runtime.transaction_payment
    payment.integrity_test()
    payment.config = replace_config(payment.config, author_share=U8(101))
    with pytest.raises(AssertionError):
        payment.integrity_test()


def replace_config(config, **changes):
    return type(config)(**{**vars(config), **changes})


def test_real_calls_have_a_price(world):
    made = world.runtime.calls().make(
        "Balances", "transfer_keep_alive", dest=to(BOB), value=Balance(1)
    )
    fee = world.runtime.transaction_payment.compute_fee(len(made.encode()), made.info())
    assert fee > BASE_FEE


def test_a_large_refund_does_not_bring_a_removed_payer_back(world):
    """It would come back with nonce 0, and its old immortal extrinsics with it."""
    payment, balances = world.runtime.transaction_payment, world.runtime.balances
    heavy = DispatchInfo(Weight(10**12, 0))
    taken = payment.withdraw_fee(ALICE, heavy, 10, 0)
    refund = taken - payment.compute_fee(10, CALL)
    assert refund >= balances.config.existential_deposit
    balances.transfer(ALICE, BOB, balances.free(ALICE), keep_alive=False)
    payment.correct_and_deposit_fee(ALICE, CALL, 10, 0, taken)
    assert world.runtime.system.nonce_of(ALICE) is None
    assert world.events()[-1].actual_fee == taken
