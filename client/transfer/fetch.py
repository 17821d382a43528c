"""Reading a stored file: racing its holders, verifying, rebuilding, opening, writing it whole.

    any 4 of 12 fragments ──SHA-256 each──► segment ──► stored bytes ──open (vault)──► file

The list of hashes that the node gives must be the one that the file id names, so neither a node nor
a holder can put other bytes in the place of a file. A fragment that is rebuilt must have its hash
too: a file whose fragments do not belong together is refused, and not read in one of two ways.

``fetch_file`` and ``fetch_range`` write a file that appears when everything was right
(`landing`). ``StoredFile.read`` fetches only the fragments that a range touches.

Bounds: three segments with their fragments in memory, see ``SEGMENTS_AHEAD``; the hashes of a whole
file, less than a megabyte; at most ``fetching_max`` requests at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import anyio
import anyio.to_thread
import structlog
from anyio.streams.memory import MemoryObjectSendStream

from client.chain import ChainClient
from client.tasks import one_failure_group
from client.transfer.http import BadEndpoint, HolderFailed, HolderHttp, checked_endpoint
from client.transfer.landing import Landing
from client.transfer.racing import Candidate, Race
from client.transfer.unsealing import NEEDS_KEY, Unsealing
from client.vault.envelope import ENVELOPE_HEAD_BYTES, MAGIC, Opener, WrongKey
from client.vault.keys import VaultKey
from pallets.file_bank import FileBank, FragmentInfo, SegmentInfo
from pallets.file_bank.types import SEGMENT_COUNT_MAX
from pallets.sminer import Sminer
from primitives.errors import CessError
from primitives.scale import U32
from primitives.types import AccountId, FileHash, FragmentHash, SegmentHash
from proofs.erasure.reed_solomon import ReedSolomon
from proofs.erasure.segments import file_id, fragment_hash, segment_count

__all__ = [
    "FetchedFile",
    "FileForged",
    "FileUnknown",
    "RangeOutside",
    "SegmentInconsistent",
    "SegmentUnavailable",
    "StoredFile",
    "fetch_file",
    "fetch_range",
    "open_stored",
    "read_range",
]

log = structlog.get_logger(__name__)

DATA_FRAGMENTS = 4
SEGMENTS_AHEAD = 1
"""Segments that are fetched while an earlier one is written."""

HOLDERS_REMEMBERED_MAX = 4096
FAILURE_COST_S = 30.0
"""What one failure counts against a holder when the next segment's are chosen."""

_SMOOTHING = 4


class FileUnknown(CessError):
    """The chain has no such file, or it is not active yet."""


class FileForged(CessError):
    """The node describes a file otherwise than the file's id does."""

    def __init__(self, fid: FileHash) -> None:
        super().__init__(
            f"what the node says about 0x{fid.hex()} does not fit this file id, so the node is "
            "wrong or lies; ask another node with --rpc"
        )


class RangeOutside(CessError, ValueError):
    """A range of bytes that the file does not have."""

    def __init__(self, start: int, end: int, size: int) -> None:
        super().__init__(f"a range {start}-{end} is outside the file's 0-{size}")


class SegmentInconsistent(CessError):
    """The fragments of a segment do not belong together: it was stored so."""

    def __init__(self, index: int) -> None:
        super().__init__(
            f"the fragments of segment {index} do not belong together: whoever stored the file "
            "did it wrongly, and has to store it again"
        )


class SegmentUnavailable(CessError):
    """Too few holders of a segment gave their fragments."""

    def __init__(self, index: int, got: int, lost: int, reasons: Sequence[str]) -> None:
        shown = [f"{lost} fragments are lost or without a known holder"] if lost else []
        shown += reasons[:3]
        more = len(reasons) - 3
        shown += [f"and {more} more"] if more > 0 else []
        super().__init__(
            f"segment {index} cannot be rebuilt: {got} of the {DATA_FRAGMENTS} fragments needed "
            f"came, and no holder is left ({'; '.join(shown)}); try again later, and see "
            "`cess file FID`"
        )
        self.index = index
        self.got = got


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file that was read back. ``name`` is known of sealed files only."""

    path: Path
    size: int
    name: str | None
    is_sealed: bool


class Ranking:
    """What is known of holders' speed in this run, in seconds; unknown ones count as fast."""

    def __init__(self) -> None:
        self._cost: dict[AccountId, float] = {}

    def cost(self, miner: AccountId) -> float:
        """The expected time of a fragment."""
        return self._cost.get(miner, 0.0)

    def note(self, miner: AccountId, seconds: float) -> None:
        """A fragment took so long."""
        if miner not in self._cost and len(self._cost) >= HOLDERS_REMEMBERED_MAX:
            self._cost.pop(next(iter(self._cost)))
        old = self._cost.get(miner, seconds)
        self._cost[miner] = old + (seconds - old) / _SMOOTHING


