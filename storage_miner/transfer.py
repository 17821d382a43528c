"""Taking fragments in and giving them out: what the HTTP protocol means, without the HTTP.

Guarantees:
- only fragments that the chain drew this miner for are taken, and only whole and with their hash;
- what was acknowledged is on the disk;
- a co-signature is kept only if the deal's owner made it, for this chain, miner, place, fragment
  and these commitments, and the place is assigned to this miner now.

Bounds: UPLOADS_MAX uploads and OPENINGS_MAX openings at once, LOOKUPS_MAX questions to the node at
once, UNKNOWN_MAX hashes remembered as not assigned, for UNKNOWN_S seconds, so that a flood of
strange names does not reach the node.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import trio

from primitives.errors import DecodeError
from primitives.extrinsic import MultiSignature, verify_multi
from primitives.scale import decode
from primitives.types import AccountId, Bytes48, FileHash, FragmentHash
from proofs.podr2.wire import cosign_message

from .chain import MinerChain
from .deals import Committed, Cosigned, FragmentStored
from .errors import ProverFailed, RequestRefused
from .facts import Assignment, ChainFacts, Place
from .jobs import CommitJob, Commitments, Opened, OpenJob
from .prover_pool import ProverPool
from .store import Cosignature, Upload, Volumes

UPLOADS_MAX = 16
LOOKUPS_MAX = 8
UNKNOWN_MAX = 4096
UNKNOWN_S = 1.0
BATCH_BYTES = 1 << 20
DISK_THREADS = 8
OPENINGS_MAX = 8
"""Openings at once: fewer than the pool queues, so that nobody keeps audits from being answered."""

T = TypeVar("T")

Chunks = Callable[[], Awaitable[bytes | None]]
"""The next piece of a body; None at its end."""

Notify = Callable[[object], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class OpeningAnswer:
    """What a sender checks before it co-signs."""

    commitments: tuple[Bytes48, ...]
    y: str
    proof: str


class Transfers:
    """See the module. `notify` hands a fact to the daemon's cores."""

    def __init__(
        self,
        *,
        volumes: Volumes,
        chain: MinerChain,
        facts: ChainFacts,
        account: AccountId,
        pool: ProverPool,
        notify: Notify,
    ) -> None:
        self.facts = facts
        self._volumes = volumes
        self._chain = chain
        self._account = account
        self._pool = pool
        self._notify = notify
        self._uploads = 0
        self._openings = 0
        self._lookups = trio.CapacityLimiter(LOOKUPS_MAX)
        self._disk = trio.CapacityLimiter(DISK_THREADS)
        self._unknown: OrderedDict[FragmentHash, float] = OrderedDict()
        self._committing: dict[FragmentHash, trio.Event] = {}
        self.is_stopping = False

    @property
    def uploads(self) -> int:
        """Fragments that are arriving."""
        return self._uploads

    def holds(self, fragment_hash: FragmentHash) -> int | None:
        """The length of a fragment that is on the disk."""
        entry = self._volumes.entry(fragment_hash)
        return None if entry is None else entry.length

    # Taking in.

    async def receive(self, fragment_hash: FragmentHash, chunks: Chunks) -> None:
        """Store a fragment whose bytes come from `chunks`; it is durable when this returns.

        Raises: RequestRefused, StoreError; whatever `chunks` raises.
        """
        if self.is_stopping:
            raise RequestRefused(503, "stopping", "this miner is being stopped; come again later")
        if self._uploads >= UPLOADS_MAX:
            raise RequestRefused(
                503, "busy", f"{UPLOADS_MAX} fragments are arriving already; come again soon"
            )
        self._uploads += 1
        try:
            await self._require_assigned(fragment_hash)
            length = self.facts.fragment_bytes
            upload = await self._in_thread(partial(self._volumes.begin, fragment_hash, length))
            try:
                await self._write(upload, chunks)
                await self._in_thread(upload.finish)
            finally:
                with trio.CancelScope(shield=True):
                    await self._in_thread(upload.abort)
        finally:
            self._uploads -= 1
        await self._notify(FragmentStored(fragment_hash))

    async def store(self, fragment_hash: FragmentHash, data: bytes) -> None:
        """Store a fragment that this miner rebuilt itself. Raises: StoreError."""

        def write() -> None:
            upload = self._volumes.begin(fragment_hash, len(data))
            try:
                upload.write([data])
                upload.finish()
            finally:
                upload.abort()

        await self._in_thread(write)

    async def _write(self, upload: Upload, chunks: Chunks) -> None:
        """Write in large batches: a hop to a thread costs more than hashing 64 KiB."""
        batch: list[bytes] = []
        waiting = 0
        while (chunk := await chunks()) is not None:
            batch.append(chunk)
            waiting += len(chunk)
            if waiting >= BATCH_BYTES:
                await self._in_thread(partial(upload.write, batch))
                batch, waiting = [], 0
        if batch:
            await self._in_thread(partial(upload.write, batch))

    async def _require_assigned(self, fragment_hash: FragmentHash) -> tuple[Assignment, ...]:
        """The places of a fragment. Raises: RequestRefused when there is none."""
        now = trio.current_time()
        asked = self._unknown.get(fragment_hash)
        places: tuple[Assignment, ...] = ()
        if asked is None or now - asked >= UNKNOWN_S:
            async with self._lookups:
                places = await self._chain.assignments_of(fragment_hash)
        if places:
            self._unknown.pop(fragment_hash, None)
            return places
        if asked is None or now - asked >= UNKNOWN_S:
            self._unknown[fragment_hash] = now
            self._unknown.move_to_end(fragment_hash)
            while len(self._unknown) > UNKNOWN_MAX:
                self._unknown.popitem(last=False)
        raise RequestRefused(
            404,
            "not_assigned",
            "the chain has not drawn this miner for this fragment, or it was reported already; "
            "look at FileBank.Assigned",
        )

    # Opening and co-signing.

    async def opening(self, fragment_hash: FragmentHash, nonce: bytes) -> OpeningAnswer:
        """Commit to a fragment and open the commitments at the sender's point.

        Raises: RequestRefused, ProverBusy, ProverFailed, StoreError.
        """
        self._require_held(fragment_hash)
        if self._openings >= OPENINGS_MAX:
            raise RequestRefused(503, "busy", f"{OPENINGS_MAX} openings are being computed")
        self._openings += 1
        try:
            places = await self._require_assigned(fragment_hash)
            deadline = min(place.deadline for place in places)
            return await self._open(fragment_hash, nonce, deadline)
        finally:
            self._openings -= 1

    async def _open(
        self, fragment_hash: FragmentHash, nonce: bytes, deadline: int
    ) -> OpeningAnswer:
        commitments = await self.commitments(fragment_hash, deadline)
        result = await self._pool.run(
            OpenJob(
                path=str(self._volumes.path(fragment_hash)),
                fragment_hash=fragment_hash.hex(),
                commitments=[item.hex() for item in commitments],
                nonce=nonce.hex(),
            ),
            deadline,
        )
        if not isinstance(result, Opened):
            raise ProverFailed("the worker answered another question")
        return OpeningAnswer(commitments, result.y, result.proof)

    async def commitments(self, fragment_hash: FragmentHash, deadline: int) -> tuple[Bytes48, ...]:
        """A fragment's commitments, from the disk or computed once and kept.

        Raises: ProverBusy, ProverFailed, StoreError.
        """
        while (running := self._committing.get(fragment_hash)) is not None:
            await running.wait()
        kept = await self._in_thread(partial(self._volumes.commitments, fragment_hash))
        if kept is not None:
            return kept
        if fragment_hash in self._committing:
            return await self.commitments(fragment_hash, deadline)
        done = self._committing[fragment_hash] = trio.Event()
        try:
            result = await self._pool.run(
                CommitJob(
                    path=str(self._volumes.path(fragment_hash)),
                    fragment_hash=fragment_hash.hex(),
                ),
                deadline,
            )
            if not isinstance(result, Commitments):
                raise ProverFailed("the worker answered another question")
            made = tuple(Bytes48(bytes.fromhex(item)) for item in result.commitments)
            await self._in_thread(partial(self._volumes.put_commitments, fragment_hash, made))
        finally:
            del self._committing[fragment_hash]
            done.set()
        await self._notify(Committed(fragment_hash))
        return made

    async def accept_cosignature(
        self, fragment_hash: FragmentHash, place: Place, signature: bytes
    ) -> None:
        """Keep the owner's signature and queue the report. Raises: RequestRefused, StoreError."""
        self._require_held(fragment_hash)
        places = await self._require_assigned(fragment_hash)
        if not any(item.place == place for item in places):
            raise RequestRefused(
                404, "not_assigned", "this miner is drawn for this fragment at another place"
            )
        commitments = await self._in_thread(partial(self._volumes.commitments, fragment_hash))
        if commitments is None:
            raise RequestRefused(
                409, "not_committed", "ask for an opening first, then sign its commitments"
            )
        async with self._lookups:
            owner = await self._chain.deal_owner(place.file_hash)
        if owner is None:
            raise RequestRefused(404, "no_deal", "the deal of this file is not open any more")
        self._check_signature(fragment_hash, place, commitments, owner, signature)
        item = Cosignature(
            file_hash=FileHash(place.file_hash),
            segment_index=place.segment_index,
            fragment_index=place.fragment_index,
            fragment_hash=fragment_hash,
            signature=signature,
        )
        await self._in_thread(partial(self._volumes.put_cosignature, item))
        await self._notify(Cosigned(item))

    def _check_signature(
        self,
        fragment_hash: FragmentHash,
        place: Place,
        commitments: Sequence[Bytes48],
        owner: AccountId,
        signature: bytes,
    ) -> None:
        try:
            decoded = decode(MultiSignature, signature)
        except DecodeError as error:
            raise RequestRefused(
                400, "bad_signature", f"the signature is no encoded MultiSignature: {error}"
            ) from error
        message = cosign_message(
            self.facts.genesis,
            place.file_hash,
            place.segment_index,
            place.fragment_index,
            self._account,
            fragment_hash,
            commitments,
        )
        if not verify_multi(decoded, message, owner):
            raise RequestRefused(
                400,
                "bad_signature",
                "the deal's owner did not sign these commitments for this place and this miner",
            )

    def _require_held(self, fragment_hash: FragmentHash) -> None:
        if self._volumes.entry(fragment_hash) is None:
            raise RequestRefused(404, "not_held", "this miner does not hold that fragment")

    # Giving out.

    async def read(self, fragment_hash: FragmentHash, start: int, length: int) -> bytes:
        """Some bytes of a fragment; fewer, or none, when the file is shorter or gone."""

        def pread() -> bytes:
            try:
                with self._volumes.path(fragment_hash).open("rb") as file:
                    file.seek(start)
                    return file.read(length)
            except FileNotFoundError:
                return b""
            except OSError:
                self._volumes.note_read(fragment_hash, is_readable=False)
                return b""

        return await self._in_thread(pread)

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(function, limiter=self._disk)
