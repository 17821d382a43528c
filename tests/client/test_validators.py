"""Validators of a network on one machine: as the chain spec has them, with keys that stay."""

import json
import stat
from pathlib import Path

import pytest

from chain_spec import presets
from client.validators import (
    SOUGHT_PEERS,
    VALIDATORS_MAX,
    InvalidSpec,
    node_arguments,
    read_spec,
    take_seat,
    validator_name,
    validator_suri,
    write_boot_nodes,
)
from node.config import NetworkConfig
from node.network.addresses import Address
from primitives.crypto.keys import KeyPair
from primitives.keystore import Keystore


def test_validators_are_those_of_the_chain_spec() -> None:
    for index in range(VALIDATORS_MAX):
        assert validator_suri(index) == presets.validator_suri(index)
    assert [validator_name(index) for index in (0, 5, 6)] == ["alice", "ferdie", "validator6"]


def test_a_network_is_ready_with_as_many_peers_as_nodes_seek_and_nobody_is_refused() -> None:
    config = NetworkConfig()
    assert config.out_peers == SOUGHT_PEERS
    assert config.in_peers >= VALIDATORS_MAX - 1


def test_a_seat_has_its_own_keys_and_keeps_them(tmp_path: Path) -> None:
    first = take_seat(6, tmp_path, "a_chain", rpc_port=1, p2p_port=2)
    again = take_seat(6, tmp_path, "a_chain", rpc_port=3, p2p_port=4)
    assert (first.peer_id, first.name) == (again.peer_id, "validator6")
    assert take_seat(7, tmp_path, "a_chain", rpc_port=1, p2p_port=2).peer_id != first.peer_id
    keystore = Keystore(tmp_path / "validator6" / "chains" / "a_chain" / "keystore")
    babe, grandpa = keystore.public_keys(b"babe"), keystore.public_keys(b"gran")
    assert babe == (KeyPair.from_suri("//Validator6").public,)
    assert grandpa == (KeyPair.from_suri("//Validator6", "ed25519").public,)
    assert not stat.S_IMODE(first.node_key.stat().st_mode) & 0o077
    assert Address.parse(first.address).peer == first.peer_id


def test_a_key_that_was_changed_by_hand_stays(tmp_path: Path) -> None:
    keystore = Keystore(tmp_path / "alice" / "chains" / "a_chain" / "keystore")
    other = keystore.insert(b"babe", "//Other", "sr25519")
    take_seat(0, tmp_path, "a_chain", rpc_port=1, p2p_port=2)
    assert keystore.public_keys(b"babe") == (other,)


def test_nodes_get_flags_that_they_know(tmp_path: Path) -> None:
    from node.cli import node

    seat = take_seat(0, tmp_path, "a_chain", rpc_port=1, p2p_port=2)
    known = {name for parameter in node.params for name in parameter.opts}
    for is_alone in (True, False):
        arguments = node_arguments(seat, tmp_path / "spec", is_alone=is_alone)
        assert {word for word in arguments if word.startswith("--")} <= known


def test_boot_nodes_are_written_and_the_chain_stays_the_same(tmp_path: Path) -> None:
    from chain_spec.spec import ChainSpec

    spec = tmp_path / "spec.json"
    presets.with_validators(presets.dev(), 3).save(spec)
    before = ChainSpec.load(spec)
    assert read_spec(spec) == ("cess_dev", 3)
    addresses = [take_seat(0, tmp_path, "cess_dev", rpc_port=1, p2p_port=2).address]
    write_boot_nodes(spec, addresses)
    after = ChainSpec.load(spec)
    assert list(after.boot_nodes) == addresses
    assert after.config() == before.config()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"id": "x", "genesis": 3}', "{"])
def test_what_is_no_spec_is_named(tmp_path: Path, text: str) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(text)
    with pytest.raises(InvalidSpec, match=r"spec\.json"):
        read_spec(spec)


def test_a_raw_spec_says_nothing_of_its_validators(tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"id": "x", "genesis": {"raw": {"top": {}}}}))
    assert read_spec(spec) == ("x", None)
