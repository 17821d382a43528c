"""The pool on the trio loop: validates in a worker thread, follows the chain, tells watchers.

Submissions are judged in the order of their arrival, so nobody overtakes: an RPC connection has a
bounded number of calls on their way, and a flood by one of them waits behind others' calls.

Bounds: ``QUEUE_MAX`` transactions and ``QUEUE_BYTES_MAX`` wait for validation, then submitters are
told to come back; ``REVALIDATED_MAX`` pool transactions are looked at again after each block.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import structlog
import trio

from node.consensus.announcements import Announcements, Finalized
from node.consensus.chain import Imported
from node.rpc.jsonrpc import SERVER_BUSY, SERVER_IS_BUSY, Json
from node.txpool import errors
from node.txpool.pool import Limits, Pool, Status, Transaction
from node.txpool.validation import Judged, Validator, check_envelope
from node.txpool.watchers import Notice, Watchers
from pallets.frame.validity import TransactionSource
from primitives.errors import RpcError
from primitives.extrinsic import EXTRINSIC_BYTES_MAX, extrinsic_hash
from primitives.types import Hash

__all__ = ["OFFERED_MAX", "QUEUE_BYTES_MAX", "QUEUE_MAX", "REVALIDATED_MAX", "TransactionPool"]

log = structlog.get_logger("txpool")

QUEUE_MAX: Final = 16_384
QUEUE_BYTES_MAX: Final = 32 << 20
"""One extrinsic of the largest size, and many usual ones."""

BATCH_MAX: Final = 256
"""Transactions judged in one visit to the thread."""

REVALIDATED_MAX: Final = 256
NOTICES_MAX: Final = 64
OFFERED_MAX: Final = 4096
"""Transactions offered to one block; one of six seconds takes 3,000 transfers."""


@dataclass(slots=True, eq=False)
class _Asked:
    hash: Hash
    data: bytes
    source: TransactionSource
    done: trio.Event = field(default_factory=trio.Event)
    error: RpcError | None = None


def _busy() -> RpcError:
    return RpcError(SERVER_BUSY, SERVER_IS_BUSY, "too many transactions arrive")


class TransactionPool:
    """What RPC submits to and authors take from."""

    def __init__(self, validator: Validator, announcements: Announcements, limits: Limits) -> None:
        self.core = Pool(limits)
        self._validator = validator
        self._announcements = announcements
        self._watchers = Watchers()
        self._channels: dict[int, trio.MemorySendChannel[Json]] = {}
        self._limiter = trio.CapacityLimiter(1)
        self._queue, self._incoming = trio.open_memory_channel[_Asked](QUEUE_MAX)
        self._queue_bytes = 0
        self.when_ready: Callable[[list[Hash]], None] | None = None
        """Told of transactions that became ready."""
        self.submitted_count = 0
        self.refused_count = 0
        self.pruned_count = 0
        self.validated_count = 0
        self.validation_seconds = 0.0

    # Submitting.

    async def submit(self, data: bytes, source: TransactionSource) -> Hash:
        """Validate a transaction and take it; its hash. Raises ``RpcError`` saying why not."""
        asked = self._ask(data, source)
        await asked.done.wait()
        if asked.error is not None:
            self.refused_count += 1
            raise asked.error
        return asked.hash

    async def submit_all(
        self, batch: Sequence[bytes], source: TransactionSource
    ) -> list[RpcError | None]:
        """Validate several and take them: for each None, or why not."""
        found: list[_Asked | RpcError] = []
        for data in batch:
            try:
                found.append(self._ask(data, source))
            except RpcError as error:
                found.append(error)
        refusals: list[RpcError | None] = []
        for entry in found:
            if isinstance(entry, RpcError):
                refusals.append(entry)
                continue
            await entry.done.wait()
            refusals.append(entry.error)
        self.refused_count += sum(error is not None for error in refusals)
        return refusals

    def _ask(self, data: bytes, source: TransactionSource) -> _Asked:
        """Queue it for its verdict. Raises ``RpcError`` where that need not be waited for."""
        if len(data) > EXTRINSIC_BYTES_MAX:
            raise errors.unreadable(f"longer than {EXTRINSIC_BYTES_MAX} bytes")
        check_envelope(data)
        hash_ = extrinsic_hash(data)
        self.core.check_new(hash_, time.monotonic())
        asked = _Asked(hash_, data, source)
        if self._queue_bytes + len(data) > QUEUE_BYTES_MAX:
            raise _busy()
        try:
            self._queue.send_nowait(asked)
        except trio.WouldBlock:
            raise _busy() from None
        self._queue_bytes += len(data)
        return asked

    @property
    def waiting_count(self) -> int:
        """Transactions that wait for their verdict."""
        return self._queue.statistics().current_buffer_used

    async def validate_submissions(self) -> None:
        """Judge what was submitted, until cancelled."""
        while True:
            batch = [await self._incoming.receive()]
            while len(batch) < BATCH_MAX:
                try:
                    batch.append(self._incoming.receive_nowait())
                except trio.WouldBlock:
                    break
            self._queue_bytes -= sum(len(entry.data) for entry in batch)
            started = trio.current_time()
            verdicts = await trio.to_thread.run_sync(
                self._validator.judge,
                [(entry.hash, entry.data, entry.source) for entry in batch],
                limiter=self._limiter,
            )
            self.validated_count += len(batch)
            self.validation_seconds += trio.current_time() - started
            for entry, verdict in zip(batch, verdicts, strict=True):
                entry.error = self._enter(verdict)
                entry.done.set()
            self._publish()

    def _enter(self, verdict: Judged) -> RpcError | None:
        now_s = time.monotonic()
        if verdict.transaction is None:
            if verdict.bans:
                self.core.ban(verdict.hash, now_s)
            return verdict.error
        try:
            self.core.submit(verdict.transaction, now_s)
        except RpcError as error:
            return error
        self.submitted_count += 1
        return None

    # Watching.

    def broadcast(self, hash_: Hash, peers: Sequence[str]) -> None:
        """These peers were sent a transaction: whoever watches it hears so."""
        self._notify(self._watchers.broadcast(hash_, peers))

    @contextmanager
    def watch(self, hash_: Hash) -> Iterator[trio.MemoryReceiveChannel[Json]]:
        """A channel of what becomes of a transaction; it ends after the last status."""
        watcher = self._watchers.watch(hash_)
        send, receive = trio.open_memory_channel[Json](NOTICES_MAX)
        self._channels[watcher] = send
        try:
            with receive:
                yield receive
        finally:
            self._watchers.unwatch(watcher)
            self._channels.pop(watcher, None)

    def _publish(self) -> None:
        """Pass on what happened in the core."""
        events = self.core.take_events()
        self._notify(self._watchers.receive(events))
        if self.when_ready is not None:
            ready = [event.hash for event in events if event.status is Status.READY]
            if ready:
                self.when_ready(ready)

    def _notify(self, notices: list[Notice]) -> None:
        for notice in notices:
            channel = self._channels.get(notice.watcher)
            if channel is None:
                continue
            try:
                channel.send_nowait(notice.status)
            except (trio.WouldBlock, trio.BrokenResourceError):
                self._watchers.unwatch(notice.watcher)
                del self._channels[notice.watcher]
                channel.close()
                continue
            if notice.last:
                del self._channels[notice.watcher]
                channel.close()

    # For authors and RPC.

    def ready(self) -> list[Transaction]:
        """What a block may take, best first."""
        return list(islice(self.core.ready(), OFFERED_MAX))

    def pending(self) -> list[bytes]:
        """The bytes of all ready transactions."""
        return [transaction.data for transaction in self.core.ready()]

    def forget(self, hashes: tuple[Hash, ...]) -> None:
        """These turned out to be invalid."""
        self.core.remove(hashes, now_s=time.monotonic())
        self._publish()

    # Following the chain.

    async def follow_chain(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Prune, bring back and revalidate as blocks come, until cancelled."""
        started = False
        while True:
            with self._announcements.listen() as events:
                if not started:
                    task_status.started()
                    started = True
                async for event in events:
                    if isinstance(event, Finalized):
                        for hash_ in event.hashes:
                            self._notify(self._watchers.finalize(hash_))
                    elif event.is_best:
                        await self._on_best(event)
            log.warning("the pool fell behind the chain; old transactions leave it by validation")

    async def _on_best(self, event: Imported) -> None:
        retracted: list[tuple[Hash, bytes]] = []
        for block in event.route.retracted:
            body, tags = await self._look_at(block, only_unknown=False)
            self.core.retract(block, [hash_ for hash_, _ in body], tags)
            retracted.extend(body)
        for block in event.route.enacted:
            body, tags = await self._look_at(block, only_unknown=True)
            before = len(self.core)
            self.core.prune(block, [hash_ for hash_, _ in body], tags, time.monotonic())
            self.pruned_count += before - len(self.core)
        self.core.expire(int(event.header.number))
        self._publish()
        await self._bring_back(retracted)
        await self._revalidate()

    async def _look_at(
        self, block: Hash, *, only_unknown: bool
    ) -> tuple[list[tuple[Hash, bytes]], list[bytes]]:
        """The body of a block, and the tags of its transactions (that the pool does not hold)."""

        def read() -> tuple[list[tuple[Hash, bytes]], list[bytes]]:
            body = [(extrinsic_hash(data), data) for data in self._validator.body_of(block)]
            unknown = [data for hash_, data in body if not only_unknown or hash_ not in held]
            return body, self._validator.tags_of(block, tuple(unknown))

        held = self.core.hashes()
        return await trio.to_thread.run_sync(read, limiter=self._limiter)

    async def _bring_back(self, retracted: list[tuple[Hash, bytes]]) -> None:
        batch = [
            (hash_, data, TransactionSource.InBlock)
            for hash_, data in retracted
            if hash_ not in self.core
        ]
        if not batch:
            return
        verdicts = await trio.to_thread.run_sync(
            self._validator.judge, batch, limiter=self._limiter
        )
        for verdict in verdicts:
            if verdict.transaction is not None:
                self._enter(verdict)
        self._publish()

    async def _revalidate(self) -> None:
        """Look again at those whose verdicts are the oldest."""
        chosen = self.core.oldest_verdicts(REVALIDATED_MAX)
        if not chosen:
            return
        verdicts = await trio.to_thread.run_sync(
            self._validator.judge,
            # What nobody signed is here because this node took it, or a block had it.
            [(entry.hash, entry.data, TransactionSource.Local) for entry in chosen],
            limiter=self._limiter,
        )
        now_s = time.monotonic()
        bad = [verdict.hash for verdict in verdicts if verdict.transaction is None]
        for verdict in verdicts:
            if verdict.transaction is not None:
                self.core.refresh(verdict.transaction, now_s)
        self.core.remove(bad, now_s=now_s)
        self._publish()
