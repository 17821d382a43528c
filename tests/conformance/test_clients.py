"""Unmodified clients of other people against a live node; each in an environment of its own.

Every client connects, reads the chain and its metadata, an account, a map and a runtime API of our
own, asks for a fee, transfers, watches to finality, decodes the events, and is refused with a stale
nonce and a bad signature. The scripts are in ``clients``; they print what they saw.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.runtime import API_SPECS
from tests.conformance.environments.build import node_command, python_command
from tests.conformance.live import LiveNode, running

pytestmark = pytest.mark.integration

CLIENT_S = 300
TCESS = str(10**18)
TRANSFER_EVENTS = {"Balances.Withdraw", "Balances.Transfer", "System.ExtrinsicSuccess"}
ROUND_TRIPS = [(14, True), (15, True)]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with running(tmp_path_factory.mktemp("node")) as found:
        found.wait_height(1)
        yield found


def run(command: list[str], *arguments: str) -> dict[str, Any]:
    """What a client saw."""
    done = subprocess.run(
        [*command, *arguments], timeout=CLIENT_S, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def round_trips(seen: dict[str, Any]) -> list[tuple[int, bool]]:
    return [(entry["version"], entry["equal"]) for entry in seen["metadata"]]


def test_polkadot_api_works(node: LiveNode) -> None:
    seen = run(node_command("polkadot_api.mjs"), node.url)
    assert (seen["chain"], seen["ss58"], seen["token"]) == ("CESS Development", 11330, "TCESS")
    assert {"System", "FileBank", "Sminer", "Audit", "StorageHandler"} <= set(seen["pallets"])
    assert {name.lower() for name in seen["apis"]} == {name.lower() for name in API_SPECS}
    assert seen["deposit"] == TCESS
    assert seen["bobIsRich"]
    assert seen["ownApi"]
    assert seen["accounts"] == 20
    assert seen["multi"] == 2
    assert seen["fee"]
    assert seen["class"] == "Normal"
    # The client reads a block before it tells of it, and leaves out what is overtaken meanwhile:
    # here a block is final at once. That the node says both is in the tests of the pool.
    told = [status for status in seen["statuses"] if status not in ("Broadcast", "InBlock")]
    assert told == ["Ready", "Finalized"]
    assert {"balances.Transfer", "system.ExtrinsicSuccess"} <= set(seen["events"])
    assert "system.ExtrinsicFailed" in seen["failed"]
    assert seen["moved"] == seen["subscription"] == TCESS
    assert seen["stale"] == "1010: Invalid Transaction: Transaction is outdated"
    assert seen["forged"] == "1010: Invalid Transaction: Transaction has a bad signature"
    first = seen["heads"][0]
    assert seen["heads"] == [first, first + 1, first + 2]
    assert round_trips(seen) == ROUND_TRIPS


@pytest.mark.parametrize("way", ["new", "legacy"])
def test_papi_works(node: LiveNode, way: str) -> None:
    seen = run(node_command("papi.mjs"), node.url, way)
    assert seen["genesis"] == node.ask("chain_getBlockHash", 0)
    assert seen["token"] == "TCESS"
    assert seen["deposit"] == TCESS
    assert seen["isRich"]
    assert seen["ownApi"]
    assert seen["accounts"] >= 44
    assert seen["fee"]
    assert seen["statuses"] == ["signed", "broadcasted", "txBestBlocksState", "finalized"]
    assert seen["ok"]
    assert set(seen["events"]) >= TRANSFER_EVENTS
    assert seen["moved"] == TCESS
    assert seen["failed"] == "Module"
    assert "Stale" in seen["stale"]
    assert "BadProof" in seen["forged"]
    first = seen["finalized"][0]
    assert seen["finalized"] == [first, first + 1, first + 2]
    assert round_trips(seen) == ROUND_TRIPS


@pytest.mark.parametrize("way", ["new", "legacy"])
def test_dedot_works(node: LiveNode, way: str) -> None:
    seen = run(node_command("dedot.mjs"), node.url, way)
    assert seen["spec"] == 1
    assert seen["deposit"] == TCESS
    assert seen["isRich"]
    assert seen["accounts"] >= 44
    assert seen["fee"]
    assert seen["statuses"][0] == "Validated"
    assert seen["statuses"][-2:] == ["BestChainBlockIncluded", "Finalized"]
    assert set(seen["events"]) >= TRANSFER_EVENTS
    assert seen["moved"] == TCESS
    expected = "Stale" if way == "new" else "1010: Invalid Transaction"
    assert expected in seen["stale"]


def test_async_substrate_interface_works(node: LiveNode) -> None:
    seen = run(python_command("async_substrate.py"), node.url)
    assert seen["chain"] == "CESS Development"
    assert seen["deposit"] == TCESS
    assert seen["isRich"]
    assert seen["ownApi"]
    assert seen["accounts"] >= 44
    assert seen["fee"]
    assert seen["ok"]
    assert seen["finalized"]
    assert set(seen["events"]) >= TRANSFER_EVENTS
    assert seen["moved"] == TCESS
    assert "Invalid Transaction" in seen["stale"]
    assert "Invalid Transaction" in seen["forged"]
    assert round_trips(seen) == ROUND_TRIPS


def test_async_substrate_interface_knows_a_discarded_state(tmp_path: Path) -> None:
    kept = 8
    with running(tmp_path, "--state-pruning", str(kept)) as found:
        found.wait_height(2 * kept)
        seen = run(python_command("async_pruned.py"), found.url)
    for question in ("init", "query"):
        assert seen[question].startswith("State discarded for 0x"), seen
    assert seen["head"] == "accepted"
