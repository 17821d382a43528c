"""Synchronising a fresh node: every block, or from a proof; and what blocks cost on the wire.

One process plays all nodes over a network in memory, so the figures have the chain, the codecs, the
proofs and the database in them, and neither sockets nor their encryption. The chain has one
validator, who changes its voting key now and then, and a transfer in every tenth block. The fresh
node keeps its database on disk. Processor time is that of both sides; `disk` is how long synced
writes took, and how many there were. `live` is four followers of an author, each connected with
all: the bytes that the author sends and the followers send each other, for each block and follower.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import trio

from node.consensus.set_changes import set_change_blocks
from node.database import LevelDb
from node.database.kv import Batch
from node.sync import bootstrap
from node.sync.bootstrap import SyncMode
from tests.node.net import ALICE_GRANDPA, Net, dev_state, new_net
from tests.node.sync.chains import VOTERS, Peer, rotate, running

BLOCKS = 10_000
ROTATE_BLOCKS = 900
LIVE_BLOCKS = 100
FOLLOWERS = 4


@dataclass(frozen=True, slots=True)
class Synced:
    """What a synchronisation took; ``history_seconds`` up to the last of the old blocks."""

    seconds: float
    cpu_seconds: float
    disk_seconds: float
    write_count: int
    sent_bytes: int
    history_seconds: float


class TimedDisk(LevelDb):
    """A store that knows how long its synced writes took."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.write_count = 0
        self.write_seconds = 0.0

    def write(self, batch: Batch, *, sync: bool) -> None:
        started = time.perf_counter()
        super().write(batch, sync=sync)
        self.write_seconds += time.perf_counter() - started
        self.write_count += 1


def source(length: int) -> tuple[Net, float]:
    """A chain of this length, and how long authoring it took."""
    net = new_net(keys=(ALICE_GRANDPA, *VOTERS))
    started = time.perf_counter()
    for number in range(length):
        extrinsics = [net.transfer()] if number % 10 == 5 else []
        if number % ROTATE_BLOCKS == 1:
            extrinsics.append(rotate(net, VOTERS[number // ROTATE_BLOCKS % len(VOTERS)]))
        net.author(*extrinsics)
    return net, time.perf_counter() - started


def sync(net: Net, mode: SyncMode, sources: int) -> Synced:
    """Synchronise a fresh node with so many that have the chain."""
    length = net.chain.database.best().number
    peers = [Peer(f"source{at}", net=net) for at in range(sources)]
    found: list[Synced] = []

    async def script(fresh: Peer, disk: TimedDisk) -> None:
        async with running(*peers, fresh):
            started, cpu = time.perf_counter(), time.process_time()
            before = disk.write_seconds, disk.write_count
            await fresh.until(lambda: fresh.database.settled_best().number >= length, 3600)
            seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
            disk_seconds, writes = disk.write_seconds - before[0], disk.write_count - before[1]
            if mode is SyncMode.FAST:
                await fresh.until(lambda: fresh.database.gap() is None, 3600)
            history = time.perf_counter() - started
            sent = sum(peer.network.sent_bytes for peer in peers)
            found.append(Synced(seconds, cpu, disk_seconds, writes, sent, history))

    with tempfile.TemporaryDirectory(prefix="cess-bench-") as directory:
        disk = TimedDisk(Path(directory) / "db")
        trio.run(script, Peer("fresh", kv=disk, mode=mode), disk)
        disk.close()
    return found[0]


def live(net: Net) -> float:
    """Bytes for each new block and follower."""
    author = Peer("author", net=net)
    followers = [Peer(f"follower{at}", mode=SyncMode.WARP) for at in range(FOLLOWERS)]
    sent: list[int] = []

    async def script() -> None:
        peers = (author, *followers)
        async with running(*peers):
            for follower in followers:
                await follower.until_best(net.chain.database.best().number)
            before = sum(peer.network.sent_bytes for peer in peers)
            for _ in range(LIVE_BLOCKS):
                _, imported = net.author()
                author.announcements.tell_imported(imported)
                for follower in followers:
                    await follower.until_best(int(imported.header.number))
            await trio.sleep(0.1)
            sent.append(sum(peer.network.sent_bytes for peer in peers) - before)

    trio.run(script)
    return sent[0] / (LIVE_BLOCKS * FOLLOWERS)


def row(name: str, *cells: str) -> None:
    print(f"{name:<34}" + "".join(f"{cell:>20}" for cell in cells), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=BLOCKS, help="length of the chain")
    blocks = parser.parse_args().blocks
    bootstrap.PEERS_WAIT_S = 0.01  # type: ignore[misc]
    dev_state()  # which a node finds made, and takes a second here
    net, authored = source(blocks)
    changes = len(set_change_blocks(net.chain.database))
    row("chain", f"{blocks} blocks", f"{changes} voter sets", f"{blocks / authored:.0f} authored/s")
    for sources in (1, 3):
        done = sync(net, SyncMode.FULL, sources)
        row(
            f"full sync from {sources}",
            f"{done.seconds:.1f} s",
            f"{blocks / done.seconds:.0f} blocks/s",
            f"{done.cpu_seconds * 1000 / blocks:.1f} ms CPU/block",
            f"{done.sent_bytes / blocks:.0f} B/block",
        )
        row(
            "  of it disk",
            f"{done.disk_seconds:.1f} s",
            f"{done.write_count} writes",
            f"{done.disk_seconds * 1000 / blocks:.2f} ms/block",
            f"{100 * done.disk_seconds / done.seconds:.0f} %",
        )
    done = sync(net, SyncMode.WARP, 1)
    row("warp sync", f"{done.seconds:.2f} s", f"{done.sent_bytes / 1024:.0f} KiB")
    done = sync(net, SyncMode.FAST, 1)
    row(
        "fast sync: head, history",
        f"{done.seconds:.2f} s",
        f"{done.history_seconds:.1f} s",
        f"{done.sent_bytes / blocks:.0f} B/block",
    )
    row(f"live, {FOLLOWERS} followers", f"{live(net):.0f} B/block/peer")
    return 0


if __name__ == "__main__":
    sys.exit(main())
