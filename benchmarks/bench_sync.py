"""Synchronising a fresh node: every block, or from a proof; and what blocks cost on the wire.

One process plays all nodes over a network in memory, so the figures have the chain, the codecs, the
proofs and the database in them, and neither sockets nor their encryption. The chain has one
validator, who changes its voting key now and then, and a transfer in every tenth block. The fresh
node keeps its database on disk. `live` is four followers of an author, each connected with all: the
bytes that the author sends and the followers send each other, for each block and follower.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import trio

from node.consensus.set_changes import set_change_blocks
from node.database import LevelDb
from node.sync import bootstrap
from node.sync.bootstrap import SyncMode
from tests.node.net import ALICE_GRANDPA, Net, new_net
from tests.node.sync.chains import VOTERS, Peer, rotate, running

BLOCKS = 10_000
ROTATE_BLOCKS = 900
LIVE_BLOCKS = 100
FOLLOWERS = 4


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


def sync(net: Net, mode: SyncMode, sources: int) -> tuple[float, int, float]:
    """Seconds to the head, bytes that the sources sent, seconds to the whole history."""
    length = net.chain.database.best().number
    peers = [Peer(f"source{at}", net=net) for at in range(sources)]
    seconds: list[float] = []

    async def script(fresh: Peer) -> None:
        async with running(*peers, fresh):
            started = time.perf_counter()
            await fresh.until(lambda: fresh.database.best().number >= length, 3600)
            seconds.append(time.perf_counter() - started)
            if mode is SyncMode.FAST:
                await fresh.until(lambda: fresh.database.gap() is None, 3600)
            seconds.append(time.perf_counter() - started)

    with tempfile.TemporaryDirectory(prefix="cess-bench-") as directory:
        fresh = Peer("fresh", kv=LevelDb(Path(directory) / "db"), mode=mode)
        trio.run(script, fresh)
        fresh.kv.close()
    return seconds[0], sum(peer.network.sent_bytes for peer in peers), seconds[1]


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
    net, authored = source(blocks)
    changes = len(set_change_blocks(net.chain.database))
    row("chain", f"{blocks} blocks", f"{changes} voter sets", f"{blocks / authored:.0f} authored/s")
    for sources in (1, 3):
        cpu = time.process_time()
        took, sent, _ = sync(net, SyncMode.FULL, sources)
        cpu = time.process_time() - cpu
        rate, each = f"{blocks / took:.0f} blocks/s", f"{sent / blocks:.0f} B/block"
        row(
            f"full sync from {sources}",
            f"{took:.1f} s",
            rate,
            f"{cpu * 1000 / blocks:.1f} ms CPU/block",
            each,
        )
    took, sent, _ = sync(net, SyncMode.WARP, 1)
    row("warp sync", f"{took:.2f} s", f"{sent / 1024:.0f} KiB")
    took, sent, history = sync(net, SyncMode.FAST, 1)
    row(
        "fast sync: head, history",
        f"{took:.2f} s",
        f"{history:.1f} s",
        f"{sent / blocks:.0f} B/block",
    )
    row(f"live, {FOLLOWERS} followers", f"{live(net):.0f} B/block/peer")
    return 0


if __name__ == "__main__":
    sys.exit(main())
