"""The core that places a file: who is sent what, retries, new draws, the end."""

from hypothesis import given, settings
from hypothesis import strategies as st

from client.transfer.placing import (
    DELAY_MAX_S,
    GONE_SEEN_MIN,
    RESEND_BLOCKS,
    DealGone,
    DealSeen,
    FileActive,
    Outcome,
    Place,
    Placing,
    Send,
    SendFailed,
    Sent,
)
from pallets.file_bank.types import DealFragment, DealFragments, DealSegment
from primitives.scale import U32
from primitives.types import AccountId, FragmentHash, SegmentHash


def miner(number: int) -> AccountId:
    return AccountId(bytes([number]) * 32)


def segment(
    miners: list[int | None], *, reported: frozenset[int] = frozenset(), base: int = 0
) -> DealSegment:
    return DealSegment(
        hash=SegmentHash(bytes(32)),
        fragments=DealFragments(
            DealFragment(
                hash=FragmentHash(bytes([base + index]) * 32),
                miner=None if number is None else miner(number),
                reported=index in reported,
                late=None,
                slot=U32(0),
            )
            for index, number in enumerate(miners)
        ),
    )


def seen(segments: dict[int, DealSegment], *, height: int = 1, attempt: int = 0) -> DealSeen:
    return DealSeen(height=height, attempt=attempt, pending=segments)


def orders(core: Placing, now: float = 0.0) -> list[Send]:
    found = []
    while (order := core.next_order(now)) is not None:
        found.append(order)
    return found


MINERS: list[int | None] = list(range(12))


def test_nothing_is_sent_before_the_draw() -> None:
    core = Placing(12, sending_max=20)
    core.receive(seen({0: segment([None] * 12)}))
    assert orders(core) == []
    assert core.status().undrawn == 12


def test_each_drawn_holder_is_sent_its_own_fragment_once() -> None:
    core = Placing(12, sending_max=20)
    core.receive(seen({0: segment(MINERS)}))
    sent = orders(core)
    assert [(order.place.fragment, order.miner) for order in sent] == [
        (index, miner(index)) for index in range(12)
    ]
    core.receive(seen({0: segment(MINERS)}, height=2))
    assert orders(core) == []


def test_orders_are_bounded_and_one_for_each_holder() -> None:
    core = Placing(24, sending_max=5)
    core.receive(seen({0: segment(MINERS), 1: segment(MINERS, base=12)}))
    first = orders(core)
    assert len(first) == 5
    assert len({order.miner for order in first}) == 5
    core.receive(Sent(first[0].place, first[0].miner))
    assert len(orders(core)) == 1


def test_a_failed_holder_is_tried_again_later_and_later() -> None:
    core = Placing(12, sending_max=20)
    core.receive(seen({0: segment([0, *[None] * 11])}))
    now, delays = 0.0, []
    for _ in range(10):
        (order,) = orders(core, now)
        core.receive(SendFailed(order.place, order.miner, now))
        wakeup = core.next_wakeup()
        assert wakeup is not None
        assert orders(core, wakeup - 0.001) == []
        delays.append(wakeup - now)
        now = wakeup
    assert delays == sorted(delays)
    assert delays[-1] == DELAY_MAX_S


def test_a_holder_may_ask_for_patience_within_bounds() -> None:
    core = Placing(12, sending_max=20)
    core.receive(seen({0: segment([0, *[None] * 11])}))
    (order,) = orders(core)
    core.receive(SendFailed(order.place, order.miner, 0.0, retry_after_s=1e9))
    assert core.next_wakeup() == DELAY_MAX_S


def test_a_liar_is_not_asked_again_until_it_is_drawn_anew() -> None:
    core = Placing(12, sending_max=20)
    core.receive(seen({0: segment([0, *[None] * 11])}))
    (order,) = orders(core)
    core.receive(SendFailed(order.place, order.miner, 0.0, is_final=True))
    core.receive(seen({0: segment([0, *[None] * 11])}, height=90))
    assert orders(core, 1e9) == []
    core.receive(seen({0: segment([0, *[None] * 11])}, height=100, attempt=1))
    assert len(orders(core, 1e9)) == 1


