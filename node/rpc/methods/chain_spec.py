"""``chainSpec_v1_*``: what never changes about the chain."""

from node.rpc.context import RpcContext
from node.rpc.jsonrpc import Json
from node.rpc.registry import rpc_method, to_hex

__all__: list[str] = []


@rpc_method("chainSpec_v1_chainName", quick=True)
def chain_name(ctx: RpcContext) -> Json:
    """The chain's name."""
    return ctx.spec.name


@rpc_method("chainSpec_v1_genesisHash", quick=True)
def genesis_hash(ctx: RpcContext) -> Json:
    """The hash of block 0."""
    return to_hex(ctx.database.genesis_hash)


@rpc_method("chainSpec_v1_properties", quick=True)
def properties(ctx: RpcContext) -> Json:
    """Address format and token of the chain."""
    return dict(ctx.spec.properties)
