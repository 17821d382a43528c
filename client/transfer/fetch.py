"""Reading a stored file: racing its holders, verifying, rebuilding, opening, writing it whole.

    any 4 of 12 fragments ──SHA-256 each──► segment ──► stored bytes ──open (vault)──► file

``fetch_file`` writes to a temporary file and renames it when everything was right, so a reader
never finds half a file. ``StoredFile.read`` fetches only the fragments that a range touches.

Bounds: three segments with their fragments in memory, see ``SEGMENTS_AHEAD``; at most
``fetching_max`` requests at once.
"""

import os
import secrets
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
from client.transfer.racing import Candidate, Race
from client.transfer.unsealing import Unsealing
from client.vault.envelope import ENVELOPE_HEAD_BYTES, Opener
from client.vault.keys import VaultKey
from pallets.file_bank import FileBank, FragmentInfo, SegmentInfo
from pallets.sminer import Sminer
from primitives.errors import CessError
from primitives.scale import U32
from primitives.types import AccountId, FileHash, FragmentHash
from proofs.erasure.reed_solomon import ReedSolomon
from proofs.erasure.segments import segment_count

__all__ = [
    "FetchedFile",
    "FileUnknown",
    "SegmentUnavailable",
    "StoredFile",
    "fetch_file",
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


class SegmentUnavailable(CessError):
    """Too few holders of a segment gave their fragments."""

    def __init__(self, index: int, got: int, reasons: Sequence[str]) -> None:
        shown = "; ".join(reasons[:3])
        super().__init__(
            f"segment {index} cannot be rebuilt: {got} of the {DATA_FRAGMENTS} fragments needed "
            f"came, and no holder is left ({shown}); try again later"
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
    ) -> None:
        self.fid = fid
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

        Raises: SegmentUnavailable; ValueError outside the file.
        """
        if not 0 <= start <= end <= self.size:
            raise ValueError(f"a range {start}..{end} is outside 0..{self.size}")
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
        got = await self._race(index, info, wanted)
        missing = [part for part in wanted if part not in got]
        if not missing:
            return got
        rebuilt = await anyio.to_thread.run_sync(partial(self._code.reconstruct, got, missing))
        return {**got, **rebuilt}

    async def _race(self, index: int, info: SegmentInfo, wanted: Sequence[int]) -> dict[int, bytes]:
        fragments = info.fragment_list
        endpoints = await self._endpoints_of([item.miner for item in fragments])
        race = Race(
            [
                Candidate(position, self._ranking.cost(item.miner))
                for position, item in enumerate(fragments)
                if item.avail and endpoints[position] is not None
            ],
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
                    raise SegmentUnavailable(index, race.arrived_count, reasons)
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
    """The active file ``fid``. Raises: FileUnknown."""
    info = await chain.read(FileBank.file, fid)
    if info is None:
        deal = await chain.read(FileBank.deal_map, fid)
        raise FileUnknown(
            f"there is no file 0x{fid.hex()}; see `cess ls`"
            if deal is None
            else f"the file 0x{fid.hex()} is not active yet: {deal.complete_count} of "
            f"{deal.segment_count} segments are with their holders; try again in a while"
        )
    segment_bytes = int(await chain.constant("FileBank", "SegmentBytes"))
    return StoredFile(chain, holders, fid, size=int(info.file_size), segment_bytes=segment_bytes)


async def fetch_file(
    stored: StoredFile,
    target: Path,
    *,
    key: VaultKey | bytes | None,
    progress: Callable[[int, int], None] | None = None,
) -> FetchedFile:
    """Read a whole file into ``target``, which appears when everything was right.

    ``key`` opens a sealed file; a file that is not sealed needs none.
    Raises: SegmentUnavailable, FileUnknown, EnvelopeError.
    """
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    writer = Unsealing(key, stored.size)
    try:
        with await anyio.to_thread.run_sync(_create, part) as out:
            await _write_all(stored, writer, out, progress)
            await anyio.to_thread.run_sync(writer.finish, out)
            await anyio.to_thread.run_sync(_sync, out)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
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


async def read_range(stored: StoredFile, key: VaultKey | bytes, start: int, end: int) -> bytes:
    """A range of a sealed file's true content; only the fragments that it touches are fetched.

    Raises: SegmentUnavailable, EnvelopeError; ValueError outside the file.
    """
    opener = Opener(key, await stored.read(0, min(ENVELOPE_HEAD_BYTES, stored.size)))
    if not 0 <= start <= end <= opener.size:
        raise ValueError(f"a range {start}..{end} is outside 0..{opener.size}")
    span = opener.span(start, end)
    sealed = await stored.read(
        min(span.offset, stored.size), min(span.offset + span.length, stored.size)
    )
    return opener.open_span(start, end, sealed)


def _endpoint(raw: bytes) -> str | None:
    try:
        return checked_endpoint(raw)
    except BadEndpoint as error:
        log.info("holder has no usable address", reason=str(error))
        return None


def _create(path: Path) -> BinaryIO:
    return path.open("xb")


def _sync(out: BinaryIO) -> None:
    out.flush()
    os.fsync(out.fileno())
