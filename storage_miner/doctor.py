"""`cess miner doctor`: is everything there that an honest miner needs, and is it fast enough?

Each check is a name, a verdict and one sentence that says what to do. A check that needs an earlier
one is left out when that failed.
"""

import os
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import trio

from client.chain import ChainClient, ChainLimits
from primitives.crypto.ss58 import ss58_encode
from primitives.errors import CessError
from primitives.types import FragmentHash
from proofs.podr2.params import row_count
from proofs.pois.params import plot_temp_bytes_max

from .chain import ClientChain, Head
from .config import MinerConfig
from .facts import ChainFacts
from .jobs import AskedRow, CommitJob, Commitments, ServiceJob
from .lifecycle import collateral_for
from .operations import ask_daemon
from .prover_pool import open_pool
from .store import DirectoryInUse, Volume, open_volumes
from .store.volume import FREE_BYTES_MIN

LIMITS = ChainLimits(connect_timeout_s=5)
PRIORITY = 0
MILLISECONDS = 1000


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
            header = await client.header()
            found.add("node", True, f"{config.rpc} is at block {int(header.number)}")
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
    """Commit to a fragment and answer a full round in a worker, as the daemon does."""
    import hashlib
    import tempfile
    from pathlib import Path

    data = os.urandom(facts.fragment_bytes)
    fragment_hash = FragmentHash(hashlib.sha256(data).digest())
    with tempfile.TemporaryDirectory(prefix="cess-doctor-") as directory:
        path = Path(directory) / "fragment"
        path.write_bytes(data)
        try:
            async with open_pool(1) as pool:
                started = trio.current_time()
                made = await pool.run(CommitJob(str(path), fragment_hash.hex()), PRIORITY)
                commit_s = trio.current_time() - started
                points = made.commitments if isinstance(made, Commitments) else []
                rows = row_count(facts.fragment_bytes)
                asked = [
                    AskedRow(t, str(path), fragment_hash.hex(), t % rows, points[t % rows])
                    for t in range(facts.rows_sampled_max)
                ]
                job = ServiceJob(os.urandom(32).hex(), facts.fragment_bytes, asked)
                started = trio.current_time()
                await pool.run(job, PRIORITY)
                prove_s = trio.current_time() - started
        except CessError as error:
            found.add("prover", False, str(error))
            return
    said = (
        f"a fragment is committed to in {commit_s:.1f} s; a round of {facts.rows_sampled_max} rows "
        f"takes {prove_s:.1f} s"
    )
    if block_ms is None:
        found.add("prover", True, said)
        return
    allowed_s = facts.service_deadline_blocks * block_ms / MILLISECONDS
    is_ok = 2 * prove_s < allowed_s
    cure = "" if is_ok else "; use a faster disk or processor, or run fewer miners here"
    found.add("prover", is_ok, f"{said}, and {allowed_s:.0f} s are allowed{cure}")
    room = plot_temp_bytes_max(facts.plot_k)
    found.add("plots", config.space > 2 * room, f"a plot needs {room} bytes while it is made")
