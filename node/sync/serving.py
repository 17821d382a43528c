"""Answering peers: ``sync/2``, ``state/2``, ``light/2`` and ``sync/warp`` over the database.

Reading happens in threads of its own limiter, so neither the loop nor the writer waits for it.
A question that was answered ``limits.SAME_REQUESTS_MAX`` times is refused, as Substrate does; who
asks more than its budget allows pays for it.

Bounds: ``THREADS`` answers are made at once, ``WAITING_MAX`` questions wait, and
``WAITING_PER_PEER_MAX`` of one peer; others are refused at once.
"""

from collections.abc import Callable
from typing import Final, TypeVar

import structlog
import trio

from node.database import ChainDatabase
from node.network.transport import Cost, Network, RequestKind, RequestRefused
from node.network.wire import (
    BlockFields,
    BlockRequest,
    RemoteCall,
    StateRequest,
    decode_light_request,
    decode_warp_request,
)
from node.sync import answers
from node.sync.limits import (
    LIGHT_KEYS_EACH,
    STATE_COUNTS,
    WARP_COUNTS,
    PeerBudget,
    SeenRequests,
)
from node.sync.warp import WarpUnserved, make_warp_proof
from primitives.errors import CessError, DecodeError, StorageCorrupt

__all__ = ["THREADS", "WAITING_MAX", "WAITING_PER_PEER_MAX", "Server", "serve_requests"]

THREADS: Final = 2
WAITING_MAX: Final = 128
WAITING_PER_PEER_MAX: Final = 8

_SMALL: Final = BlockFields.HEADER | BlockFields.JUSTIFICATION

T = TypeVar("T")

log = structlog.get_logger("sync")


class Server:
    """The handlers, with what they remember of peers."""

    def __init__(
        self,
        network: Network,
        database: ChainDatabase,
        *,
        now_s: Callable[[], float] = trio.current_time,
    ) -> None:
        self._network = network
        self._database = database
        self._now_s = now_s
        self._seen = SeenRequests()
        self._budget = PeerBudget()
        self._limiter = trio.CapacityLimiter(THREADS)
        self._waiting: dict[str, int] = {}
        self._waiting_count = 0
        self.answered_count = 0
        self.answered_bytes = 0

    async def blocks(self, peer: str, data: bytes) -> bytes:
        """Answer ``sync/2``."""
        request = _decoded(BlockRequest.decode, data)
        is_small = not request.fields & ~_SMALL
        if self._seen.is_repeated(peer, data, self._now_s()):
            if not is_small:
                raise RequestRefused("the same blocks again and again", Cost.FLOOD)
            self._network.report(peer, Cost.REPEATED)

        def make() -> tuple[bytes, bool]:
            response = answers.blocks(self._database, request)
            multiple = request.multiple_justifications
            return response.encode(multiple_justifications=multiple), bool(response.blocks)

        answer, has_blocks = await self._read(peer, make)
        if has_blocks:
            self._seen.answered(peer, data, self._now_s())
        return self._sent(peer, answer)

    async def state(self, peer: str, data: bytes) -> bytes:
        """Answer ``state/2``."""
        request = _decoded(StateRequest.decode, data)
        if self._seen.is_repeated(peer, data, self._now_s()):
            raise RequestRefused("the same state again and again", Cost.REPEATED)
        answer = await self._read(
            peer, lambda: answers.state(self._database, request).encode(), STATE_COUNTS
        )
        self._seen.answered(peer, data, self._now_s())
        return self._sent(peer, answer)

    async def light(self, peer: str, data: bytes) -> bytes:
        """Answer ``light/2``."""
        request = _decoded(decode_light_request, data)
        keys = 0 if isinstance(request, RemoteCall) else len(request.keys)
        answer = await self._read(
            peer,
            lambda: answers.light_proof(self._database, request).encode(),
            1 + keys // LIGHT_KEYS_EACH,
        )
        return self._sent(peer, answer)

    async def warp(self, peer: str, data: bytes) -> bytes:
        """Answer ``sync/warp``."""
        begin = _decoded(decode_warp_request, data)

        def make() -> bytes:
            try:
                return make_warp_proof(self._database, begin).encode()
            except WarpUnserved as error:
                raise RequestRefused(str(error)) from error

        return self._sent(peer, await self._read(peer, make, WARP_COUNTS))

    async def _read(self, peer: str, make: Callable[[], T], count: int = 1) -> T:
        if not self._budget.take(peer, self._now_s(), count):
            raise RequestRefused("more than one peer may ask", Cost.TIMED_OUT)
        waiting = self._waiting.get(peer, 0)
        if self._waiting_count >= WAITING_MAX or waiting >= WAITING_PER_PEER_MAX:
            raise RequestRefused("too many questions wait")
        self._waiting[peer] = waiting + 1
        self._waiting_count += 1
        try:
            return await trio.to_thread.run_sync(make, limiter=self._limiter)
        except RequestRefused:
            raise
        except StorageCorrupt as error:
            # The node goes on: it may never need this record, and is the peers' copy of the rest.
            log.error("a record that a peer asked for is damaged", reason=str(error))
            raise RequestRefused("it cannot be read here") from error
        except CessError as error:
            raise RequestRefused(f"it cannot be answered: {error}") from error
        finally:
            self._waiting_count -= 1
            self._waiting[peer] -= 1
            if not self._waiting[peer]:
                del self._waiting[peer]

    def _sent(self, peer: str, answer: bytes) -> bytes:
        self._budget.spend(peer, len(answer))
        self.answered_count += 1
        self.answered_bytes += len(answer)
        return answer


def _decoded(decode: Callable[[bytes], T], data: bytes) -> T:
    try:
        return decode(data)
    except DecodeError as error:
        raise RequestRefused(str(error), Cost.BAD_MESSAGE) from error


def serve_requests(network: Network, database: ChainDatabase) -> Server:
    """Answer peers from now on."""
    server = Server(network, database)
    network.serve(RequestKind.SYNC, server.blocks)
    network.serve(RequestKind.STATE, server.state)
    network.serve(RequestKind.LIGHT, server.light)
    network.serve(RequestKind.WARP, server.warp)
    return server
