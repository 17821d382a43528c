"""Development networks: what is refused, what is written, and that nothing is left running."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import psutil
import pytest

from client.addresses import parse_endpoints
from client.devnet import (
    CLIENT_PROFILE,
    SPEC,
    STATE,
    Devnet,
    DevnetFailed,
    DevnetPlan,
    _miner_config,
    devnet_down,
    devnet_restart,
    devnet_status,
)
from client.validators import VALIDATORS_MAX

PATIENCE_S = 300


def plan(tmp_path: Path, **changes: Any) -> DevnetPlan:
    return DevnetPlan(**{"base_path": tmp_path / "net", **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"validators": 0},
        {"validators": VALIDATORS_MAX + 1},
        {"miners": 33},
        {"miners": -1},
        {"rpc_port": 0},
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, changes: dict[str, int]) -> None:
    with pytest.raises(DevnetFailed):
        Devnet(plan(tmp_path, **changes), print)


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DevnetFailed, match=f"port {port} is taken.*--rpc-port"):
            Devnet(plan(tmp_path, rpc_port=port), print).start()


def test_miners_get_the_settings_that_they_know() -> None:
    from storage_miner.config import KEYS

    nodes = ["ws://h:1", "ws://h:2"]
    settings = tomllib.loads(_miner_config(nodes, 3, 30_003, "http://127.0.0.1:30003", 4))
    assert settings["suri"] == "//Miner3"
    assert settings["rpc"] == ["ws://h:2", "ws://h:1"]
    assert set(settings) <= set(KEYS)


def test_a_network_of_many_validators_gives_no_more_nodes_than_a_client_takes() -> None:
    nodes = [f"ws://h:{port}" for port in range(1, VALIDATORS_MAX + 1)]
    text = _miner_config(nodes, 9, 30_003, "http://127.0.0.1:30003", 4)
    assert parse_endpoints(tomllib.loads(text)["rpc"])[0] == "ws://h:10"


def test_without_a_network_status_fails_and_down_has_nothing_to_do(tmp_path: Path) -> None:
    with pytest.raises(DevnetFailed, match="cess devnet up"):
        devnet_status(tmp_path)
    assert devnet_down(tmp_path) == {"stopped": 0}


def test_a_validator_is_restarted_in_a_running_network_only(tmp_path: Path) -> None:
    with pytest.raises(DevnetFailed, match="cess devnet up"):
        devnet_restart(tmp_path, "alice")


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / STATE).write_text('{"rpc": 1}')
    with pytest.raises(DevnetFailed, match="damaged"):
        devnet_status(tmp_path)


def test_an_unknown_preset_fails_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(DevnetFailed, match="no-such-chain"):
        Devnet(plan(tmp_path, preset="no-such-chain", rpc_port=free_port()), print).start()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def cess(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "client.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def pids(document: dict[str, Any]) -> list[int]:
    return [item["pid"] for item in (*document["validators"], *document["miners"])]


def running(found: list[int]) -> list[int]:
    return [
        pid
        for pid in found
        if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    ]


def wait_until_gone(found: list[int]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while running(found):
        assert time.monotonic() < deadline, f"still running: {running(found)}"
        time.sleep(0.1)


def test_a_chain_keeps_its_number_of_validators(tmp_path: Path) -> None:
    network = plan(tmp_path, validators=2, rpc_port=free_port())
    network.base_path.mkdir()
    made = cess(
        *("chain-spec", "build", "--chain", "dev", "--validators", "4"),
        *("-o", str(network.base_path / SPEC)),
    )
    assert made.returncode == 0, made.stderr
    with pytest.raises(DevnetFailed, match=r"made with 4 validators.*--validators 4"):
        Devnet(network, print).start()


@pytest.mark.integration
def test_four_validators_come_up_meet_and_lose_one(tmp_path: Path) -> None:
    base = tmp_path / "net"
    options = ["--base-path", str(base), "--miners", "0", "--validators", "4"]
    up = cess("devnet", "up", *options, "--rpc-port", str(free_port()), "--detach", "--json")
    assert up.returncode == 0, up.stderr
    document = json.loads(up.stdout)
    try:
        validators = document["validators"]
        assert [item["name"] for item in validators] == ["alice", "bob", "charlie", "dave"]
        assert set(validators[0]) == {"name", "pid", "base_path", "rpc", "peer_id"}
        assert document["rpc"] == validators[0]["rpc"]
        profile = (base / CLIENT_PROFILE).read_text().strip()
        assert profile == "export CESS_RPC=" + ",".join(item["rpc"] for item in validators)
        assert len({item["rpc"] for item in validators}) == 4
        # Whoever joins finds them all by the chain spec.
        nodes = json.loads(Path(document["chain_spec"]).read_text())["bootNodes"]
        assert [node.split("/p2p/")[1] for node in nodes] == [
            item["peer_id"] for item in validators
        ]
        os.kill(validators[3]["pid"], signal.SIGKILL)
        heights = [final_height(validators[0]["rpc"])]
        deadline = time.monotonic() + PATIENCE_S
        while heights[-1] < heights[0] + 3:
            assert time.monotonic() < deadline, "three of four make blocks final"
            time.sleep(0.5)
            heights.append(final_height(validators[0]["rpc"]))
        status = json.loads(cess("devnet", "status", "--base-path", str(base), "--json").stdout)
        assert [item["running"] for item in status["validators"]] == [True, True, True, False]
        for name, word in (("alice", "runs already"), ("eve", "it has alice, bob")):
            refused = cess("devnet", "restart", name, "--base-path", str(base))
            assert refused.returncode == 1
            assert word in refused.stderr
        back = cess("devnet", "restart", "dave", "--base-path", str(base), "--json")
        assert back.returncode == 0, back.stderr
        document = json.loads(back.stdout)
        assert all(item["running"] for item in document["validators"])
        assert document["validators"][3]["peer_id"] == validators[3]["peer_id"]
    finally:
        down = cess("devnet", "down", "--base-path", str(base), "--json")
    assert json.loads(down.stdout) == {"stopped": 4}
    wait_until_gone(pids(document))


def final_height(rpc: str) -> int:
    return int(json.loads(cess("network", "--rpc", rpc, "--json").stdout)["finalized"])


@pytest.mark.integration
def test_a_network_comes_up_answers_and_goes_down(tmp_path: Path) -> None:
    base = str(tmp_path / "net")
    options = ["--base-path", base, "--miners", "2", "--idle-plots", "1"]
    up = cess("devnet", "up", *options, "--rpc-port", str(free_port()), "--detach", "--json")
    assert up.returncode == 0, up.stderr
    document = json.loads(up.stdout)
    try:
        assert set(document) == {"rpc", "gateway", "chain_spec", "validators", "miners"}
        assert set(document["miners"][0]) == {"name", "account", "pid", "endpoint", "data_dir"}
        status = json.loads(cess("devnet", "status", "--base-path", base, "--json").stdout)
        assert all(item["running"] for item in status["miners"])
        network = json.loads(cess("network", "--rpc", document["rpc"], "--json").stdout)
        assert network["finalized"] >= 1
        assert all(item["idle"] > 0 for item in network["miners"])
        again = cess("devnet", "up", *options, "--rpc-port", str(free_port()))
        assert again.returncode == 1
        assert "devnet down" in again.stderr
        refused = cess(
            "territory",
            "mint",
            "--size",
            "1000000",
            "--days",
            "1",
            "--suri",
            "//Alice",
            "--rpc",
            document["rpc"],
            "--json",
        )
        assert refused.returncode == 1
        assert json.loads(refused.stdout)["error"] == "CallFailed"
    finally:
        down = cess("devnet", "down", "--base-path", base, "--json")
    assert json.loads(down.stdout) == {"stopped": 3}
    wait_until_gone(pids(document))


@pytest.mark.integration
def test_a_crash_of_up_leaves_nothing_running(tmp_path: Path) -> None:
    base = tmp_path / "net"
    command = ["devnet", "up", "--base-path", str(base), "--miners", "2"]
    up = subprocess.Popen(
        [sys.executable, "-m", "client.cli", *command, "--rpc-port", str(free_port())],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + PATIENCE_S
    found: list[int] = []
    try:
        while len(found) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.1)
            if (base / STATE).exists():
                found = pids(devnet_status(base))
    finally:
        os.kill(up.pid, signal.SIGKILL)
        up.wait()
    wait_until_gone(found)
