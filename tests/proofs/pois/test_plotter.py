"""The plotter is a process: it says what went wrong by status and standard error."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from proofs.pois import plotter

SCRIPT = Path(plotter.__file__)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", str(SCRIPT), *arguments], capture_output=True, text=True, check=False
    )


def test_a_k_that_chiapos_does_not_know_is_reported(tmp_path: Path) -> None:
    done = run(str(tmp_path), "x.plot", "8", "00" * 32, "1", "64")
    assert done.returncode == 1
    assert "Plot size k= 8 is invalid" in done.stdout
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x.plot").exists()


def test_a_directory_that_is_not_there_is_reported(tmp_path: Path) -> None:
    done = run(str(tmp_path / "none"), "x.plot", "18", "00" * 32, "1", "64")
    assert done.returncode == 1
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


def test_in_process_it_steps_back_and_returns_the_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    lowered = []
    monkeypatch.setattr(os, "nice", lowered.append)
    monkeypatch.setattr(plotter.ctypes, "CDLL", lambda _: FakeLibrary())
    monkeypatch.setattr(
        sys, "argv", ["plotter", str(tmp_path), "x.plot", "8", "00" * 32, "1", "64"]
    )
    assert plotter.main() == 1
    assert lowered == [plotter.NICENESS]
    said = capfd.readouterr()
    assert "invalid" in said.out
    assert said.err.strip()


@pytest.mark.parametrize(("k", "stripe"), [(18, 2048), (21, 2048), (22, 65536), (32, 65536)])
def test_small_plots_get_small_stripes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, k: int, stripe: int
) -> None:
    """What the library is asked; the real library makes the plots of the other tests."""
    asked: list[tuple[object, ...]] = []

    class Recorder:
        def create_plot_disk(self, *arguments: object) -> None:
            asked.append(arguments)

    monkeypatch.setattr(os, "nice", lambda _: 0)
    monkeypatch.setattr(sys, "platform", "other")
    monkeypatch.setattr(plotter.chiapos, "DiskPlotter", Recorder)
    where = str(tmp_path)
    monkeypatch.setattr(sys, "argv", ["", where, "x.plot", str(k), "07" * 32, "3", "512"])
    assert plotter.main() == 0
    seed = b"\7" * 32
    assert asked == [(where, where, where, "x.plot", k, b"", seed, 512, 0, stripe, 3, False)]


class FakeLibrary:
    """The C library, which would otherwise tie this test process to its parent's life."""

    def prctl(self, option: int, signal: int) -> int:
        assert option == plotter.PR_SET_PDEATHSIG
        return 0
