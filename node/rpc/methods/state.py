"""``state_*``: storage, metadata, runtime calls and proofs.

Bounds: ``KEYS_MAX`` keys in a page or a query, ``LISTED_MAX`` keys in a list, ``BLOCKS_MAX`` blocks
in a range, ``WATCHED_MAX`` keys in all storage subscriptions of a connection, ``CHANGES_MAX``
changes of a block in one that has no keys. Methods that read more are unsafe.
"""

from typing import Final

from node.consensus.announcements import Finalized
from node.database import StateDiscarded, UnknownBlock
from node.rpc.context import RpcContext, absence, client_error, unknown_to_api
from node.rpc.dispatch import Sink
from node.rpc.jsonrpc import TOO_MANY_SUBSCRIPTIONS, Json
from node.rpc.registry import rpc_method, rpc_subscription, to_hex
from node.rpc.subscriptions import TOO_MANY, SubscriptionClosed
from node.runtime import CessRuntime, apis
from pallets.frame.version import RuntimeVersion
from primitives.errors import RpcError
from primitives.hashing import blake2_256
from primitives.header import Header
from primitives.types import Hash

__all__ = ["version_json"]

KEYS_MAX: Final = 1000
PAIRS_MAX: Final = 100_000
SIZES_MAX: Final = 10_000
"""Values whose lengths anybody may have added up."""
LISTED_MAX: Final = 10_000
"""Keys that anybody may have listed at once; pages have no end."""
CHANGES_MAX: Final = 100_000
BLOCKS_MAX: Final = 128
WATCHED_MAX: Final = 4096
"""Each is read again after every block."""

LOOKUPS: Final = frozenset({"AccountNonceApi_account_nonce", "Core_version"})
"""Questions to the runtime that cost no more than reading a value."""

CHILD_PREFIX: Final = b":child_storage:default:"

INVALID_RANGE: Final = 4001
INVALID_COUNT: Final = 4002


def _check_count(value: int, maximum: int = KEYS_MAX) -> None:
    if value > maximum:
        raise RpcError(
            INVALID_COUNT, f"count exceeds maximum value. value: {value}, max: {maximum}"
        )


def _hex_or_none(value: bytes | None) -> str | None:
    return None if value is None else to_hex(value)


# The runtime.


def version_json(version: RuntimeVersion) -> dict[str, Json]:
    """A runtime version as Substrate shows it."""
    return {
        "specName": version.spec_name,
        "implName": version.impl_name,
        "authoringVersion": int(version.authoring_version),
        "specVersion": int(version.spec_version),
        "implVersion": int(version.impl_version),
        "apis": [[to_hex(name), int(number)] for name, number in version.apis],
        "transactionVersion": int(version.transaction_version),
        "systemVersion": int(version.system_version),
        "stateVersion": int(version.system_version),
    }


@rpc_method(
    "state_getRuntimeVersion", aliases=("chain_getRuntimeVersion",), quick=True, stable=True
)
def get_runtime_version(ctx: RpcContext, hash_: Hash | None = None) -> Json:
    """Name and numbers of the runtime."""
    return version_json(_runtime(ctx, hash_).system.config.version)


def _runtime(ctx: RpcContext, hash_: Hash | None) -> CessRuntime:
    """The runtime of a block; raises ``RpcError`` where it is not here."""
    try:
        return ctx.runtime(hash_)
    except (UnknownBlock, StateDiscarded) as error:
        raise client_error(unknown_to_api(error)) from error


@rpc_method("state_getMetadata", stable=True)
def get_metadata(ctx: RpcContext, hash_: Hash | None = None) -> Json:
    """The metadata, version 14, without a length before it."""
    wrapped = apis(_runtime(ctx, hash_)).call("Metadata_metadata", b"")
    return to_hex(_unwrap(wrapped))


def _unwrap(data: bytes) -> bytes:
    """The content of an encoded ``Vec<u8>``."""
    mode = data[0] & 3
    return data[(1, 2, 4)[mode] if mode < 3 else 5 + (data[0] >> 2) - 1 :]


def _is_lookup(method: str, *_rest: object) -> bool:
    return method in LOOKUPS


@rpc_method("state_call", aliases=("state_callAt",), quick=_is_lookup, stable=True, executes=True)
def call(ctx: RpcContext, method: str, data: bytes = b"", hash_: Hash | None = None) -> Json:
    """Ask the runtime a question by name."""
    is_lookup = method in LOOKUPS  # and therefore on the loop
    runtime = ctx.lookup_runtime(hash_) if is_lookup else ctx.runtime(hash_)
    return to_hex(apis(runtime).call(method, data))


