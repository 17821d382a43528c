"""Finding rot before an audit does: every file of a volume is read and checked, again and again.

A round looks at small files (layout page, siblings, co-signatures), then at each fragment with its
commitments, then at each plot. `Scrub.begin` gives the next file as an `Examination`, which is read
in pieces of PIECE_BYTES, so that the caller keeps the rate and may stop between two pieces. Pages
in the system's memory are dropped before and after, so that the disk itself is asked and nothing
useful is displaced.

Where the round is and what it found lie in `SCRUB`, written every SAVE_BYTES and at its end:

    offset  bytes  meaning
    0       8      magic "CESSSCRB"
    8       1      version, 1
    9       1      stage: 0 small files, 1 fragments, 2 plots
    10      2      length n of the cursor, u16 little-endian, at most 255
    12      8      round, from 1, u64
    20      8      start of the round, Unix seconds, u64
    28      8      end of the round before, Unix seconds or 0, u64
    36      8      bytes read in this round, u64
    44      8      files read in this round, u64
    52      8      faults found in all rounds, u64
    60      n      the name of the last file that was looked at
    end     32     BLAKE2b-256 of all bytes above

A damaged one only means that the round begins anew.
"""

import bisect
import contextlib
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, IntEnum
from pathlib import Path

from primitives.errors import StorageCorrupt
from primitives.types import FragmentHash
from proofs.pois.plot import PlotFile

from .errors import StoreError
from .files import drop_cached, read_small
from .page import MEMBERS_BYTES_MAX, PAGE_BYTES, PAGE_COPIES, unpack_members, unpack_page
from .records import RECORD_BYTES_MAX, unpack_commitments, unpack_cosignature
from .volume import Volume

PIECE_BYTES = 4 << 20
SAVE_BYTES = 256 << 20
CURSOR_BYTES_MAX = 255
STATE_MAGIC = b"CESSSCRB"
STATE_VERSION = 1
_HASH_NAME = re.compile(rb"[0-9a-f]{64}")
STATE_BYTES_MAX = 60 + CURSOR_BYTES_MAX + 32


class Finding(Enum):
    """What a look at one file found."""

    sound = "sound"
    missing = "missing"
    damaged = "damaged"
    unreadable = "unreadable"


class Kind(Enum):
    """What kind of file was looked at."""

    page = "page"
    members = "members"
    cosignature = "cosignature"
    fragment = "fragment"
    commitments = "commitments"
    plot = "plot"


class Stage(IntEnum):
    """The parts of a round, in order."""

    small = 0
    fragments = 1
    plots = 2


@dataclass(frozen=True, slots=True)
class ScrubResult:
    """One file and its state. `fragment_hash` for fragments and commitments."""

    kind: Kind
    path: Path
    finding: Finding
    fragment_hash: FragmentHash | None = None


@dataclass(frozen=True, slots=True)
class ScrubState:
    """How far a volume's scrub is; see the module for the bytes."""

    stage: Stage = Stage.small
    cursor: str = ""
    round_number: int = 1
    started: int = 0
    finished: int = 0
    read_bytes: int = 0
    files: int = 0
    faults: int = 0


def pack_state(state: ScrubState) -> bytes:
    """The bytes of `SCRUB`."""
    cursor = state.cursor.encode("utf-8", "surrogateescape")
    assert len(cursor) <= CURSOR_BYTES_MAX, "no file of ours has a longer name"
    numbers = (
        state.round_number,
        state.started,
        state.finished,
        state.read_bytes,
        state.files,
        state.faults,
    )
    body = b"".join(
        (
            STATE_MAGIC,
            bytes([STATE_VERSION, state.stage]),
            len(cursor).to_bytes(2, "little"),
            *(number.to_bytes(8, "little") for number in numbers),
            cursor,
        )
    )
    return body + hashlib.blake2b(body, digest_size=32).digest()


def unpack_state(data: bytes) -> ScrubState:
    """What `SCRUB` says. Raises: StorageCorrupt."""
    body, checksum = data[:-32], data[-32:]
    if (
        not 92 <= len(data) <= STATE_BYTES_MAX
        or body[:9] != STATE_MAGIC + bytes([STATE_VERSION])
        or hashlib.blake2b(body, digest_size=32).digest() != checksum
    ):
        raise StorageCorrupt("the state of the scrub is damaged")
    length = int.from_bytes(body[10:12], "little")
    if len(body) != 60 + length or body[9] > max(Stage):
        raise StorageCorrupt("the state of the scrub holds what no version writes")
    if body[9] == Stage.fragments and length and not _HASH_NAME.fullmatch(body[60:]):
        raise StorageCorrupt("the scrub's place among the fragments is no hash")
    numbers = [int.from_bytes(body[at : at + 8], "little") for at in range(12, 60, 8)]
    return ScrubState(Stage(body[9]), body[60:].decode("utf-8", "surrogateescape"), *numbers)


