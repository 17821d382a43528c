"""The network over sockets: listening, dialling, and one ``Peer`` for each connection.

Use it so::

    async with open_network(
        config.network,
        key=config.network.load_key(config.network_path(spec.id)),
        genesis_hash=database.genesis_hash,
        fork_id=spec.fork_id,
        protocol_id=spec.protocol_id,
        boot_nodes=spec.boot_nodes,
        status=lambda: Status(roles, best.number, best.hash),
        agent="CESS Node/0.1.0 (name)",
        anchors=config.network_path(spec.id) / anchors.FILE_NAME,
    ) as network:
        network.serve(RequestKind.SYNC, handler)      # before peers ask
        with network.listen([Channel.BLOCK_ANNOUNCES]) as events:
            ...

Peers are sought as soon as the block is entered; ``network`` keeps the port
``node.network.transport.Network``. Leaving the block closes all connections.
Nothing that a peer does raises out of it; a port that is in use does: ``NetworkPortInUse``.

Bounds: the core's for connections and dials; ``PENDING_MAX`` sockets that have not proven who they
are, of which the oldest makes room, ``PENDING_OF_HOST_MAX`` of them from one host; ``HANDSHAKE_S``
for each; ``ANSWERS_MAX`` requests answered at a time for all peers, and the bytes that wait for
slow readers.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from functools import partial
from os import urandom
from pathlib import Path
from socket import IPPROTO_TCP, MSG_PEEK, SOCK_STREAM, TCP_NODELAY, TCP_USER_TIMEOUT
from typing import Final

import structlog
import trio

from node.config import NetworkConfig
from node.network.addresses import ADDRESS_CHARS_MAX, Address, InvalidAddress, is_public
from node.network.anchors import load_anchors, save_anchors
from node.network.counters import Counters
from node.network.identify import identify
from node.network.kademlia import closest, encode_answer
from node.network.libp2p_connection import Connection, Identity, RawStream, secure
from node.network.libp2p_peer import Peer
from node.network.listeners import Listeners
from node.network.listening import Listening, NetworkPortInUse, open_listeners
from node.network.names import ProtocolNames
from node.network.node_key import NodeKey
from node.network.peering import (
    Asked,
    Connected,
    Dial,
    DialFailed,
    Disconnect,
    Disconnected,
    Found,
    Input,
    LetIn,
    Peering,
    PeeringConfig,
    Reported,
    Ticked,
)
from node.network.streams import BadStream, StreamEnded
from node.network.transport import (
    Channel,
    ChannelOpened,
    Cost,
    Handler,
    NetworkEvent,
    PeerInfo,
    RequestFailed,
    RequestKind,
    Roles,
    Status,
)
from node.network.websocket import WebSocketStream
from primitives.errors import CessError
from primitives.peer_id import peer_id_bytes
from primitives.types import Hash

__all__ = ["Libp2pNetwork", "NetworkPortInUse", "open_network"]

log = structlog.get_logger("sub-libp2p")

PENDING_MAX: Final = 128
PENDING_OF_HOST_MAX: Final = 16
HANDSHAKE_S: Final = 10.0
DIAL_S: Final = 20.0
ANSWERS_MAX: Final = 32
TICK_S: Final = 1.0
SEEK_S: Final = 5.0
"""Between searches while they bring news; each that brings none doubles the pause."""
SEEK_WANTING_S: Final = 60.0
SEEK_IDLE_S: Final = 300.0
"""The longest pause, while peers are wanted and while they are not."""
REMEMBER_S: Final = 60.0
RESERVED_MAX: Final = 1000
ASKED_MAX: Final = 3
"""Peers asked in one search."""
PART_BYTES: Final = 64 * 1024
UNHEARD_MS: Final = 15_000
"""How long what we sent may stay unacknowledged: a network that fell apart is noticed by then."""

_AGENT_CHARS_MAX: Final = 256
_ORDER: Final = tuple(Channel)


class _TcpSocket:
    """A TCP connection as ``RawStream`` reads it."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream

    async def receive_some(self) -> bytes:
        return bytes(await self._stream.receive_some(PART_BYTES))

    async def send_all(self, data: bytes) -> None:
        await self._stream.send_all(data)

    async def aclose(self) -> None:
        await self._stream.aclose()


