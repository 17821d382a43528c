"""``chain_*``: blocks, headers and heads."""

from typing import Final

from node.consensus.announcements import Finalized
from node.rpc.context import RpcContext
from node.rpc.dispatch import Sink
from node.rpc.jsonrpc import Json, invalid_params
from node.rpc.registry import PARSERS, rpc_method, rpc_subscription, to_hex
from primitives.digest import GRANDPA_ENGINE, DigestItem
from primitives.errors import RpcError
from primitives.header import Header
from primitives.scale import encode
from primitives.types import Hash

__all__ = ["header_json"]

NUMBERS_MAX: Final = 1000
"""Heights in one ``chain_getBlockHash``."""

NUMBER_MAX: Final = (1 << 32) - 1
NUMBER_TOO_LARGE: Final = 3001


def header_json(header: Header) -> dict[str, Json]:
    """A header as Substrate shows it."""
    return {
        "parentHash": to_hex(header.parent_hash),
        "number": hex(int(header.number)),
        "stateRoot": to_hex(header.state_root),
        "extrinsicsRoot": to_hex(header.extrinsics_root),
        "digest": {"logs": [to_hex(encode(DigestItem, item)) for item in header.digest.logs]},
    }


def _hash_at(ctx: RpcContext, number: object) -> str | None:
    height = PARSERS[int](number)
    if height > NUMBER_MAX:
        kind = "Hex" if isinstance(number, str) else "Number"
        why = f"`{kind}({height})` > u32::MAX, the max block number is u32."
        raise RpcError(NUMBER_TOO_LARGE, why)
    found = ctx.database.canonical_hash(height)
    return None if found is None else to_hex(found)


@rpc_method("chain_getBlockHash", aliases=("chain_getHead",), quick=True)
def get_block_hash(ctx: RpcContext, number: object = None) -> Json:
    """The hash at a height, the hashes at several, or the best one."""
    if number is None:
        return to_hex(ctx.database.settled_best().hash)
    if isinstance(number, list):
        if len(number) > NUMBERS_MAX:
            raise invalid_params(f"at most {NUMBERS_MAX} heights")
        return [_hash_at(ctx, entry) for entry in number]
    return _hash_at(ctx, number)


@rpc_method("chain_getHeader", quick=True, stable=True)
def get_header(ctx: RpcContext, hash_: Hash | None = None) -> Json:
    """A header, null if the block is not known."""
    header = ctx.header(hash_)
    return None if header is None else header_json(header)


@rpc_method("chain_getBlock")
def get_block(ctx: RpcContext, hash_: Hash | None = None) -> Json:
    """A block with its extrinsics and justification, null if it is not known."""
    at = ctx.at(hash_)
    header, body = ctx.database.header(at), ctx.database.body(at)
    if header is None or body is None:
        return None
    found = ctx.database.justification(at)
    justifications: Json = None
    if found is not None:
        justifications = [[list(GRANDPA_ENGINE), list(found)]]
    return {
        "block": {"header": header_json(header), "extrinsics": [to_hex(data) for data in body]},
        "justifications": justifications,
    }


@rpc_method("chain_getFinalizedHead", aliases=("chain_getFinalisedHead",), quick=True)
def get_finalized_head(ctx: RpcContext) -> Json:
    """The hash of the last final block."""
    return to_hex(ctx.database.finalized().hash)


async def _header(ctx: RpcContext, hash_: Hash) -> Json:
    header = await ctx.read(ctx.database.header, hash_)
    return None if header is None else header_json(header)


@rpc_subscription(
    "chain_subscribeNewHeads",
    event="chain_newHead",
    unsubscribe="chain_unsubscribeNewHeads",
    aliases=("chain_subscribeNewHead", "subscribe_newHead"),
    unsubscribe_aliases=("chain_unsubscribeNewHead", "unsubscribe_newHead"),
)
async def subscribe_new_heads(ctx: RpcContext, sink: Sink) -> None:
    """Each block that becomes the best one, the current one first."""
    with ctx.announcements.listen() as events:
        await sink.accept()
        sink.send(await _header(ctx, ctx.database.settled_best().hash))
        async for event in events:
            if not isinstance(event, Finalized) and event.is_best:
                sink.send(header_json(event.header))


@rpc_subscription(
    "chain_subscribeAllHeads",
    event="chain_allHead",
    unsubscribe="chain_unsubscribeAllHeads",
)
async def subscribe_all_heads(ctx: RpcContext, sink: Sink) -> None:
    """Each imported block, the best one first."""
    with ctx.announcements.listen() as events:
        await sink.accept()
        sink.send(await _header(ctx, ctx.database.settled_best().hash))
        async for event in events:
            if not isinstance(event, Finalized) and event.is_new:
                sink.send(header_json(event.header))


@rpc_subscription(
    "chain_subscribeFinalizedHeads",
    event="chain_finalizedHead",
    unsubscribe="chain_unsubscribeFinalizedHeads",
    aliases=("chain_subscribeFinalisedHeads",),
    unsubscribe_aliases=("chain_unsubscribeFinalisedHeads",),
)
async def subscribe_finalized_heads(ctx: RpcContext, sink: Sink) -> None:
    """Each final block in order without gaps, the last one first."""
    with ctx.announcements.listen() as events:
        await sink.accept()
        last = ctx.database.finalized()
        sink.send(await _header(ctx, last.hash))
        height = last.number
        async for event in events:
            if not isinstance(event, Finalized):
                continue
            for hash_ in event.hashes:
                header = await ctx.read(ctx.database.header, hash_)
                if header is not None and int(header.number) > height:
                    height = int(header.number)
                    sink.send(header_json(header))
