"""``archive_v1_*``: any block that is kept, whether or not anybody follows the chain.

What is final answers the same for ever, on a node that keeps all states (``--state-pruning
archive``); another node answers for the states that it keeps and says so for others.
Bounds: ``QUERIES_MAX`` storage queries and ``DIFFERENCES_MAX`` differences of one connection at a
time, each read in pages for which their reader must have room; see ``storage_items`` too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

import trio

from node.rpc.context import RpcContext, client_error
from node.rpc.dispatch import Sink, unexpected
from node.rpc.jsonrpc import SERVER_BUSY, SERVER_IS_BUSY, Json, invalid_params
from node.rpc.registry import PARSERS, rpc_method, rpc_subscription, to_hex
from node.rpc.storage_items import ITEMS_MAX, PAGE_ITEMS, parse_items, read_page
from node.rpc.subscriptions import SubscriptionClosed
from node.runtime import apis
from primitives.errors import CessError, RpcError
from primitives.hashing import blake2_256
from primitives.scale import encode
from primitives.types import Hash

__all__ = ["ANCESTORS_MAX", "DIFFERENCES_MAX", "QUERIES_MAX"]

QUERIES_MAX: Final = 16
DIFFERENCES_MAX: Final = 4
ANCESTORS_MAX: Final = 4096
"""Blocks between the two ends of a difference."""

TOO_MANY: Final = (SERVER_BUSY, SERVER_IS_BUSY)
HEIGHT_MAX: Final = (1 << 32) - 1


@rpc_method("archive_v1_genesisHash")
async def genesis_hash(ctx: RpcContext) -> Json:
    """The hash of block 0."""
    await trio.lowlevel.checkpoint()
    return to_hex(ctx.database.genesis_hash)


@rpc_method("archive_v1_finalizedHeight")
async def finalized_height(ctx: RpcContext) -> Json:
    """The height of the last final block."""
    await trio.lowlevel.checkpoint()
    return ctx.database.finalized().number


@rpc_method("archive_v1_hashByHeight")
def hash_by_height(ctx: RpcContext, height: int) -> Json:
    """The known blocks at a height: exactly one where it is final."""
    if height > HEIGHT_MAX:
        return []
    return [to_hex(hash_) for hash_ in ctx.database.hashes_at(height)]


@rpc_method("archive_v1_header")
def header(ctx: RpcContext, hash_: Hash) -> Json:
    """A header, SCALE encoded, null if the block is not known."""
    found = ctx.database.header(hash_)
    return None if found is None else to_hex(encode(type(found), found))


@rpc_method("archive_v1_body")
def body(ctx: RpcContext, hash_: Hash) -> Json:
    """The extrinsics of a block, null if it is not known."""
    found = ctx.database.body(hash_)
    return None if found is None else [to_hex(data) for data in found]


@rpc_method("archive_v1_call", executes=True)
def call(ctx: RpcContext, hash_: Hash, function: str, call_parameters: bytes = b"") -> Json:
    """Ask the runtime of a block; null if the block is not known."""
    if ctx.database.header(hash_) is None:
        return None
    try:
        output = apis(ctx.runtime(hash_)).call(function, call_parameters)
    except CessError as error:
        return {"success": False, "error": str(error)}
    return {"success": True, "value": to_hex(output)}


# Storage.


@rpc_subscription(
    "archive_v1_storage",
    event="archive_v1_storageEvent",
    unsubscribe="archive_v1_stopStorage",
    ends_silently=True,
    count_max=QUERIES_MAX,
    too_many=TOO_MANY,
)
async def storage(
    ctx: RpcContext,
    sink: Sink,
    hash_: Hash,
    items: list[object],
    child_trie: bytes | None = None,
) -> None:
    """Read the storage of a block."""
    asked = parse_items(items, paginated=True)
    await sink.accept()
    try:
        state = await ctx.read(ctx.state, hash_)
        for item in asked if child_trie is None else ():
            at = item
            while True:
                page = await ctx.read(read_page, state, at)
                for entry in page.entries:
                    await sink.send_when_room({"event": "storage", **entry})
                if page.after is None:
                    break
                at = replace(at, after=page.after)
    except SubscriptionClosed:
        raise
    except CessError as error:
        await sink.send_when_room({"event": "storageError", "error": _reason(error)})
    else:
        await sink.send_when_room({"event": "storageDone"})


def _reason(error: CessError) -> str:
    """What to tell of a failure."""
    return str(error if isinstance(error, RpcError) else unexpected("archive", error))


# Differences.


@dataclass(frozen=True, slots=True)
class _Asked:
    prefix: bytes
    shows_value: bool


_ALL: Final = _Asked(b"", shows_value=True)


def _parse_asked(raw: Sequence[object] | None) -> list[_Asked]:
    if raw is None:
        return [_ALL]
    if len(raw) > ITEMS_MAX:
        raise invalid_params(f"at most {ITEMS_MAX} items")
    found: list[_Asked] = []
    for entry in raw:
        if not isinstance(entry, Mapping):
            raise invalid_params('expected items like {"key": "0x…", "returnType": "value"}')
        kind, key, child = (entry.get(name) for name in ("returnType", "key", "childTrieKey"))
        if kind not in ("value", "hash"):
            raise invalid_params("returnType is value or hash")
        prefix = b"" if key is None else PARSERS[bytes](key)
        if child is None:
            found.append(_Asked(prefix, shows_value=kind == "value"))
        else:
            PARSERS[bytes](child)  # child tries are empty: nothing in them differs
    return found


def _check_ancestor(ctx: RpcContext, hash_: Hash, earlier: Hash | None) -> Hash:
    """The block to compare with: the parent, or an ancestor. Raises ``RpcError``."""
    found = ctx.database.header(hash_)
    before = None if earlier is None else ctx.database.header(earlier)
    if found is None or (earlier is not None and before is None):
        raise client_error("UnknownBlock: a block of the difference is not known")
    if before is None:
        if int(found.number) == 0:
            raise client_error("the genesis block has no parent to compare with")
        return found.parent_hash
    steps = int(found.number) - int(before.number)
    if not 0 <= steps <= ANCESTORS_MAX:
        raise client_error(f"the earlier block must be at most {ANCESTORS_MAX} blocks before")
    at = hash_
    for _ in range(steps):
        at = ctx.chain.header(at).parent_hash
    if at != earlier:
        raise client_error("the earlier block is not an ancestor")
    return at


def _difference(ctx: RpcContext, hash_: Hash, earlier: Hash, asked: _Asked) -> Iterator[Json]:
    for key, old, new in ctx.state(hash_).changes_since(ctx.state(earlier), asked.prefix):
        kind = "added" if old is None else "deleted" if new is None else "modified"
        event: dict[str, Json] = {"event": "storageDiff", "key": to_hex(key), "type": kind}
        if new is not None:
            name = "value" if asked.shows_value else "hash"
            event[name] = to_hex(new if asked.shows_value else blake2_256(new))
        yield event


@rpc_subscription(
    "archive_v1_storageDiff",
    event="archive_v1_storageDiffEvent",
    unsubscribe="archive_v1_stopStorageDiff",
    ends_silently=True,
    count_max=DIFFERENCES_MAX,
    too_many=TOO_MANY,
)
async def storage_diff(
    ctx: RpcContext,
    sink: Sink,
    hash_: Hash,
    items: list[object] | None = None,
    previous_hash: Hash | None = None,
) -> None:
    """What a block changed in the storage, since its parent or an earlier ancestor."""
    asked = _parse_asked(items)
    await sink.accept()
    try:
        earlier = await ctx.read(_check_ancestor, ctx, hash_, previous_hash)
        for one in asked:
            found = _difference(ctx, hash_, earlier, one)
            while page := await ctx.read(lambda: list(islice(found, PAGE_ITEMS))):  # noqa: B023
                for event in page:
                    await sink.send_when_room(event)
    except SubscriptionClosed:
        raise
    except CessError as error:
        await sink.send_when_room({"event": "storageDiffError", "error": _reason(error)})
    else:
        await sink.send_when_room({"event": "storageDiffDone"})
