"""Decides which holders of one segment to ask, and when to ask one more: a core without I/O.

Any ``needed`` fragments of a segment rebuild it; the wanted data fragments alone do so without
decoding. So the wanted ones are asked for first, the best holders first among the rest. A holder
that fails is replaced at once; one that is silent for ``hedge_after_s`` gets a rival, so a slow
holder costs that long and no more.

Drive it: take ``next_request`` until None, feed ``arrived`` and ``failed``, look at ``is_complete``
and ``is_hopeless``. Bounds: each fragment is asked for once, twelve in all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Candidate", "Race"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fragment that somebody holds. ``cost`` is the holder's expected time, less is better."""

    index: int
    cost: float = 0.0


class Race:
    """The race for one segment. ``wanted`` are the indexes of the data fragments that are read."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        *,
        needed: int,
        wanted: Sequence[int],
        hedge_after_s: float,
    ) -> None:
        self._needed = needed
        self._wanted = frozenset(wanted)
        self._hedge_after_s = hedge_after_s
        order = sorted(candidates, key=lambda item: (item.index not in self._wanted, item.cost))
        self._left = [item.index for item in order]
        self._asked: dict[int, float] = {}
        self._arrived: dict[int, None] = {}

    @property
    def is_complete(self) -> bool:
        """Whether what arrived gives every wanted fragment."""
        return self._wanted <= self._arrived.keys() or len(self._arrived) >= self._needed

    @property
    def is_hopeless(self) -> bool:
        """Whether all holders together cannot complete it any more."""
        possible = self._arrived.keys() | self._asked.keys() | set(self._left)
        return not self._wanted <= possible and len(possible) < self._needed

    @property
    def arrived_count(self) -> int:
        """How many fragments came."""
        return len(self._arrived)

    def next_request(self, now: float) -> int | None:
        """The index of a fragment to ask for now, or None."""
        if self.is_complete or not self._left or self._shortage(now) <= 0:
            return None
        index = self._left.pop(0)
        self._asked[index] = now
        return index

    def next_wakeup(self, now: float) -> float | None:
        """When a rival is due for a holder that is silent."""
        if self.is_complete or not self._left:
            return None
        due = (asked + self._hedge_after_s for asked in self._asked.values())
        return min((moment for moment in due if moment > now), default=None)

    def arrived(self, index: int) -> None:
        """The fragment is here and its hash is right."""
        self._asked.pop(index, None)
        self._arrived[index] = None

    def failed(self, index: int) -> None:
        """Its holder has not got it, or cannot be reached."""
        self._asked.pop(index, None)

    def _shortage(self, now: float) -> int:
        """How many more must be asked, so that the answers that are not late would complete it."""
        timely = [at for at, asked in self._asked.items() if now < asked + self._hedge_after_s]
        expected = self._arrived.keys() | set(timely)
        direct = [index for index in self._left if index in self._wanted]
        if self._wanted <= expected | set(direct):
            return len(direct)
        return self._needed - len(expected)
