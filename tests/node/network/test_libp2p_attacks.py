"""Strangers on real sockets try what must not work: each pays, and the node talks on."""

import random
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
import trio

from node.config import NetworkConfig
from node.network import libp2p, libp2p_channels, libp2p_peer, yamux_guard
from node.network.addresses import Address
from node.network.anchors import save_anchors
from node.network.libp2p import Libp2pNetwork
from node.network.libp2p_connection import GONE, Substream
from node.network.protobuf import encode_varint
from node.network.protocols import KAD, NOTIFICATION_BYTES_MAX, protocol_name
from node.network.reputation import BANNED_BELOW
from node.network.streams import BadStream, StreamEnded, frame, read_frame
from node.network.transport import Channel, ChannelClosed, Cost, RequestKind, Roles
from primitives.types import Hash
from tests.node.network.nodes import (
    GENESIS,
    PATIENCE_S,
    Stranger,
    greeting,
    key,
    node,
    opened,
    status,
    stranger,
    until,
)

pytestmark = pytest.mark.trio

BOMB = encode_varint(1 << 62)


def reputation(network: Libp2pNetwork, number: int = 900) -> int:
    return network._core.reputations.of(key(number).peer_id, trio.current_time())


async def for_ever(action: Callable[[], Awaitable[object]]) -> None:
    while True:
        await action()
        await trio.sleep(0)


async def talks_on(network: Libp2pNetwork, number: int = 2) -> None:
    """An honest node is served as if nothing had been."""
    async with node(number, network) as honest:
        await opened(honest)

        async def echo(_peer: str, data: bytes) -> bytes:
            return data

        network.serve(RequestKind.SYNC, echo)
        got = await honest.request(network.local_peer, RequestKind.SYNC, b"x", timeout_s=5)
        assert got == b"x"


@asynccontextmanager
async def peer_of(network: Libp2pNetwork) -> AsyncIterator[tuple[Stranger, Substream]]:
    """A stranger with all channels open, and its stream for votes."""
    async with stranger(network) as it:
        it.nursery.start_soon(it.accept_channels)
        first = await it.channel(Channel.BLOCK_ANNOUNCES)
        await read_frame(first, 1024)
        votes = await it.channel(Channel.GRANDPA, b"\x01")
        await read_frame(votes, 1024)
        await until(lambda: bool(network.peers()))
        (peer,) = network._peers.values()
        await until(lambda: peer.is_open(Channel.GRANDPA))
        yield it, votes


async def test_another_genesis_in_the_greeting_is_paid_with_a_ban() -> None:
    async with node(1) as a:
        async with stranger(a) as it:
            await it.channel(Channel.BLOCK_ANNOUNCES, greeting(Hash(b"\x09" * 32)))
            await until(it.ended.is_set)
        assert reputation(a) < BANNED_BELOW
        await talks_on(a)


@pytest.mark.parametrize("handshake", [b"", b"\x01", b"\x01" * 70, bytes(69), b"\xff" * 1024])
async def test_a_greeting_that_does_not_decode_ends_the_connection(handshake: bytes) -> None:
    async with node(1) as a:
        async with stranger(a) as it:
            await it.channel(Channel.BLOCK_ANNOUNCES, handshake)
            await until(it.ended.is_set)
        assert reputation(a) <= Cost.BAD_MESSAGE.change / 2
        assert not a.peers()


async def test_a_length_of_2_to_the_62_is_refused_on_every_protocol_and_costs_no_memory() -> None:
    async with node(1) as a:
        before = psutil.Process().memory_info().rss
        names = [protocol_name(GENESIS, None, one) for one in (*Channel, *RequestKind, KAD)]
        for number, name in enumerate(names):
            async with stranger(a, 800 + number) as it:
                stream = await it.open(name)
                await stream.write(BOMB + bytes(1000))
                with pytest.raises(StreamEnded), trio.fail_after(2):
                    await read_frame(stream, 1024)
            assert reputation(a, 800 + number) < Cost.BAD_MESSAGE.change / 2
        assert psutil.Process().memory_info().rss - before < 8 << 20
        await talks_on(a)


