"""``grandpa_*`` and ``babe_*``: finality and block production, as this node sees them."""

from typing import Final

import trio

from node.consensus.announcements import Finalized
from node.consensus.authorities import epoch_for
from node.consensus.shell import AuthoringKeys
from node.consensus.slots import secondary_author_of, wins_slot
from node.consensus.verification import slot_of
from node.rpc.context import RpcContext
from node.rpc.dispatch import Sink
from node.rpc.jsonrpc import Json
from node.rpc.registry import rpc_method, rpc_subscription, to_hex
from pallets.babe.slots import SECONDARY_KINDS
from primitives.crypto.ss58 import ss58_encode
from primitives.digest import SecondaryPlain, SecondaryVrf
from primitives.errors import RpcError
from primitives.header import Header
from primitives.scale import encode, struct
from primitives.types import Hash

__all__: list[str] = []

NOT_READY: Final = 1
NO_PROOF: Final = 4
SLOTS_MAX: Final = 2_400
"""Slots that ``babe_epochAuthorship`` looks at: 2 s of work for each authoring key."""


@struct
class FinalityProof:
    """What ``grandpa_proveFinality`` answers, SCALE encoded."""

    block: Hash
    justification: bytes
    unknown_headers: tuple[Header, ...]


@rpc_method("grandpa_roundState")
async def round_state(ctx: RpcContext) -> Json:
    """The round that is being voted in, and who has not voted yet; none is in the background."""
    await trio.lowlevel.checkpoint()
    found = ctx.finality()
    if found is None:
        raise RpcError(NOT_READY, "GRANDPA RPC endpoint not ready")
    return {
        "setId": found.set_id,
        "best": {
            "round": found.round,
            "totalWeight": found.total_weight,
            "thresholdWeight": found.threshold,
            "prevotes": _votes(found.prevote_weight, found.missing_prevotes),
            "precommits": _votes(found.precommit_weight, found.missing_precommits),
        },
        "background": [],
    }


def _votes(weight: int, missing: tuple[bytes, ...]) -> Json:
    return {"currentWeight": weight, "missing": [ss58_encode(key) for key in missing]}


@rpc_method("grandpa_proveFinality")
def prove_finality(ctx: RpcContext, block: int) -> Json:
    """The justification that makes the block at this height final."""
    finalized = ctx.database.finalized()
    if block > finalized.number:
        raise RpcError(
            NO_PROOF,
            "GRANDPA prove finality rpc failed: Block not yet finalized",
            f"the last final block is {finalized.number}",
        )
    headers: list[Header] = []
    for number in range(block, min(finalized.number, block + SLOTS_MAX) + 1):
        hash_ = ctx.database.canonical_hash(number)
        if hash_ is None:
            break
        if number > block:
            headers.append(ctx.chain.header(hash_))
        justification = ctx.database.justification(hash_)
        if justification is not None:
            return to_hex(
                encode(FinalityProof, FinalityProof(hash_, justification, tuple(headers)))
            )
    raise RpcError(
        NO_PROOF,
        "GRANDPA prove finality rpc failed: Block not covered by authority set changes",
        f"no justification is kept for block {block} or one after it",
    )


@rpc_subscription(
    "grandpa_subscribeJustifications",
    event="grandpa_justifications",
    unsubscribe="grandpa_unsubscribeJustifications",
)
async def subscribe_justifications(ctx: RpcContext, sink: Sink) -> None:
    """Each new justification."""
    with ctx.announcements.listen() as events:
        await sink.accept()
        async for event in events:
            if not isinstance(event, Finalized):
                continue
            for hash_ in event.hashes:
                found = await ctx.read(ctx.database.justification, hash_)
                if found is not None:
                    sink.send(to_hex(found))


@rpc_method("babe_epochAuthorship", unsafe=True)
def epoch_authorship(ctx: RpcContext) -> Json:
    """For each authoring key of this node: the slots of the current epoch that are its own."""
    keys = AuthoringKeys(ctx.keystore, ctx.dev_keys)
    best = ctx.chain.best_header()
    runtime = ctx.chain.runtime(best.hash())
    slot = max(slot_of(best), 1)
    epoch = epoch_for(runtime, slot)
    start = int(runtime.babe.current_epoch_start())
    end = start + min(int(runtime.babe.config.epoch_duration), SLOTS_MAX)
    found: dict[str, Json] = {}
    kind = SECONDARY_KINDS[epoch.allowed]
    for pair in keys.pairs(epoch.authorities):
        index = epoch.authorities.index(pair.public)
        if index in epoch.disabled:
            continue
        primary = [at for at in range(start, end) if wins_slot(at, epoch, index, pair)]
        won = frozenset(primary)
        secondary = [
            at
            for at in range(start, end)
            if at not in won and secondary_author_of(at, epoch) == index
        ]
        found[ss58_encode(pair.public)] = {
            "primary": primary,
            "secondary": secondary if kind is SecondaryPlain else [],
            "secondary_vrf": secondary if kind is SecondaryVrf else [],
        }
    return found
