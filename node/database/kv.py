"""The five operations that a store must offer, and the batch they are given.

Guarantees every implementation keeps (``tests/suites/key_value.py`` checks them): a batch is
applied whole or not at all, also over a crash; after ``write(batch, sync=True)`` returns, it is on
disk; readers in other threads see it before or after, never half; keys come in byte order.
Bounds: a batch lives in memory; ``iterate`` reads ``CHUNK_ENTRIES`` at a time.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Protocol

__all__ = ["CHUNK_ENTRIES", "Batch", "KeyValue"]

CHUNK_ENTRIES: Final = 256
"""Entries that ``iterate`` holds at once; changes made meanwhile show from the next chunk on."""


class Batch:
    """Changes to apply together; the last change of a key wins."""

    __slots__ = ("operations",)

    def __init__(self) -> None:
        self.operations: dict[bytes, bytes | None] = {}

    def put(self, key: bytes, value: bytes) -> None:
        """Set ``key``."""
        self.operations[key] = value

    def apply(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Set many keys, remove those with None."""
        self.operations.update(changes)

    def delete(self, key: bytes) -> None:
        """Remove ``key``, if it is there."""
        self.operations[key] = None

    def __len__(self) -> int:
        return len(self.operations)


class KeyValue(Protocol):
    """An ordered store of bytes."""

    def get(self, key: bytes) -> bytes | None:
        """The value under ``key``."""
        ...

    def iterate(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Entries whose keys begin with ``prefix``, from ``prefix + start`` on, in order."""
        ...

    def write(self, batch: Batch, *, sync: bool) -> None:
        """Apply ``batch`` whole; with ``sync`` it is on disk when this returns."""
        ...

    def size_bytes(self) -> int:
        """About how much room the store takes."""
        ...

    def close(self) -> None:
        """Release the store; later calls raise DatabaseClosed. Closing twice is harmless."""
        ...