def test_a_new_draw_sends_to_the_new_holder_and_forgets_the_old_one() -> None:
    core = Placing(12, sending_max=20)
    core.receive(seen({0: segment([0, *[None] * 11])}))
    (old,) = orders(core)
    core.receive(seen({0: segment([5, *[None] * 11])}, height=30, attempt=1))
    (new,) = orders(core)
    assert new.miner == miner(5)
    core.receive(Sent(old.place, old.miner))  # too late: it is nobody's place any more
    assert core.status().signed == 0
    core.receive(Sent(new.place, new.miner))
    assert core.status().signed == 1


def test_a_signed_and_silent_holder_is_sent_everything_again() -> None:
    core = Placing(12, sending_max=20)
    deal = {0: segment([0, *[None] * 11])}
    core.receive(seen(deal, height=10))
    (order,) = orders(core)
    core.receive(Sent(order.place, order.miner))
    core.receive(seen(deal, height=10 + RESEND_BLOCKS - 1))
    assert orders(core) == []
    core.receive(seen(deal, height=10 + RESEND_BLOCKS))
    assert len(orders(core)) == 1


def test_reported_fragments_are_left_alone() -> None:
    core = Placing(12, sending_max=20)
    core.receive(seen({0: segment(MINERS, reported=frozenset(range(11)))}))
    assert [order.place for order in orders(core)] == [Place(0, 11)]
    assert core.status().reported == 11


def test_the_end_is_the_file_or_the_lost_deal() -> None:
    core = Placing(12, sending_max=20)
    core.receive(seen({0: segment(MINERS)}))
    core.receive(FileActive())
    assert core.outcome is Outcome.ACTIVE
    assert orders(core) == []
    assert core.status().reported == 12

    core = Placing(12, sending_max=20)
    for _ in range(GONE_SEEN_MIN - 1):
        core.receive(DealGone())
    core.receive(seen({0: segment(MINERS)}))  # it was a reorganisation
    for _ in range(GONE_SEEN_MIN - 1):
        core.receive(DealGone())
    assert core.outcome is None
    core.receive(DealGone())
    assert core.outcome is Outcome.DROPPED


@settings(max_examples=60)
@given(st.data())
def test_any_mix_of_failures_and_draws_ends_active(data: st.DataObject) -> None:
    """A model of the chain: fragments are reported once signed; late holders are drawn again."""
    holders = {index: data.draw(st.integers(0, 20)) for index in range(12)}
    liars = data.draw(st.sets(st.integers(0, 20), max_size=8))
    failures = data.draw(st.lists(st.booleans(), max_size=60))
    reported: set[int] = set()
    core, now, attempt = Placing(12, sending_max=4), 0.0, 0
    for height in range(1, 400):
        if len(reported) == 12:
            core.receive(FileActive())
            break
        row: list[int | None] = [holders[index] for index in range(12)]
        deal = {0: segment(row, reported=frozenset(reported))}
        core.receive(seen(deal, height=height, attempt=attempt))
        for order in orders(core, now):
            index = order.place.fragment
            assert order.miner == miner(holders[index])
            if holders[index] in liars:
                core.receive(SendFailed(order.place, order.miner, now, is_final=True))
            elif failures and failures.pop():
                core.receive(SendFailed(order.place, order.miner, now))
            else:
                core.receive(Sent(order.place, order.miner))
                reported.add(index)
        now += 6.0
        if height % 10 == 0:
            attempt += 1
            for index in range(12):
                if index not in reported:
                    holders[index] = 30 + index + attempt
    assert core.outcome is Outcome.ACTIVE


def test_holders_that_fail_do_not_keep_the_orders_from_others() -> None:
    """The attack: be drawn first, take every order slowly, fail, and take it again."""
    core = Placing(24, sending_max=6)
    core.receive(seen({0: segment(MINERS), 1: segment(MINERS, base=20)}))
    first = orders(core)
    assert [order.miner for order in first] == [miner(index) for index in range(6)]
    for order in first:
        core.receive(SendFailed(order.place, order.miner, now=0.0))
    assert [order.miner for order in orders(core, now=60.0)] == [
        miner(index) for index in range(6, 12)
    ]
    for index in range(6, 12):
        core.receive(Sent(Place(0, index), miner(index)))
    second = orders(core, now=60.0)
    assert [order.place for order in second] == [Place(1, index) for index in range(6, 12)]
