"""A file that appears whole under its name or not at all, and is not left lying open.

It is written beside its place under a hidden name, readable by its owner only, synced, and renamed.
Private content stays readable by its owner only; a file that is replaced passes its permissions on.
A symbolic link in the place is replaced and never followed; devices, pipes and directories are
refused, for a rename would put a file where they were.

Everything here blocks: use a thread.
"""

import contextlib
import os
import secrets
import stat
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from primitives.errors import CessError

__all__ = ["CannotLand", "Landing"]

PRIVATE_MODE = 0o600
PUBLIC_MODE = 0o644


class CannotLand(CessError):
    """A place where no file can be put."""


class Landing:
    """Use it in a ``with`` block: write to ``out``, then ``land``; else nothing is left."""

    def __init__(self, target: Path) -> None:
        """Raises: CannotLand; OSError when the directory cannot be written."""
        self._target = target
        self._mode = _mode_there(target)
        self._part = target.with_name(f".cess-{secrets.token_hex(8)}.part")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        self.out: BinaryIO = os.fdopen(os.open(self._part, flags, PRIVATE_MODE), "wb")

    def land(self, *, is_private: bool) -> None:
        """Put what was written in its place; it is on disk when this returns."""
        default = PRIVATE_MODE if is_private else PUBLIC_MODE
        os.fchmod(self.out.fileno(), default if self._mode is None else self._mode)
        self.out.flush()
        os.fsync(self.out.fileno())
        self.out.close()
        self._part.replace(self._target)
        directory = os.open(self._target.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def __enter__(self) -> "Landing":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._part.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # what a full disk did not take is not wanted
            self.out.close()


def _mode_there(target: Path) -> int | None:
    """The permissions of the file in the place, if there is one. Raises: CannotLand."""
    try:
        if not stat.S_ISREG(target.stat().st_mode):
            raise CannotLand(f"{target} is no ordinary file: name another one to write to")
        found = target.lstat()
    except FileNotFoundError:
        return None
    return stat.S_IMODE(found.st_mode) & 0o777 if stat.S_ISREG(found.st_mode) else None
