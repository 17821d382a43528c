"""What the core knows of a peer. Bounds: a handful of numbers for each peer that is connected."""

from dataclasses import dataclass
from typing import Final

from node.database import BlockId
from node.sync.ancestry import Ancestry
from node.sync.runs import Run

__all__ = ["PAUSE_MS_MAX", "STRAY_PAUSE_MS_MAX", "Peer"]

PAUSE_MS: Final = 1_000
PAUSE_MS_MAX: Final = 16_000
STRAY_PAUSE_MS: Final = 4_000
STRAY_PAUSE_MS_MAX: Final = 60_000
"""Before a peer is asked again whose chain is another one: at first a few seconds, because a peer
that was cut off may only not have heard what became final."""


@dataclass(slots=True)
class Peer:
    """A full peer."""

    name: str
    best: BlockId
    """The best block that it claims."""
    common: BlockId | None = None
    """The highest block that it is known to share with this node; None: not known."""
    is_parted: bool = False
    """Its chain is known to go another way right above ``common``."""
    ancestry: Ancestry | None = None
    run: Run | None = None
    request_id: int | None = None
    """What it was asked and did not answer yet."""
    paused_until_ms: int = 0
    failures: int = 0
    strays: int = 0
    """How often its chain was another one, since it last shared a block."""
    is_proven: bool = False
    """It brought blocks of a run, and did not fail since."""
    is_bad: bool = False
    """It sent a bad block: nothing more is asked of it."""

    def share(self, block: BlockId | None, *, is_parted: bool = False) -> None:
        """It has this block in common with this node; None: it is not known what."""
        self.common, self.is_parted = block, is_parted
        if block is not None:
            self.ancestry = None
            self.strays = 0

    def stray(self, now_ms: int) -> None:
        """Its chain is not upon what is final here: ask it less and less often."""
        self.paused_until_ms = now_ms + min(STRAY_PAUSE_MS_MAX, STRAY_PAUSE_MS << self.strays)
        self.strays = min(self.strays + 1, 4)

    def pause(self, now_ms: int) -> None:
        """It failed: ask it less and less often."""
        self.paused_until_ms = now_ms + min(PAUSE_MS_MAX, PAUSE_MS << min(self.failures, 4))
        self.failures += 1

    def spoke(self, now_ms: int) -> None:
        """It is alive, so it may be asked; others come first until it has answered."""
        if self.failures:
            self.paused_until_ms = min(self.paused_until_ms, now_ms)

    def answered(self) -> None:
        """It did as it was asked."""
        self.failures = 0
        self.paused_until_ms = 0

    def may_be_asked(self, now_ms: int) -> bool:
        """Whether it is free, believed, and not paused."""
        return self.request_id is None and not self.is_bad and now_ms >= self.paused_until_ms
