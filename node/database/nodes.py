"""Trie nodes: read from the store, checked against their hash, and held in a bounded cache.

Nodes never change and their numbers are never given out twice while the process runs, so a cached
node is right for ever: pruning need not touch the cache.

Bounds: the cache holds about ``cache_bytes``, in two halves: what was not read since the younger
half filled up is dropped with the older one.
"""

from itertools import count
from typing import Final

from node.database.errors import corrupt
from node.database.kv import KeyValue
from node.database.layout import decode_node_record, node_key
from primitives.trie import NewNode, Node, Ref

__all__ = ["NODE_CACHE_BYTES", "NodeStore"]

NODE_CACHE_BYTES: Final = 64 * 1024 * 1024

_NODE_BYTES: Final = 300
_CHILD_BYTES: Final = 90


def _cost_bytes(node: Node) -> int:
    """About what ``node`` takes in memory."""
    cost = _NODE_BYTES + len(node.partial)
    if node.value is not None:
        cost += len(node.value)
    if node.children is not None:
        cost += _CHILD_BYTES * (16 - node.children.count(None))
    return cost


class NodeStore:
    """The column of trie nodes."""

    def __init__(self, kv: KeyValue, *, cache_bytes: int = NODE_CACHE_BYTES) -> None:
        self._kv = kv
        self._half_bytes = cache_bytes // 2
        self._young: dict[Ref, Node] = {}
        self._old: dict[Ref, Node] = {}
        self._young_bytes = 0
        self._numbers = count(1)

    def start_at(self, number: int) -> None:
        """Give out ``number`` next."""
        self._numbers = count(number)

    def allocate(self) -> int:
        """A number that was never given out; safe from any thread."""
        return next(self._numbers)

    def node(self, ref: Ref) -> Node:
        """The node that ``ref`` names, which must be kept. Raises: StorageCorrupt."""
        node = self.find(ref)
        if node is None:
            raise corrupt(f"trie node {ref.id} is gone")
        return node

    def find(self, ref: Ref) -> Node | None:
        """The node that ``ref`` names, None if it is not kept. Raises: StorageCorrupt."""
        node = self._young.get(ref)
        if node is not None:
            return node
        node = self._old.get(ref)
        if node is None:
            record = self._kv.get(node_key(ref.id))
            if record is None:
                return None
            node = decode_node_record(ref, record)
        self._hold(ref, node)
        return node

    def hold(self, new: NewNode) -> None:
        """Keep a node that was just written within reach."""
        self._hold(new.ref, new.node)

    def _hold(self, ref: Ref, node: Node) -> None:
        # Threads may race here: then a node is held twice or dropped early, which is harmless.
        self._young[ref] = node
        self._young_bytes += _cost_bytes(node)
        if self._young_bytes > self._half_bytes:
            self._old, self._young, self._young_bytes = self._young, {}, 0