async def test_an_oversized_notification_is_not_read_and_the_peer_loses_the_channel() -> None:
    async with node(1) as a, peer_of(a) as (_it, votes):
        limit = NOTIFICATION_BYTES_MAX[Channel.GRANDPA]
        with a.listen([Channel.GRANDPA]) as events, trio.fail_after(PATIENCE_S):
            await events.receive()
            await votes.write(encode_varint(limit + 1))
            closed = await events.receive()
        assert closed == ChannelClosed(key(900).peer_id, Channel.GRANDPA)
        assert reputation(a) <= Cost.BAD_MESSAGE.change / 2


async def test_a_second_stream_of_a_channel_is_paid_for() -> None:
    async with node(1) as a, peer_of(a) as (it, _votes):
        stream = await it.channel(Channel.GRANDPA, b"\x01")
        with pytest.raises(StreamEnded), trio.fail_after(PATIENCE_S):
            await read_frame(stream, 1024)
        assert reputation(a) <= Cost.UNASKED.change / 2
        assert len(a.peers()) == 1


async def test_notifications_before_the_greeting_is_answered_reach_nobody() -> None:
    async with node(1, in_peers=0) as a:
        with a.listen(list(Channel)) as events:
            async with stranger(a) as it:
                stream = await it.channel(Channel.BLOCK_ANNOUNCES)
                await stream.write(frame(b"block") * 100)
                await until(it.ended.is_set)
            with pytest.raises(trio.WouldBlock):
                events.receive_nowait()
        assert a.counters.disconnected["all places are taken"] == 1


async def test_a_flood_of_votes_ends_in_a_ban(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(libp2p_channels.RATES, Channel.GRANDPA, (100, 10.0))
    async with node(1) as a, peer_of(a) as (it, votes):
        with pytest.raises(StreamEnded), trio.fail_after(PATIENCE_S):
            await for_ever(lambda: votes.write(frame(b"v") * 50))
        await until(it.ended.is_set)
        assert reputation(a) < BANNED_BELOW
        await talks_on(a)


async def test_a_peer_that_opens_no_stream_back_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libp2p_channels, "OPEN_S", 0.2)
    monkeypatch.setattr(libp2p_channels, "HALF_OPEN_S", 0.2)
    async with node(1) as a, stranger(a) as it:
        first = await it.channel(Channel.BLOCK_ANNOUNCES)
        await read_frame(first, 1024)
        await until(it.ended.is_set)  # it never answered the node's own stream
        assert not a.peers()


async def test_streams_that_begin_and_do_not_go_on_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libp2p_peer, "OPEN_S", 0.3)
    async with node(1) as a, peer_of(a) as (it, _votes):
        silent = [await it.connection.open() for _ in range(20)]
        stalled = await it.ask(RequestKind.SYNC, encode_varint(100) + b"half")
        with trio.fail_after(PATIENCE_S):
            for stream in (*silent, stalled):
                with pytest.raises(StreamEnded):
                    await stream.read_exactly(1000)
        await until(lambda: next(iter(a._peers.values()))._streams == 2)
        assert len(a.peers()) == 1


async def test_a_notification_that_does_not_end_ends_the_channel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(libp2p_channels, "WRITE_S", 0.2)
    async with node(1) as a, peer_of(a) as (_it, votes):
        (peer,) = a._peers.values()
        await votes.write(encode_varint(100) + b"half")
        await until(lambda: not peer.is_open(Channel.GRANDPA))


async def test_more_streams_than_allowed_are_reset_and_the_others_served() -> None:
    async with node(1) as a, peer_of(a) as (it, _votes):
        streams = [await it.connection.open() for _ in range(libp2p_peer.STREAMS_MAX + 20)]
        await until(lambda: a._peers[next(iter(a._peers))]._streams == libp2p_peer.STREAMS_MAX)
        with trio.fail_after(PATIENCE_S), pytest.raises(StreamEnded):
            await streams[-1].read_exactly(1)
        for stream in streams:
            await stream.reset()
        await until(lambda: a._peers[next(iter(a._peers))]._streams == 2)


