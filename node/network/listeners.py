"""Telling the parts of the node what happens on the network.

Bounds: ``EVENTS_MAX`` events wait for one listener; then it loses notifications. Openings and
closings have as much room again; a listener that lets even that fill up is cut off (its channel
ends), for it will never catch up.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import trio

from node.network.transport import EVENTS_MAX, Channel, NetworkEvent, Notified

__all__ = ["Listeners"]


@dataclass(frozen=True, slots=True)
class _Listener:
    channels: frozenset[Channel]
    send: trio.MemorySendChannel[NetworkEvent]


class Listeners:
    """A fan-out of network events on the trio loop."""

    def __init__(self) -> None:
        self._listeners: dict[int, _Listener] = {}
        self._next = 0
        self.lost_count = 0
        """Notifications that listeners were too slow for."""

    @contextmanager
    def listen(
        self, channels: Collection[Channel], first: Iterable[NetworkEvent]
    ) -> Iterator[trio.MemoryReceiveChannel[NetworkEvent]]:
        """A channel of the events ``first`` and all later ones of ``channels``."""
        send, receive = trio.open_memory_channel[NetworkEvent](2 * EVENTS_MAX)
        for event in first:
            send.send_nowait(event)
        self._next += 1
        number = self._next
        self._listeners[number] = _Listener(frozenset(channels), send)
        try:
            with receive:
                yield receive
        finally:
            self._listeners.pop(number, None)
            send.close()

    def tell(self, event: NetworkEvent) -> None:
        """Send an event to all that listen to its channel."""
        for number, listener in list(self._listeners.items()):
            if event.channel not in listener.channels:
                continue
            if isinstance(event, Notified):
                used = listener.send.statistics().current_buffer_used
                if used >= EVENTS_MAX:
                    self.lost_count += 1
                    continue
            try:
                listener.send.send_nowait(event)
            except trio.WouldBlock:
                del self._listeners[number]
                listener.send.close()
            except trio.BrokenResourceError:
                self._listeners.pop(number, None)
