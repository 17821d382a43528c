"""Columns of the database and the bytes of their records (docs/specs/on-disk.md has the table).

A column is the first byte of a key. Records that no hash vouches for are sealed: the last 8 bytes
are BLAKE2b-64 of key and content, so that a flipped bit, or a value under another's key, is found
at the next read. Headers are checked against their own hash, trie nodes against their parent's.
"""

from collections.abc import Collection, Iterable, Mapping
from hashlib import blake2b
from struct import Struct, pack, unpack
from typing import Final

from node.database.errors import DatabaseFailed, corrupt
from node.database.kv import Batch
from primitives.errors import DecodeError
from primitives.scale import U8, U16, U32, U64, codec, struct
from primitives.trie import Node, Ref
from primitives.trie.node import HASH_BYTES, NUMBER_BYTES, hash_of
from primitives.trie.packed import encoding_of, unpack_record
from primitives.types import Hash

__all__ = [
    "BODY",
    "CANONICAL",
    "CHANGES",
    "FLAT",
    "FORMAT_KEY",
    "HEADER",
    "HEADS_KEY",
    "JOURNAL",
    "JUSTIFICATION",
    "MAGIC",
    "MARK",
    "NODE",
    "NOTE",
    "STATE",
    "UNFINALIZED",
    "VERSION",
    "Format",
    "Heads",
    "check_node_record",
    "decode_body",
    "decode_format",
    "decode_heads",
    "decode_journal",
    "decode_node_record",
    "decode_root",
    "delete_nodes",
    "encode_body",
    "encode_format",
    "encode_heads",
    "encode_journal",
    "encode_root",
    "mark_key",
    "node_key",
    "node_key_of",
    "number_key",
    "put_nodes",
    "seal",
    "unseal",
]

MAGIC: Final = b"CESSNODE"
VERSION: Final = 3

FORMAT_KEY: Final = b"mformat"
HEADS_KEY: Final = b"mheads"
HEADER: Final = b"h"
BODY: Final = b"b"
JUSTIFICATION: Final = b"j"
CANONICAL: Final = b"n"
UNFINALIZED: Final = b"u"
STATE: Final = b"s"
JOURNAL: Final = b"i"
NODE: Final = b"t"
NOTE: Final = b"x"
FLAT: Final = b"f"
CHANGES: Final = b"c"
MARK: Final = b"k"

SEAL_BYTES: Final = 8
_NODE_NUMBER: Final = Struct(">Q")


@struct
class Format:
    """What the directory is; written once."""

    version: U16
    archive: bool


@struct
class Heads:
    """Where the chain stands; rewritten with every batch."""

    genesis: Hash
    best: Hash
    best_number: U32
    finalized: Hash
    finalized_number: U32
    next_node: U64
    oldest_state: U32
    oldest_body: U32
    flat_side: U8
    flat_writes: U64


_BODY = codec(tuple[bytes, ...])
_FORMAT = codec(Format)
_HEADS = codec(Heads)


def encode_format(archive: bool) -> bytes:
    """The record that says what the directory is."""
    return seal(FORMAT_KEY, MAGIC + _FORMAT.encode(Format(U16(VERSION), archive)))


def decode_format(record: bytes) -> Format:
    """The record that says what the directory is. Raises: StorageCorrupt, DatabaseFailed."""
    content = unseal(FORMAT_KEY, record)
    if content[: len(MAGIC)] != MAGIC:
        raise corrupt("it is not a chain database of this program")
    version = int.from_bytes(content[len(MAGIC) : len(MAGIC) + 2], "little")
    if version != VERSION:
        raise DatabaseFailed(
            f"the chain database has format {version}, this program reads {VERSION}: run the "
            "version that made it, or `cess node purge-chain` and sync again"
        )
    try:
        return _FORMAT.decode(content[len(MAGIC) :])
    except DecodeError as error:
        raise corrupt(f"its format record: {error}") from error


def encode_heads(heads: Heads) -> bytes:
    """Where the chain stands."""
    return seal(HEADS_KEY, _HEADS.encode(heads))


def decode_heads(record: bytes) -> Heads:
    """Where the chain stands. Raises: StorageCorrupt."""
    try:
        return _HEADS.decode(unseal(HEADS_KEY, record))
    except DecodeError as error:
        raise corrupt(f"its heads record: {error}") from error


