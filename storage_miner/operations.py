"""What the commands of `cess miner` do, other than running the daemon.

Each opens its own connection, does one thing and returns a JSON document. A call that the chain
refuses raises `CallRefused` with the chain's word and what it means.
"""

import time
from functools import partial
from typing import Any

import httpx
import trio

from client.chain import ChainClient
from pallets.sminer import Sminer
from primitives.crypto.ss58 import ss58_encode

from .chain import ClientChain, Head
from .config import MinerConfig
from .errors import ConfigInvalid, MinerError
from .facts import ChainFacts, Ended, MinerView, Outcome
from .lifecycle import PHASES, Phase, collateral_for
from .plots import Plots, pause_plotting, resume_plotting
from .status_api import nodes_told
from .store import AwayVolume, Volumes, open_volumes
from .store.scrub import Finding, examine
from .store.volumes import AWAY_GRACE_S

STATUS_TIMEOUT_S = 2.0
STATUS_BYTES_MAX = 1 << 20


class CallRefused(MinerError):  # noqa: N818  a fact
    """The chain or its pool did not do what was asked."""

    code = "call_refused"


async def read_status(config: MinerConfig) -> dict[str, Any]:
    """What the chain says, and under `daemon` what the running daemon says."""
    key = config.load_key()
    async with ChainClient.open(config.rpc) as client:
        chain = ClientChain(client, key)
        facts, view = await _look(chain)
        document = _on_chain(view, facts)
        document["account"] = ss58_encode(key.account_id)
        document["balance"] = str(int(await chain.free_balance()))
        document["nodes"] = nodes_told(await client.look_at_endpoints())
        reward = await client.read(Sminer.reward_map, key.account_id)
        if reward is not None:
            document["reward_total"] = str(int(reward.total_reward))
            document["reward_paid"] = str(int(reward.reward_issued))
    endpoint = document.get("endpoint")
    document["daemon"] = None if endpoint is None else await ask_daemon(endpoint)
    return document


async def ask_daemon(endpoint: str) -> dict[str, Any] | None:
    """The status document of a daemon; None when it does not answer."""
    try:
        async with httpx.AsyncClient(timeout=STATUS_TIMEOUT_S, trust_env=False) as client:
            reply = await client.get(f"{endpoint}/status")
            if reply.status_code != httpx.codes.OK or len(reply.content) > STATUS_BYTES_MAX:
                return None
            document = reply.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return None
    return document if isinstance(document, dict) else None


async def register_miner(config: MinerConfig, units: int) -> dict[str, Any]:
    """Register, with the collateral that `units` need."""
    if config.endpoint is None:
        raise ConfigInvalid("`endpoint` is needed to register")
    key = config.load_key()
    async with ChainClient.open(config.rpc) as client:
        chain = ClientChain(client, key)
        facts = await chain.facts()
        collateral = collateral_for(units, facts.collateral_per_unit)
        free = int(await chain.free_balance())
        if free <= collateral:
            raise CallRefused(
                f"{units} units need {collateral} planck of collateral and a little for fees; the "
                f"account has {free}: {collateral - free} are missing"
            )
        beneficiary = config.beneficiary_account() or key.account_id
        _require_done(await chain.register(config.endpoint, beneficiary, collateral, units))
        return await _after(chain)


async def submit_action(config: MinerConfig, action: str, amount: int) -> dict[str, Any]:
    """Stake, claim, exit or withdraw."""
    key = config.load_key()
    async with ChainClient.open(config.rpc) as client:
        chain = ClientChain(client, key)
        match action:
            case "stake":
                ended = await chain.add_collateral(amount)
            case "claim":
                ended = await chain.claim_reward()
            case "exit":
                ended = await chain.announce_exit()
            case "withdraw":
                ended = await chain.withdraw()
            case _:
                raise AssertionError(f"the command line has no action {action}")
        _require_done(ended)
        return await _after(chain)


async def repair_volume(config: MinerConfig, *, report_losses: bool) -> dict[str, Any]:
    """Check every fragment and plot; remove what is damaged; report it when asked to.

    Raises: DirectoryInUse while the daemon runs; ConfigInvalid when losses are to be reported while
    a volume is waited for.
    """
    key = config.load_key()
    volumes = await trio.to_thread.run_sync(open_volumes, config.plans, int(time.time()))
    with volumes:
        if report_losses and volumes.is_waiting(int(time.time())):
            places = ", ".join(item.path for item in volumes.away(int(time.time())))
            raise ConfigInvalid(
                f"{places} is away, and what lies there is not lost yet: bring it back, or give it "
                "up first with `cess miner volumes forget`"
            )
        async with ChainClient.open(config.rpc) as client:
            chain = ClientChain(client, key)
            facts, view = await _look(chain)
            volumes.bind(facts.genesis, key.account_id)
            damaged = await _remove_damaged(volumes)
            final = await chain.finalized()
            held = [item for item in await chain.holdings(final.hash) if not item.is_removed]
            lost = [item for item in held if volumes.entry(item.fragment_hash) is None]
            plots = await _check_plots(volumes, facts, view, key.account_id)
            reported = []
            for item in lost if report_losses else ():
                ended = await chain.report_loss(item.file_hash, item.fragment_hash)
                if ended.outcome is Outcome.done:
                    reported.append("0x" + item.fragment_hash.hex())
            return {
                "fragments_held": len(held),
                "fragments_damaged": damaged,
                "fragments_lost": ["0x" + item.fragment_hash.hex() for item in lost],
                "fragments_reported": reported,
                "plots_damaged": list(plots),
                "volumes_away": [item.path for item in volumes.away(int(time.time()))],
            }