async def test_a_storm_of_streams_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamux_guard, "OPENINGS", (100, 10.0))  # by any machine's measure a storm
    async with node(1) as a, stranger(a) as it:

        async def open_and_reset() -> None:
            await (await it.connection.open()).reset()

        with pytest.raises(StreamEnded), trio.fail_after(PATIENCE_S):
            await for_ever(open_and_reset)
        await until(lambda: a.connection_count == 0)
        assert reputation(a) <= Cost.FLOOD.change / 2
        await talks_on(a)


async def test_more_questions_at_once_than_allowed_are_refused() -> None:
    async with node(1) as a, peer_of(a) as (it, _votes):
        running = most = 0

        async def slow(_peer: str, _data: bytes) -> bytes:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await trio.sleep(0.2)
            running -= 1
            return b"."

        a.serve(RequestKind.LIGHT, slow)
        streams = [await it.ask(RequestKind.LIGHT, frame(b"?")) for _ in range(30)]
        answers = 0
        for stream in streams:
            try:
                with trio.fail_after(PATIENCE_S):
                    await read_frame(stream, 100)
                answers += 1
            except StreamEnded:
                continue
        assert most <= libp2p_peer.ANSWERING_MAX
        assert 0 < answers < 30
        assert len(a.peers()) == 1


async def test_answers_that_nobody_reads_are_bounded_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(libp2p_peer, "WAITING_ANSWERS_BYTES_MAX", 5 << 20)
    monkeypatch.setattr(libp2p_peer, "READING_RATE", 4 << 20)
    monkeypatch.setattr(libp2p_peer, "WRITE_S", 0.5)
    async with node(1) as a, peer_of(a) as (it, _votes):

        async def large(_peer: str, _data: bytes) -> bytes:
            return bytes(2 << 20)

        a.serve(RequestKind.STATE, large)
        for _ in range(8):
            await it.ask(RequestKind.STATE, frame(b"?"))
        await until(lambda: a.counters.requests_refused["state/2"] == 6)
        assert a.waiting_bytes == 4 << 20
        await until(lambda: a.waiting_bytes == 0)


async def test_any_frames_end_at_most_their_own_connection() -> None:
    chance = random.Random(1)
    async with node(1) as a:
        for _ in range(12):
            with trio.move_on_after(0.3):
                async with stranger(a) as it:
                    for _ in range(40):
                        kind, number = chance.choice((0, 0, 0, 1, 2)), chance.choice((1, 2, 3, 5))
                        size = chance.choice((0, 7, 900))
                        length = size if kind == 0 else chance.choice((0, 1, 1 << 31))
                        head = (0, kind, chance.choice((0, 0, 1, 2, 4, 8)), number, length)
                        body = chance.randbytes(size) if kind == 0 else b""
                        it.connection._queue.append(struct.pack("!BBHII", *head) + body)
                        it.connection._queued_bytes += 12 + len(body)
                        it.connection._controls += not body
                        it.connection._work.set()
                    await it.ended.wait()
            a._core.reputations.change(key(900).peer_id, 1 << 31, trio.current_time())
        await until(lambda: a.connection_count == 0)
        await talks_on(a)


async def test_a_peer_that_does_not_read_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libp2p_channels, "WRITE_S", 0.3)
    async with node(1) as a, peer_of(a) as (it, _votes):
        it.connection._guard.sent = lambda frame: None  # type: ignore[method-assign,assignment]
        name, sent = key(900).peer_id, 0
        while a.notify(name, Channel.GRANDPA, bytes(100_000)):
            sent += 1
            assert sent < 1000
            await trio.sleep(0)
        assert sent <= 260
        await until(lambda: not a.peers(), 15)


