"""What peers say to one another, byte for byte as Substrate's nodes and smoldot say it.

Notifications are SCALE, questions and answers protobuf around SCALE. Decoding is strict where
the format has one form for each meaning, and takes what any protobuf writer may send elsewhere.
Everything raises ``DecodeError`` for bytes that are not such a message, and only that.

Bounds: the transport limits the bytes (``node.network.protocols``); the counts of parts are limited
here, and no part is decoded before its count is known.
"""

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Annotated, Final, TypeAlias

from node.network.protobuf import bytes_field, read, repeated_field, uint_field
from node.network.protocols import protocol_name, protocol_names
from node.network.transport import Roles
from primitives.digest import GRANDPA_ENGINE, EngineId
from primitives.errors import DecodeError
from primitives.header import Header, check_logs
from primitives.justification import GrandpaJustification
from primitives.scale import U8, U32, Compact, codec, struct
from primitives.types import Hash

__all__ = [
    "BLOCKS_MAX",
    "BODIES_MAX",
    "BODY_MAX",
    "FRAGMENTS_MAX",
    "JUSTIFICATIONS_MAX",
    "KEYS_MAX",
    "PROOF_NODES_MAX",
    "START_KEYS_MAX",
    "STATE_ENTRIES_MAX",
    "TRANSACTIONS_MAX",
    "BlockAnnounce",
    "BlockAnnouncesHandshake",
    "BlockData",
    "BlockFields",
    "BlockRequest",
    "BlockResponse",
    "Direction",
    "KeyValueState",
    "LightRequest",
    "LightResponse",
    "RemoteCall",
    "RemoteRead",
    "RemoteReadChild",
    "StateRequest",
    "StateResponse",
    "WarpProof",
    "count_transactions",
    "decode_light_request",
    "decode_roles",
    "decode_transactions",
    "decode_warp_request",
    "encode_roles",
    "encode_transactions",
    "protocol_name",
    "protocol_names",
]

BLOCKS_MAX: Final = 128
"""Blocks of one answer."""
BODY_MAX: Final = 1 << 16
"""Extrinsics of one block."""
BODIES_MAX: Final = 1 << 17
"""Extrinsics of all blocks of an answer: reading and hashing one takes 30 µs, however short it is,
and millions would fit."""
JUSTIFICATIONS_MAX: Final = 8
"""Justifications of one block: one for each engine."""
TRANSACTIONS_MAX: Final = 1 << 14
"""Transactions of one notification."""
KEYS_MAX: Final = 1 << 12
"""Keys of one question about state."""
START_KEYS_MAX: Final = 4
"""Where to go on, of one question for state: a key, and one in each child trie above it."""
STATE_ENTRIES_MAX: Final = 1 << 17
"""Entries of state in one answer."""
STATE_PARTS_MAX: Final = 64
"""Tries of one answer with state."""
PROOF_NODES_MAX: Final = 1 << 17
"""Trie nodes of one proof."""
FRAGMENTS_MAX: Final = 1 << 16
"""Set changes of one warp proof."""
METHOD_CHARS_MAX: Final = 128
"""Of the name of a runtime call."""

_U32_MAX: Final = (1 << 32) - 1
_NUMBER_BYTES: Final = range(4, 9)
"""A block number is 4 bytes; clients that hold it in 8 bytes send those."""


# --- notifications ------------------------------------------------------------------------------


def encode_roles(roles: Roles) -> bytes:
    """The handshake of ``transactions/1`` and ``grandpa/1``: one byte, one role."""
    for role in (Roles.AUTHORITY, Roles.LIGHT):
        if role in roles:
            return bytes((role,))
    return bytes((Roles.FULL,))


def decode_roles(data: bytes) -> Roles:
    """The role of a handshake. Raises: DecodeError."""
    if len(data) != 1 or data[0] not in (Roles.FULL, Roles.LIGHT, Roles.AUTHORITY):
        raise DecodeError("a handshake names one role: full (1), light (2) or authority (4)")
    return Roles(data[0])


