"""The fragment store beside the bare system: scrub, taking fragments in, finding them again.

Fragments of 8 MiB on the disk that holds the temporary directory. Before each reading the system
is asked to forget the files, so that the disk's share shows; rates for one core count CPU time.
"""

import hashlib
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from primitives.types import FragmentHash
from storage_miner.config import SCRUB_BYTES_PER_S
from storage_miner.store import Volume
from storage_miner.store.files import drop_cached
from storage_miner.store.index import scan
from storage_miner.store.scrub import examine, pause_s

FRAGMENT_BYTES = 8 << 20
FRAGMENTS = 48
SMALL_FILES = 20_000
TURNS = 3
SCRUB_MB_MIN = 400
CHUNK_BYTES = 1 << 20


def least(work: Callable[[], object], clock: Callable[[], float], turns: int = TURNS) -> float:
    """The least seconds of several turns."""
    best = float("inf")
    for _ in range(turns):
        start = clock()
        work()
        best = min(best, clock() - start)
    return best


def fill(volume: Volume, fragments: list[bytes]) -> list[FragmentHash]:
    """Store fragments as the daemon does."""
    names = []
    for data in fragments:
        name = FragmentHash(hashlib.sha256(data).digest())
        upload = volume.begin(name, len(data))
        upload.write([data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)])
        upload.finish()
        names.append(name)
    return names


def write_bare(directory: Path, fragments: list[bytes]) -> None:
    """Hash, write and sync, and nothing else."""
    for number, data in enumerate(fragments):
        hashlib.sha256(data).digest()
        with (directory / f"bare-{number}").open("wb", buffering=0) as file:
            file.write(data)
            os.fsync(file.fileno())


def forget(paths: list[Path]) -> None:
    """Have the system forget the files' pages."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        drop_cached(descriptor)
        os.close(descriptor)


def read_bare(paths: list[Path]) -> None:
    """Read files in large pieces."""
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while file.read(4 << 20):
                pass


def scrubbing(volume: Volume, names: list[FragmentHash]) -> None:
    paths = [volume.layout.fragment(name) for name in names]
    total = len(names) * FRAGMENT_BYTES / 1e6
    data = paths[0].read_bytes()
    hashing = least(lambda: [hashlib.sha256(data) for _ in names], time.process_time)

    def scrub() -> None:
        for path, name in zip(paths, names, strict=True):
            assert examine(path, name).finding.value == "sound"

    def cold() -> None:
        forget(paths)
        read_bare(paths)

    reading = least(cold, time.perf_counter)
    cpu = least(scrub, time.process_time)
    wall = least(scrub, time.perf_counter)
    print(f"scrub, {total:.0f} MB in fragments of 8 MiB, pages forgotten before each")
    print(f"  SHA-256 bare, in memory      {total / hashing:>8.0f} MB/s of one core")
    print(f"  scrub                        {total / cpu:>8.0f} MB/s of one core")
    print(f"  reading the files bare       {total / reading:>8.0f} MB/s")
    print(f"  scrub                        {total / wall:>8.0f} MB/s by the clock")
    verdict = "met" if total / cpu >= SCRUB_MB_MIN else "below"
    print(f"  {total / cpu:.0f} MB/s of one core: {verdict} {SCRUB_MB_MIN}")


def serving(volume: Volume, names: list[FragmentHash]) -> None:
    """Fragments read as they are given out, alone and while the scrub goes at its usual rate."""
    paths = [volume.layout.fragment(name) for name in names]
    total = len(names) * FRAGMENT_BYTES / 1e6
    is_over = threading.Event()

    def scrub() -> None:
        while not is_over.is_set():
            for path, name in zip(paths, names, strict=True):
                examine(path, name)
                if is_over.wait(pause_s(FRAGMENT_BYTES, SCRUB_BYTES_PER_S)):
                    return

    def cold() -> None:
        forget(paths)
        read_bare(paths)

    alone = least(cold, time.perf_counter, 5)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(scrub)
        together = least(cold, time.perf_counter, 5)
        is_over.set()
    print(f"giving fragments out beside a scrub of {SCRUB_BYTES_PER_S >> 20} MiB/s")
    print(f"  alone                        {total / alone:>8.0f} MB/s")
    print(f"  beside the scrub             {total / together:>8.0f} MB/s   {alone / together:.0%}")


def taking_in(root: Path) -> None:
    fragments = [os.urandom(FRAGMENT_BYTES) for _ in range(12)]
    total = len(fragments) * FRAGMENT_BYTES / 1e6
    bare = root / "bare"
    bare.mkdir()
    best_store = best_bare = float("inf")
    for turn in range(TURNS):
        best_bare = min(best_bare, least(lambda: write_bare(bare, fragments), time.perf_counter, 1))
        with Volume(root / f"turn-{turn}", 1 << 30) as volume:
            taken = least(partial(fill, volume, fragments), time.perf_counter, 1)
            best_store = min(best_store, taken)
    print("taking fragments in: hashed, written, synced, named")
    print(f"  hash, write and sync bare    {total / best_bare:>8.0f} MB/s")
    print(f"  Upload                       {total / best_store:>8.0f} MB/s")
    print(f"  {best_bare / best_store:.0%} of bare")


def finding(root: Path) -> None:
    layout_root = root / "many"
    with Volume(layout_root, 1 << 30) as volume:
        layout = volume.layout
        for number in range(SMALL_FILES):
            path = layout.fragment(hashlib.sha256(number.to_bytes(4, "little")).digest())
            path.parent.mkdir(exist_ok=True)
            path.touch()
    seconds = least(lambda: scan(layout.fragments, layout.commitments), time.perf_counter)
    print(
        f"index rebuilt from {SMALL_FILES:,} fragments in {seconds:.2f} s: "
        f"{seconds / SMALL_FILES * 1e6:.0f} s for a million (8 TB), names in memory"
    )


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="cess-bench-store-") as folder:
        root = Path(folder)
        with Volume(root / "data", 4 << 30) as volume:
            names = fill(volume, [os.urandom(FRAGMENT_BYTES) for _ in range(FRAGMENTS)])
            scrubbing(volume, names)
            serving(volume, names)
        taking_in(root)
        finding(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
