"""Flags that cannot work are refused with what to do."""

from pathlib import Path

import pytest

from node.config import InvalidConfig, NodeConfig, RpcConfig, default_base_path, parse_pruning


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
