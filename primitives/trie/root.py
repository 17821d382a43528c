"""Roots of whole maps and lists: genesis states, extrinsics roots; and nodes kept in memory.

Cost: proportional to the entries; nothing is reused here. Blocks use ``Trie.update``.
"""

from collections.abc import Mapping, Sequence
from itertools import count

from primitives.trie.node import HASH_BYTES, Layout, Node, Ref, encode_length
from primitives.trie.packed import numbers_of, unpack_record
from primitives.trie.trie import EMPTY, Trie, TrieUpdate
from primitives.types import Hash

__all__ = ["EMPTY_ROOT", "MemoryNodes", "ordered_root", "root"]

EMPTY_ROOT = Hash(EMPTY.merkle)
"""The root of the trie without keys."""


class MemoryNodes:
    """Keeps nodes' records in a dictionary: for tries that fit in memory."""

    def __init__(self) -> None:
        self.nodes: dict[int, bytes] = {}
        self._numbers = count(1)

    def node(self, ref: Ref) -> Node:
        """The node that ``ref`` names."""
        return unpack_record(self.nodes[ref.id], ref.id)

    def record(self, ref: bytes) -> bytes:
        """The record of the node with this hash and number."""
        return self.nodes[int.from_bytes(ref[HASH_BYTES:], "little")]

    def allocate(self) -> int:
        """A number that was never given out."""
        return next(self._numbers)

    def keep(self, update: TrieUpdate) -> None:
        """Keep what ``update`` inserted; what it removed stays readable."""
        self.nodes.update(zip(numbers_of(update.inserted), update.inserted.values(), strict=True))

    def drop(self, update: TrieUpdate) -> None:
        """Delete what ``update`` removed: the root before it is given up."""
        for number in numbers_of(update.removed):
            del self.nodes[number]


def root(entries: Mapping[bytes, bytes], *, layout: Layout = Layout.V1) -> Hash:
    """The root of the trie that holds ``entries``."""
    nodes = MemoryNodes()
    update = Trie(nodes, EMPTY, layout=layout).update(entries, nodes.allocate)
    return Hash(update.root.merkle)


def ordered_root(values: Sequence[bytes], *, layout: Layout = Layout.V0) -> Hash:
    """The root of the trie that maps each index, as ``Compact<u32>``, to its value."""
    return root({encode_length(index): value for index, value in enumerate(values)}, layout=layout)
