"""Processes: nothing outlives its network, and no stranger is ever signalled."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from client.processes import ProcessRecord, end_processes, processes_of, spawn, tail_of

SLEEP = "import time; time.sleep(60)"
DEAF = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('deaf', flush=True); time.sleep(60)"
)
PARENT = (
    "import subprocess, sys, time; "
    f"child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); "
    "print(child.pid, flush=True); time.sleep(60)"
)


def started(code: str, log: Path) -> tuple[subprocess.Popen[bytes], ProcessRecord]:
    child = spawn([sys.executable, "-c", code], log)
    return child, ProcessRecord.of(child.pid)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_process_ends_when_asked(tmp_path: Path) -> None:
    child, record = started(SLEEP, tmp_path / "log")
    assert record.find() is not None
    assert end_processes([record]) == []
    child.wait()
    assert record.find() is None


def test_what_is_deaf_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("client.processes.STOP_PATIENCE_S", 0.3)
    child, record = started(DEAF, tmp_path / "log")
    wait_for(lambda: "deaf" in tail_of(tmp_path / "log"))
    assert end_processes([record]) == [child.pid]
    assert record.find() is None


def test_children_end_with_their_parent_even_when_it_was_killed(tmp_path: Path) -> None:
    child, record = started(PARENT, tmp_path / "log")
    wait_for(lambda: tail_of(tmp_path / "log").isdigit())
    grandchild = int(tail_of(tmp_path / "log"))
    child.kill()
    child.wait()
    assert [item.pid for item in processes_of([record])] == [grandchild]
    end_processes([record])
    wait_for(lambda: not psutil.pid_exists(grandchild))


def test_an_id_that_belongs_to_another_process_now_is_left_alone() -> None:
    stranger = ProcessRecord(pid=os.getpid(), created=1.0)
    assert stranger.find() is None
    assert processes_of([stranger]) == []
    assert end_processes([stranger]) == []


def test_children_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    code = (
        "import sys, os, signal; from pathlib import Path; from client.processes import spawn; "
        f"child = spawn([sys.executable, '-c', {SLEEP!r}], Path({str(tmp_path / 'log')!r})); "
        "print(child.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    pid = int(made.stdout)
    wait_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")


def test_the_tail_of_a_log_is_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert tail_of(log) == ""
    log.write_text("x" * 5000 + "the end\n")
    assert tail_of(log).endswith("the end")
    assert len(tail_of(log)) <= 2000
