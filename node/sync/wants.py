"""Single blocks to fetch by hash, with whoever claims to have them.

A want is asked of one peer, and every ``SECOND_MS`` that it does not answer of another one: the
block and as many of its ancestors as may be missing. The first answer counts.
Bounds: ``WANTS_MAX`` at once and ``WANTS_PER_PEER_MAX`` that one peer brought up, so a flood of
announcements takes nobody else's room; ``SOURCES_MAX`` peers are remembered for one
and ``ASKED_OF_MAX`` asked at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from node.database import BlockId
from primitives.types import Hash

__all__ = [
    "SECOND_MS",
    "SOURCES_MAX",
    "WANTS_MAX",
    "WANTS_PER_PEER_MAX",
    "Want",
    "Wants",
]

WANTS_MAX: Final = 256
WANTS_PER_PEER_MAX: Final = 16
SOURCES_MAX: Final = 8
ASKED_OF_MAX: Final = 3
SECOND_MS: Final = 1_000


@dataclass(slots=True)
class Want:
    """A block that is not here."""

    block: BlockId
    parent: Hash | None
    """Its parent, if its header was seen."""
    founder: str
    sources: dict[str, None] = field(default_factory=dict)
    """Who has it and was not asked yet."""
    asked: dict[str, None] = field(default_factory=dict)
    """Who was asked and did not answer yet."""
    asked_ms: int = 0
    is_ordered: bool = False
    """It is here and being imported."""

    def may_ask(self, now_ms: int) -> bool:
        """Whether one more peer may be asked now."""
        if self.is_ordered or len(self.asked) >= ASKED_OF_MAX:
            return False
        return not self.asked or now_ms >= self.asked_ms + SECOND_MS

    def ask(self, peer: str, now_ms: int) -> None:
        """This source is asked."""
        self.sources.pop(peer)
        self.asked[peer] = None
        self.asked_ms = now_ms


class Wants:
    """All wants, the oldest first."""

    def __init__(self) -> None:
        self._wants: dict[Hash, Want] = {}
        self._counts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._wants)

    def get(self, hash_: Hash) -> Want | None:
        """The want for this block."""
        return self._wants.get(hash_)

    def add(self, peer: str, block: BlockId, parent: Hash | None) -> bool:
        """``peer`` has a block that is not here; False if there is no room for it."""
        want = self._wants.get(block.hash)
        if want is None:
            if len(self._wants) >= WANTS_MAX or self._counts.get(peer, 0) >= WANTS_PER_PEER_MAX:
                return False
            want = self._wants[block.hash] = Want(block, parent, peer)
            self._counts[peer] = self._counts.get(peer, 0) + 1
        if want.parent is None:
            want.parent = parent
        if peer not in want.asked and len(want.sources) < SOURCES_MAX:
            want.sources[peer] = None
        return True

    def hashes(self) -> tuple[Hash, ...]:
        """All wanted blocks, the oldest first."""
        return tuple(self._wants)

    def of(self, peer: str, now_ms: int) -> Iterator[Want]:
        """What this peer may be asked for now."""
        for want in self._wants.values():
            if peer in want.sources and want.may_ask(now_ms):
                yield want

    def next_ms(self) -> int | None:
        """When one more peer may be asked for something."""
        return min(
            (
                want.asked_ms + SECOND_MS
                for want in self._wants.values()
                if want.asked
                and want.sources
                and not want.is_ordered
                and len(want.asked) < ASKED_OF_MAX
            ),
            default=None,
        )

    def drop(self, hash_: Hash) -> None:
        """The block is here, or not wanted any more."""
        want = self._wants.pop(hash_, None)
        if want is None:
            return
        left = self._counts[want.founder] - 1
        if left:
            self._counts[want.founder] = left
        else:
            del self._counts[want.founder]

    def drop_to(self, number: int) -> None:
        """Blocks up to this height are not wanted any more."""
        for want in [each for each in self._wants.values() if each.block.number <= number]:
            self.drop(want.block.hash)

    def forget(self, peer: str) -> None:
        """The peer is gone, or is not believed."""
        for want in list(self._wants.values()):
            want.sources.pop(peer, None)
            self.failed(want, peer)

    def failed(self, want: Want, peer: str) -> None:
        """This peer did not bring it; without others that have it, it is dropped."""
        want.asked.pop(peer, None)
        if not want.is_ordered:
            self._drop_if_hopeless(want)

    def reopen(self, want: Want) -> None:
        """What came was not imported: it is asked for again, if anybody else has it."""
        want.is_ordered = False
        self._drop_if_hopeless(want)

    def _drop_if_hopeless(self, want: Want) -> None:
        # Another one for the same block, which came later, has peers of its own.
        if not want.sources and not want.asked and self._wants.get(want.block.hash) is want:
            self.drop(want.block.hash)