class Libp2pNetwork:
    """The node's network; made by ``open_network``."""

    def __init__(
        self,
        *,
        key: NodeKey,
        genesis_hash: Hash,
        names: ProtocolNames,
        peering: PeeringConfig,
        listening: Listening,
        status: Callable[[], Status],
        agent: str,
        nursery: trio.Nursery,
        anchors: Path | None,
    ) -> None:
        self.genesis_hash = genesis_hash
        self.names = names
        self.counters = Counters()
        self.handlers: dict[RequestKind, Handler] = {}
        self.answering = trio.CapacityLimiter(ANSWERS_MAX)
        self.waiting_bytes = 0
        self.status = status
        self._identity = Identity(key.seed)
        self._peer = key.peer_id
        self._agent = agent[:_AGENT_CHARS_MAX]
        self._core = Peering(peering)
        self._listening = listening
        self._listeners = Listeners()
        self._nursery = nursery
        self._peers: dict[int, Peer] = {}
        self._next = 0
        self._anchors = anchors
        self._pending: dict[int, tuple[str, trio.CancelScope]] = {}
        self._pending_of: Counter[str] = Counter()

    # --- the port

    @property
    def local_peer(self) -> str:
        """This node's peer id."""
        return self._peer

    def listen(
        self, channels: Collection[Channel]
    ) -> AbstractContextManager[trio.MemoryReceiveChannel[NetworkEvent]]:
        """All events of these channels from now on; open channels are told of first."""
        first = [
            ChannelOpened(peer.id, channel, peer.greeting)
            for peer in self._peers.values()
            for channel in _ORDER
            if channel in channels and peer.is_open(channel) and peer.greeting is not None
        ]
        return self._listeners.listen(channels, first)

    def notify(self, peer: str, channel: Channel, data: bytes) -> bool:
        """Queue a notification; False if the channel is not open or its queue is full."""
        found = self._find(peer)
        return found is not None and found.notify(channel, data)

    async def request(
        self, peer: str, kind: RequestKind, data: bytes, *, timeout_s: float
    ) -> bytes:
        """Ask a connected peer. Raises: RequestFailed; the caller says what lateness costs."""
        found = self._find(peer)
        if found is None:
            raise RequestFailed(f"{peer} is not connected")
        return await found.request(kind, data, timeout_s=timeout_s)

    def serve(self, kind: RequestKind, handler: Handler) -> None:
        """Answer requests of this kind by ``handler`` from now on."""
        self.handlers[kind] = handler

    def report(self, peer: str, cost: Cost) -> None:
        """Change a peer's reputation; below the limit it is cut off and banned."""
        if cost.change < Cost.UNKNOWN_ANCESTOR.change:
            log.debug(f"{peer} {cost.reason}")
        self._drive(Reported(peer, cost.change))

    def peers(self) -> tuple[PeerInfo, ...]:
        """Who is connected with ``BLOCK_ANNOUNCES`` open."""
        now_s = trio.current_time()
        return tuple(
            PeerInfo(
                peer.id,
                peer.greeting,
                self._core.reputations.of(peer.id, now_s),
                peer.is_inbound,
            )
            for peer in self._peers.values()
            if peer.is_open(Channel.BLOCK_ANNOUNCES) and peer.greeting is not None
        )

    # --- what operators see

    @property
    def port(self) -> int:
        """Where this node listens."""
        return self._listening.port

    @property
    def connection_count(self) -> int:
        """Connections, with those that have not greeted."""
        return len(self._peers)

    @property
    def known_count(self) -> int:
        """Peers that could be dialled."""
        return len(self._core.book)

    def addresses(self) -> tuple[str, ...]:
        """Where others find this node, each with its peer id."""
        return tuple(str(address.at_peer(self._peer)) for address in self._listening.addresses)

    def total_bytes(self) -> tuple[int, int]:
        """Bytes that all sockets received and sent."""
        raws = [peer.connection.raw for peer in self._peers.values()]
        return (
            self.counters.socket_received_bytes + sum(raw.received_bytes for raw in raws),
            self.counters.socket_sent_bytes + sum(raw.sent_bytes for raw in raws),
        )

    def reserve(self, text: str) -> str:
        """Keep a connection with the node at this address; its peer id. InvalidAddress."""
        address = Address.parse(text)
        if address.peer is None:
            raise InvalidAddress(f"{text!r}: end the address with /p2p/PEER, the node's peer id")
        reserved = self._core.reserved()
        if len(reserved) >= RESERVED_MAX and address.peer not in reserved:
            raise InvalidAddress(f"{RESERVED_MAX} nodes are reserved: remove one first")
        self._core.reserve(address.peer, address)
        self._drive(Ticked())
        return address.peer

    def unreserve(self, peer: str) -> None:
        """Keep no place for this peer any more; a connection that stands is not cut."""
        self._core.unreserve(peer)

    def reserved(self) -> tuple[str, ...]:
        """Peers for which a place is kept."""
        return self._core.reserved()

    # --- what peers need

    def tell(self, event: NetworkEvent) -> None:
        """Something happened in a channel."""
        self._listeners.tell(event)

    def asked(self, peer: Peer, roles: Roles) -> None:
        """A peer greeted and wants a slot."""
        self._drive(Asked(peer.number, roles))

    def found(self, addresses: list[Address], teller: str) -> None:
        """A peer said where peers are; from outside nobody sends us into our own network."""
        telling = self._find(teller)
        is_far = telling is None or is_public(telling.remote.host)
        for address in addresses:
            if not is_far:
                self._drive(Found(address, teller))
            elif is_public(address.host):
                self._drive(Found(address.from_outside(), teller))

    def identify(self, peer: Peer) -> bytes:
        """What this node says of itself."""
        return identify(
            peer=self._peer,
            agent=self._agent,
            listening=self._listening.addresses,
            protocols=self.names.served,
            observed=peer.remote,
        )

    def closest(self, key: bytes, asker: str) -> bytes:
        """Connected peers that are near to a key; private addresses are not for the world."""
        asking = self._find(asker)
        is_far = asking is not None and is_public(asking.remote.host)
        places = {
            peer.id: [one for one in peer.addresses if not is_far or is_public(one.host)]
            for peer in self._peers.values()
            if peer.id != asker and peer.addresses and peer.is_open(Channel.BLOCK_ANNOUNCES)
        }
        return encode_answer({peer: places[peer] for peer in closest(places, key)}, key)

    # --- the core and its effects

    def _find(self, peer: str) -> Peer | None:
        connection = self._core.connection_of(peer)
        return None if connection is None else self._peers.get(connection)

    def _drive(self, what: Input) -> None:
        self._core.receive(what, trio.current_time())
        while (effect := self._core.next_effect()) is not None:
            match effect:
                case Dial():
                    self._nursery.start_soon(self._dial, effect)
                case LetIn():
                    if effect.connection in self._peers:
                        self._peers[effect.connection].let_in()
                case Disconnect():
                    if effect.connection in self._peers:
                        self._peers[effect.connection].close(effect.reason)

    async def _dial(self, what: Dial) -> None:
        connection = None
        address = what.address
        try:
            with trio.fail_after(DIAL_S):
                host = await _public_host(address) if address.must_be_public else address.host
                stream = await trio.open_tcp_stream(host, address.port)
                connection = await self._secure_outbound(stream, address, what.peer)
        except (OSError, CessError, trio.TooSlowError, ValueError) as error:
            log.debug(f"cannot connect with {what.peer} at {address}: {error}")
        except Exception:
            log.exception(f"dialling {address} met a defect of this program")
        if connection is None:
            self.counters.dials_failed += 1
            self._drive(DialFailed(what.peer))
            return
        await self._keep(connection, address, is_inbound=False)

    async def _secure_outbound(
        self, stream: trio.SocketStream, address: Address, peer: str
    ) -> Connection:
        _tune(stream)
        raw = RawStream(_TcpSocket(stream), is_initiator=True)
        try:
            if address.is_websocket:
                socket = await WebSocketStream.connect(stream, address.host)
                raw = RawStream(socket, is_initiator=True)
            return await secure(raw, self._identity, peer)
        except BaseException:
            await raw.close()
            raise

    async def accept(self, stream: trio.SocketStream) -> None:
        """Serve a socket that somebody opened."""
        try:
            host, port = stream.socket.getpeername()[:2]
        except OSError:
            await stream.aclose()
            return
        is_full = self._pending_of[host] >= PENDING_OF_HOST_MAX and is_public(host)
        if is_full or not self._core.may_accept(host):
            await stream.aclose()
            return
        connection = None
        scope = trio.CancelScope(deadline=trio.current_time() + HANDSHAKE_S)
        number = self._admit(host, scope)
        try:
            with scope:
                connection = await self._secure_inbound(stream)
        except (OSError, StreamEnded, BadStream, trio.BrokenResourceError) as error:
            log.debug(f"no handshake with {host}: {error}")
        except Exception:
            log.exception(f"a handshake with {host} met a defect of this program")
        finally:
            del self._pending[number]
            self._pending_of[host] -= 1
            if not self._pending_of[host]:
                del self._pending_of[host]
        if connection is not None:
            await self._keep(connection, Address.of_host(host, port), is_inbound=True)

    def _admit(self, host: str, scope: trio.CancelScope) -> int:
        if len(self._pending) >= PENDING_MAX:
            waiting = (scope for _, scope in self._pending.values() if not scope.cancel_called)
            if (oldest := next(waiting, None)) is not None:
                oldest.cancel()
        self._next += 1
        self._pending[self._next] = (host, scope)
        self._pending_of[host] += 1
        return self._next

    async def _secure_inbound(self, stream: trio.SocketStream) -> Connection:
        raw = RawStream(_TcpSocket(stream), is_initiator=False)
        try:
            _tune(stream)
            await trio.lowlevel.wait_readable(stream.socket.fileno())
            first = await stream.socket.recv(1, MSG_PEEK)
            if first == b"G":
                raw = RawStream(await WebSocketStream.accept(stream), is_initiator=False)
            return await secure(raw, self._identity, None)
        except BaseException:
            await raw.close()
            raise

    async def _keep(self, connection: Connection, remote: Address, *, is_inbound: bool) -> None:
        """A connection stands: serve it until it ends, whatever happens in it."""
        try:
            await self._serve(connection, remote, is_inbound=is_inbound)
        except* (StreamEnded, BadStream):
            pass
        except* Exception:
            log.exception(f"the connection with {connection.peer} met a defect of this program")

    async def _serve(self, connection: Connection, remote: Address, *, is_inbound: bool) -> None:
        self._next += 1
        number = self._next
        async with trio.open_nursery() as nursery:
            peer = Peer(
                self,
                connection,
                number=number,
                remote=remote,
                is_inbound=is_inbound,
                nursery=nursery,
            )
            self._peers[number] = peer
            self.counters.connections_opened += 1
            address = None if is_inbound else remote
            try:
                self._drive(Connected(number, peer.id, remote.host, is_inbound, address))
                nursery.start_soon(peer.learn_addresses)
                await connection.run(peer.on_stream)
            finally:
                self._end(peer)
                nursery.cancel_scope.cancel()

    def _end(self, peer: Peer) -> None:
        del self._peers[peer.number]
        peer.ended()
        raw, counters = peer.connection.raw, self.counters
        counters.socket_received_bytes += raw.received_bytes
        counters.socket_sent_bytes += raw.sent_bytes
        if peer.connection.violation is not None:
            peer.reason = "it broke the rules of the connection"
        counters.disconnected[peer.reason or "the peer went away"] += 1
        if peer.connection.violation is not None:
            log.debug(f"{peer.id}: {peer.connection.violation}")
            self._drive(Reported(peer.id, Cost.FLOOD.change))
        self._drive(Disconnected(peer.number))

    # --- tasks of the whole network

    async def tick(self) -> None:
        """Give the core its seconds."""
        while True:
            self._drive(Ticked())
            await trio.sleep(TICK_S)

    async def remember(self) -> None:
        """Note now and then whom we have dialled, for the next start."""
        while True:
            await trio.sleep(REMEMBER_S)
            await trio.to_thread.run_sync(self.save_anchors)

    def save_anchors(self) -> None:
        """Write down the peers that we dialled and talk with."""
        if self._anchors is None:
            return
        good = [
            peer.remote.at_peer(peer.id)
            for peer in tuple(self._peers.values())
            if not peer.is_inbound and peer.is_open(_ORDER[0])
        ]
        try:
            save_anchors(self._anchors, good)
        except OSError as error:
            log.warning(f"cannot write {self._anchors}: {error.strerror}; peers are not remembered")

    async def seek(self) -> None:
        """Ask peers for peers: often while that brings news, seldom where all are known."""
        pause_s, known = SEEK_S, 0
        while True:
            await trio.sleep(pause_s)
            peers = [peer for peer in self._peers.values() if peer.is_open(_ORDER[0])]
            if not peers:
                pause_s = SEEK_S
                continue
            start = urandom(1)[0] % len(peers)
            asked = (peers[start:] + peers[:start])[:ASKED_MAX]
            key = peer_id_bytes(self._peer) if urandom(1)[0] & 1 else urandom(32)
            async with trio.open_nursery() as nursery:
                for peer in asked:
                    nursery.start_soon(peer.find, key)
            longest_s = SEEK_WANTING_S if self._core.needs_peers() else SEEK_IDLE_S
            pause_s = SEEK_S if self.known_count > known else min(pause_s * 2, longest_s)
            known = self.known_count


