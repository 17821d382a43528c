"""Roots of whole maps and lists: genesis states, extrinsics roots; and nodes kept in memory.

Cost: proportional to the entries; nothing is reused here. Blocks use ``Trie.update``.
"""

from collections.abc import Mapping, Sequence
from itertools import count

from primitives.trie.node import Layout, Node, Ref, encode_length
from primitives.trie.trie import EMPTY, Trie, TrieUpdate
from primitives.types import Hash

__all__ = ["EMPTY_ROOT", "MemoryNodes", "ordered_root", "root"]

EMPTY_ROOT = Hash(EMPTY.merkle)
"""The root of the trie without keys."""


class MemoryNodes:
    """Keeps nodes in a dictionary: for tries that fit in memory."""

    def __init__(self) -> None:
        self.nodes: dict[int, Node] = {}
        self._numbers = count(1)

    def node(self, ref: Ref) -> Node:
        """The node that ``ref`` names."""
        return self.nodes[ref.id]

    def allocate(self) -> int:
        """A number that was never given out."""
        return next(self._numbers)

    def keep(self, update: TrieUpdate) -> None:
        """Keep what ``update`` inserted; what it removed stays readable."""
        for new in update.inserted:
            self.nodes[new.ref.id] = new.node

    def drop(self, update: TrieUpdate) -> None:
        """Delete what ``update`` removed: the root before it is given up."""
        for number in update.removed:
            del self.nodes[number]


def root(entries: Mapping[bytes, bytes], *, layout: Layout = Layout.V1) -> Hash:
    """The root of the trie that holds ``entries``."""
    nodes = MemoryNodes()
    update = Trie(nodes, EMPTY, layout=layout).update(entries, nodes.allocate)
    return Hash(update.root.merkle)


def ordered_root(values: Sequence[bytes], *, layout: Layout = Layout.V0) -> Hash:
    """The root of the trie that maps each index, as ``Compact<u32>``, to its value."""
    return root({encode_length(index): value for index, value in enumerate(values)}, layout=layout)
