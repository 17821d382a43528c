"""State updates and reads: what a block costs as the state grows.

Each state lies in LevelDB on disk; a block changes random accounts of 80 bytes and is written by
one synced batch, with finality and pruning right behind it. `--large` adds 10^5 and 10^6 keys.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from node.database import ChainDatabase, LevelDb
from primitives.digest import Digest
from primitives.hashing import blake2_128_concat, twox_128
from primitives.header import Header
from primitives.trie import EMPTY, EMPTY_ROOT, MemoryNodes, Trie
from primitives.types import BlockNumber, Hash

VALUE_BYTES = 80
BLOCKS = 20
CHANGES = (10, 100, 1_000)
READS = 5_000
PREFIX = twox_128(b"System") + twox_128(b"Account")


def account_key(index: int) -> bytes:
    return PREFIX + blake2_128_concat(index.to_bytes(32, "little"))


def best_of(times: int, work: Callable[[], object]) -> float:
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


class Bench:
    def __init__(self, keys: int, folder: Path) -> None:
        self.rng = random.Random(keys)
        self.count = keys
        state = {account_key(index): self.rng.randbytes(VALUE_BYTES) for index in range(keys)}
        self.database = ChainDatabase(LevelDb(folder), state_pruning=4)
        start = time.perf_counter()
        nodes = MemoryNodes()
        root = Hash(Trie(nodes, EMPTY).update(state, nodes.allocate).root.merkle)
        self.root_s = time.perf_counter() - start
        del nodes
        start = time.perf_counter()
        self.database.initialise(self.header(Hash(bytes(32)), 0, root), state)
        self.genesis_s = time.perf_counter() - start

    def header(self, parent: Hash, number: int, root: Hash) -> Header:
        return Header(parent, BlockNumber(number), root, EMPTY_ROOT, Digest(()))

    def key(self) -> bytes:
        return account_key(self.rng.randrange(self.count))

    def block(self, changes: int) -> tuple[float, float]:
        database, best = self.database, self.database.best()
        update = {self.key(): self.rng.randbytes(VALUE_BYTES) for _ in range(changes)}
        start = time.perf_counter()
        state = database.prepare(best.hash, update)
        prepared = time.perf_counter()
        made = self.header(best.hash, best.number + 1, state.root)
        database.import_block(made, (), state, is_best=True)
        database.finalize(made.hash(), None)
        return prepared - start, time.perf_counter() - prepared

    def reads(self) -> float:
        snapshot = self.database.state_at(self.database.best().hash)
        keys = [self.key() for _ in range(READS)]
        start = time.perf_counter()
        for key in keys:
            snapshot.get(key)
        return READS / (time.perf_counter() - start)

    def run(self) -> None:
        print(
            f"{self.count:>9,} keys   root {self.root_s:.2f} s   genesis on disk "
            f"{self.genesis_s:.2f} s   cold reads {self.reads():>9,.0f} /s"
        )
        for changes in CHANGES:
            times = [self.block(changes) for _ in range(BLOCKS)]
            update_s = median([one for one, _ in times])
            write_s = median([one for _, one in times])
            print(
                f"{'':>14}   {changes:>5,} changes   update {update_s * 1e3:7.2f} ms "
                f"({changes / update_s:>7,.0f} /s)   write and prune {write_s * 1e3:7.2f} ms"
            )
        print(f"{'':>14}   warm reads {self.reads():>9,.0f} /s", flush=True)
        self.database.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="also 10^5 and 10^6 keys (minutes)")
    sizes = [1_000, 10_000]
    if parser.parse_args().large:
        sizes += [100_000, 1_000_000]
    for keys in sizes:
        with tempfile.TemporaryDirectory() as folder:
            Bench(keys, Path(folder) / "db").run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
