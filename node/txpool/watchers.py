"""Who is told what becomes of a transaction: the core behind ``author_submitAndWatchExtrinsic``.

Guarantees: statuses of one transaction come in the order in which they happened; after a final one
(finalized, usurped, dropped, invalid, finalityTimeout) nothing follows and the watch is gone.
Bounds: ``WATCHED_MAX`` transactions, ``BLOCKS_MAX`` unfinalised blocks with watched transactions:
the oldest block gives way with ``finalityTimeout``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from node.rpc.jsonrpc import SERVER_BUSY, SERVER_IS_BUSY, Json
from node.txpool.pool import PoolEvent, Status
from primitives.errors import RpcError
from primitives.types import Hash

__all__ = ["BLOCKS_MAX", "WATCHED_MAX", "Notice", "Watchers"]

WATCHED_MAX: Final = 16_384
BLOCKS_MAX: Final = 512

_FINAL: Final = frozenset({Status.USURPED, Status.DROPPED, Status.INVALID})
_WITH_BLOCK: Final = frozenset({Status.USURPED, Status.PRUNED, Status.RETRACTED})


@dataclass(frozen=True, slots=True)
class Notice:
    """One status for one watcher; nothing follows a ``last`` one."""

    watcher: int
    status: Json
    last: bool


class Watchers:
    """Watchers by transaction, and the transactions of blocks that are not final yet."""

    def __init__(self) -> None:
        self._by_hash: dict[Hash, dict[int, None]] = {}
        self._hash_of: dict[int, Hash] = {}
        self._blocks: dict[Hash, dict[Hash, None]] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._hash_of)

    def watch(self, hash_: Hash) -> int:
        """Begin to watch; the watcher's number."""
        if len(self._hash_of) >= WATCHED_MAX:
            raise RpcError(SERVER_BUSY, SERVER_IS_BUSY, "too many watched extrinsics")
        self._next += 1
        self._by_hash.setdefault(hash_, {})[self._next] = None
        self._hash_of[self._next] = hash_
        return self._next

    def unwatch(self, watcher: int) -> None:
        """Stop; nothing happens where it is over already."""
        hash_ = self._hash_of.pop(watcher, None)
        if hash_ is None:
            return
        watchers = self._by_hash[hash_]
        del watchers[watcher]
        if not watchers:
            del self._by_hash[hash_]

    def receive(self, events: Iterable[PoolEvent]) -> list[Notice]:
        """What the pool reported."""
        notices: list[Notice] = []
        for event in events:
            if event.hash not in self._by_hash:
                continue
            if event.status is Status.PRUNED and event.by is not None:
                notices += self._include(event.by, event.hash)
            if event.status is Status.RETRACTED and event.by is not None:
                self._blocks.get(event.by, {}).pop(event.hash, None)
            status: Json = event.status.value
            if event.status in _WITH_BLOCK and event.by is not None:
                status = {event.status.value: f"0x{event.by.hex()}"}
            notices += self._tell(event.hash, status, last=event.status in _FINAL)
        return notices

    def finalize(self, block: Hash) -> list[Notice]:
        """This block is final."""
        notices: list[Notice] = []
        for hash_ in self._blocks.pop(block, ()):
            notices += self._tell(hash_, {"finalized": f"0x{block.hex()}"}, last=True)
        return notices

    def broadcast(self, hash_: Hash, peers: Sequence[str]) -> list[Notice]:
        """These peers were sent a transaction."""
        return self._tell(hash_, {"broadcast": list(peers)}, last=False)

    def _include(self, block: Hash, hash_: Hash) -> list[Notice]:
        notices: list[Notice] = []
        if block not in self._blocks and len(self._blocks) >= BLOCKS_MAX:
            oldest = next(iter(self._blocks))
            for late in self._blocks.pop(oldest):
                timeout: Json = {"finalityTimeout": f"0x{oldest.hex()}"}
                notices += self._tell(late, timeout, last=True)
        self._blocks.setdefault(block, {})[hash_] = None
        return notices

    def _tell(self, hash_: Hash, status: Json, *, last: bool) -> list[Notice]:
        watchers = list(self._by_hash.get(hash_, ()))
        if last:
            for watcher in watchers:
                self.unwatch(watcher)
        return [Notice(watcher, status, last) for watcher in watchers]