async def test_data_beyond_the_window_ends_the_connection() -> None:
    async with node(1) as a, stranger(a) as it:
        stream = await it.open("/ipfs/ping/1.0.0")
        number = stream._stream.stream_id
        part = struct.pack("!BBHII", 0, 0, 0, number, 1 << 19) + bytes(1 << 19)
        with pytest.raises(GONE), trio.fail_after(PATIENCE_S):
            await for_ever(lambda: it.connection._session.write(part))
        await until(it.ended.is_set)
        assert reputation(a) <= Cost.FLOOD.change / 2
        await talks_on(a)


@pytest.mark.parametrize(
    "junk",
    [
        b"\x00" * 100,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /" + b"a" * 100_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        BOMB + b"x" * 100,
        b"\x13/multistream/1.0.0\n\x07/noise\n" + b"\xff\xff" + bytes(65535),
        b"\x13/multistream/1.0.0\n\x07/noise\n\x00\x00\x00\x00",
        b"\x13/multistream/1.0.0\n" + b"\x03/x\n" * 20,
    ],
)
async def test_sockets_that_speak_something_else_are_closed(
    junk: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libp2p, "HANDSHAKE_S", 0.3)
    async with node(1) as a:
        stream = await trio.open_tcp_stream("127.0.0.1", a.port)
        with trio.fail_after(2):
            try:
                await stream.send_all(junk)
                while await stream.receive_some(65536):
                    pass
            except trio.BrokenResourceError:
                pass
        await stream.aclose()
        assert a.connection_count == 0
        assert not a._pending


@pytest.mark.parametrize(
    "junk",
    [
        b"\xff" * 100,
        b"\x82\xff" + b"\xff" * 8 + bytes(100),
        b"\x82\x7f" + bytes(7) + b"\x05hello",
        b"\x81\x85\0\0\0\0hello",
        b"\x89\x80\0\0\0\0" * 1000 + b"\x88\x80\0\0\0\0",
        b"\x82\x80\0\0\0\0" * 1000,
        b"\x02\x81\0\0\0\0\x13" + b"\x89\xfe\x00\x7f" + bytes(131),
        random.Random(7).randbytes(3000),
    ],
)
async def test_websockets_that_speak_something_else_are_closed(
    junk: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libp2p, "HANDSHAKE_S", 0.3)
    async with node(1) as a:
        stream = await trio.open_tcp_stream("127.0.0.1", a.port)
        await stream.send_all(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        with trio.fail_after(2):
            try:
                assert b"101" in await stream.receive_some(65536)
                await stream.send_all(junk)
                while await stream.receive_some(65536):
                    pass
            except trio.BrokenResourceError:
                pass
        await stream.aclose()
        assert not a._pending
        await talks_on(a)


async def test_sockets_that_trickle_do_not_keep_an_honest_node_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(libp2p, "PENDING_MAX", 20)
    async with node(1) as a:
        slow = [await trio.open_tcp_stream("127.0.0.1", a.port) for _ in range(150)]
        for stream in slow:
            try:
                await stream.send_all(b"\x13")
            except trio.BrokenResourceError:
                continue
        await trio.sleep(0.05)
        assert len(a._pending) <= 20
        with trio.fail_after(5):
            await talks_on(a)
        for stream in slow:
            await stream.aclose()


async def test_a_socket_that_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libp2p, "HANDSHAKE_S", 0.2)
    async with node(1) as a:
        stream = await trio.open_tcp_stream("127.0.0.1", a.port)
        with trio.fail_after(2):
            assert await stream.receive_some(1) == b""
        await stream.aclose()


async def test_sybils_of_one_address_get_few_connections() -> None:
    async with node(1, trusts_private_hosts=False) as a, trio.open_nursery() as nursery:

        async def sybil(number: int) -> None:
            try:
                async with stranger(a, number) as it:
                    await it.channel(Channel.BLOCK_ANNOUNCES)
                    await trio.sleep_forever()
            except* (StreamEnded, BadStream, OSError, trio.BrokenResourceError):
                pass

        for number in range(1000, 1040):
            nursery.start_soon(sybil, number)
        await trio.sleep(1)
        assert a.connection_count <= 8
        nursery.cancel_scope.cancel()


