"""Trie nodes: read from the store, checked against their hash, and held in a bounded cache.

Nodes never change and their numbers are never given out twice while the process runs, so a cached
node is right for ever: pruning need not touch the cache.

Branches are held as their records, which updates patch; what readers unpacked, leaves as well, is
held as nodes. A leaf's record is not held: updates do not read it.

Bounds: the cache holds about ``cache_bytes``, a quarter of it in nodes.
"""

from collections.abc import Callable
from itertools import count
from typing import Final, Generic, TypeVar

from node.database.errors import corrupt
from node.database.kv import KeyValue
from node.database.layout import check_node_record, decode_node_record, node_key_of
from primitives.trie import Node, Ref, TrieUpdate
from primitives.trie.packed import is_leaf

__all__ = ["NODE_CACHE_BYTES", "NodeStore"]

NODE_CACHE_BYTES: Final = 64 * 1024 * 1024

_NODE_BYTES: Final = 300
_CHILD_BYTES: Final = 90
_RECORD_BYTES: Final = 200

_Held = TypeVar("_Held")


def _node_cost_bytes(node: Node) -> int:
    """About what ``node`` takes in memory."""
    cost = _NODE_BYTES + len(node.partial)
    if node.value is not None:
        cost += len(node.value)
    if node.children is not None:
        cost += _CHILD_BYTES * (16 - node.children.count(None))
    return cost


def _record_cost_bytes(record: bytes) -> int:
    """About what ``record`` and its key take in memory."""
    return _RECORD_BYTES + len(record)


class _Cache(Generic[_Held]):
    """In two halves: what was not read since the younger one filled up goes with the older one.

    Threads may race here: then something is held twice or dropped early, which is harmless.
    """

    __slots__ = ("_cost", "_half_bytes", "_old", "_young", "_young_bytes")

    def __init__(self, limit_bytes: int, cost: Callable[[_Held], int]) -> None:
        self._half_bytes = limit_bytes // 2
        self._cost = cost
        self._young: dict[bytes, _Held] = {}
        self._old: dict[bytes, _Held] = {}
        self._young_bytes = 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def find(self, ref: bytes) -> _Held | None:
        """What is held of the node with this hash and number."""
        held = self._young.get(ref)
        if held is None:
            held = self._old.get(ref)
            if held is not None:
                self.hold(ref, held)
        return held

    def hold(self, ref: bytes, held: _Held) -> None:
        """Keep it within reach."""
        self._young[ref] = held
        self._young_bytes += self._cost(held)
        if self._young_bytes > self._half_bytes:
            self._old, self._young, self._young_bytes = self._young, {}, 0

    def drop(self, ref: bytes) -> None:
        """Nobody will ask for it soon."""
        held = self._young.pop(ref, None)
        if held is not None:
            self._young_bytes -= self._cost(held)
        self._old.pop(ref, None)


class NodeStore:
    """The column of trie nodes."""

    def __init__(self, kv: KeyValue, *, cache_bytes: int = NODE_CACHE_BYTES) -> None:
        self._kv = kv
        self._nodes = _Cache[Node](cache_bytes // 4, _node_cost_bytes)
        self._records = _Cache[bytes](cache_bytes - cache_bytes // 4, _record_cost_bytes)
        self._numbers = count(1)

    def start_at(self, number: int) -> None:
        """Give out ``number`` next."""
        self._numbers = count(number)

    def allocate(self) -> int:
        """A number that was never given out; safe from any thread."""
        return next(self._numbers)

    @property
    def held_count(self) -> int:
        """How many nodes and records are in the cache."""
        return len(self._nodes) + len(self._records)

    def node(self, ref: Ref) -> Node:
        """The node that ``ref`` names, which must be kept. Raises: StorageCorrupt."""
        node = self.find(ref)
        if node is None:
            raise _gone(ref)
        return node

    def record(self, ref: bytes) -> bytes:
        """The record of the branch with this hash and number. Raises: StorageCorrupt."""
        record = self.find_record(ref)
        if record is None:
            raise _gone(ref)
        return record

    def find(self, ref: Ref) -> Node | None:
        """The node that ``ref`` names, None if it is not kept. Raises: StorageCorrupt."""
        node = self._nodes.find(ref)
        if node is None:
            record = self.find_record(ref)
            if record is None:
                return None
            node = decode_node_record(ref, record)
            self._nodes.hold(ref, node)
        return node

    def find_record(self, ref: bytes) -> bytes | None:
        """The record of the node with this hash and number, None if it is not kept.

        Raises: StorageCorrupt.
        """
        record = self._records.find(ref)
        if record is None:
            record = self._kv.get(node_key_of(ref))
            if record is None:
                return None
            check_node_record(ref, record)
            if not is_leaf(ref):
                self._records.hold(ref, record)
        return record

    def hold(self, update: TrieUpdate) -> None:
        """Keep branches that were just written within reach, and removed ones out of it."""
        for ref in update.removed:
            if not is_leaf(ref):
                self._records.drop(ref)
        for ref, record in update.inserted.items():
            if not is_leaf(ref):
                self._records.hold(ref, record)


def _gone(ref: bytes) -> Exception:
    return corrupt(f"trie node {Ref(ref).id} is gone")
