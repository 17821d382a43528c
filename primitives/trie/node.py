"""One node of the trie: its shape in memory and its bytes on the wire.

A path is a string of hexadecimal digits, one per nibble: slicing, comparing and packing them are
then single calls, and their order is the order of the keys.

```text
header        1 B and more   01nnnnnn leaf · 10nnnnnn branch · 11nnnnnn branch with value
                             001nnnnn leaf, value by hash · 0001nnnn branch, value by hash
                             n = nibbles; all ones: add the bytes that follow, up to one below 255
partial path  ceil(n / 2)    packed nibbles; if n is odd, the first byte's high half is zero
children      2 B            branches only: bitmap, little-endian
value         …              compact length and bytes, or 32 bytes of hash
child merkle  …              per child: compact length and the hash, or the child itself if < 32 B
```

Decoding is strict: what it accepts, encoding writes again. A node that no builder would make (a
branch of one child without a value, an empty node inside) is refused. Bounds: ``KEY_NIBBLES_MAX``
nibbles in a path, values below ``VALUE_BYTES_LIMIT``; a child inside its parent has fewer than 32
bytes, so nesting is shallow.
Source: polkadot-spec, "State storage and the storage trie"; Substrate's layouts V0 and V1.
"""

from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from hashlib import blake2b
from typing import Final, Self

from primitives.errors import DecodeError

__all__ = [
    "EMPTY_NODE",
    "HASH_BYTES",
    "KEY_NIBBLES_MAX",
    "NIBBLES",
    "NIBBLE_OF",
    "NUMBER_BYTES",
    "VALUE_BYTES_LIMIT",
    "VALUE_INLINE_BYTES_MAX",
    "Child",
    "Layout",
    "Node",
    "Ref",
    "decode_node",
    "encode_branch",
    "encode_leaf",
    "encode_length",
    "encode_node",
    "hash_of",
]

HASH_BYTES: Final = 32
NUMBER_BYTES: Final = 8
EMPTY_NODE: Final = b"\x00"
VALUE_INLINE_BYTES_MAX: Final = 32
"""Layout V1 stores longer values by their hash (Substrate: threshold 33)."""
KEY_NIBBLES_MAX: Final = 65_535
VALUE_BYTES_LIMIT: Final = 1 << 30
NIBBLES: Final = "0123456789abcdef"
NIBBLE_OF: Final = {digit: index for index, digit in enumerate(NIBBLES)}

_HASHER: Final = blake2b(digest_size=HASH_BYTES)
_HEADERS_MAX: Final = 1_024
"""Headers that are kept ready."""
_LEAF, _BRANCH, _BRANCH_VALUE = 0x40, 0x80, 0xC0
_LEAF_HASHED, _BRANCH_HASHED = 0x20, 0x10
_HASHED: Final = bytes([HASH_BYTES << 2])
_HASHED_BYTES: Final = 1 + HASH_BYTES
SLOTS_OF_BYTE: Final = tuple(
    tuple(slot for slot in range(8) if byte >> slot & 1) for byte in range(256)
)
"""The bits of a byte that are set: the children of half a branch."""
_NO_NUMBERS: Final = bytes(16 * NUMBER_BYTES)
_SHORT: Final = tuple(bytes([length << 2]) for length in range(64))


class Layout(Enum):
    """How values are stored: V0 all in their node, V1 those above 32 bytes by hash."""

    V0 = 0
    V1 = 1


def hash_of(data: bytes) -> bytes:
    """BLAKE2b-256 as plain bytes: what links nodes."""
    hasher = _HASHER.copy()  # a third faster than a new one with its parameters
    hasher.update(data)
    return hasher.digest()


class Ref(bytes):
    """Names a node that is kept elsewhere: its hash, and the number its keeper gave it.

    40 bytes: a cache holds hundreds of thousands of these, and the collector need not look at them.
    """

    __slots__ = ()

    @classmethod
    def of(cls, merkle: bytes, number: int) -> Self:
        """The node with this hash, kept under this number."""
        return cls(merkle + number.to_bytes(NUMBER_BYTES, "little"))

    @property
    def merkle(self) -> bytes:
        """The hash of the node's encoding."""
        return self[:HASH_BYTES]

    @property
    def id(self) -> int:
        """The number it is kept under; 0 if it is kept nowhere."""
        return int.from_bytes(self[HASH_BYTES:], "little")

    def __repr__(self) -> str:
        return f"Ref({self.merkle.hex()}, {self.id})"


