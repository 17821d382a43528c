"""``ces_*``: what every block changed in the state, as CESS's node extension tells it.

For block 0 the whole state is a change. Child tries of this chain are empty. The extension's
``ces_getMqNextSequence`` is not here: this runtime has no message queue.
Bounds: ``BLOCKS_MAX`` blocks, ``CHANGES_MAX`` changed keys and ``CHANGES_BYTES_MAX`` of keys and
values in one answer, which is below what CESS's node allows (10,000 blocks), because an answer is
held in memory.
"""

from collections.abc import Iterator
from typing import Final

from node.rpc.context import RpcContext
from node.rpc.jsonrpc import Json
from node.rpc.registry import rpc_method, to_hex
from primitives.errors import RpcError
from primitives.header import Header
from primitives.scale import encode, struct
from primitives.types import Hash

__all__ = ["BLOCKS_MAX", "CHANGES_BYTES_MAX", "CHANGES_MAX", "StorageChanges"]

BLOCKS_MAX: Final = 1000
CHANGES_MAX: Final = 100_000
CHANGES_BYTES_MAX: Final = 16 << 20

BAD_RANGE: Final = 20_003
RESOURCE_LIMIT: Final = 20_004
BAD_BLOCK: Final = 20_005

Pair = tuple[bytes, bytes | None]


@struct
class StorageChanges:
    """What one block changed: in the main trie, and in child tries by their key."""

    main_storage_changes: tuple[tuple[bytes, bytes | None], ...]
    child_storage_changes: tuple[tuple[bytes, tuple[tuple[bytes, bytes | None], ...]], ...]


def _header(ctx: RpcContext, hash_: Hash) -> Header:
    found = ctx.database.header(hash_)
    if found is None:
        raise RpcError(BAD_BLOCK, f"block {to_hex(hash_)} is not known")
    return found


def _changes(ctx: RpcContext, header: Header, hash_: Hash) -> Iterator[Pair]:
    state = ctx.state(hash_)
    if int(header.number) == 0:
        yield from state.items()
        return
    for key, _, new in state.changes_since(ctx.state(header.parent_hash)):
        yield key, new


def _blocks(ctx: RpcContext, first: Hash, last: Hash) -> list[tuple[Header, Hash]]:
    """The blocks from ``first`` to ``last``, both included."""
    begin, end = _header(ctx, first), _header(ctx, last)
    count = int(end.number) - int(begin.number) + 1
    if count < 1:
        raise RpcError(BAD_RANGE, "the range ends before it begins")
    if count > BLOCKS_MAX:
        raise RpcError(RESOURCE_LIMIT, f"a range of {count} blocks, at most {BLOCKS_MAX}")
    found = [(end, last)]
    while len(found) < count:
        parent = found[-1][0].parent_hash
        found.append((_header(ctx, parent), parent))
    if found[-1][1] != first:
        raise RpcError(BAD_RANGE, "the range does not end on a descendant of its beginning")
    return found[::-1]


def _collect(ctx: RpcContext, first: Hash, last: Hash) -> list[tuple[Header, list[Pair]]]:
    found: list[tuple[Header, list[Pair]]] = []
    count, size = 0, 0
    for header, hash_ in _blocks(ctx, first, last):
        pairs: list[Pair] = []
        for pair in _changes(ctx, header, hash_):
            pairs.append(pair)
            count += 1
            size += len(pair[0]) + len(pair[1] or b"")
            if count > CHANGES_MAX or size > CHANGES_BYTES_MAX:
                raise RpcError(
                    RESOURCE_LIMIT,
                    f"more than {CHANGES_MAX} changes or {CHANGES_BYTES_MAX} bytes: ask for less",
                )
        found.append((header, pairs))
    return found


def _json(pairs: list[Pair]) -> dict[str, Json]:
    shown: list[Json] = [
        [to_hex(key), None if value is None else to_hex(value)] for key, value in pairs
    ]
    return {"mainStorageChanges": shown, "childStorageChanges": []}


@rpc_method("ces_getStorageChanges")
def get_storage_changes(ctx: RpcContext, from_: Hash, to: Hash) -> Json:
    """What each block of a range changed."""
    return [_json(pairs) for _, pairs in _collect(ctx, from_, to)]


@rpc_method("ces_getStorageChangesWithRoot")
def get_storage_changes_with_root(ctx: RpcContext, from_: Hash, to: Hash) -> Json:
    """What each block of a range changed, and the state root that this led to."""
    return [
        {"changes": _json(pairs), "stateRoot": list(header.state_root)}
        for header, pairs in _collect(ctx, from_, to)
    ]


@rpc_method("ces_getStorageChangesAt")
def get_storage_changes_at(ctx: RpcContext, block: Hash) -> Json:
    """What one block changed, SCALE encoded."""
    ((_, pairs),) = _collect(ctx, block, block)
    return to_hex(encode(StorageChanges, StorageChanges(tuple(pairs), ())))
