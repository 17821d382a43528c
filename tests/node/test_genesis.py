"""From specs to block 0, for our chains and for others."""

from pathlib import Path

import pytest

from chain_spec.errors import ChainSpecError
from chain_spec.presets import dev
from chain_spec.spec import ChainSpec, RawGenesis
from node.database import genesis_state_root
from node.genesis import genesis_header, genesis_state, inspect_spec, load_spec, state_root
from primitives import trie
from primitives.trie import Layout

EMPTY_EXTRINSICS = "03170a2e7597b7b7e3d84c05391d139a62b157e78786d8c082f29dcf4c111314"


def test_a_plain_and_its_raw_spec_are_one_chain(tmp_path: Path) -> None:
    plain, raw = tmp_path / "plain.json", tmp_path / "raw.json"
    dev().save(plain)
    dev().with_raw(genesis_state(dev())).save(raw)
    found = inspect_spec(plain, 1)
    assert found == inspect_spec(raw, 1)
    assert found["id"] == "cess_dev"
    assert load_spec(str(raw)).is_raw


def test_the_genesis_hash_is_that_of_the_header(tmp_path: Path) -> None:
    state = genesis_state(dev())
    header = genesis_header(genesis_state_root(state))
    assert header.extrinsics_root.hex() == EMPTY_EXTRINSICS
    assert header.parent_hash == bytes(32)
    path = tmp_path / "spec.json"
    dev().save(path)
    found = inspect_spec(path, 1)
    assert found["genesis_hash"] == f"0x{header.hash().hex()}"
    assert found["keys"] == len(state)


def test_child_tries_and_old_layouts_count(tmp_path: Path) -> None:
    child = {b"k": b"v" * 40}
    genesis = RawGenesis({b"top": b"t" * 40}, {b"child": child})
    for layout in (Layout.V0, Layout.V1):
        entries = {
            b"top": b"t" * 40,
            b":child_storage:default:child": bytes(trie.root(child, layout=layout)),
        }
        assert state_root(genesis, layout) == trie.root(entries, layout=layout)
    path = tmp_path / "other.json"
    ChainSpec(name="Other", id="other", genesis=genesis).save(path)
    assert inspect_spec(path, 0)["state_root"] != inspect_spec(path, 1)["state_root"]
    with pytest.raises(ChainSpecError, match="another program's"):
        genesis_state(load_spec(str(path)))


def test_a_chain_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChainSpecError):
        load_spec(str(tmp_path / "none.json"))
