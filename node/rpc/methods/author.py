"""``author_*``: submitting transactions, watching them, and the node's own keys."""

from typing import Final

import trio

from node.rpc.context import RpcContext
from node.rpc.dispatch import Sink
from node.rpc.jsonrpc import Json, invalid_params
from node.rpc.registry import PARSERS, rpc_method, rpc_subscription, to_hex
from pallets.frame.validity import TransactionSource
from pallets.session import prove_possession
from primitives.crypto.keys import KeyPair, Scheme
from primitives.errors import CessError, InvalidKey, RpcError
from primitives.extrinsic import extrinsic_hash
from primitives.keystore import Keystore
from primitives.types import BABE_KEY_TYPE, GRANDPA_KEY_TYPE, AccountId, Hash

__all__: list[str] = []

KEY_SCHEMES: Final[dict[bytes, Scheme]] = {
    BABE_KEY_TYPE: "sr25519",
    GRANDPA_KEY_TYPE: "ed25519",
}
"""The key types of a session, in the order of its public keys."""

ACCOUNT_BYTES: Final = 32

REFUSED: Final = 1040
"""What Substrate's author module says of keys."""
KEY_TYPE_BYTES: Final = 4


@rpc_method("author_submitExtrinsic")
async def submit_extrinsic(ctx: RpcContext, extrinsic: bytes) -> Json:
    """Put a transaction into the pool; its hash."""
    return to_hex(await ctx.pool.submit(extrinsic, TransactionSource.External))


@rpc_subscription(
    "author_submitAndWatchExtrinsic",
    event="author_extrinsicUpdate",
    unsubscribe="author_unwatchExtrinsic",
)
async def submit_and_watch_extrinsic(ctx: RpcContext, sink: Sink, extrinsic: bytes) -> None:
    """Put a transaction into the pool and tell what becomes of it."""
    with ctx.pool.watch(extrinsic_hash(extrinsic)) as statuses:
        await ctx.pool.submit(extrinsic, TransactionSource.External)
        await sink.accept()
        async for status in statuses:
            sink.send(status)


@rpc_method("author_pendingExtrinsics")
async def pending_extrinsics(ctx: RpcContext) -> Json:
    """All transactions that could be in the next block."""
    return await ctx.read(_all_hex, ctx.pool.pending())


def _all_hex(found: list[bytes]) -> Json:
    """In a thread, for a full pool has many megabytes."""
    return [to_hex(data) for data in found]


@rpc_method("author_removeExtrinsic", unsafe=True)
async def remove_extrinsic(ctx: RpcContext, bytes_or_hash: list[object]) -> Json:
    """Drop and ban transactions, named as ``{"hash": …}`` or ``{"extrinsic": …}``."""
    await trio.lowlevel.checkpoint()
    hashes: list[Hash] = []
    for entry in bytes_or_hash:
        match entry:
            case {"hash": text}:
                hashes.append(PARSERS[Hash](text))
            case {"extrinsic": text}:
                hashes.append(extrinsic_hash(PARSERS[bytes](text)))
            case _:
                raise invalid_params('expected {"hash": …} or {"extrinsic": …}')
    held = tuple(hash_ for hash_ in hashes if hash_ in ctx.pool.core)
    ctx.pool.forget(held)
    return [to_hex(hash_) for hash_ in held]


# Keys.


def _keystore(ctx: RpcContext) -> Keystore:
    if ctx.keystore is None:
        raise _unavailable("this node has no keystore: start it with --base-path")
    return ctx.keystore


def _unavailable(why: str) -> RpcError:
    return RpcError(REFUSED, "The key store is unavailable", why)


def _key_type(text: str) -> bytes:
    key_type = text.encode()
    if len(key_type) != KEY_TYPE_BYTES:
        raise RpcError(REFUSED, "Invalid key type ID format (should be of length four)")
    return key_type


@rpc_method("author_insertKey", unsafe=True)
def insert_key(ctx: RpcContext, key_type: str, suri: str, public_key: bytes) -> Json:
    """Keep a key; the public key must be that of the secret URI."""
    kind = _key_type(key_type)
    if kind not in KEY_SCHEMES:
        known = ", ".join(key.decode() for key in KEY_SCHEMES)
        raise _unavailable(f"key types of this node are {known}")
    try:
        if KeyPair.from_suri(suri, KEY_SCHEMES[kind]).public != public_key:
            raise _unavailable("the public key is not that of the secret URI")
        _keystore(ctx).insert(kind, suri, KEY_SCHEMES[kind])
    except InvalidKey as error:
        raise _unavailable(str(error)) from error
    return None


@rpc_method("author_hasKey", unsafe=True)
def has_key(ctx: RpcContext, public_key: bytes, key_type: str) -> Json:
    """Whether the keystore has a key."""
    return public_key in _keystore(ctx).public_keys(_key_type(key_type))


@rpc_method("author_hasSessionKeys", unsafe=True)
def has_session_keys(ctx: RpcContext, session_keys: bytes) -> Json:
    """Whether the keystore has all keys of a session."""
    size = 32
    if len(session_keys) != size * len(KEY_SCHEMES):
        raise RpcError(REFUSED, "Session keys are not encoded correctly")
    keystore = _keystore(ctx)
    return all(
        session_keys[at * size : (at + 1) * size] in keystore.public_keys(kind)
        for at, kind in enumerate(KEY_SCHEMES)
    )


@rpc_method("author_rotateKeys", unsafe=True)
def rotate_keys(ctx: RpcContext) -> Json:
    """Make new session keys and keep them; their public halves, joined."""
    return to_hex(b"".join(pair.public for pair in _made_keys(ctx)))


@rpc_method("author_rotateKeysWithOwner", unsafe=True)
def rotate_keys_with_owner(ctx: RpcContext, owner: bytes) -> Json:
    """Make new session keys and keep them; ``keys`` and ``proof`` for ``owner``'s ``set_keys``."""
    if len(owner) != ACCOUNT_BYTES:
        raise invalid_params(f"an owner is an account of {ACCOUNT_BYTES} bytes")
    babe, grandpa = _made_keys(ctx)
    return {
        "keys": to_hex(babe.public + grandpa.public),
        "proof": to_hex(prove_possession(AccountId(owner), babe, grandpa)),
    }


def _made_keys(ctx: RpcContext) -> list[KeyPair]:
    """A new key of each type, kept."""
    try:
        keystore = _keystore(ctx)
        made: list[KeyPair] = []
        for kind, scheme in KEY_SCHEMES.items():
            pair = keystore.pair(kind, keystore.generate(kind, scheme))
            assert pair is not None, "because it was just written"
            made.append(pair)
    except RpcError:
        raise
    except CessError as error:
        raise _unavailable(str(error)) from error
    return made
