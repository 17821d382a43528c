"""Checking a storage proof: what keys hold under a root, from nodes that a stranger sent.

The proof is a set of node encodings and of values kept by hash, in any order. Every one is found by
its hash from the root down, so nothing in it can be made up; one that no key needs is refused, as
is one that is missing, doubled or malformed. Both layouts are accepted: the root binds which.

Bounds: ``PROOF_NODES_MAX`` parts of ``PROOF_BYTES_MAX`` together, and ``PROOF_KEYS_MAX`` keys.
"""

from collections.abc import Sequence
from typing import Final

from primitives.errors import DecodeError, ProofRejected
from primitives.trie.node import NIBBLE_OF, Node, decode_node, hash_of
from primitives.trie.trie import EMPTY

__all__ = ["PROOF_BYTES_MAX", "PROOF_KEYS_MAX", "PROOF_NODES_MAX", "verify_proof"]

PROOF_NODES_MAX: Final = 65_536
PROOF_BYTES_MAX: Final = 16 * 1024 * 1024
PROOF_KEYS_MAX: Final = 4_096


def verify_proof(
    root: bytes, nodes: Sequence[bytes], keys: Sequence[bytes]
) -> dict[bytes, bytes | None]:
    """What each of ``keys`` holds under ``root``; None where the proof shows it is absent.

    Raises: ProofRejected.
    """
    if len(keys) > PROOF_KEYS_MAX:
        raise ProofRejected(f"storage proof: {len(keys)} keys, at most {PROOF_KEYS_MAX}")
    parts = _Parts(nodes)
    found = {key: _look_up(parts, bytes(root), key) for key in keys}
    parts.check_all_used()
    return found


class _Parts:
    """The parts of a proof by hash; remembers which were used."""

    def __init__(self, nodes: Sequence[bytes]) -> None:
        if len(nodes) > PROOF_NODES_MAX:
            raise ProofRejected(f"storage proof: {len(nodes)} nodes, at most {PROOF_NODES_MAX}")
        total = sum(len(node) for node in nodes)
        if total > PROOF_BYTES_MAX:
            raise ProofRejected(f"storage proof: {total} bytes, at most {PROOF_BYTES_MAX}")
        self._parts = {hash_of(node): node for node in nodes}
        if len(self._parts) != len(nodes):
            raise ProofRejected("storage proof: a node comes twice")
        self._decoded: dict[bytes, Node | None] = {}
        self._used: set[bytes] = set()

    def raw(self, merkle: bytes, what: str) -> bytes:
        """The part whose hash is ``merkle``."""
        part = self._parts.get(merkle)
        if part is None:
            raise ProofRejected(f"storage proof: the {what} {merkle.hex()} is missing")
        self._used.add(merkle)
        return part

    def node(self, merkle: bytes) -> Node | None:
        """The node whose hash is ``merkle``, None for the empty trie's."""
        if merkle not in self._decoded:
            try:
                node = decode_node(self.raw(merkle, "node"))
            except DecodeError as error:
                raise ProofRejected(f"storage proof: node {merkle.hex()}: {error}") from error
            if node is None and merkle != EMPTY.merkle:
                raise ProofRejected("storage proof: an empty node inside the trie")
            self._decoded[merkle] = node
        return self._decoded[merkle]

    def check_all_used(self) -> None:
        """Refuse parts that no key needed."""
        unused = len(self._parts) - len(self._used)
        if unused:
            raise ProofRejected(f"storage proof: {unused} nodes belong to none of the keys")


def _look_up(parts: _Parts, root: bytes, key: bytes) -> bytes | None:
    node = parts.node(root)
    if node is None:
        return None
    path, at = key.hex(), 0
    while path.startswith(node.partial, at):
        at += len(node.partial)
        if at == len(path):
            if node.value_hash is not None:
                return parts.raw(node.value_hash, "value")
            return node.value
        child = None if node.children is None else node.children[NIBBLE_OF[path[at]]]
        if child is None:
            return None
        at += 1
        below = child if isinstance(child, Node) else parts.node(child.merkle)
        if below is None:
            raise ProofRejected("storage proof: an empty node inside the trie")
        node = below
    return None
