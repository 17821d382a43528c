"""What is printed, and what is not."""

import json
import logging
from contextlib import suppress

import pytest
import structlog

from node.logging import (
    InvalidLogFilter,
    add_filters,
    configure,
    parse_filters,
    reset_filters,
    short_hash,
)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    structlog.reset_defaults()


def test_filters_are_substrates() -> None:
    assert parse_filters(()) == (logging.INFO, {})
    assert parse_filters(("debug",)) == (logging.DEBUG, {})
    assert parse_filters(("warn,rpc=debug", "txpool=off")) == (
        logging.WARNING,
        {"rpc": logging.DEBUG, "txpool": logging.CRITICAL + 10},
    )


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(InvalidLogFilter, match="loud"):
        parse_filters(("rpc=loud",))


def test_a_targets_own_level_wins(capsys: pytest.CaptureFixture[str]) -> None:
    configure(("warn,rpc=debug",))
    structlog.get_logger("rpc").debug("shown", number=3)
    structlog.get_logger("node").info("hidden")
    text = capsys.readouterr().err
    assert "DEBUG [rpc] shown number=3" in text
    assert "hidden" not in text


def test_json_lines_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure((), style="json")
    structlog.get_logger("node").info("Imported #1", hash="0x")
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["target"], line["level"]) == ("Imported #1", "node", "info")


def test_failures_are_shown_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    try:
        raise KeyError("gone")
    except KeyError as error:
        structlog.get_logger("rpc").error("call failed", exc_info=error)
    assert "KeyError: 'gone'" in capsys.readouterr().err


def test_hashes_are_short() -> None:
    assert short_hash(bytes.fromhex("12345678" * 8)) == "0x1234…5678"


def test_a_full_disk_behind_the_log_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w", encoding="utf-8", buffering=1) as full:
        monkeypatch.setattr("sys.stderr", full)
        configure()
        structlog.get_logger("node").info("lost")
        with suppress(OSError):
            full.close()


def test_levels_change_while_it_runs_and_go_back(capsys: pytest.CaptureFixture[str]) -> None:
    configure(("warn,rpc=error",))
    add_filters("rpc=debug")
    structlog.get_logger("rpc").debug("shown")
    add_filters("info")
    structlog.get_logger("node").info("seen")
    reset_filters()
    structlog.get_logger("rpc").debug("hidden")
    structlog.get_logger("node").info("hidden")
    text = capsys.readouterr().err
    assert ("shown" in text, "seen" in text, "hidden" in text) == (True, True, False)


def test_levels_for_endless_targets_are_refused() -> None:
    configure()
    with pytest.raises(InvalidLogFilter, match="more than"):
        add_filters(",".join(f"target{at}=debug" for at in range(300)))
