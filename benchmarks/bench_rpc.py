"""Reads over many open WebSockets of a real node: rate, delay and memory.

Every socket stays open and is used in turn. Reads are sent at a fixed rate, whether or not answers
came, and a delay counts from the moment at which its read was due: a node that falls behind is
seen. The node authors its blocks meanwhile. `--full` has 1,000 sockets.
"""

import argparse
import selectors
import statistics
import sys
import time
from collections import deque
from collections.abc import Sequence

from benchmarks.devnode import DevNode, Socket, call, dev_node
from primitives.crypto.keys import KeyPair
from primitives.hashing import blake2_128_concat, twox_128

SECONDS = 8.0
ACCOUNT = (
    twox_128(b"System")
    + twox_128(b"Account")
    + blake2_128_concat(KeyPair.from_suri("//Alice").account_id)
)
READS = (
    ("storage", "state_getStorage", (f"0x{ACCOUNT.hex()}",)),
    ("header", "chain_getHeader", ()),
    ("block hash", "chain_getBlockHash", (0,)),
    ("nonce", "state_call", ("AccountNonceApi_account_nonce", f"0x{ACCOUNT[-32:].hex()}")),
    ("health", "system_health", ()),
)
DISTINCT = 6_000
METADATA = call("state_getMetadata")


def new_values() -> list[tuple[str, str]]:
    """Reads of which none is asked twice, so that no kept answer helps."""
    return [("state_getStorage", f"0x{ACCOUNT[:-32].hex()}{at:064x}") for at in range(DISTINCT)]


def new_nonces() -> list[tuple[str, str, str]]:
    """Questions to the runtime of which none is asked twice."""
    return [
        ("state_call", "AccountNonceApi_account_nonce", f"0x{at:064x}") for at in range(DISTINCT)
    ]


def share(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


class Load:
    """Reads at a fixed rate, in one thread."""

    def __init__(self, sockets: Sequence[Socket], rate: int) -> None:
        self.sockets = sockets
        self.rate = rate
        self.due: list[deque[float]] = [deque() for _ in sockets]
        self.delays: list[float] = []
        self.errors = 0
        self.selector = selectors.DefaultSelector()
        for index, socket in enumerate(sockets):
            self.selector.register(socket.stream, selectors.EVENT_READ, index)

    def run(self, frames: Sequence[bytes], seconds: float) -> float:
        """Reads answered in a second."""
        total, sent = int(self.rate * seconds), 0
        start = time.perf_counter()
        while len(self.delays) < total:
            now = time.perf_counter()
            while sent < total and (due := start + sent / self.rate) <= now:
                index = sent % len(self.sockets)
                self.due[index].append(due)
                self.sockets[index].stream.sendall(frames[sent % len(frames)])
                sent += 1
            if now - start > 4 * seconds:
                break  # too slow: the rate says so
            wait = 0.05 if sent >= total else max(0.0, start + sent / self.rate - now)
            for key, _ in self.selector.select(wait):
                self.take(key.data)
        return len(self.delays) / (time.perf_counter() - start)

    def take(self, index: int) -> None:
        socket = self.sockets[index]
        socket.fill()
        while (text := socket.pop()) is not None:
            self.delays.append(time.perf_counter() - self.due[index].popleft())
            self.errors += b'"error"' in text[:200]


def metadata_ms(node: DevNode) -> float:
    """The median of some answers with the whole metadata, after the first."""
    with Socket(node.port) as socket:
        found = []
        for _ in range(8):
            start = time.perf_counter()
            socket.send(METADATA)
            socket.receive_text()
            found.append(time.perf_counter() - start)
    return 1e3 * statistics.median(found[1:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="1,000 sockets, not 200")
    parser.add_argument("--rate", type=int, default=2_000, help="reads a second")
    options = parser.parse_args()
    count = 1_000 if options.full else 200
    errors = 0
    with dev_node("--rpc-max-connections", str(count + 10)) as node:
        before = node.memory_mib("VmRSS")
        sockets = [Socket(node.port) for _ in range(count)]
        print(f"{count} WebSockets, {options.rate:,} reads/s asked for during {SECONDS:.0f} s")
        print("read          reads/s   p50 ms   p99 ms   max ms")
        mixed = [Socket.frame(call(method, *params)) for _, method, params in READS]
        rows = [
            ("mixed", mixed),
            *((READS[at][0], mixed[at : at + 1]) for at in range(len(READS))),
            ("new values", [Socket.frame(call(*each)) for each in new_values()]),
            ("new nonces", [Socket.frame(call(*each)) for each in new_nonces()]),
        ]
        for name, frames in rows:
            load = Load(sockets, options.rate)
            rate = load.run(frames, SECONDS if name == "mixed" else SECONDS / 4)
            errors += load.errors
            if not load.delays:
                print(f"{name:<12}   nothing was answered")
                continue
            p50, p99, most = (1e3 * share(load.delays, part) for part in (0.5, 0.99, 1.0))
            print(f"{name:<12} {rate:>8,.0f} {p50:>8.1f} {p99:>8.1f} {most:>8.1f}", flush=True)
        print(f"metadata, whole: {metadata_ms(node):.1f} ms")
        print(f"node's memory {node.memory_mib():.0f} MiB at most, {before:.0f} MiB before")
    if errors:
        print(f"{errors} errors")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
