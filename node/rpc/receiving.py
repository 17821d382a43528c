"""Bytes of messages that have begun and have not ended, over all connections.

A message that is sent slowly holds memory for nobody's use. Each connection may have
``SMALL_BYTES`` of one at any time; of longer ones all connections together hold
``RECEIVING_BYTES_MAX``: when more comes, the one that began first is broken off. Who sends at the
speed of a network is done long before it is the first.
"""

from collections.abc import Callable
from typing import Final

__all__ = ["RECEIVING_BYTES_MAX", "SMALL_BYTES", "Receiving", "Reception"]

SMALL_BYTES: Final = 16 << 10
RECEIVING_BYTES_MAX: Final = 64 << 20


class Reception:
    """One message that comes in; ``break_off`` ends its connection."""

    def __init__(self, receiving: "Receiving", break_off: Callable[[], None]) -> None:
        self._receiving = receiving
        self.break_off = break_off
        self.size = 0
        self.is_broken_off = False

    def take(self, size: int) -> None:
        """So many bytes more came."""
        self.size += size
        if self.size > SMALL_BYTES and not self.is_broken_off:
            self._receiving.hold(self)

    def end(self) -> None:
        """The message is whole, or nobody waits for the rest of it."""
        self._receiving.release(self)


class Receiving:
    """All messages that come in, and what they hold."""

    def __init__(self, bytes_max: int = RECEIVING_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._held: dict[Reception, int] = {}
        self.held_bytes = 0
        self.broken_off_count = 0

    def begin(self, break_off: Callable[[], None]) -> Reception:
        """A message begins."""
        return Reception(self, break_off)

    def hold(self, reception: Reception) -> None:
        """Count what a long message has by now; the one that began first may have to go."""
        self.held_bytes += reception.size - self._held.get(reception, 0)
        self._held[reception] = reception.size
        while self.held_bytes > self._bytes_max:
            first = next(iter(self._held))
            self.release(first)
            first.is_broken_off = True
            self.broken_off_count += 1
            first.break_off()

    def release(self, reception: Reception) -> None:
        """Count it no more."""
        self.held_bytes -= self._held.pop(reception, 0)
