"""Nodes over real sockets: they find each other, talk, part and meet again."""

import socket
from pathlib import Path

import pytest
import trio

from node.config import NetworkConfig
from node.network import libp2p, libp2p_peer
from node.network.addresses import Address
from node.network.anchors import load_anchors, save_anchors
from node.network.libp2p import NetworkPortInUse, open_network
from node.network.transport import (
    Channel,
    ChannelClosed,
    ChannelOpened,
    Cost,
    Network,
    Notified,
    RequestFailed,
    RequestKind,
    RequestRefused,
)
from primitives.types import Hash
from tests.node.network.nodes import GENESIS, PATIENCE_S, key, node, opened, status, until


@pytest.mark.parametrize("websocket", [False, True])
@pytest.mark.trio
async def test_two_nodes_greet_notify_and_ask(websocket: bool) -> None:
    async with node(1) as a, node(2, a, websocket=websocket) as b:
        port: Network = a
        with trio.fail_after(PATIENCE_S), port.listen(list(Channel)) as events:
            first = await events.receive()
            assert first == ChannelOpened(b.local_peer, Channel.BLOCK_ANNOUNCES, status(2)())
            others = {(await events.receive()).channel for _ in range(2)}
            assert others == {Channel.TRANSACTIONS, Channel.GRANDPA}
            await until(lambda: len(b.peers()) == 1)
            await opened(b)
            for number in range(50):
                assert b.notify(a.local_peer, Channel.GRANDPA, bytes((number,)))
            heard = [await events.receive() for _ in range(50)]
            assert heard == [
                Notified(b.local_peer, Channel.GRANDPA, bytes((n,))) for n in range(50)
            ]

            async def answer(peer: str, data: bytes) -> bytes:
                return peer.encode() + data

            a.serve(RequestKind.SYNC, answer)
            got = await b.request(a.local_peer, RequestKind.SYNC, b"?", timeout_s=5)
            assert got == b.local_peer.encode() + b"?"
            assert [(info.peer, info.is_inbound) for info in a.peers()] == [(b.local_peer, True)]
            assert [(info.status, info.is_inbound) for info in b.peers()] == [(status(1)(), False)]


@pytest.mark.trio
async def test_large_answers_and_notifications_pass_and_too_large_ones_do_not() -> None:
    async with node(1) as a, node(2, a) as b:
        await opened(b, Channel.TRANSACTIONS)
        await opened(a, Channel.TRANSACTIONS)
        sizes = iter([16 << 20, (16 << 20) + 1])

        async def answer(_peer: str, _data: bytes) -> bytes:
            return bytes(next(sizes))

        a.serve(RequestKind.STATE, answer)
        got = await b.request(a.local_peer, RequestKind.STATE, b"x", timeout_s=PATIENCE_S)
        assert len(got) == 16 << 20
        with pytest.raises(RequestFailed):
            await b.request(a.local_peer, RequestKind.STATE, b"x", timeout_s=PATIENCE_S)
        with trio.fail_after(PATIENCE_S), a.listen([Channel.TRANSACTIONS]) as events:
            await events.receive()
            assert b.notify(a.local_peer, Channel.TRANSACTIONS, bytes(3 << 20))
            event = await events.receive()
        assert isinstance(event, Notified)
        assert len(event.data) == 3 << 20


@pytest.mark.trio
async def test_requests_are_refused_late_or_for_nobody() -> None:
    async with node(1) as a, node(2, a) as b:
        await opened(b)

        async def refuse(_peer: str, _data: bytes) -> bytes:
            raise RequestRefused("no", Cost.REPEATED)

        async def sleep(_peer: str, _data: bytes) -> bytes:
            await trio.sleep_forever()
            raise AssertionError

        async def break_down(_peer: str, _data: bytes) -> bytes:
            raise ZeroDivisionError

        a.serve(RequestKind.STATE, refuse)
        a.serve(RequestKind.LIGHT, sleep)
        a.serve(RequestKind.WARP, break_down)
        for kind in RequestKind:
            with pytest.raises(RequestFailed):
                await b.request(a.local_peer, kind, b"?", timeout_s=0.3)
        with pytest.raises(RequestFailed, match="not connected"):
            await b.request("nobody", RequestKind.SYNC, b"", timeout_s=1)
        assert len(a.peers()) == 1
        assert a.counters.requests_refused["sync/2"] == 1
        assert not b.notify("nobody", Channel.GRANDPA, b"")


@pytest.mark.trio
async def test_a_request_fails_at_once_when_this_node_ends_the_connection() -> None:
    async with node(1) as a, node(2, a) as b:
        await opened(b)

        async def silent(_peer: str, _data: bytes) -> bytes:
            b.report(a.local_peer, Cost.WRONG_GENESIS)
            await trio.sleep_forever()
            return b""

        a.serve(RequestKind.SYNC, silent)
        with trio.fail_after(PATIENCE_S), pytest.raises(RequestFailed, match="ended"):
            await b.request(a.local_peer, RequestKind.SYNC, b"?", timeout_s=60)


