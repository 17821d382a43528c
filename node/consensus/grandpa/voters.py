"""The set of voters: who they are, what they weigh, and how much weight decides."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from primitives.justification import AUTHORITIES_MAX

__all__ = ["Voters"]


@dataclass(frozen=True, slots=True)
class Voters:
    """Voters in the order of their keys, which is the order in which they are primary.

    Bounds: ``AUTHORITIES_MAX`` voters; each has a weight of at least 1.
    """

    weights: dict[bytes, int]
    total: int
    threshold: int
    """The least weight that is more than two thirds."""
    _order: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def of(cls, authorities: Sequence[tuple[bytes, int]]) -> "Voters":
        """The set of these authorities with their weights."""
        weights = {bytes(key): int(weight) for key, weight in sorted(authorities)}
        assert len(weights) == len(authorities), "because the runtime names each authority once"
        assert 0 < len(weights) <= AUTHORITIES_MAX, "because the runtime bounds the set"
        assert min(weights.values()) > 0, "because the runtime gives each authority a weight"
        total = sum(weights.values())
        return cls(weights, total, total - (total - 1) // 3, tuple(weights))

    @property
    def tolerated(self) -> int:
        """The weight that may misbehave."""
        return self.total - self.threshold

    def __contains__(self, key: bytes) -> bool:
        return key in self.weights

    def __len__(self) -> int:
        return len(self.weights)

    def primary(self, round_number: int) -> bytes:
        """Who may propose in this round."""
        return self._order[round_number % len(self._order)]
