"""Substrate's base-16 Patricia trie: roots, incremental updates, iteration and proofs.

Layout V1 for states (values above 32 bytes by hash), V0 for extrinsics roots. No extension nodes:
every node carries a partial path. ``node`` holds the bytes, ``packed`` what is kept of a node
and new values in it, ``trie`` the algorithm, ``proof`` what a stranger's proof must stand,
``range_proof`` stretches of keys, ``difference`` what two tries do not share, ``root`` whole maps.
"""

from primitives.trie.difference import differences
from primitives.trie.node import Layout, Node, Ref
from primitives.trie.packed import LEAF
from primitives.trie.proof import verify_proof
from primitives.trie.range_proof import RangeProof, VerifiedRange, prove_range, verify_range
from primitives.trie.root import EMPTY_ROOT, MemoryNodes, ordered_root, root
from primitives.trie.trie import EMPTY, KEY_BYTES_MAX, NodeReader, Trie, TrieUpdate

__all__ = [
    "EMPTY",
    "EMPTY_ROOT",
    "KEY_BYTES_MAX",
    "LEAF",
    "Layout",
    "MemoryNodes",
    "Node",
    "NodeReader",
    "RangeProof",
    "Ref",
    "Trie",
    "TrieUpdate",
    "VerifiedRange",
    "differences",
    "ordered_root",
    "prove_range",
    "root",
    "verify_proof",
    "verify_range",
]
