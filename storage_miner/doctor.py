"""`cess miner doctor`: is everything there that an honest miner needs, and is it fast enough?

Each check is a name, a verdict and one sentence that says what to do. A check that needs an earlier
one is left out when that failed.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from client.chain import ChainClient, ChainLimits, EndpointReport, Standing
from primitives.crypto.ss58 import ss58_encode
from primitives.errors import CessError
from proofs.pois.params import plot_temp_bytes_max

from .chain import ClientChain, Head
from .config import MinerConfig
from .facts import ChainFacts
from .lifecycle import collateral_for
from .operations import ask_daemon
from .speed import judge, measure
from .store import DirectoryInUse, Volume, open_volumes
from .store.volume import FREE_BYTES_MIN

LIMITS = ChainLimits(connect_timeout_s=5)


@dataclass(slots=True)
class _Findings:
    checks: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, is_ok: bool, message: str) -> None:
        self.checks.append({"name": name, "is_ok": is_ok, "message": message})


async def examine_miner(config: MinerConfig) -> list[dict[str, Any]]:
    """All checks, in the order in which a failure should be cured."""
    found = _Findings()
    try:
        key = config.load_key()
        found.add("key", True, f"signs for {ss58_encode(key.account_id)}")
    except CessError as error:
        found.add("key", False, str(error))
        return found.checks
    _check_disk(config, found)
    facts: ChainFacts | None = None
    try:
        async with ChainClient.open(config.rpc, limits=LIMITS) as client:
            chain = ClientChain(client, key)
            facts = await chain.facts()
            for report in await client.look_at_endpoints():
                _check_node(report, found)
            header = await client.header()
            view = await chain.view(Head(int(header.number), header.hash()))
            if view.info is None:
                units = config.declared_units or 1
                need = collateral_for(units, facts.collateral_per_unit)
                free = int(await chain.free_balance())
                found.add(
                    "registered",
                    False,
                    f"not yet; {units} units need {need} planck and the account has {free}: "
                    "run `cess miner register` or set `declared_units`",
                )
            else:
                found.add("registered", True, f"state {view.info.state.name}")
                endpoint = bytes(view.info.endpoint).decode("utf-8", "replace")
                await _check_endpoint(endpoint, found)
            block_ms = await _block_ms(client)
    except CessError as error:
        found.add("node", False, str(error))
        return found.checks
    await _check_speed(config, facts, block_ms, found)
    return found.checks


def _check_node(report: EndpointReport, found: _Findings) -> None:
    if report.standing is not Standing.good:
        found.add("node", False, f"{report.url}: {report.why or report.standing.value}")
        return
    heights = f"is at block {report.best}, final {report.finalized}"
    lag = f", {report.lag_blocks} behind the others" if report.lag_blocks else ""
    found.add("node", True, f"{report.url} {heights}{lag}{'; in use' if report.is_in_use else ''}")


def _check_disk(config: MinerConfig, found: _Findings) -> None:
    try:
        with open_volumes(config.plans, int(time.time())) as volumes:
            for item in volumes.away(int(time.time())):
                found.add("volume", False, f"{item.path} is away: {item.reason}")
            for volume in volumes.volumes:
                _check_volume(volume, found)
    except DirectoryInUse:
        found.add("volumes", True, "in use by the running daemon")
    except CessError as error:
        found.add("volumes", False, str(error))


def _check_volume(volume: Volume, found: _Findings) -> None:
    space = volume.space()
    root = volume.layout.root
    missing = space.capacity - space.used - (space.disk_free - FREE_BYTES_MIN)
    if missing > 0:
        cure = f"{missing} bytes are missing for its `space`; lower it or free some"
        found.add("volume", False, f"{root}: {cure}")
    else:
        found.add("volume", True, f"{root} can be written; {space.disk_free} bytes are free")


async def _check_endpoint(endpoint: str, found: _Findings) -> None:
    """From here; whether others get through a firewall only they can tell."""
    try:
        async with httpx.AsyncClient(timeout=3, trust_env=False) as client:
            reply = await client.get(f"{endpoint}/health")
        is_ok = reply.status_code == httpx.codes.OK
        said = f"{endpoint} answers" if is_ok else f"{endpoint} answers {reply.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        is_ok = False
        said = (
            f"{endpoint} does not answer ({type(error).__name__}): start the daemon with "
            "`cess miner run`, or correct `endpoint`"
        )
    found.add("endpoint", is_ok, said)
    daemon = await ask_daemon(endpoint) if is_ok else None
    if daemon is not None:
        reason = daemon.get("reason") or "nothing hinders it"
        found.add("daemon", daemon.get("state") == "working", f"{daemon.get('state')}: {reason}")


async def _block_ms(client: ChainClient) -> int | None:
    try:
        return int(await client.constant("Babe", "ExpectedBlockTime"))
    except CessError:
        return None


async def _check_speed(
    config: MinerConfig, facts: ChainFacts, block_ms: int | None, found: _Findings
) -> None:
    """Measure as the daemon works, and compare with the chain's deadlines."""
    directories = [plan.path for plan in config.plans]
    try:
        measured = await measure(directories, facts, config.workers)
    except (CessError, OSError) as error:
        found.add("prover", False, f"the speed cannot be measured: {error}")
        return
    for verdict in judge(measured, facts, block_ms):
        found.add(verdict.name, verdict.is_ok, verdict.message)
    room = plot_temp_bytes_max(facts.plot_k)
    largest = max(plan.space for plan in config.plans)
    found.add("plot room", largest > 2 * room, f"a plot needs {room} bytes while it is made")
