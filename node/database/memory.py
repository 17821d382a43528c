"""A store in memory: development chains without a directory (`--tmp`), tests and simulations.

Bounds: what it holds stays in memory; it forgets everything when it is dropped.
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice
from threading import Lock

from node.database.errors import DatabaseClosed
from node.database.kv import CHUNK_ENTRIES, Batch

__all__ = ["MemoryKv"]


class MemoryKv:
    """A dictionary under one lock, and its keys, which are sorted when somebody iterates."""

    def __init__(self) -> None:
        self._entries: dict[bytes, bytes] = {}
        self._keys: list[bytes] | None = []
        """In order; None since a key came or went."""
        self._lock = Lock()
        self._closed = False

    def _check_open(self) -> None:
        if self._closed:
            raise DatabaseClosed("the database is closed")

    def get(self, key: bytes) -> bytes | None:
        """The value under ``key``."""
        self._check_open()
        return self._entries.get(key)

    def iterate(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Entries whose keys begin with ``prefix``, from ``prefix + start`` on, in order."""
        begin = prefix + start
        while True:
            with self._lock:
                self._check_open()
                if self._keys is None:
                    self._keys = sorted(self._entries)
                at = bisect_left(self._keys, begin)
                keys = list(islice(self._keys, at, at + CHUNK_ENTRIES))
                chunk = [(key, self._entries[key]) for key in keys if key.startswith(prefix)]
            yield from chunk
            if len(chunk) < CHUNK_ENTRIES:
                return
            begin = chunk[-1][0] + b"\x00"

    def write(self, batch: Batch, *, sync: bool) -> None:  # noqa: ARG002  # memory has no disk
        """Apply ``batch`` whole."""
        with self._lock:
            self._check_open()
            for key, value in batch.operations.items():
                if value is not None:
                    if key not in self._entries:
                        self._keys = None
                    self._entries[key] = value
                elif key in self._entries:
                    self._keys = None
                    del self._entries[key]

    def size_bytes(self) -> int:
        """About how much room the store takes."""
        with self._lock:
            self._check_open()
            return sum(len(key) + len(value) for key, value in self._entries.items())

    def close(self) -> None:
        """Refuse everything from now on."""
        with self._lock:
            self._closed = True
