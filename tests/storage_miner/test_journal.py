"""Logging: levels, formats, and nothing on standard output."""

import json
from collections.abc import Iterator

import pytest
import structlog

from storage_miner import journal


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Other tests log as before."""
    yield
    structlog.reset_defaults()


def test_json_lines_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    journal.configure("info", "json")
    structlog.get_logger("x").info("plot made", index=3)
    captured = capsys.readouterr()
    assert captured.out == ""
    line = json.loads(captured.err)
    assert (line["event"], line["index"], line["level"]) == ("plot made", 3, "info")


@pytest.mark.parametrize(("level", "count"), [("debug", 2), ("info", 1), ("error", 0)])
def test_levels(capsys: pytest.CaptureFixture[str], level: str, count: int) -> None:
    journal.configure(level, "text")
    structlog.get_logger("x").debug("block seen", number=1)
    structlog.get_logger("x").info("plot made", index=1)
    assert len(capsys.readouterr().err.splitlines()) == count
