"""The trie itself: reads, ordered iteration, and all changes of a block in one pass.

A ``Trie`` is one root over nodes that a ``NodeReader`` keeps; it never changes. ``update`` costs
what the paths that change cost, whatever the state's size. New values of keys that are there, most
of a block's changes, are patched into the branches' bytes (see ``packed``). For keys that come and
go it copies the nodes on their paths, once each, applies every change to the copies, and hashes
them at the end, children first. It writes nothing: it returns the nodes to keep (each with a new
number from ``allocate``) and the numbers of those that the new root no longer reaches.

Numbers make storage simple. A node is written once, by one update, and is never shared between two
places or two unrelated roots, even where contents are equal. So a keeper may delete every removed
node as soon as it gives up the old root and all other updates from it (see ``node.database``).

Bounds: keys of at most ``KEY_BYTES_MAX``; nothing recurses, so a deep trie cannot exhaust the
stack. Values that do not change are found first and leave no trace.
Raises: whatever the reader raises.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from primitives.trie.build import build
from primitives.trie.node import (
    EMPTY_NODE,
    HASH_BYTES,
    KEY_NIBBLES_MAX,
    NIBBLE_OF,
    NIBBLES,
    VALUE_BYTES_LIMIT,
    VALUE_INLINE_BYTES_MAX,
    Child,
    Layout,
    Node,
    Ref,
    encode_node,
    hash_of,
)
from primitives.trie.packed import (
    LEAF,
    Entry,
    Overwritten,
    overwrite,
    pack_record,
    unpack_record,
)

__all__ = ["EMPTY", "KEY_BYTES_MAX", "NodeReader", "Trie", "TrieUpdate"]

KEY_BYTES_MAX: Final = KEY_NIBBLES_MAX // 2
EMPTY: Final = Ref.of(hash_of(EMPTY_NODE), 0)
"""The root of the trie without keys; it is kept nowhere."""

_DIRTY: Final = -1
_INSIDE: Final = 0


class NodeReader(Protocol):
    """Where nodes are kept."""

    def node(self, ref: Ref) -> Node:
        """The node that ``ref`` names, with its value."""
        ...

    def record(self, ref: bytes) -> bytes:
        """The record of the node with this hash and number, which is a branch."""
        ...


@dataclass(frozen=True, slots=True)
class TrieUpdate:
    """What leads from one root to the next.

    ``inserted`` has records by hash and number, children before their parents, so the root comes
    last; ``removed`` are hashes and numbers. ``changed`` has the values that are others than
    before; ``placed`` the keys whose values are kept by hash and whose node was written, with the
    node's number and the value.
    """

    root: Ref
    inserted: Mapping[bytes, bytes]
    removed: tuple[bytes, ...]
    changed: Mapping[bytes, bytes | None]
    placed: tuple[tuple[bytes, int, bytes], ...]


class Trie:
    """The entries under one root."""

    __slots__ = ("_layout", "_nodes", "_top", "root")

    def __init__(self, nodes: NodeReader, root: Ref, *, layout: Layout = Layout.V1) -> None:
        self.root = root
        self._nodes = nodes
        self._layout = layout
        self._top: Node | None = None

    def _root_node(self) -> Node | None:
        if self._top is None and self.root != EMPTY:
            self._top = self._nodes.node(self.root)
        return self._top

    # Reading.

    def read(self, ref: Ref) -> Node:
        """A node of this trie, with its value."""
        return self._nodes.node(ref)

    def get(self, key: bytes) -> bytes | None:
        """The value under ``key``."""
        node = self._root_node()
        if node is None:
            return None
        path = key.hex()
        length, at, read = len(path), 0, self._nodes.node
        while path.startswith(node.partial, at):
            at += len(node.partial)
            if at == length:
                return node.value
            if node.children is None:
                return None
            child = node.children[NIBBLE_OF[path[at]]]
            if child is None:
                return None
            at += 1
            node = child if isinstance(child, Node) else read(child)
        return None

    def next_key(self, key: bytes) -> bytes | None:
        """The first key after ``key`` in byte order."""
        for path, _ in self._walk(key.hex()):
            return bytes.fromhex(path)
        return None

    def items(
        self, prefix: bytes = b"", start_after: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Entries whose keys begin with ``prefix``, after ``start_after``, in order of keys."""
        begin = prefix.hex()
        if start_after is None or start_after < prefix:
            value = self.get(prefix)
            if value is not None:
                yield prefix, value
            after = begin
        else:
            after = start_after.hex()
        for path, node in self._walk(after):
            if not path.startswith(begin):
                return
            assert node.value is not None, "because a reader fills values in"
            yield bytes.fromhex(path), node.value

    def closest_merkle(self, key: bytes) -> bytes | None:
        """The Merkle value of the node at ``key``, or of the nearest one below it.

        None where no key begins with ``key``. It is the node's hash, or the node itself where that
        is shorter than a hash and not the root.
        """
        node = self._root_node()
        if node is None:
            return None
        path, at, merkle = key.hex(), 0, self.root.merkle
        while not node.partial.startswith(path[at:]):
            if node.children is None or not path.startswith(node.partial, at):
                return None
            at += len(node.partial)
            child = node.children[NIBBLE_OF[path[at]]]
            if child is None:
                return None
            at += 1
            node = child if isinstance(child, Node) else self._nodes.node(child)
            merkle = child.merkle
        return merkle

    def _walk(self, after: str) -> Iterator[tuple[str, Node]]:
        """Nodes with a value whose paths come after ``after``, in order."""
        top = self._root_node()
        if top is None:
            return
        read = self._nodes.node
        # A place is a node, its whole path, and the slot to go on from (-1: its value first).
        places: list[tuple[Node, str, int]] = []
        node, path = top, top.partial
        while True:
            if path > after:
                places.append((node, path, -1))
                break
            if not after.startswith(path):
                break
            if len(path) == len(after):
                places.append((node, path, 0))
                break
            slot = NIBBLE_OF[after[len(path)]]
            places.append((node, path, slot + 1))
            child = None if node.children is None else node.children[slot]
            if child is None:
                break
            node = child if isinstance(child, Node) else read(child)
            path += NIBBLES[slot] + node.partial
        while places:
            node, path, start = places.pop()
            if start < 0:
                if node.has_value:
                    yield path, node
                start = 0
            if node.children is None:
                continue
            for slot in range(start, 16):
                child = node.children[slot]
                if child is not None:
                    places.append((node, path, slot + 1))
                    below = child if isinstance(child, Node) else read(child)
                    places.append((below, path + NIBBLES[slot] + below.partial, -1))
                    break

    def prove(self, keys: Iterable[bytes]) -> tuple[bytes, ...]:
        """Encodings of the nodes, and values kept by hash, that show what ``keys`` hold.

        A key that is absent is shown absent by the nodes on the way to where it would be.
        """
        top = self._root_node()
        if top is None:
            return (EMPTY_NODE,)
        proof: dict[bytes, bytes] = {self.root.merkle: encode_node(top)}
        for key in keys:
            node: Node = top
            path, at = key.hex(), 0
            while path.startswith(node.partial, at):
                at += len(node.partial)
                if at == len(path):
                    if node.value_hash is not None and node.value is not None:
                        proof[node.value_hash] = node.value
                    break
                child = None if node.children is None else node.children[NIBBLE_OF[path[at]]]
                if child is None:
                    break
                at += 1
                if isinstance(child, Node):
                    node = child
                    continue
                node = self._nodes.node(child)
                if child.merkle not in proof:
                    proof[child.merkle] = encode_node(node)
        return tuple(proof.values())

    # Changing.

    def update(
        self,
        changes: Mapping[bytes, bytes | None],
        allocate: Callable[[], int],
        get: Callable[[bytes], bytes | None] | None = None,
    ) -> TrieUpdate:
        """The trie with ``changes`` applied (None removes); numbers come from ``allocate``.

        ``get`` may be a cheaper way to read this trie's values.
        """
        before = self.get if get is None else get
        real: dict[bytes, bytes | None] = {}
        entries: list[Entry] = []
        shaping: dict[bytes, bytes | None] = {}
        for key, value in sorted(changes.items()):
            assert len(key) <= KEY_BYTES_MAX, "because pallets bound their keys"
            # A key that is removed must be in the trie itself.
            old = (self.get if value is None else before)(key)
            if old == value:
                continue
            real[key] = value
            if old is None or value is None:
                shaping[key] = value
            else:
                assert len(value) < VALUE_BYTES_LIMIT, "because pallets bound their values"
                entries.append((key, old, value))
        if not real:
            return TrieUpdate(self.root, {}, (), {}, ())
        if self.root == EMPTY:
            added = [(key, value) for key, value in shaping.items() if value is not None]
            made = build(added, allocate, self._layout)
            return TrieUpdate(made.root, made.inserted, (), real, tuple(made.placed))
        done = overwrite(self._nodes.record, self.root, entries, allocate, self._layout)
        shaping.update((key, value) for key, _, value in done.rest)
        if not shaping:
            return TrieUpdate(
                done.root, done.inserted, tuple(done.removed), real, tuple(done.placed)
            )
        return self._reshape(done, shaping, real, allocate)

    def _reshape(
        self,
        done: Overwritten,
        changes: Mapping[bytes, bytes | None],
        real: Mapping[bytes, bytes | None],
        allocate: Callable[[], int],
    ) -> TrieUpdate:
        """Make ``changes`` of what ``overwrite`` left, and one update of both."""
        ahead = _Ahead(self._nodes, done.inserted)
        edit = _Edit(ahead, self._layout)
        root = None if done.root == EMPTY else edit.own(done.root)
        for key, value in changes.items():
            if value is not None:
                root = edit.put(root, key.hex(), value)
            else:
                assert root is not None, "because the key was found"
                root = edit.remove(root, key.hex())
        inserted, removed = done.inserted, done.removed
        removed += [ref for ref in edit.removed if inserted.pop(ref, None) is None]
        gone = {ref.id for ref in edit.removed}
        placed = [place for place in done.placed if place[1] not in gone]
        if root is None:
            return TrieUpdate(EMPTY, {}, tuple(removed), real, ())
        made = edit.seal(root, allocate)
        inserted.update(made.inserted)
        placed += made.placed
        return TrieUpdate(made.root, inserted, tuple(removed), real, tuple(placed))


