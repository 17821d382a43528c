"""How fast this machine reads, commits and proves, and whether that is enough.

`measure` works with a worker process and the disks as the daemon does, on files of its own in each
volume's temporary directory, which it removes. `judge` compares with the chain's deadlines; it is
pure. Verdicts are plain: a number, what is allowed, and what to do.

Rules: a round must be answered in 1 / SAFETY of what its deadline leaves after the blocks that
seeing it and getting the answer included take, an idle round likewise; a burst of BURST_FRAGMENTS
must be committed to within a deal's time.
"""

import hashlib
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import trio

from primitives.errors import StorageCorrupt
from proofs.podr2.params import ROW_BYTES, row_count
from proofs.pois.plot import PlotFile

from .errors import ProverFailed
from .facts import ChainFacts
from .jobs import AskedRow, CommitJob, Commitments, ServiceJob, ServiceProved
from .prover_pool import ProverPool, open_pool
from .store.files import drop_cached, read_ahead, write_all

READ_FRAGMENTS = 8
READ_ROWS = 256
PLOT_PROBES = 16
PRIORITY = 0
SAFETY = 2
CHAIN_BLOCKS = 3
"""Blocks that go by between a round's beginning and our seeing it, and until ours is included."""

BURST_FRAGMENTS = 32
"""A file of 1 GiB gives one of twelve miners so many fragments of 8 MiB."""

MILLISECONDS = 1000


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured. Times in seconds, rates in bytes a second."""

    read_rates: tuple[tuple[str, float], ...]
    combine_row_s: float
    open_s: float
    round_s: float
    commit_s: float
    draw_s: float | None
    workers: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line for the operator."""

    name: str
    is_ok: bool
    message: str


# Judging.


def judge(measured: Measured, facts: ChainFacts, block_ms: int | None) -> tuple[Verdict, ...]:
    """Whether this machine keeps its deadlines, part by part."""
    return (
        _judge_reading(measured, facts),
        _judge_round(measured, facts, block_ms),
        _judge_commits(measured, facts, block_ms),
        _judge_draws(measured, facts, block_ms),
    )


def _judge_reading(measured: Measured, facts: ChainFacts) -> Verdict:
    """Reading alone never decides; a disk that gives less than a round needs is named in it."""
    rates = ", ".join(f"{path}: {rate / 1e6:.0f} MB/s" for path, rate in measured.read_rates)
    slowest = min(rate for _, rate in measured.read_rates)
    need = facts.rows_sampled_max * ROW_BYTES
    return Verdict(
        "reading",
        True,
        f"{rates}, a row here and there; a round reads {need / 1e6:.0f} MB, "
        f"{need / slowest:.2f} s from the slowest",
    )


def round_seconds(measured: Measured, facts: ChainFacts) -> float:
    """What a round takes: as measured, and no less than its parts from the slowest disk."""
    rows = facts.rows_sampled_max
    slowest = min(rate for _, rate in measured.read_rates)
    parts = rows * (ROW_BYTES / slowest + measured.combine_row_s) + measured.open_s
    return max(measured.round_s, parts)


def _allowed_s(blocks: int, block_ms: int) -> float:
    return max(0, blocks - CHAIN_BLOCKS) * block_ms / MILLISECONDS


def _judge_round(measured: Measured, facts: ChainFacts, block_ms: int | None) -> Verdict:
    needed = round_seconds(measured, facts)
    said = (
        f"a round of {facts.rows_sampled_max} rows takes {needed:.1f} s (combining "
        f"{facts.rows_sampled_max * measured.combine_row_s:.2f} s, opening {measured.open_s:.2f} s)"
    )
    if block_ms is None:
        return Verdict("prover", True, said)
    allowed = _allowed_s(facts.service_deadline_blocks, block_ms)
    said += (
        f"; {facts.service_deadline_blocks} blocks of {block_ms / MILLISECONDS:g} s leave "
        f"{allowed:.0f} s"
    )
    if SAFETY * needed <= allowed:
        return Verdict("prover", True, f"{said}: {allowed / needed:.0f} times what is needed")
    return Verdict(
        "prover", False, f"{said}: too slow; use a faster disk or processor, or run fewer miners"
    )


def _judge_commits(measured: Measured, facts: ChainFacts, block_ms: int | None) -> Verdict:
    each = measured.commit_s / measured.workers
    rate = facts.fragment_bytes / each
    days = facts.declaration_unit_bytes / rate / 86_400
    said = (
        f"a fragment is committed to in {measured.commit_s:.1f} s; {measured.workers} workers take "
        f"{rate / 1e6:.2f} MB/s, one declared unit in {days:.2g} days"
    )
    if block_ms is None:
        return Verdict("commits", True, said)
    allowed = _allowed_s(facts.deal_deadline_blocks, block_ms)
    fits = int(allowed / each)
    said += f"; {fits} fragments fit into a deal's {allowed:.0f} s"
    if fits >= BURST_FRAGMENTS:
        return Verdict("commits", True, f"{said}, {BURST_FRAGMENTS} come at once with a large file")
    return Verdict(
        "commits",
        False,
        f"{said}, and a large file brings {BURST_FRAGMENTS} at once: raise `workers` or use a "
        "faster processor",
    )


