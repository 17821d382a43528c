"""Idle plots at k = 18: making, opening, proving and verifying, beside `chiapos` called bare.

Plotting runs in a child process in both cases and is measured by the child's CPU time; the rest is
CPU time of this process, best of several turns in which the ways take turns. The estimate is pure
integers. Everything lies in a temporary directory, in the page cache.

`python -m benchmarks.bench_pois 18 24` measures the answer rates of other k instead, with one plot
of each and what it prints of its last table. 24 takes 90 s of CPU, 28 half an hour.
"""

import hashlib
import math
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from chiapos import DiskProver, Verifier

import proofs.pois.plotter
from proofs.pois.challenge import idle_draws, plot_seed
from proofs.pois.params import RATE_BITS, answer_rate, plot_bytes
from proofs.pois.plot import BUFFER_MIB_MIN, PlotFile, create_plot
from proofs.pois.verify import estimate_bytes, verify_answers

K = 18
DRAWS = 256
TURNS = 5
CHALLENGES = 1500
PLOTTER = Path(proofs.pois.plotter.__file__)
GENESIS, MINER = bytes(32), b"\1" * 32
SEED = hashlib.sha256(b"round").digest()
BARE = (
    "import sys, chiapos; d = sys.argv[1]; "
    "chiapos.DiskPlotter().create_plot_disk(d, d, d, 'bare.plot', int(sys.argv[2]), b'', "
    "bytes.fromhex(sys.argv[3]), 64, 0, 2048, 1, False)"
)

Work = Callable[[], object]


def children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compare(title: str, unit: int, bare: tuple[str, Work], ours: tuple[str, Work]) -> None:
    """Two ways to do the same, in turns. Units: CPU milliseconds for one of `unit`."""
    least = {bare[0]: float("inf"), ours[0]: float("inf")}
    for _ in range(TURNS):
        for name, work in (bare, ours):
            start = time.process_time()
            work()
            least[name] = min(least[name], time.process_time() - start)
    print(title)
    for name, seconds in least.items():
        print(
            f"  {name:<36} {seconds / unit * 1e3:>8.3f} ms   {least[bare[0]] / seconds:>7.1%} of"
            " bare chiapos"
        )


def plotting(root: Path, seed: bytes) -> Path:
    bare = root / "bare"
    bare.mkdir()
    start, before = time.perf_counter(), children_cpu()
    subprocess.run(
        [sys.executable, "-c", BARE, str(bare), str(K), seed.hex()],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    bare_cpu, bare_wall = children_cpu() - before, time.perf_counter() - start
    start, before, own = time.perf_counter(), children_cpu(), time.process_time()
    made = create_plot(root / "plots", root / "temp", seed, K)
    cpu = children_cpu() - before + time.process_time() - own
    wall = time.perf_counter() - start
    size = made.stat().st_size
    print(f"plot, k = {K}: {size:,} bytes ({size / plot_bytes(K):.1%} of the credited size)")
    for name, used, waited in (
        ("chiapos in a process", bare_cpu, bare_wall),
        ("create_plot, synced and checksummed", cpu, wall),
    ):
        print(
            f"  {name:<36} {used:>8.2f} s of CPU   {waited:>6.2f} s waited"
            f"   {plot_bytes(K) / 1e6 / used:>6.2f} MB/s   {bare_cpu / used:>7.1%} of bare chiapos"
        )
    return made


def answering(path: Path, seed: bytes) -> None:
    asked = idle_draws(SEED, 0, 1, DRAWS)
    compare(
        "open a plot",
        1,
        ("chiapos, DiskProver", lambda: DiskProver(str(path))),
        ("PlotFile (header and trailer)", lambda: PlotFile(path)),
    )

    def bare_proofs() -> list[bytes]:
        found = []
        for draw in asked:
            prover = DiskProver(str(path))
            if prover.get_qualities_for_challenge(draw.challenge):
                found.append(prover.get_full_proof(draw.challenge, 0, False))
        return found

    plot = PlotFile(path)
    compare(
        f"answer a draw ({DRAWS} draws, proofs of ours are verified)",
        DRAWS,
        ("chiapos", bare_proofs),
        ("PlotFile.prove", lambda: [plot.prove(draw.challenge) for draw in asked]),
    )
    answers = [
        (draw.t, proof) for draw in asked if (proof := plot.prove(draw.challenge)) is not None
    ]
    verifier = Verifier()
    compare(
        f"verify an answer ({len(answers)} answers to {DRAWS} draws)",
        len(answers),
        (
            "chiapos, Verifier",
            lambda: [
                verifier.validate_proof(seed, K, asked[t].challenge, proof) for t, proof in answers
            ],
        ),
        (
            "verify_answers",
            lambda: verify_answers(GENESIS, MINER, K, SEED, 0, 1, DRAWS, answers),
        ),
    )
    start = time.process_time()
    for _ in range(1000):
        estimate_bytes(len(answers), DRAWS, 1, K)
    print(f"estimate {(time.process_time() - start) * 1e3:>45.1f} µs")
    checked = min(timed(plot.check) for _ in range(TURNS))
    print(f"read and hash a whole plot {os.stat(path).st_size / 1e6 / checked:>25,.0f} MB/s")


def timed(work: Work) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def calibrating(k: int) -> None:
    """One plot's proofs for each challenge, beside the rate that the chain counts with."""
    seed = plot_seed(GENESIS, MINER, 0, k)
    with tempfile.TemporaryDirectory() as folder:
        name, before = f"k{k}.plot", children_cpu()
        buffer_mib = max(BUFFER_MIB_MIN, 1 << max(0, k - 21))
        numbers = [str(k), seed.hex(), "1", str(buffer_mib)]
        printed = subprocess.run(
            [sys.executable, "-P", str(PLOTTER), folder, name, *numbers],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        entries = int(re.findall(r"Total matches: (\d+)", printed)[-1])
        prover = DiskProver(str(Path(folder) / name))
        found = [
            len(prover.get_qualities_for_challenge(hashlib.sha256(b"%d" % index).digest()))
            for index in range(CHALLENGES)
        ]
    rate = answer_rate(k) / 2**RATE_BITS
    answered = sum(1 for count in found if count) / CHALLENGES
    print(
        f"  k = {k}: last table {entries / 2**k:.4f} of 2^k (rate {rate:.4f}),"
        f" {sum(found) / CHALLENGES:.3f} proofs a challenge, {answered:.1%} of {CHALLENGES}"
        f" answered ({1 - math.exp(-rate):.1%}), {children_cpu() - before:.0f} s of CPU",
        flush=True,
    )


def main() -> int:
    chosen = [int(k) for k in sys.argv[1:]]
    print("answer rate, one plot each")
    for k in chosen or [K]:
        calibrating(k)
    if chosen:
        return 0
    seed = plot_seed(GENESIS, MINER, 0, K)
    with tempfile.TemporaryDirectory() as folder:
        path = plotting(Path(folder), seed)
        answering(path, seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
