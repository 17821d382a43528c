"""A file through a whole network: `put` and `get` of 64 MiB, the share of each stage, and memory.

Starts a development network of one validator and twelve miners as ordinary processes, stores random
bytes and reads them back, beside the same bytes copied from file to file with one fsync. What makes
`put` slow is the commitments: every fragment is committed to once, 52 ms of a core for each 124 KiB
row. `--mib N` stores another size.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import anyio
import psutil

from client.chain import ChainClient
from client.devnet import Devnet, DevnetPlan, free_port
from client.storing import FRAGMENTS, store_file
from client.transfer.fetch import fetch_file, open_stored
from client.transfer.http import HolderHttp
from client.vault.keys import VaultKey
from pallets.storage_handler import StorageHandler
from pallets.storage_handler.types import TerrName
from primitives.crypto.keys import KeyPair
from primitives.scale import U32
from proofs.pois.params import plot_bytes

MIB = 1 << 20
SEGMENT_BYTES = 4 * MIB
FRAGMENT_BYTES = MIB
PLOT_K = 18
MINERS = 12
CHUNK = 4 * MIB


def copy_seconds(source: Path, target: Path) -> float:
    """The physical limit of this file system: read, write, fsync."""
    began = time.perf_counter()
    with source.open("rb") as reader, target.open("wb") as writer:
        while chunk := reader.read(CHUNK):
            writer.write(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    return time.perf_counter() - began


def resident_mib(pid: int) -> tuple[float, float]:
    """Resident memory of a process, and of it with its workers."""
    process = psutil.Process(pid)
    own = process.memory_info().rss
    below = sum(child.memory_info().rss for child in process.children(recursive=True))
    return own / MIB, (own + below) / MIB


async def measure(network: Devnet, work: Path, back: Path) -> None:
    alice = KeyPair.from_suri("//Alice")
    size = work.stat().st_size
    marks: list[tuple[str, float]] = []

    def report(stage: str, _done: int, _total: int) -> None:
        if not marks or marks[-1][0] != stage:
            marks.append((stage, time.perf_counter()))

    async with ChainClient.open(network.rpc) as chain, HolderHttp.open() as holders:
        segments = size // SEGMENT_BYTES + 2
        # Miners certify their plots in batches; what a lease takes must be there first.
        while await chain.read(StorageHandler.total_idle_space) < MINERS * segments * MIB:
            await anyio.sleep(1)
        unit = int(await chain.constant("StorageHandler", "SpaceUnitBytes"))
        call = chain.call(
            StorageHandler.mint_territory,
            gib_count=U32(-(-FRAGMENTS * FRAGMENT_BYTES * segments // unit)),
            territory_name=TerrName(b"default"),
            days=U32(30),
        )
        await chain.submit(call, alice)
        began = time.perf_counter()
        receipt = await store_file(
            chain,
            holders,
            work,
            alice,
            territory="default",
            is_public=False,
            spool=back.with_name("uploads"),
            report=report,
        )
        stored_at = time.perf_counter()
        memory = {
            kind: [resident_mib(member["pid"]) for member in network.document()[kind]]
            for kind in ("validators", "miners")
        }
        source = await open_stored(chain, holders, receipt.prepared.fid)
        fetching = time.perf_counter()
        await fetch_file(source, back, key=VaultKey.of(alice))
        fetched = time.perf_counter() - fetching
    put = stored_at - began
    copied = copy_seconds(work, back.with_name("copy"))
    mib = size / MIB
    print(f"{mib:.0f} MiB on one validator and {MINERS} miners, {os.cpu_count()} cores for all.\n")
    print(f"{'':10}{'seconds':>10}{'MiB/s':>10}{'of a plain copy':>18}")
    for name, seconds in (("put", put), ("get", fetched), ("copy", copied)):
        print(f"{name:10}{seconds:>10.2f}{mib / seconds:>10.1f}{copied / seconds:>17.1%}")
    print(f"\n{'stage of put':40}{'seconds':>10}{'share':>8}")
    times = dict(marks)
    prepared, placing = times.get("placing", stored_at), stored_at
    sealed_to = times["preparing"]
    rows = [
        ("looking at the chain", sealed_to - began),
        ("sealing, coding, hashing, declaring", prepared - sealed_to),
        ("sending, committing, checking, reporting", placing - prepared),
    ]
    for name, seconds in rows:
        print(f"{name:40}{seconds:>10.2f}{seconds / put:>8.1%}")
    print(f"\n{'resident memory, MiB':30}{'goal':>8}{'alone':>8}{'with workers':>14}")
    for kind, goal in (("validators", 300), ("miners", 150)):
        alone = max(item[0] for item in memory[kind])
        whole = max(item[1] for item in memory[kind])
        print(f"{'largest of the ' + kind:30}{goal:>8}{alone:>8.0f}{whole:>14.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=64)
    mib = parser.parse_args().mib
    segments = -(-mib * MIB // SEGMENT_BYTES) + 1
    plots = -(-(segments + 1) * FRAGMENT_BYTES // plot_bytes(PLOT_K)) + 1
    with tempfile.TemporaryDirectory(prefix="cess-bench-") as name:
        directory = Path(name)
        work = directory / "work"
        with work.open("wb") as file:
            for _ in range(mib):
                file.write(os.urandom(MIB))
        plan = DevnetPlan(
            base_path=directory / "network",
            miners=MINERS,
            rpc_port=free_port(19_944),
            idle_plots=plots,
        )
        network = Devnet(plan, lambda _: None)
        network.start()
        with network:
            anyio.run(measure, network, work, directory / "back", backend="trio")
            assert work.read_bytes() == (directory / "back").read_bytes()


if __name__ == "__main__":
    main()
