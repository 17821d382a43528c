"""Finality of several validators as real processes: how far behind the chain, and what it costs.

Each validator is a `cess node` of its own, with its own keys, connected with the others over
loopback; all of them share this machine's processors, so the largest network is measured at the
slot of a real chain, 6 s. The lag of a block is from its import at one validator to its finality
there; rounds are those of GRANDPA that this took, the one under way included. Bytes are those of
that validator's sockets in both directions, blocks and votes and all, for each block and peer.
Processor time is a validator's, as a part of one core, while nothing but blocks and votes goes on;
that of a start is all until the second block is final. `--quick` measures the first network only,
`--only N` those of N validators, `--peers N` has each of them connected with no more than N
others (an even number, half of them dialled). Who cannot start in time on a machine that is busy
says so.

Healing: four validators on hosts of their own (network namespaces), split two and two by switches
until neither half can make anything final, then joined. It needs root; without, it says so.

The simulated lines are the same voters in the simulator, where processors cost nothing and each
message takes 5 to 60 ms: what the protocol itself costs.
"""

import argparse
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from benchmarks.devnode import Socket, call
from chain_spec.presets import custom, dev, with_validators
from client.devnet import free_port, raise_on_signals
from client.processes import spawn
from client.validators import SOUGHT_PEERS, Seat, node_arguments, take_seat, write_boot_nodes
from node.consensus.grandpa.shell import timing_for
from node.genesis import genesis_state
from primitives.scale import U64
from tests.node.hosts import Hosts
from tests.node.namespaces import refusal, switchboard
from tests.node.validators import NAMES
from tests.simulation.ideal import ideal_crypto
from tests.simulation.tiny import SLOT_MS, Executions, tiny_runtime
from tests.simulation.validator import Validator
from tests.simulation.world import Plan, World

NETWORKS = ((4, 1000), (7, 1000), (4, 6000), (7, 6000), (21, 6000))
BLOCKS = {1000: 40, 6000: 10}
RPC_PORT = 31_650
P2P_PORT = 31_700
START_S = 120.0
OBSERVE_S = 180.0
HEAL_S = 300.0
STOP_S = 30.0
SIMULATED = (4, 7, 21)
SIMULATED_MS = 300_000
LOOK_MS = 5
SPLITS_S = (10.0, 60.0)
CHAIN = "cess_bench"
BYTES = re.compile(r"^substrate_sub_libp2p_network_bytes_total\{.*\} (\d+)", re.MULTILINE)


@dataclass
class Block:
    """One block as an observer sees it."""

    imported_s: float
    round: int
    final_s: float = 0.0
    rounds: int = 0


