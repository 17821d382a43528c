"""The page of benchmarks leaves nothing out: what failed is on it, as failed."""

import sys
from pathlib import Path

import pytest

from benchmarks import report

NOW = "on a day at a commit"


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of scripts of its own, and a page beside it."""
    here = tmp_path / "benchmarks"
    here.mkdir()
    monkeypatch.setattr(report, "HERE", here)
    monkeypatch.setattr(report, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(report, "when", lambda: NOW)
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
    assert f"## good\n\n`python -m benchmarks.report good`, {NOW}\n\n```text\n1 MB/s\n```" in page
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


def test_a_few_benchmarks_replace_their_sections_only(
    scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "good", "last"):
        (scripts / f"bench_{name}.py").write_text(f"print('{name}: 1 MB/s')\n")
    _, before = written(monkeypatch)
    (scripts / "bench_good.py").write_text("print('2 MB/s')\n")
    status, after = written(monkeypatch, "good")
    assert status == 0
    assert after == before.replace("good: 1 MB/s", "2 MB/s") != before
    (scripts / "bench_later.py").write_text("print('new')\n")
    _, page = written(monkeypatch, "later")
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## first",
        "## good",
        "## last",
        "## later",
    ]
    assert page.startswith(after[: after.index("## first")])
