"""The demonstration that README promises: it holds, and nothing is left running."""

import os
import signal
import subprocess
import sys

import pytest

from tests.documents.shell import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


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
    except subprocess.TimeoutExpired:
        os.killpg(demo.pid, signal.SIGKILL)
        raise
    assert demo.returncode == 0, story
    for fact in ("equal byte for byte", "SimilarWorkFound", "Fault", "collateral"):
        assert fact in story
    left = subprocess.run(["pgrep", "-s", str(demo.pid)], capture_output=True, check=False)
    assert left.stdout == b"", f"still running: {left.stdout!r}"
