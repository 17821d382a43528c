"""Blocks on their way into the database: ordered, put off because they are early, or known as bad.

Bounds: ``EARLY_MAX`` blocks of slots to come, ``BAD_MAX`` hashes of bad blocks, the oldest of which
go first. What is ordered is bounded by who orders: ``byte_count`` says how much it is.
"""

from dataclasses import dataclass
from typing import Final

from node.sync.events import IncomingBlock
from node.sync.runs import Run
from primitives.types import Hash

__all__ = ["BAD_MAX", "EARLY_MAX", "EARLY_RETRY_MS", "Early", "Ordered", "Orders"]

BAD_MAX: Final = 512
EARLY_MAX: Final = 64
EARLY_RETRY_MS: Final = 1_000


@dataclass(slots=True)
class Ordered:
    """A block that is being imported."""

    block: IncomingBlock
    peer: str
    batch: int
    run: Run | None
    was_early: bool


@dataclass(frozen=True, slots=True)
class Early:
    """A block whose slot has not begun."""

    block: IncomingBlock
    peer: str
    due_ms: int


class Orders:
    """See the module's text."""

    def __init__(self) -> None:
        self._ordered: dict[Hash, Ordered] = {}
        self._early: dict[Hash, Early] = {}
        self._bad: dict[Hash, None] = {}
        self._batch = 0
        self.byte_count = 0

    def __contains__(self, hash_: Hash) -> bool:
        return hash_ in self._ordered

    def __len__(self) -> int:
        return len(self._ordered)

    def add(
        self, peer: str, blocks: tuple[IncomingBlock, ...], run: Run | None, *, was_early: bool
    ) -> None:
        """These are being imported, one upon another."""
        self._batch += 1
        for block in blocks:
            self._ordered[block.hash] = Ordered(block, peer, self._batch, run, was_early)
            self.byte_count += block.byte_count

    def done(self, hash_: Hash) -> Ordered | None:
        """The block is not being imported any more."""
        self._early.pop(hash_, None)
        ordered = self._ordered.pop(hash_, None)
        if ordered is not None:
            self.byte_count -= ordered.block.byte_count
        return ordered

    def failed(self, hash_: Hash) -> Ordered | None:
        """The block was not imported, so neither are those of its batch, or of its run."""
        failed = self._ordered.get(hash_)
        if failed is None:
            return None
        for other in list(self._ordered.values()):
            if other.batch == failed.batch or (failed.run is not None and other.run is failed.run):
                self.done(other.block.hash)
        return failed

    # Bad blocks.

    def is_bad(self, hash_: Hash) -> bool:
        """Whether this block is known to break a rule."""
        return hash_ in self._bad

    def remember_bad(self, hash_: Hash) -> None:
        """This block breaks a rule."""
        self._bad[hash_] = None
        while len(self._bad) > BAD_MAX:
            del self._bad[next(iter(self._bad))]

    @property
    def bad_count(self) -> int:
        """How many bad blocks are remembered."""
        return len(self._bad)

    # Early blocks.

    def is_early(self, hash_: Hash) -> bool:
        """Whether this block waits for its slot."""
        return hash_ in self._early

    def put_off(self, ordered: Ordered, now_ms: int) -> None:
        """A block's slot has not begun: it is tried again, once."""
        if not ordered.was_early and len(self._early) < EARLY_MAX:
            due_ms = now_ms + EARLY_RETRY_MS
            self._early[ordered.block.hash] = Early(ordered.block, ordered.peer, due_ms)

    def take_due(self, now_ms: int) -> list[Early]:
        """Blocks that are to be tried again now."""
        due = [early for early in self._early.values() if early.due_ms <= now_ms]
        for early in due:
            del self._early[early.block.hash]
        return due

    def drop_to(self, number: int) -> None:
        """Early blocks up to this height are not wanted any more."""
        for hash_, early in list(self._early.items()):
            if early.block.number <= number:
                del self._early[hash_]

    @property
    def early_count(self) -> int:
        """How many blocks wait for their slots."""
        return len(self._early)

    @property
    def next_ms(self) -> int | None:
        """When the first of them is tried again."""
        return min((early.due_ms for early in self._early.values()), default=None)