class Examination:
    """One file being read. `advance` until it gives a result; `close` when it is given up."""

    def __init__(
        self,
        kind: Kind,
        path: Path,
        *,
        digest: bytes | None = None,
        length: int | None = None,
        check: Callable[[Path], None] | None = None,
        fragment_hash: FragmentHash | None = None,
    ) -> None:
        self.kind = kind
        self.path = path
        self.fragment_hash = fragment_hash
        self.read_bytes = 0
        self._digest = digest
        self._left = length
        self._check = check
        self._hash = hashlib.sha256()
        self._descriptor = -1

    def advance(self) -> ScrubResult | None:
        """Read the next piece; the result at the end. Blocks for as long as the disk takes."""
        try:
            return self._advance()
        except FileNotFoundError:
            return self._end(Finding.missing)
        except StorageCorrupt:
            return self._end(Finding.damaged)
        except OSError:
            return self._end(Finding.unreadable)

    def _advance(self) -> ScrubResult | None:
        if self._check is not None:
            self._check(self.path)
            self.read_bytes += self.path.stat().st_size if self._digest is None else 0
            self._check = None
            if self._digest is None:
                return self._end(Finding.sound)
        if self._descriptor < 0:
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            drop_cached(self._descriptor)
        wanted = PIECE_BYTES if self._left is None else min(PIECE_BYTES, self._left)
        piece = os.read(self._descriptor, wanted)
        self._hash.update(piece)
        self.read_bytes += len(piece)
        if self._left is not None:
            self._left -= len(piece)
        if piece and self._left != 0:
            return None
        is_sound = self._hash.digest() == self._digest
        return self._end(Finding.sound if is_sound else Finding.damaged)

    def _end(self, finding: Finding) -> ScrubResult:
        self.close()
        return ScrubResult(self.kind, self.path, finding, self.fragment_hash)

    def close(self) -> None:
        """Let the file go. Safe to call twice."""
        if self._descriptor >= 0:
            drop_cached(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1


def examine(path: Path, fragment_hash: FragmentHash) -> ScrubResult:
    """Read a whole fragment and compare its hash. Blocks for as long as the disk takes."""
    examination = Examination(
        Kind.fragment, path, digest=bytes(fragment_hash), fragment_hash=fragment_hash
    )
    try:
        while (result := examination.advance()) is None:
            pass
    finally:
        examination.close()
    return result


def pause_s(length: int, bytes_per_second: int) -> float:
    """How long to rest after `length` bytes so that the disk is read no faster than asked."""
    return length / bytes_per_second


class Scrub:
    """The rounds over one volume. Not safe for threads: one task drives it."""

    def __init__(self, volume: Volume, now: int) -> None:
        self._volume = volume
        self._unsaved = 0
        self._small: list[Path] | None = None
        self._plots: list[str] | None = None
        self._commitments_of: FragmentHash | None = None
        try:
            self.state = unpack_state(read_small(volume.layout.scrub, STATE_BYTES_MAX))
        except (OSError, StorageCorrupt):
            self.state = ScrubState(started=now)

    def begin(self, now: int) -> Examination | None:
        """The next file to look at; None at the end of a round, which is saved."""
        while True:
            found = self._next()
            if found is not None:
                return found
            if self.state.stage is Stage.plots:
                self._finish(now)
                return None
            self.state = replace(self.state, stage=Stage(self.state.stage + 1), cursor="")

    def note(self, examination: Examination, result: ScrubResult) -> None:
        """Count what was found; now and then what is known is saved."""
        self.state = replace(
            self.state,
            read_bytes=self.state.read_bytes + examination.read_bytes,
            files=self.state.files + 1,
            faults=self.state.faults + (result.finding is not Finding.sound),
        )
        self._unsaved += examination.read_bytes
        if self._unsaved >= SAVE_BYTES:
            self.save()

    def save(self) -> None:
        """Write the state, if the disk takes it: it is worth less than what it is about."""
        self._unsaved = 0
        with contextlib.suppress(StoreError):
            self._volume.write_small(self._volume.layout.scrub, pack_state(self.state))

    def heal(self, result: ScrubResult) -> None:
        """Put right what needs nobody else; fragments and plots are the caller's."""
        if result.finding is Finding.sound:
            return
        volume = self._volume
        with contextlib.suppress(OSError, StoreError):
            match result.kind:
                case Kind.page:
                    volume.layout.write_page(volume.page)
                case Kind.members:
                    volume.remember_again()
                case Kind.commitments if result.fragment_hash is not None:
                    volume.forget_commitments(result.fragment_hash)
                case Kind.cosignature if result.finding is Finding.damaged:
                    result.path.unlink(missing_ok=True)
                case _:
                    pass

    # Private.

    def _finish(self, now: int) -> None:
        self.state = ScrubState(
            round_number=self.state.round_number + 1,
            started=now,
            finished=now,
            faults=self.state.faults,
        )
        self._small = self._plots = None
        self.save()

    def _next(self) -> Examination | None:
        match self.state.stage:
            case Stage.small:
                return self._next_small()
            case Stage.fragments:
                return self._next_fragment()
            case Stage.plots:
                return self._next_plot()

    def _next_small(self) -> Examination | None:
        layout = self._volume.layout
        if self._small is None:
            names = []
            with contextlib.suppress(OSError):
                names = sorted(layout.cosignatures.iterdir())
            self._small = [layout.page, layout.members, *names]
        known = [path.name for path in self._small]
        start = known.index(self.state.cursor) + 1 if self.state.cursor in known else 0
        if start >= len(known):
            return None
        path = self._small[start]
        self.state = replace(self.state, cursor=path.name)
        if path == layout.page:
            return Examination(Kind.page, path, check=_check_page)
        if path == layout.members:
            return Examination(Kind.members, path, check=_check_members)
        return Examination(Kind.cosignature, path, check=_check_cosignature)

    def _next_fragment(self) -> Examination | None:
        if self._commitments_of is not None:
            fragment_hash, self._commitments_of = self._commitments_of, None
            known = self._volume.entry(fragment_hash)
            if known is not None and known.has_commitments:
                return Examination(
                    Kind.commitments,
                    self._volume.layout.commitment(fragment_hash),
                    check=lambda path: _check_commitments(path, fragment_hash),
                    fragment_hash=fragment_hash,
                )
        cursor = bytes.fromhex(self.state.cursor) if self.state.cursor else None
        following = self._volume.next_fragment(cursor)
        if following is None:
            return None
        self.state = replace(self.state, cursor=following.hex())
        entry = self._volume.entry(following)
        if entry is not None and entry.has_commitments:
            self._commitments_of = following
        return Examination(
            Kind.fragment,
            self._volume.layout.fragment(following),
            digest=bytes(following),
            fragment_hash=following,
        )

    def _next_plot(self) -> Examination | None:
        if self._plots is None:
            self._plots = []
            with contextlib.suppress(OSError):
                self._plots = sorted(path.name for path in self._volume.layout.plots.iterdir())
        start = bisect.bisect_right(self._plots, self.state.cursor)
        if start >= len(self._plots):
            return None
        name = self._plots[start]
        self.state = replace(self.state, cursor=name)
        path = self._volume.layout.plots / name
        try:
            plot = PlotFile(path)
        except (OSError, StorageCorrupt):
            return Examination(Kind.plot, path, check=_check_plot)
        return Examination(
            Kind.plot, path, digest=plot.digest, length=plot.plot_bytes, check=_check_plot
        )


def _check_page(path: Path) -> None:
    _, is_whole = unpack_page(read_small(path, PAGE_BYTES * PAGE_COPIES))
    if not is_whole:
        raise StorageCorrupt("one copy of the layout page is damaged")


def _check_members(path: Path) -> None:
    unpack_members(read_small(path, MEMBERS_BYTES_MAX))


def _check_cosignature(path: Path) -> None:
    unpack_cosignature(read_small(path, RECORD_BYTES_MAX))


def _check_commitments(path: Path, fragment_hash: FragmentHash) -> None:
    unpack_commitments(read_small(path, RECORD_BYTES_MAX), fragment_hash)


def _check_plot(path: Path) -> None:
    """The header and the trailer; its bytes are hashed after that."""
    PlotFile(path)
