"""Which fragments are on the disk, in memory; rebuilt from the directories at every start.

The disk is the only truth: there is no database to lose. About 150 bytes for each fragment, at most
FRAGMENTS_MAX. Not safe for threads: `Volume` holds its lock around every use.
"""

import bisect
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from primitives.types import FragmentHash

from .errors import StoreError, from_os_error

FRAGMENTS_MAX = 1 << 22
NAME_LENGTH = 64


@dataclass(frozen=True, slots=True)
class FragmentEntry:
    """A fragment on the disk: its length in bytes and whether its commitments are there, too."""

    length: int
    has_commitments: bool


class FragmentIndex:
    """Fragments by hash, and in the order of their hashes."""

    def __init__(self) -> None:
        self._entries: dict[FragmentHash, FragmentEntry] = {}
        self._sorted: list[FragmentHash] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, fragment_hash: bytes) -> bool:
        return fragment_hash in self._entries

    def get(self, fragment_hash: bytes) -> FragmentEntry | None:
        """The entry of a fragment."""
        return self._entries.get(FragmentHash(fragment_hash))

    def put(self, fragment_hash: FragmentHash, entry: FragmentEntry) -> None:
        """Add or replace an entry. Raises: StoreError above FRAGMENTS_MAX."""
        if fragment_hash not in self._entries:
            if len(self._entries) >= FRAGMENTS_MAX:
                raise StoreError(f"one volume holds at most {FRAGMENTS_MAX} fragments")
            self._sorted = None
        self._entries[fragment_hash] = entry

    def remove(self, fragment_hash: bytes) -> FragmentEntry | None:
        """Take an entry out."""
        self._sorted = None
        return self._entries.pop(FragmentHash(fragment_hash), None)

    def hashes(self) -> tuple[FragmentHash, ...]:
        """All hashes, ascending."""
        return tuple(self._in_order())

    def after(self, cursor: bytes | None) -> FragmentHash | None:
        """The first hash above `cursor`, or the first of all after None; None at the end."""
        order = self._in_order()
        start = 0 if cursor is None else bisect.bisect_right(order, FragmentHash(cursor))
        return order[start] if start < len(order) else None

    def _in_order(self) -> list[FragmentHash]:
        if self._sorted is None:
            self._sorted = sorted(self._entries)
        return self._sorted


def scan(fragments: Path, commitments: Path) -> tuple[FragmentIndex, list[Path]]:
    """The index of what lies in the two directories, and the files that are no fragments.

    Reads names and lengths only. Raises: StoreError when a directory cannot be read.
    """
    index = FragmentIndex()
    strange: list[Path] = []
    try:
        known = {path.name for path in _files(commitments)}
        for path in _files(fragments):
            fragment_hash = _hash_of(path)
            if fragment_hash is None:
                strange.append(path)
                continue
            length = path.stat().st_size
            index.put(fragment_hash, FragmentEntry(length, f"{path.name}.kzg" in known))
    except OSError as error:
        raise from_os_error(error, "looking for fragments", fragments) from error
    return index, strange


def _files(directory: Path) -> Iterator[Path]:
    with os.scandir(directory) as outer:
        folders = sorted(entry.path for entry in outer if entry.is_dir(follow_symlinks=False))
    for folder in folders:
        with os.scandir(folder) as inner:
            names = sorted(entry.path for entry in inner if entry.is_file(follow_symlinks=False))
        yield from map(Path, names)


def _hash_of(path: Path) -> FragmentHash | None:
    name = path.name
    if len(name) != NAME_LENGTH or name != name.lower() or path.parent.name != name[:2]:
        return None
    try:
        return FragmentHash(bytes.fromhex(name))
    except ValueError:
        return None
