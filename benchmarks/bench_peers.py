"""Signed transfers of `cess node --dev` beside development chains for Ethereum, in one run.

One after another on this machine: ours, with its database on disk; anvil (Rust, in memory) with a
block every `BLOCK_S` seconds; py-evm (Python, in memory) as a library in one process, and under
eth-tester, which makes a block of each transfer, in one process and behind a WebSocket. All
transfers are signed before the clock runs, and over a WebSocket all are submitted by the same
client: `submitted` is until the last is answered, `included` until the last is in a block, `final`
until that block is; of a library only the second has a meaning. `cpu` is what the chain's processes
spent on each transfer. Ours may have `WAITING` on their way, the others all. A peer's transfer is a
bare one of ether.

Our blocks are as full as their weight lets them be, while the processor is partly idle; the rate of
a peer is what the processor can do. So the two ratios say different things.

The peers are installed under the virtual environment at the first run, in the versions and with the
hashes that are in `benchmarks/peers`. One that cannot be installed is named and left out.
"""

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.devnode import DevNode, Socket, call, dev_node
from benchmarks.transfers import Chain, Load, signed_transfers
from tests.conformance.environments.build import NotInstalledError, interpreter, node_modules

PEERS = Path(__file__).parent / "peers"
GROUP = "peers"
EVM = PEERS / "evm.py"
ANVIL_PORT = 35_500
TESTER_PORT = 35_501
BLOCK_S = 2
BLOCK_GAS = 300_000_000
WAITING = 3_000
START_S = 60.0
STOP_S = 10.0
SCRIPT_S = 300.0


@dataclass(frozen=True)
class Row:
    """Transfers per second of one chain; None is what it does not have."""

    name: str
    transfers: int
    included: float
    cpu_ms: float
    submitted: float | None = None
    final: float | None = None


class EvmChain:
    """A peer as its users see it; what is included is as final as it will be."""

    def __init__(self, node: DevNode, asking: Socket) -> None:
        self.node = node
        self._asking = asking

    @property
    def port(self) -> int:
        return self.node.port

    def best(self) -> int:
        return int(self._asking.ask("eth_blockNumber"), 16)

    def height(self) -> int:
        return self.best()

    def transfers_in(self, number: int) -> int:
        answer = self._asking.ask("eth_getBlockTransactionCountByNumber", hex(number))
        return int(answer, 16)


@contextmanager
def peer(port: int, *command: str | Path) -> Iterator[EvmChain]:
    """Run a peer in a folder of its own until the block ends."""
    with tempfile.TemporaryDirectory(prefix="cess-bench-") as folder:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "HOME": folder, "PYTHONPATH": ""},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            with connected(port, process) as asking:
                yield EvmChain(DevNode(process, port), asking)
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def connected(port: int, process: subprocess.Popen[str]) -> Socket:
    """A socket to the process as soon as it listens."""
    end_s = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < end_s:
        try:
            return Socket(port)
        except ConnectionError:
            time.sleep(0.1)
    raise RuntimeError(f"{process.args!r} does not listen at {port} (status {process.returncode})")


def loaded(name: str, chain: Chain | EvmChain, texts: Sequence[bytes], waiting: int) -> Row:
    """Submit all of them, and what became of them in a second."""
    load = Load(chain, texts, waiting)
    before_s = chain.node.cpu_s()
    final_s = load.run()
    cpu_s = chain.node.cpu_s() - before_s
    if load.refused or load.included != len(texts):
        raise RuntimeError(
            f"{name}: {load.included} of {len(texts)} included, "
            f"{len(load.refused)} refused: {load.refused[:1]}"
        )
    return Row(
        name,
        load.final,
        load.included / load.included_s,
        1e3 * cpu_s / load.final,
        load.final / load.submitted_s,
        load.final / final_s if isinstance(chain, Chain) else None,
    )


