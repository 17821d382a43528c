"""Telling the rest of the node what became of the chain.

``Imported`` tells of a block, and of a change of the best one; ``Finalized`` of what became final.

Bounds: ``WAITING_MAX`` events wait for one listener; one that falls behind further is cut off (its
channel ends), because nothing may slow the import of blocks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

import trio

from node.consensus.chain import Imported
from primitives.types import Hash

__all__ = ["WAITING_MAX", "Announcements", "ChainEvent", "Finalized"]

WAITING_MAX: Final = 1024


@dataclass(frozen=True, slots=True)
class Finalized:
    """These blocks are final now, in order."""

    hashes: tuple[Hash, ...]


ChainEvent: TypeAlias = Imported | Finalized


class Announcements:
    """A fan-out of chain events on the trio loop."""

    def __init__(self) -> None:
        self._listeners: dict[int, trio.MemorySendChannel[ChainEvent]] = {}
        self._next = 0

    @contextmanager
    def listen(self) -> Iterator[trio.MemoryReceiveChannel[ChainEvent]]:
        """A channel of all events from now on."""
        send, receive = trio.open_memory_channel[ChainEvent](WAITING_MAX)
        self._next += 1
        number = self._next
        self._listeners[number] = send
        try:
            with receive:
                yield receive
        finally:
            self._listeners.pop(number, None)

    def tell(self, event: ChainEvent) -> None:
        """Send an event to all listeners."""
        for number, channel in list(self._listeners.items()):
            try:
                channel.send_nowait(event)
            except trio.WouldBlock:
                del self._listeners[number]
                channel.close()

    def tell_imported(self, imported: Imported) -> None:
        """Send what one import brought about."""
        self.tell(imported)
        if imported.finalized:
            self.tell(Finalized(imported.finalized))
