"""One peer: its channels, its requests and ours, on one connection.

A channel is a stream in each direction: we open ours when the core of peering lets the peer in, and
the peer has ``HALF_OPEN_S`` to open its own; the channel is open when both are. The channel for
block announcements comes first and carries the greeting; it is the peer: when it ends, so does
the connection. Requests have a stream each.

Bounds: ``STREAMS_MAX`` streams of the peer at a time, ``ASKING_MAX`` requests to it and
``ANSWERING_MAX`` of it; ``NOTIFICATIONS_MAX`` and ``QUEUE_BYTES_MAX`` for what waits to be sent in
a channel; deadlines for each step; what a peer may send by ``RATES``. Tasks of a peer end with it.
"""

from collections import deque
from typing import Final, Protocol

import structlog
import trio

from node.network.addresses import Address
from node.network.counters import Counters
from node.network.identify import (
    IDENTIFY,
    IDENTIFY_BYTES_MAX,
    PING,
    PING_BYTES,
    decode_identify,
)
from node.network.kademlia import decode_answer, decode_question, question
from node.network.libp2p_connection import Connection, Substream
from node.network.names import ProtocolNames
from node.network.protocols import (
    HANDSHAKE_BYTES_MAX,
    KAD,
    KAD_BYTES_MAX,
    NOTIFICATION_BYTES_MAX,
    REQUEST_BYTES_MAX,
    RESPONSE_BYTES_MAX,
)
from node.network.rates import Bucket
from node.network.streams import (
    BadStream,
    StreamEnded,
    accept_protocol,
    frame,
    read_frame,
    select_protocol,
)
from node.network.transport import (
    NOTIFICATIONS_MAX,
    Channel,
    ChannelClosed,
    ChannelOpened,
    Cost,
    Handler,
    NetworkEvent,
    Notified,
    RequestFailed,
    RequestKind,
    RequestRefused,
    Roles,
    Status,
)
from node.network.wire import BlockAnnouncesHandshake, decode_roles, encode_roles
from primitives.errors import CessError, DecodeError
from primitives.types import Hash

__all__ = ["Peer", "PeerHost"]

log = structlog.get_logger("sub-libp2p")

STREAMS_MAX: Final = 64
ASKING_MAX: Final = 8
ANSWERING_MAX: Final = 8
QUEUE_BYTES_MAX: Final = 20 * 1024 * 1024
BATCH_BYTES: Final = 64 * 1024
READING_RATE: Final = 256 * 1024
"""Bytes a second, at which a long answer must be read at least."""
WAITING_ANSWERS_BYTES_MAX: Final = 256 * 1024 * 1024
"""Of answers to all peers that are not read yet."""
OPEN_S: Final = 10.0
"""From the first byte of a stream to the end of its handshake."""
HALF_OPEN_S: Final = 10.0
WRITE_S: Final = 30.0
ANSWER_S: Final = 30.0
END_S: Final = 5.0
PING_S: Final = 120.0
REOPEN_S: Final = 10.0
REOPENINGS_MAX: Final = 6

RATES: Final = {
    Channel.BLOCK_ANNOUNCES: (512, 64.0),
    Channel.TRANSACTIONS: (2048, 512.0),
    Channel.GRANDPA: (8192, 2048.0),
}
"""Notifications in a burst, and in each second."""
REQUEST_RATE: Final = (256, 128.0)
"""Requests that are answered at once, and in each second; the others wait."""

_FIRST: Final = Channel.BLOCK_ANNOUNCES
_REST: Final = (Channel.TRANSACTIONS, Channel.GRANDPA)


class PeerHost(Protocol):
    """What a peer needs of the node's network."""

    genesis_hash: Hash
    names: ProtocolNames
    counters: Counters
    handlers: dict[RequestKind, Handler]
    answering: trio.CapacityLimiter
    waiting_bytes: int
    """Of answers that peers have not read yet."""

    def status(self) -> Status:
        """What this node says of itself."""
        ...

    def tell(self, event: NetworkEvent) -> None:
        """Something happened in a channel."""
        ...

    def report(self, peer: str, cost: Cost) -> None:
        """The peer did something."""
        ...

    def asked(self, peer: "Peer", roles: Roles) -> None:
        """The peer greeted and wants a slot."""
        ...

    def found(self, addresses: list[Address], teller: str) -> None:
        """A peer said where peers are."""
        ...

    def identify(self, peer: "Peer") -> bytes:
        """What this node says of itself to this peer by ``/ipfs/id/1.0.0``."""
        ...

    def closest(self, key: bytes, asker: str) -> bytes:
        """The answer to a question about peers."""
        ...


