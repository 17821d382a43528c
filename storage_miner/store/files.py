"""The few things that the store asks of the operating system, each whole or failed.

Every write, sync, rename and read of the store goes through `os` here or in `Upload`, so that tests
can fail or end the process at each of them.
"""

import contextlib
import os
from pathlib import Path

from .errors import from_os_error

FILE_MODE = 0o600


def write_all(descriptor: int, data: bytes | bytearray | memoryview) -> None:
    """Write all of `data` at the descriptor's place. Raises: OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def read_small(path: Path, limit: int) -> bytes:
    """The first `limit` + 1 bytes of a file, so that a longer one shows. Raises: OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts: list[bytes] = []
        wanted = limit + 1
        while wanted and (part := os.read(descriptor, wanted)):
            parts.append(part)
            wanted -= len(part)
    finally:
        os.close(descriptor)
    return b"".join(parts)


def write_durably(path: Path, data: bytes, temporary: Path) -> None:
    """Put a small file in place, whole or not at all, and on the disk when this returns.

    Raises: StoreError.
    """
    part = temporary / f"{path.name}.part"
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(part, path)
        sync_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise from_os_error(error, f"writing {path.name}", path.parent) from error


def sync_directory(path: Path) -> None:
    """Make names in a directory durable. Raises: OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def drop_cached(descriptor: int) -> None:
    """Ask the system to forget a file's pages, so that the next read is the disk's own word."""
    if hasattr(os, "posix_fadvise"):
        with contextlib.suppress(OSError):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def read_ahead(descriptor: int, start: int, length: int) -> None:
    """Ask the system to read a part of a file soon."""
    if hasattr(os, "posix_fadvise"):
        with contextlib.suppress(OSError):
            os.posix_fadvise(descriptor, start, length, os.POSIX_FADV_WILLNEED)
