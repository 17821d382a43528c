"""Time cut into slots, and whose slot it is: the core of BABE with plain secondary slots.

Slot ``s`` lasts from ``s * duration`` to ``(s + 1) * duration`` in milliseconds since 1970. Its
author is drawn from the epoch's randomness, so everybody computes the same one. A node authors at
most once in a slot, and never in a slot that is not after the parent's.

Drive it: ``SlotCore.next_slot`` with the time and the parent's slot gives the slot to work in, or
how long to wait. No clock is read here. A core that begins anew is told the last slot signed for.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from pallets.babe.slots import secondary_author

__all__ = ["MS_PER_S", "Epoch", "SlotCore", "SlotWait", "author_of", "slot_at", "slot_start"]

MS_PER_S: Final = 1000


@dataclass(frozen=True, slots=True)
class Epoch:
    """Who may author: sr25519 public keys in order, and the randomness that draws among them."""

    authorities: tuple[bytes, ...]
    randomness: bytes


def slot_at(time_ms: int, duration_ms: int) -> int:
    """The slot that this moment is in."""
    return time_ms // duration_ms


def slot_start(slot: int, duration_ms: int) -> int:
    """When a slot begins, in milliseconds since 1970."""
    return slot * duration_ms


def author_of(slot: int, epoch: Epoch) -> int | None:
    """Index of the authority whose slot this is; None if there is no authority."""
    if not epoch.authorities:
        return None
    return secondary_author(slot, epoch.randomness, len(epoch.authorities))


@dataclass(frozen=True, slots=True)
class SlotWait:
    """Nothing to do before ``until_ms``."""

    until_ms: int


class SlotCore:
    """Decides in which slot to author."""

    def __init__(self, duration_ms: int, last: int = -1) -> None:
        self.duration_ms = duration_ms
        self._last = last

    def next_slot(self, now_ms: int, parent_slot: int) -> int | SlotWait:
        """The slot to author in now, or until when to wait for one.

        A clock that was set back gives no second block in a slot; it waits.
        """
        slot = slot_at(now_ms, self.duration_ms)
        earliest = max(self._last, parent_slot) + 1
        if slot < earliest:
            return SlotWait(slot_start(earliest, self.duration_ms))
        self._last = slot
        return slot

    def claim(
        self, slot: int, epoch: Epoch, own_keys: Collection[bytes]
    ) -> tuple[int, bytes] | None:
        """The authority index and key with which this node authors ``slot``; None: not its own."""
        index = author_of(slot, epoch)
        if index is None or epoch.authorities[index] not in own_keys:
            return None
        return index, epoch.authorities[index]

    def moment_in(self, slot: int, now_ms: int) -> int:
        """The time to write into a block of ``slot``: now, or the nearest moment of the slot."""
        start = slot_start(slot, self.duration_ms)
        return min(max(now_ms, start), start + self.duration_ms - 1)

    def end_ms(self, slot: int) -> int:
        """When a slot is over."""
        return slot_start(slot + 1, self.duration_ms)

    def deadline_ms(self, slot: int, share: Sequence[int] = (1, 2)) -> int:
        """When to stop adding transactions: after ``share`` of the slot."""
        numerator, denominator = share
        return slot_start(slot, self.duration_ms) + self.duration_ms * numerator // denominator
