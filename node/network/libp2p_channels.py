"""The channels of one peer: notifications, with a stream in each direction.

We open ours when the core of peering lets the peer in, and the peer has ``HALF_OPEN_S`` to open its
own; the channel is open when both are. The channel for block announcements comes first and carries
the greeting; it is the peer: when it ends, so does the connection. The others are tried again.

Bounds: ``NOTIFICATIONS_MAX`` and ``QUEUE_BYTES_MAX`` for what waits to be sent in a channel;
deadlines for each step; what a peer may send by ``RATES``, and open by ``OPENINGS``.
"""

from collections import deque
from typing import Final, Protocol

import trio

from node.network.counters import Counters
from node.network.libp2p_connection import Connection, Substream
from node.network.names import ProtocolNames
from node.network.protocols import HANDSHAKE_BYTES_MAX, NOTIFICATION_BYTES_MAX
from node.network.rates import Bucket
from node.network.streams import BadStream, StreamEnded, frame, read_frame, select_protocol
from node.network.transport import (
    NOTIFICATIONS_MAX,
    Channel,
    ChannelClosed,
    ChannelOpened,
    Cost,
    NetworkEvent,
    Notified,
    Roles,
    Status,
)
from node.network.wire import BlockAnnouncesHandshake, decode_roles, encode_roles
from primitives.errors import DecodeError
from primitives.types import Hash

__all__ = ["ChannelHost", "Channels"]

QUEUE_BYTES_MAX: Final = 20 * 1024 * 1024
BATCH_BYTES: Final = 64 * 1024
OPEN_S: Final = 10.0
"""From the choice of the protocol to the end of the handshake."""
HALF_OPEN_S: Final = 10.0
WRITE_S: Final = 30.0
REOPEN_S: Final = 10.0
REOPENINGS_MAX: Final = 6

RATES: Final = {
    Channel.BLOCK_ANNOUNCES: (512, 64.0),
    Channel.TRANSACTIONS: (2048, 512.0),
    Channel.GRANDPA: (8192, 2048.0),
}
"""Notifications in a burst, and in each second."""
OPENINGS: Final = (16, 0.1)
"""How often a peer may open its stream of one channel: in a burst, and in each second."""

_FIRST: Final = Channel.BLOCK_ANNOUNCES
_REST: Final = (Channel.TRANSACTIONS, Channel.GRANDPA)


class ChannelHost(Protocol):
    """What channels need of the node's network."""

    genesis_hash: Hash
    names: ProtocolNames
    counters: Counters

    def status(self) -> Status:
        """What this node says of itself."""
        ...

    def tell(self, event: NetworkEvent) -> None:
        """Something happened in a channel."""
        ...

    def report(self, peer: str, cost: Cost) -> None:
        """The peer did something."""
        ...


class _Owner(Protocol):
    """The peer whose channels they are."""

    id: str
    connection: Connection

    def close(self, reason: str) -> None:
        """End the connection."""
        ...

    def asks(self, roles: Roles) -> None:
        """It greeted and wants a place."""
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
        self.openings = Bucket(*OPENINGS, now_s)

    def drop_out(self) -> Substream:
        """Forget our own stream, which is there; the task that sends in it ends."""
        stream, self.out = self.out, None
        assert stream is not None, "the caller has looked"
        self.work.set()
        return stream