@pytest.mark.trio
async def test_an_answer_that_is_there_when_the_connection_ends_is_no_defect() -> None:
    async with node(1) as a, node(2, a) as b:
        await opened(b)

        async def echo(_peer: str, data: bytes) -> bytes:
            return data

        a.serve(RequestKind.SYNC, echo)
        (peer,) = b._peers.values()
        peer._has_ended = True  # as it is between the last byte and the end of the task that asks
        assert await peer.request(RequestKind.SYNC, b"x", timeout_s=5) == b"x"
        assert not [task for task in peer._nursery.child_tasks if "wait_end" in task.name]


@pytest.mark.trio
async def test_many_requests_at_once_are_all_answered() -> None:
    async with node(1) as a, node(2, a) as b:
        await opened(b)
        running = most = 0

        async def answer(_peer: str, data: bytes) -> bytes:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await trio.sleep(0.002)
            running -= 1
            return data

        a.serve(RequestKind.SYNC, answer)

        async def ask(number: int) -> None:
            data = number.to_bytes(2, "big")
            assert await b.request(a.local_peer, RequestKind.SYNC, data, timeout_s=8) == data

        async with trio.open_nursery() as nursery:
            for number in range(200):
                nursery.start_soon(ask, number)
        assert most <= libp2p_peer.ASKING_MAX


@pytest.mark.trio
async def test_a_node_of_another_chain_is_no_peer() -> None:
    async with node(1) as a, node(2, a, genesis=Hash(b"\x09" * 32)) as b:
        await until(lambda: b.counters.connections_opened > 0)
        await until(lambda: a.connection_count == 0 and b.connection_count == 0)
        assert not a.peers()
        assert not b.peers()


@pytest.mark.trio
async def test_nodes_find_each_other_through_a_third(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libp2p, "SEEK_S", 0.1)
    async with node(1) as a, node(2, a) as b, node(3, a) as c:
        await until(lambda: len(b.peers()) == 2 and len(c.peers()) == 2)
        assert {info.peer for info in b.peers()} == {a.local_peer, c.local_peer}


@pytest.mark.trio
async def test_a_node_that_restarts_is_met_again() -> None:
    async with node(1) as a:
        with a.listen([Channel.BLOCK_ANNOUNCES]) as events, trio.fail_after(PATIENCE_S):
            for _ in range(2):
                async with node(2, a) as b:
                    assert isinstance(await events.receive(), ChannelOpened)
                    await until(lambda b=b: len(b.peers()) == 1)  # type: ignore[misc]
                assert isinstance(await events.receive(), ChannelClosed)
        assert not a.peers()


@pytest.mark.trio
async def test_a_node_dials_again_a_peer_that_went_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.network.address_book.RETRY_S", 0.1)
    monkeypatch.setattr("node.network.peering.REFUSED_S", 0.1)
    monkeypatch.setattr(libp2p, "TICK_S", 0.05)
    async with trio.open_nursery() as nursery:
        first = trio.CancelScope()
        port = 31010

        async def serve(scope: trio.CancelScope) -> None:
            config = NetworkConfig(port=port, port_is_given=True, is_local=True)
            with scope:
                async with open_network(config, key=key(1), genesis_hash=GENESIS, status=status(1)):
                    await trio.sleep_forever()

        nursery.start_soon(serve, first)
        await trio.sleep(0.05)
        boot = f"/ip4/127.0.0.1/tcp/{port}/p2p/{key(1).peer_id}"
        config = NetworkConfig(port=0, port_is_given=True, is_local=True, bootnodes=(boot,))
        async with open_network(config, key=key(2), genesis_hash=GENESIS, status=status(2)) as b:
            await until(lambda: len(b.peers()) == 1)
            first.cancel()
            await until(lambda: not b.peers())
            second = trio.CancelScope()
            nursery.start_soon(serve, second)
            await until(lambda: len(b.peers()) == 1)
        second.cancel()


@pytest.mark.trio
async def test_a_banned_peer_is_cut_off_and_kept_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.network.address_book.RETRY_KEPT_MAX_S", 0.1)
    monkeypatch.setattr(libp2p, "TICK_S", 0.05)
    async with node(1) as a, node(2, a) as b:
        await opened(a)
        for _ in range(4):
            a.report(b.local_peer, Cost.BAD_BLOCK)
        await until(lambda: not a.peers() and not b.peers())
        opened_before = b.counters.connections_opened
        await until(lambda: b.counters.connections_opened > opened_before)
        await until(lambda: b.connection_count == 0)
        assert not a.peers()


