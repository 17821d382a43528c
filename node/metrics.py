"""Numbers for Prometheus under the names that Substrate dashboards query.

``render`` is pure: readings in, text out. ``serve`` answers ``GET /metrics`` with it.
Bounds: a fixed list of series, and some for each method that is served; a request head of 8 KiB and
10 s; ``CONNECTIONS_MAX`` at a time.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from node.rpc.call_counters import BUCKETS_US, CallCounters, Outcome, Protocol

__all__ = ["CONNECTIONS_MAX", "Process", "Readings", "process_now", "render", "serve"]

HEAD_BYTES_MAX: Final = 8 << 10
HEAD_S: Final = 10.0
_ENDS: Final = {
    Outcome.DONE: 'is_error="false",is_rate_limited="false"',
    Outcome.FAILED: 'is_error="true",is_rate_limited="false"',
    Outcome.RATE_LIMITED: 'is_error="true",is_rate_limited="true"',
}
CONNECTIONS_MAX: Final = 32
"""More are closed at once: a scraper needs one."""


@dataclass(frozen=True, slots=True)
class Readings:
    """The node at one moment."""

    chain: str
    name: str
    version: str
    is_authority: bool
    started_s: int
    best_number: int
    finalized_number: int
    ready_count: int
    future_count: int
    pool_bytes: int
    submitted_count: int
    refused_count: int
    waiting_count: int
    validated_count: int
    pruned_count: int
    constructed_count: int
    constructed_seconds: float
    """Of building alone; what follows is in ``import_seconds``."""
    proposed_count: int
    """Transactions of the last block that this node built."""
    import_count: int
    import_seconds: float
    memory_bytes: int
    cpu_seconds: float
    file_count: int
    rpc: CallCounters
    grandpa_round: int
    grandpa_prevotes: int
    """Weight of the prevotes in the round."""
    grandpa_precommits: int
    peers_count: int
    is_major_syncing: bool
    sync_target: int
    received_bytes: int
    """Over the peer-to-peer network."""
    sent_bytes: int
    connections_opened: int
    propagated_count: int
    """Transactions sent to peers, counted for each of them."""
    reported_count: int
    """Equivocations that this node reported."""
    is_listening: bool
    """Whether it waits to see that nobody else signs with its keys."""
    has_twin: bool
    """Whether somebody else does: it signs nothing."""


@dataclass(frozen=True, slots=True)
class Process:
    """What this process uses."""

    memory_bytes: int
    cpu_seconds: float
    file_count: int


def process_now() -> Process:
    """Read it from the system."""
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return Process(resident, time.process_time(), len(os.listdir("/proc/self/fd")))


def render(readings: Readings) -> str:
    """The exposition text."""
    found = readings
    lines: list[str] = []

    def series(name: str, kind: str, values: Mapping[str, float | int], labels: str = "") -> None:
        lines.append(f"# TYPE {name} {kind}")
        for extra, value in values.items():
            joined = ",".join(
                part for part in (f'chain="{_escape(found.chain)}"', labels, extra) if part
            )
            lines.append(f"{name}{{{joined}}} {value}")

    def summary(name: str, count: int, seconds: float) -> None:
        labels = f'chain="{_escape(found.chain)}"'
        lines.append(f"# TYPE {name} summary")
        lines.extend((f"{name}_sum{{{labels}}} {seconds}", f"{name}_count{{{labels}}} {count}"))

    series(
        "substrate_build_info",
        "gauge",
        {"": 1},
        f'name="{_escape(found.name)}",version="{_escape(found.version)}"',
    )
    series("substrate_node_roles", "gauge", {"": 4 if found.is_authority else 1})
    series("substrate_process_start_time_seconds", "gauge", {"": found.started_s})
    series(
        "substrate_block_height",
        "gauge",
        {
            'status="best"': found.best_number,
            'status="finalized"': found.finalized_number,
            'status="sync_target"': found.sync_target,
        },
    )
    series("substrate_ready_transactions_number", "gauge", {"": found.ready_count})
    series("cess_future_transactions_number", "gauge", {"": found.future_count})
    series("cess_txpool_bytes", "gauge", {"": found.pool_bytes})
    series("substrate_sub_txpool_submitted_transactions", "counter", {"": found.submitted_count})
    series("substrate_sub_txpool_validations_invalid", "counter", {"": found.refused_count})
    series(
        "substrate_sub_txpool_validations_scheduled",
        "counter",
        {"": found.validated_count + found.waiting_count},
    )
    series("substrate_sub_txpool_validations_finished", "counter", {"": found.validated_count})
    series("substrate_sub_txpool_block_transactions_pruned", "counter", {"": found.pruned_count})
    summary(
        "substrate_proposer_block_constructed", found.constructed_count, found.constructed_seconds
    )
    series("substrate_proposer_number_of_transactions", "gauge", {"": found.proposed_count})
    summary(
        "substrate_block_verification_and_import_time", found.import_count, found.import_seconds
    )
    series("process_resident_memory_bytes", "gauge", {"": found.memory_bytes})
    series("process_cpu_seconds_total", "counter", {"": found.cpu_seconds})
    series("process_open_fds", "gauge", {"": found.file_count})
    _rpc_series(found.rpc, series)
    lines.extend(_rpc_times(found))
    series("substrate_finality_grandpa_round", "gauge", {"": found.grandpa_round})
    series("substrate_finality_grandpa_prevotes_total", "gauge", {"": found.grandpa_prevotes})
    series("substrate_finality_grandpa_precommits_total", "gauge", {"": found.grandpa_precommits})
    series("substrate_sub_libp2p_peers_count", "gauge", {"": found.peers_count})
    series("substrate_sync_peers", "gauge", {"": found.peers_count})
    syncing = int(found.is_major_syncing)
    series("substrate_sub_libp2p_is_major_syncing", "gauge", {"": syncing})
    series(
        "substrate_sub_libp2p_network_bytes_total",
        "counter",
        {'direction="in"': found.received_bytes, 'direction="out"': found.sent_bytes},
    )
    series(
        "substrate_sub_libp2p_connections_opened_total", "counter", {"": found.connections_opened}
    )
    series("substrate_sync_propagated_transactions", "counter", {"": found.propagated_count})
    series("cess_equivocations_reported_total", "counter", {"": found.reported_count})
    series("cess_listening_for_twins", "gauge", {"": int(found.is_listening)})
    series("cess_keys_sign_elsewhere", "gauge", {"": int(found.has_twin)})
    return "\n".join(lines) + "\n"


def _rpc_series(rpc: CallCounters, series: Callable[[str, str, Mapping[str, int]], None]) -> None:
    """Calls by protocol and method, and WebSockets."""
    named = {_labels(protocol, name): calls for (protocol, name), calls in rpc.calls.items()}
    started = {labels: calls.started for labels, calls in named.items()}
    finished = {
        f"{labels},{_ENDS[outcome]}": count
        for labels, calls in named.items()
        for outcome, count in calls.ended.items()
        if count
    }
    series("substrate_rpc_calls_started", "counter", started)
    series("substrate_rpc_calls_finished", "counter", finished)
    series("substrate_rpc_sessions_opened", "counter", {"": rpc.sessions_opened})
    series("substrate_rpc_sessions_closed", "counter", {"": rpc.sessions_closed})
    series("cess_rpc_http_requests_total", "counter", {"": rpc.http_requests})


def _labels(protocol: Protocol, method: str) -> str:
    return f'protocol="{protocol.value}",method="{_escape(method)}"'


def _rpc_times(found: Readings) -> list[str]:
    """Microseconds of calls, as a histogram of each method."""
    name, chain = "substrate_rpc_calls_time", f'chain="{_escape(found.chain)}"'
    lines = [f"# TYPE {name} histogram"]
    for (protocol, method), calls in found.rpc.calls.items():
        labels, count = f"{chain},{_labels(protocol, method)}", 0
        for end, more in zip((*BUCKETS_US, "+Inf"), calls.buckets, strict=True):
            count += more
            lines.append(f'{name}_bucket{{{labels},le="{end}"}} {count}')
        lines.append(f"{name}_sum{{{labels}}} {calls.time_us:.1f}")
        lines.append(f"{name}_count{{{labels}}} {count}")
    return lines


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


async def serve(
    host: str,
    port: int,
    read: Callable[[], Readings],
    *,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer scrapes until cancelled; ``task_status`` gets the port."""

    async def answer(stream: trio.SocketStream) -> None:
        try:
            places.acquire_on_behalf_of_nowait(stream)
        except trio.WouldBlock:
            await trio.aclose_forcefully(stream)
            return
        try:
            await talk(stream)
        finally:
            places.release_on_behalf_of(stream)

    async def talk(stream: trio.SocketStream) -> None:
        head = b""
        with trio.move_on_after(HEAD_S):
            try:
                while b"\r\n\r\n" not in head and len(head) <= HEAD_BYTES_MAX:
                    more = await stream.receive_some(HEAD_BYTES_MAX)
                    if not more:
                        break
                    head += more
                if head.startswith(b"GET /metrics"):
                    status, body = "200 OK", render(read()).encode()
                else:
                    status, body = "404 Not Found", b"GET /metrics\n"
                await stream.send_all(
                    f"HTTP/1.1 {status}\r\ncontent-type: text/plain; version=0.0.4\r\n"
                    f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
                    + body
                )
            except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
                pass
        await trio.aclose_forcefully(stream)

    places = trio.CapacityLimiter(CONNECTIONS_MAX)
    listeners = await trio.open_tcp_listeners(port, host=host)
    task_status.started(listeners[0].socket.getsockname()[1])
    await trio.serve_listeners(answer, listeners)
