"""Proofs of what a trie holds from one key on: how nodes fetch a whole state from strangers.

A proof is the trie's nodes on the way to the first key and those after it in the order of keys, as
far as a limit of bytes allows, in Substrate's compact form: parents before children, a child that
the proof has takes no bytes in its parent, and a value kept by hash follows its node. Hashes are
computed from the leaves up, so nothing has to be searched and nothing can be left over.

What ``verify_range`` returns has no gaps: between the first key and the last one returned the trie
holds nothing else, and if it says so nothing after it either.

Bounds: ``PROOF_NODES_MAX`` and ``PROOF_BYTES_MAX`` of a proof; nothing recurses.
Source: Substrate's ``prove_range_read_with_child_with_size`` and trie-db's ``encode_compact``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from primitives.errors import DecodeError, ProofRejected
from primitives.trie.node import (
    EMPTY_NODE,
    HASH_BYTES,
    NIBBLES,
    Child,
    Node,
    Ref,
    decode_node,
    encode_node,
    hash_of,
)
from primitives.trie.proof import PROOF_BYTES_MAX, PROOF_NODES_MAX
from primitives.trie.trie import EMPTY, Trie

__all__ = ["RangeProof", "VerifiedRange", "prove_range", "verify_range"]

_ESCAPE: Final = b"\x01"
"""Before a node whose value follows it."""
_OMITTED: Final = Node("", None, None, None, 0)
"""A child that takes no bytes."""


@dataclass(frozen=True, slots=True)
class RangeProof:
    """A compact proof, and what it shows."""

    nodes: tuple[bytes, ...]
    entries: tuple[tuple[bytes, bytes], ...]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class VerifiedRange:
    """Every entry after a key, in order; ``is_complete``: up to the end of the trie."""

    entries: tuple[tuple[bytes, bytes], ...]
    is_complete: bool


class _Visited:
    """A node of the proof, with the slots of children that are in it too."""

    __slots__ = ("has_value", "node", "taken")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.taken: list[int] = []
        self.has_value = False

    def parts(self) -> Iterator[bytes]:
        """The node in compact form, and its value if that follows."""
        node = self.node
        children = None if node.children is None else node.children.copy()
        for slot in self.taken:
            assert children is not None, "because it has children in the proof"
            children[slot] = _OMITTED
        if self.has_value:
            assert node.value is not None, "because a reader fills values in"
            yield _ESCAPE + encode_node(Node(node.partial, b"", None, children, 0))
            yield node.value
        else:
            yield encode_node(Node(node.partial, node.value, node.value_hash, children, 0))


def prove_range(trie: Trie, start_after: bytes | None, bytes_limit: int) -> RangeProof:
    """The entries after ``start_after`` (None: all) with their proof of about ``bytes_limit``.

    The value of ``start_after`` itself is in the proof if there is one: Substrate reads it.
    """
    if trie.root == EMPTY:
        return RangeProof((EMPTY_NODE,), (), is_complete=True)
    start = "" if start_after is None else start_after.hex()
    visited: list[_Visited] = []
    entries: list[tuple[bytes, bytes]] = []
    size = 0
    # A place is a child, the path before it, and where it stands: the parent's entry and slot.
    places: list[tuple[Node | Ref, str, _Visited | None, int]] = [(trie.root, "", None, 0)]
    while places:
        child, path, parent, slot = places.pop()
        node = trie.read(child) if isinstance(child, Ref) else child
        at = parent
        if isinstance(child, Ref):
            at = _Visited(node)
            visited.append(at)
            size += len(encode_node(node))
            if parent is not None:
                parent.taken.append(slot)
        path += node.partial
        if node.has_value and path >= start:
            assert node.value is not None, "because a reader fills values in"
            assert at is not None, "because the root is kept"
            if node.value_hash is not None:
                at.has_value = True
                size += len(node.value)
            if path > start or start_after is None:
                entries.append((bytes.fromhex(path), node.value))
                if size > bytes_limit:
                    break
        if node.children is not None and (path >= start or start.startswith(path)):
            _push(places, node.children, path, start, at)
    else:
        return _made(visited, entries, is_complete=True)
    return _made(visited, entries, is_complete=not places and node.children is None)


def _push(
    places: list[tuple[Node | Ref, str, _Visited | None, int]],
    children: list[Child],
    path: str,
    start: str,
    parent: _Visited | None,
) -> None:
    """Children that lie at ``start`` or after it, the first one last."""
    for slot in range(15, -1, -1):
        child = children[slot]
        if child is not None:
            below = path + NIBBLES[slot]
            if below >= start[: len(below)]:
                places.append((child, below, parent, slot))


def _made(
    visited: list[_Visited], entries: list[tuple[bytes, bytes]], *, is_complete: bool
) -> RangeProof:
    nodes = tuple(part for each in visited for part in each.parts())
    return RangeProof(nodes, tuple(entries), is_complete)


def verify_range(root: bytes, nodes: Sequence[bytes], start_after: bytes | None) -> VerifiedRange:
    """What the trie with this ``root`` holds after ``start_after`` (None: from the beginning).

    Raises: ProofRejected.
    """
    if len(nodes) > PROOF_NODES_MAX:
        raise ProofRejected(f"range proof: {len(nodes)} nodes, at most {PROOF_NODES_MAX}")
    total = sum(len(node) for node in nodes)
    if total > PROOF_BYTES_MAX:
        raise ProofRejected(f"range proof: {total} bytes, at most {PROOF_BYTES_MAX}")
    if list(nodes) == [EMPTY_NODE]:
        if bytes(root) != EMPTY.merkle:
            raise ProofRejected("range proof: it is of the empty trie")
        return VerifiedRange((), is_complete=True)
    top = _rebuild(nodes)
    if hash_of(encode_node(top)) != bytes(root):
        raise ProofRejected(f"range proof: it is not of the trie {bytes(root).hex()}")
    start = "" if start_after is None else start_after.hex()
    entries: list[tuple[bytes, bytes]] = []
    for path, value in _walk(top, start, is_inclusive=start_after is None):
        if value is None:
            return VerifiedRange(tuple(entries), is_complete=False)
        entries.append((path, value))
    return VerifiedRange(tuple(entries), is_complete=True)


def _rebuild(nodes: Sequence[bytes]) -> Node:
    """The part of the trie that the proof holds; children it lacks stay references."""
    # Open nodes, each with the slots whose children are still to come, the next one last.
    open_nodes: list[tuple[Node, list[int]]] = []
    at = 0
    while True:
        node, missing, at = _next(nodes, at)
        if missing:
            open_nodes.append((node, missing))
            continue
        while open_nodes:
            parent, rest = open_nodes[-1]
            encoding = encode_node(node)
            if len(encoding) < HASH_BYTES:
                raise ProofRejected("range proof: a node stands alone that fits into its parent")
            node.merkle = hash_of(encoding)
            assert parent.children is not None, "because it has omitted ones"
            parent.children[rest.pop()] = node
            if rest:
                break
            open_nodes.pop()
            node = parent
        else:
            if at != len(nodes):
                raise ProofRejected(f"range proof: {len(nodes) - at} nodes are left over")
            return node


def _next(nodes: Sequence[bytes], at: int) -> tuple[Node, list[int], int]:
    """The node at this place, the slots of its children that follow, and the next place."""
    if at >= len(nodes):
        raise ProofRejected("range proof: it ends before its last node")
    raw = nodes[at]
    is_escaped = raw[:1] == _ESCAPE
    omitted: list[int] = []
    try:
        node = decode_node(raw[1:] if is_escaped else raw, omitted=omitted)
    except DecodeError as error:
        raise ProofRejected(f"range proof: {error}") from error
    if node is None:
        raise ProofRejected("range proof: an empty node inside the trie")
    if is_escaped:
        if node.value != b"" or at + 1 >= len(nodes):
            raise ProofRejected("range proof: a value is announced and does not follow")
        node.value, node.value_hash = nodes[at + 1], hash_of(nodes[at + 1])
        at += 1
    omitted.reverse()
    return node, omitted, at + 1


def _walk(top: Node, start: str, *, is_inclusive: bool) -> Iterator[tuple[bytes, bytes | None]]:
    """Keys and values after ``start`` in order; None, at the end, where the proof has none."""
    places: list[tuple[Node | Ref, str]] = [(top, "")]
    while places:
        child, path = places.pop()
        if isinstance(child, Ref):
            yield b"", None
            return
        path += child.partial
        if child.has_value and (path > start or (is_inclusive and path == start)):
            if len(path) % 2:
                raise ProofRejected("range proof: a key of half a byte")
            yield bytes.fromhex(path), child.value
            if child.value is None:
                return
        if child.children is not None and (path >= start or start.startswith(path)):
            for slot in range(15, -1, -1):
                below = child.children[slot]
                place = path + NIBBLES[slot]
                if below is not None and place >= start[: len(place)]:
                    places.append((below, place))
