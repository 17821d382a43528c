"""The demonstration that README promises: it holds, and nothing is left running."""

import contextlib
import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.documents.shell import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


def processes_in(session: int) -> list[int]:
    """Who belongs to a session: its groups are many."""
    found = []
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(pid) == session:
                found.append(pid)
    return found


def test_the_check_sees_processes_of_a_session() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
    ) as child:
        assert processes_in(child.pid) == [child.pid]


def test_the_demonstration_holds_and_leaves_nothing_running() -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "client.demo"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        story, _ = demo.communicate(timeout=600)
    except BaseException:
        for pid in processes_in(demo.pid):
            os.kill(pid, signal.SIGKILL)
        demo.wait()
        raise
    assert demo.returncode == 0, story
    for fact in ("equal byte for byte", "SimilarWorkFound", "Fault", "collateral"):
        assert fact in story
    assert processes_in(demo.pid) == []
