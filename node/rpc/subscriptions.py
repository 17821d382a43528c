"""What one connection still has to send, and the subscriptions that add to it.

A core without sockets: calls and subscriptions ``push``, the connection's writer ``pop``s. Replies
and events leave in the order in which they came in, so that the reply to a ``subscribe`` precedes
its first event. A subscription whose events are not taken away is closed, never buffered without
end and never allowed to slow the node down.

Events that can wait (``has_room``) are pushed when there is room; a subscription of those that
cannot may name a ``farewell``, which is its last event when it is closed for slowness.

Bounds: ``subscription_count`` subscriptions, ``event_count`` waiting events of each,
``OUTBOX_BYTES_MAX`` waiting event bytes together. Replies are bounded by the caller: it runs
``CALLS_MAX`` calls of one connection at a time, frees a place when its reply is popped, begins no
call while half of ``REPLY_BYTES_MAX`` waits, and replaces a reply by an error where all of it would
be passed.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from node.rpc import jsonrpc
from node.rpc.jsonrpc import TOO_MANY_SUBSCRIPTIONS, Json
from primitives.errors import CessError, RpcError

__all__ = [
    "CALLS_MAX",
    "OUTBOX_BYTES_MAX",
    "REPLY_BYTES_MAX",
    "TOO_MANY",
    "Outbox",
    "SubscriptionClosed",
]

CALLS_MAX: Final = 16
"""Calls of one connection that run, or whose replies wait, at a time."""

OUTBOX_BYTES_MAX: Final = 32 << 20
"""Bytes of events that wait for one connection."""

REPLY_BYTES_MAX: Final = 32 << 20
"""Bytes of replies that wait for one connection, unless a single one is longer."""

TOO_MANY: Final = "Too many subscriptions on the connection"

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ID_CHARACTERS: Final = 16


class SubscriptionClosed(CessError):  # noqa: N818  a fact
    """The reader of this subscription is gone, unsubscribed, or too slow."""


@dataclass(slots=True)
class _Subscription:
    method: str
    farewell: Json
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class _Message:
    data: bytes
    subscription: str | None


class Outbox:
    """Messages of one connection, oldest first."""

    def __init__(self, *, seed: int, subscription_count: int, event_count: int) -> None:
        self._next = seed
        self._subscription_count = subscription_count
        self._event_count = event_count
        self._messages: deque[_Message] = deque()
        self._subscriptions: dict[str, _Subscription] = {}
        self._event_bytes = 0
        self.reply_bytes = 0
        """Of replies that wait."""
        self.slow_count = 0
        """Subscriptions closed because their reader was too slow."""

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def waiting_bytes(self) -> int:
        """Of all messages that wait."""
        return self.reply_bytes + self._event_bytes

    @property
    def subscription_count(self) -> int:
        """Open subscriptions."""
        return len(self._subscriptions)

    def count(self, method: str) -> int:
        """Open subscriptions whose events are called ``method``."""
        return sum(entry.method == method for entry in self._subscriptions.values())

    def open(self, method: str, farewell: Json = None) -> str:
        """Begin a subscription whose events are called ``method``; its id.

        ``farewell`` is sent last if the reader turns out to be too slow.
        """
        if len(self._subscriptions) >= self._subscription_count:
            why = f"Exceeded max limit of {self._subscription_count}"
            raise RpcError(TOO_MANY_SUBSCRIPTIONS, TOO_MANY, why)
        name = self._name()
        self._subscriptions[name] = _Subscription(method, farewell)
        return name

    def is_open(self, name: str) -> bool:
        """Whether this subscription still takes events."""
        return name in self._subscriptions

    def close(self, name: str) -> bool:
        """End a subscription; what it has pushed is still sent. Whether there was one."""
        return self._subscriptions.pop(name, None) is not None

    def has_room(self, name: str) -> bool:
        """Whether an event that can wait should be pushed now; so too if it is closed."""
        subscription = self._subscriptions.get(name)
        return subscription is None or (
            subscription.waiting < max(1, self._event_count // 2)
            and self._event_bytes < OUTBOX_BYTES_MAX // 2
        )

    def push_reply(self, data: bytes) -> None:
        """Add an answer."""
        self.reply_bytes += len(data)
        self._messages.append(_Message(data, None))

    def takes_reply(self, size: int) -> bool:
        """Whether a reply of this length may wait too."""
        return not self.reply_bytes or self.reply_bytes + size <= REPLY_BYTES_MAX

    def push_event(self, name: str, result: Json) -> None:
        """Add an event; raises ``SubscriptionClosed`` where nobody will take it."""
        subscription = self._subscriptions.get(name)
        if subscription is None:
            raise SubscriptionClosed(f"subscription {name} is closed")
        data = jsonrpc.notification(subscription.method, name, result)
        full = subscription.waiting >= self._event_count
        if full or self._event_bytes + len(data) > OUTBOX_BYTES_MAX:
            del self._subscriptions[name]
            self.slow_count += 1
            if subscription.farewell is not None:
                last = jsonrpc.notification(subscription.method, name, subscription.farewell)
                self._event_bytes += len(last)
                self._messages.append(_Message(last, name))
            raise SubscriptionClosed(f"the reader of subscription {name} is too slow")
        subscription.waiting += 1
        self._event_bytes += len(data)
        self._messages.append(_Message(data, name))

    def pop(self) -> tuple[bytes, bool] | None:
        """The next message and whether it is a reply; None if nothing waits."""
        if not self._messages:
            return None
        message = self._messages.popleft()
        if message.subscription is None:
            self.reply_bytes -= len(message.data)
            return message.data, True
        self._event_bytes -= len(message.data)
        subscription = self._subscriptions.get(message.subscription)
        if subscription is not None:
            subscription.waiting -= 1
        return message.data, False

    def _name(self) -> str:
        """Sixteen characters; each connection counts from its own random start."""
        value, characters = self._next, []
        self._next += 1
        for _ in range(_ID_CHARACTERS):
            value, digit = divmod(value, len(_ALPHABET))
            characters.append(_ALPHABET[digit])
        return "".join(characters)
