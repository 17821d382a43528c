"""One volume: fragments in and out, the space they take, and nothing half-written.

Guarantees:
- a fragment is visible under its name only when all its bytes were hashed, equal that name and are
  on the disk (file and directory synced); `Upload.finish` returns after that and not before;
- whatever was being written when the process died lies in `temporary/` and is removed at the next
  start;
- `fragments + small files + plots + reservations <= capacity` at all times: space is reserved
  before it is written, temporary space included;
- one process at a time: the directory is locked.

Blocking calls, to be made in worker threads; safe for several at once. A disk that failed a write
or a sync is not written to again by this process: what a second sync says cannot be trusted. One
that failed READ_FAULTS_MAX reads of different fragments in a row is not read any more, either: it
is out, and what it holds is neither served nor taken for lost.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from types import TracebackType

from primitives.errors import StorageCorrupt
from primitives.types import Bytes48, FragmentHash

from .errors import (
    AlreadyReceiving,
    DirectoryInUse,
    DiskFailed,
    FragmentMismatch,
    QuotaReached,
    StoreError,
    from_os_error,
)
from .files import read_small, sync_directory, write_all, write_durably
from .index import FragmentEntry, scan
from .layout import DIRECTORY_MODE, Layout
from .page import Members, pack_members
from .records import (
    RECORD_BYTES_MAX,
    Cosignature,
    pack_commitments,
    pack_cosignature,
    unpack_commitments,
    unpack_cosignature,
)

BLOCK_BYTES = 4096
"""Files are counted in whole blocks of this size, as `du` counts them."""

SMALL_FILE_BYTES = 2 * BLOCK_BYTES
"""Room for a fragment's commitments and the directory entries."""

FREE_BYTES_MIN = 64 << 20
"""What stays free on the disk whatever the quota says, so that the daemon can still work."""

COSIGNATURES_MAX = 1 << 16

READ_FAULTS_MAX = 4
"""So many fragments in a row that cannot be read are a failing disk and not a bad sector."""


@dataclass(frozen=True, slots=True)
class SpaceUse:
    """Where the configured space goes, in bytes on the disk."""

    capacity: int
    fragments: int
    plots: int
    reserved: int
    disk_free: int

    @property
    def used(self) -> int:
        """All that counts against the capacity."""
        return self.fragments + self.plots + self.reserved

    @property
    def left(self) -> int:
        """What may still be written: the smaller of the quota's and the disk's remainder."""
        return max(0, min(self.capacity - self.used, self.disk_free - FREE_BYTES_MIN))