@struct
class _Handshake:
    roles: U8
    best_number: U32
    best_hash: Hash
    genesis_hash: Hash


@dataclass(frozen=True, slots=True)
class BlockAnnouncesHandshake:
    """What peers say first of all: who they are, and how far they have got on which chain."""

    roles: Roles
    best_number: int
    best_hash: Hash
    genesis_hash: Hash

    def encode(self) -> bytes:
        """Its 69 bytes."""
        role = encode_roles(self.roles)[0]
        return codec(_Handshake).encode(
            _Handshake(U8(role), U32(self.best_number), self.best_hash, self.genesis_hash)
        )

    @classmethod
    def decode(cls, data: bytes) -> "BlockAnnouncesHandshake":
        """The handshake. Raises: DecodeError."""
        raw = codec(_Handshake).decode(data)
        roles = decode_roles(bytes((raw.roles,)))
        return cls(roles, int(raw.best_number), raw.best_hash, raw.genesis_hash)


@struct
class _Announce:
    header: Header
    is_best: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class BlockAnnounce:
    """A peer has this block; ``is_best``: and it is the best that it knows."""

    header: Header
    is_best: bool
    data: bytes = b""

    def encode(self) -> bytes:
        """Its bytes."""
        return codec(_Announce).encode(_Announce(self.header, self.is_best, self.data))

    @classmethod
    def decode(cls, data: bytes) -> "BlockAnnounce":
        """The announcement. Raises: DecodeError."""
        check_logs(data)
        raw = codec(_Announce).decode(data)
        return cls(raw.header, raw.is_best, raw.data)


_COUNT: Final = Annotated[U32, Compact]


def encode_transactions(transactions: tuple[bytes, ...]) -> bytes:
    """A notification of transactions, each with its length in front, as they stand in a block."""
    return codec(_COUNT).encode(U32(len(transactions))) + b"".join(transactions)


def count_transactions(data: bytes) -> int:
    """How many transactions a notification says that it has. Raises: DecodeError."""
    return int(codec(_COUNT).decode_from(data, 0)[0])


def decode_transactions(data: bytes) -> tuple[bytes, ...]:
    """The transactions of a notification, each with its length in front. Raises: DecodeError."""
    count, at = codec(_COUNT).decode_from(data, 0)
    if count > TRANSACTIONS_MAX:
        raise DecodeError(f"{count} transactions in one message; at most {TRANSACTIONS_MAX}")
    found = []
    for _ in range(count):
        length, start = codec(_COUNT).decode_from(data, at)
        end = start + length
        if end > len(data):
            raise DecodeError("a transaction is cut off")
        found.append(data[at:end])
        at = end
    if at != len(data):
        raise DecodeError(f"{len(data) - at} bytes after the last transaction")
    return tuple(found)


# --- sync/2 -------------------------------------------------------------------------------------


class BlockFields(IntFlag):
    """Parts of a block that are asked for; on the wire they are the top byte of 32 bits."""

    HEADER = 1 << 0
    BODY = 1 << 1
    RECEIPT = 1 << 2
    MESSAGE_QUEUE = 1 << 3
    JUSTIFICATION = 1 << 4
    INDEXED_BODY = 1 << 5


_FIELDS_SHIFT: Final = 24
_FIELDS_KNOWN: Final = 0x3F


class Direction(IntEnum):
    """Which way from the first block."""

    ASCENDING = 0
    DESCENDING = 1