class _Ahead:
    """Nodes that an update has made already, before those that are kept."""

    __slots__ = ("_made", "_nodes")

    def __init__(self, nodes: NodeReader, made: Mapping[bytes, bytes]) -> None:
        self._made = made
        self._nodes = nodes

    def node(self, ref: Ref) -> Node:
        """The node that ``ref`` names, with its value."""
        record = self._made.get(ref)
        return self._nodes.node(ref) if record is None else unpack_record(record, ref.id)


class _Edit:
    """Copies of the nodes on the changed paths, until ``seal`` hashes them."""

    __slots__ = ("_layout", "_nodes", "removed")

    def __init__(self, nodes: _Ahead, layout: Layout) -> None:
        self._nodes = nodes
        self._layout = layout
        self.removed: list[Ref] = []

    def own(self, child: Node | Ref) -> Node:
        """A copy that may be changed; the kept node, if there is one, is given up."""
        if isinstance(child, Ref):
            node = self._nodes.node(child)
            self.removed.append(child)
        elif child.id == _DIRTY:
            return child
        else:
            node = child
        children = None if node.children is None else node.children.copy()
        return Node(node.partial, node.value, node.value_hash, children, _DIRTY)

    def _leaf(self, partial: str, value: bytes) -> Node:
        node = Node(partial, None, None, None, _DIRTY)
        self._set(node, value)
        return node

    def _set(self, node: Node, value: bytes) -> None:
        assert len(value) < VALUE_BYTES_LIMIT, "because pallets bound their values"
        by_hash = self._layout is Layout.V1 and len(value) > VALUE_INLINE_BYTES_MAX
        node.value = value
        node.value_hash = hash_of(value) if by_hash else None

    def put(self, root: Node | None, path: str, value: bytes) -> Node:
        """Set ``path``; ``root`` is ours already."""
        if root is None:
            return self._leaf(path, value)
        node, at = root, 0
        while path.startswith(node.partial, at):
            at += len(node.partial)
            if at == len(path):
                self._set(node, value)
                return root
            if node.children is None:
                node.children = [None] * 16
            slot = NIBBLE_OF[path[at]]
            at += 1
            child = node.children[slot]
            if child is None:
                node.children[slot] = self._leaf(path[at:], value)
                return root
            owned = self.own(child)
            node.children[slot] = owned
            node = owned
        self._split(node, path, at, value)
        return root

    def _split(self, node: Node, path: str, at: int, value: bytes) -> None:
        """``path`` leaves the node's partial path: put a branch where they part."""
        partial, end = node.partial, min(len(node.partial), len(path) - at)
        shared = 0
        while shared < end and partial[shared] == path[at + shared]:
            shared += 1
        children: list[Child] = [None] * 16
        children[NIBBLE_OF[partial[shared]]] = Node(
            partial[shared + 1 :], node.value, node.value_hash, node.children, _DIRTY
        )
        node.partial, node.children = partial[:shared], children
        node.value = node.value_hash = None
        at += shared
        if at == len(path):
            self._set(node, value)
        else:
            children[NIBBLE_OF[path[at]]] = self._leaf(path[at + 1 :], value)

    def remove(self, root: Node, path: str) -> Node | None:
        """Take ``path``, which is there, away; branches left with one way collapse."""
        node, at = root, 0
        trail: list[tuple[list[Child], int, Node]] = []
        while True:
            at += len(node.partial)
            if at == len(path):
                break
            children = node.children
            assert children is not None, "because the key was found"
            slot = NIBBLE_OF[path[at]]
            child = children[slot]
            assert child is not None, "because the key was found"
            trail.append((children, slot, node))
            children[slot] = node = self.own(child)
            at += 1
        node.value = node.value_hash = None
        if node.children is None:
            if not trail:
                return None
            children, slot, node = trail.pop()
            children[slot] = None
        self._collapse(node)
        return root

    def _collapse(self, node: Node) -> None:
        """Make a branch that lost something canonical again. One that had two ways keeps one."""
        assert node.children is not None, "because it is a branch"
        ways = [(slot, child) for slot, child in enumerate(node.children) if child is not None]
        if not ways:
            node.children = None
        elif len(ways) == 1 and node.value is None:
            slot, child = ways[0]
            below = self.own(child)
            node.partial += NIBBLES[slot] + below.partial
            node.value, node.value_hash = below.value, below.value_hash
            node.children = below.children

    def seal(self, root: Node, allocate: Callable[[], int]) -> Overwritten:
        """Hash every changed node once, children before their parents."""
        order: list[tuple[Node, list[Child], int, str]] = [(root, [root], 0, root.partial)]
        for node, _, _, path in order:  # grows while it is read: parents come before children
            if node.children is not None:
                children = node.children
                order += [
                    (child, children, slot, path + NIBBLES[slot] + child.partial)
                    for slot, child in enumerate(children)
                    if type(child) is Node and child.id == _DIRTY
                ]
        ref = EMPTY
        inserted: dict[bytes, bytes] = {}
        placed: list[tuple[bytes, int, bytes]] = []
        for node, children, slot, path in reversed(order):
            encoding = encode_node(node)
            if len(encoding) < HASH_BYTES and node is not root:
                node.id, node.merkle = _INSIDE, encoding
                continue
            node.id = allocate() if node.children is not None else allocate() | LEAF
            ref = Ref.of(hash_of(encoding), node.id)
            children[slot] = ref
            inserted[ref] = pack_record(encoding, node)
            if node.value_hash is not None and node.value is not None:
                placed.append((bytes.fromhex(path), node.id, node.value))
        return Overwritten(ref, inserted, [], placed, [])