class Volume:
    """An open, locked data directory. Close it, or use it in a `with` statement.

    Raises on opening: DirectoryInUse, LayoutMismatch and other StoreError.
    """

    def __init__(self, root: Path, capacity_bytes: int) -> None:
        self.layout = Layout(root)
        self._capacity = capacity_bytes
        self._guard = Lock()
        self._receiving: set[FragmentHash] = set()
        self._reserved = 0
        self._fault: DiskFailed | None = None
        self._outage: DiskFailed | None = None
        self._unreadable: list[FragmentHash] = []
        self._lock_descriptor = self._lock(root)
        try:
            self.layout.prepare()
            self.is_new = not (self.layout.page.exists() or self.layout.old_identity.exists())
            self.page = self.layout.open_page()
            self._members = self.layout.read_members()
            self.swept = self._sweep()
            self._index, self.strange = scan(self.layout.fragments, self.layout.commitments)
            self._fragment_bytes = sum(
                _occupied(entry.length) + SMALL_FILE_BYTES
                for entry in map(self._index.get, self._index.hashes())
                if entry is not None
            )
            self._plot_bytes = self.measure_plots()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Volume":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let another process have the directory. Safe to call twice."""
        if self._lock_descriptor >= 0:
            os.close(self._lock_descriptor)
            self._lock_descriptor = -1

    def bind(self, genesis: bytes, account: bytes) -> None:
        """Say for ever whose volume this is. Raises: LayoutMismatch when it is another's."""
        self.page = self.layout.bind(self.page, genesis, account)

    def remember(self, members: Members) -> None:
        """Keep the list of this miner's volumes; a disk that refuses it is passed over."""
        self._members = members
        with contextlib.suppress(StoreError):
            self.write_small(self.layout.members, pack_members(members))

    def remember_again(self) -> None:
        """Write the list anew, after it was found damaged."""
        if self._members is not None:
            self.remember(self._members)

    def write_small(self, path: Path, data: bytes) -> None:
        """Put a small file in place durably. Raises: StoreError."""
        self._refuse_after_fault()
        try:
            write_durably(path, data, self.layout.temporary)
        except StoreError as error:
            self._note(error)
            raise

    # What is there.

    @property
    def fault(self) -> DiskFailed | None:
        """Why nothing more is written, if so."""
        return self._outage or self._fault

    @property
    def outage(self) -> DiskFailed | None:
        """Why nothing more is read either, if so."""
        return self._outage

    def is_receiving(self, fragment_hash: FragmentHash) -> bool:
        """Whether a fragment is arriving here."""
        with self._guard:
            return fragment_hash in self._receiving

    def note_read(self, fragment_hash: FragmentHash, *, is_readable: bool) -> None:
        """Count reads that the disk refused; too many in a row take the volume out."""
        with self._guard:
            if is_readable:
                self._unreadable.clear()
                return
            if fragment_hash not in self._unreadable:
                self._unreadable.append(fragment_hash)
            if len(self._unreadable) >= READ_FAULTS_MAX and self._outage is None:
                self._outage = DiskFailed(
                    f"{len(self._unreadable)} fragments in a row cannot be read from "
                    f"{self.layout.root}; check the disk (dmesg, SMART), then restart"
                )

    def space(self) -> SpaceUse:
        """The one account of space that status, metrics and decisions use."""
        try:
            disk_free = shutil.disk_usage(self.layout.root).free
        except OSError as error:
            raise from_os_error(error, "asking for free space", self.layout.root) from error
        with self._guard:
            return SpaceUse(
                self._capacity, self._fragment_bytes, self._plot_bytes, self._reserved, disk_free
            )

    def entry(self, fragment_hash: bytes) -> FragmentEntry | None:
        """What the index says of a fragment."""
        with self._guard:
            return self._index.get(fragment_hash)

    def count(self) -> int:
        """How many fragments are in the index."""
        with self._guard:
            return len(self._index)

    def fragment_hashes(self) -> tuple[FragmentHash, ...]:
        """All fragments in the index, ascending."""
        with self._guard:
            return self._index.hashes()

    def next_fragment(self, cursor: bytes | None) -> FragmentHash | None:
        """The fragment after `cursor` in the order of hashes; None at the end."""
        with self._guard:
            return self._index.after(cursor)

    # Fragments.

    def begin(self, fragment_hash: FragmentHash, length: int) -> "Upload":
        """Start receiving a fragment of exactly `length` bytes; its space is reserved at once.

        Raises: AlreadyReceiving, QuotaReached, DiskFull, DiskRefused, DiskFailed.
        """
        self._refuse_after_fault()
        needed = _occupied(length) + SMALL_FILE_BYTES
        with self._guard:
            if fragment_hash in self._receiving:
                raise AlreadyReceiving(
                    "this fragment is arriving on another connection; wait for that one to end"
                )
            self._receiving.add(fragment_hash)
        try:
            self.reserve(needed)
        except StoreError:
            self._receiving.discard(fragment_hash)
            raise
        try:
            return Upload(self, fragment_hash, length)
        except StoreError as error:
            self._end_upload(fragment_hash, needed)
            self._note(error)
            raise

    def remove(self, fragment_hash: FragmentHash) -> bool:
        """Delete a fragment and its commitments; whether it was there. Raises: StoreError."""
        with self._guard:
            entry = self._index.remove(fragment_hash)
        try:
            self.layout.fragment(fragment_hash).unlink(missing_ok=True)
            self.layout.commitment(fragment_hash).unlink(missing_ok=True)
        except OSError as error:
            failure = from_os_error(error, "deleting a fragment", self.layout.fragments)
            self._note(failure)
            if entry is not None:
                with self._guard:
                    self._index.put(fragment_hash, entry)
            raise failure from error
        if entry is None:
            return False
        with self._guard:
            self._fragment_bytes -= _occupied(entry.length) + SMALL_FILE_BYTES
        return True

    def forget(self, fragment_hash: FragmentHash) -> None:
        """Take note that a fragment's file is gone or damaged: nothing of it stays."""
        self.remove(fragment_hash)

    # Commitments.

    def put_commitments(self, fragment_hash: FragmentHash, commitments: Sequence[bytes]) -> None:
        """Keep a fragment's commitments beside it. Raises: StoreError."""
        self._refuse_after_fault()
        path = self.layout.commitment(fragment_hash)
        try:
            if not path.parent.is_dir():
                path.parent.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
                sync_directory(path.parent.parent)
        except OSError as error:
            failure = from_os_error(error, "writing commitments", path)
            self._note(failure)
            raise failure from error
        self.write_small(path, pack_commitments(fragment_hash, commitments))
        with self._guard:
            entry = self._index.get(fragment_hash)
            if entry is not None:
                self._index.put(fragment_hash, FragmentEntry(entry.length, True))

    def commitments(self, fragment_hash: FragmentHash) -> tuple[Bytes48, ...] | None:
        """A fragment's commitments; None when they are missing or damaged: compute them again."""
        path = self.layout.commitment(fragment_hash)
        try:
            return unpack_commitments(read_small(path, RECORD_BYTES_MAX), fragment_hash)
        except FileNotFoundError:
            return None
        except (OSError, StorageCorrupt):
            self.forget_commitments(fragment_hash)
            return None

    def forget_commitments(self, fragment_hash: FragmentHash) -> None:
        """Remove commitments that are damaged, so that they are computed again."""
        with contextlib.suppress(OSError):
            self.layout.commitment(fragment_hash).unlink(missing_ok=True)
        with self._guard:
            entry = self._index.get(fragment_hash)
            if entry is not None:
                self._index.put(fragment_hash, FragmentEntry(entry.length, False))

    # Co-signatures.

    def put_cosignature(self, item: Cosignature) -> None:
        """Keep a co-signature until its fragment is reported. Raises: StoreError."""
        path = self.layout.cosignature(item.file_hash, item.segment_index, item.fragment_index)
        self.write_small(path, pack_cosignature(item))

    def remove_cosignature(self, item: Cosignature) -> None:
        """Forget a co-signature that was reported or is of no use."""
        path = self.layout.cosignature(item.file_hash, item.segment_index, item.fragment_index)
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)

    def cosignatures(self) -> tuple[Cosignature, ...]:
        """All that are kept, at most COSIGNATURES_MAX; damaged ones are removed."""
        found = []
        try:
            paths = sorted(self.layout.cosignatures.iterdir())[:COSIGNATURES_MAX]
        except OSError as error:
            raise from_os_error(error, "reading co-signatures", self.layout.cosignatures) from error
        for path in paths:
            try:
                found.append(unpack_cosignature(read_small(path, RECORD_BYTES_MAX)))
            except (OSError, StorageCorrupt):
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
        return tuple(found)

    # Space of others.

    def reserve(self, length: int) -> None:
        """Count `length` bytes that somebody is about to write.

        Raises: QuotaReached when the configured space has no room; DiskFull when the disk has none.
        """
        space = self.space()
        with self._guard:
            used = self._fragment_bytes + self._plot_bytes + self._reserved
            if used + length > self._capacity:
                raise QuotaReached(
                    f"{length} bytes do not fit: {used} of {self._capacity} configured bytes are "
                    "in use; retry after idle plots were retired, or raise `space`"
                )
            if space.disk_free - self._reserved < length + FREE_BYTES_MIN:
                raise from_os_error(
                    OSError(28, "no space left beside what is kept free"),
                    "reserving space",
                    self.layout.root,
                )
            self._reserved += length

    def release(self, length: int) -> None:
        """Take back a reservation of `length` bytes."""
        with self._guard:
            self._reserved -= length

    def measure_plots(self) -> int:
        """Count the plots on the disk again, after one was made or deleted."""
        try:
            with os.scandir(self.layout.plots) as entries:
                total = sum(_occupied(entry.stat().st_size) for entry in entries if entry.is_file())
        except OSError as error:
            raise from_os_error(error, "measuring plots", self.layout.plots) from error
        with self._guard:
            self._plot_bytes = total
        return total

    # Private.

    def _lock(self, root: Path) -> int:
        try:
            root.mkdir(parents=True, exist_ok=True, mode=DIRECTORY_MODE)
            descriptor = os.open(self.layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise from_os_error(error, "opening the volume", root) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _read_holder(descriptor)
            os.close(descriptor)
            raise DirectoryInUse(
                f"another miner{holder} uses {root}; stop it, or name another one"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return descriptor

    def _sweep(self) -> int:
        """Remove what an earlier process left half-written; return how many entries."""
        removed = 0
        try:
            with os.scandir(self.layout.temporary) as entries:
                leftovers = sorted(entry.path for entry in entries)
            for path in map(Path, leftovers):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
                removed += 1
        except OSError as error:
            raise from_os_error(
                error, "removing unfinished files", self.layout.temporary
            ) from error
        return removed

    def _refuse_after_fault(self) -> None:
        fault = self.fault
        if fault is not None:
            raise fault

    def _note(self, error: StoreError) -> None:
        if isinstance(error, DiskFailed) and self._fault is None:
            self._fault = error

    def _end_upload(self, fragment_hash: FragmentHash, reserved: int) -> None:
        with self._guard:
            self._receiving.discard(fragment_hash)
            self._reserved -= reserved

    def _accept(self, fragment_hash: FragmentHash, length: int) -> None:
        with self._guard:
            if fragment_hash not in self._index:
                self._fragment_bytes += _occupied(length) + SMALL_FILE_BYTES
            known = self._index.get(fragment_hash)
            has_commitments = known is not None and known.has_commitments
            self._index.put(fragment_hash, FragmentEntry(length, has_commitments))


class Upload:
    """A fragment on its way in. End it with `finish` or `abort`; `abort` after either does nothing.

    `write` any number of times, then `finish`. Threads may take turns, one call at a time.
    """

    def __init__(self, volume: Volume, fragment_hash: FragmentHash, length: int) -> None:
        self._volume = volume
        self._hash = fragment_hash
        self._length = length
        self._reserved = _occupied(length) + SMALL_FILE_BYTES
        self._digest = hashlib.sha256()
        self._received = 0
        self._is_open = True
        self._path = volume.layout.temporary / f"{fragment_hash.hex()}.part"
        try:
            self._descriptor = os.open(
                self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise from_os_error(error, "receiving a fragment", self._path) from error
        try:
            os.posix_fallocate(self._descriptor, 0, length)
        except OSError as error:
            os.close(self._descriptor)
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
            raise from_os_error(error, "receiving a fragment", self._path) from error

    @property
    def received(self) -> int:
        """Bytes written so far."""
        return self._received

    def write(self, chunks: Iterable[bytes]) -> None:
        """Hash and write. Raises: FragmentMismatch for a byte too many; StoreError of the disk."""
        for chunk in chunks:
            if self._received + len(chunk) > self._length:
                raise FragmentMismatch(
                    f"the body is longer than the {self._length} bytes of a fragment"
                )
            self._digest.update(chunk)
            self._guarded(partial(write_all, self._descriptor, chunk))
            self._received += len(chunk)

    def finish(self) -> None:
        """Check the hash, sync, and give the fragment its name. It is durable when this returns.

        Raises: FragmentMismatch, after which nothing of it stays; StoreError of the disk.
        """
        if self._received != self._length:
            raise FragmentMismatch(
                f"the body ended after {self._received} of {self._length} bytes; send all of them"
            )
        if self._digest.digest() != self._hash:
            raise FragmentMismatch(
                f"the bytes hash to {self._digest.hexdigest()}, not to the name {self._hash.hex()}"
            )
        self._guarded(self._put_in_place)
        self._volume._accept(self._hash, self._length)  # noqa: SLF001  its own other half
        self._end()

    def abort(self) -> None:
        """Remove what was received."""
        if self._is_open:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
            self._end()

    def _put_in_place(self) -> None:
        target = self._volume.layout.fragment(self._hash)
        os.fsync(self._descriptor)
        if not target.parent.is_dir():
            target.parent.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
            sync_directory(target.parent.parent)
        os.replace(self._path, target)
        sync_directory(target.parent)

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            failure = from_os_error(error, "receiving a fragment", self._path)
            self._volume._note(failure)  # noqa: SLF001  its own other half
            raise failure from error

    def _end(self) -> None:
        self._is_open = False
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        self._volume._end_upload(self._hash, self._reserved)  # noqa: SLF001  its own other half


def _occupied(length: int) -> int:
    return -(-length // BLOCK_BYTES) * BLOCK_BYTES


def _read_holder(descriptor: int) -> str:
    text = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
    return f" (process {text})" if text.isdigit() else ""