@dataclass(frozen=True, slots=True)
class BlockRequest:
    """A question for blocks; ``max_blocks`` 0 leaves the count to the peer."""

    fields: BlockFields
    start: Hash | int
    direction: Direction
    max_blocks: int
    multiple_justifications: bool = True

    def encode(self) -> bytes:
        """Its bytes."""
        start = (
            bytes_field(3, self.start.to_bytes(4, "little"))
            if isinstance(self.start, int)
            else bytes_field(2, self.start)
        )
        return (
            uint_field(1, int(self.fields) << _FIELDS_SHIFT)
            + start
            + uint_field(5, self.direction)
            + uint_field(6, self.max_blocks)
            + uint_field(7, int(self.multiple_justifications))
        )

    @classmethod
    def decode(cls, data: bytes) -> "BlockRequest":
        """The question. Raises: DecodeError."""
        raw = read(data)
        flags = raw.uint(1, maximum=_U32_MAX)
        if flags & ((1 << _FIELDS_SHIFT) - 1) or flags >> _FIELDS_SHIFT > _FIELDS_KNOWN:
            raise DecodeError(f"unknown parts of a block: {flags:#010x}")
        hash_, number = raw.optional(2), raw.optional(3)
        if (hash_ is None) == (number is None):
            raise DecodeError("a question for blocks begins at a hash or at a number")
        start: Hash | int
        if hash_ is not None:
            start = _hash(hash_)
        else:
            assert number is not None
            start = int.from_bytes(number, "little")
            if len(number) not in _NUMBER_BYTES or start > _U32_MAX:
                raise DecodeError("a block number is 4 bytes")
        return cls(
            BlockFields(flags >> _FIELDS_SHIFT),
            start,
            Direction(raw.uint(5, maximum=1)),
            raw.uint(6, maximum=_U32_MAX),
            bool(raw.uint(7, maximum=1)),
        )


@dataclass(frozen=True, slots=True)
class BlockData:
    """A block, as far as it was asked for; extrinsics have their length in front."""

    hash: Hash
    header: bytes | None = None
    body: tuple[bytes, ...] | None = None
    justifications: tuple[tuple[bytes, bytes], ...] = ()

    def encode(self, *, multiple_justifications: bool = True) -> bytes:
        """Its bytes; old peers take the justification of GRANDPA only, in a field of its own."""
        out = bytes_field(1, self.hash) + bytes_field(2, self.header or b"")
        if self.body is not None:
            out += repeated_field(3, self.body)
        if not self.justifications:
            return out
        if multiple_justifications:
            pairs = tuple((EngineId(engine), data) for engine, data in self.justifications)
            return out + bytes_field(8, codec(tuple[tuple[EngineId, bytes], ...]).encode(pairs))
        for engine, data in self.justifications:
            if engine == GRANDPA_ENGINE:
                out += bytes_field(6, data) + uint_field(7, int(not data))
        return out

    @classmethod
    def decode(cls, data: bytes) -> "BlockData":
        """The block. Raises: DecodeError."""
        raw = read(data)
        body = raw.repeated(3, maximum=BODY_MAX)
        pairs = raw.blob(8)
        justifications: tuple[tuple[bytes, bytes], ...] = ()
        if pairs:
            found = codec(tuple[tuple[EngineId, bytes], ...]).decode(pairs)
            if len(found) > JUSTIFICATIONS_MAX:
                raise DecodeError(f"a block has at most {JUSTIFICATIONS_MAX} justifications")
            justifications = tuple((bytes(engine), proof) for engine, proof in found)
        elif raw.blob(6) or raw.uint(7, maximum=1):
            justifications = ((bytes(GRANDPA_ENGINE), raw.blob(6)),)
        return cls(_hash(raw.blob(1)), raw.optional(2), body or None, justifications)


@dataclass(frozen=True, slots=True)
class BlockResponse:
    """Blocks, in the order that was asked for.

    A block without extrinsics and one whose body was not asked for look the same: body is None.
    """

    blocks: tuple[BlockData, ...]

    def encode(self, *, multiple_justifications: bool = True) -> bytes:
        """Its bytes."""
        return repeated_field(
            1,
            (
                block.encode(multiple_justifications=multiple_justifications)
                for block in self.blocks
            ),
        )

    @classmethod
    def decode(cls, data: bytes) -> "BlockResponse":
        """The blocks. Raises: DecodeError."""
        found, extrinsics = [], 0
        for raw in read(data).repeated(1, maximum=BLOCKS_MAX):
            block = BlockData.decode(raw)
            extrinsics += len(block.body or ())
            if extrinsics > BODIES_MAX:
                raise DecodeError(f"an answer has at most {BODIES_MAX} extrinsics")
            found.append(block)
        return cls(tuple(found))


