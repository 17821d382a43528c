"""``transaction_v1_*`` and ``transactionWatch_v1_*``: submitting without and with a report.

A broadcast transaction is offered to the pool again at every new best block until it is final or
the client stops it; the caller never hears what becomes of it. A watched one is submitted once.
Bounds: ``BROADCASTS_MAX`` broadcasts of one connection, of ``BROADCAST_BYTES_MAX`` together; they
end with it.
"""

import secrets
from collections.abc import Mapping
from typing import Final

import trio

from node.consensus.announcements import Finalized
from node.rpc.context import RpcContext
from node.rpc.dispatch import Caller, Sink
from node.rpc.jsonrpc import INVALID_PARAMS, SERVER_BUSY, Json
from node.rpc.registry import rpc_method, rpc_subscription
from node.txpool.shell import TransactionPool
from pallets.frame.validity import TransactionSource
from primitives.errors import RpcError
from primitives.extrinsic import extrinsic_hash
from primitives.types import Hash

__all__ = ["BROADCASTS_MAX", "BROADCAST_BYTES_MAX"]

BROADCASTS_MAX: Final = 16
BROADCAST_BYTES_MAX: Final = 8 << 20
"""One transaction of the largest size always fits."""

OPERATION_BYTES: Final = 8

_DROPPED: Final = frozenset({1016, SERVER_BUSY})
"""Refusals that say nothing of the transaction: it may be sent again."""

_GONE: Final[dict[str, tuple[str, str]]] = {
    "usurped": ("invalid", "Extrinsic was rendered invalid by another extrinsic"),
    "dropped": ("dropped", "Extrinsic dropped from the pool due to exceeding limits"),
    "invalid": ("invalid", "Extrinsic marked as invalid"),
    "finalityTimeout": ("dropped", "Maximum number of finality watchers has been reached"),
}


# Broadcasting.


@rpc_method("transaction_v1_broadcast", per_connection=True)
async def broadcast(ctx: RpcContext, caller: Caller, transaction: bytes) -> Json:
    """Keep a transaction on its way into a block until told to stop; null if there are too many."""
    await trio.lowlevel.checkpoint()
    broadcasts = caller.session.broadcasts
    sizes = caller.session.broadcast_bytes
    is_too_much = sum(sizes.values()) + len(transaction) > BROADCAST_BYTES_MAX
    if len(broadcasts) >= BROADCASTS_MAX or is_too_much:
        return None
    operation = secrets.token_hex(OPERATION_BYTES)
    sizes[operation] = len(transaction)
    broadcasts[operation] = caller.start(lambda: _keep_offering(ctx, transaction))
    return operation


async def _keep_offering(ctx: RpcContext, transaction: bytes) -> None:
    with (
        ctx.announcements.listen() as events,
        ctx.pool.watch(extrinsic_hash(transaction)) as statuses,
    ):
        await _offer(ctx.pool, transaction)
        is_included = False
        async for event in events:
            if isinstance(event, Finalized) or not event.is_best:
                continue
            while True:
                try:
                    status = statuses.receive_nowait()
                except trio.WouldBlock:
                    break
                except trio.EndOfChannel:
                    return
                if isinstance(status, Mapping):
                    is_included = "inBlock" in status
            if not is_included:
                await _offer(ctx.pool, transaction)


async def _offer(pool: TransactionPool, transaction: bytes) -> None:
    """Submit it; the specification wants silence about the outcome."""
    try:
        await pool.submit(transaction, TransactionSource.External)
    except RpcError:
        return


@rpc_method("transaction_v1_stop", per_connection=True)
async def stop(_ctx: RpcContext, caller: Caller, operation_id: str) -> Json:
    """Stop a broadcast."""
    await trio.lowlevel.checkpoint()
    scope = caller.session.broadcasts.pop(operation_id, None)
    caller.session.broadcast_bytes.pop(operation_id, None)
    if scope is None:
        raise RpcError(INVALID_PARAMS, "Invalid operation id")
    scope.cancel()
    return None


# Watching.


@rpc_subscription(
    "transactionWatch_v1_submitAndWatch",
    event="transactionWatch_v1_watchEvent",
    unsubscribe="transactionWatch_v1_unwatch",
    ends_silently=True,
)
async def submit_and_watch(ctx: RpcContext, sink: Sink, transaction: bytes) -> None:
    """Put a transaction into the pool and tell what becomes of it."""
    hash_ = extrinsic_hash(transaction)
    with ctx.pool.watch(hash_) as statuses:
        await sink.accept()
        try:
            await ctx.pool.submit(transaction, TransactionSource.External)
        except RpcError as error:
            sink.send(_refusal(error))
            return
        async for status in statuses:
            event = await _event(ctx, hash_, status)
            if event is not None:
                sink.send(event)


def _refusal(error: RpcError) -> dict[str, Json]:
    return {"event": "dropped" if error.code in _DROPPED else "invalid", "error": str(error)}


async def _event(ctx: RpcContext, hash_: Hash, status: Json) -> dict[str, Json] | None:
    """The event for a status of the pool; None where the specification has none."""
    if status in ("ready", "future"):
        return {"event": "validated"}
    kind = next(iter(status)) if isinstance(status, Mapping) else status
    if not isinstance(kind, str):
        return None
    if kind in _GONE:
        event, why = _GONE[kind]
        return {"event": event, "error": why}
    if kind == "retracted":
        return {"event": "bestChainBlockIncluded", "block": None}
    if kind in ("inBlock", "finalized") and isinstance(status, Mapping):
        block = str(status[kind])
        index = await ctx.read(_index_in, ctx, Hash.fromhex(block[2:]), hash_)
        name = "finalized" if kind == "finalized" else "bestChainBlockIncluded"
        return {"event": name, "block": {"hash": block, "index": index}}
    return None


def _index_in(ctx: RpcContext, block: Hash, hash_: Hash) -> int:
    """Where a block has a transaction."""
    for at, data in enumerate(ctx.database.body(block) or ()):
        if extrinsic_hash(data) == hash_:
            return at
    return 0
