"""The service proof: committing, proving and verifying, beside the libraries called bare.

CPU time of one process throughout (`process_time`), best of several turns; the ways that are
compared take turns, so that a busy machine slows them alike. Thousands of commitments come from
rows with one value in every element, whose commitment is that value times G: verifying them costs
what any others cost, and making them does not take an hour. Exactly one row of each claim is real.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import ckzg
from py_arkworks_bls12381 import G1Point, Scalar

from primitives.scale import encode
from proofs.podr2 import verify as verify_module
from proofs.podr2.challenge import coefficients, evaluation_point
from proofs.podr2.commit import commit_fragment
from proofs.podr2.fixed_base import AFFINE_BYTES, WINDOWS, make_fixed_base
from proofs.podr2.params import FIELD_ELEMENTS, ROW_BYTES, SCALAR_MODULUS
from proofs.podr2.prove import prove, prove_elements
from proofs.podr2.quick import commit_fragment_quickly, lagrange_points, prove_quickly
from proofs.podr2.rows import blob_of_row, combine, split_rows
from proofs.podr2.setup import prover_setup
from proofs.podr2.verify import Claim, verify, verify_batch

FRAGMENT_BYTES = 8 << 20
ROUND_ROWS = 460
COMMIT_ROWS = 12
TURNS = 3
TABLE_BYTES = (WINDOWS + 1) * FIELD_ELEMENTS * AFFINE_BYTES
SHARE_MIN = 1.5


def cpu(work: Callable[[], object], turns: int = TURNS) -> float:
    """The least CPU seconds of several turns."""
    least = float("inf")
    for _ in range(turns):
        start = time.process_time()
        work()
        least = min(least, time.process_time() - start)
    return least


def committing() -> None:
    fragment = os.urandom(COMMIT_ROWS * ROW_BYTES)
    start = time.process_time()
    setup = prover_setup()
    load_s = time.process_time() - start
    start = time.process_time()
    make_fixed_base()
    load_tables_s = time.process_time() - start
    start = time.process_time()
    points = lagrange_points()
    load_quick_s = time.process_time() - start
    blobs = [blob_of_row(row) for row in split_rows(fragment)]
    scalars = [
        Scalar(int.from_bytes(blobs[0][at : at + 32], "big")) for at in range(0, len(blobs[0]), 32)
    ]
    ways: dict[str, tuple[int, Callable[[], object]]] = {
        "ckzg, bare calls on blobs": (
            COMMIT_ROWS,
            lambda: [ckzg.blob_to_kzg_commitment(blob, setup) for blob in blobs],
        ),
        "commit_fragment (tables)": (COMMIT_ROWS, lambda: commit_fragment(fragment)),
        "arkworks, bare multiexp": (1, lambda: G1Point.multiexp_unchecked(points, scalars)),
        "commit_fragment_quickly": (2, lambda: commit_fragment_quickly(fragment[: 2 * ROW_BYTES])),
    }
    least = dict.fromkeys(ways, float("inf"))
    for _ in range(TURNS):
        for name, (rows, work) in ways.items():
            least[name] = min(least[name], cpu(work, 1) / rows)
    bare = least["ckzg, bare calls on blobs"]
    elements = [int.from_bytes(blobs[0][at : at + 32], "big") for at in range(0, len(blobs[0]), 32)]
    z = evaluation_point(bytes(32))
    z_bytes = z.to_bytes(32, "big")
    opened = {"ckzg": float("inf"), "ours": float("inf")}
    for _ in range(TURNS):
        bare_opening = cpu(lambda: ckzg.compute_kzg_proof(blobs[0], z_bytes, setup), 1)
        opened["ckzg"] = min(opened["ckzg"], bare_opening)
        opened["ours"] = min(opened["ours"], cpu(lambda: prove_elements(elements, z), 1))
    print(
        f"commit, one core (setup: ckzg {load_s:.2f} s, tables {load_tables_s:.2f} s and"
        f" {TABLE_BYTES / 1e6:.1f} MB, arkworks {load_quick_s:.2f} s, once)"
    )
    for name, seconds in least.items():
        print(
            f"  {name:<28} {ROW_BYTES / 1e6 / seconds:>6.2f} MB/s   {seconds * 1e3:>6.1f} ms a row"
            f"   {bare / seconds:>7.1%} of bare ckzg"
        )
    share = bare / least["commit_fragment (tables)"]
    print(f"  {share:.2f} times bare ckzg: {'met' if share >= SHARE_MIN else 'below'} {SHARE_MIN}")
    print(
        f"open 4096 elements: ckzg {opened['ckzg'] * 1e3:.1f} ms,"
        f" tables {opened['ours'] * 1e3:.1f} ms,"
        f" {opened['ckzg'] / opened['ours']:.2f} times bare ckzg"
    )


# Committing on all cores. Work of a process is found by its name, so it stands at the module's top.


def commit_by_tables(row: bytes) -> None:
    """What a worker of a miner does for each row."""
    commit_fragment(row)


def commit_by_ckzg(row: bytes) -> None:
    """`ckzg` called bare."""
    ckzg.blob_to_kzg_commitment(blob_of_row(row), prover_setup())


def sum_by_arkworks(row: bytes) -> None:
    """The same sum by arkworks."""
    commit_fragment_quickly(row)


WAYS: dict[str, Callable[[bytes], None]] = {
    "tables": commit_by_tables,
    "ckzg": commit_by_ckzg,
    "arkworks": sum_by_arkworks,
}


def waited(pool: Executor, work: Callable[[bytes], None], rows: list[bytes]) -> float:
    """Seconds by the clock, after every worker has loaded what it needs."""
    list(pool.map(work, rows))
    start = time.perf_counter()
    list(pool.map(work, rows))
    return time.perf_counter() - start


def scaling() -> None:
    """MB/s by the clock: one core, and all of them by processes and by threads of one process."""
    cores = len(os.sched_getaffinity(0))
    rows = [os.urandom(ROW_BYTES) for _ in range(COMMIT_ROWS)]
    print(f"commit, {cores} cores, MB/s by the clock (times one core)")
    rates: dict[str, float] = {}
    for name, work in WAYS.items():
        speeds = []
        pools: list[tuple[int, Executor]] = [
            (1, ProcessPoolExecutor(1, get_context("spawn"))),
            (cores, ProcessPoolExecutor(cores, get_context("spawn"))),
            (cores, ThreadPoolExecutor(cores)),
        ]
        for workers, pool in pools:
            with pool:
                seconds = waited(pool, work, rows * workers)
            speeds.append(workers * COMMIT_ROWS * ROW_BYTES / 1e6 / seconds)
        one, processes, threads = speeds
        print(
            f"  {name:<10} one {one:>6.2f}   processes {processes:>6.2f} ({processes / one:.2f})"
            f"   threads {threads:>6.2f} ({threads / one:.2f})",
            flush=True,
        )
        rates[name] = max(processes, threads)
    print(
        f"  all cores: tables {rates['tables'] / rates['ckzg']:.2f} times ckzg,"
        f" {rates['tables'] / rates['arkworks']:.2f} times arkworks"
    )


def rows_of(path: Path, count: int) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        for index in range(count):
            file.seek(index * ROW_BYTES)
            yield file.read(ROW_BYTES)


def proving() -> None:
    seed = bytes(32)
    weights, z = coefficients(seed, ROUND_ROWS), evaluation_point(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows"
        with path.open("wb") as file:
            for _ in range(ROUND_ROWS):
                file.write(os.urandom(ROW_BYTES))
        reading = cpu(lambda: sum(len(row) for row in rows_of(path, ROUND_ROWS)))
        rows = list(rows_of(path, ROUND_ROWS))
        combining = cpu(lambda: combine(rows, weights))
        elements = combine(rows, weights)
        opening = cpu(lambda: prove_elements(elements, z))
        whole = cpu(lambda: prove(rows_of(path, ROUND_ROWS), weights, z))
        quick = cpu(lambda: prove_quickly(rows_of(path, ROUND_ROWS), weights, z), 1)
    print(f"prove {ROUND_ROWS} rows ({ROUND_ROWS * ROW_BYTES / 1e6:.0f} MB, in the page cache)")
    for name, seconds in (
        ("reading", reading),
        ("combining", combining),
        ("opening", opening),
        ("prove, all of it", whole),
        ("prove_quickly, all of it", quick),
    ):
        print(f"  {name:<28} {seconds * 1e3:>8.1f} ms   {seconds / whole:>7.1%}")


REAL_ROW = os.urandom(ROW_BYTES)


def made_points() -> Iterator[bytes]:
    """Compressed multiples of G: 1·G, 2·G, and so on."""
    point = G1Point()
    while True:
        yield point.to_compressed_bytes()
        point += G1Point()


def claim(count: int, first: int, points: list[bytes]) -> Claim:
    """A real row and `count - 1` rows that hold first, first + 1, … in every element."""
    seed = first.to_bytes(32, "little")
    weights, z = coefficients(seed, count), evaluation_point(seed)
    constant = sum(weight * (first + index) for index, weight in enumerate(weights[1:], 0))
    elements = [
        (element + constant) % SCALAR_MODULUS for element in combine([REAL_ROW], weights[:1])
    ]
    assert len(elements) == FIELD_ELEMENTS
    (real,) = commit_fragment(REAL_ROW)
    return Claim(
        [real, *points[first - 1 : first + count - 2]], weights, z, prove_elements(elements, z)
    )


def cold(work: Callable[[], object]) -> float:
    verify_module._decode.cache_clear()
    return cpu(work, 1)


def verifying() -> None:
    points = list(islice(made_points(), 50_000))
    print("verify one proof")
    for count in (1, 100, 460, 1_000, 10_000):
        made = claim(count, 1, points)
        first = min(cold(lambda made=made: verify(*made)) for _ in range(2))
        again = cpu(lambda made=made: verify(*made))
        size = len(encode(type(made.proof), made.proof))
        print(
            f"  {count:>6,} rows   {first * 1e3:>9.1f} ms cold   {again * 1e3:>8.1f} ms with points"
            f" kept   proof {size} bytes"
        )
    print(f"verify one round ({ROUND_ROWS} rows at most, fragments of 8 MiB)")
    for fragments in (1, 100, 1_000):
        count = min(ROUND_ROWS, fragments * -(-FRAGMENT_BYTES // ROW_BYTES))
        made = claim(count, 1, points)
        first = min(cold(lambda made=made: verify(*made)) for _ in range(2))
        size = len(encode(type(made.proof), made.proof))
        print(
            f"  {fragments:>6,} fragments   {count:>4} rows   {first * 1e3:>6.1f} ms cold"
            f"   proof {size} bytes"
        )
    print(f"verify the rounds of many miners, {ROUND_ROWS} rows each, no point known")
    made_claims = [claim(ROUND_ROWS, 1 + index * ROUND_ROWS, points) for index in range(100)]
    for miners in (1, 10, 100):
        claims = made_claims[:miners]
        together = cold(lambda claims=claims: verify_batch(claims))
        alone = cold(lambda claims=claims: [verify(*made) for made in claims])
        print(
            f"  {miners:>6} miners   batch {together * 1e3:>8.1f} ms   one by one"
            f" {alone * 1e3:>8.1f} ms   {together / miners * 1e3:>6.2f} ms a miner in the batch"
        )
    few = [claim(4, 1 + index * 4, points) for index in range(100)]
    verify_batch(few)
    together = cpu(lambda: verify_batch(few))
    alone = cpu(lambda: [verify(*made) for made in few])
    print(
        f"     100 miners of 4 rows, points kept   batch {together * 1e3:.1f} ms   one by one"
        f" {alone * 1e3:.1f} ms   {alone / together:.1f} times faster"
    )


def main() -> int:
    chosen = sys.argv[1:]
    for section in (committing, scaling, proving, verifying):
        if not chosen or section.__name__ in chosen:
            section()
    return 0


if __name__ == "__main__":
    sys.exit(main())
