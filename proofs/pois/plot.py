"""Plots on disk: making one, opening it, checking it and answering a challenge from it.

A plot file is what `chiapos` writes, followed by a trailer of 64 bytes, so that truncation, a wrong
plot and bit rot are told apart from "no proof for this challenge":

    offset  bytes  meaning
    0       8      magic "CESSPLOT"
    8       1      version, 1
    9       1      k
    10      6      zero
    16      8      length of the plot before the trailer, u64 little-endian
    24      32     SHA-256 of the plot before the trailer
    56      8      first 8 bytes of SHA-256 of the 56 bytes above

A damaged plot raises `StorageCorrupt`; nothing a disk does to the file crashes the process or makes
a false answer leave it, because each proof is verified before it is returned.
"""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TypeAlias

from primitives.errors import CessError, StorageCorrupt

from .challenge import plot_seed
from .params import (
    CHALLENGE_BYTES,
    PLOT_K_MAX,
    PLOT_K_MIN,
    SEED_BYTES,
    plot_bytes,
    plot_disk_bytes_max,
    plot_temp_bytes_max,
)
from .verify import proof_is_valid

__all__ = [
    "PlotError",
    "PlotFile",
    "PlotOrder",
    "PlotStopped",
    "Watch",
    "create_plot",
    "plot_bytes",
    "plot_name",
    "plot_seed",
    "plot_temp_bytes_max",
]

TRAILER_MAGIC = b"CESSPLOT"
TRAILER_VERSION = 1
TRAILER_BYTES = 64
# chiapos: 19 bytes of magic, 32 of id, 1 of k, then a length-prefixed format name.
HEADER_MAGIC = b"Proof of Space Plot"
HEADER_BYTES = 58
FORMAT = b"\x00\x04v1.0"
READ_BYTES = 1 << 20
BUFFER_MIB_MIN = 64
ERROR_TEXT_MAX = 500
POLL_S = 1
"""How often a plot in the making is looked at."""

PROGRESS_TAIL_BYTES = 1 << 16
PER_MILLE = 1000
_PROGRESS = re.compile(rb"Progress update: (0\.\d+|1)")


class PlotError(CessError):
    """A plot could not be made: no room, no memory or the plotter failed; the text says which."""


class PlotStopped(PlotError):  # noqa: N818  a fact
    """Whoever watched the plot had it given up; nothing of it stays."""


class PlotOrder(Enum):
    """What a plot in the making is to do next."""

    go = "go"
    pause = "pause"
    stop = "stop"


Watch: TypeAlias = Callable[[int], PlotOrder]
"""Told the progress in per mille about every POLL_S; says how to go on."""


def _go_on(_progress: int) -> PlotOrder:
    return PlotOrder.go


def plot_name(seed: bytes, k: int) -> str:
    """The file name of a plot: everything about it follows from seed and k."""
    return f"plot-k{k}-{seed.hex()}.plot"


def create_plot(
    directory: Path,
    temp_directory: Path,
    seed: bytes,
    k: int,
    *,
    threads: int = 1,
    watch: Watch = _go_on,
) -> Path:
    """Make the plot of `seed` in `directory` and return its path; at once if it is there already.

    The plot grows in a directory of its own below `temp_directory`, is checksummed, synced and only
    then renamed into place, so `directory` never holds part of a plot. Leftovers of an earlier
    attempt are removed. Blocks until done: call it from a worker thread or process.
    Meanwhile `watch` may pause it, which halts the plotter where it is, or stop it.
    Units: at most `plot_temp_bytes_max(k)` bytes of temporary space, checked before the start and
    kept: a plotter that takes more is ended.
    Cost: k = 18 takes 1 to 2 s of CPU, doubling (and a little more) with each k.
    Raises: PlotError, PlotStopped; ValueError for a bad seed or k.
    """
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a plot's seed has {SEED_BYTES} bytes, not {len(seed)}")
    target = directory.joinpath(plot_name(seed, k))
    try:
        if PlotFile(target).seed == seed:
            return target
    except StorageCorrupt:
        target.unlink(missing_ok=True)
    except FileNotFoundError:
        pass
    workplace = temp_directory / f"{target.name}.making"
    try:
        shutil.rmtree(workplace, ignore_errors=True)
        workplace.mkdir(parents=True)
        directory.mkdir(parents=True, exist_ok=True)
        _require_room(workplace, plot_temp_bytes_max(k))
        bounded = _bounded(workplace, plot_temp_bytes_max(k), watch)
        _run_plotter(workplace, target.name, seed, k, threads, bounded)
        made = workplace.joinpath(target.name)
        _append_trailer(made, k)
        _move(made, target)
    except OSError as error:
        raise PlotError(f"the plot {target.name} could not be made: {error}") from error
    finally:
        shutil.rmtree(workplace, ignore_errors=True)
    return target


