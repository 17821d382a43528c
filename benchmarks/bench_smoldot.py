"""npm's smoldot and a real node: how long until it is synced, on a short and on a long chain.

The chain is authored in this process and put on disk, with a voting key that changes; then a node
runs on it and smoldot meets it over TCP on this machine. The time is from the moment that smoldot
is given the chain spec (which it compiles and hashes) to its first final block, whose runtime it
has. With a checkpoint it begins at a final block that the node names; without, at block 0.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from chain_spec.presets import dev
from chain_spec.spec import ChainSpec
from node.genesis import genesis_state
from node.network.node_key import NodeKey
from pallets.system import System
from tests.conformance.environments.build import node_command
from tests.conformance.live import running
from tests.conformance.past import write_past
from tests.node.net import BOB

PORT = 31_390
ROUNDS = 3
FINALS = 3


def rows(blocks: int, rotations: int) -> None:
    """Measure a chain of this length."""
    key = f"0x{System.account.key(BOB.account_id).hex()}"
    with tempfile.TemporaryDirectory(prefix="cess-bench-") as directory:
        base = Path(directory)
        started = time.perf_counter()
        sets = write_past(base, blocks, rotations=rotations)
        authored = time.perf_counter() - started
        print(
            f"{blocks} blocks, {sets} changes of voters; authored in {authored:.0f} s", flush=True
        )
        peer = NodeKey.new()
        address = f"/ip4/127.0.0.1/tcp/{PORT}"
        spec = replace(
            dev().with_raw(genesis_state(dev())), boot_nodes=(f"{address}/p2p/{peer.peer_id}",)
        )
        spec.save(base / "block0.json")
        flags = ("--listen-addr", address, "--node-key", peer.seed.hex())
        with running(base, *flags) as node:
            made = node.ask("sync_state_genSyncSpec", True)
            ahead = ChainSpec.from_json(json.dumps({**made, "bootNodes": list(spec.boot_nodes)}))
            ahead.save(base / "checkpoint.json")
            for name in ("block0", "checkpoint"):
                times = []
                for _ in range(ROUNDS):
                    done = subprocess.run(
                        [
                            *node_command("smoldot.mjs"),
                            *(str(base / f"{name}.json"), key, f"0x{BOB.account_id.hex()}"),
                            str(FINALS),
                        ],
                        capture_output=True,
                        text=True,
                        check=True,
                    )
                    times.append(json.loads(done.stdout.splitlines()[-1])["syncedMs"])
                shown = ", ".join(f"{each} ms" for each in sorted(times))
                print(f"  from {name:<12} {shown}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, nargs="*", default=[100, 10_000])
    parser.add_argument("--rotations", type=int, default=8, help="changes of the voting key")
    given = parser.parse_args()
    for blocks in given.blocks:
        rows(blocks, min(given.rotations, max(0, blocks // 30 - 2)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
