"""The command line: flags, exit codes, and errors that say what to do."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from chain_spec.presets import dev
from node import service
from node.cli import chain_spec, node
from node.config import NodeConfig
from node.consensus.grandpa.store import VoteStore
from primitives.grandpa import Block


def run(*args: str) -> Any:
    return CliRunner().invoke(node, args, prog_name="cess node")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[NodeConfig]:
    """Configurations that nodes were started with."""
    found: list[NodeConfig] = []
    monkeypatch.setattr(service, "run", found.append)
    return found


def test_help_answers_at_once_and_loads_no_node() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from node.cli import node; "
        "assert CliRunner().invoke(node, ['--help']).exit_code == 0; "
        "assert not {'trio', 'plyvel', 'node.service'} & set(sys.modules)"
    )
    started_s = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True)
    assert time.monotonic() - started_s < 20


def test_dev_is_alice_in_a_temporary_directory(started: list[NodeConfig]) -> None:
    assert run("--dev").exit_code == 0
    (config,) = started
    assert (config.chain, config.dev_key, config.name) == ("dev", "alice", "Alice")
    assert config.is_authority
    assert config.is_temporary
    assert config.rpc.cors is None
    assert not config.rpc.deny_unsafe


def test_dev_with_a_base_path_stays(started: list[NodeConfig], tmp_path: Path) -> None:
    run("--dev", "--base-path", str(tmp_path), "--no-prometheus", "--rpc-port", "0")
    (config,) = started
    assert config.base_path == tmp_path
    assert not config.is_temporary
    assert config.prometheus_port is None
    assert config.rpc.port == 0


def test_flags_are_substrates(started: list[NodeConfig], tmp_path: Path) -> None:
    result = run(
        *("--chain", "local", "-d", str(tmp_path), "--validator", "--bob", "--name", "b"),
        *("--rpc-external", "--rpc-methods", "safe", "--rpc-cors", "http://a, http://b"),
        *("--rpc-max-connections", "7", "--rpc-max-request-size", "8", "--pool-limit", "9"),
        *("--rpc-max-subscriptions-per-connection", "3", "--rpc-disable-batch-requests"),
        *("--state-pruning", "archive", "--blocks-pruning", "50", "--pool-kbytes", "10"),
        *("--keystore-path", str(tmp_path / "k"), "--prometheus-port", "1", "-l", "rpc=debug"),
    )
    assert result.exit_code == 0, result.output
    (config,) = started
    assert (config.dev_key, config.name, config.rpc.external) == ("bob", "b", True)
    assert config.rpc.cors == ("http://a", "http://b")
    assert (config.rpc.connections_max, config.rpc.request_mib, config.pool_count) == (7, 8, 9)
    assert (config.rpc.subscription_count, config.rpc.batch_count) == (3, 0)
    assert (config.state_pruning, config.blocks_pruning, config.pool_kib) == (None, 50, 10)


def test_flags_of_the_network_are_substrates(started: list[NodeConfig], tmp_path: Path) -> None:
    boot = "/ip4/1.2.3.4/tcp/1/p2p/12D3KooWKUXshmnd7bCjzsYgzzE1ihANdPp3UCidCRaSKbhHyr9d"
    result = run(
        *("--chain", "local", "-d", str(tmp_path), "--port", "31001", "--no-mdns"),
        *("--listen-addr", "/ip4/127.0.0.1/tcp/1", "--listen-addr", "/ip6/::1/tcp/1"),
        *("--public-addr", "/dns/a.b/tcp/1", "--bootnodes", boot, "--bootnodes", boot),
        *("--reserved-nodes", boot, "--reserved-only", "--in-peers", "1", "--out-peers", "2"),
        *("--in-peers-light", "3", "--sync", "warp", "--node-key-file", str(tmp_path / "k")),
        "--unsafe-force-node-key-generation",
    )
    assert result.exit_code == 0, result.output
    network = started[0].network
    assert (network.port, network.port_is_given, network.is_local) == (31001, True, False)
    assert network.listen_addrs == ("/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1")
    assert (network.public_addrs, network.bootnodes) == (("/dns/a.b/tcp/1",), (boot, boot))
    assert (network.reserved_nodes, network.reserved_only) == ((boot,), True)
    assert (network.in_peers, network.out_peers, network.in_peers_light) == (1, 2, 3)
    assert (network.sync, network.node_key_file) == ("warp", tmp_path / "k")
    assert network.unsafe_generate_key


def test_a_development_node_listens_at_its_own_machine(started: list[NodeConfig]) -> None:
    assert run("--dev").exit_code == 0
    network = started[0].network
    assert (network.is_local, network.port, network.port_is_given) == (True, 30333, False)


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (["--nonsense"], 2, "No such option"),
        (["--rpc-port", "70000"], 2, "--rpc-port"),
        (["--dev", "--chain", "local"], 2, "exclude one another"),
        (["--sync", "slow"], 2, "--sync"),
        (["--state-pruning", "none"], 1, "'archive'"),
        (["--log", "loud"], 1, "is no level"),
        (["--tmp", "-d", "x"], 1, "exclude one another"),
        (["--validator", "--rpc-external", "--rpc-methods", "unsafe"], 1, "gives your keys away"),
    ],
)
def test_wrong_flags_say_what_to_do(
    args: list[str], code: int, text: str, started: list[NodeConfig]
) -> None:
    result = run(*args)
    assert result.exit_code == code
    assert text in result.output
    assert not started


def test_a_chain_that_does_not_exist_fails_with_one(tmp_path: Path) -> None:
    result = run("--chain", str(tmp_path / "none.json"), "-d", str(tmp_path))
    assert result.exit_code == 1
    assert "cannot be read" in result.output


def test_files_are_exported_imported_reverted_and_purged(tmp_path: Path) -> None:
    place = ("--chain", "dev", "-d", str(tmp_path))
    out = tmp_path / "blocks.jsonl"
    assert run("export-blocks", str(out), *place).exit_code == 0
    assert run("import-blocks", str(out), *place).exit_code == 0
    reverted = run("revert", "3", *place)
    assert (reverted.exit_code, "reverted 0 blocks" in reverted.output) == (0, True)
    assert run("purge-chain", *place).exit_code == 1  # nobody said yes
    assert "removed" in run("purge-chain", "-y", *place).output
    assert "nothing to remove" in run("purge-chain", "-y", *place).output


def test_what_was_made_final_alone_is_forgotten_only_when_told(tmp_path: Path) -> None:
    place = ("--chain", "dev", "-d", str(tmp_path))
    votes = NodeConfig(chain="dev", base_path=tmp_path).votes_path(dev().id)
    votes.parent.mkdir(parents=True)
    final = Block(b"\x01" * 32, 7)
    VoteStore(votes).note_alone(final)
    assert "up to 7 final alone" in run("purge-chain", "-y", *place).output
    assert VoteStore(votes).alone == final
    assert "forgot that block 7" in run("purge-chain", "-y", "--forget-final", *place).output
    assert VoteStore(votes).alone is None
    assert "final" not in run("purge-chain", "-y", *place).output


def test_a_development_chain_has_no_files_of_its_own() -> None:
    result = run("purge-chain", "--dev", "-y")
    assert result.exit_code == 1
    assert "--base-path" in result.output


def test_specs_are_built_and_inspected(tmp_path: Path) -> None:
    runner = CliRunner()
    for name, flags in (("plain.json", []), ("raw.json", ["--raw"])):
        path = str(tmp_path / name)
        built = runner.invoke(chain_spec, ["build", "--chain", "dev", "-o", path, *flags])
        assert built.exit_code == 0, built.output
    inspected = [
        json.loads(runner.invoke(chain_spec, ["inspect", str(tmp_path / name), "--json"]).output)
        for name in ("plain.json", "raw.json")
    ]
    assert inspected[0] == inspected[1]
    assert set(inspected[0]) == {"name", "id", "keys", "state_root", "genesis_hash"}
    text = runner.invoke(chain_spec, ["inspect", str(tmp_path / "raw.json")]).output
    assert f"genesis_hash: {inspected[0]['genesis_hash']}" in text
    raw = run("build-spec", "--dev", "--raw").output
    assert raw == (tmp_path / "raw.json").read_text()


def test_a_development_chain_has_the_validators_that_were_asked_for() -> None:
    runner = CliRunner()
    built = runner.invoke(chain_spec, ["build", "--chain", "dev", "--validators", "7"])
    config = json.loads(built.output)["genesis"]["runtimeGenesis"]["config"]
    assert len(config["authorities"]) == config["staking"]["validator_count"] == 7
    for count in ("0", "1001"):
        refused = runner.invoke(chain_spec, ["build", "--chain", "dev", "--validators", count])
        assert refused.exit_code == 1
        assert "--validators" in refused.stderr


def test_a_damaged_spec_fails_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text('{"name": "x", "id": "x", "genesis": {"raw": {"top": {"0xzz": "0x"}}}}')
    result = CliRunner().invoke(chain_spec, ["inspect", str(path), "--json"])
    assert result.exit_code == 1
    assert "genesis.raw.top" in result.output
