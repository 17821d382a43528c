"""What the node thinks of peers: a number for each that decays to zero, with Substrate's figures.

A peer whose number falls below ``BANNED_BELOW`` is cut off, and no connection to or from it is
kept until the number has risen again by decay. A second takes one part in ``DECAY`` away.

Bounds: ``KNOWN_MAX`` peers; the one with the smallest absolute number is forgotten first, and no
peer that is banned makes room for one that is not.
"""

from dataclasses import dataclass
from typing import Final

__all__ = ["BANNED_BELOW", "DECAY", "KNOWN_MAX", "Reputations"]

BANNED_BELOW: Final = -1_760_936_552
"""82 % of the least number of 32 bits."""
DECAY: Final = 200
KNOWN_MAX: Final = 10_000

_MIN: Final = -(1 << 31)
_MAX: Final = (1 << 31) - 1
_STEPS_MAX: Final = 8192
"""Seconds after which any number has decayed to zero."""


@dataclass(slots=True)
class _Standing:
    value: int
    second: int


def _decayed(value: int, seconds: int) -> int:
    size = abs(value)
    for _ in range(min(seconds, _STEPS_MAX)):
        if not size:
            break
        size -= max(size // DECAY, 1)
    return size if value > 0 else -size


class Reputations:
    """The numbers of all peers; times are seconds of any clock that does not go back."""

    def __init__(self, known_max: int = KNOWN_MAX) -> None:
        self._known_max = known_max
        self._standings: dict[str, _Standing] = {}

    def __len__(self) -> int:
        return len(self._standings)

    def of(self, peer: str, now_s: float) -> int:
        """A peer's number now; 0 for one that is not known."""
        standing = self._standings.get(peer)
        if standing is None:
            return 0
        second = int(now_s)
        if second > standing.second:
            standing.value = _decayed(standing.value, second - standing.second)
            standing.second = second
            if not standing.value:
                del self._standings[peer]
        return standing.value

    def change(self, peer: str, amount: int, now_s: float) -> int:
        """Add to a peer's number; what it is then."""
        value = min(max(self.of(peer, now_s) + amount, _MIN), _MAX)
        if peer not in self._standings and len(self._standings) >= self._known_max:
            self._forget_one(now_s)
        self._standings[peer] = _Standing(value, int(now_s))
        return value

    def is_banned(self, peer: str, now_s: float) -> bool:
        """Whether nothing is to be had with this peer now."""
        return self.of(peer, now_s) < BANNED_BELOW

    def banned(self, now_s: float) -> tuple[str, ...]:
        """All peers that are banned now."""
        return tuple(peer for peer in list(self._standings) if self.is_banned(peer, now_s))

    def _forget_one(self, now_s: float) -> None:
        for peer in list(self._standings):
            self.of(peer, now_s)
        if len(self._standings) >= self._known_max:
            del self._standings[
                min(self._standings, key=lambda peer: abs(self._standings[peer].value))
            ]