def evm(*arguments: object) -> str:
    """What the script prints in the peers' environment."""
    python = interpreter(GROUP, "python", PEERS / "python.txt")
    done = subprocess.run(
        [python, EVM, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": ""},
        timeout=SCRIPT_S,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def submissions(chain: EvmChain, count: int) -> list[bytes]:
    """The texts that submit signed transfers to this chain."""
    with Socket(chain.port) as asking:
        chain_id = int(asking.ask("eth_chainId"), 16)
    signed = evm("sign", count, chain_id).split()
    return [call("eth_sendRawTransaction", text, number=at) for at, text in enumerate(signed)]


def ours(count: int) -> list[Row]:
    with dev_node() as node:
        chain = Chain(node)
        texts = signed_transfers(chain, count, random.Random(7))
        return [loaded("cess node --dev", chain, texts, WAITING)]


def anvil(count: int) -> list[Row]:
    _, place = node_modules(GROUP, PEERS)
    found = list(place.glob("node_modules/@foundry-rs/anvil-*/bin/anvil"))
    if len(found) != 1:
        raise NotInstalledError(f"anvil has no program for {platform.machine()}")
    flags = ("--host", "127.0.0.1", "--port", str(ANVIL_PORT), "--block-time", str(BLOCK_S))
    with peer(ANVIL_PORT, found[0], *flags, "--gas-limit", str(BLOCK_GAS), "--silent") as chain:
        texts = submissions(chain, count)
        return [loaded(f"anvil, a block every {BLOCK_S} s", chain, texts, count)]


def libraries(count: int, one_by_one: int) -> list[Row]:
    spent = json.loads(evm("process", count, one_by_one))
    rows = []
    for name, done in (("py-evm", count), ("eth-tester", one_by_one)):
        wall_s, cpu_s = spent[name]
        rows.append(Row(f"{name}, in process", done, done / wall_s, 1e3 * cpu_s / done))
    return rows


def served(count: int) -> list[Row]:
    python = interpreter(GROUP, "python", PEERS / "python.txt")
    with peer(TESTER_PORT, python, EVM, "serve", str(TESTER_PORT)) as chain:
        texts = submissions(chain, count)
        return [loaded("eth-tester, by RPC", chain, texts, count)]


def table(rows: Sequence[Row]) -> str:
    """All in one; `rate` is ours final by its included, `cpu` our time for each by its."""
    own = next((row for row in rows if row.final is not None), None)
    heads = f"{'count':>8}{'submitted':>10}{'included':>10}{'final':>10}{'cpu, ms':>10}"
    lines = [f"{'transfers per second':<26}{heads}   ours / it: rate   cpu"]
    for row in rows:
        rates = "".join(
            f"{'-' if rate is None else f'{rate:,.0f}':>10}"
            for rate in (row.submitted, row.included, row.final)
        )
        ratios = ""
        if own is not None and own.final is not None and row is not own:
            ratios = f"{own.final / row.included:>18.2f}{own.cpu_ms / row.cpu_ms:>6.2f}"
        lines.append(f"{row.name:<26}{row.transfers:>8,}{rates}{row.cpu_ms:>10.2f}{ratios}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transfers", type=int, default=10_000, help="to ours")
    parser.add_argument("--anvil", type=int, default=30_000, help="to anvil: it is quicker")
    parser.add_argument("--executed", type=int, default=4_000, help="by py-evm in blocks")
    parser.add_argument("--one-by-one", type=int, default=1_000, help="to eth-tester")
    options = parser.parse_args()
    # A child is stopped on the way out, so a polite end has to take that way.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    jobs: dict[str, Callable[[], list[Row]]] = {
        "cess": lambda: ours(options.transfers),
        "anvil": lambda: anvil(options.anvil),
        "py-evm and eth-tester": lambda: libraries(options.executed, options.one_by_one),
        "eth-tester by RPC": lambda: served(options.one_by_one),
    }
    rows: list[Row] = []
    failed = False
    for name, job in jobs.items():
        try:
            rows += job()
        except NotInstalledError as error:
            print(f"{name}: left out, because it cannot be installed here", flush=True)
            print(error, file=sys.stderr)
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            print(f"{name}: failed with {type(error).__name__}", flush=True)
            print(error, file=sys.stderr)
            failed = True
    print(table(rows))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
