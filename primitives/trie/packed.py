"""Nodes as they are kept, and new values written into them without unpacking a branch.

A record is what a keeper holds of a node:

```text
4 B    length of the encoding, little-endian
…      the encoding (see ``node``)
8 B    per child that is named by hash: its number, little-endian, in order of the slots
…      the value, if the encoding has it by hash
```

The number of a leaf has its highest bit set (``LEAF``), so whoever has a branch knows which of its
children are leaves, and need not read one to replace it.

``overwrite`` takes keys in order and walks the trie once, as a cursor: a branch is opened when the
first key below it comes and closed after the last one. In between its bytes are patched in place,
at offsets that follow from the bitmap where all children are named by hash, as most are. Keys that
lead past a branch with a value or to a node inside its parent, or where the shape has to change,
are handed back.

Bounds: as deep as the trie, nothing recurses. Cost: each node on the paths once.
"""

from collections.abc import Callable, Collection, Iterable
from struct import unpack
from typing import Final, NamedTuple

from primitives.errors import DecodeError
from primitives.trie.node import (
    HASH_BYTES,
    NIBBLE_OF,
    NUMBER_BYTES,
    VALUE_INLINE_BYTES_MAX,
    Layout,
    Node,
    Ref,
    decode_node,
    encode_leaf,
    hash_of,
)

__all__ = [
    "LEAF",
    "LEAF_BYTE",
    "Entry",
    "Overwritten",
    "encoding_of",
    "numbers_of",
    "overwrite",
    "pack_record",
    "record_of",
    "unpack_record",
]

LEAF: Final = 1 << 63
"""In the number of a leaf."""
LEAF_BYTE: Final = LEAF >> 56
"""The last byte of a leaf's hash and number is this one or a higher one."""

Entry = tuple[bytes, bytes, bytes]
"""A key, the value that it has, and the one that it gets."""

_LENGTH_BYTES: Final = 4
_BRANCH, _BRANCH_END, _ROOM = 0x80, 0xC0, 0x3F
_BITMAP_BYTES: Final = 2
_CHILD_BYTES: Final = 1 + HASH_BYTES

_Places = dict[int, tuple[int, int]]
_Open = tuple[bytearray, str, int, int, int, _Places | None, int, int]
"""A branch that is being patched: its record, the whole path to it, where the numbers begin, where
the children begin, which there are, where hash and number of each are if not in a row, and where
its parent has hash and number of it."""


class Overwritten(NamedTuple):
    """What ``overwrite`` made.

    Records by hash and number, children before their parents; hashes and numbers of the nodes that
    gave way to these; the keys whose values are kept by hash, with node and value; what is left.
    """

    root: Ref
    inserted: dict[bytes, bytes]
    removed: list[bytes]
    placed: list[tuple[bytes, int, bytes]]
    rest: list[Entry]


def numbers_of(refs: Collection[bytes]) -> tuple[int, ...]:
    """The numbers of the nodes with these hashes and numbers."""
    return unpack(f"<{len(refs)}Q", b"".join([ref[HASH_BYTES:] for ref in refs]))


def record_of(encoding: bytes, numbers: Iterable[bytes], value: bytes) -> bytes:
    """The record of a node: ``value`` is empty unless the encoding has it by hash."""
    return b"".join((len(encoding).to_bytes(_LENGTH_BYTES, "little"), encoding, *numbers, value))


def pack_record(encoding: bytes, node: Node) -> bytes:
    """The record of ``node``, which has this encoding."""
    numbers = [child[HASH_BYTES:] for child in node.children or () if type(child) is Ref]
    value = b"" if node.value_hash is None or node.value is None else node.value
    return record_of(encoding, numbers, value)


def encoding_of(record: bytes) -> bytes:
    """The node's bytes on the wire."""
    end = _LENGTH_BYTES + int.from_bytes(record[:_LENGTH_BYTES], "little")
    return record[_LENGTH_BYTES:end]


def unpack_record(record: bytes, number: int) -> Node:
    """The node of a record whose encoding was checked against its hash. Raises: DecodeError."""
    at = _LENGTH_BYTES + int.from_bytes(record[:_LENGTH_BYTES], "little")
    node = decode_node(record[_LENGTH_BYTES:at], record[at : at + 16 * NUMBER_BYTES])
    if node is None:
        raise DecodeError("trie node: it is empty")
    end = at
    if node.children is not None:
        # Absent children are None, and those inside the node are nodes.
        end += NUMBER_BYTES * len([1 for child in node.children if type(child) is Ref])
    if end > len(record):
        raise DecodeError("trie node: it is cut short")
    node.id = number
    value = record[end:]
    if node.value_hash is not None:
        if hash_of(value) != node.value_hash:
            raise DecodeError("trie node: the value does not match its hash")
        node.value = value
    elif value:
        raise DecodeError("trie node: bytes follow it")
    return node


def overwrite(
    read: Callable[[bytes], bytes],
    root: Ref,
    entries: Iterable[Entry],
    allocate: Callable[[], int],
    layout: Layout,
) -> Overwritten:
    """Write new values where others are; the entries are in order of their keys.

    ``read`` has the record of a branch by its hash and number, as in ``Ref``. Leaves are not read:
    the value before must make the hash that the branch has.
    """
    cursor = _Cursor(read, allocate, by_hash=layout is Layout.V1)
    rest = [entry for entry in entries if not cursor.write(root, entry)]
    while cursor.stack:
        root = Ref(cursor.close())
    return Overwritten(root, cursor.inserted, cursor.removed, cursor.placed, rest)


