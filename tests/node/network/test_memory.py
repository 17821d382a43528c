"""The network in one process behaves as its port says."""

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from node.network.memory import MemoryHub, MemoryNetwork
from node.network.transport import (
    EVENTS_MAX,
    Channel,
    ChannelClosed,
    ChannelOpened,
    Cost,
    Network,
    Notified,
    RequestFailed,
    RequestKind,
    RequestRefused,
    Roles,
    Status,
)
from primitives.types import Hash

pytestmark = pytest.mark.trio

GENESIS = Hash(b"\x01" * 32)


def status(number: int = 7) -> Callable[[], Status]:
    return lambda: Status(Roles.FULL, number, Hash(b"\x02" * 32))


def pair() -> tuple[MemoryHub, MemoryNetwork, MemoryNetwork]:
    hub = MemoryHub()
    a = hub.node("a", status=status(), genesis=GENESIS)
    b = hub.node("b", status=status(9), genesis=GENESIS)
    return hub, a, b


async def test_a_listener_hears_openings_notifications_and_closings_in_order() -> None:
    hub, a, b = pair()
    port: Network = b
    with port.listen([Channel.BLOCK_ANNOUNCES]) as events:
        hub.connect(a, b)
        assert a.notify("b", Channel.BLOCK_ANNOUNCES, b"block")
        a.notify("b", Channel.TRANSACTIONS, b"not heard")
        hub.disconnect("a", "b")
        heard = [events.receive_nowait() for _ in range(3)]
        with pytest.raises(trio.WouldBlock):
            events.receive_nowait()
    assert heard == [
        ChannelOpened("a", Channel.BLOCK_ANNOUNCES, status()()),
        Notified("a", Channel.BLOCK_ANNOUNCES, b"block"),
        ChannelClosed("a", Channel.BLOCK_ANNOUNCES),
    ]
    assert not a.notify("b", Channel.BLOCK_ANNOUNCES, b"gone")


async def test_a_late_listener_is_told_of_open_channels_first() -> None:
    hub, a, b = pair()
    hub.connect(a, b)
    with a.listen(list(Channel)) as events:
        first = events.receive_nowait()
    assert first == ChannelOpened("b", Channel.BLOCK_ANNOUNCES, status(9)())
    assert [(info.peer, info.is_inbound) for info in a.peers()] == [("b", False)]
    assert [(info.peer, info.is_inbound) for info in b.peers()] == [("a", True)]


async def test_another_chain_is_refused_and_both_are_banned() -> None:
    hub = MemoryHub()
    a = hub.node("a", status=status(), genesis=GENESIS)
    b = hub.node("b", status=status(), genesis=Hash(b"\x09" * 32))
    assert not hub.connect(a, b)
    assert not a.peers()
    assert a.is_banned("b")
    assert b.is_banned("a")


async def test_requests_are_answered_refused_or_late(
    autojump_clock: MockClock,
) -> None:
    hub, a, b = pair()
    hub.connect(a, b)

    async def echo(peer: str, data: bytes) -> bytes:
        return peer.encode() + data

    async def refuse(_peer: str, _data: bytes) -> bytes:
        raise RequestRefused("no", Cost.BAD_MESSAGE)

    async def sleep(_peer: str, _data: bytes) -> bytes:
        await trio.sleep_forever()
        raise AssertionError

    b.serve(RequestKind.SYNC, echo)
    b.serve(RequestKind.STATE, refuse)
    b.serve(RequestKind.LIGHT, sleep)
    assert await a.request("b", RequestKind.SYNC, b"!", timeout_s=1) == b"a!"
    for kind in (RequestKind.STATE, RequestKind.LIGHT, RequestKind.WARP):
        with pytest.raises(RequestFailed):
            await a.request("b", kind, b"?", timeout_s=1)
    assert b.reputation("a") < 0
    with pytest.raises(RequestFailed):
        await a.request("nobody", RequestKind.SYNC, b"", timeout_s=1)


async def test_a_peer_below_the_limit_is_cut_off_until_it_has_decayed(
    autojump_clock: MockClock,
) -> None:
    hub, a, b = pair()
    hub.connect(a, b)
    for _ in range(4):
        a.report("b", Cost.BAD_BLOCK)
    assert not a.peers()
    assert not b.peers()
    assert not hub.connect(b, a)
    await trio.sleep(600)
    assert hub.connect(b, a)


async def test_a_slow_listener_loses_notifications_but_no_closing() -> None:
    hub, a, b = pair()
    with b.listen([Channel.GRANDPA]) as events:
        hub.connect(a, b)
        for _ in range(EVENTS_MAX + 10):
            a.notify("b", Channel.GRANDPA, b"v")
        hub.disconnect(a, b)
        heard = [events.receive_nowait() for _ in range(events.statistics().current_buffer_used)]
    assert len(heard) == EVENTS_MAX + 1
    assert isinstance(heard[-1], ChannelClosed)
