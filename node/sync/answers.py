"""Answers to what peers ask about blocks, states and finality; pure reading of the database.

Everything is as Substrate answers it: how many blocks and bytes, in which order, and which nodes
are in a proof.

Bounds: ``wire.BLOCKS_MAX`` blocks, ``wire.BODIES_MAX`` extrinsics and ``BODY_BYTES_MAX`` of them in
an answer, the first block always; ``ANSWER_BYTES_MAX`` with everything else; about
``STATE_BYTES_MAX`` of state; ``READ_KEYS_MAX`` keys of a light client.
"""

from collections.abc import Iterator
from typing import Final

from node.database import ChainDatabase, StateDiscarded, UnknownBlock
from node.network.transport import Cost, RequestRefused
from node.network.wire import (
    BLOCKS_MAX,
    BODIES_MAX,
    BlockData,
    BlockFields,
    BlockRequest,
    BlockResponse,
    Direction,
    KeyValueState,
    LightRequest,
    LightResponse,
    RemoteCall,
    RemoteRead,
    StateRequest,
    StateResponse,
)
from node.runtime.shim import shim_reads
from node.sync.state import encode_compact_proof
from primitives.digest import GRANDPA_ENGINE
from primitives.errors import DecodeError, StorageCorrupt
from primitives.trie import prove_range
from primitives.types import Hash

__all__ = [
    "ANSWER_BYTES_MAX",
    "BODY_BYTES_MAX",
    "HEAP_PAGES_KEY",
    "READ_KEYS_MAX",
    "STATE_BYTES_MAX",
    "blocks",
    "light_proof",
    "state",
]

BODY_BYTES_MAX: Final = 8 << 20
ANSWER_BYTES_MAX: Final = 15 << 20
STATE_BYTES_MAX: Final = 2 << 20
READ_KEYS_MAX: Final = 1024
HEAP_PAGES_KEY: Final = b":heappages"


def blocks(database: ChainDatabase, request: BlockRequest) -> BlockResponse:
    """The blocks that are here of those that were asked for.

    A damaged record ends the answer, lest one block keep all others of its range from who asks.
    Raises: StorageCorrupt, if the first block is damaged.
    """
    found: list[BlockData] = []
    try:
        for block in _blocks(database, request):
            found.append(block)  # noqa: PERF402  what came before the damage is kept
    except StorageCorrupt:
        if not found:
            raise
    return BlockResponse(tuple(found))


def _blocks(database: ChainDatabase, request: BlockRequest) -> Iterator[BlockData]:
    count = min(request.max_blocks or BLOCKS_MAX, BLOCKS_MAX)
    body_bytes = total_bytes = extrinsics = 0
    start = request.start
    hash_ = database.canonical_hash(start) if isinstance(start, int) else start
    below: Hash | None = None
    for done in range(count):
        header = None if hash_ is None else database.header(hash_)
        if hash_ is None or header is None or (below is not None and header.parent_hash != below):
            return
        raw = header.encode() if BlockFields.HEADER in request.fields else None
        body = None
        if BlockFields.BODY in request.fields:
            body = database.body(hash_)
            if body is None:
                return
        proof = None
        if BlockFields.JUSTIFICATION in request.fields:
            proof = database.justification(hash_)
        proofs = () if proof is None else ((bytes(GRANDPA_ENGINE), proof),)
        body_bytes += sum(map(len, body or ()))
        total_bytes += len(raw or b"") + sum(map(len, body or ())) + len(proof or b"")
        extrinsics += len(body or ())
        is_long = body_bytes > BODY_BYTES_MAX or total_bytes > ANSWER_BYTES_MAX
        if done and (is_long or extrinsics > BODIES_MAX):
            return
        yield BlockData(hash_, raw, body, proofs)
        number = int(header.number)
        if request.direction is Direction.ASCENDING:
            below, hash_ = hash_, database.canonical_hash(number + 1)
        else:
            hash_ = header.parent_hash if number else None


def state(database: ChainDatabase, request: StateRequest) -> StateResponse:
    """A piece of a state. Raises: RequestRefused."""
    if len(request.start) > 1:
        raise RequestRefused("this chain keeps no child tries")
    try:
        snapshot = database.state_at(request.block)
    except (UnknownBlock, StateDiscarded) as error:
        raise RequestRefused(str(error)) from error
    after = request.start[0] if request.start else None
    made = prove_range(snapshot.trie, after, STATE_BYTES_MAX)
    if not request.no_proof:
        return StateResponse(proof=encode_compact_proof(made.nodes))
    return StateResponse((KeyValueState(b"", made.entries, made.is_complete),))


def light_proof(database: ChainDatabase, request: LightRequest) -> LightResponse:
    """Trie nodes that show a light client what it asks about; none if that is not here.

    Raises: RequestRefused.
    """
    is_call = isinstance(request, RemoteCall)
    if isinstance(request, RemoteCall):
        keys = None
    else:
        # No child trie is ever kept, and the main trie shows that.
        keys = request.keys if isinstance(request, RemoteRead) else (request.storage_key,)
        if not request.keys or len(request.keys) > READ_KEYS_MAX:
            raise RequestRefused(f"1 to {READ_KEYS_MAX} keys can be asked for", Cost.BAD_MESSAGE)
    try:
        snapshot = database.state_at(request.block)
        if isinstance(request, RemoteCall):
            reads = shim_reads(request.method, request.data, snapshot)
            # A light client has the code already; without any key there would be no proof.
            keys = None if reads is None else (HEAP_PAGES_KEY, *reads)
    except (UnknownBlock, StateDiscarded, DecodeError):
        return LightResponse(None, is_call)
    if keys is None:
        return LightResponse(None, is_call)
    return LightResponse(tuple(sorted(snapshot.prove(keys))), is_call)