@rpc_subscription(
    "state_subscribeRuntimeVersion",
    event="state_runtimeVersion",
    unsubscribe="state_unsubscribeRuntimeVersion",
    aliases=("chain_subscribeRuntimeVersion",),
    unsubscribe_aliases=("chain_unsubscribeRuntimeVersion",),
)
async def subscribe_runtime_version(ctx: RpcContext, sink: Sink) -> None:
    """The runtime's version now, and whenever it changes."""

    def read(hash_: Hash | None) -> dict[str, Json]:
        return version_json(ctx.runtime(hash_).system.config.version)

    with ctx.announcements.listen() as events:
        await sink.accept()
        last = await ctx.read(read, None)
        sink.send(last)
        async for event in events:
            if isinstance(event, Finalized) or not event.is_best:
                continue
            now = await ctx.read(read, event.hash)
            if now != last:
                last = now
                sink.send(now)


# Single values.


@rpc_method("state_getStorage", aliases=("state_getStorageAt",), quick=True, stable=True)
def get_storage(ctx: RpcContext, key: bytes, hash_: Hash | None = None) -> Json:
    """The value under a key."""
    return _hex_or_none(ctx.state(hash_).get(key))


@rpc_method("state_getStorageHash", aliases=("state_getStorageHashAt",), quick=True, stable=True)
def get_storage_hash(ctx: RpcContext, key: bytes, hash_: Hash | None = None) -> Json:
    """BLAKE2b-256 of the value under a key."""
    value = ctx.state(hash_).get(key)
    return None if value is None else to_hex(blake2_256(value))


@rpc_method("state_getStorageSize", aliases=("state_getStorageSizeAt",), stable=True)
def get_storage_size(ctx: RpcContext, key: bytes, hash_: Hash | None = None) -> Json:
    """Length of the value under a key, or of all values below it."""
    state = ctx.state(hash_)
    value = state.get(key)
    if value is not None:
        return len(value)
    total, found = 0, False
    for count, (_, entry) in enumerate(state.items(key)):
        _check_count(count, SIZES_MAX)
        total, found = total + len(entry), True
    return total if found else None


# Many values.


@rpc_method("state_getKeysPaged", aliases=("state_getKeysPagedAt",))
def get_keys_paged(
    ctx: RpcContext,
    prefix: bytes | None = None,
    count: int = KEYS_MAX,
    start_key: bytes | None = None,
    hash_: Hash | None = None,
) -> Json:
    """Keys below a prefix, strictly after ``start_key``, in order."""
    _check_count(count)
    found = ctx.state(hash_).keys(prefix or b"", count, start_key or None)
    return [to_hex(key) for key in found]


@rpc_method("state_getKeys")
def get_keys(ctx: RpcContext, prefix: bytes, hash_: Hash | None = None) -> Json:
    """All keys below a prefix."""
    found = ctx.state(hash_).keys(prefix, LISTED_MAX + 1)
    _check_count(len(found), LISTED_MAX)
    return [to_hex(key) for key in found]


@rpc_method("state_getPairs", unsafe=True)
def get_pairs(ctx: RpcContext, prefix: bytes, hash_: Hash | None = None) -> Json:
    """All keys below a prefix with their values."""
    pairs: list[Json] = []
    for key, value in ctx.state(hash_).items(prefix):
        pairs.append([to_hex(key), to_hex(value)])
        _check_count(len(pairs), PAIRS_MAX)
    return pairs


def _changes(
    ctx: RpcContext, keys: list[bytes], hash_: Hash, before: dict[bytes, bytes | None] | None
) -> tuple[dict[str, Json], dict[bytes, bytes | None]]:
    state = ctx.state(hash_)
    now = {key: state.get(key) for key in keys}
    shown: list[Json] = [
        [to_hex(key), _hex_or_none(value)]
        for key, value in now.items()
        if before is None or before.get(key) != value
    ]
    return {"block": to_hex(hash_), "changes": shown}, now


@rpc_method("state_queryStorageAt", stable=True)
def query_storage_at(ctx: RpcContext, keys: list[bytes], at: Hash | None = None) -> Json:
    """The values under several keys at one block."""
    _check_count(len(keys))
    block = ctx.at(at)
    if ctx.header(block) is None:
        raise _bad_range(to_hex(block), f"Some({to_hex(block)})", _no_header(block))
    shown = _changes(ctx, keys, block, None)[0]
    return [shown] if shown["changes"] else []


def _bad_range(first: str, last: str, why: str) -> RpcError:
    return RpcError(
        INVALID_RANGE, f'Cannot resolve a block range [\'"{first}"\' ... \'"{last}"]. {why}'
    )


def _no_header(block: Hash) -> str:
    return f"UnknownBlock: {absence(UnknownBlock('no header', block))}"


