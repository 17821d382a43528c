"""States as readers see them: a snapshot of one block's state, and one that is prepared.

A snapshot reads values by their keys where it can (see ``flat``), and else trie nodes by numbers
that are never given out twice, each checked against its hash: what it returns is right, or it
raises. It does not hold pruning up. When its block is pruned
meanwhile (the window of 256 finalized blocks lasts 25 minutes at 6 s), it raises StateDiscarded.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from node.database.errors import StateDiscarded, corrupt
from node.database.flat import FlatReader, FlatStates, Unknown
from node.database.nodes import NodeStore
from primitives.errors import CessError
from primitives.trie import Node, Ref, Trie, TrieUpdate, differences
from primitives.types import Hash

__all__ = ["PreparedState", "StateKeeper", "StateSnapshot"]


class StateKeeper(Protocol):
    """Who knows which states are kept."""

    def keeps_state(self, block: Hash) -> bool:
        """Whether the state of ``block`` is kept now."""
        ...


class _Reader:
    """Nodes for the readers of one block's state."""

    __slots__ = ("_block", "_find", "_find_record", "_keeper")

    def __init__(self, store: NodeStore, keeper: StateKeeper, block: Hash) -> None:
        self._find = store.find
        self._find_record = store.find_record
        self._keeper = keeper
        self._block = block

    def node(self, ref: Ref) -> Node:
        """The node that ``ref`` names. Raises: StateDiscarded, StorageCorrupt."""
        node = self._find(ref)
        if node is None:
            raise self._gone(ref)
        return node

    def record(self, ref: bytes) -> bytes:
        """The record of the branch with this hash and number.

        Raises: StateDiscarded, StorageCorrupt.
        """
        record = self._find_record(ref)
        if record is None:
            raise self._gone(Ref(ref))
        return record

    def _gone(self, ref: Ref) -> CessError:
        if self._keeper.keeps_state(self._block):
            return corrupt(f"trie node {ref.id} of the state of block {self._block.hex()} is gone")
        return StateDiscarded(
            f"the state of block {self._block.hex()} was pruned while it was read; ask a later "
            "block, or a node with --state-pruning=archive",
            self._block,
        )


class StateSnapshot:
    """The state after one block; it never changes. Any thread may read it."""

    __slots__ = ("_flat", "_trie", "block_hash", "root")

    def __init__(
        self, store: NodeStore, flat: FlatStates, keeper: StateKeeper, block: Hash, root: Ref
    ) -> None:
        self.block_hash = block
        self._flat = FlatReader(flat, block)
        self.root = Hash(root.merkle)
        self._trie = Trie(_Reader(store, keeper, block), root)

    @property
    def trie(self) -> Trie:
        """The trie behind it."""
        return self._trie

    def get(self, key: bytes) -> bytes | None:
        """The value under ``key``."""
        value = self._flat.get(key)
        return self._trie.get(key) if isinstance(value, Unknown) else value

    def next_key(self, key: bytes) -> bytes | None:
        """The first key after ``key`` in byte order."""
        return self._trie.next_key(key)

    def items(
        self, prefix: bytes = b"", start_after: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Entries whose keys begin with ``prefix``, after ``start_after``, in order of keys."""
        return self._trie.items(prefix, start_after)

    def keys(self, prefix: bytes, limit: int, start_after: bytes | None = None) -> list[bytes]:
        """At most ``limit`` keys that begin with ``prefix``, after ``start_after``, in order."""
        found: list[bytes] = []
        if limit > 0:
            for key, _ in self.items(prefix, start_after):
                found.append(key)
                if len(found) >= limit:
                    break
        return found

    def closest_merkle(self, key: bytes) -> bytes | None:
        """The Merkle value of the trie's node at ``key`` or nearest below it; None without one."""
        return self._trie.closest_merkle(key)

    def changes_since(
        self, earlier: "StateSnapshot", prefix: bytes = b""
    ) -> Iterator[tuple[bytes, bytes | None, bytes | None]]:
        """Keys below ``prefix`` that hold something else than in ``earlier``: key, old, new."""
        return differences(earlier.trie, self._trie, prefix)

    def prove(self, keys: Iterable[bytes]) -> tuple[bytes, ...]:
        """What shows a stranger what ``keys`` hold under ``root``."""
        return self._trie.prove(keys)


class PreparedState:
    """The state that a block leads to: computed, not written. It serves one import."""

    __slots__ = ("parent", "root", "spent", "update")

    def __init__(self, parent: Hash, update: TrieUpdate) -> None:
        self.parent = parent
        self.update = update
        self.root = Hash(update.root.merkle)
        self.spent = False