async def test_who_claims_to_be_another_is_found_out() -> None:
    async with node(1) as a, node(2) as b:
        b.reserve(f"/ip4/127.0.0.1/tcp/{a.port}/p2p/{key(3).peer_id}")
        await until(lambda: b.counters.dials_failed > 0)
        assert b.connection_count == 0


async def test_a_light_client_takes_a_light_clients_place() -> None:
    async with node(1, in_peers=0, in_peers_light=1) as a, stranger(a) as it:
        it.nursery.start_soon(it.accept_channels)
        first = await it.channel(Channel.BLOCK_ANNOUNCES, greeting(roles=Roles.LIGHT))
        hello = await read_frame(first, 1024)
        assert len(hello) == 69
        await until(lambda: len(a.peers()) == 1)
        assert a.peers()[0].status.roles is Roles.LIGHT


async def test_who_opens_and_closes_a_channel_again_and_again_pays_for_a_flood() -> None:
    async with node(1) as a, peer_of(a) as (it, votes):
        (peer,) = a._peers.values()

        async def open_again(stream: Substream) -> Substream:
            await stream.reset()
            await until(lambda: not peer.is_open(Channel.GRANDPA))
            return await it.channel(Channel.GRANDPA, b"\x01")

        stream = votes
        for _ in range(libp2p_channels.OPENINGS[0] - 1):
            stream = await open_again(stream)
            await until(lambda: peer.is_open(Channel.GRANDPA))
        assert reputation(a) > Cost.FLOOD.change / 2
        await open_again(stream)
        await until(lambda: reputation(a) <= Cost.FLOOD.change / 2)
        assert not peer.is_open(Channel.GRANDPA)


async def test_streams_that_are_taken_and_dropped_leave_no_tasks_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(libp2p_channels, "HALF_OPEN_S", 0.02)
    monkeypatch.setattr(libp2p_channels, "REOPEN_S", 0.02)
    async with node(1) as a, stranger(a) as it:
        it.nursery.start_soon(it.accept_channels)  # but it opens no stream for votes
        first = await it.channel(Channel.BLOCK_ANNOUNCES)
        await read_frame(first, 1024)
        await until(lambda: bool(a.peers()))
        (peer,) = a._peers.values()
        duplexes = [
            peer._channels._duplexes[one] for one in (Channel.TRANSACTIONS, Channel.GRANDPA)
        ]
        await until(lambda: not any(one.is_opening for one in duplexes))
        names = [task.name.rpartition(".")[2] for task in peer._nursery.child_tasks]
        assert names.count("_send") == 1, "that of the channel for block announcements"


async def test_a_name_told_from_outside_does_not_lead_into_our_own_network() -> None:
    async with node(1) as a, node(2) as b:
        inside = Address("dns4", "localhost", b.port, peer=b.local_peer)
        a.found([inside], "somebody who is gone")
        await until(lambda: a.counters.dials_failed > 0)
        assert b.counters.connections_opened == 0
        assert not b._pending
        a.reserve(str(inside))  # the operator may name it
        await until(lambda: a.connection_count == 1, 15)


async def test_a_name_of_the_last_run_does_not_lead_into_our_own_network(tmp_path: Path) -> None:
    """Somebody outside told of it, it led to the internet then, and its owner changes that."""
    anchors = tmp_path / "peers"
    async with node(2) as b:
        inside = Address("dns4", "localhost", b.port, peer=b.local_peer)
        save_anchors(anchors, [inside.from_outside()])
        for boot, is_met in (((), False), ((str(inside),), True)):
            config = NetworkConfig(port=0, port_is_given=True, is_local=True, bootnodes=boot)
            async with libp2p.open_network(
                config, key=key(1), genesis_hash=GENESIS, status=status(1), anchors=anchors
            ) as a:
                if is_met:  # the operator may name it
                    await until(lambda a=a: a.connection_count == 1, 15)  # type: ignore[misc]
                else:
                    await until(lambda a=a: a.counters.dials_failed > 0)  # type: ignore[misc]
                    assert b.counters.connections_opened == 0
                    assert not b._pending