class StoredFile:
    """An active file and how to get at its bytes. Made by ``open_stored``."""

    def __init__(
        self,
        chain: ChainClient,
        holders: HolderHttp,
        fid: FileHash,
        *,
        size: int,
        segment_bytes: int,
        segments: Sequence["_SegmentHashes"],
    ) -> None:
        self.fid = fid
        self._segments = tuple(segments)
        self.size = size
        self.segment_bytes = segment_bytes
        self.fragment_bytes = segment_bytes // DATA_FRAGMENTS
        self.segment_count = segment_count(size, segment_bytes)
        self._chain = chain
        self._holders = holders
        self._ranking = Ranking()
        self._requests = anyio.CapacityLimiter(holders.limits.fetching_max)
        self._endpoints: dict[AccountId, str | None] = {}
        self._code = ReedSolomon()

    async def read(self, start: int, end: int) -> bytes:
        """The stored bytes from ``start`` up to, not including, ``end``.

        Raises: SegmentUnavailable, SegmentInconsistent, FileForged; RangeOutside.
        """
        if not 0 <= start <= end <= self.size:
            raise RangeOutside(start, end, self.size)
        parts = []
        for index in range(start // self.segment_bytes, -(-end // self.segment_bytes)):
            base = index * self.segment_bytes
            low, high = max(start - base, 0), min(end - base, self.segment_bytes)
            wanted = range(low // self.fragment_bytes, -(-high // self.fragment_bytes))
            found = await self._fragments(index, wanted)
            data = b"".join(found[part] for part in wanted)
            skip = low - wanted[0] * self.fragment_bytes
            parts.append(data[skip : skip + high - low])
        return b"".join(parts)

    async def segment(self, index: int) -> bytes:
        """The stored bytes of one segment, without the zeros after the last one."""
        base = index * self.segment_bytes
        return await self.read(base, min(base + self.segment_bytes, self.size))

    async def feed_segments(self, send: MemoryObjectSendStream[bytes]) -> None:
        """All segments in order into ``send``; the next is fetched while one waits there."""
        async with send:
            for index in range(self.segment_count):
                await send.send(await self.segment(index))

    async def _fragments(self, index: int, wanted: Sequence[int]) -> Mapping[int, bytes]:
        """The ``wanted`` data fragments of a segment, fetched or rebuilt."""
        info = await self._chain.read(FileBank.file_segments, self.fid, U32(index))
        if info is None:
            raise FileUnknown(f"the chain has no segment {index} of 0x{self.fid.hex()} any more")
        if _hashes(info) != self._segments[index]:
            raise FileForged(self.fid)
        got = await self._race(index, info, wanted)
        missing = [part for part in wanted if part not in got]
        if not missing:
            return got
        rebuilt = await anyio.to_thread.run_sync(self._rebuilt, index, got, missing)
        return {**got, **rebuilt}

    def _rebuilt(
        self, index: int, got: Mapping[int, bytes], missing: Sequence[int]
    ) -> Mapping[int, bytes]:
        found = self._code.reconstruct(got, missing)
        _, hashes = self._segments[index]
        if any(fragment_hash(found[part]) != hashes[part] for part in missing):
            raise SegmentInconsistent(index)
        return found

    async def _race(self, index: int, info: SegmentInfo, wanted: Sequence[int]) -> dict[int, bytes]:
        fragments = info.fragment_list
        endpoints = await self._endpoints_of([item.miner for item in fragments])
        candidates = [
            Candidate(position, self._ranking.cost(item.miner))
            for position, item in enumerate(fragments)
            if item.avail and endpoints[position] is not None
        ]
        race = Race(
            candidates,
            needed=DATA_FRAGMENTS,
            wanted=wanted,
            hedge_after_s=self._holders.limits.hedge_after_s,
        )
        got: dict[int, bytes] = {}
        reasons: list[str] = []
        send, inbox = anyio.create_memory_object_stream[tuple[int, bytes | str]](len(fragments))

        async def ask(position: int, item: FragmentInfo, endpoint: str) -> None:
            await send.send((position, await self._ask(item, endpoint)))

        async with send, inbox, one_failure_group() as tasks:
            while not race.is_complete:
                if race.is_hopeless:
                    lost = len(fragments) - len(candidates)
                    raise SegmentUnavailable(index, race.arrived_count, lost, reasons)
                while (position := race.next_request(anyio.current_time())) is not None:
                    endpoint = endpoints[position]
                    assert endpoint is not None, "because others are no candidates"
                    tasks.start_soon(ask, position, fragments[position], endpoint)
                wakeup = race.next_wakeup(anyio.current_time())
                with anyio.move_on_at(float("inf") if wakeup is None else wakeup):
                    position, answer = await inbox.receive()
                    if isinstance(answer, bytes):
                        got[position] = answer
                        race.arrived(position)
                    else:
                        reasons.append(answer)
                        race.failed(position)
            tasks.cancel_scope.cancel()
        return got

    async def _ask(self, item: FragmentInfo, endpoint: str) -> bytes | str:
        """A verified fragment, or why it did not come."""
        async with self._requests:
            began = anyio.current_time()
            try:
                data = await self._holders.get_fragment(
                    endpoint, FragmentHash(item.hash), self.fragment_bytes
                )
            except HolderFailed as failure:
                self._ranking.note(item.miner, FAILURE_COST_S)
                log.info("holder did not serve a fragment", reason=str(failure))
                return str(failure)
            self._ranking.note(item.miner, anyio.current_time() - began)
            return data

    async def _endpoints_of(self, miners: Sequence[AccountId]) -> list[str | None]:
        unknown = [miner for miner in miners if miner not in self._endpoints]
        if unknown:
            found = await self._chain.read_many(Sminer.miner_items, unknown)
            for miner, info in zip(unknown, found, strict=True):
                self._endpoints[miner] = None if info is None else _endpoint(info.endpoint)
        return [self._endpoints[miner] for miner in miners]


async def open_stored(chain: ChainClient, holders: HolderHttp, fid: FileHash) -> StoredFile:
    """The active file ``fid``. Raises: FileUnknown, FileForged."""
    at = await chain.best_head()
    info = await chain.read(FileBank.file, fid, at=at)
    if info is None:
        deal = await chain.read(FileBank.deal_map, fid, at=at)
        raise FileUnknown(
            f"there is no file 0x{fid.hex()}; see `cess ls`"
            if deal is None
            else f"the file 0x{fid.hex()} is not active yet: {deal.complete_count} of "
            f"{deal.segment_count} segments are with their holders; try again in a while"
        )
    segment_bytes = int(await chain.constant("FileBank", "SegmentBytes"))
    listed = await chain.items(FileBank.file_segments, fid, limit=SEGMENT_COUNT_MAX, at=at)
    segments = [_hashes(item) for _, item in sorted(listed, key=lambda pair: int(pair[0][1]))]
    size = int(info.file_size)
    if segment_count(size, segment_bytes) != len(segments) or file_id(size, segments) != fid:
        raise FileForged(fid)
    return StoredFile(
        chain, holders, fid, size=size, segment_bytes=segment_bytes, segments=segments
    )


async def fetch_file(
    stored: StoredFile,
    target: Path,
    *,
    key: VaultKey | bytes | None,
    progress: Callable[[int, int], None] | None = None,
) -> FetchedFile:
    """Read a whole file into ``target``, which appears when everything was right.

    ``key`` opens a sealed file; a file that is not sealed needs none.
    Raises: CannotLand, EnvelopeError, FileUnknown, and what ``StoredFile.read`` raises.
    """
    writer = Unsealing(key, stored.size)
    with await anyio.to_thread.run_sync(Landing, target) as landing:
        await _write_all(stored, writer, landing.out, progress)
        await anyio.to_thread.run_sync(writer.finish, landing.out)
        await anyio.to_thread.run_sync(partial(landing.land, is_private=writer.is_sealed))
    return FetchedFile(
        path=target, size=writer.written, name=writer.name, is_sealed=writer.is_sealed
    )


async def _write_all(
    stored: StoredFile,
    writer: Unsealing,
    out: BinaryIO,
    progress: Callable[[int, int], None] | None,
) -> None:
    send, receive = anyio.create_memory_object_stream[bytes](SEGMENTS_AHEAD)
    done = 0
    async with receive, one_failure_group() as tasks:
        tasks.start_soon(stored.feed_segments, send)
        async for data in receive:
            await anyio.to_thread.run_sync(writer.feed, data, out)
            done += len(data)
            if progress is not None:
                progress(done, stored.size)


async def read_range(
    stored: StoredFile, key: VaultKey | bytes | None, start: int, end: int
) -> bytes:
    """A range of a file's true content; only the fragments that it touches are fetched.

    Raises: RangeOutside, EnvelopeError, and what ``StoredFile.read`` raises.
    """
    content = await _Content.of(stored, key)
    return await content.read(start, end)


async def fetch_range(
    stored: StoredFile, target: Path, *, key: VaultKey | bytes | None, start: int, end: int
) -> FetchedFile:
    """Read a range into ``target``, as ``fetch_file`` does; it ends where the file ends.

    Raises: CannotLand, and what ``read_range`` raises.
    """
    content = await _Content.of(stored, key)
    if not 0 <= start <= min(end, content.size):
        raise RangeOutside(start, end, content.size)
    end = min(end, content.size)
    step = stored.segment_bytes
    with await anyio.to_thread.run_sync(Landing, target) as landing:
        for at in range(start, end, step) if start < end else (start,):
            data = await content.read(at, min(at + step, end))
            await anyio.to_thread.run_sync(landing.out.write, data)
        await anyio.to_thread.run_sync(partial(landing.land, is_private=content.is_sealed))
    return FetchedFile(
        path=target, size=end - start, name=content.name, is_sealed=content.is_sealed
    )


class _Content:
    """The true content of a stored file, opened when its bytes are an envelope."""

    def __init__(self, stored: StoredFile, opener: Opener | None) -> None:
        self._stored = stored
        self._opener = opener
        self.is_sealed = opener is not None
        self.name = None if opener is None else opener.name
        self.size = stored.size if opener is None else opener.size

    @classmethod
    async def of(cls, stored: StoredFile, key: VaultKey | bytes | None) -> "_Content":
        """Look at the beginning. Raises: WrongKey and the other errors of an envelope."""
        head = await stored.read(0, min(ENVELOPE_HEAD_BYTES, stored.size))
        if not head.startswith(MAGIC):
            return cls(stored, None)
        if key is None:
            raise WrongKey(NEEDS_KEY)
        return cls(stored, Opener(key, head))

    async def read(self, start: int, end: int) -> bytes:
        """The content from ``start`` up to, not including, ``end``. Raises: RangeOutside."""
        if not 0 <= start <= end <= self.size:
            raise RangeOutside(start, end, self.size)
        opener, limit = self._opener, self._stored.size
        if opener is None:
            return await self._stored.read(start, end)
        span = opener.span(start, end)
        sealed = await self._stored.read(
            min(span.offset, limit), min(span.offset + span.length, limit)
        )
        return await anyio.to_thread.run_sync(opener.open_span, start, end, sealed)


_SegmentHashes = tuple[SegmentHash, tuple[FragmentHash, ...]]


def _hashes(info: SegmentInfo) -> _SegmentHashes:
    return SegmentHash(info.hash), tuple(FragmentHash(item.hash) for item in info.fragment_list)


def _endpoint(raw: bytes) -> str | None:
    try:
        return checked_endpoint(raw)
    except BadEndpoint as error:
        log.info("holder has no usable address", reason=str(error))
        return None