def _checksum(key: bytes, content: bytes) -> bytes:
    return blake2b(content, digest_size=SEAL_BYTES, salt=hash_of(key)[:16]).digest()


def seal(key: bytes, content: bytes) -> bytes:
    """``content`` with its checksum."""
    return content + _checksum(key, content)


def unseal(key: bytes, record: bytes) -> bytes:
    """The content of a sealed record. Raises: StorageCorrupt."""
    content, checksum = record[:-SEAL_BYTES], record[-SEAL_BYTES:]
    if checksum != _checksum(key, content):
        raise corrupt(f"the record {key[:1].decode()}:{key[1:].hex()} fails its checksum")
    return content


def number_key(column: bytes, number: int) -> bytes:
    """The key of a height: big-endian, so that heights come in order."""
    return column + pack(">I", number)


def node_key(number: int) -> bytes:
    """The key of the trie node with this number."""
    return NODE + _NODE_NUMBER.pack(number)


def node_key_of(ref: bytes) -> bytes:
    """The key of the trie node with this hash and number."""
    return NODE + ref[: HASH_BYTES - 1 : -1]  # the number's bytes, turned round


def put_nodes(batch: Batch, records: Mapping[bytes, bytes]) -> None:
    """Keep trie nodes; ``records`` are by hash and number."""
    # As `node_key_of`, spelled out: a block writes thousands.
    end = HASH_BYTES - 1
    batch.apply({NODE + ref[:end:-1]: record for ref, record in records.items()})


def delete_nodes(batch: Batch, numbers: Iterable[int]) -> None:
    """Delete the trie nodes with these numbers."""
    pack_number = _NODE_NUMBER.pack
    batch.apply(dict.fromkeys([NODE + pack_number(number) for number in numbers]))


def mark_key(number: int) -> bytes:
    """The key of the mark that a batch with this number leaves."""
    return MARK + pack(">Q", number)


def encode_body(body: tuple[bytes, ...]) -> bytes:
    """The extrinsics of a block."""
    return _BODY.encode(body)


def decode_body(content: bytes) -> tuple[bytes, ...]:
    """The extrinsics of a block."""
    try:
        return _BODY.decode(content)
    except DecodeError as error:
        raise corrupt(f"a body: {error}") from error


def encode_root(root: Ref) -> bytes:
    """A state: hash and number of its root node."""
    return bytes(root)


def decode_root(content: bytes) -> Ref:
    """A state: hash and number of its root node."""
    if len(content) != HASH_BYTES + NUMBER_BYTES:
        raise corrupt(f"a state record of {len(content)} bytes")
    return Ref(content)


def encode_journal(inserted: Collection[bytes], removed: Collection[bytes]) -> bytes:
    """The trie nodes that a block wrote and those that it no longer reaches.

    Given by hash and number, of which it has the numbers.
    """
    parts = [pack("<I", len(inserted))]
    parts += [ref[HASH_BYTES:] for ref in inserted]
    parts += [ref[HASH_BYTES:] for ref in removed]
    return b"".join(parts)


def decode_journal(content: bytes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The trie nodes that a block wrote and those that it no longer reaches."""
    count, rest = divmod(len(content) - 4, 8)
    first = int.from_bytes(content[:4], "little")
    if rest or first > count:
        raise corrupt("a journal of the wrong length")
    numbers = unpack(f"<{count}Q", content[4:])
    return numbers[:first], numbers[first:]


def check_node_record(ref: bytes, record: bytes) -> None:
    """The record must be that of the node with this hash and number. Raises: StorageCorrupt."""
    if hash_of(encoding_of(record)) != ref[:HASH_BYTES]:
        named = Ref(ref)
        raise corrupt(f"trie node {named.id} does not match its hash {named.merkle.hex()}")


def decode_node_record(ref: bytes, record: bytes) -> Node:
    """The node of a record that was checked. Raises: StorageCorrupt."""
    number = int.from_bytes(ref[HASH_BYTES:], "little")
    try:
        return unpack_record(record, number)
    except DecodeError as error:
        raise corrupt(f"trie node {number}: {error}") from error
