"""What the rest of the node sees of the network: peers, notifications, requests, reputation.

Two implementations keep this port: ``node.network.libp2p`` for sockets and ``node.network.memory``
for tests in one process. Peers are named by their libp2p peer id in base58.

Bounds: an implementation queues at most ``NOTIFICATIONS_MAX`` notifications for one peer and
channel, ``EVENTS_MAX`` events for one listener, and answers at most its own limit of requests.
"""

from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum, IntFlag
from typing import Final, Protocol, TypeAlias

import trio

from primitives.errors import CessError
from primitives.types import Hash

__all__ = [
    "EVENTS_MAX",
    "NOTIFICATIONS_MAX",
    "Channel",
    "ChannelClosed",
    "ChannelOpened",
    "Cost",
    "Handler",
    "Network",
    "NetworkEvent",
    "Notified",
    "PeerInfo",
    "RequestFailed",
    "RequestKind",
    "RequestRefused",
    "Roles",
    "Status",
]

NOTIFICATIONS_MAX: Final = 256
EVENTS_MAX: Final = 4096


class Roles(IntFlag):
    """What a peer is, as in the handshake of ``block-announces/1``."""

    FULL = 1
    LIGHT = 2
    AUTHORITY = 4


class Channel(Enum):
    """Notification protocols; the value is the name's end on the wire."""

    BLOCK_ANNOUNCES = "block-announces/1"
    TRANSACTIONS = "transactions/1"
    GRANDPA = "grandpa/1"


class RequestKind(Enum):
    """Request and response protocols; the value is the name's end on the wire."""

    SYNC = "sync/2"
    STATE = "state/2"
    LIGHT = "light/2"
    WARP = "sync/warp"


class Cost(Enum):
    """What changes a peer's reputation: by how much, in Substrate's units of i32, and why.

    A peer below -1,760,936,552 (82 % of the least i32) is cut off and banned until it has decayed.
    """

    USEFUL_BLOCK = (1 << 7, "brought a new block")
    USEFUL_TRANSACTION = (1 << 7, "brought a new transaction")
    USEFUL_VOTE = (1 << 5, "brought a new vote")
    REPEATED = (-(1 << 7), "repeated itself")
    TIMED_OUT = (-(1 << 10), "answered too late")
    NOT_ANSWERED = (-(1 << 12), "did not answer")
    BAD_TRANSACTION = (-(1 << 12), "sent a transaction that is not valid")
    UNKNOWN_ANCESTOR = (-(1 << 16), "sent blocks that hang in the air")
    UNASKED = (-(1 << 28), "sent what nobody asked for")
    FLOOD = (-(1 << 29), "sent more than it may")
    BAD_MESSAGE = (-(1 << 29), "sent a message that does not decode")
    BAD_VOTE = (-(1 << 29), "sent a vote that no honest peer sends")
    BAD_BLOCK = (-(1 << 29), "sent a block that breaks a rule")
    BAD_JUSTIFICATION = (-(1 << 30), "sent a justification that proves nothing")
    BAD_PROOF = (-(1 << 30), "sent a proof that proves nothing")
    WRONG_GENESIS = (-(1 << 31), "is of another chain")

    @property
    def change(self) -> int:
        """What is added to the reputation."""
        return self.value[0]

    @property
    def reason(self) -> str:
        """What the peer did, as the end of a sentence that begins with its name."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Status:
    """What this node says of itself when it greets a peer."""

    roles: Roles
    best_number: int
    best_hash: Hash


@dataclass(frozen=True, slots=True)
class ChannelOpened:
    """The channel to this peer is open in both directions.

    ``BLOCK_ANNOUNCES`` opens first, with what the peer said of itself; the others may follow.
    """

    peer: str
    channel: Channel
    status: Status


@dataclass(frozen=True, slots=True)
class ChannelClosed:
    """The channel is closed: for ``BLOCK_ANNOUNCES``, the peer is gone."""

    peer: str
    channel: Channel


@dataclass(frozen=True, slots=True)
class Notified:
    """The peer sent a notification; its bytes are within the channel's limit and else unchecked."""

    peer: str
    channel: Channel
    data: bytes


NetworkEvent: TypeAlias = ChannelOpened | ChannelClosed | Notified


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """A connected peer; ``status`` is what it said when it greeted."""

    peer: str
    status: Status
    reputation: int
    is_inbound: bool


class RequestFailed(CessError):  # noqa: N818  a fact
    """A peer did not answer a request: gone, refused, late, or too large an answer."""


class RequestRefused(CessError):  # noqa: N818  a fact
    """Raised by a ``Handler``: the asker gets no answer and pays ``cost``."""

    def __init__(self, reason: str, cost: Cost | None = None) -> None:
        super().__init__(reason)
        self.cost = cost


Handler: TypeAlias = Callable[[str, bytes], Awaitable[bytes]]
"""Answers the request of a peer. Raises: RequestRefused."""


class Network(Protocol):
    """The port."""

    @property
    def local_peer(self) -> str:
        """This node's peer id."""
        ...

    def listen(
        self, channels: Collection[Channel]
    ) -> AbstractContextManager[trio.MemoryReceiveChannel[NetworkEvent]]:
        """All events of these channels from now on; open channels are told of first.

        A listener that falls ``EVENTS_MAX`` behind loses notifications, never openings or closings.
        """
        ...

    def notify(self, peer: str, channel: Channel, data: bytes) -> bool:
        """Queue a notification; False if the channel is not open or its queue is full."""
        ...

    async def request(
        self, peer: str, kind: RequestKind, data: bytes, *, timeout_s: float
    ) -> bytes:
        """Ask a connected peer. Raises: RequestFailed."""
        ...

    def serve(self, kind: RequestKind, handler: Handler) -> None:
        """Answer requests of this kind by ``handler`` from now on."""
        ...

    def report(self, peer: str, cost: Cost) -> None:
        """Change a peer's reputation; below the limit it is cut off and banned."""
        ...

    def peers(self) -> tuple[PeerInfo, ...]:
        """Who is connected with ``BLOCK_ANNOUNCES`` open."""
        ...
