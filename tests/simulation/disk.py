"""A disk under a node's key-value store: it forgets, tears, rots and fills up.

``SimDisk`` keeps ``KeyValue``'s promises and nothing beyond them. What was written with ``sync``
is there after a crash; of the batches written since, a prefix is, and the one that was being
written is there whole or not at all: the store's log has a checksum for each batch, so a torn one
is cut off.
``rot`` flips a bit of what lies on the disk: the store does not notice, the database must.
``room_bytes`` bounds what may be written before ``DatabaseFailed``.
"""

import random
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from typing import Any

from node.database import DatabaseClosed, DatabaseFailed
from node.database.kv import Batch


class CrashNow(BaseException):
    """The node loses its power in the midst of what it does."""


class SimDisk:
    """What survives its node. ``open`` gives the store that one life of the node works with."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.entries: dict[bytes, bytes] = {}
        self.keys: list[bytes] = []
        self.undo: list[dict[bytes, bytes | None]] = []
        """What the unsynced batches replaced, oldest first."""
        self.room_bytes: int | None = None
        self.writes_to_crash: int | None = None
        """After so many writes the power goes, in the midst of the last of them."""
        self.torn_count = 0
        self.lost_count = 0
        self.rotten: set[bytes] = set()
        self.store: SimKv | None = None
        self.files: dict[str, Any] = {}
        """Small files that are replaced whole and synced, beside the database."""

    def put_file(self, name: str, content: Any) -> None:
        """Replace a small file: after a crash there is the old one or the new one."""
        self._count_down(lambda: self.files.__setitem__(name, content))
        self.files[name] = content

    def open(self) -> "SimKv":
        self.store = SimKv(self)
        return self.store

    def crash(self) -> None:
        """The power goes: of what was not synced only a prefix remains."""
        kept = self.draw.randint(0, len(self.undo))
        while len(self.undo) > kept:
            self.lost_count += 1
            self._apply(self.undo.pop())
        self.undo.clear()
        if self.store is not None:
            self.store.close()
            self.store = None

    def wipe(self) -> None:
        """The operator removes the database."""
        self.entries.clear()
        self.keys.clear()
        self.undo.clear()
        self.rotten.clear()

    def rot(self) -> None:
        """One bit of one value flips."""
        if not self.keys:
            return
        key = self.draw.choice(self.keys)
        value = bytearray(self.entries[key])
        if not value:
            return
        value[self.draw.randrange(len(value))] ^= 1 << self.draw.randrange(8)
        self.entries[key] = bytes(value)
        self.rotten.add(key)

    def write(self, operations: dict[bytes, bytes | None], *, sync: bool) -> None:
        if self.room_bytes is not None:
            self.room_bytes -= sum(len(value) for value in operations.values() if value)
            if self.room_bytes < 0:
                raise DatabaseFailed("no space left on device")
        self._count_down(lambda: self._apply(operations))
        if sync:
            self.undo.clear()
            self._apply(operations)
        else:
            self.undo.append({key: self.entries.get(key) for key in operations})
            self._apply(operations)

    def _count_down(self, apply: Callable[[], None]) -> None:
        """The power may go within this write: then it is torn, or whole though nobody was told."""
        if self.writes_to_crash is None:
            return
        self.writes_to_crash -= 1
        if self.writes_to_crash >= 0:
            return
        self.writes_to_crash = None
        if self.draw.random() < 0.5:
            self.torn_count += 1  # cut off when the log is read again
        else:
            apply()
        raise CrashNow

    def _apply(self, operations: dict[bytes, bytes | None]) -> None:
        entries = self.entries
        for key, value in operations.items():
            if value is not None:
                if key not in entries:
                    insort(self.keys, key)
                entries[key] = value
            elif key in entries:
                del entries[key]
                del self.keys[bisect_left(self.keys, key)]


class SimKv:
    """The store of one life of a node."""

    def __init__(self, disk: SimDisk) -> None:
        self._disk = disk
        self._closed = False
        self._failed = False

    def _check(self) -> None:
        if self._closed:
            raise DatabaseClosed("the database is closed")

    def get(self, key: bytes) -> bytes | None:
        self._check()
        return self._disk.entries.get(key)

    def iterate(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        self._check()
        disk = self._disk
        at = bisect_left(disk.keys, prefix + start)
        found = []
        while at < len(disk.keys) and disk.keys[at].startswith(prefix):
            found.append((disk.keys[at], disk.entries[disk.keys[at]]))
            at += 1
        yield from found

    def write(self, batch: Batch, *, sync: bool) -> None:
        self._check()
        if self._failed:
            raise DatabaseFailed("an earlier write failed")
        try:
            self._disk.write(batch.operations, sync=sync)
        except DatabaseFailed:
            self._failed = True
            raise

    def size_bytes(self) -> int:
        self._check()
        return sum(len(key) + len(value) for key, value in self._disk.entries.items())

    def close(self) -> None:
        self._closed = True
