"""``chainSpec_v1_*``: what never changes about the chain."""

import trio

from node.rpc.context import RpcContext
from node.rpc.jsonrpc import Json
from node.rpc.registry import rpc_method, to_hex

__all__: list[str] = []


@rpc_method("chainSpec_v1_chainName")
async def chain_name(ctx: RpcContext) -> Json:
    """The chain's name."""
    await trio.lowlevel.checkpoint()
    return ctx.spec.name


@rpc_method("chainSpec_v1_genesisHash")
async def genesis_hash(ctx: RpcContext) -> Json:
    """The hash of block 0."""
    await trio.lowlevel.checkpoint()
    return to_hex(ctx.database.genesis_hash)


@rpc_method("chainSpec_v1_properties")
async def properties(ctx: RpcContext) -> Json:
    """Address format and token of the chain."""
    await trio.lowlevel.checkpoint()
    return dict(ctx.spec.properties)