class _Cursor:
    """The branches on the way to the last key, and what was made of those before.

    Every call of these methods costs each block thousandfold, so they say things at length.
    """

    __slots__ = ("_allocate", "_by_hash", "_read", "inserted", "placed", "removed", "stack")

    def __init__(
        self, read: Callable[[bytes], bytes], allocate: Callable[[], int], *, by_hash: bool
    ) -> None:
        self._read = read
        self._allocate = allocate
        self._by_hash = by_hash
        self.stack: list[_Open] = []
        self.inserted: dict[bytes, bytes] = {}
        self.removed: list[bytes] = []
        self.placed: list[tuple[bytes, int, bytes]] = []

    def write(self, root: Ref, entry: Entry) -> bool:
        """Write one value; False: it needs more than patches."""
        key, old, value = entry
        path, stack = key.hex(), self.stack
        while len(stack) > 1 and not path.startswith(stack[-1][1]):
            self.close()
        if not stack and (
            root.id == 0 or root[-1] >= LEAF_BYTE or not self._open(root, path, 0, 0, 0)
        ):
            return False
        while True:
            record, above, end, first, bitmap, places, _, _ = stack[-1]
            depth = len(above)
            if depth >= len(path) or not path.startswith(above):
                return False
            bit = 1 << NIBBLE_OF[path[depth]]
            if not bitmap & bit:
                return False
            index = (bitmap & (bit - 1)).bit_count()
            if places is None:
                hash_at = first + _CHILD_BYTES * index + 1
                number_at = end + NUMBER_BYTES * index
            elif index in places:
                hash_at, number_at = places[index]
            else:
                return False
            child = bytes(
                record[hash_at : hash_at + HASH_BYTES]
                + record[number_at : number_at + NUMBER_BYTES]
            )
            if child[-1] >= LEAF_BYTE:
                break
            if not self._open(child, path, depth + 1, hash_at, number_at):
                return False
        rest, by_hash = len(path) - depth - 1, self._by_hash
        is_old_hashed = by_hash and len(old) > VALUE_INLINE_BYTES_MAX
        before = encode_leaf(key, rest, old, by_hash=is_old_hashed)
        if hash_of(before) != child[:HASH_BYTES]:
            return False
        is_hashed = by_hash and len(value) > VALUE_INLINE_BYTES_MAX
        if is_hashed and is_old_hashed:
            encoding = before[:-HASH_BYTES] + hash_of(value)
        else:
            encoding = encode_leaf(key, rest, value, by_hash=is_hashed)
            if len(encoding) < HASH_BYTES:
                return False
        number = self._allocate() | LEAF
        merkle, id_bytes = hash_of(encoding), number.to_bytes(NUMBER_BYTES, "little")
        kept = len(encoding).to_bytes(_LENGTH_BYTES, "little") + encoding
        if is_hashed:
            kept += value
            self.placed.append((key, number, value))
        self.inserted[merkle + id_bytes] = kept
        self.removed.append(child)
        record[hash_at : hash_at + HASH_BYTES] = merkle
        record[number_at : number_at + NUMBER_BYTES] = id_bytes
        return True

    def _open(self, ref: bytes, path: str, depth: int, hash_at: int, number_at: int) -> bool:
        """Open the branch that ``path`` meets at ``depth``; False if it cannot be patched."""
        record = self._read(ref)
        at = _LENGTH_BYTES + 1
        kind = record[_LENGTH_BYTES]
        if kind != _BRANCH:
            if not _BRANCH < kind < _BRANCH_END:
                return False
            count = kind & _ROOM
            more = 255 if count == _ROOM else 0
            while more == 255:
                more, at = record[at], at + 1
                count += more
            partial = record[at : at + (count + 1) // 2].hex()
            if not path.startswith(partial[1:] if count & 1 else partial, depth):
                return False
            depth, at = depth + count, at + (count + 1) // 2
        bitmap = record[at] | record[at + 1] << 8
        first = at + _BITMAP_BYTES
        count = bitmap.bit_count()
        end = first + _CHILD_BYTES * count
        # A child inside the branch, which has no hash and no number, makes it shorter.
        places = None
        if len(record) != end + NUMBER_BYTES * count:
            places, end = _places_of(record, first, count)
        self.removed.append(ref)
        self.stack.append(
            (bytearray(record), path[:depth], end, first, bitmap, places, hash_at, number_at)
        )
        return True

    def close(self) -> bytes:
        """Hash the last branch, whose children are right, and let its parent name the new one."""
        changed, _, end, _, _, _, hash_at, number_at = self.stack.pop()
        record = bytes(changed)
        merkle = hash_of(record[_LENGTH_BYTES:end])
        number = self._allocate().to_bytes(NUMBER_BYTES, "little")
        ref = merkle + number
        self.inserted[ref] = record
        if self.stack:
            parent = self.stack[-1][0]
            parent[hash_at : hash_at + HASH_BYTES] = merkle
            parent[number_at : number_at + NUMBER_BYTES] = number
        return ref


def _places_of(record: bytes, at: int, count: int) -> tuple[_Places, int]:
    """Where a branch has hashes and numbers of its children, by index, and where its numbers begin.

    Children inside it have neither.
    """
    end = number_at = _LENGTH_BYTES + int.from_bytes(record[:_LENGTH_BYTES], "little")
    places: _Places = {}
    for index in range(count):
        size = record[at] >> 2
        if size == HASH_BYTES:
            places[index] = at + 1, number_at
            number_at += NUMBER_BYTES
        at += 1 + size
    return places, end
