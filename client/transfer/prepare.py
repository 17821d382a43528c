"""From a file to fragments on disk: sealed, cut into segments, erasure coded, hashed, named.

    file ──seal (vault)──► stored bytes ──cut──► segments ──Reed-Solomon──► 12 fragments each

The fragments lie in a spool directory, each under its hash, until all of them are with their
holders; ``manifest.json`` beside them says which belong where, so an interrupted upload goes on
where it stopped. Preparing is synchronous and heavy: run it in a worker thread.

Bounds: memory holds one segment and its fragments, whatever the size of the file; the disk takes
three times the stored bytes.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client.vault.envelope import MAGIC, NAME_BYTES_MAX, Sealer, padded_content_bytes
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

__all__ = ["CannotPrepare", "PreparedFile", "PreparedSegment", "load_prepared", "prepare_file"]

MANIFEST = "manifest.json"
MANIFEST_VERSION = 1
READ_BYTES = 1 << 20

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


def prepare_file(
    source: Path,
    directory: Path,
    *,
    segment_bytes: int,
    key: VaultKey | None,
    progress: Progress | None = None,
) -> PreparedFile:
    """Cut ``source`` into fragments under ``directory``; without ``key`` it is stored openly.

    Raises: CannotPrepare, SourceChanged; OSError of the disk.
    """
    name = source.name
    if len(os.fsencode(name)) > NAME_BYTES_MAX:
        raise CannotPrepare(f"the name of {source} is longer than {NAME_BYTES_MAX} bytes")
    directory.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as stream:
        plain_size = os.fstat(stream.fileno()).st_size
        if key is None:
            if plain_size == 0:
                raise CannotPrepare(f"{source} is empty: there is nothing to store openly")
            if stream.peek(len(MAGIC)).startswith(MAGIC):
                raise CannotPrepare(
                    f"{source} begins like a sealed file; store it without --public"
                )
            size = plain_size
            pieces = _exactly(iter(lambda: stream.read(READ_BYTES), b""), size, source)
        else:
            content = padded_content_bytes(plain_size, segment_bytes)
            sealer = Sealer(key, name=name, size=plain_size, content_bytes=content)
            size = sealer.envelope_bytes
            pieces = sealer.seal(stream)
        if segment_count(size, segment_bytes) > SEGMENT_COUNT_MAX:
            raise CannotPrepare(
                f"{source} has {size} bytes and a file at most "
                f"{SEGMENT_COUNT_MAX * segment_bytes}; split it"
            )
        segments = _spool(pieces, size, segment_bytes, directory, progress)
    fid = file_id(size, [(item.hash, item.fragments) for item in segments])
    prepared = PreparedFile(
        fid=fid,
        name=name,
        size=size,
        plain_size=plain_size,
        is_public=key is None,
        segments=segments,
        directory=directory,
    )
    _write_manifest(prepared)
    return prepared


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
