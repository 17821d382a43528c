"""The store on disk: LevelDB through plyvel.

Every block checksum is verified on reading. After a failed write the store refuses further ones:
what an interrupted ``fsync`` left on disk is known only after opening again (never retry a failed
sync as if the first had not happened). A damaged store is reported, not repaired in place, for
LevelDB's repair may drop data that consensus relies on.

Threads: any number may read while one writes; ``close`` waits for calls under way.
"""

from collections.abc import Iterator
from pathlib import Path
from threading import Condition, Lock
from types import TracebackType
from typing import Final

import plyvel

from node.database.errors import DatabaseClosed, DatabaseFailed, DatabaseLocked, corrupt
from node.database.kv import CHUNK_ENTRIES, Batch
from primitives.errors import CessError

__all__ = ["BLOCK_CACHE_BYTES", "WRITE_BUFFER_BYTES", "LevelDb"]

BLOCK_CACHE_BYTES: Final = 32 * 1024 * 1024
WRITE_BUFFER_BYTES: Final = 16 * 1024 * 1024
OPEN_FILES_MAX: Final = 256
BLOOM_BITS: Final = 10


class LevelDb:
    """One LevelDB directory, created if it is missing.

    Raises: DatabaseLocked, DatabaseFailed, StorageCorrupt.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._calls = 0
        self._lock = Lock()
        self._idle = Condition(self._lock)
        self._closed = False
        self._failed = False
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._db = plyvel.DB(
                str(path),
                create_if_missing=True,
                paranoid_checks=False,  # it refuses the torn log tail that every kill may leave
                lru_cache_size=BLOCK_CACHE_BYTES,
                write_buffer_size=WRITE_BUFFER_BYTES,
                max_open_files=OPEN_FILES_MAX,
                bloom_filter_bits=BLOOM_BITS,
                compression=None,  # hashes and keys do not shrink
            )
        except plyvel.CorruptionError as error:
            raise corrupt(f"LevelDB cannot open {path}: {error}") from error
        except (plyvel.Error, OSError) as error:
            if _is_lock(error):
                raise DatabaseLocked(
                    f"{path} is open already: another node uses this directory: stop it or choose "
                    "another --base-path"
                ) from error
            raise DatabaseFailed(
                f"{path} cannot be opened: {error}; check the path, its rights and the disk"
            ) from error

    def __enter__(self) -> None:
        """A call begins: the directory stays open until it ends."""
        with self._lock:
            if self._closed:
                raise DatabaseClosed(f"{self.path} is closed")
            self._calls += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """A call ends; LevelDB's errors become ours."""
        with self._lock:
            self._calls -= 1
            if not self._calls:
                self._idle.notify_all()
        if isinstance(error, plyvel.Error):
            raise self._ours(error) from error

    def _ours(self, error: Exception) -> CessError:
        if isinstance(error, plyvel.CorruptionError):
            return corrupt(f"LevelDB in {self.path}: {error}")
        return DatabaseFailed(f"LevelDB in {self.path}: {error}; check the disk")

    def get(self, key: bytes) -> bytes | None:
        """The value under ``key``."""
        # As `with self`, spelled out: a block reads thousands of times.
        lock = self._lock
        with lock:
            if self._closed:
                raise DatabaseClosed(f"{self.path} is closed")
            self._calls += 1
        try:
            value: bytes | None = self._db.get(key, verify_checksums=True)
        except plyvel.Error as error:
            raise self._ours(error) from error
        finally:
            with lock:
                self._calls -= 1
                if self._closed and not self._calls:
                    self._idle.notify_all()
        return value

    def iterate(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Entries whose keys begin with ``prefix``, from ``prefix + start`` on, in order."""
        begin = prefix + start
        while True:
            chunk: list[tuple[bytes, bytes]] = []
            with (
                self,
                self._db.iterator(start=begin, verify_checksums=True, fill_cache=False) as entries,
            ):
                for key, value in entries:
                    if not key.startswith(prefix) or len(chunk) == CHUNK_ENTRIES:
                        break
                    chunk.append((key, value))
            yield from chunk
            if len(chunk) < CHUNK_ENTRIES:
                return
            begin = chunk[-1][0] + b"\x00"

    def write(self, batch: Batch, *, sync: bool) -> None:
        """Apply ``batch`` whole; with ``sync`` it is on disk when this returns."""
        if self._failed:
            raise DatabaseFailed(
                f"{self.path}: an earlier write failed; check the disk and start the node again"
            )
        try:
            with self:
                writes = self._db.write_batch(sync=sync)
                for key, value in batch.operations.items():
                    if value is None:
                        writes.delete(key)
                    else:
                        writes.put(key, value)
                writes.write()
        except DatabaseClosed:
            raise
        except BaseException:
            self._failed = True
            raise

    def size_bytes(self) -> int:
        """About how much room the directory takes."""
        with self:
            total = 0
            for file in self.path.iterdir():
                try:
                    total += file.stat().st_size
                except FileNotFoundError:
                    continue  # a compaction removed it meanwhile
            return total

    def close(self) -> None:
        """Wait for calls under way, then release the directory."""
        with self._idle:
            if self._closed:
                return
            self._closed = True
            while self._calls:
                self._idle.wait()
            self._db.close()

    @staticmethod
    def destroy(path: Path) -> None:
        """Delete the store at ``path`` for good, if there is one and nobody has it open.

        Raises: DatabaseLocked, DatabaseFailed.
        """
        if not path.exists():
            return
        try:
            plyvel.destroy_db(str(path))
        except plyvel.Error as error:
            if _is_lock(error):
                raise DatabaseLocked(f"{path} is in use: stop the node first") from error
            raise DatabaseFailed(f"{path} cannot be deleted: {error}") from error


def _is_lock(error: Exception) -> bool:
    """Whether somebody has the directory; its path may have any words in it, as in blockchain."""
    return str(error).removeprefix("b'").startswith("IO error: lock ")
