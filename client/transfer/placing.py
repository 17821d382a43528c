"""Decides which fragment to send to whom and when, until a file is active: a core without I/O.

The chain draws the holders and draws again those that are late; this core follows what it sees
there. Drive it: ``receive`` each fact, then take ``next_order`` until it returns None; call again
when ``next_wakeup`` has passed. ``outcome`` says when it is over.

A place is one fragment of one segment. Its holder is sent the fragment and the co-signature once;
then the holder must report it. If it does not within ``RESEND_BLOCKS`` blocks, everything is sent
again, which costs an honest holder nothing. A holder that answered with a false opening is not
signed for, and not asked again unless the chain draws it anew.

Bounds: one task for each fragment that is not reported; at most ``sending_max`` orders are open,
one for each holder.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from pallets.file_bank.types import DealSegment
from primitives.types import AccountId, FragmentHash

__all__ = [
    "DealGone",
    "DealSeen",
    "FileActive",
    "Outcome",
    "Place",
    "Placing",
    "PlacingStatus",
    "Send",
    "SendFailed",
    "Sent",
]

RESEND_BLOCKS = 20
DELAY_MIN_S = 0.5
DELAY_MAX_S = 30.0
FAILURES_COUNTED_MAX = 6
GONE_SEEN_MIN = 3
"""A deal that is in none of so many blocks one after another is gone, and not only reorganised."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One fragment of one segment."""

    segment: int
    fragment: int


@dataclass(frozen=True, slots=True)
class DealSeen:
    """The deal is open at ``height``; ``pending`` has the segments that miss reports."""

    height: int
    attempt: int
    pending: Mapping[int, DealSegment]


@dataclass(frozen=True, slots=True)
class FileActive:
    """The file is stored."""


@dataclass(frozen=True, slots=True)
class DealGone:
    """There is neither a deal nor a file: it was dropped or cancelled."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A holder has a fragment and its co-signature."""

    place: Place
    miner: AccountId


@dataclass(frozen=True, slots=True)
class SendFailed:
    """A holder did not take a fragment. ``is_final``: asking it again is of no use."""

    place: Place
    miner: AccountId
    now: float
    is_final: bool = False
    retry_after_s: float | None = None


Fact = DealSeen | FileActive | DealGone | Sent | SendFailed


@dataclass(frozen=True, slots=True)
class Send:
    """Send the fragment ``hash`` to ``miner`` and sign for it."""

    place: Place
    hash: FragmentHash
    miner: AccountId


class Outcome(Enum):
    """How it ended."""

    ACTIVE = "active"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class PlacingStatus:
    """Counts of fragments: what an owner wants to see."""

    total: int
    reported: int
    signed: int
    sending: int
    undrawn: int


class _Step(Enum):
    WAITING = 0
    SENDING = 1
    SIGNED = 2
    REFUSED = 3


@dataclass(slots=True)
class _Task:
    hash: FragmentHash
    miner: AccountId
    attempt: int
    step: _Step = _Step.WAITING
    not_before: float = 0.0
    failures: int = 0
    signed_at: int = 0


class Placing:
    """The placing of one file with ``total`` fragments."""

    def __init__(self, total: int, *, sending_max: int) -> None:
        self._total = total
        self._sending_max = sending_max
        self._tasks: dict[Place, _Task] = {}
        self._busy: dict[AccountId, Place] = {}
        self._failures: dict[AccountId, int] = {}
        self._missing = total
        self._height = 0
        self._gone = 0
        self.outcome: Outcome | None = None

    def receive(self, fact: Fact) -> None:
        """Take note of a fact."""
        match fact:
            case DealSeen():
                self._see(fact)
            case FileActive():
                self._end(Outcome.ACTIVE)
            case DealGone():
                self._gone += 1
                if self._gone >= GONE_SEEN_MIN:
                    self._end(Outcome.DROPPED)
            case Sent():
                self._sent(fact)
            case SendFailed():
                self._failed(fact)
            case _:
                assert_never(fact)

    def next_order(self, now: float) -> Send | None:
        """The next thing to do, or None for now."""
        if self.outcome is not None or len(self._busy) >= self._sending_max:
            return None
        due = (
            (place, task)
            for place, task in self._tasks.items()
            if task.step is _Step.WAITING
            and task.not_before <= now
            and task.miner not in self._busy
        )
        # Holders that failed come last: they must not keep the orders from those that did not.
        found = min(due, key=lambda item: self._failures.get(item[1].miner, 0), default=None)
        if found is None:
            return None
        place, task = found
        task.step = _Step.SENDING
        self._busy[task.miner] = place
        return Send(place=place, hash=task.hash, miner=task.miner)

    def next_wakeup(self) -> float | None:
        """When a delayed holder may be tried again."""
        delays = [task.not_before for task in self._tasks.values() if task.step is _Step.WAITING]
        return min(delays, default=None)

    def status(self) -> PlacingStatus:
        """The counts now."""
        steps = [task.step for task in self._tasks.values()]
        return PlacingStatus(
            total=self._total,
            reported=self._total - self._missing,
            signed=steps.count(_Step.SIGNED),
            sending=steps.count(_Step.SENDING),
            undrawn=self._missing - len(steps),
        )

    def _end(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self._tasks.clear()
        if outcome is Outcome.ACTIVE:
            self._missing = 0

    def _see(self, deal: DealSeen) -> None:
        self._height = deal.height
        self._gone = 0
        seen: dict[Place, _Task] = {}
        missing = 0
        for index, segment in sorted(deal.pending.items()):
            for position, item in enumerate(segment.fragments):
                if item.reported:
                    continue
                missing += 1
                if item.miner is None:
                    continue
                place = Place(index, position)
                seen[place] = self._task_of(place, item.hash, item.miner, deal)
        self._tasks = seen
        drawn = {task.miner for task in seen.values()}
        self._failures = {who: count for who, count in self._failures.items() if who in drawn}
        self._missing = missing

    def _task_of(
        self, place: Place, fragment: FragmentHash, miner: AccountId, deal: DealSeen
    ) -> _Task:
        task = self._tasks.get(place)
        if task is None or (task.miner, task.attempt) != (miner, deal.attempt):
            step = _Step.SENDING if self._busy.get(miner) == place else _Step.WAITING
            return _Task(hash=fragment, miner=miner, attempt=deal.attempt, step=step)
        if task.step is _Step.SIGNED and deal.height - task.signed_at >= RESEND_BLOCKS:
            task.step = _Step.WAITING
        return task

    def _finish(self, place: Place, miner: AccountId) -> _Task | None:
        if self._busy.get(miner) == place:
            del self._busy[miner]
        task = self._tasks.get(place)
        return task if task is not None and task.miner == miner else None

    def _sent(self, fact: Sent) -> None:
        self._failures.pop(fact.miner, None)
        task = self._finish(fact.place, fact.miner)
        if task is not None:
            task.step, task.signed_at, task.failures = _Step.SIGNED, self._height, 0

    def _failed(self, fact: SendFailed) -> None:
        task = self._finish(fact.place, fact.miner)
        if task is None:
            return
        self._failures[fact.miner] = self._failures.get(fact.miner, 0) + 1
        if fact.is_final:
            task.step = _Step.REFUSED
            return
        delay = min(DELAY_MIN_S * 2**task.failures, DELAY_MAX_S)
        if fact.retry_after_s is not None:
            delay = min(max(delay, fact.retry_after_s), DELAY_MAX_S)
        task.failures = min(task.failures + 1, FAILURES_COUNTED_MAX)
        task.step, task.not_before = _Step.WAITING, fact.now + delay