class Channels:
    """All channels of a peer."""

    def __init__(self, host: ChannelHost, peer: _Owner, nursery: trio.Nursery) -> None:
        now_s = trio.current_time()
        self.greeting: Status | None = None
        self._host = host
        self._peer = peer
        self._nursery = nursery
        self._duplexes = {channel: _Duplex(channel, now_s) for channel in Channel}
        self._let_in = trio.Event()

    def is_open(self, channel: Channel) -> bool:
        """Whether a channel is open in both directions."""
        return self._duplexes[channel].is_open

    def let_in(self) -> None:
        """The peer has a place: open the channels."""
        self._let_in.set()
        duplex = self._duplexes[_FIRST]
        if not duplex.is_opening and duplex.out is None:
            duplex.is_opening = True
            self._nursery.start_soon(self._open_first, duplex)

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
            self._host.report(self._peer.id, Cost.BAD_MESSAGE)
            self._peer.close("it greeted with what does not decode")
            return None
        if hello.genesis_hash != self._host.genesis_hash:
            self._host.report(self._peer.id, Cost.WRONG_GENESIS)
            self._peer.close("it is of another chain")
            return None
        if self.greeting is None:  # it greets in both streams; the first has decided on its slot
            self.greeting = Status(hello.roles, hello.best_number, hello.best_hash)
        return self.greeting

    async def receive(self, channel: Channel, stream: Substream) -> None:
        """A stream of the peer in a channel: its greeting, and then its notifications."""
        duplex = self._duplexes[channel]
        with trio.fail_after(OPEN_S):
            data = await read_frame(stream, HANDSHAKE_BYTES_MAX)
            if duplex.has_in:
                self._host.report(self._peer.id, Cost.UNASKED)
                return
            if channel is _FIRST:
                status = self._greeted(channel, data)
                if status is None:
                    return
                self._peer.asks(status.roles)
            await self._let_in.wait()
            if channel is not _FIRST and self._greeted(channel, data) is None:
                return
            await stream.write(frame(self._handshake(channel)))
        if duplex.has_in:
            self._host.report(self._peer.id, Cost.UNASKED)
            return
        if not duplex.openings.take(1, trio.current_time()):
            self._host.report(self._peer.id, Cost.FLOOD)
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
                self._peer.close("it closed the channel for block announcements")

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
                self._host.report(self._peer.id, Cost.FLOOD)
                continue
            if duplex.is_open:
                self._host.tell(Notified(self._peer.id, channel, data))
            await trio.lowlevel.checkpoint()  # many may have come at once: listeners keep up

    async def _open_first(self, duplex: _Duplex) -> None:
        """Open our stream for block announcements; without it there is no peer."""
        if await self._open(duplex):
            with trio.move_on_after(HALF_OPEN_S):
                await duplex.came.wait()
        if not duplex.is_open:
            self._host.report(self._peer.id, Cost.NOT_ANSWERED)
            self._peer.close("it did not open the channel for block announcements")

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
                await duplex.drop_out().reset()
            await trio.sleep(REOPEN_S)
        duplex.is_opening = False

    async def _open(self, duplex: _Duplex) -> bool:
        stream = None
        try:
            with trio.fail_after(OPEN_S):
                stream = await self._peer.connection.open()
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
            self._host.report(self._peer.id, Cost.UNASKED)
        except StreamEnded:
            pass
        await stream.reset()
        if duplex.out is stream:
            duplex.drop_out()
            self._closed(duplex)
        if duplex.channel is _FIRST:
            self._peer.close("it closed the channel for block announcements")

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
            self._host.report(self._peer.id, Cost.TIMED_OUT)
            self._peer.close("it does not read what it is sent")

    def _opened(self, duplex: _Duplex) -> None:
        first = self._duplexes[_FIRST]
        if duplex.out is None or not duplex.has_in or duplex.is_open:
            return
        if duplex is not first and not first.is_open:
            return
        assert self.greeting is not None, "the greeting came with the first stream"
        duplex.is_open = True
        self._host.tell(ChannelOpened(self._peer.id, duplex.channel, self.greeting))
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
        self._host.tell(ChannelClosed(self._peer.id, duplex.channel))
        if duplex.channel is not _FIRST:
            duplex.is_opening = False
            if self._duplexes[_FIRST].is_open:
                duplex.is_opening = True
                self._nursery.start_soon(self._reopen, duplex)

    async def _reopen(self, duplex: _Duplex) -> None:
        await trio.sleep(REOPEN_S)
        if not duplex.is_open:
            await self._open_other(duplex)