# --- state/2 ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StateRequest:
    """A question for the state of a block, from the keys ``start`` on."""

    block: Hash
    start: tuple[bytes, ...] = ()
    no_proof: bool = False

    def encode(self) -> bytes:
        """Its bytes."""
        return (
            bytes_field(1, self.block)
            + repeated_field(2, self.start)
            + uint_field(3, int(self.no_proof))
        )

    @classmethod
    def decode(cls, data: bytes) -> "StateRequest":
        """The question. Raises: DecodeError."""
        raw = read(data)
        return cls(
            _hash(raw.blob(1)),
            raw.repeated(2, maximum=START_KEYS_MAX),
            bool(raw.uint(3, maximum=1)),
        )


@dataclass(frozen=True, slots=True)
class KeyValueState:
    """Entries of one trie, without a proof; an empty root is the main trie."""

    state_root: bytes
    entries: tuple[tuple[bytes, bytes], ...]
    complete: bool

    def encode(self) -> bytes:
        """Its bytes."""
        return (
            bytes_field(1, self.state_root)
            + repeated_field(
                2, (bytes_field(1, key) + bytes_field(2, value) for key, value in self.entries)
            )
            + uint_field(3, int(self.complete))
        )

    @classmethod
    def decode(cls, data: bytes) -> "KeyValueState":
        """The entries. Raises: DecodeError."""
        raw = read(data)
        root = raw.blob(1)
        if root:
            _hash(root)
        entries = []
        for part in raw.repeated(2, maximum=STATE_ENTRIES_MAX):
            entry = read(part)
            entries.append((entry.blob(1), entry.blob(2)))
        return cls(root, tuple(entries), bool(raw.uint(3, maximum=1)))


@dataclass(frozen=True, slots=True)
class StateResponse:
    """State: entries, or a proof that holds them (the SCALE encoding of its trie nodes)."""

    entries: tuple[KeyValueState, ...] = ()
    proof: bytes = b""

    def encode(self) -> bytes:
        """Its bytes."""
        return repeated_field(1, (part.encode() for part in self.entries)) + bytes_field(
            2, self.proof
        )

    @classmethod
    def decode(cls, data: bytes) -> "StateResponse":
        """The state. Raises: DecodeError."""
        raw = read(data)
        parts = raw.repeated(1, maximum=STATE_PARTS_MAX)
        return cls(tuple(KeyValueState.decode(part) for part in parts), raw.blob(2))


# --- light/2 ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RemoteCall:
    """A question for the proof of a runtime call."""

    block: Hash
    method: str
    data: bytes

    def encode(self) -> bytes:
        """Its bytes."""
        inner = (
            bytes_field(2, self.block)
            + bytes_field(3, self.method.encode())
            + bytes_field(4, self.data)
        )
        return repeated_field(1, (inner,))


@dataclass(frozen=True, slots=True)
class RemoteRead:
    """A question for the proof of values, or of their absence."""

    block: Hash
    keys: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Its bytes."""
        return repeated_field(2, (bytes_field(2, self.block) + repeated_field(3, self.keys),))


@dataclass(frozen=True, slots=True)
class RemoteReadChild:
    """The same in the child trie whose root stands at ``storage_key``."""

    block: Hash
    storage_key: bytes
    keys: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Its bytes."""
        inner = (
            bytes_field(2, self.block)
            + bytes_field(3, self.storage_key)
            + repeated_field(6, self.keys)
        )
        return repeated_field(4, (inner,))


