"""``system_*``: the node itself, its chain, and nonces that count the pool."""

import trio

from node.database import StateDiscarded, UnknownBlock
from node.logging import add_filters, reset_filters
from node.network.transport import Roles
from node.rpc.context import NetworkView, RpcContext, unknown_to_api
from node.rpc.jsonrpc import Json
from node.rpc.registry import rpc_method, to_hex
from node.runtime.apis import ApplyExtrinsicResult, DispatchOutcome
from pallets.frame import TransactionInvalid, TransactionUnknown
from pallets.frame.dispatch import RuntimePanic
from pallets.frame.executive import Executive
from pallets.frame.validity import TransactionValidityError
from primitives.errors import CessError, DecodeError, RpcError
from primitives.scale import Err, Ok, codec
from primitives.types import AccountId, Hash

__all__: list[str] = []

SERVER_ERROR = -32000
BAD_PEER = 2002
RUNTIME_ERROR = 1
DECODE_ERROR = 2
NO_DRY_RUN = "Unable to dry run extrinsic."


@rpc_method("system_name", quick=True)
def name(ctx: RpcContext) -> Json:
    """What kind of node this is."""
    return ctx.name


@rpc_method("system_version", quick=True)
def version(ctx: RpcContext) -> Json:
    """The version of the program."""
    return ctx.version


@rpc_method("system_chain", quick=True)
def chain(ctx: RpcContext) -> Json:
    """The chain's name."""
    return ctx.spec.name


@rpc_method("system_chainType", quick=True)
def chain_type(ctx: RpcContext) -> Json:
    """Development, Local, Live or Custom."""
    return ctx.chain_type


@rpc_method("system_properties", quick=True)
def properties(ctx: RpcContext) -> Json:
    """Address format and token of the chain."""
    return dict(ctx.spec.properties)


@rpc_method("system_health", quick=True)
def health(ctx: RpcContext) -> Json:
    """Whether the node is in step with its peers."""
    return {
        "peers": ctx.peers_count,
        "isSyncing": ctx.is_syncing,
        "shouldHavePeers": ctx.should_have_peers,
    }


@rpc_method("system_peers", unsafe=True)
async def peers(ctx: RpcContext) -> Json:
    """The connected peers, and what each said of itself last."""
    await trio.lowlevel.checkpoint()
    return [
        {
            "peerId": info.peer,
            "roles": _role(info.status.roles),
            "bestHash": to_hex(best.hash),
            "bestNumber": best.number,
        }
        for info, best in ctx.peers()
    ]


def _role(roles: Roles) -> str:
    if roles & Roles.AUTHORITY:
        return "AUTHORITY"
    return "LIGHT" if roles & Roles.LIGHT else "FULL"


def _network(ctx: RpcContext) -> NetworkView:
    if ctx.network is None:
        raise RpcError(SERVER_ERROR, "Server error", "this node has no peer-to-peer network")
    return ctx.network


@rpc_method("system_localPeerId", quick=True)
def local_peer_id(ctx: RpcContext) -> Json:
    """The name that peers know this node by."""
    return _network(ctx).local_peer


@rpc_method("system_localListenAddresses", quick=True)
def local_listen_addresses(ctx: RpcContext) -> Json:
    """Addresses at which peers reach this node."""
    return [] if ctx.network is None else list(ctx.network.addresses())


@rpc_method("system_addReservedPeer", unsafe=True)
async def add_reserved_peer(ctx: RpcContext, address: str) -> Json:
    """Keep a connection with the node at an address that ends with its peer id."""
    await trio.lowlevel.checkpoint()
    network = _network(ctx)
    try:
        network.reserve(address)
    except CessError as error:
        raise RpcError(BAD_PEER, str(error)) from error
    return None


@rpc_method("system_removeReservedPeer", unsafe=True)
async def remove_reserved_peer(ctx: RpcContext, peer: str) -> Json:
    """Keep no place for a peer, named by its id, any more."""
    await trio.lowlevel.checkpoint()
    _network(ctx).unreserve(peer)
    return None


@rpc_method("system_reservedPeers")
async def reserved_peers(ctx: RpcContext) -> Json:
    """The ids of peers for which a place is kept."""
    await trio.lowlevel.checkpoint()
    return list(_network(ctx).reserved())


@rpc_method("system_unstable_networkState", aliases=("system_networkState",), unsafe=True)
async def network_state(ctx: RpcContext) -> Json:
    """What the network looks like from here; the shape may change."""
    await trio.lowlevel.checkpoint()
    network = _network(ctx)
    connected: dict[str, Json] = {
        info.peer: {
            "roles": _role(info.status.roles),
            "bestHash": to_hex(best.hash),
            "bestNumber": best.number,
            "reputation": info.reputation,
            "endpoint": "listening" if info.is_inbound else "dialing",
        }
        for info, best in ctx.peers()
    }
    return {
        "peerId": network.local_peer,
        "listenedAddresses": list(network.addresses()),
        "externalAddresses": list(network.addresses()),
        "connectedPeers": connected,
        "reservedPeers": list(network.reserved()),
    }


@rpc_method("system_nodeRoles", quick=True)
def node_roles(ctx: RpcContext) -> Json:
    """Authority or Full."""
    return ["Authority" if ctx.is_authority else "Full"]


@rpc_method("system_syncState", quick=True)
def sync_state(ctx: RpcContext) -> Json:
    """Where the node started, is, and is going to."""
    best = ctx.database.settled_best().number
    highest = best if ctx.sync is None else max(best, ctx.sync.best_seen())
    return {"startingBlock": ctx.starting_block, "currentBlock": best, "highestBlock": highest}


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


@rpc_method("system_dryRun", aliases=("system_dryRunAt",), unsafe=True, executes=True)
def dry_run(ctx: RpcContext, extrinsic: bytes, hash_: Hash | None = None) -> Json:
    """Apply an extrinsic upon a block and throw the result away; how it ended, SCALE encoded."""
    at = ctx.at(hash_)
    result: Ok[DispatchOutcome] | Err[TransactionValidityError]
    try:
        outcome = Executive(ctx.runtime(at), verifier=ctx.chain.verifier).dry_run(extrinsic, at)
    except (TransactionInvalid, TransactionUnknown) as error:
        result = Err(error.wire())
    except (UnknownBlock, StateDiscarded) as error:
        raise RpcError(RUNTIME_ERROR, NO_DRY_RUN, unknown_to_api(error)) from error
    except RuntimePanic as error:
        raise RpcError(RUNTIME_ERROR, NO_DRY_RUN, str(error)) from error
    except DecodeError as error:
        raise RpcError(DECODE_ERROR, NO_DRY_RUN.removesuffix("."), str(error)) from error
    else:
        result = Ok(Ok(None) if outcome.error is None else Err(outcome.error))
    return to_hex(codec(ApplyExtrinsicResult).encode(result))


@rpc_method("system_addLogFilter", unsafe=True)
async def add_log_filter(_ctx: RpcContext, directives: str) -> Json:
    """Let levels like `sync=debug,rpc=trace` win in the log from now on."""
    await trio.lowlevel.checkpoint()
    add_filters(directives)
    return None


@rpc_method("system_resetLogFilter", unsafe=True)
async def reset_log_filter(_ctx: RpcContext) -> Json:
    """Go back to the levels with which the node was started."""
    await trio.lowlevel.checkpoint()
    reset_filters()
    return None