async def _public_host(address: Address) -> str:
    """Where a host is on the internet. Raises: InvalidAddress, OSError, ValueError."""
    found = await trio.socket.getaddrinfo(address.host, address.port, type=SOCK_STREAM)
    hosts = [str(place[0]) for *_, place in found]
    if not hosts or not all(map(is_public, hosts)):
        raise InvalidAddress(f"{address.host} is in a private network, and a peer outside named it")
    return hosts[0]


def _tune(stream: trio.SocketStream) -> None:
    with suppress(OSError):
        stream.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        stream.setsockopt(IPPROTO_TCP, TCP_USER_TIMEOUT, UNHEARD_MS)


def _usable(texts: Sequence[str]) -> tuple[Address, ...]:
    """Addresses of a chain spec, of which some may be for other programs."""
    found = []
    for text in texts:
        try:
            address = Address.parse(text)
        except InvalidAddress as error:
            log.warning(f"a boot node of the chain spec is left out: {error}"[:ADDRESS_CHARS_MAX])
            continue
        if address.peer is not None:
            found.append(address)
    return tuple(found)


@asynccontextmanager
async def open_network(
    config: NetworkConfig,
    *,
    key: NodeKey,
    genesis_hash: Hash,
    status: Callable[[], Status],
    fork_id: str | None = None,
    protocol_id: str | None = None,
    boot_nodes: Sequence[str] = (),
    agent: str = "CESS Node",
    trusts_private_hosts: bool = True,
    anchors: Path | None = None,
) -> AsyncIterator[Libp2pNetwork]:
    """A network that is open while the block runs; see the module for how to use it.

    ``anchors`` is the file of the peers of the last run.

    Raises: NetworkPortInUse.
    """
    listening = await open_listeners(config)
    peering = PeeringConfig(
        local_peer=key.peer_id,
        in_peers=config.in_peers,
        out_peers=config.out_peers,
        in_peers_light=config.in_peers_light,
        reserved=tuple(Address.parse(text) for text in config.reserved_nodes),
        boot=(*(Address.parse(text) for text in config.bootnodes), *_usable(boot_nodes)),
        anchors=() if anchors is None else load_anchors(anchors),
        reserved_only=config.reserved_only,
        trusts_private_hosts=trusts_private_hosts,
        seed=urandom(32),
    )
    async with trio.open_nursery() as nursery:
        network = Libp2pNetwork(
            key=key,
            genesis_hash=genesis_hash,
            names=ProtocolNames.of(genesis_hash, fork_id, protocol_id),
            peering=peering,
            listening=listening,
            status=status,
            agent=agent,
            nursery=nursery,
            anchors=anchors,
        )
        if listening.listeners:
            await nursery.start(
                partial(trio.serve_listeners, handler_nursery=nursery),
                network.accept,
                listening.listeners,
            )
        nursery.start_soon(network.tick)
        nursery.start_soon(network.seek)
        nursery.start_soon(network.remember)
        try:
            yield network
        finally:
            network.save_anchors()
            nursery.cancel_scope.cancel()
