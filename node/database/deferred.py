"""A store in front of the store, in which batches may wait for a synced write.

Syncing each block takes as long as executing it, and while a node catches up a block that is lost
can be fetched again. So its batch may wait in memory (``defer``). The next synced write, or
``settle``, puts all that waits to disk with it, as one batch.

Guarantees: the store below sees synced batches only, in order, each with everything that waited. So
after a crash it holds what it held after one of them: what waited is missing whole, never a part of
it and never something from the middle. Readers see at once what waits.
Bounds: ``DEFERRED_BATCHES_MAX`` and ``DEFERRED_BYTES_MAX``; the batch that reaches one of them is
synced with all before it.

Threads: any number may read; one at a time changes.
"""

from collections.abc import Iterator
from typing import Final

from node.database.kv import CHUNK_ENTRIES, Batch, KeyValue

__all__ = ["DEFERRED_BATCHES_MAX", "DEFERRED_BYTES_MAX", "DeferringKv"]

DEFERRED_BATCHES_MAX: Final = 256
DEFERRED_BYTES_MAX: Final = 8 * 1024 * 1024
ENTRY_BYTES: Final = 150
"""About what an entry that waits takes beside its key and value."""


class _Absent:
    """Marks keys that nothing waits for."""


_ABSENT: Final = _Absent()


class DeferringKv:
    """See the module's text."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv
        self._waiting: dict[bytes, bytes | None] = {}
        self._bytes = 0
        self.waiting_count = 0
        """Batches that are not on disk yet."""

    def get(self, key: bytes) -> bytes | None:
        """The value under ``key``."""
        # What waits is looked at first: it leaves only after the store below has it.
        waiting = self._waiting
        if waiting:
            value = waiting.get(key, _ABSENT)
            if not isinstance(value, _Absent):
                return value
        return self._kv.get(key)

    def iterate(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Entries whose keys begin with ``prefix``, from ``prefix + start`` on, in order."""
        begin = prefix + start
        while True:
            waiting = self._waiting
            if not waiting:
                yield from self._kv.iterate(prefix, begin[len(prefix) :])
                return
            found: dict[bytes, bytes | None] = {}
            is_last = True
            for key, value in self._kv.iterate(prefix, begin[len(prefix) :]):
                found[key] = value
                if len(found) == CHUNK_ENTRIES:
                    is_last = False
                    break
            end = None if is_last else next(reversed(found))
            found |= {
                key: change
                for key, change in list(waiting.items())
                if key >= begin and key.startswith(prefix) and (end is None or key <= end)
            }
            for key in sorted(found):
                entry = found[key]
                if entry is not None:
                    yield key, entry
            if end is None:
                return
            begin = end + b"\x00"

    def defer(self, batch: Batch) -> None:
        """Apply ``batch`` whole; it is on disk after the next synced write, or by now."""
        # One step for readers in other threads.
        self._waiting.update(batch.operations)
        self.waiting_count += 1
        self._bytes += _size_bytes(batch)
        if self.waiting_count >= DEFERRED_BATCHES_MAX or self._bytes >= DEFERRED_BYTES_MAX:
            self.settle()

    def settle(self) -> None:
        """All that waits is on disk when this returns. Raises: DatabaseFailed."""
        if not self.waiting_count:
            return
        batch = Batch()
        batch.operations = self._waiting
        self._kv.write(batch, sync=True)
        self._waiting = {}
        self._bytes = self.waiting_count = 0

    def write(self, batch: Batch, *, sync: bool) -> None:
        """Apply ``batch`` whole, after what waits; if something does, it is synced in any case."""
        if not self.waiting_count:
            self._kv.write(batch, sync=sync)
            return
        self._waiting.update(batch.operations)
        self.settle()

    def size_bytes(self) -> int:
        """About how much room the store takes on disk."""
        return self._kv.size_bytes()

    def close(self) -> None:
        """Put what waits to disk and release the store."""
        try:
            self.settle()
        finally:
            self._kv.close()


def _size_bytes(batch: Batch) -> int:
    return sum(
        ENTRY_BYTES + len(key) + (0 if value is None else len(value))
        for key, value in batch.operations.items()
    )
