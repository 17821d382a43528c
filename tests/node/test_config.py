"""Flags that cannot work are refused with what to do."""

from pathlib import Path

import pytest

from node.config import (
    InvalidConfig,
    NetworkConfig,
    NodeConfig,
    RpcConfig,
    default_base_path,
    parse_pruning,
)
from primitives.errors import InvalidKey


@pytest.mark.parametrize(
    ("value", "kept"), [("1", 1), ("256", 256), ("archive", None), ("archive-canonical", None)]
)
def test_pruning_is_a_number_or_archive(value: str, kept: int | None) -> None:
    assert parse_pruning(value, "--state-pruning") == kept


@pytest.mark.parametrize("value", ["0", "-1", "all", "", "1.5", "٣"])
def test_other_prunings_are_refused(value: str) -> None:
    with pytest.raises(InvalidConfig, match="--state-pruning"):
        parse_pruning(value, "--state-pruning")


@pytest.mark.parametrize(
    ("methods", "external", "denied"),
    [
        ("auto", False, False),
        ("auto", True, True),
        ("safe", False, True),
        ("unsafe", True, False),
    ],
)
def test_unsafe_methods_are_for_local_ports(methods: str, external: bool, denied: bool) -> None:
    rpc = RpcConfig(methods=methods, external=external)
    assert rpc.deny_unsafe is denied
    assert rpc.host == ("0.0.0.0" if external else "127.0.0.1")


@pytest.mark.parametrize(
    "config",
    [
        NodeConfig(rpc=RpcConfig(port=65_536)),
        NodeConfig(prometheus_port=-1),
        NodeConfig(name="x" * 64),
        NodeConfig(name="a@b"),
        NodeConfig(name=""),
        NodeConfig(dev_key="mallory"),
        NodeConfig(pool_count=0),
        NodeConfig(rpc=RpcConfig(connections_max=0)),
        NodeConfig(rpc=RpcConfig(request_mib=0)),
    ],
)
def test_a_config_that_cannot_work_says_so(config: NodeConfig) -> None:
    assert len(list(config.problems())) == 1
    with pytest.raises(InvalidConfig):
        config.check()


def test_files_are_where_substrate_puts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = NodeConfig(base_path=tmp_path)
    assert config.database_path("x") == tmp_path / "chains" / "x" / "db"
    assert config.keystore_directory("x") == tmp_path / "chains" / "x" / "keystore"
    assert NodeConfig(keystore_path=tmp_path).keystore_directory("x") == tmp_path
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_base_path() == tmp_path / "cess-node"


PEER = "12D3KooWKUXshmnd7bCjzsYgzzE1ihANdPp3UCidCRaSKbhHyr9d"


@pytest.mark.parametrize(
    "network",
    [
        NetworkConfig(port=65_536),
        NetworkConfig(in_peers=-1),
        NetworkConfig(out_peers=10_000),
        NetworkConfig(sync="slow"),
        NetworkConfig(listen_addrs=("/dns/a.b/tcp/1",)),
        NetworkConfig(listen_addrs=("localhost:1",)),
        NetworkConfig(bootnodes=("/ip4/1.2.3.4/tcp/1",)),
        NetworkConfig(bootnodes=("/ip4/1.2.3.4/tcp/1/p2p/x",)),
        NetworkConfig(reserved_nodes=(f"/ip4/1.2.3.256/tcp/1/p2p/{PEER}",)),
        NetworkConfig(reserved_only=True),
        NetworkConfig(node_key="00"),
        NetworkConfig(node_key="00" * 32, node_key_file=Path("x")),
    ],
)
def test_a_network_that_cannot_work_says_so(network: NetworkConfig) -> None:
    assert len(list(NodeConfig(network=network).problems())) == 1


def test_addresses_that_work_are_no_problem() -> None:
    address = f"/dns/a.b/tcp/1/ws/p2p/{PEER}"
    network = NetworkConfig(
        listen_addrs=("/ip4/0.0.0.0/tcp/0", "/ip6/::1/tcp/1/ws"),
        public_addrs=("/dns/a.b/tcp/1",),
        bootnodes=(address,),
        reserved_nodes=(address,),
        reserved_only=True,
        node_key="0x" + "ab" * 32,
    )
    assert not list(NodeConfig(network=network).problems())


def test_a_node_keeps_the_key_of_its_first_start(tmp_path: Path) -> None:
    place = tmp_path / "chains" / "x" / "network"
    first = NetworkConfig().load_key(place)
    assert NetworkConfig().load_key(place) == first
    file = place / "secret_ed25519"
    assert file.stat().st_mode & 0o777 == 0o600
    assert NetworkConfig(unsafe_generate_key=True).load_key(place) != first
    assert NetworkConfig(node_key_file=file).load_key(None) == first
    assert NetworkConfig(node_key=file.read_text()).load_key(None) == first
    file.write_bytes(first.seed)
    assert NetworkConfig().load_key(place) == first
    assert first.seed.hex() not in repr(first)


@pytest.mark.parametrize("data", [b"", b"x" * 31, b"zz" * 32, b"\xff" * 64, b"0" * 100])
def test_a_file_that_is_no_node_key_is_refused_and_left(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "secret_ed25519"
    path.write_bytes(data)
    with pytest.raises(InvalidKey):
        NetworkConfig().load_key(tmp_path)
    assert path.read_bytes() == data