def _require_room(directory: Path, needed: int) -> None:
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise PlotError(
            f"plotting in {directory} needs {needed} bytes and {free} are free; "
            "free some space or name another temporary directory"
        )


def _run_plotter(
    directory: Path, name: str, seed: bytes, k: int, threads: int, watch: Watch
) -> None:
    buffer_mib = max(BUFFER_MIB_MIN, 1 << max(0, k - 21))
    script = Path(__file__).with_name("plotter.py")
    # -P: the script's own directory, with modules named like ours, stays off the import path.
    numbers = [str(k), seed.hex(), str(threads), str(buffer_mib)]
    progress, errors = directory / "progress.log", directory / "errors.log"
    with progress.open("wb") as noise, errors.open("wb") as complaints:
        process = subprocess.Popen(  # noqa: S603  our own script; numbers, hex and paths, no shell
            [sys.executable, "-P", str(script), str(directory), name, *numbers],
            stdin=subprocess.DEVNULL,
            stdout=noise,
            stderr=complaints,
        )
        try:
            status = _attend(process, progress, watch)
        finally:
            process.kill()
            process.wait()
    if status:
        # The library prints the cause as its last line of progress and raises a bare exception.
        said = _last_line(progress) + " " + errors.read_text(errors="replace").strip()
        raise PlotError(
            f"the plotter stopped with status {status}: "
            f"{said.strip()[-ERROR_TEXT_MAX:] or 'silently'}"
        )


def _attend(process: subprocess.Popen[bytes], progress: Path, watch: Watch) -> int:
    """Wait for the plotter's end, its exit status, while `watch` may halt it."""
    reached, is_halted = 0, False
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(POLL_S)
        reached = max(reached, _progress_of(progress))
        order = watch(reached)
        if order is PlotOrder.stop:
            raise PlotStopped("plotting was stopped")
        if (order is PlotOrder.pause) != is_halted:
            is_halted = not is_halted
            process.send_signal(signal.SIGSTOP if is_halted else signal.SIGCONT)


def _bounded(directory: Path, room: int, watch: Watch) -> Watch:
    """`watch`, after a look at whether the plotter keeps its bound."""

    def look(progress: int) -> PlotOrder:
        used = _disk_bytes(directory)
        if used > room:
            raise PlotError(f"the plotter took {used} bytes where {room} are the bound")
        return watch(progress)

    return look


def _disk_bytes(directory: Path) -> int:
    """What the files of a directory take on the disk, whatever comes and goes meanwhile."""
    total = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total


