"""``sync_state_genSyncSpec``: the chain spec with a checkpoint, for light clients."""

import json
from dataclasses import replace

from chain_spec.spec import RawGenesis
from node.database import StateDiscarded, UnknownBlock
from node.genesis import genesis_state
from node.light_sync import NoCheckpoint, light_sync_state
from node.rpc.context import RpcContext
from node.rpc.jsonrpc import Json
from node.rpc.registry import rpc_method
from primitives.errors import RpcError

__all__: list[str] = []

NO_CHECKPOINT = 1


@rpc_method("sync_state_genSyncSpec")
def gen_sync_spec(ctx: RpcContext, raw: bool) -> Json:
    """The chain spec from which a light client begins at the last final block.

    Whoever uses it believes this node that the block is final.
    """
    try:
        checkpoint = light_sync_state(ctx.chain)
    except (NoCheckpoint, StateDiscarded, UnknownBlock) as error:
        raise RpcError(NO_CHECKPOINT, str(error)) from None
    spec = replace(ctx.spec, light_sync_state=checkpoint)
    if raw and not isinstance(spec.genesis, RawGenesis):
        spec = spec.with_raw(genesis_state(spec))
    found: Json = json.loads(spec.to_json())
    return found
