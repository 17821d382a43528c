"""From a file to fragments on disk: sealed, cut into segments, erasure coded, hashed, named.

    file ──seal (vault)──► stored bytes ──cut──► segments ──Reed-Solomon──► 12 fragments each

The fragments lie in a spool directory, each under its hash, until all of them are with their
holders; ``manifest.json`` beside them says which belong where, so an interrupted upload goes on
where it stopped. Preparing is synchronous and heavy: run it in a worker thread. When it fails,
nothing is left; a file that changes while it is read is refused, not stored half old, half new.
The directory is open to its owner only: the manifest has the file's name.

Bounds: memory holds one segment and its fragments, whatever the size of the file; the disk takes
three times the stored bytes.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from client.vault.envelope import (
    MAGIC,
    NAME_BYTES_MAX,
    Sealer,
    envelope_bytes,
    padded_content_bytes,
)
from client.vault.keys import VaultKey
from pallets.file_bank.types import SEGMENT_COUNT_MAX
from primitives.errors import CessError, StorageCorrupt
from primitives.types import FileHash, FragmentHash, SegmentHash
from proofs.erasure.reed_solomon import ReedSolomon
from proofs.erasure.segments import (
    file_id,
    fragment_hash,
    pad_segment,
    segment_count,
    segment_hash,
)

__all__ = [
    "MANIFEST",
    "CannotPrepare",
    "PreparedFile",
    "PreparedSegment",
    "load_prepared",
    "prepare_file",
    "stored_bytes",
]

MANIFEST = "manifest.json"
MANIFEST_VERSION = 1
READ_BYTES = 1 << 20

_SPOOLED = re.compile(r"[0-9a-f]{64}|manifest\.json(\.part)?")

Progress = Callable[[int, int], None]
"""Told how many stored bytes of how many are done."""


class CannotPrepare(CessError):
    """A file that cannot be stored as it is."""


@dataclass(frozen=True, slots=True)
class PreparedSegment:
    """The hashes of one segment and of its twelve fragments."""

    hash: SegmentHash
    fragments: tuple[FragmentHash, ...]


@dataclass(frozen=True, slots=True)
class PreparedFile:
    """A file whose fragments lie in ``directory``.

    ``size`` counts the stored bytes, which the chain sees; ``plain_size`` those of the file.
    """

    fid: FileHash
    name: str
    size: int
    plain_size: int
    is_public: bool
    segments: tuple[PreparedSegment, ...]
    directory: Path

    def fragment_path(self, fragment: FragmentHash) -> Path:
        """Where a fragment's bytes lie."""
        return self.directory / fragment.hex()

    def read_fragment(self, fragment: FragmentHash) -> bytes:
        """A fragment's bytes, checked. Raises: StorageCorrupt."""
        data = self.fragment_path(fragment).read_bytes()
        if fragment_hash(data) != fragment:
            raise StorageCorrupt(
                f"the spooled fragment {fragment.hex()} was damaged on this disk; "
                f"remove {self.directory} and store the file again"
            )
        return data


def stored_bytes(size: int, segment_bytes: int, *, is_sealed: bool) -> int:
    """How many bytes are stored of a file of ``size``. Raises: CannotPrepare, EnvelopeError."""
    stored = envelope_bytes(padded_content_bytes(size, segment_bytes)) if is_sealed else size
    if segment_count(stored, segment_bytes) > SEGMENT_COUNT_MAX:
        raise CannotPrepare(
            f"the file has {size} bytes and one can have at most "
            f"{SEGMENT_COUNT_MAX * segment_bytes}; split it"
        )
    return stored


def prepare_file(
    source: Path,
    directory: Path,
    *,
    segment_bytes: int,
    key: VaultKey | None,
    progress: Progress | None = None,
) -> PreparedFile:
    """Cut ``source`` into fragments under ``directory``; without ``key`` it is stored openly.

    What an earlier run left there is removed. Raises: CannotPrepare, SourceChanged; OSError of the
    disk.
    """
    name = source.name
    if len(os.fsencode(name)) > NAME_BYTES_MAX:
        raise CannotPrepare(f"the name of {source} is longer than {NAME_BYTES_MAX} bytes")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        _clear(directory)
        prepared = _prepare(source, name, directory, segment_bytes, key, progress)
        _write_manifest(prepared)
    except BaseException:
        _clear(directory)
        raise
    return prepared


