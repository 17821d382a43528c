"""Export, import, revert and purge of real databases."""

import io
import json
from pathlib import Path

import pytest

from chain_spec.presets import dev
from node.config import NodeConfig
from node.consensus.chain import Chain
from node.consensus.finality import FinalityKeys
from node.database import DatabaseFailed, DatabaseLocked
from node.maintenance import export, import_, purge, revert
from node.service import open_database
from primitives.errors import CessError, InvalidBlock
from primitives.types import Hash
from tests.node.net import ALICE_GRANDPA, Net


def config(path: Path, **changes: int | None) -> NodeConfig:
    return NodeConfig(chain="dev", base_path=path, **changes)  # type: ignore[arg-type]


def grow(path: Path, count: int, *, finalizes: bool = True) -> list[Hash]:
    """Author blocks with a transfer each."""
    with open_database(config(path), dev()) as database:
        net = Net(Chain(database, FinalityKeys(None, [ALICE_GRANDPA]), finalizes=finalizes))
        return [net.author(net.transfer())[1].hash for _ in range(count)]


def test_an_export_imports_to_the_same_chain(tmp_path: Path) -> None:
    hashes = grow(tmp_path / "a", 4)
    text = io.StringIO()
    assert export(config(tmp_path / "a"), text, 1, None) == 4
    text.seek(0)
    assert import_(config(tmp_path / "b"), text) == (4, 4)
    text.seek(0)
    assert import_(config(tmp_path / "b"), text) == (0, 4)
    with open_database(config(tmp_path / "b"), dev()) as database:
        assert database.best().hash == database.finalized().hash == hashes[-1]


def test_a_part_of_the_chain_can_be_exported(tmp_path: Path) -> None:
    grow(tmp_path, 4)
    text = io.StringIO()
    assert export(config(tmp_path), text, 2, 3) == 2
    assert len(text.getvalue().splitlines()) == 2


def test_a_changed_export_is_refused_with_its_line(tmp_path: Path) -> None:
    grow(tmp_path / "a", 2)
    text = io.StringIO()
    export(config(tmp_path / "a"), text, 1, None)
    good = text.getvalue().splitlines()
    changed = json.loads(good[1])
    changed["block"]["extrinsics"].pop()
    for line, words in (
        (json.dumps(changed), "line 2, block 2"),
        ("{}", "line 2 is no block"),
        ("[" * 10_000, "line 2 is no block"),
        ('{"block": {"header": "0x12", "extrinsics": []}, "justification": null}', "line 2"),
        (good[1].replace("0x", "", 1), "line 2"),
    ):
        with pytest.raises(InvalidBlock, match=words):
            import_(config(tmp_path / "b"), io.StringIO(f"{good[0]}\n{line}\n"))


def test_a_pruned_body_cannot_be_exported(tmp_path: Path) -> None:
    place = config(tmp_path, blocks_pruning=1)
    with open_database(place, dev()) as database:
        net = Net(Chain(database, FinalityKeys(None, [ALICE_GRANDPA]), finalizes=True))
        for _ in range(3):
            net.author()
    with pytest.raises(CessError, match="--blocks-pruning archive"):
        export(place, io.StringIO(), 1, None)


def test_only_blocks_that_are_not_final_are_reverted(tmp_path: Path) -> None:
    grow(tmp_path / "a", 3)
    assert revert(config(tmp_path / "a"), 2) == (0, 3)
    grow(tmp_path / "b", 3, finalizes=False)
    assert revert(config(tmp_path / "b"), 2) == (2, 1)


def test_purging_removes_the_database_only(tmp_path: Path) -> None:
    grow(tmp_path, 1)
    keys = tmp_path / "chains" / "cess_dev" / "keystore"
    keys.mkdir()
    place = config(tmp_path)
    with open_database(place, dev()), pytest.raises(DatabaseLocked):
        purge(place)
    assert purge(place) == place.database_path("cess_dev")
    assert purge(place) is None
    assert keys.exists()


def test_an_archive_and_a_damaged_database_can_be_purged(tmp_path: Path) -> None:
    place = config(tmp_path)
    with open_database(config(tmp_path, state_pruning=None), dev()):
        pass
    assert purge(place) is not None
    grow(tmp_path, 1)
    path = place.database_path("cess_dev")
    (path / "CURRENT").write_text("rubbish")
    with pytest.raises(CessError, match="purge-chain"), open_database(place, dev()):
        pass
    assert purge(place) == path
    assert not path.exists()


def test_purging_removes_nothing_beside_the_database(tmp_path: Path) -> None:
    grow(tmp_path, 1)
    place = config(tmp_path)
    path, elsewhere = place.database_path("cess_dev"), tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    with pytest.raises(DatabaseFailed, match="symbolic link"):
        purge(place)
    assert list(elsewhere.iterdir())


def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path: Path) -> None:
    source = io.TextIOWrapper(io.BytesIO(b"\xff\xfe\x00"), encoding="utf-8")
    with pytest.raises(InvalidBlock, match="line 1 is no text"):
        import_(config(tmp_path), source)
