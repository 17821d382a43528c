"""Trie nodes: read from the store, checked against their hash, and held in a bounded cache.

Nodes never change and their numbers are never given out twice while the process runs, so a cached
node is right for ever: pruning need not touch the cache.

Branches are held as their records, which updates patch; what readers unpacked, leaves as well, is
held as nodes. A leaf's record is not held: updates do not read it.

Bounds: the cache holds about ``cache_bytes``, a part of it (``NODES_PART``) in nodes.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import count, islice
from threading import Lock
from typing import Final, Generic, TypeVar

from node.database.errors import corrupt
from node.database.kv import KeyValue
from node.database.layout import check_node_record, decode_node_record, node_key_of
from primitives.trie import Node, Ref, TrieUpdate
from primitives.trie.packed import LEAF_BYTE

__all__ = ["NODES_PART", "NODE_CACHE_BYTES", "NodeStore"]

NODE_CACHE_BYTES: Final = 96 * 1024 * 1024
NODES_PART: Final = 6
"""This part of the cache is for nodes that were unpacked, the rest for records."""

_NODE_BYTES: Final = 200
_CHILD_BYTES: Final = 90
_ENTRY_BYTES: Final = 200
"""About what an entry takes beside its content."""
_EVICTED_PART: Final = 64
"""This part of the cache goes at once when it is full."""

_Held = TypeVar("_Held")


def _node_bytes(node: Node) -> int:
    """About what ``node`` takes in memory."""
    size = _NODE_BYTES + len(node.partial)
    if node.value is not None:
        size += len(node.value)
    if node.children is not None:
        size += _CHILD_BYTES * (16 - node.children.count(None))
    return size


class _Cache(Generic[_Held]):
    """What was put in lately, by hash and number.

    An update puts new nodes in for those that it read, so what is used stays. Any thread may call.
    """

    __slots__ = ("_bytes", "_held", "_limit_bytes", "_lock", "_size", "find")

    def __init__(self, limit_bytes: int, size: Callable[[_Held], int]) -> None:
        self._limit_bytes = limit_bytes
        self._size = size
        self._held: dict[bytes, _Held] = {}
        self._bytes = 0
        self._lock = Lock()
        self.find = self._held.get
        """What is held of a node, or None."""

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, entries: Mapping[bytes, _Held]) -> None:
        """Keep them, which are not held, within reach, instead of the oldest."""
        held = self._held
        with self._lock:
            held.update(entries)
            self._bytes += _ENTRY_BYTES * len(entries) + sum(map(self._size, entries.values()))
            while self._bytes > self._limit_bytes and held:
                self._drop(list(islice(held, 1 + len(held) // _EVICTED_PART)))

    def add(self, ref: bytes, held: _Held) -> None:
        """Keep one within reach."""
        if ref not in self._held:  # another thread may have been faster
            self.hold({ref: held})

    def drop(self, refs: Iterable[bytes]) -> None:
        """Nobody will ask for them soon."""
        with self._lock:
            self._drop(refs)

    def _drop(self, refs: Iterable[bytes]) -> None:
        held = self._held
        gone = [held.pop(ref) for ref in refs if ref in held]
        self._bytes -= _ENTRY_BYTES * len(gone) + sum(map(self._size, gone))


class NodeStore:
    """The column of trie nodes."""

    def __init__(self, kv: KeyValue, *, cache_bytes: int = NODE_CACHE_BYTES) -> None:
        self._kv = kv
        self._nodes = _Cache[Node](cache_bytes // NODES_PART, _node_bytes)
        self._records = _Cache[bytes](cache_bytes - cache_bytes // NODES_PART, len)
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
        node: Node | None = self._nodes.find(ref)
        if node is None:
            record = self.find_record(ref)
            if record is None:
                return None
            node = decode_node_record(ref, record)
            self._nodes.add(ref, node)
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
            if ref[-1] < LEAF_BYTE:
                self._records.add(ref, record)
        return record

    def hold(self, update: TrieUpdate) -> None:
        """Keep branches that were just written within reach, and removed ones out of it."""
        self._records.drop([ref for ref in update.removed if ref[-1] < LEAF_BYTE])
        branches = {ref: one for ref, one in update.inserted.items() if ref[-1] < LEAF_BYTE}
        self._records.hold(branches)


def _gone(ref: bytes) -> Exception:
    return corrupt(f"trie node {Ref(ref).id} is gone")
