"""How the keys of a session are laid into a trie.

The trie of a session has one entry for each key of each validator: SCALE of key type and key, to
the validator's account. Roots and proofs are of layout V0. Validators have no further
identification: whoever punishes knows what they had at stake.

Cost: 10 microseconds for each key.
"""

from collections.abc import Sequence
from typing import Final

from primitives.scale import codec
from primitives.trie import EMPTY, Layout, MemoryNodes, Trie
from primitives.types import AccountId, Hash, KeyTypeId

__all__ = [
    "PROOF_BYTES_MAX",
    "PROOF_NODES_MAX",
    "Owner",
    "SessionTrie",
    "entry_key",
]

PROOF_NODES_MAX: Final = 64
"""Nodes of a proof at most: a path through the trie of a thousand validators has about five."""

PROOF_BYTES_MAX: Final = 64 * 1024
"""Their bytes together at most."""


Owner = tuple[AccountId, tuple[tuple[bytes, bytes], ...]]
"""A validator and its keys, each with its type."""

_ENTRY: Final = codec(tuple[KeyTypeId, bytes])


def entry_key(kind: bytes, key: bytes) -> bytes:
    """Where the trie says whose key it is."""
    return _ENTRY.encode((KeyTypeId(kind), key))


class SessionTrie:
    """The keys of one session."""

    def __init__(self, owners: Sequence[Owner]) -> None:
        entries = {entry_key(kind, key): bytes(who) for who, keys in owners for kind, key in keys}
        nodes = MemoryNodes()
        update = Trie(nodes, EMPTY, layout=Layout.V0).update(entries, nodes.allocate)
        nodes.keep(update)
        self._entries = entries
        self._trie = Trie(nodes, update.root, layout=Layout.V0)
        self.root = Hash(update.root.merkle)

    def prove(self, kind: bytes, key: bytes) -> tuple[bytes, ...] | None:
        """The nodes that show whose key it is; None if it is nobody's."""
        at = entry_key(kind, key)
        return self._trie.prove((at,)) if at in self._entries else None