def _prepare(
    source: Path,
    name: str,
    directory: Path,
    segment_bytes: int,
    key: VaultKey | None,
    progress: Progress | None,
) -> PreparedFile:
    with _open_regular(source) as stream:
        before = os.fstat(stream.fileno())
        plain_size = before.st_size
        size = stored_bytes(plain_size, segment_bytes, is_sealed=key is not None)
        if key is None:
            if plain_size == 0:
                raise CannotPrepare(f"{source} is empty: there is nothing to store openly")
            begins = stream.read(len(MAGIC))
            stream.seek(0)
            if begins == MAGIC:
                raise CannotPrepare(
                    f"{source} begins like a sealed file; store it without --public"
                )
            pieces = _exactly(iter(lambda: stream.read(READ_BYTES), b""), size, source)
        else:
            content = padded_content_bytes(plain_size, segment_bytes)
            sealer = Sealer(key, name=name, size=plain_size, content_bytes=content)
            pieces = sealer.seal(stream)
        segments = _spool(pieces, size, segment_bytes, directory, progress)
        if _version(os.fstat(stream.fileno())) != _version(before):
            raise CannotPrepare(f"{source} changed while it was read; try again")
    fid = file_id(size, [(item.hash, item.fragments) for item in segments])
    return PreparedFile(
        fid=fid,
        name=name,
        size=size,
        plain_size=plain_size,
        is_public=key is None,
        segments=segments,
        directory=directory,
    )


def load_prepared(directory: Path) -> PreparedFile | None:
    """What an earlier run prepared completely in ``directory``, or None.

    Raises: StorageCorrupt when the manifest does not fit its own file id.
    """
    try:
        text = (directory / MANIFEST).read_text()
    except FileNotFoundError:
        return None
    try:
        manifest = json.loads(text)
        if manifest["version"] != MANIFEST_VERSION:
            return None
        prepared = _decode_manifest(manifest, directory)
    except (KeyError, TypeError, ValueError) as error:
        raise StorageCorrupt(f"{directory / MANIFEST} is damaged ({error}); remove it") from None
    listed = [(item.hash, item.fragments) for item in prepared.segments]
    if file_id(prepared.size, listed) != prepared.fid:
        raise StorageCorrupt(f"{directory / MANIFEST} does not fit its file id; remove it")
    if not all(
        prepared.fragment_path(fragment).exists()
        for segment in prepared.segments
        for fragment in segment.fragments
    ):
        return None
    return prepared


def _open_regular(source: Path) -> BinaryIO:
    """Open a file, but nothing that never ends or never begins. Raises: CannotPrepare."""
    handle = os.open(source, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise CannotPrepare(f"{source} is no ordinary file; copy what it gives into one first")
    return os.fdopen(handle, "rb")


def _version(facts: os.stat_result) -> tuple[int, int, int]:
    return facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def _clear(directory: Path) -> None:
    """Remove fragments and manifest; other files in the directory are not ours."""
    for path in directory.iterdir():
        if _SPOOLED.fullmatch(path.name):
            path.unlink()


def _exactly(pieces: Iterator[bytes], size: int, source: Path) -> Iterator[bytes]:
    given = 0
    for piece in pieces:
        given += len(piece)
        yield piece
    if given != size:
        raise CannotPrepare(f"{source} changed while it was read; try again")


def _spool(
    pieces: Iterator[bytes],
    size: int,
    segment_bytes: int,
    directory: Path,
    progress: Progress | None,
) -> tuple[PreparedSegment, ...]:
    code = ReedSolomon()
    segments = []
    waiting = bytearray()
    done = 0
    for piece in pieces:
        waiting += piece
        while len(waiting) >= segment_bytes:
            segments.append(_spool_segment(code, bytes(waiting[:segment_bytes]), directory))
            del waiting[:segment_bytes]
            done += segment_bytes
            if progress is not None:
                progress(min(done, size), size)
    if waiting:
        last = pad_segment(bytes(waiting), segment_bytes)
        segments.append(_spool_segment(code, last, directory))
        if progress is not None:
            progress(size, size)
    return tuple(segments)


def _spool_segment(code: ReedSolomon, segment: bytes, directory: Path) -> PreparedSegment:
    hashes = []
    for fragment in code.encode_segment(segment):
        digest = FragmentHash(hashlib.sha256(fragment).digest())
        (directory / digest.hex()).write_bytes(fragment)
        hashes.append(digest)
    return PreparedSegment(hash=segment_hash(segment), fragments=tuple(hashes))


def _write_manifest(prepared: PreparedFile) -> None:
    manifest = {
        "version": MANIFEST_VERSION,
        "fid": prepared.fid.hex(),
        "name": prepared.name,
        "size": prepared.size,
        "plain_size": prepared.plain_size,
        "is_public": prepared.is_public,
        "segments": [
            {"hash": item.hash.hex(), "fragments": [part.hex() for part in item.fragments]}
            for item in prepared.segments
        ],
    }
    unfinished = prepared.directory / (MANIFEST + ".part")
    unfinished.write_text(json.dumps(manifest))
    unfinished.replace(prepared.directory / MANIFEST)


def _decode_manifest(manifest: dict[str, Any], directory: Path) -> PreparedFile:
    return PreparedFile(
        fid=FileHash(bytes.fromhex(manifest["fid"])),
        name=str(manifest["name"]),
        size=int(manifest["size"]),
        plain_size=int(manifest["plain_size"]),
        is_public=bool(manifest["is_public"]),
        segments=tuple(
            PreparedSegment(
                hash=SegmentHash(bytes.fromhex(item["hash"])),
                fragments=tuple(FragmentHash(bytes.fromhex(part)) for part in item["fragments"]),
            )
            for item in manifest["segments"]
        ),
        directory=directory,
    )