class Network:
    """The processes."""

    def __init__(self, folder: Path, count: int, slot_ms: int, peers: int | None) -> None:
        self.count = count
        self.sought = min(count - 1, SOUGHT_PEERS if peers is None else peers // 2)
        limits = () if peers is None else (f"--in-peers={peers // 2}", f"--out-peers={peers // 2}")
        spec = folder / "spec.json"
        base = with_validators(dev(), count)
        constants = replace(
            base.config().constants, slot_duration_ms=U64(slot_ms), epoch_slots=U64(600)
        )
        made = replace(custom(base, constants=constants), id=CHAIN)
        made.with_raw(genesis_state(made)).save(spec)  # as real chains share it
        self.seats: list[Seat] = []
        rpc, p2p = RPC_PORT, P2P_PORT
        for index in range(count):
            rpc, p2p = free_port(rpc), free_port(p2p)
            self.seats.append(take_seat(index, folder, CHAIN, rpc_port=rpc, p2p_port=p2p))
            rpc, p2p = rpc + 1, p2p + 1
        self.metrics_port = free_port(rpc)
        write_boot_nodes(spec, [seat.address for seat in self.seats])
        self.processes = []
        for seat in self.seats:
            arguments = [sys.executable, "-m", "client.cli", "node"]
            arguments += [*node_arguments(seat, spec, is_alone=False), *limits]
            if seat is self.seats[0]:
                arguments.remove("--no-prometheus")
                arguments += ["--prometheus-port", str(self.metrics_port)]
            self.processes.append(spawn(arguments, seat.directory / "node.log"))

    def close(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def wait_until_connected(self) -> None:
        """Until the first knows all others, or as many as it seeks, and finality has begun."""
        deadline = time.monotonic() + START_S
        while True:
            try:
                with Socket(self.seats[0].rpc_port) as socket:
                    peers = socket.ask("system_health")["peers"]
                    head = socket.ask("chain_getHeader", socket.ask("chain_getFinalizedHead"))
                if peers >= self.sought and int(head["number"], 16) >= 2:
                    return
            except OSError:
                pass
            if any(process.poll() is not None for process in self.processes):
                raise RuntimeError("a validator ended by itself")
            if time.monotonic() > deadline:
                raise TimeoutError(f"the validators did not meet in {START_S:.0f} s")
            time.sleep(1)

    def peers(self) -> int:
        """With how many others the first one is connected."""
        with Socket(self.seats[0].rpc_port) as socket:
            return int(socket.ask("system_health")["peers"])

    def traffic(self) -> int:
        """Bytes of the first one's sockets so far, in both directions."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return sum(int(found) for found in BYTES.findall(answer.read().decode()))

    def cpu_s(self) -> float:
        """Processor time of a validator so far, on average."""
        times = [psutil.Process(process.pid).cpu_times() for process in self.processes]
        return sum(each.user + each.system for each in times) / self.count

    def memory_mib(self) -> float:
        """Memory of a validator that it shares with nobody, on average."""
        own = [psutil.Process(process.pid).memory_full_info().uss for process in self.processes]
        return sum(own) / self.count / 2**20


def observe(network: Network, count: int) -> list[Block]:
    """The next blocks at the first validator, until all of them are final.

    Raises: TimeoutError after ``OBSERVE_S``.
    """
    deadline = time.monotonic() + OBSERVE_S
    port = network.seats[0].rpc_port
    blocks: dict[int, Block] = {}
    with Socket(port) as events, Socket(port) as questions:
        for number, method in enumerate(
            ("chain_subscribeNewHeads", "chain_subscribeFinalizedHeads")
        ):
            events.send(call(method, number=number))
        methods: dict[str, str] = {}
        while len(blocks) < count or not all(block.final_s for block in blocks.values()):
            found = events.receive()
            if "params" not in found:
                continue
            now = time.monotonic()
            if now > deadline:
                raise TimeoutError(f"not all of {count} blocks were final after {OBSERVE_S:.0f} s")
            height = int(found["params"]["result"]["number"], 16)
            round_ = _round(questions)
            methods.setdefault(found["method"], "")
            if found["method"] == "chain_newHead":
                if len(blocks) < count and len(methods) == 2:
                    blocks.setdefault(height, Block(now, round_))
            elif height in blocks and not blocks[height].final_s:
                blocks[height].final_s = now
                blocks[height].rounds = max(1, round_ - blocks[height].round)
    return list(blocks.values())


def _round(questions: Socket) -> int:
    state: dict[str, Any] = questions.ask("grandpa_roundState")
    return int(state["best"]["round"])


def measure(count: int, slot_ms: int, peers_max: int | None) -> None:
    name = f"{count:>10} {slot_ms / 1000:>5.0f} s"
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Network(Path(folder), count, slot_ms, peers_max)) as network,
    ):
        try:
            network.wait_until_connected()
        except TimeoutError as error:
            print(f"{name}   not measured: {error}", flush=True)
            return
        started = network.cpu_s()
        before, cpu, began = network.traffic(), network.cpu_s(), time.monotonic()
        try:
            blocks = observe(network, BLOCKS[slot_ms])
        except TimeoutError as error:
            print(f"{name}   not measured: {error}", flush=True)
            return
        seconds = time.monotonic() - began
        moved, used = network.traffic() - before, network.cpu_s() - cpu
        peers, memory = network.peers(), network.memory_mib()
    lags = sorted(block.final_s - block.imported_s for block in blocks)
    rounds = [block.rounds for block in blocks]
    each = moved / len(blocks) / peers / 1024
    print(
        f"{name} {len(blocks):>7} {statistics.median(lags):>8.2f} s {lags[-1]:>6.2f} s "
        f"{statistics.mean(rounds):>7.1f} {max(rounds):>4} {each:>9.1f} KiB {peers:>6} "
        f"{used / seconds:>6.1%} {started:>7.1f} s {memory:>5.0f} MiB",
        flush=True,
    )


def simulate(count: int) -> None:
    """The same voters where processors cost nothing and every message takes 5 to 60 ms."""
    lags: list[int] = []
    rounds: list[int] = []
    seen: dict[int, tuple[int, int]] = {}
    plan = Plan(
        seed=count,
        validators=count,
        in_set=count,
        length_ms=SIMULATED_MS,
        timing=timing_for(SLOT_MS),
    )
    with ideal_crypto(), tiny_runtime(Executions()):

        class Watched(World):
            def finalized(self, node: Validator, number: int) -> None:
                super().finalized(node, number)
                if node.index == 0:
                    round_ = node.voter.statistics().round
                    for height in [height for height in seen if height <= number]:
                        then, before = seen.pop(height)
                        lags.append(self.now - then)
                        rounds.append(max(1, round_ - before))

            def run_until(self, end: int) -> None:
                self._look()
                super().run_until(end)

            def _look(self) -> None:
                node = self.nodes[0]
                if node.is_up:
                    best = node.database.best().number
                    if best > self._best:
                        self._best = best
                        if best > node.database.finalized().number:
                            seen[best] = self.now, node.voter.statistics().round
                self.at(self.now + LOOK_MS, None, self._look)

            _best = 0

        world = Watched(plan).run()
    ordered = sorted(lags)
    print(
        f"{count:>10} {SLOT_MS / 1000:>5.0f} s {len(lags):>7} "
        f"{statistics.median(ordered) / 1000:>8.2f} s {ordered[-1] / 1000:>6.2f} s "
        f"{statistics.mean(rounds):>7.1f} {max(rounds):>4}   simulated, "
        f"{world.network.sent / world.checkers.highest / count / (count - 1):.1f} messages "
        "per block, peer",
        flush=True,
    )


def heal(split_s: float) -> None:
    with tempfile.TemporaryDirectory() as folder, switchboard(NAMES) as board:
        hosts = Hosts(Path(folder), board)
        try:
            hosts.start(*NAMES)
            hosts.until_final(3, HEAL_S)
            board.split(NAMES[2:])
            time.sleep(split_s)
            stopped = hosts.finals()
            begun = max(hosts.round(name) for name in NAMES)
            target = min(hosts.height(name) for name in NAMES)
            with hosts.subscribed("bob", "grandpa_subscribeJustifications") as justifications:
                board.split(())
                took = hosts.until_final(target, HEAL_S)
                rounds = hosts.rounds_to(target, begun, justifications)
            print(
                f"split for {split_s:.0f} s, {target - max(stopped.values())} blocks not final: "
                f"all final {took:.1f} s after healing, by round {rounds} after the one under way",
                flush=True,
            )
        finally:
            hosts.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the first network only")
    parser.add_argument("--only", type=int, help="networks of so many validators only")
    parser.add_argument("--peers", type=int, help="so many peers of each at most")
    options = parser.parse_args()
    quick, only = options.quick, options.only
    raise_on_signals()  # so that nobody is left running
    print(
        "validators    slot  blocks   lag: median    max  rounds  max  per block, peer  peers"
        "    cpu   start cpu    memory"
    )
    for count, slot_ms in NETWORKS[: 1 if quick else None]:
        if only in (None, count):
            measure(count, slot_ms, options.peers)
    for count in SIMULATED[: 1 if quick else None]:
        if only in (None, count):
            simulate(count)
    if only not in (None, len(NAMES)):
        return
    why = refusal()
    if why is not None:
        print(f"healing of a split network: not measured, as {why}")
        return
    for split_s in SPLITS_S[: 1 if quick else None]:
        heal(split_s)


if __name__ == "__main__":
    main()
