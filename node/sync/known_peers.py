"""Who may be asked at the beginning, in which order, and how long to wait for each.

Who failed last is asked after all others; so one that says nothing takes time once, and not for
each question. At first nobody is waited for longer than ``PATIENCE_S``. Each time that a peer needs
longer it has twice as long the next time, up to what the question allows: where all are slow, one
of them will do.

Bounds: as many peers as the network has.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import trio

from node.database import BlockId
from node.network.transport import Roles

__all__ = ["PATIENCE_S", "KnownPeers"]

PATIENCE_S: Final = 5.0
"""A peer that does not answer so long is replaced by another one, at the first time."""


@dataclass(slots=True)
class _Standing:
    """What came of asking a peer: failures since it helped, and how long it may take."""

    failures: int = 0
    patience_s: float = field(default_factory=lambda: PATIENCE_S)


class KnownPeers:
    """Full peers and what they say of themselves."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[Roles, BlockId]] = {}
        self._standings: dict[str, _Standing] = {}
        self._barred: dict[str, None] = {}
        self._changed = trio.Event()
        self._turn = 0

    def join(self, peer: str, roles: Roles, best: BlockId) -> None:
        """A peer is here."""
        self.known[peer] = roles, best
        self._standings[peer] = _Standing()
        self._barred.pop(peer, None)
        self._wake()

    def leave(self, peer: str) -> None:
        """A peer is gone."""
        self.known.pop(peer, None)
        self._standings.pop(peer, None)
        self._barred.pop(peer, None)

    def advance(self, peer: str, best: BlockId) -> None:
        """A peer has another best block."""
        if peer in self.known:
            self.known[peer] = self.known[peer][0], best
            self._wake()

    def bar(self, peer: str) -> None:
        """Ask this peer nothing more."""
        self._barred[peer] = None

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    # How they answer.

    def patience_s(self, peer: str, longest_s: float) -> float:
        """How long to wait for this peer, where the question allows ``longest_s``."""
        standing = self._standings.get(peer)
        return longest_s if standing is None else min(longest_s, standing.patience_s)

    def failed(self, peer: str, *, was_late: bool = False, longest_s: float = 0.0) -> None:
        """It brought nothing: others come first. If it ``was_late`` it has longer next time."""
        standing = self._standings.get(peer)
        if standing is None:
            return
        standing.failures += 1
        if was_late:
            standing.patience_s = min(2 * standing.patience_s, max(longest_s, PATIENCE_S))

    def helped(self, peer: str, *, is_little: bool = False) -> None:
        """It brought what it was asked for; who brought little is asked after those who do not."""
        standing = self._standings.get(peer)
        if standing is not None:
            standing.failures = int(is_little)

    # Whom to ask.

    def useful(self) -> list[str]:
        """Who may be asked."""
        return [
            peer
            for peer, (roles, _) in self.known.items()
            if Roles.LIGHT not in roles and peer not in self._barred
        ]

    def claim(self, peer: str) -> int:
        """The height that this peer says it is at."""
        return self.known[peer][1].number if peer in self.known else 0

    def best_seen(self) -> int:
        """The upper median of what peers say."""
        claims = sorted(self.known[peer][1].number for peer in self.useful())
        return claims[len(claims) // 2] if claims else 0

    def round(self, least: int) -> Iterator[str]:
        """All who may be asked and claim this height: who failed last, and in turn."""
        peers = [peer for peer in self.useful() if self.known[peer][1].number >= least]
        self._turn += 1
        turned = [peers[(at + self._turn) % len(peers)] for at in range(len(peers))]
        yield from sorted(turned, key=lambda peer: self._standings[peer].failures)

    async def wait(self, count: int, timeout_s: float) -> bool:
        """Until so many may be asked; False if that takes too long."""
        with trio.move_on_after(timeout_s):
            while len(self.useful()) < count:
                await self._changed.wait()
            return True
        return False
