"""A disk that fails, or a process that dies, at the nth thing that is asked of the system."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BY_PATH = ("open", "mkdir", "unlink", "replace", "scandir")
BY_DESCRIPTOR = ("write", "fsync", "posix_fallocate", "read", "pread")


class Died(BaseException):
    """The process was killed here."""


class FaultyDisk:
    """Counts the calls that touch files below `root`; the nth fails once, or is the last.

    A write that fails has written half of its bytes. After a death nothing reaches the disk.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self.root = str(root)
        self.calls: list[str] = []
        self._fail_at = -1
        self._number = 0
        self._is_forever = False
        self._is_dead = False
        self.descriptors: dict[int, str] = {}
        for name in BY_PATH:
            monkeypatch.setattr(os, name, self._by_path(name, getattr(os, name)))
        for name in BY_DESCRIPTOR:
            monkeypatch.setattr(os, name, self._by_descriptor(name, getattr(os, name)))
        self._close = os.close
        monkeypatch.setattr(os, "close", self.close)

    def fail(self, at: int, number: int = errno.EIO, *, is_forever: bool = False) -> None:
        """The call after `at` others fails with the error `number`; 0 is the death of us."""
        self.calls.clear()
        self._fail_at, self._number, self._is_forever = at, number, is_forever
        self._is_dead = False

    def heal(self) -> None:
        """From now on nothing fails."""
        self.fail(-1)

    def _step(self, name: str) -> bool:
        if self._is_dead:
            raise Died
        self.calls.append(name)
        count = len(self.calls) - 1
        if count == self._fail_at or (self._is_forever and 0 <= self._fail_at <= count):
            self._is_dead = self._number == 0
            return True
        return False

    def _refuse(self) -> None:
        if self._number == 0:
            raise Died
        raise OSError(self._number, os.strerror(self._number))

    def _by_path(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any = ".", *arguments: Any, **options: Any) -> Any:
            if isinstance(path, int) or not os.fspath(path).startswith(self.root):
                return real(path, *arguments, **options)
            if self._step(name):
                self._refuse()
            result = real(path, *arguments, **options)
            if name == "open":
                self.descriptors[result] = os.fspath(path)
            return result

        return call

    def _by_descriptor(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(descriptor: int, *arguments: Any) -> Any:
            if descriptor not in self.descriptors:
                return real(descriptor, *arguments)
            if self._step(name):
                if name == "write":
                    real(descriptor, arguments[0][: len(arguments[0]) // 2])
                self._refuse()
            return real(descriptor, *arguments)

        return call

    def close(self, descriptor: int) -> None:
        """As `os.close`; closing never fails here."""
        self.descriptors.pop(descriptor, None)
        self._close(descriptor)
