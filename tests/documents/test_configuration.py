"""The configuration that the miners' guide shows is one that the daemon takes."""

from pathlib import Path

from primitives.crypto.keys import KeyPair
from primitives.keystore import save_keyfile
from storage_miner.config import load
from tests.documents.shell import ROOT, blocks

GUIDE = ROOT.joinpath("docs", "guides", "storage-miner.md")
GIB = 1 << 30
PASSWORD = "of the guide"


def test_the_miners_guide_configures_one_disk_and_several(tmp_path: Path) -> None:
    one, several, _ = blocks(GUIDE, "toml")
    save_keyfile(tmp_path / "miner.key", "//Miner1", PASSWORD)
    tmp_path.joinpath("miner.password").write_text(f"{PASSWORD}\n")
    path = tmp_path / "miner.toml"
    path.write_text(one)
    config = load(path, {})
    assert [(plan.path, plan.space) for plan in config.plans] == [(tmp_path / "data", 500 * GIB)]
    assert config.endpoint == "http://203.0.113.7:15001"
    assert config.load_key().public == KeyPair.from_suri("//Miner1").public
    shared = [line for line in one.splitlines() if not line.startswith(("data_dir", "space"))]
    path.write_text("\n".join([*shared, several]))
    disks = [Path("/mnt/disk1/cess"), Path("/mnt/disk2/cess")]
    assert [plan.path for plan in load(path, {}).plans] == disks


def test_the_miners_guide_names_several_nodes(tmp_path: Path) -> None:
    nodes = blocks(GUIDE, "toml")[2]
    path = tmp_path / "miner.toml"
    path.write_text(f'{nodes}data_dir = "data"\nspace = "1GiB"\nsuri = "//Miner1"\n')
    assert load(path, {}).rpc == ("ws://127.0.0.1:9944", "wss://node.example.org")
