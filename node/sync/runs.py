"""Downloading a long stretch of one chain from all peers that have it, range by range.

A run begins upon a block that is imported. Its members take ranges of up to ``BLOCKS_PER_REQUEST``
blocks in turn; ranges are handed on in order, each only if it begins upon the block before. Who
sent a range is known to the end, so a bad block is its sender's fault alone.

Slow members: a range that does not come within ``STEAL_MS`` is asked of one more member, and so on
up to ``ASKED_OF_MAX``; one that has brought something before need not wait for those that have not.
The first answer counts. Bounds: ranges begin within ``WINDOW_BLOCKS`` of what is imported,
``IMPORT_AHEAD_BLOCKS`` are handed on before they are imported.
"""

from dataclasses import dataclass, field
from typing import Final

from node.database import BlockId
from node.sync.events import BLOCKS_PER_REQUEST, IncomingBlock

__all__ = ["IMPORT_AHEAD_BLOCKS", "STEAL_MS", "WINDOW_BLOCKS", "Misfit", "Range", "Run"]

WINDOW_BLOCKS: Final = 2048
IMPORT_AHEAD_BLOCKS: Final = 512
STEAL_MS: Final = 2_000
ASKED_OF_MAX: Final = 4


@dataclass(slots=True)
class Range:
    """Consecutive heights: asked for, or here."""

    start: int
    count: int
    asked: dict[str, bool] = field(default_factory=dict)
    """Whom it was asked of, and whether that one had brought something before."""
    asked_ms: int = 0
    """When it was asked of the last one."""
    blocks: tuple[IncomingBlock, ...] = ()
    origin: str = ""

    @property
    def end(self) -> int:
        """The height after it."""
        return self.start + self.count


class Misfit(Exception):  # noqa: N818  an answer, not a failure
    """The next range does not begin upon the block before it."""

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.origin = origin


class Run:
    """See the module's text."""

    def __init__(self, base: BlockId) -> None:
        self.base = base
        """The highest block of it that is imported."""
        self.tip = base
        """The highest block of it that was handed on."""
        self.members: dict[str, None] = {}
        self.held_bytes = 0
        self._ranges: list[Range] = []
        self._next = base.number + 1

    def take(
        self, peer: str, best_number: int, now_ms: int, *, has_room: bool, is_proven: bool
    ) -> Range | None:
        """A range for this member, at least the beginning of which it has; None: nothing now.

        Without room only what all others wait for. ``is_proven``: it brought something before.
        """
        found = self._open_range(best_number) or self._new_range(best_number, has_room=has_room)
        if found is None:
            found = self._late_range(peer, best_number, now_ms, is_proven=is_proven)
        if found is not None:
            found.asked[peer] = is_proven
            found.asked_ms = now_ms
        return found

    def _open_range(self, best_number: int) -> Range | None:
        """The lowest range that nobody is asked for."""
        for each in self._ranges:
            if not each.blocks and not each.asked and each.start <= best_number:
                return each
        return None

    def _new_range(self, best_number: int, *, has_room: bool) -> Range | None:
        is_next = self._next == self.tip.number + 1
        if (
            self._next > best_number
            or self._next - self.base.number > WINDOW_BLOCKS
            or not (has_room or is_next)
        ):
            return None
        made = Range(self._next, min(BLOCKS_PER_REQUEST, best_number - self._next + 1))
        self._ranges.append(made)
        self._next = made.end
        return made

    def _late_range(
        self, peer: str, best_number: int, now_ms: int, *, is_proven: bool
    ) -> Range | None:
        """The lowest range that is late."""
        for each in self._ranges:
            if (
                not each.blocks
                and each.start <= best_number
                and peer not in each.asked
                and (len(each.asked) < ASKED_OF_MAX or self._gains(each, is_proven))
                and now_ms >= each.asked_ms + STEAL_MS // (4 if self._gains(each, is_proven) else 1)
            ):
                return each
        return None

    @staticmethod
    def _gains(range_: Range, is_proven: bool) -> bool:
        """Whether a member that brought something before would help those that have not."""
        return is_proven and not any(range_.asked.values())

    @property
    def steal_ms(self) -> int | None:
        """When one more member may be asked for something that is late."""
        return min(
            (
                each.asked_ms + (STEAL_MS if any(each.asked.values()) else STEAL_MS // 4)
                for each in self._ranges
                if not each.blocks and each.asked
            ),
            default=None,
        )

    def arrived(self, range_: Range, peer: str, blocks: tuple[IncomingBlock, ...]) -> None:
        """This member brought the range, or its first blocks; shape and links were checked."""
        range_.asked.pop(peer, None)
        if range_.blocks or not any(range_ is each for each in self._ranges):
            return
        if len(blocks) < range_.count:
            rest = Range(range_.start + len(blocks), range_.count - len(blocks))
            self._ranges.insert(self._index(range_) + 1, rest)
            range_.count = len(blocks)
        range_.blocks, range_.origin = blocks, peer
        self.held_bytes += sum(block.byte_count for block in blocks)

    def _index(self, range_: Range) -> int:
        return next(at for at, each in enumerate(self._ranges) if each is range_)

    def hand_on(self) -> tuple[str, tuple[IncomingBlock, ...]] | None:
        """The next range to import, if it is here. Raises: Misfit; the range is asked for again."""
        if not self._ranges or not self._ranges[0].blocks:
            return None
        if self.tip.number - self.base.number >= IMPORT_AHEAD_BLOCKS:
            return None
        first = self._ranges[0]
        if (
            first.start != self.tip.number + 1
            or first.blocks[0].header.parent_hash != self.tip.hash
        ):
            origin, first.blocks, first.origin = first.origin, (), ""
            self._recount()
            raise Misfit(origin)
        del self._ranges[0]
        self.tip = first.blocks[-1].id
        self._recount()
        return first.origin, first.blocks

    def _recount(self) -> None:
        self.held_bytes = sum(block.byte_count for each in self._ranges for block in each.blocks)

    def imported(self, block: BlockId) -> None:
        """A block that was handed on is imported."""
        self.base = block

    def leave(self, peer: str) -> None:
        """Nothing more is asked of a member; what it sent stays."""
        self.members.pop(peer, None)
        for each in self._ranges:
            each.asked.pop(peer, None)

    def forget(self, peer: str) -> None:
        """A member is not believed any more: what it sent goes too."""
        self.leave(peer)
        for each in self._ranges:
            if each.origin == peer:
                each.blocks, each.origin = (), ""
        self._recount()

    def restart(self, base: BlockId) -> None:
        """Begin again upon ``base``: what was handed on after it was not imported."""
        self.base = self.tip = base
        self._ranges, self._next, self.held_bytes = [], base.number + 1, 0

    @property
    def is_over(self) -> bool:
        """Whether nobody is in it, and nothing of it is being imported."""
        return not self.members and self.tip == self.base