class Node:
    """A leaf (``children`` is None) or a branch (16 places).

    ``value_hash`` is set where the wire holds the value by its hash; ``value`` is then the value
    itself, or None where it is not known (a node just decoded). ``merkle`` is the encoding of a
    node that lives inside its parent. Nodes that an update returned are never changed again.
    """

    __slots__ = ("children", "id", "merkle", "partial", "value", "value_hash")

    def __init__(
        self,
        partial: str,
        value: bytes | None,
        value_hash: bytes | None,
        children: "list[Child] | None",
        id: int,  # noqa: A002  # the word of the field
    ) -> None:
        self.partial = partial
        self.value = value
        self.value_hash = value_hash
        self.children = children
        self.id = id
        self.merkle = b""

    @property
    def has_value(self) -> bool:
        """Whether a key ends here."""
        return self.value is not None or self.value_hash is not None


Child = Node | Ref | None


@lru_cache(maxsize=_HEADERS_MAX)
def _header(kind: int, room: int, count: int) -> bytes:
    """The header of a node with ``count`` nibbles; ``room`` is what the first byte can hold."""
    if count < room:
        return bytes([kind | count])
    rest = count - room
    return bytes([kind | room]) + b"\xff" * (rest // 255) + bytes([rest % 255])


def encode_length(length: int) -> bytes:
    """``Compact<u32>`` of a length."""
    if length < 64:
        return _SHORT[length]
    if length < 1 << 14:
        return (length << 2 | 1).to_bytes(2, "little")
    assert length < VALUE_BYTES_LIMIT, "because the state refuses such values"
    return (length << 2 | 2).to_bytes(4, "little")


def encode_leaf(key: bytes, count: int, value: bytes, *, by_hash: bool) -> bytes:
    """The bytes of the leaf that has the last ``count`` nibbles of ``key`` as its path."""
    partial = key[len(key) - (count + 1 >> 1) :]
    if count & 1:
        partial = bytes([partial[0] & 0x0F]) + partial[1:]
    if by_hash:
        return _header(_LEAF_HASHED, 31, count) + partial + hash_of(value)
    return _header(_LEAF, 63, count) + partial + encode_length(len(value)) + value


def encode_branch(
    partial: str,
    bitmap: int,
    value: bytes | None,
    value_hash: bytes | None,
    merkles: Iterable[bytes],
) -> bytes:
    """The bytes of a branch; ``merkles`` are its children's, in order of their slots."""
    count = len(partial)
    if value_hash is not None:
        head = _header(_BRANCH_HASHED, 15, count)
    else:
        head = _header(_BRANCH if value is None else _BRANCH_VALUE, 63, count)
    parts = [
        head,
        bytes.fromhex("0" + partial if count & 1 else partial),
        bitmap.to_bytes(2, "little"),
    ]
    if value_hash is not None:
        parts.append(value_hash)
    elif value is not None:
        parts += (encode_length(len(value)), value)
    for merkle in merkles:
        parts += (_SHORT[len(merkle)], merkle)
    return b"".join(parts)


def encode_node(node: Node) -> bytes:
    """The bytes of ``node``; children inside it must have their ``merkle``."""
    partial, children, value_hash = node.partial, node.children, node.value_hash
    if children is not None:
        bitmap = 0
        merkles: list[bytes] = []
        for slot, child in enumerate(children):
            if child is not None:
                bitmap |= 1 << slot
                merkles.append(child[:HASH_BYTES] if type(child) is Ref else child.merkle)
        return encode_branch(partial, bitmap, node.value, value_hash, merkles)
    count = len(partial)
    path = bytes.fromhex("0" + partial if count & 1 else partial)
    if value_hash is not None:
        return _header(_LEAF_HASHED, 31, count) + path + value_hash
    assert node.value is not None, "because a leaf has a value"
    return _header(_LEAF, 63, count) + path + encode_length(len(node.value)) + node.value


def decode_node(
    data: bytes, numbers: bytes = _NO_NUMBERS, omitted: list[int] | None = None
) -> Node | None:
    """The node that ``data`` encodes, None for the empty trie's.

    Children named by hash get their numbers, 8 bytes each, from the front of ``numbers`` (the
    caller checks that they suffice); a value kept by hash is not filled in. Children of no bytes,
    which a compact proof has, are left out and their slots put into ``omitted``; without it they
    are refused. Raises: DecodeError.
    """
    if data == EMPTY_NODE:
        return None
    node, at = _decode(data, numbers, omitted)
    if at != len(data):
        raise DecodeError(f"trie node: {len(data) - at} bytes follow the node")
    return node


def _take(data: bytes, at: int, count: int, what: str) -> tuple[bytes, int]:
    end = at + count
    if end > len(data):
        raise DecodeError(f"trie node: it ends inside its {what}")
    return data[at:end], end


def _decode_length(data: bytes, at: int, what: str) -> tuple[int, int]:
    first, _ = _take(data, at, 1, what)
    mode = first[0] & 3
    if mode == 0:
        return first[0] >> 2, at + 1
    if mode == 3:
        raise DecodeError(f"trie node: the length of its {what} is over the limit")
    width = 2 if mode == 1 else 4
    raw, end = _take(data, at, width, what)
    length = int.from_bytes(raw, "little") >> 2
    if length < (64 if mode == 1 else 1 << 14):
        raise DecodeError(f"trie node: the length of its {what} is not in its shortest form")
    return length, end


def _decode_header(data: bytes) -> tuple[bool, bool, bool, int, int]:
    """(branch, has value, value by hash, nibbles, next position)."""
    first, at = _take(data, 0, 1, "header")
    byte = first[0]
    if byte >= _BRANCH_VALUE:
        branch, value, hashed, room = True, True, False, 63
    elif byte >= _BRANCH:
        branch, value, hashed, room = True, False, False, 63
    elif byte >= _LEAF:
        branch, value, hashed, room = False, True, False, 63
    elif byte >= _LEAF_HASHED:
        branch, value, hashed, room = False, True, True, 31
    elif byte >= _BRANCH_HASHED:
        branch, value, hashed, room = True, True, True, 15
    else:
        raise DecodeError(f"trie node: header {byte:#04x} is not one of a node")
    count = byte & room
    if count == room:
        while True:
            more, at = _take(data, at, 1, "header")
            count += more[0]
            if count > KEY_NIBBLES_MAX:
                raise DecodeError(f"trie node: its path has over {KEY_NIBBLES_MAX} nibbles")
            if more[0] < 255:
                break
    return branch, value, hashed, count, at


def _decode(data: bytes, numbers: bytes, omitted: list[int] | None = None) -> tuple[Node, int]:
    branch, has_value, hashed, count, at = _decode_header(data)
    end = at + (count + 1) // 2
    if end > len(data):
        raise DecodeError("trie node: it ends inside its path")
    partial, at = data[at:end].hex(), end
    if count & 1:
        if partial[0] != "0":
            raise DecodeError("trie node: the padding of its path is not zero")
        partial = partial[1:]
    bitmap = 0
    if branch:
        raw, at = _take(data, at, 2, "children")
        bitmap = int.from_bytes(raw, "little")
        if bitmap == 0 or (not has_value and bitmap & (bitmap - 1) == 0):
            raise DecodeError("trie node: a branch with too few children")
    value = value_hash = None
    if hashed:
        value_hash, at = _take(data, at, HASH_BYTES, "value's hash")
    elif has_value:
        length, at = _decode_length(data, at, "value")
        value, at = _take(data, at, length, "value")
    children: list[Child] | None = None
    if branch:
        children, at = _decode_children(data, at, bitmap, numbers, omitted)
    return Node(partial, value, value_hash, children, 0), at


def _decode_children(
    data: bytes, at: int, bitmap: int, numbers: bytes, omitted: list[int] | None
) -> tuple[list[Child], int]:
    children: list[Child] = [None] * 16
    count = bitmap.bit_count()
    all_hashed = data[at : at + _HASHED_BYTES * count : _HASHED_BYTES] == _HASHED * count
    taken = 0
    if all_hashed and at + _HASHED_BYTES * count <= len(data):
        for slot in SLOTS_OF_BYTE[bitmap & 0xFF]:
            merkle = data[at + 1 : at + _HASHED_BYTES]
            children[slot] = Ref(merkle + numbers[taken : taken + NUMBER_BYTES])
            at += _HASHED_BYTES
            taken += NUMBER_BYTES
        for slot in SLOTS_OF_BYTE[bitmap >> 8]:
            merkle = data[at + 1 : at + _HASHED_BYTES]
            children[slot + 8] = Ref(merkle + numbers[taken : taken + NUMBER_BYTES])
            at += _HASHED_BYTES
            taken += NUMBER_BYTES
        return children, at
    for slot in range(16):
        if not bitmap >> slot & 1:
            continue
        length, at = _decode_length(data, at, "child")
        if length == 0 and omitted is not None:
            omitted.append(slot)
            continue
        if length > HASH_BYTES or length == 0:
            raise DecodeError(f"trie node: a child of {length} bytes")
        merkle, at = _take(data, at, length, "child")
        if length == HASH_BYTES:
            children[slot] = Ref(merkle + numbers[taken : taken + NUMBER_BYTES])
            taken += NUMBER_BYTES
            continue
        child, end = _decode(merkle, b"")  # shorter than 32 bytes, so it nests only a few deep
        if end != length:
            raise DecodeError("trie node: bytes follow a child inside it")
        child.merkle = merkle
        children[slot] = child
    return children, at
