"""The network of several nodes in one process: for tests of the parts that use it.

``MemoryHub`` holds the nodes; what one sends is with the listeners of the other before the call
returns, in order. Requests run the other's handler in the asker's task. Reputation, limits of size,
the greeting and the refusal of other chains are those of the real network.

Bounds: the limits of ``node.network.transport`` and ``node.network.protocols``.
"""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass

import trio

from node.network.listeners import Listeners
from node.network.protocols import (
    NOTIFICATION_BYTES_MAX,
    REQUEST_BYTES_MAX,
    RESPONSE_BYTES_MAX,
)
from node.network.reputation import Reputations
from node.network.transport import (
    Channel,
    ChannelClosed,
    ChannelOpened,
    Cost,
    Handler,
    NetworkEvent,
    Notified,
    PeerInfo,
    RequestFailed,
    RequestKind,
    RequestRefused,
    Status,
)
from primitives.types import Hash

__all__ = ["MemoryHub", "MemoryNetwork"]

_ORDER = (Channel.BLOCK_ANNOUNCES, Channel.TRANSACTIONS, Channel.GRANDPA)


@dataclass(slots=True)
class _Link:
    status: Status
    is_inbound: bool


class MemoryHub:
    """All nodes of one test, and who is connected with whom."""

    def __init__(self) -> None:
        self._nodes: dict[str, MemoryNetwork] = {}

    def node(self, peer: str, *, status: Callable[[], Status], genesis: Hash) -> "MemoryNetwork":
        """A new node; one with the same name takes the place of the old one, which is cut off."""
        if peer in self._nodes:
            for other in tuple(self._nodes[peer].links):
                self.disconnect(peer, other)
        network = MemoryNetwork(self, peer, status, genesis)
        self._nodes[peer] = network
        return network

    def get(self, peer: str) -> "MemoryNetwork | None":
        """The node with this name."""
        return self._nodes.get(peer)

    def connect(self, a: "str | MemoryNetwork", b: "str | MemoryNetwork") -> bool:
        """``a`` dials ``b``; False if one refuses the other: another chain, or banned."""
        one, two = self._of(a), self._of(b)
        if two.local_peer in one.links:
            return True
        if one is two or one.is_banned(two.local_peer) or two.is_banned(one.local_peer):
            return False
        if one.genesis != two.genesis:
            one.report(two.local_peer, Cost.WRONG_GENESIS)
            two.report(one.local_peer, Cost.WRONG_GENESIS)
            return False
        first, second = one.status(), two.status()
        one.opened(two.local_peer, _Link(second, is_inbound=False))
        two.opened(one.local_peer, _Link(first, is_inbound=True))
        return True

    def disconnect(self, a: "str | MemoryNetwork", b: "str | MemoryNetwork") -> None:
        """End the connection of the two, if there is one."""
        one, two = self._of(a), self._of(b)
        one.closed(two.local_peer)
        two.closed(one.local_peer)

    def _of(self, node: "str | MemoryNetwork") -> "MemoryNetwork":
        return self._nodes[node] if isinstance(node, str) else node


class MemoryNetwork:
    """One node of a hub; keeps the port ``node.network.transport.Network``."""

    def __init__(
        self, hub: MemoryHub, peer: str, status: Callable[[], Status], genesis: Hash
    ) -> None:
        self.hub = hub
        self.status = status
        self.genesis = genesis
        self.links: dict[str, _Link] = {}
        self.sent_bytes = 0
        """Of notifications, requests and answers that went out."""
        self._peer = peer
        self._listeners = Listeners()
        self._handlers: dict[RequestKind, Handler] = {}
        self._reputations = Reputations()

    @property
    def local_peer(self) -> str:
        """This node's peer id."""
        return self._peer

    def listen(
        self, channels: Collection[Channel]
    ) -> AbstractContextManager[trio.MemoryReceiveChannel[NetworkEvent]]:
        """All events of these channels from now on; open channels are told of first."""
        first = [
            ChannelOpened(peer, channel, link.status)
            for peer, link in self.links.items()
            for channel in _ORDER
            if channel in channels
        ]
        return self._listeners.listen(channels, first)

    def notify(self, peer: str, channel: Channel, data: bytes) -> bool:
        """Give a notification to the peer; False if it is not connected."""
        other = self.hub.get(peer)
        if peer not in self.links or other is None:
            return False
        self.sent_bytes += len(data)
        if len(data) > NOTIFICATION_BYTES_MAX[channel]:
            other.report(self._peer, Cost.BAD_MESSAGE)
            return True
        other.tell(Notified(self._peer, channel, data))
        return True

    async def request(
        self, peer: str, kind: RequestKind, data: bytes, *, timeout_s: float
    ) -> bytes:
        """Ask a connected peer. Raises: RequestFailed."""
        await trio.lowlevel.checkpoint()
        other = self.hub.get(peer)
        if peer not in self.links or other is None:
            raise RequestFailed(f"{peer} is not connected")
        self.sent_bytes += len(data)
        with trio.move_on_after(timeout_s):
            answer = await other.answer(self._peer, kind, data)
            if peer not in self.links:
                raise RequestFailed(f"{peer} left before it answered {kind.value}")
            if answer is None:
                raise RequestFailed(f"{peer} refused {kind.value}")
            return answer
        raise RequestFailed(f"{peer} did not answer {kind.value} within {timeout_s} s")

    async def answer(self, asker: str, kind: RequestKind, data: bytes) -> bytes | None:
        """What this node answers to a peer; None if it refuses."""
        handler = self._handlers.get(kind)
        if handler is None:
            return None
        if len(data) > REQUEST_BYTES_MAX[kind]:
            self.report(asker, Cost.BAD_MESSAGE)
            return None
        try:
            answer = await handler(asker, data)
        except RequestRefused as error:
            if error.cost is not None:
                self.report(asker, error.cost)
            return None
        self.sent_bytes += len(answer)
        return answer if len(answer) <= RESPONSE_BYTES_MAX[kind] else None

    def serve(self, kind: RequestKind, handler: Handler) -> None:
        """Answer requests of this kind by ``handler`` from now on."""
        self._handlers[kind] = handler

    def report(self, peer: str, cost: Cost) -> None:
        """Change a peer's reputation; below the limit it is cut off and banned."""
        self._reputations.change(peer, cost.change, trio.current_time())
        if self.is_banned(peer) and peer in self.links:
            self.hub.disconnect(self, peer)

    def reputation(self, peer: str) -> int:
        """What this node thinks of a peer."""
        return self._reputations.of(peer, trio.current_time())

    def is_banned(self, peer: str) -> bool:
        """Whether this node has nothing to do with a peer now."""
        return self._reputations.is_banned(peer, trio.current_time())

    def peers(self) -> tuple[PeerInfo, ...]:
        """Who is connected."""
        return tuple(
            PeerInfo(peer, link.status, self.reputation(peer), link.is_inbound)
            for peer, link in self.links.items()
        )

    def tell(self, event: NetworkEvent) -> None:
        """Something happened: for the hub."""
        self._listeners.tell(event)

    def opened(self, peer: str, link: _Link) -> None:
        """A peer is connected: for the hub."""
        self.links[peer] = link
        for channel in _ORDER:
            self.tell(ChannelOpened(peer, channel, link.status))

    def closed(self, peer: str) -> None:
        """A peer is gone: for the hub."""
        if self.links.pop(peer, None) is not None:
            for channel in reversed(_ORDER):
                self.tell(ChannelClosed(peer, channel))
