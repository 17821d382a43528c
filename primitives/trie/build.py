"""A whole trie from its entries: genesis states, the roots of blocks' extrinsics.

The keys are in order, so what two neighbours begin with alike says where branches are: one opens
where a key and the next one part, and closes when a key parts from it higher up. Each node is
encoded once, children before their parents.

Bounds: as deep as the trie, nothing recurses. Cost: each node once.
"""

from collections.abc import Callable, Sequence
from typing import Final

from primitives.trie.node import (
    HASH_BYTES,
    NIBBLE_OF,
    NUMBER_BYTES,
    VALUE_INLINE_BYTES_MAX,
    Layout,
    Ref,
    encode_branch,
    encode_leaf,
    hash_of,
)
from primitives.trie.packed import LEAF, Overwritten, record_of

__all__ = ["build", "shared_nibbles"]

_NOTHING: Final = -1
"""What the last key shares with a next one that is not there."""


def shared_nibbles(left: bytes, right: bytes) -> int:
    """How many nibbles two keys begin with alike."""
    size = min(len(left), len(right))
    difference = int.from_bytes(left[:size], "big") ^ int.from_bytes(right[:size], "big")
    return 2 * size - (difference.bit_length() + 3 >> 2)


class _Branch:
    """A branch whose children are not all there yet."""

    __slots__ = ("bitmap", "depth", "key", "merkles", "numbers", "value")

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.key = b""
        self.value: bytes | None = None
        self.bitmap = 0
        self.merkles: list[bytes] = []
        self.numbers: list[bytes] = []


def build(
    entries: Sequence[tuple[bytes, bytes]], allocate: Callable[[], int], layout: Layout
) -> Overwritten:
    """The trie of ``entries``, at least one, in order of their keys."""
    builder = _Builder(allocate, by_hash=layout is Layout.V1)
    before = _NOTHING
    for at, (key, value) in enumerate(entries):
        is_last = at + 1 == len(entries)
        after = _NOTHING if is_last else shared_nibbles(key, entries[at + 1][0])
        builder.add(key, value, before, after)
        before = after
    return Overwritten(builder.root, builder.inserted, [], builder.placed, [])


class _Builder:
    """The branches on the way to the last key, and what was made of those before."""

    def __init__(self, allocate: Callable[[], int], *, by_hash: bool) -> None:
        self._allocate = allocate
        self._by_hash = by_hash
        self._open: list[_Branch] = []
        self.root = Ref()
        self.inserted: dict[bytes, bytes] = {}
        self.placed: list[tuple[bytes, int, bytes]] = []

    def add(self, key: bytes, value: bytes, before: int, after: int) -> None:
        """Put the next key, which shares so many nibbles with those before and after it."""
        path, branches = key.hex(), self._open
        if after > before:
            branches.append(_Branch(after))
        if after == len(path):
            branches[-1].key, branches[-1].value = key, value
        else:
            above = max(before, after)
            by_hash = self._by_hash and len(value) > VALUE_INLINE_BYTES_MAX
            encoding = encode_leaf(key, len(path) - above - 1, value, by_hash=by_hash)
            kept = value if by_hash else b""
            self._put(path, above, encoding, (), kept, LEAF, key)
        while branches and branches[-1].depth > after:
            branch = branches.pop()
            below = branches[-1].depth if branches else _NOTHING
            if below < after:
                branches.append(_Branch(after))
            self._close(branch, path, max(below, after))

    def _close(self, branch: _Branch, path: str, above: int) -> None:
        """All children of a branch are there; its parent's ``above`` nibbles down."""
        value, value_hash, kept = branch.value, None, b""
        if value is not None and self._by_hash and len(value) > VALUE_INLINE_BYTES_MAX:
            value_hash, kept = hash_of(value), value
        partial = path[above + 1 : branch.depth]
        encoding = encode_branch(partial, branch.bitmap, value, value_hash, branch.merkles)
        self._put(path, above, encoding, branch.numbers, kept, 0, branch.key)

    def _put(
        self,
        path: str,
        above: int,
        encoding: bytes,
        numbers: Sequence[bytes],
        kept: bytes,
        kind: int,
        key: bytes,
    ) -> None:
        """Keep a node, and let the branch name it that is ``above`` nibbles down (none: root)."""
        parent = None if above == _NOTHING else self._open[-1]
        if parent is not None:
            parent.bitmap |= 1 << NIBBLE_OF[path[above]]
            if len(encoding) < HASH_BYTES:
                parent.merkles.append(encoding)
                return
        number = self._allocate() | kind
        merkle, id_bytes = hash_of(encoding), number.to_bytes(NUMBER_BYTES, "little")
        self.inserted[merkle + id_bytes] = record_of(encoding, numbers, kept)
        if kept:
            self.placed.append((key, number, kept))
        if parent is None:
            self.root = Ref(merkle + id_bytes)
        else:
            parent.merkles.append(merkle)
            parent.numbers.append(id_bytes)
