"""What the node prints: one line per fact on stderr, in the words operators of Substrate know.

``configure`` sets the process up once; modules call ``structlog.get_logger(target)``. Filters are
Substrate's: ``info``, ``rpc=debug,txpool=trace`` or a mixture; a target's own level wins.
Formats: ``human`` (time, level, target, text, fields) or ``json`` (one object a line).
"""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, TextIO

import structlog

from primitives.errors import CessError

__all__ = [
    "InvalidLogFilter",
    "add_filters",
    "configure",
    "parse_filters",
    "reset_filters",
    "short_hash",
]

TARGETS_MAX: Final = 256
"""Targets with a level of their own."""

LEVELS: Final[Mapping[str, int]] = {
    "trace": logging.DEBUG - 5,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "off": logging.CRITICAL + 10,
}


class InvalidLogFilter(CessError):  # noqa: N818  a fact
    """A ``--log`` value that names no level."""


def parse_filters(values: tuple[str, ...]) -> tuple[int, dict[str, int]]:
    """The general level, and the levels of single targets."""
    general, targets = _parse(values)
    return logging.INFO if general is None else general, targets


def _parse(values: tuple[str, ...]) -> tuple[int | None, dict[str, int]]:
    general: int | None = None
    targets: dict[str, int] = {}
    for part in ",".join(values).split(","):
        target, equals, level = part.strip().rpartition("=")
        if not level:
            continue
        if level not in LEVELS:
            raise InvalidLogFilter(
                f"--log {part}: '{level}' is no level; use one of {', '.join(LEVELS)}"
            )
        if equals:
            targets[target] = LEVELS[level]
        else:
            general = LEVELS[level]
    return general, targets


def short_hash(hash_: bytes) -> str:
    """A hash as the log shows it: 0x1234…abcd."""
    text = hash_.hex()
    return f"0x{text[:4]}…{text[-4:]}"


class _Filter:
    """Drops events below their target's level."""

    def __init__(self, general: int, targets: Mapping[str, int]) -> None:
        self._first = (general, dict(targets))
        self._general = general
        self._targets = dict(targets)

    def add(self, general: int | None, targets: Mapping[str, int]) -> None:
        """Let these levels win. Raises: InvalidLogFilter."""
        merged = {**self._targets, **targets}
        if len(merged) > TARGETS_MAX:
            raise InvalidLogFilter(f"more than {TARGETS_MAX} targets have a level of their own")
        self._general = self._general if general is None else general
        self._targets = merged

    def reset(self) -> None:
        """Go back to the levels of the start."""
        self._general, self._targets = self._first[0], dict(self._first[1])

    def __call__(
        self, _logger: object, name: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        level = LEVELS.get(name, logging.ERROR)
        if level < self._targets.get(event.get("target", ""), self._general):
            raise structlog.DropEvent
        event["level"] = name
        return event


def _human(_logger: object, _name: str, event: MutableMapping[str, Any]) -> str:
    moment = datetime.now().isoformat(sep=" ", timespec="milliseconds")
    level = str(event.pop("level")).upper()
    target = event.pop("target", "")
    text = event.pop("event")
    trace = event.pop("exception", None)
    fields = " ".join(f"{key}={value}" for key, value in event.items())
    mark = "" if level == "INFO" else f"{level:<5} "
    line = f"{moment} {mark}[{target}] {text}{' ' if fields else ''}{fields}"
    return line if trace is None else f"{line}\n{trace}"


class _Logger:
    """Writes finished lines; a closed stderr, or a full disk behind it, must not stop the node."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def _write(self, line: str) -> None:
        with suppress(OSError, ValueError):
            print(line, file=self._file, flush=True)  # this is where lines go

    debug = info = warning = error = exception = critical = msg = _write


class _Target:
    """Names the logger in each event."""

    def __call__(
        self, logger: "_Named", _name: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        event.setdefault("target", getattr(logger, "target", ""))
        return event


class _Named(_Logger):
    def __init__(self, file: TextIO, target: str) -> None:
        super().__init__(file)
        self.target = target


_active = _Filter(logging.INFO, {})


def add_filters(text: str) -> None:
    """Let the levels in ``text`` win from now on. Raises: InvalidLogFilter."""
    _active.add(*_parse((text,)))


def reset_filters() -> None:
    """Go back to the levels with which the process was started."""
    _active.reset()


def configure(filters: tuple[str, ...] = (), *, style: str = "human") -> None:
    """Set up the process's log; ``style`` is ``human`` or ``json``."""
    global _active  # noqa: PLW0603  a process has one log
    _active = _Filter(*parse_filters(filters))
    last = structlog.processors.JSONRenderer() if style == "json" else _human
    processors: list[Any] = [_Target(), _active]
    if style == "json":
        processors.append(structlog.processors.TimeStamper(fmt="iso"))
    structlog.configure(
        processors=[*processors, structlog.processors.format_exc_info, last],
        wrapper_class=structlog.BoundLogger,
        logger_factory=lambda *names: _Named(sys.stderr, names[0] if names else ""),
        cache_logger_on_first_use=False,
    )
