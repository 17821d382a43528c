"""The outbox: order, limits, and what happens to slow readers."""

import orjson
import pytest

from node.rpc.subscriptions import OUTBOX_BYTES_MAX, Outbox, SubscriptionClosed
from primitives.errors import RpcError


def outbox(subscriptions: int = 3, events: int = 2) -> Outbox:
    return Outbox(seed=1, subscription_count=subscriptions, event_count=events)


def test_messages_leave_in_the_order_in_which_they_came() -> None:
    box = outbox()
    name = box.open("chain_newHead")
    box.push_reply(b"reply")
    box.push_event(name, 1)
    assert box.pop() == (b"reply", True)
    event = box.pop()
    assert event is not None
    assert orjson.loads(event[0]) == {
        "jsonrpc": "2.0",
        "method": "chain_newHead",
        "params": {"subscription": name, "result": 1},
    }
    assert not event[1]
    assert box.pop() is None


def test_a_slow_reader_loses_its_subscription_only() -> None:
    box = outbox(events=2)
    slow, other = box.open("a"), box.open("b")
    box.push_event(slow, 1)
    box.push_event(slow, 2)
    with pytest.raises(SubscriptionClosed, match="too slow"):
        box.push_event(slow, 3)
    assert not box.is_open(slow)
    assert box.slow_count == 1
    box.push_event(other, 1)
    assert len(box) == 3


def test_taking_events_makes_room() -> None:
    box = outbox(events=1)
    name = box.open("a")
    for number in range(5):
        box.push_event(name, number)
        box.pop()
    assert box.is_open(name)


def test_waiting_bytes_are_limited_together() -> None:
    box = outbox(subscriptions=10, events=100)
    large = "x" * (OUTBOX_BYTES_MAX // 4)
    names = [box.open("a") for _ in range(4)]
    for name in names[:3]:
        box.push_event(name, large)
    with pytest.raises(SubscriptionClosed):
        box.push_event(names[3], large)


@pytest.mark.parametrize(("count", "fits"), [(2, True), (3, True), (4, False)])
def test_subscriptions_are_limited(count: int, fits: bool) -> None:
    box = outbox(subscriptions=3)
    for _ in range(count - 1):
        box.open("a")
    if fits:
        box.open("a")
    else:
        with pytest.raises(RpcError) as caught:
            box.open("a")
        assert caught.value.code == -32006


def test_a_closed_subscription_takes_nothing() -> None:
    box = outbox()
    name = box.open("a")
    assert box.close(name)
    assert not box.close(name)
    with pytest.raises(SubscriptionClosed, match="closed"):
        box.push_event(name, 1)


def test_events_pushed_before_closing_are_still_sent() -> None:
    box = outbox()
    name = box.open("a")
    box.push_event(name, 1)
    box.close(name)
    assert box.pop() is not None
    assert box.subscription_count == 0


def test_names_differ() -> None:
    box = Outbox(seed=2**80 - 1, subscription_count=100, event_count=1)
    assert len({box.open("a") for _ in range(100)}) == 100


def test_a_farewell_is_the_last_thing_a_slow_reader_gets() -> None:
    box = outbox(events=2)
    name = box.open("a", {"event": "stop"})
    box.push_event(name, 1)
    box.push_event(name, 2)
    with pytest.raises(SubscriptionClosed):
        box.push_event(name, 3)
    found = []
    while (message := box.pop()) is not None:
        found.append(orjson.loads(message[0])["params"]["result"])
    assert found == [1, 2, {"event": "stop"}]


def test_events_that_can_wait_fill_half_of_the_room() -> None:
    box = outbox(events=4)
    name = box.open("a")
    for number in range(2):
        assert box.has_room(name)
        box.push_event(name, number)
    assert not box.has_room(name)
    box.pop()
    assert box.has_room(name)
    box.close(name)
    assert box.has_room(name), "who waits must find out that it is closed"


def test_subscriptions_are_counted_by_their_events() -> None:
    box = outbox()
    box.open("a")
    name = box.open("b")
    assert (box.count("a"), box.count("b"), box.count("c")) == (1, 1, 0)
    box.close(name)
    assert box.count("b") == 0
