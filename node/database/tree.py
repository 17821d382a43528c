"""The blocks above the finalized one, with their ancestry, in memory.

The tree always hangs together: its root is the finalized block, every other entry's parent is an
entry. One thread changes it; readers get tuples that do not change under them.

Bounds: one entry per unfinalized block, ``FORKS_PER_HEIGHT_MAX`` at one height.
"""

from dataclasses import dataclass
from typing import Final

from node.database.errors import BlockRefused
from primitives.types import Hash

__all__ = ["FORKS_PER_HEIGHT_MAX", "BlockId", "BlockTree"]

FORKS_PER_HEIGHT_MAX: Final = 1024
"""More than authors can fill between two final blocks, of whose blocks for one slot only a few are
taken (``node.consensus.equivocations``): what is refused here may be what others build upon."""


@dataclass(frozen=True, slots=True)
class BlockId:
    """A block by hash and height."""

    hash: Hash
    number: int


class BlockTree:
    """The finalized block and its descendants."""

    def __init__(self, root: BlockId) -> None:
        self.root = root
        self._parents: dict[Hash, Hash] = {}
        self._numbers: dict[Hash, int] = {root.hash: root.number}
        self._heights: dict[int, tuple[Hash, ...]] = {root.number: (root.hash,)}

    def number(self, block: Hash) -> int | None:
        """The height of ``block``, None if it is not here."""
        return self._numbers.get(block)

    def parent(self, block: Hash) -> Hash | None:
        """The parent of ``block``, None for the root."""
        return self._parents.get(block)

    def at(self, number: int) -> tuple[Hash, ...]:
        """Every block at a height, in order of arrival."""
        return self._heights.get(number, ())

    def children(self, block: Hash) -> tuple[Hash, ...]:
        """Every block whose parent is ``block``."""
        number = self._numbers.get(block)
        if number is None:
            return ()
        return tuple(child for child in self.at(number + 1) if self._parents.get(child) == block)

    def check_room(self, number: int) -> None:
        """Refuse a fork more than the bound. Raises: BlockRefused."""
        if len(self.at(number)) >= FORKS_PER_HEIGHT_MAX:
            raise BlockRefused(
                f"{FORKS_PER_HEIGHT_MAX} blocks compete at height {number} already; "
                "finality will make room"
            )

    def add(self, block: BlockId, parent: Hash) -> None:
        """A block arrived; its parent is here."""
        self._parents[block.hash] = parent
        self._numbers[block.hash] = block.number
        self._heights[block.number] = (*self.at(block.number), block.hash)

    def remove(self, blocks: tuple[Hash, ...]) -> None:
        """Blocks went, with all their descendants."""
        for block in blocks:
            number = self._numbers.pop(block)
            self._parents.pop(block, None)
            left = tuple(other for other in self._heights[number] if other != block)
            if left:
                self._heights[number] = left
            else:
                del self._heights[number]

    def move_root(self, root: BlockId) -> None:
        """``root`` was finalized; what is not its descendant was removed."""
        self.remove(
            tuple(
                block
                for height, blocks in self._heights.items()
                if height < root.number
                for block in blocks
            )
        )
        self._parents.pop(root.hash, None)
        self.root = root

    def path(self, block: Hash) -> tuple[Hash, ...]:
        """From the root's child up to ``block``, which is here."""
        found: list[Hash] = []
        at = block
        while at != self.root.hash:
            found.append(at)
            at = self._parents[at]
        return tuple(reversed(found))

    def above(self, number: int) -> tuple[Hash, ...]:
        """Every block higher than ``number``, lowest first."""
        heights = sorted(height for height in self._heights if height > number)
        return tuple(block for height in heights for block in self._heights[height])

    def descendants(self, block: Hash) -> tuple[Hash, ...]:
        """Every block above ``block`` on a branch through it, lowest first."""
        alive = {block}
        found: list[Hash] = []
        for other in self.above(self._numbers[block]):
            if self._parents[other] in alive:
                alive.add(other)
                found.append(other)
        return tuple(found)
