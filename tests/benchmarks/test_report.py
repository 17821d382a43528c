"""The page of benchmarks leaves nothing out: what failed is on it, as failed."""

import sys
from pathlib import Path

import pytest

from benchmarks import report


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of scripts of its own, and a page beside it."""
    here = tmp_path / "benchmarks"
    here.mkdir()
    monkeypatch.setattr(report, "HERE", here)
    monkeypatch.setattr(report, "PAGE", tmp_path / "page.md")
    return here


def written(monkeypatch: pytest.MonkeyPatch, *names: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["report", *names])
    status = report.main()
    return status, report.PAGE.read_text() if report.PAGE.exists() else ""


def test_a_failed_benchmark_keeps_its_section_and_says_so(
    scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (scripts / "bench_good.py").write_text("print('1 MB/s')\n")
    (scripts / "bench_poor.py").write_text("print('half')\nraise SystemExit(3)\n")
    status, page = written(monkeypatch)
    assert status == 1
    assert "## good\n\n`python -m benchmarks.report good`\n\n```text\n1 MB/s\n```" in page
    assert "**Failed with status 3.**\n\n```text\nhalf\n```" in page


def test_a_benchmark_that_does_not_end_is_stopped_and_the_others_are_kept(
    scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "SCRIPT_SECONDS_MAX", 2.0)
    (scripts / "bench_endless.py").write_text(
        "import time\nprint('begun', flush=True)\ntime.sleep(600)\n"
    )
    (scripts / "bench_good.py").write_text("print('1 MB/s')\n")
    status, page = written(monkeypatch)
    assert status == 1
    assert "**Stopped after 2 s: what it had printed.**\n\n```text\nbegun\n```" in page
    assert "1 MB/s" in page


def test_a_few_benchmarks_do_not_replace_the_page(
    scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (scripts / "bench_good.py").write_text("print('1 MB/s')\n")
    assert written(monkeypatch, "good") == (0, "")