class _Duplex:
    """One channel: a stream in each direction."""

    def __init__(self, channel: Channel, now_s: float) -> None:
        self.channel = channel
        self.out: Substream | None = None
        self.has_in = False
        self.is_opening = False
        self.is_open = False
        self.came = trio.Event()
        """Set when the peer's stream is there."""
        self.queue: deque[bytes] = deque()
        self.queued_bytes = 0
        self.work = trio.Event()
        self.rate = Bucket(*RATES[channel], now_s)


class Peer:
    """A connected peer."""

    def __init__(
        self,
        host: PeerHost,
        connection: Connection,
        *,
        number: int,
        remote: Address,
        is_inbound: bool,
        nursery: trio.Nursery,
    ) -> None:
        now_s = trio.current_time()
        self.id = connection.peer
        self.number = number
        self.remote = remote
        """The other end of the socket."""
        self.is_inbound = is_inbound
        self.addresses: list[Address] = []
        """Where it says that it listens."""
        self.greeting: Status | None = None
        self.connection = connection
        self.reason: str | None = None
        """Why we ended the connection, if we did."""
        self._host = host
        self._nursery = nursery
        self._duplexes = {channel: _Duplex(channel, now_s) for channel in Channel}
        self._let_in = trio.Event()
        self._streams = 0
        self._answering = 0
        self._asking = trio.Semaphore(ASKING_MAX)
        self._request_rate = Bucket(*REQUEST_RATE, now_s)

    # --- what the network does with it

    def is_open(self, channel: Channel) -> bool:
        """Whether a channel is open in both directions."""
        return self._duplexes[channel].is_open

    def let_in(self) -> None:
        """The core gave it a slot: open the channels."""
        self._let_in.set()
        duplex = self._duplexes[_FIRST]
        if not duplex.is_opening and duplex.out is None:
            duplex.is_opening = True
            self._nursery.start_soon(self._open_first, duplex)

    def close(self, reason: str) -> None:
        """End the connection."""
        if self.reason is None:
            self.reason = reason
        self.connection.close()

    def ended(self) -> None:
        """The connection is gone: close what was open."""
        for channel in (*reversed(_REST), _FIRST):
            self._closed(self._duplexes[channel])

    def notify(self, channel: Channel, data: bytes) -> bool:
        """Queue a notification; False if the channel is closed or its queue full."""
        duplex = self._duplexes[channel]
        if not duplex.is_open:
            return False
        if (
            len(duplex.queue) >= NOTIFICATIONS_MAX
            or duplex.queued_bytes + len(data) > QUEUE_BYTES_MAX
        ):
            self._host.counters.notifications_dropped[channel.value] += 1
            return False
        duplex.queue.append(data)
        duplex.queued_bytes += len(data)
        duplex.work.set()
        return True

    def on_stream(self, stream: Substream) -> None:
        """The peer opened a stream."""
        if self._streams >= STREAMS_MAX:
            self._nursery.start_soon(stream.reset)
            return
        self._streams += 1
        self._nursery.start_soon(self._serve, stream)

    # --- requests

    async def request(self, kind: RequestKind, data: bytes, *, timeout_s: float) -> bytes:
        """Ask the peer. Raises: RequestFailed."""
        names, limit = self._host.names.requests[kind], RESPONSE_BYTES_MAX[kind]
        counters = self._host.counters
        counters.requests_sent[kind.value] += 1
        with trio.move_on_after(timeout_s):
            async with self._asking:
                try:
                    answer = await self._ask(names, kind.value, data, limit)
                except StreamEnded as error:
                    counters.requests_failed[kind.value] += 1
                    raise RequestFailed(f"{self.id} refused {kind.value}: {error}") from error
                except BadStream as error:
                    counters.requests_failed[kind.value] += 1
                    self._host.report(self.id, Cost.BAD_MESSAGE)
                    raise RequestFailed(f"{self.id} answered {kind.value} with: {error}") from error
                return answer
        counters.requests_failed[kind.value] += 1
        raise RequestFailed(f"{self.id} did not answer {kind.value} within {timeout_s} s")

    async def _ask(self, names: tuple[str, ...], short: str, data: bytes, limit: int) -> bytes:
        stream = await self.connection.open()
        is_done = False
        try:
            await select_protocol(stream, names)
            await stream.write(frame(data))
            await stream.finish()
            answer = await read_frame(stream, limit)
            is_done = True
            return answer
        finally:
            self._host.counters.sent(short, stream.sent_bytes)
            self._host.counters.received(short, stream.received_bytes)
            if is_done:
                self._nursery.start_soon(stream.wait_end, END_S)
            else:
                await stream.reset()

    async def learn_addresses(self) -> None:
        """Ask the peer where it listens, and tell the core."""
        try:
            with trio.fail_after(OPEN_S):
                stream = await self.connection.open()
                try:
                    await select_protocol(stream, [IDENTIFY])
                    data = await read_frame(stream, IDENTIFY_BYTES_MAX)
                finally:
                    await stream.reset()
            self.addresses = decode_identify(data)
        except (CessError, trio.TooSlowError):
            return
        self._host.found([address.at_peer(self.id) for address in self.addresses], self.id)

    async def find(self, key: bytes) -> None:
        """Ask the peer who is close to a key, and tell the core."""
        try:
            with trio.fail_after(OPEN_S):
                names = self._host.names.kad
                answer = await self._ask(names, KAD, question(key), KAD_BYTES_MAX)
            self._host.found(decode_answer(answer), self.id)
        except DecodeError:
            self._host.report(self.id, Cost.BAD_MESSAGE)
        except (CessError, trio.TooSlowError):
            return

    # --- streams of the peer

    async def _serve(self, stream: Substream) -> None:
        try:
            with trio.fail_after(OPEN_S):
                name = await accept_protocol(stream, self._host.names.served)
            await self._serve_protocol(name, stream)
        except BadStream:
            self._host.report(self.id, Cost.BAD_MESSAGE)
        except (StreamEnded, trio.TooSlowError):
            pass
        finally:
            self._streams -= 1
            await stream.reset()

    async def _serve_protocol(self, name: str, stream: Substream) -> None:
        protocol = self._host.names.served[name]
        if isinstance(protocol, Channel):
            await self._receive(self._duplexes[protocol], stream)
        elif isinstance(protocol, RequestKind):
            await self._answer(protocol, stream)
        elif protocol == IDENTIFY:
            with trio.fail_after(WRITE_S):
                await stream.write(frame(self._host.identify(self)))
            await stream.finish()
            await stream.wait_end(END_S)
        elif protocol == PING:
            while True:
                with trio.fail_after(PING_S):
                    await stream.write(await stream.read_exactly(PING_BYTES))
        else:
            await self._answer_about_peers(stream)

    async def _answer_about_peers(self, stream: Substream) -> None:
        try:
            while True:
                with trio.fail_after(PING_S):
                    key = decode_question(await read_frame(stream, KAD_BYTES_MAX))
                if key is None:
                    return
                await self._slow_down()
                with trio.fail_after(WRITE_S):
                    await stream.write(frame(self._host.closest(key, self.id)))
        except DecodeError:
            self._host.report(self.id, Cost.BAD_MESSAGE)
        except StreamEnded:
            await stream.finish()
        finally:
            self._host.counters.sent(KAD, stream.sent_bytes)
            self._host.counters.received(KAD, stream.received_bytes)

    async def _answer(self, kind: RequestKind, stream: Substream) -> None:
        counters = self._host.counters
        try:
            with trio.fail_after(OPEN_S):
                data = await read_frame(stream, REQUEST_BYTES_MAX[kind])
            if self._answering >= ANSWERING_MAX:
                self._host.report(self.id, Cost.REPEATED)
                counters.requests_refused[kind.value] += 1
                return
            self._answering += 1
            try:
                is_answered = await self._send_answer(kind, data, stream)
            finally:
                self._answering -= 1
            if is_answered:
                counters.requests_answered[kind.value] += 1
                await stream.finish()
                await stream.wait_end(END_S)
            else:
                counters.requests_refused[kind.value] += 1
        finally:
            counters.sent(kind.value, stream.sent_bytes)
            counters.received(kind.value, stream.received_bytes)

    async def _send_answer(self, kind: RequestKind, data: bytes, stream: Substream) -> bool:
        """Answer, unless nobody can or too many answers wait for slow readers already."""
        handler = self._host.handlers.get(kind)
        answer = None if handler is None else await self._handle(handler, kind, data)
        if answer is None or len(answer) > RESPONSE_BYTES_MAX[kind]:
            return False
        if self._host.waiting_bytes + len(answer) > WAITING_ANSWERS_BYTES_MAX:
            return False
        self._host.waiting_bytes += len(answer)
        try:
            with trio.fail_after(max(WRITE_S, len(answer) / READING_RATE)):
                await stream.write(frame(answer))
        finally:
            self._host.waiting_bytes -= len(answer)
        return True

    async def _handle(self, handler: Handler, kind: RequestKind, data: bytes) -> bytes | None:
        try:
            await self._slow_down()
            with trio.move_on_after(ANSWER_S):
                async with self._host.answering:
                    return await handler(self.id, data)
            log.warning(f"an answer to {kind.value} took longer than {ANSWER_S} s and was given up")
        except RequestRefused as error:
            if error.cost is not None:
                self._host.report(self.id, error.cost)
        except DecodeError:
            self._host.report(self.id, Cost.BAD_MESSAGE)
        except CessError as error:
            log.debug(f"no answer to {kind.value}: {error}")
        except Exception:
            log.exception(f"a question by {kind.value} met a defect of this program")
        return None

    async def _slow_down(self) -> None:
        """Who asks much is answered more slowly."""
        while not self._request_rate.take(1, trio.current_time()):
            await trio.sleep(self._request_rate.wait_s(1, trio.current_time()))

    # --- channels

    def _handshake(self, channel: Channel) -> bytes:
        status = self._host.status()
        if channel is not _FIRST:
            return encode_roles(status.roles)
        return BlockAnnouncesHandshake(
            status.roles, status.best_number, status.best_hash, self._host.genesis_hash
        ).encode()

    def _greeted(self, channel: Channel, data: bytes) -> Status | None:
        """What a handshake says; None, and the peer pays, if it cannot be talked with."""
        try:
            if channel is not _FIRST:
                if data:
                    decode_roles(data)
                return self.greeting
            hello = BlockAnnouncesHandshake.decode(data)
        except DecodeError:
            self._host.report(self.id, Cost.BAD_MESSAGE)
            self.close("it greeted with what does not decode")
            return None
        if hello.genesis_hash != self._host.genesis_hash:
            self._host.report(self.id, Cost.WRONG_GENESIS)
            self.close("it is of another chain")
            return None
        if self.greeting is None:  # it greets in both streams; the first has decided on its slot
            self.greeting = Status(hello.roles, hello.best_number, hello.best_hash)
        return self.greeting

    async def _receive(self, duplex: _Duplex, stream: Substream) -> None:
        """A stream of the peer in a channel: its greeting, and then its notifications."""
        channel = duplex.channel
        with trio.fail_after(OPEN_S):
            data = await read_frame(stream, HANDSHAKE_BYTES_MAX)
            if duplex.has_in:
                self._host.report(self.id, Cost.UNASKED)
                return
            if channel is _FIRST:
                status = self._greeted(channel, data)
                if status is None:
                    return
                self._host.asked(self, status.roles)
            await self._let_in.wait()
            if channel is not _FIRST and self._greeted(channel, data) is None:
                return
            await stream.write(frame(self._handshake(channel)))
        if duplex.has_in:
            self._host.report(self.id, Cost.UNASKED)
            return
        duplex.has_in = True
        duplex.came.set()
        self._opened(duplex)
        try:
            await self._read(duplex, stream)
        finally:
            duplex.has_in = False
            duplex.came = trio.Event()
            self._closed(duplex)
            if channel is _FIRST:
                self.close("it closed the channel for block announcements")

    async def _read(self, duplex: _Duplex, stream: Substream) -> None:
        channel, counters = duplex.channel, self._host.counters
        limit, name = NOTIFICATION_BYTES_MAX[channel], channel.value
        while True:
            # A message that has begun must end: the first byte may be waited for, the rest not.
            await stream.wait_some()
            with trio.fail_after(WRITE_S):
                data = await read_frame(stream, limit)
            counters.received(name, len(data))
            if not duplex.rate.take(1, trio.current_time()):
                self._host.report(self.id, Cost.FLOOD)
                continue
            if duplex.is_open:
                self._host.tell(Notified(self.id, channel, data))
            await trio.lowlevel.checkpoint()  # many may have come at once: listeners keep up

    async def _open_first(self, duplex: _Duplex) -> None:
        """Open our stream for block announcements; without it there is no peer."""
        if await self._open(duplex):
            with trio.move_on_after(HALF_OPEN_S):
                await duplex.came.wait()
        if not duplex.is_open:
            self._host.report(self.id, Cost.NOT_ANSWERED)
            self.close("it did not open the channel for block announcements")

    async def _open_other(self, duplex: _Duplex) -> None:
        """Open our stream in another channel; try again, seldom."""
        for _ in range(REOPENINGS_MAX):
            if duplex.out is None:
                await self._open(duplex)
            with trio.move_on_after(HALF_OPEN_S):
                await duplex.came.wait()
            if duplex.is_open:
                return
            if duplex.out is not None:
                stream, duplex.out = duplex.out, None
                await stream.reset()
            await trio.sleep(REOPEN_S)
        duplex.is_opening = False

    async def _open(self, duplex: _Duplex) -> bool:
        stream = None
        try:
            with trio.fail_after(OPEN_S):
                stream = await self.connection.open()
                await select_protocol(stream, self._host.names.channels[duplex.channel])
                await stream.write(frame(self._handshake(duplex.channel)))
                data = await read_frame(stream, HANDSHAKE_BYTES_MAX)
            if self._greeted(duplex.channel, data) is None:
                await stream.reset()
                return False
        except (StreamEnded, BadStream, trio.TooSlowError):
            if stream is not None:
                await stream.reset()
            return False
        duplex.out = stream
        self._nursery.start_soon(self._send, duplex, stream)
        self._nursery.start_soon(self._watch, duplex, stream)
        self._opened(duplex)
        return True

    async def _watch(self, duplex: _Duplex, stream: Substream) -> None:
        """Nothing comes in our own stream; its end is the channel's."""
        try:
            await stream.wait_some()
            self._host.report(self.id, Cost.UNASKED)
        except StreamEnded:
            pass
        await stream.reset()
        if duplex.out is stream:
            duplex.out = None
            self._closed(duplex)
        if duplex.channel is _FIRST:
            self.close("it closed the channel for block announcements")

    async def _send(self, duplex: _Duplex, stream: Substream) -> None:
        name, counters = duplex.channel.value, self._host.counters
        try:
            while duplex.out is stream:
                if not duplex.queue:
                    duplex.work = trio.Event()
                    await duplex.work.wait()
                    continue
                batch, size = [], 0
                while duplex.queue and size < BATCH_BYTES:
                    data = duplex.queue.popleft()
                    duplex.queued_bytes -= len(data)
                    size += len(data)
                    batch.append(frame(data))
                with trio.fail_after(max(WRITE_S, size / BATCH_BYTES)):
                    await stream.write(b"".join(batch))
                counters.sent(name, size)
        except StreamEnded:
            return  # the task that watches the stream sees its end, too
        except trio.TooSlowError:
            self._host.report(self.id, Cost.TIMED_OUT)
            self.close("it does not read what it is sent")

    def _opened(self, duplex: _Duplex) -> None:
        first = self._duplexes[_FIRST]
        if duplex.out is None or not duplex.has_in or duplex.is_open:
            return
        if duplex is not first and not first.is_open:
            return
        assert self.greeting is not None, "the greeting came with the first stream"
        duplex.is_open = True
        self._host.tell(ChannelOpened(self.id, duplex.channel, self.greeting))
        if duplex is first:
            for channel in _REST:
                other = self._duplexes[channel]
                self._opened(other)
                if not other.is_open and not other.is_opening:
                    other.is_opening = True
                    self._nursery.start_soon(self._open_other, other)

    def _closed(self, duplex: _Duplex) -> None:
        if not duplex.is_open:
            return
        duplex.is_open = False
        duplex.queue.clear()
        duplex.queued_bytes = 0
        duplex.work.set()
        self._host.tell(ChannelClosed(self.id, duplex.channel))
        if duplex.channel is not _FIRST:
            duplex.is_opening = False
            if self._duplexes[_FIRST].is_open:
                duplex.is_opening = True
                self._nursery.start_soon(self._reopen, duplex)

    async def _reopen(self, duplex: _Duplex) -> None:
        await trio.sleep(REOPEN_S)
        if not duplex.is_open:
            await self._open_other(duplex)