@pytest.mark.trio
async def test_a_node_has_many_peers() -> None:
    async with node(1, in_peers=30) as hub, trio.open_nursery() as nursery:
        stop = trio.Event()

        async def peer(number: int) -> None:
            async with node(number, hub) as it:
                await opened(it)
                await stop.wait()

        for number in range(100, 124):
            nursery.start_soon(peer, number)
        await until(lambda: len(hub.peers()) == 24)
        with hub.listen([Channel.GRANDPA]) as events:
            await until(lambda: events.statistics().current_buffer_used == 24)
        sent = [hub.notify(info.peer, Channel.GRANDPA, b"vote") for info in hub.peers()]
        assert all(sent)
        stop.set()
    assert hub.connection_count == 0


@pytest.mark.trio
async def test_full_places_are_said_no_to(monkeypatch: pytest.MonkeyPatch) -> None:
    async with node(1, in_peers=1) as hub, node(2, hub) as b:
        await opened(b)
        async with node(3, hub) as c:
            await until(lambda: c.counters.connections_opened > 0)
            await until(lambda: c.connection_count == 0)
            assert not c.peers()
        assert hub.counters.disconnected["all places are taken"] == 1
        assert len(hub.peers()) == 1


@pytest.mark.trio
async def test_a_named_port_in_use_is_an_error_and_the_default_one_gives_way() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for is_given in (True, False):
            config = NetworkConfig(port=port, port_is_given=is_given, is_local=True)
            context = open_network(config, key=key(1), genesis_hash=GENESIS, status=status())
            if is_given:
                with pytest.raises(NetworkPortInUse, match="--port"):
                    await context.__aenter__()
            else:
                async with context as network:
                    assert network.port not in (0, port)


@pytest.mark.trio
async def test_public_addresses_are_told_instead_of_local_ones() -> None:
    async with node(1, public_addrs=("/dns/node.example/tcp/30333",)) as a, node(2) as b:
        assert a.addresses() == (f"/dns/node.example/tcp/30333/p2p/{a.local_peer}",)
        b.reserve(f"/ip4/127.0.0.1/tcp/{a.port}/p2p/{a.local_peer}")
        await opened(b)
        await until(lambda: any(peer.addresses for peer in b._peers.values()))
        (peer,) = b._peers.values()
        assert [str(one) for one in peer.addresses] == ["/dns/node.example/tcp/30333"]


@pytest.mark.trio
async def test_a_host_of_py_libp2p_itself_pings_and_identifies() -> None:
    import multiaddr
    from libp2p import new_host
    from libp2p.host.ping import PingService
    from libp2p.peer.peerinfo import info_from_p2p_addr

    async with node(1) as a:
        host = new_host()
        async with host.run(listen_addrs=[multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")]):
            with trio.fail_after(PATIENCE_S):
                info = info_from_p2p_addr(multiaddr.Multiaddr(a.addresses()[0]))
                await host.connect(info)
                times = await PingService(host).ping(info.peer_id, 2)
                assert len(times) == 2
                stream = await host.new_stream(info.peer_id, ["/ipfs/id/1.0.0"])  # type: ignore[list-item]
                data = await stream.read(4096)
                assert b"/grandpa/1" in data
                await host.disconnect(info.peer_id)
        await until(lambda: a.connection_count == 0)


@pytest.mark.trio
async def test_a_node_remembers_whom_it_talked_with(tmp_path: Path) -> None:
    anchors = tmp_path / "network" / "peers"
    async with node(1) as a:
        for boot in (a.addresses(), ()):
            config = NetworkConfig(port=0, port_is_given=True, is_local=True, bootnodes=boot)
            async with open_network(
                config, key=key(2), genesis_hash=GENESIS, status=status(2), anchors=anchors
            ) as b:
                await until(lambda b=b: len(b.peers()) == 1)  # type: ignore[misc]
            assert load_anchors(anchors) == (Address.parse(a.addresses()[0]),)


def test_a_damaged_file_of_peers_is_worth_its_good_lines(tmp_path: Path) -> None:
    path = tmp_path / "peers"
    good = f"/ip4/1.2.3.4/tcp/1/p2p/{key(1).peer_id}"
    path.write_bytes(b"\xff\x00junk\n/ip4/1.2.3.4/tcp/1\n" + good.encode() + b"\n/ip4")
    assert load_anchors(path) == (Address.parse(good),)
    save_anchors(path, [])
    assert load_anchors(path) == (Address.parse(good),)
    assert load_anchors(tmp_path / "none") == ()
    save_anchors(path, [Address.parse(good)] * 100)
    assert len(load_anchors(path)) == 32
