"""One peer: its streams, its requests and ours, on one connection.

Requests have a stream each; ``libp2p_channels`` has the notifications.

Bounds: ``STREAMS_MAX`` streams of the peer at a time, ``ASKING_MAX`` requests to it and
``ANSWERING_MAX`` of it, ``WAITING_ANSWERS_BYTES_MAX`` of answers to all peers; deadlines for each
step. Tasks of a peer end with it.
"""

from typing import Final, Protocol

import structlog
import trio

from node.network.addresses import Address
from node.network.identify import (
    IDENTIFY,
    IDENTIFY_BYTES_MAX,
    PING,
    PING_BYTES,
    decode_identify,
)
from node.network.kademlia import decode_answer, decode_question, question
from node.network.libp2p_channels import ChannelHost, Channels
from node.network.libp2p_connection import Connection, Substream
from node.network.protocols import KAD, KAD_BYTES_MAX, REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX
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
    Channel,
    Cost,
    Handler,
    RequestFailed,
    RequestKind,
    RequestRefused,
    Roles,
    Status,
)
from primitives.errors import CessError, DecodeError

__all__ = ["Peer", "PeerHost"]

log = structlog.get_logger("sub-libp2p")

STREAMS_MAX: Final = 64
ASKING_MAX: Final = 8
ANSWERING_MAX: Final = 8
OPEN_S: Final = 10.0
"""From the first byte of a stream to the end of its question."""
WRITE_S: Final = 30.0
ANSWER_S: Final = 30.0
END_S: Final = 5.0
PING_S: Final = 120.0
READING_RATE: Final = 256 * 1024
"""Bytes a second, at which a long answer must be read at least."""
WAITING_ANSWERS_BYTES_MAX: Final = 256 * 1024 * 1024
"""Of answers to all peers that are not read yet."""
REQUEST_RATE: Final = (256, 128.0)
"""Requests that are answered at once, and in each second; the others wait."""


class PeerHost(ChannelHost, Protocol):
    """What a peer needs of the node's network."""

    handlers: dict[RequestKind, Handler]
    answering: trio.CapacityLimiter
    waiting_bytes: int
    """Of answers that peers have not read yet."""

    def asked(self, peer: "Peer", roles: Roles) -> None:
        """The peer greeted and wants a place."""
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
        self.connection = connection
        self.reason: str | None = None
        """Why we ended the connection, if we did."""
        self._host = host
        self._nursery = nursery
        self._channels = Channels(host, self, nursery)
        self._streams = 0
        self._answering = 0
        self._asking = trio.Semaphore(ASKING_MAX)
        self._questions: set[trio.CancelScope] = set()
        """Of ours, under way: whoever asks must not wait for a connection that is gone."""
        self._has_ended = False
        self._request_rate = Bucket(*REQUEST_RATE, now_s)

    # --- what the network does with it

    @property
    def greeting(self) -> Status | None:
        """What it said of itself first of all."""
        return self._channels.greeting

    def is_open(self, channel: Channel) -> bool:
        """Whether a channel is open in both directions."""
        return self._channels.is_open(channel)

    def notify(self, channel: Channel, data: bytes) -> bool:
        """Queue a notification; False if the channel is closed or its queue full."""
        return self._channels.notify(channel, data)

    def let_in(self) -> None:
        """The core gave it a place: open the channels."""
        self._channels.let_in()

    def asks(self, roles: Roles) -> None:
        """It greeted and wants a place."""
        self._host.asked(self, roles)

    def close(self, reason: str) -> None:
        """End the connection."""
        if self.reason is None:
            self.reason = reason
        self.connection.close()

    def ended(self) -> None:
        """The connection is gone: close what was open, and fail what was asked."""
        self._has_ended = True
        self._channels.ended()
        for scope in self._questions:
            scope.cancel()

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
        """Ask on a stream of its own. Raises: StreamEnded, BadStream."""
        with trio.CancelScope() as scope:
            self._questions.add(scope)
            try:
                return await self._ask_and_wait(names, short, data, limit)
            finally:
                self._questions.discard(scope)
        raise StreamEnded("the connection ended")

    async def _ask_and_wait(
        self, names: tuple[str, ...], short: str, data: bytes, limit: int
    ) -> bytes:
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
            if is_done and not self._has_ended:  # else the nursery takes no more
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
            await self._channels.receive(protocol, stream)
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