def _judge_draws(measured: Measured, facts: ChainFacts, block_ms: int | None) -> Verdict:
    if measured.draw_s is None:
        return Verdict("plots", True, "no plot is there yet to measure; run it again later")
    needed = facts.plot_draws * measured.draw_s
    said = f"{facts.plot_draws} draws from plots take {needed:.1f} s"
    if block_ms is None:
        return Verdict("plots", True, said)
    allowed = _allowed_s(facts.idle_deadline_blocks, block_ms)
    if SAFETY * needed <= allowed:
        return Verdict("plots", True, f"{said}, and {allowed:.0f} s are allowed")
    return Verdict(
        "plots", False, f"{said}, and {allowed:.0f} s are allowed: move plots to a faster disk"
    )


# Measuring.


async def measure(directories: Sequence[Path], facts: ChainFacts, workers: int) -> Measured:
    """Measure with files in each of `directories`. Raises: CessError, OSError."""
    rates = [
        (str(directory), await trio.to_thread.run_sync(_read_rate, directory, facts.fragment_bytes))
        for directory in directories
    ]
    slowest = min(range(len(rates)), key=lambda number: rates[number][1])
    with tempfile.TemporaryDirectory(
        prefix="cess-doctor-", dir=place_in(directories[slowest])
    ) as folder:
        async with open_pool(1) as pool:
            commit_s, round_s = await _work(pool, Path(folder), facts)
    combine_row_s, open_s = await trio.to_thread.run_sync(_parts)
    draw_s = await trio.to_thread.run_sync(_draw_seconds, directories)
    return Measured(tuple(rates), combine_row_s, open_s, round_s, commit_s, draw_s, workers)


def place_in(directory: Path) -> Path | None:
    """Where test files go; None (the system's place) while the volume is not there."""
    temporary = directory / "temporary"
    if temporary.is_dir():
        return temporary
    return directory if directory.is_dir() else None


def _read_rate(directory: Path, fragment_bytes: int) -> float:
    """Bytes a second of rows here and there, from the disk and not from memory."""
    with tempfile.TemporaryDirectory(prefix="cess-doctor-", dir=place_in(directory)) as folder:
        piece = os.urandom(fragment_bytes)
        descriptors = []
        try:
            for number in range(READ_FRAGMENTS):
                descriptor = os.open(Path(folder) / str(number), os.O_RDWR | os.O_CREAT, 0o600)
                descriptors.append(descriptor)
                write_all(descriptor, piece)
                os.fsync(descriptor)
                drop_cached(descriptor)
            rows = row_count(fragment_bytes)
            places = [
                (descriptors[number % READ_FRAGMENTS], number * 7 % rows * ROW_BYTES)
                for number in range(min(READ_ROWS, READ_FRAGMENTS * rows))
            ]
            read = 0
            started = time.perf_counter()
            for descriptor, start in places:
                read_ahead(descriptor, start, ROW_BYTES)
            for descriptor, start in places:
                read += len(os.pread(descriptor, ROW_BYTES, start))
            return read / max(1e-9, time.perf_counter() - started)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)


async def _work(pool: ProverPool, folder: Path, facts: ChainFacts) -> tuple[float, float]:
    """Commit to a fragment and answer a full round in a worker, as the daemon does."""
    data = os.urandom(facts.fragment_bytes)
    name = hashlib.sha256(data).hexdigest()
    path = folder / "fragment"
    await trio.to_thread.run_sync(path.write_bytes, data)
    started = trio.current_time()
    made = await pool.run(CommitJob(str(path), name), PRIORITY)
    commit_s = trio.current_time() - started
    if not isinstance(made, Commitments):
        raise ProverFailed("the worker answered another question")
    rows = row_count(facts.fragment_bytes)
    asked = [
        AskedRow(t, str(path), name, t % rows, made.commitments[t % rows])
        for t in range(facts.rows_sampled_max)
    ]
    started = trio.current_time()
    answer = await pool.run(ServiceJob(os.urandom(32).hex(), facts.fragment_bytes, asked), PRIORITY)
    round_s = trio.current_time() - started
    if not isinstance(answer, ServiceProved) or answer.faulty:
        raise ProverFailed("the disk lost a file while it was measured")
    return commit_s, round_s


def _parts() -> tuple[float, float]:
    """Seconds of combining one row, and of one opening, with the prover that starts quickly."""
    from proofs.podr2.quick import lagrange_points, prove_elements_quickly
    from proofs.podr2.rows import combine

    lagrange_points()
    rows = [os.urandom(ROW_BYTES) for _ in range(16)]
    weights = [int.from_bytes(os.urandom(16), "little") for _ in rows]
    started = time.perf_counter()
    elements = combine(rows, weights)
    combined = time.perf_counter()
    prove_elements_quickly(elements, 5)
    return (combined - started) / len(rows), time.perf_counter() - combined


def _draw_seconds(directories: Sequence[Path]) -> float | None:
    """Seconds of one draw from a plot that is there; None without one."""
    for directory in directories:
        try:
            names = sorted((directory / "plots").iterdir())
        except OSError:
            continue
        for path in names:
            try:
                plot = PlotFile(path)
                started = time.perf_counter()
                for number in range(PLOT_PROBES):
                    plot.prove(hashlib.sha256(number.to_bytes(4, "little")).digest())
            except (OSError, StorageCorrupt):
                continue
            return (time.perf_counter() - started) / PLOT_PROBES
    return None
