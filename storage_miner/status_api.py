"""What GET /status and `cess miner status` tell, built from the cores' own counts.

One account of space (`Volume.space`), one word for the state and one sentence for the reason. Money
is in planck, as text, because it exceeds what JSON readers keep exactly; sizes are bytes.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from client.chain import EndpointReport
from pallets.sminer.types import MinerInfo
from primitives.crypto.ss58 import ss58_encode

from .custody import Custody
from .deals import Deals
from .facts import MinerView
from .idle import Idle
from .lifecycle import Lifecycle
from .prover_pool import ProverPool
from .responder import Responder
from .restoral import Restoral
from .store import AwayVolume, SpaceUse

VERSION = 1

SILENCE_S = 30.0
"""After so long without a block the node is the first suspect."""


def report(
    *,
    account: bytes,
    endpoint: str,
    view: MinerView | None,
    head_age_s: float | None,
    space: SpaceUse,
    volumes: Sequence[Mapping[str, Any]] = (),
    away: Sequence[AwayVolume] = (),
    fragments: int,
    plotting: Mapping[str, Any] | None = None,
    uploads: int,
    lifecycle: Lifecycle,
    responder: Responder,
    deals: Deals,
    idle: Idle,
    custody: Custody,
    restoral: Restoral,
    pool: ProverPool,
    nodes: Sequence[EndpointReport] = (),
) -> dict[str, Any]:
    """The whole document. Reads memory only."""
    deal, plot = deals.statistics(), idle.statistics()
    kept, proofs = custody.statistics(), responder.statistics()
    rebuilt, work = restoral.statistics(), pool.statistics()
    return {
        "version": VERSION,
        "pid": os.getpid(),
        "account": ss58_encode(account),
        "endpoint": endpoint,
        "state": lifecycle.phase.value,
        "reason": _silence(head_age_s) or lifecycle.reason or kept.reason,
        "block": None if view is None else view.number,
        "block_age_s": None if head_age_s is None else round(head_age_s, 1),
        "nodes": nodes_told(nodes),
        **_registered(None if view is None else view.info),
        "fragments": fragments,
        "uploads": uploads,
        "disk": {
            "capacity_bytes": space.capacity,
            "fragment_bytes": space.fragments,
            "plot_bytes": space.plots,
            "reserved_bytes": space.reserved,
            "left_bytes": space.left,
        },
        "volumes": [dict(volume) for volume in volumes],
        "volumes_away": [
            {"path": item.path, "reason": item.reason, "since": item.since} for item in away
        ],
        "deals": {
            "assigned": deal.assigned,
            "awaited": deal.awaited,
            "stored": deal.stored,
            "cosigned": deal.cosigned,
            "reported": deal.reported,
        },
        "plots": {
            "on_disk": plot.plots,
            "certified": plot.certified,
            "wanted": plot.wanted,
            "making": plot.making,
            "reason": plot.reason,
            **(plotting or {}),
        },
        "custody": {
            "held": kept.held,
            "lost": kept.lost,
            "unwanted": kept.unwanted,
            "is_suspended": kept.is_suspended,
            "reason": kept.reason,
        },
        "audits": {
            **_audited(view),
            "submitted": proofs.submitted,
            "refused": proofs.refused,
            "missed": proofs.missed,
            "open": list(proofs.open_parts),
        },
        "restoral": {
            "working_on": rebuilt.working_on,
            "restored": rebuilt.restored,
            "failed": rebuilt.failed,
        },
        "workers": {
            "processes": work.processes,
            "waiting": work.waiting,
            "finished": work.finished,
            "failed": work.failed,
        },
    }


def nodes_told(nodes: Sequence[EndpointReport]) -> list[dict[str, Any]]:
    """Which nodes can be reached, how far behind the others each is, and which one is used."""
    return [
        {
            "url": node.url,
            "state": node.standing.value,
            "reason": node.why,
            "is_in_use": node.is_in_use,
            "best": node.best,
            "finalized": node.finalized,
            "lag_blocks": node.lag_blocks,
        }
        for node in nodes
    ]


def _silence(head_age_s: float | None) -> str:
    if head_age_s is None or head_age_s < SILENCE_S:
        return ""
    return f"no block was seen for {head_age_s:.0f} s: is the node running and reachable?"


def _registered(info: MinerInfo | None) -> dict[str, Any]:
    return {
        "is_registered": info is not None,
        "declared_bytes": 0 if info is None else int(info.declaration_space),
        "idle_bytes": 0 if info is None else int(info.idle_space),
        "service_bytes": 0 if info is None else int(info.service_space),
        "locked_bytes": 0 if info is None else int(info.lock_space),
        "collateral": "0" if info is None else str(int(info.collaterals)),
        "debt": "0" if info is None else str(int(info.debt)),
    }


def _audited(view: MinerView | None) -> dict[str, Any]:
    record = None if view is None else view.audits
    challenge = None if view is None else view.challenge
    return {
        "rounds": 0 if record is None else int(record.round),
        "passed": 0 if record is None else int(record.passed),
        "faults": 0 if record is None else int(record.faults),
        "last_passed_block": (
            None if record is None or record.last_audit is None else int(record.last_audit)
        ),
        "open_round": None if challenge is None else int(challenge.round),
    }
