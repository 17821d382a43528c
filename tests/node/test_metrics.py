"""The series that dashboards of Substrate nodes query."""

import re
from contextlib import suppress
from dataclasses import replace

import trio
import trio.testing

from node.metrics import CONNECTIONS_MAX, Readings, process_now, render, serve
from node.rpc.call_counters import CallCounters, Outcome, Protocol

READINGS = Readings(
    chain="dev",
    name='a "name"\n',
    version="1",
    is_authority=True,
    started_s=7,
    best_number=12,
    finalized_number=11,
    ready_count=3,
    future_count=1,
    pool_bytes=700,
    submitted_count=4,
    refused_count=9,
    waiting_count=2,
    validated_count=13,
    pruned_count=3,
    constructed_count=5,
    constructed_seconds=0.5,
    proposed_count=2,
    import_count=6,
    import_seconds=0.25,
    memory_bytes=1 << 20,
    cpu_seconds=1.5,
    file_count=12,
    rpc=CallCounters(),
    grandpa_round=11,
    grandpa_prevotes=3,
    grandpa_precommits=2,
    peers_count=5,
    is_major_syncing=True,
    sync_target=40,
    received_bytes=700,
    sent_bytes=800,
    connections_opened=6,
    propagated_count=17,
    reported_count=1,
    is_listening=False,
    has_twin=True,
)


def test_the_text_is_prometheus() -> None:
    text = render(READINGS)
    assert 'substrate_block_height{chain="dev",status="best"} 12\n' in text
    assert 'cess_listening_for_twins{chain="dev"} 0\n' in text
    assert 'cess_keys_sign_elsewhere{chain="dev"} 1\n' in text
    assert 'substrate_block_height{chain="dev",status="finalized"} 11\n' in text
    assert 'substrate_ready_transactions_number{chain="dev"} 3\n' in text
    assert 'substrate_node_roles{chain="dev"} 4\n' in text
    assert 'substrate_block_height{chain="dev",status="sync_target"} 40\n' in text
    assert 'substrate_sub_libp2p_peers_count{chain="dev"} 5\n' in text
    assert 'substrate_sub_libp2p_is_major_syncing{chain="dev"} 1\n' in text
    assert 'substrate_finality_grandpa_round{chain="dev"} 11\n' in text
    assert 'substrate_finality_grandpa_prevotes_total{chain="dev"} 3\n' in text
    assert 'substrate_sub_libp2p_network_bytes_total{chain="dev",direction="out"} 800\n' in text
    assert 'substrate_sync_propagated_transactions{chain="dev"} 17\n' in text
    assert 'name="a \\"name\\" "' in text
    kind, label = r"# TYPE \w+ (gauge|counter|summary|histogram)", r'\w+="(\\.|[^"\\])*",?'
    line = re.compile(rf"({kind})|(\w+\{{({label})*\}} [0-9.e+-]+)")
    assert all(line.fullmatch(row) for row in text.splitlines())
    assert 'substrate_sub_txpool_validations_scheduled{chain="dev"} 15\n' in text
    assert (
        "# TYPE substrate_proposer_block_constructed summary\n"
        'substrate_proposer_block_constructed_sum{chain="dev"} 0.5\n'
        'substrate_proposer_block_constructed_count{chain="dev"} 5\n'
    ) in text
    assert 'substrate_node_roles{chain="dev"} 1\n' in render(replace(READINGS, is_authority=False))


def test_calls_are_told_apart_by_protocol_method_and_end() -> None:
    rpc = CallCounters()
    for protocol, seconds, outcome in (
        (Protocol.WS, 30e-6, Outcome.DONE),
        (Protocol.WS, 3e-6, Outcome.FAILED),
        (Protocol.HTTP, 60.0, Outcome.RATE_LIMITED),
    ):
        rpc.start(protocol, "chain_getHeader").end(outcome, seconds)
    rpc.start(Protocol.WS, "chain_getHeader")
    rpc.sessions_opened, rpc.sessions_closed = 3, 1
    text = render(replace(READINGS, rpc=rpc))
    ws = 'chain="dev",protocol="ws",method="chain_getHeader"'
    http = 'chain="dev",protocol="http",method="chain_getHeader"'
    assert f"substrate_rpc_calls_started{{{ws}}} 3\n" in text
    ended = "substrate_rpc_calls_finished"
    assert f'{ended}{{{ws},is_error="false",is_rate_limited="false"}} 1\n' in text
    assert f'{ended}{{{ws},is_error="true",is_rate_limited="false"}} 1\n' in text
    assert f'{ended}{{{http},is_error="true",is_rate_limited="true"}} 1\n' in text
    times = "substrate_rpc_calls_time"
    assert f'{times}_bucket{{{ws},le="5"}} 1\n' in text
    assert f'{times}_bucket{{{ws},le="100"}} 2\n' in text
    assert f'{times}_bucket{{{http},le="10000000"}} 0\n' in text
    assert f'{times}_bucket{{{http},le="+Inf"}} 1\n' in text
    assert f"{times}_sum{{{ws}}} 33.0\n" in text
    assert f"{times}_count{{{ws}}} 2\n" in text
    assert 'substrate_rpc_sessions_opened{chain="dev"} 3\n' in text
    assert 'substrate_rpc_sessions_closed{chain="dev"} 1\n' in text


def test_a_process_knows_what_it_uses() -> None:
    found = process_now()
    assert found.memory_bytes > 1 << 20
    assert found.cpu_seconds > 0
    assert found.file_count >= 3


def test_it_is_served_and_nothing_else_is() -> None:
    async def ask(port: int, head: bytes) -> bytes:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        await stream.send_all(head)
        data = b""
        while more := await stream.receive_some():
            data += more
        return data

    async def main() -> None:
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                port = await nursery.start(serve, "127.0.0.1", 0, lambda: READINGS)
                good = await ask(port, b"GET /metrics HTTP/1.1\r\n\r\n")
                assert good.startswith(b"HTTP/1.1 200")
                assert good.endswith(render(READINGS).encode())
                assert (await ask(port, b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 404")
                assert (await ask(port, b"x" * 9000)).startswith(b"HTTP/1.1 404")
                nursery.cancel_scope.cancel()

    trio.run(main)


def test_silent_connections_are_bounded_and_give_their_places_back() -> None:
    async def main() -> None:
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                port = await nursery.start(serve, "127.0.0.1", 0, lambda: READINGS)
                silent = []
                for _ in range(CONNECTIONS_MAX):
                    silent.append(await trio.open_tcp_stream("127.0.0.1", port))
                await trio.testing.wait_all_tasks_blocked(0.01)
                more = await trio.open_tcp_stream("127.0.0.1", port)
                with suppress(trio.BrokenResourceError):
                    assert await more.receive_some() == b""
                for stream in silent:
                    await stream.aclose()
                await trio.testing.wait_all_tasks_blocked(0.01)
                again = await trio.open_tcp_stream("127.0.0.1", port)
                await again.send_all(b"GET /metrics HTTP/1.1\r\n\r\n")
                assert (await again.receive_some()).startswith(b"HTTP/1.1 200")
                nursery.cancel_scope.cancel()

    trio.run(main)
