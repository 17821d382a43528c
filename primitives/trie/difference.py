"""What two tries hold differently, without visiting what they share.

Both are walked side by side in the order of keys. Where both have the same Merkle value at the same
place, everything below is equal and is left out, so the cost is that of the paths that differ.

Guarantees: each key once, in order. Bounds: as deep as the tries, nothing recurses.
"""

from collections.abc import Iterator

from primitives.trie.node import NIBBLES, Node, Ref
from primitives.trie.trie import EMPTY, Trie

__all__ = ["differences"]


def differences(
    old: Trie, new: Trie, prefix: bytes = b""
) -> Iterator[tuple[bytes, bytes | None, bytes | None]]:
    """Keys below ``prefix`` that hold something else: the key, what it held, and what it holds."""
    left, right = _Side(old, prefix.hex()), _Side(new, prefix.hex())
    while left.places or right.places:
        first = left.places[-1] if left.places else None
        second = right.places[-1] if right.places else None
        if first is not None and second is not None and _is_same(first, second):
            left.places.pop()
            right.places.pop()
        elif first is not None and not first.is_value and _comes_first(first, second):
            left.open()
        elif second is not None and not second.is_value and _comes_first(second, first):
            right.open()
        elif second is None or (first is not None and first.path < second.path):
            yield bytes.fromhex(left.places[-1].path), left.take(), None
        elif first is None or second.path < first.path:
            yield bytes.fromhex(second.path), None, right.take()
        else:
            before, after = left.take(), right.take()
            if before != after:
                yield bytes.fromhex(first.path), before, after


class _Place:
    """A subtree that begins at ``path``, or the value of the key ``path``."""

    __slots__ = ("child", "is_value", "path")

    def __init__(self, path: str, child: Node | Ref, *, is_value: bool) -> None:
        self.path = path
        self.child = child
        self.is_value = is_value


def _is_same(first: _Place, second: _Place) -> bool:
    if first.is_value or second.is_value or first.path != second.path:
        return False
    merkle = first.child.merkle
    return bool(merkle) and merkle == second.child.merkle


def _comes_first(subtree: _Place, other: _Place | None) -> bool:
    return other is None or subtree.path <= other.path


class _Side:
    """What is left to see of one trie; the next place is the last of ``places``."""

    def __init__(self, trie: Trie, prefix: str) -> None:
        self._trie = trie
        self._prefix = prefix
        self.places: list[_Place] = []
        if trie.root != EMPTY:
            self.places.append(_Place("", trie.root, is_value=False))

    def open(self) -> None:
        """Replace the next place, a subtree, by what is in it."""
        place = self.places.pop()
        node = place.child if isinstance(place.child, Node) else self._trie.read(place.child)
        path = place.path + node.partial
        if not self._concerns(path):
            return
        for slot in range(15, -1, -1):
            child = None if node.children is None else node.children[slot]
            if child is not None and self._concerns(path + NIBBLES[slot]):
                self.places.append(_Place(path + NIBBLES[slot], child, is_value=False))
        if node.has_value and path.startswith(self._prefix):
            self.places.append(_Place(path, node, is_value=True))

    def _concerns(self, path: str) -> bool:
        return path.startswith(self._prefix) or self._prefix.startswith(path)

    def take(self) -> bytes:
        """The value at the next place."""
        node = self.places.pop().child
        assert isinstance(node, Node), "because a value comes with its node"
        assert node.value is not None, "because a reader fills values in"
        return node.value
