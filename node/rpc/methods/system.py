"""``system_*``: the node itself, its chain, and nonces that count the pool."""

import trio

from node.rpc.context import RpcContext
from node.rpc.jsonrpc import Json
from node.rpc.registry import rpc_method, to_hex
from node.runtime.apis import ApplyExtrinsicResult, DispatchOutcome
from pallets.frame import TransactionInvalid, TransactionUnknown
from pallets.frame.executive import Executive
from pallets.frame.validity import TransactionValidityError
from primitives.errors import RpcError
from primitives.scale import Err, Ok, codec
from primitives.types import AccountId, Hash

__all__: list[str] = []

SERVER_ERROR = -32000


@rpc_method("system_name")
async def name(ctx: RpcContext) -> Json:
    """What kind of node this is."""
    await trio.lowlevel.checkpoint()
    return ctx.name


@rpc_method("system_version")
async def version(ctx: RpcContext) -> Json:
    """The version of the program."""
    await trio.lowlevel.checkpoint()
    return ctx.version


@rpc_method("system_chain")
async def chain(ctx: RpcContext) -> Json:
    """The chain's name."""
    await trio.lowlevel.checkpoint()
    return ctx.spec.name


@rpc_method("system_chainType")
async def chain_type(ctx: RpcContext) -> Json:
    """Development, Local, Live or Custom."""
    await trio.lowlevel.checkpoint()
    return ctx.chain_type


@rpc_method("system_properties")
async def properties(ctx: RpcContext) -> Json:
    """Address format and token of the chain."""
    await trio.lowlevel.checkpoint()
    return dict(ctx.spec.properties)


@rpc_method("system_health")
async def health(_ctx: RpcContext) -> Json:
    """Whether the node is in step with its peers."""
    await trio.lowlevel.checkpoint()
    return {"peers": 0, "isSyncing": False, "shouldHavePeers": False}


@rpc_method("system_peers", unsafe=True)
async def peers(_ctx: RpcContext) -> Json:
    """The connected peers; this node runs alone."""
    await trio.lowlevel.checkpoint()
    return []


@rpc_method("system_localPeerId")
async def local_peer_id(ctx: RpcContext) -> Json:
    """The name that peers know this node by."""
    await trio.lowlevel.checkpoint()
    if ctx.peer_id is None:
        raise RpcError(SERVER_ERROR, "Server error", "this node has no peer-to-peer network")
    return ctx.peer_id


@rpc_method("system_localListenAddresses")
async def local_listen_addresses(ctx: RpcContext) -> Json:
    """Addresses at which peers reach this node."""
    await trio.lowlevel.checkpoint()
    return list(ctx.listen_addresses)


@rpc_method("system_nodeRoles")
async def node_roles(ctx: RpcContext) -> Json:
    """Authority or Full."""
    await trio.lowlevel.checkpoint()
    return ["Authority" if ctx.is_authority else "Full"]


@rpc_method("system_syncState")
async def sync_state(ctx: RpcContext) -> Json:
    """Where the node started, is, and is going to."""
    await trio.lowlevel.checkpoint()
    best = ctx.database.best().number
    return {"startingBlock": ctx.starting_block, "currentBlock": best, "highestBlock": best}


@rpc_method("system_accountNextIndex", aliases=("account_nextIndex",))
async def account_next_index(ctx: RpcContext, account: AccountId) -> Json:
    """The next nonce of an account, counting its ready transactions in the pool."""

    def read() -> int:
        return int(ctx.runtime(None).system.nonce_of(account) or 0)

    nonce = await ctx.read(read)
    core = ctx.pool.core
    while core.provides(bytes(account) + nonce.to_bytes(4, "little")):
        nonce += 1
    return nonce


@rpc_method("system_dryRun", aliases=("system_dryRunAt",), unsafe=True)
def dry_run(ctx: RpcContext, extrinsic: bytes, hash_: Hash | None = None) -> Json:
    """Apply an extrinsic upon a block and throw the result away; how it ended, SCALE encoded."""
    at = ctx.at(hash_)
    result: Ok[DispatchOutcome] | Err[TransactionValidityError]
    try:
        outcome = Executive(ctx.runtime(at), verifier=ctx.chain.verifier).dry_run(extrinsic, at)
    except (TransactionInvalid, TransactionUnknown) as error:
        result = Err(error.wire())
    else:
        result = Ok(Ok(None) if outcome.error is None else Err(outcome.error))
    return to_hex(codec(ApplyExtrinsicResult).encode(result))