LightRequest: TypeAlias = RemoteCall | RemoteRead | RemoteReadChild


def decode_light_request(data: bytes) -> LightRequest:
    """The question of a light client. Raises: DecodeError."""
    raw = read(data)
    found = [(number, part) for number in (1, 2, 4) if (part := raw.optional(number)) is not None]
    if len(found) != 1:
        raise DecodeError("a light client asks one thing at a time: a call, or keys")
    number, part = found[0]
    inner = read(part)
    block = _hash(inner.blob(2))
    if number == 1:
        try:
            method = inner.blob(3).decode("ascii")
        except UnicodeDecodeError:
            raise DecodeError("the name of a runtime call is ASCII") from None
        if len(method) > METHOD_CHARS_MAX:
            raise DecodeError(f"the name of a runtime call has at most {METHOD_CHARS_MAX} letters")
        return RemoteCall(block, method, inner.blob(4))
    if number == 2:
        return RemoteRead(block, inner.repeated(3, maximum=KEYS_MAX))
    return RemoteReadChild(block, inner.blob(3), inner.repeated(6, maximum=KEYS_MAX))


@dataclass(frozen=True, slots=True)
class LightResponse:
    """Trie nodes that prove the answer; None: the peer cannot say. Answers to calls say so."""

    proof: tuple[bytes, ...] | None
    is_call: bool = False

    def encode(self) -> bytes:
        """Its bytes."""
        inner = (
            b""
            if self.proof is None
            else repeated_field(2, (codec(tuple[bytes, ...]).encode(self.proof),))
        )
        return repeated_field(1 if self.is_call else 2, (inner,))

    @classmethod
    def decode(cls, data: bytes) -> "LightResponse":
        """The answer. Raises: DecodeError."""
        raw = read(data)
        call, values = raw.optional(1), raw.optional(2)
        if (call is None) == (values is None):
            raise DecodeError("an answer to a light client is to a call, or to keys")
        proof = read(call if call is not None else values or b"").optional(2)
        if proof is None:
            return cls(None, call is not None)
        nodes = codec(tuple[bytes, ...]).decode(proof)
        if len(nodes) > PROOF_NODES_MAX:
            raise DecodeError(f"a proof has at most {PROOF_NODES_MAX} nodes, not {len(nodes)}")
        return cls(nodes, call is not None)


# --- sync/warp ----------------------------------------------------------------------------------


def decode_warp_request(data: bytes) -> Hash:
    """The block after which set changes are asked for; its encoding is itself. DecodeError."""
    return _hash(data)


@struct
class _Fragment:
    header: Header
    justification: GrandpaJustification


@struct
class _WarpProof:
    fragments: tuple[_Fragment, ...]
    is_finished: bool


@dataclass(frozen=True, slots=True)
class WarpProof:
    """Each block that changed the set of voters, justified by the old set; the last may be any.

    ``is_finished``: the last is the newest that the peer can justify; else ask again from there.
    """

    fragments: tuple[tuple[Header, GrandpaJustification], ...] = field(default=())
    is_finished: bool = True

    def encode(self) -> bytes:
        """Its bytes."""
        fragments = tuple(_Fragment(header, proof) for header, proof in self.fragments)
        return codec(_WarpProof).encode(_WarpProof(fragments, self.is_finished))

    @classmethod
    def decode(cls, data: bytes) -> "WarpProof":
        """The proof. Raises: DecodeError."""
        raw = codec(_WarpProof).decode(data)
        if len(raw.fragments) > FRAGMENTS_MAX:
            raise DecodeError(f"a warp proof has at most {FRAGMENTS_MAX} fragments")
        return cls(
            tuple((part.header, part.justification) for part in raw.fragments), raw.is_finished
        )


def _hash(data: bytes) -> Hash:
    if len(data) != 32:
        raise DecodeError(f"a block hash is 32 bytes, not {len(data)}")
    return Hash(data)