def list_volumes(config: MinerConfig) -> dict[str, Any]:
    """The volumes that are there and those that are away. Raises: DirectoryInUse."""
    now = int(time.time())
    with open_volumes(config.plans, now) as volumes:
        return _volumes(volumes, now)


def forget_volumes(config: MinerConfig) -> dict[str, Any]:
    """Give up the volumes that are away; the next start reports what was on them.

    Raises: DirectoryInUse while the daemon runs; ConfigInvalid when none is away.
    """
    now = int(time.time())
    with open_volumes(config.plans, now) as volumes:
        if not volumes.forget_away():
            raise ConfigInvalid("no volume is away, or all that are were given up already")
        return _volumes(volumes, now)


def _volumes(volumes: Volumes, now: int) -> dict[str, Any]:
    here = {}
    for volume in volumes.volumes:
        space = volume.space()
        here[str(volume.layout.root)] = {
            "id": volume.page.volume_id.hex(),
            "fragments": volume.count(),
            "capacity_bytes": space.capacity,
            "used_bytes": space.used,
            "left_bytes": space.left,
        }
    away = {
        item.path: {"reason": item.reason, "is_given_up": not _is_waited_for(item, now)}
        for item in volumes.away(now)
    }
    return {"volumes": here, "away": away}


def _is_waited_for(item: AwayVolume, now: int) -> bool:
    return now - item.since < AWAY_GRACE_S


def switch_plotting(config: MinerConfig, *, is_paused: bool) -> dict[str, Any]:
    """Pause or resume plotting; a running daemon notices within a block. Raises: StoreError."""
    roots = [plan.path for plan in config.plans]
    if is_paused:
        pause_plotting(roots)
    else:
        resume_plotting(roots)
    return {"plotting": "paused" if is_paused else "on"}


async def _remove_damaged(volumes: Volumes) -> list[str]:
    """Every copy of every fragment is read; damaged ones go."""
    removed: dict[str, None] = {}
    for volume in volumes.reading():
        for fragment_hash in volume.fragment_hashes():
            path = volume.layout.fragment(fragment_hash)
            result = await trio.to_thread.run_sync(examine, path, fragment_hash)
            if result.finding is not Finding.sound:
                await trio.to_thread.run_sync(volume.forget, fragment_hash)
                removed["0x" + fragment_hash.hex()] = None
    return sorted(removed)


async def _check_plots(
    volumes: Volumes, facts: ChainFacts, view: MinerView, account: bytes
) -> tuple[int, ...]:
    """The damaged plots, deleted, so that the daemon makes them again."""
    if view.info is None:
        return ()
    plots = Plots(volumes, facts.genesis, account, facts.plot_k)
    space = view.info.space_proof_info
    indexes = range(int(space.front), int(space.rear))
    damaged = await trio.to_thread.run_sync(partial(plots.damaged, indexes))
    for index in damaged:
        await trio.to_thread.run_sync(plots.delete, index)
    return damaged


async def _look(chain: ClientChain) -> tuple[ChainFacts, MinerView]:
    facts = await chain.facts()
    header = await chain.client.header()
    return facts, await chain.view(Head(int(header.number), header.hash()))


async def _after(chain: ClientChain) -> dict[str, Any]:
    facts, view = await _look(chain)
    return {"account": ss58_encode(chain.account), **_on_chain(view, facts)}


def _on_chain(view: MinerView, facts: ChainFacts) -> dict[str, Any]:
    info = view.info
    if info is None:
        return {"state": Phase.waiting.value, "is_registered": False, "block": view.number}
    record = view.audits
    return {
        "state": PHASES[info.state].value,
        "is_registered": True,
        "block": view.number,
        "endpoint": bytes(info.endpoint).decode("utf-8", "replace"),
        "beneficiary": ss58_encode(info.beneficiary),
        "collateral": str(int(info.collaterals)),
        "debt": str(int(info.debt)),
        "declared_units": -(-int(info.declaration_space) // facts.declaration_unit_bytes),
        "declared_bytes": int(info.declaration_space),
        "idle_bytes": int(info.idle_space),
        "locked_bytes": int(info.lock_space),
        "service_bytes": int(info.service_space),
        "fragments": view.holding_count,
        "audits_passed": 0 if record is None else int(record.passed),
        "audits_faults": 0 if record is None else int(record.faults),
        "exit_block": view.exit_due,
        "withdraw_block": None if view.leaving is None else int(view.leaving.cooling_block),
    }


def _require_done(ended: Ended) -> None:
    if ended.outcome is Outcome.done:
        return
    docs = {error.__name__: (error.__doc__ or "").split("\n")[0] for error in Sminer.error_types}
    meaning = docs.get(ended.error, "")
    raise CallRefused(f"{ended.error}: {meaning}" if meaning else ended.error)