@rpc_method("state_queryStorage", unsafe=True)
def query_storage(
    ctx: RpcContext, keys: list[bytes], from_block: Hash, to_block: Hash | None = None
) -> Json:
    """The values under several keys at one block, and their changes up to another."""
    _check_count(len(keys))
    found: list[Json] = []
    before: dict[bytes, bytes | None] | None = None
    for hash_ in _blocks(ctx, from_block, ctx.at(to_block)):
        shown, before_next = _changes(ctx, keys, hash_, before)
        if shown["changes"]:
            found.append(shown)
        before = before_next
    return found


def _blocks(ctx: RpcContext, first: Hash, last: Hash) -> list[Hash]:
    """The blocks from ``first`` to ``last``, both included. Raises ``RpcError``."""
    begin, end = ctx.header(first), ctx.header(last)
    if begin is None or end is None:
        missing = first if begin is None else last
        raise _bad_range(to_hex(first), f"Some({to_hex(last)})", _no_header(missing))
    ends = [f"{int(one.number)} ({to_hex(one.hash())})" for one in (begin, end)]
    count = int(end.number) - int(begin.number) + 1
    if count < 1:
        raise _bad_range(ends[0], ends[1], "from number > to number")
    if count > BLOCKS_MAX:
        raise _bad_range(ends[0], ends[1], f"{count} blocks, max: {BLOCKS_MAX}")
    path = [last]
    while len(path) < count:
        path.append(ctx.chain.header(path[-1]).parent_hash)
    if path[-1] != first:
        raise _bad_range(ends[0], ends[1], "from and to are on different forks")
    return path[::-1]


@rpc_subscription(
    "state_subscribeStorage",
    event="state_storage",
    unsubscribe="state_unsubscribeStorage",
    unsafe_if=lambda keys: keys is None,
)
async def subscribe_storage(ctx: RpcContext, sink: Sink, keys: list[bytes] | None = None) -> None:
    """The values under keys, and whenever a best block changes one; without keys, of any (unsafe).

    Without keys only changes are shown.
    """
    if keys is None:
        await _watch_all(ctx, sink)
        return
    _check_count(len(keys))
    session = sink.session
    if session.watched_count + len(keys) > WATCHED_MAX:
        raise RpcError(
            TOO_MANY_SUBSCRIPTIONS, TOO_MANY, f"Exceeded max limit of {WATCHED_MAX} storage keys"
        )
    session.watched_count += len(keys)
    try:
        await _watch(ctx, sink, keys)
    finally:
        session.watched_count -= len(keys)


async def _watch(ctx: RpcContext, sink: Sink, keys: list[bytes]) -> None:
    with ctx.announcements.listen() as events:
        await sink.accept()
        shown, before = await ctx.read(_changes, ctx, keys, ctx.at(None), None)
        if keys:
            sink.send(shown)
        async for event in events:
            if isinstance(event, Finalized) or not event.is_best:
                continue
            shown, before = await ctx.read(_changes, ctx, keys, event.hash, before)
            if shown["changes"]:
                sink.send(shown)


async def _watch_all(ctx: RpcContext, sink: Sink) -> None:
    with ctx.announcements.listen() as events:
        await sink.accept()
        async for event in events:
            if isinstance(event, Finalized) or not event.is_best:
                continue
            shown = await ctx.read(_changes_of, ctx, event.header, event.hash)
            if shown["changes"]:
                sink.send(shown)


def _changes_of(ctx: RpcContext, header: Header, hash_: Hash) -> dict[str, Json]:
    """All that a block changed. Raises: SubscriptionClosed where it is too much for an event."""
    shown: list[Json] = []
    for key, _, value in ctx.state(hash_).changes_since(ctx.state(header.parent_hash)):
        if len(shown) == CHANGES_MAX:
            raise SubscriptionClosed(f"block {to_hex(hash_)} changed more than {CHANGES_MAX} keys")
        shown.append([to_hex(key), _hex_or_none(value)])
    return {"block": to_hex(hash_), "changes": shown}


# Proofs.


@rpc_method("state_getReadProof", stable=True)
def get_read_proof(ctx: RpcContext, keys: list[bytes], hash_: Hash | None = None) -> Json:
    """The trie nodes that prove what is under these keys."""
    _check_count(len(keys))
    at = ctx.at(hash_)
    return {"at": to_hex(at), "proof": [to_hex(node) for node in ctx.state(at).prove(keys)]}


@rpc_method("state_getChildReadProof")
def get_child_read_proof(
    ctx: RpcContext, child_storage_key: bytes, keys: list[bytes], hash_: Hash | None = None
) -> Json:
    """The trie nodes that prove what is under these keys of a child trie.

    Child tries of this chain are empty: the proof is that the main trie names no root of one.
    """
    _check_count(len(keys))
    if not child_storage_key.startswith(CHILD_PREFIX):
        raise client_error("Invalid child storage key")
    at = ctx.at(hash_)
    nodes = ctx.state(at).prove([child_storage_key])
    return {"at": to_hex(at), "proof": [to_hex(node) for node in nodes]}
