"""Processes that end with the one that started them, and records by which they are found again.

A child is told to stop (SIGTERM) by the kernel when the thread that started it ends, however it
ends; so start children from the main thread. A record of a process has its time of creation beside
its id, so an id that was given to another process is never signalled.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

__all__ = ["ProcessRecord", "end_processes", "processes_of", "spawn", "tail_of"]

PR_SET_PDEATHSIG = 1
STOP_PATIENCE_S = 15.0
KILL_PATIENCE_S = 5.0
LOG_TAIL_BYTES = 2000


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A process by id and time of creation."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> "ProcessRecord":
        """The record of a running process. Raises: psutil.NoSuchProcess."""
        return cls(pid=pid, created=psutil.Process(pid).create_time())

    def find(self) -> psutil.Process | None:
        """The process, if it still is the one that was recorded and has not ended."""
        try:
            process = psutil.Process(self.pid)
            is_same = process.create_time() == self.created
            return process if is_same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None


def spawn(arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own; its output goes to ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        return subprocess.Popen(  # noqa: S603 - callers name programs of ours
            list(arguments),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - it makes one system call
        )


def processes_of(records: Sequence[ProcessRecord]) -> list[psutil.Process]:
    """The recorded processes that run, and everything that they started.

    Includes what outlived its parent: a spawned process and its descendants share a group.
    """
    found: dict[int, psutil.Process] = {}
    groups = _groups()
    for record in records:
        process = record.find()
        if process is not None:
            found[process.pid] = process
            with contextlib.suppress(psutil.Error):
                found |= {child.pid: child for child in process.children(recursive=True)}
        elif psutil.pid_exists(record.pid) and not _is_zombie(record.pid):
            continue  # the id, and with it the group's, belongs to a stranger now
        found |= {member.pid: member for member in groups.get(record.pid, ())}
    return list(found.values())


def end_processes(records: Sequence[ProcessRecord]) -> list[int]:
    """Ask the recorded processes to stop, then end what is left; return what had to be killed.

    Children go with their parents, also those that are born meanwhile.
    """
    everyone = processes_of(records)
    for record in records:
        parent = record.find()
        for process in processes_of([record]) if parent is None else [parent]:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGTERM)
    psutil.wait_procs(everyone, timeout=STOP_PATIENCE_S)
    left = [process for process in processes_of(records) if not _is_zombie(process.pid)]
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=KILL_PATIENCE_S)
    return [process.pid for process in left]


def wait_until_gone(record: ProcessRecord, timeout_s: float) -> bool:
    """Whether a process ended in time."""
    deadline = time.monotonic() + timeout_s
    while record.find() is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def tail_of(log: Path) -> str:
    """The end of a log."""
    try:
        with log.open("rb") as source:
            _seek_back(source)
            return source.read(LOG_TAIL_BYTES).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _groups() -> dict[int, list[psutil.Process]]:
    found: dict[int, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            found.setdefault(os.getpgid(process.pid), []).append(process)
    return found


def _is_zombie(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True


def _seek_back(source: IO[bytes]) -> None:
    size = source.seek(0, os.SEEK_END)
    source.seek(max(size - LOG_TAIL_BYTES, 0))


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
