"""``childstate_*``: child tries, of which this chain's state has none.

So every one of them is empty; only a key that names no child trie, or a block that is not here, is
an error.
"""

from typing import Final

from node.rpc.context import RpcContext, client_error
from node.rpc.jsonrpc import Json
from node.rpc.registry import rpc_method
from primitives.types import Hash

__all__: list[str] = []

PREFIX: Final = b":child_storage:default:"


def _check(ctx: RpcContext, child_key: bytes, hash_: Hash | None) -> None:
    if not child_key.startswith(PREFIX):
        raise client_error("Invalid child storage key")
    ctx.state(hash_)


@rpc_method("childstate_getKeys")
def get_keys(
    ctx: RpcContext,
    child_key: bytes,
    prefix: bytes | None = None,  # noqa: ARG001
    hash_: Hash | None = None,
) -> Json:
    """The keys of a child trie."""
    _check(ctx, child_key, hash_)
    return []


@rpc_method("childstate_getKeysPaged", aliases=("childstate_getKeysPagedAt",))
def get_keys_paged(
    ctx: RpcContext,
    child_key: bytes,
    prefix: bytes | None = None,  # noqa: ARG001
    count: int = 1000,  # noqa: ARG001
    start_key: bytes | None = None,  # noqa: ARG001
    hash_: Hash | None = None,
) -> Json:
    """A page of the keys of a child trie."""
    _check(ctx, child_key, hash_)
    return []


@rpc_method("childstate_getStorage")
def get_storage(
    ctx: RpcContext,
    child_key: bytes,
    key: bytes,  # noqa: ARG001
    hash_: Hash | None = None,
) -> Json:
    """A value of a child trie."""
    _check(ctx, child_key, hash_)
    return None


@rpc_method("childstate_getStorageEntries")
def get_storage_entries(
    ctx: RpcContext, child_key: bytes, keys: list[bytes], hash_: Hash | None = None
) -> Json:
    """Several values of a child trie."""
    _check(ctx, child_key, hash_)
    return [None] * len(keys)


@rpc_method("childstate_getStorageHash")
def get_storage_hash(
    ctx: RpcContext,
    child_key: bytes,
    key: bytes,  # noqa: ARG001
    hash_: Hash | None = None,
) -> Json:
    """The hash of a value of a child trie."""
    _check(ctx, child_key, hash_)
    return None


@rpc_method("childstate_getStorageSize")
def get_storage_size(
    ctx: RpcContext,
    child_key: bytes,
    key: bytes,  # noqa: ARG001
    hash_: Hash | None = None,
) -> Json:
    """The length of a value of a child trie."""
    _check(ctx, child_key, hash_)
    return None