def _progress_of(log: Path) -> int:
    """The last progress that the library printed, in per mille; 0 when the tail names none."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - PROGRESS_TAIL_BYTES))
        found = _PROGRESS.findall(file.read(PROGRESS_TAIL_BYTES))
    if not found:
        return 0
    whole, _, fraction = found[-1].partition(b".")
    return int(whole) * PER_MILLE + int(fraction.ljust(3, b"0")[:3])


def _last_line(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - ERROR_TEXT_MAX))
        lines = file.read(ERROR_TEXT_MAX).decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _append_trailer(path: Path, k: int) -> None:
    length, digest = _digest(path, None)
    head = TRAILER_MAGIC + bytes([TRAILER_VERSION, k]) + bytes(6) + length.to_bytes(8, "little")
    body = head + digest
    with path.open("ab") as file:
        file.write(body + hashlib.sha256(body).digest()[:8])
        file.flush()
        os.fsync(file.fileno())


def _move(source: Path, target: Path) -> None:
    """Rename into place; across file systems, copy beside the target first."""
    if source.stat().st_dev != target.parent.stat().st_dev:
        beside = target.with_name(target.name + ".part")
        with source.open("rb") as reader, beside.open("wb") as writer:
            shutil.copyfileobj(reader, writer, READ_BYTES)
            writer.flush()
            os.fsync(writer.fileno())
        source = beside
    source.replace(target)
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _digest(path: Path, length: int | None) -> tuple[int, bytes]:
    """Length and SHA-256 of the first `length` bytes of a file, or of all of it."""
    digest = hashlib.sha256()
    read = 0
    with path.open("rb") as file:
        while length is None or read < length:
            wanted = READ_BYTES if length is None else min(READ_BYTES, length - read)
            chunk = file.read(wanted)
            if not chunk:
                break
            digest.update(chunk)
            read += len(chunk)
    return read, digest.digest()


class PlotFile:
    """A plot that was opened and whose header and trailer agree. Holds no file open.

    Raises: FileNotFoundError when there is none; StorageCorrupt when it is damaged, in which case
    the plot is to be deleted and made again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        size = path.stat().st_size
        try:
            with path.open("rb") as file:
                header = file.read(HEADER_BYTES)
                file.seek(max(0, size - TRAILER_BYTES))
                trailer = file.read(TRAILER_BYTES)
        except OSError as error:
            raise self._corrupt(f"it cannot be read: {error}") from error
        body = trailer[:56]
        if body[:9] != TRAILER_MAGIC + bytes([TRAILER_VERSION]) or (
            hashlib.sha256(body).digest()[:8] != trailer[56:]
        ):
            raise self._corrupt("its end is missing")
        self.k = body[9]
        self.plot_bytes = int.from_bytes(body[16:24], "little")
        self.digest = body[24:56]
        """SHA-256 of the first `plot_bytes` bytes, as of when the plot was made."""
        if self.plot_bytes + TRAILER_BYTES != size:
            raise self._corrupt(f"it has {size} bytes where {self.plot_bytes} and a trailer belong")
        self.seed = header[19:51]
        if header[:19] != HEADER_MAGIC or header[51] != self.k or header[52:] != FORMAT:
            raise self._corrupt("its header is not that of a plain plot")
        if not PLOT_K_MIN <= self.k <= PLOT_K_MAX or self.plot_bytes > plot_disk_bytes_max(self.k):
            raise self._corrupt(f"no plot of k = {self.k} has {self.plot_bytes} bytes")

    def check(self) -> None:
        """Read the whole plot and compare its hash, at the disk's speed. Raises: StorageCorrupt."""
        try:
            _, digest = _digest(self.path, self.plot_bytes)
        except OSError as error:
            raise self._corrupt(f"it cannot be read: {error}") from error
        if digest != self.digest:
            raise self._corrupt("its bytes have changed")

    def prove(self, challenge: bytes) -> bytes | None:
        """A proof for `challenge`, verified; None when the plot has none (about 4 in 10 times).

        Cost: 1 ms and 64 random reads. Raises: StorageCorrupt when the tables are damaged there;
        ValueError for a challenge of another length than 32.
        """
        from chiapos import DiskProver

        if len(challenge) != CHALLENGE_BYTES:
            raise ValueError(f"a challenge has {CHALLENGE_BYTES} bytes, not {len(challenge)}")
        # The library throws both kinds, for unreadable bytes and for impossible ones.
        try:
            prover = DiskProver(str(self.path))
            found = prover.get_qualities_for_challenge(challenge)
            proof = prover.get_full_proof(challenge, 0, False) if found else None
        except (RuntimeError, ValueError) as error:
            raise self._corrupt(f"its tables do not decode ({error})") from error
        if proof is None:
            return None
        if not proof_is_valid(self.seed, self.k, challenge, proof):
            raise self._corrupt("it gives a wrong proof")
        return bytes(proof)

    def _corrupt(self, what: str) -> StorageCorrupt:
        return StorageCorrupt(f"the plot {self.path} is damaged: {what}; delete it and plot again")
