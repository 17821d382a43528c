"""Transactions of and for peers, over a real network and clock: the core of ``gossip``.

Whatever the pool takes is sent within ``SEND_S`` to the peers that do not have it; what peers send
goes to the pool like any other submission, ``JUDGED_AT_ONCE`` at a time, so that callers of RPC
never wait behind more than that. Nothing is taken or sent while this node is far behind: it could
not judge.

Bounds: those of the core; the network keeps ``EVENTS_MAX`` messages for this listener.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import structlog
import trio

from node.network.transport import Channel, ChannelClosed, ChannelOpened, Network
from node.network.wire import encode_transactions
from node.txpool.errors import is_never_valid, is_nobodys_fault
from node.txpool.gossip import Gossip, Verdict
from node.txpool.shell import TransactionPool
from pallets.frame.validity import TransactionSource
from primitives.errors import RpcError
from primitives.types import Hash

__all__ = ["SEND_S", "TransactionGossip"]

log = structlog.get_logger("txgossip")

SEND_S: Final = 0.1
"""Between two messages to one peer: what became ready meanwhile goes together."""
LOOK_S: Final = 3.0
"""Between two looks at what peers were never sent, or long ago."""


class _View:
    """The pool as the core sees it."""

    def __init__(self, pool: TransactionPool) -> None:
        self._pool = pool

    def propagated(self) -> Iterator[Hash]:
        """Ready transactions that others may have, best first."""
        return (entry.hash for entry in self._pool.core.ready() if entry.validity.propagate)

    def bytes_of(self, hash_: Hash) -> bytes | None:
        """The transaction, if it is ready and others may have it."""
        found = self._pool.core.get(hash_) if self._pool.core.is_ready(hash_) else None
        return found.data if found is not None and found.validity.propagate else None


class TransactionGossip:
    """Runs the core."""

    def __init__(
        self, network: Network, pool: TransactionPool, is_major_syncing: Callable[[], bool]
    ) -> None:
        self.core = Gossip()
        self._network = network
        self._pool = pool
        self._view = _View(pool)
        self._is_major_syncing = is_major_syncing
        self._came = trio.Event()
        self._ready = trio.Event()
        self.received_count = 0
        """Messages of peers."""
        self.sent_count = 0
        """Transactions sent, counted for each peer."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take and send until cancelled."""
        self._pool.when_ready = self._became_ready
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._listen)
                nursery.start_soon(self._judge)
                nursery.start_soon(self._send)
                task_status.started()
        finally:
            self._pool.when_ready = None

    def _became_ready(self, hashes: Sequence[Hash]) -> None:
        for hash_ in hashes:
            self.core.became_ready(hash_)
        self._ready.set()

    def _charge(self) -> None:
        for peer, cost in self.core.take_charges():
            self._network.report(peer, cost)

    async def _listen(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        started = False
        while True:
            for peer in self.core.peers():
                self.core.closed(peer)  # the new channel begins with those that are there
            with self._network.listen((Channel.TRANSACTIONS,)) as events:
                if not started:
                    started = True
                    task_status.started()
                async for event in events:
                    now_s = trio.current_time()
                    if isinstance(event, ChannelOpened):
                        self.core.opened(event.peer, event.status.roles, now_s)
                        self._ready.set()
                    elif isinstance(event, ChannelClosed):
                        self.core.closed(event.peer)
                    elif not self._is_major_syncing():
                        self.received_count += 1
                        self.core.received(event.peer, event.data, now_s)
                        self._charge()
                        self._came.set()
                        await trio.sleep(0)  # a flood must not keep the loop to itself
            log.warning("transactions of peers came faster than they were taken")

    async def _judge(self) -> None:
        """Give the pool what peers sent."""
        while True:
            batch = self.core.next_to_judge()
            if not batch:
                await self._came.wait()
                self._came = trio.Event()
                continue
            refusals = await self._pool.submit_all(
                [data for _, data in batch], TransactionSource.External
            )
            now_s = trio.current_time()
            for (hash_, _), refusal in zip(batch, refusals, strict=True):
                self.core.judged(hash_, _verdict(refusal), now_s)
            self._charge()

    async def _send(self) -> None:
        """Send what became ready, and from time to time what peers may have lost."""
        while True:
            with trio.move_on_after(LOOK_S if self.core.peers() else math.inf):
                await self._ready.wait()
            self._ready = trio.Event()
            await trio.sleep(SEND_S)
            if not self._is_major_syncing():
                self._send_once()

    def _send_once(self) -> None:
        told: dict[Hash, list[str]] = {}
        now_s = trio.current_time()
        for message in self.core.outgoing(self._view, now_s):
            data = encode_transactions(message.transactions)
            if not self._network.notify(message.peer, Channel.TRANSACTIONS, data):
                self.core.not_sent(message)
                continue
            self.core.sent(message, now_s)
            self.sent_count += len(message.hashes)
            for hash_ in message.hashes:
                told.setdefault(hash_, []).append(message.peer)
            self._ready.set()  # there may be more for this peer
        for hash_, peers in told.items():
            self._pool.broadcast(hash_, peers)


def _verdict(refusal: RpcError | None) -> Verdict:
    if refusal is None:
        return Verdict.GOOD
    if is_nobodys_fault(refusal):
        return Verdict.KNOWN
    return Verdict.BAD if is_never_valid(refusal) else Verdict.USELESS
