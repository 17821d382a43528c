import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_spec import spec as module
from chain_spec.errors import ChainSpecError
from chain_spec.presets import dev
from chain_spec.spec import ChainSpec, RawGenesis

STATE = {b":code": b"\0asm", b"\x00\x01": b"", b"\xff" * 40: b"\x01" * 300}
FOREIGN = {
    "name": "Polkadot",
    "id": "polkadot",
    "chainType": "Live",
    "bootNodes": [
        "/dns/boot.example/tcp/30333/p2p/12D3KooWKer94o1REDPtAhjtYR4SdLehnSrN8PEhBnZm5NBoCrMC"
    ],
    "telemetryEndpoints": [["/dns/telemetry.example/tcp/443/x-parity-wss/%2Fsubmit%2F", 0]],
    "protocolId": "dot",
    "properties": {"ss58Format": 0, "tokenDecimals": 10, "tokenSymbol": "DOT"},
    "forkBlocks": None,
    "badBlocks": None,
    "lightSyncState": {
        "babeEpochChanges": "0x0001",
        "babeFinalizedBlockWeight": 7,
        "finalizedBlockHeader": "0x02",
        "grandpaAuthoritySet": "0x03",
    },
    "consensusEngine": None,
    "codeSubstitutes": {"5203203": "0x52bc"},
    "genesis": {
        "raw": {
            "top": {"0x3a636f6465": "0x0061736d", "0xABCD": "0xEF"},
            "childrenDefault": {"0x01": {"0x02": "0x03"}},
        }
    },
}


def raw() -> ChainSpec:
    return dev().with_raw(STATE)


def document(spec: ChainSpec) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(spec.to_json())
    return made


def read(value: object) -> ChainSpec:
    return ChainSpec.from_json(json.dumps(value))


# Plain and raw.


def test_a_plain_spec_becomes_raw() -> None:
    plain = dev()
    spec = plain.with_raw(STATE)
    assert not plain.is_raw
    assert spec.is_raw
    assert spec.raw_state() == STATE
    assert (spec.name, spec.id, spec.properties) == (plain.name, plain.id, plain.properties)
    assert ChainSpec.from_json(spec.to_json()) == spec


def test_what_a_spec_has_not_is_told_with_the_cure() -> None:
    with pytest.raises(ChainSpecError, match="build --raw"):
        dev().raw_state()
    with pytest.raises(ChainSpecError, match="raw"):
        raw().config()


def test_a_raw_spec_is_what_light_clients_take() -> None:
    made = document(raw())
    assert list(made) == [
        "name",
        "id",
        "chainType",
        "bootNodes",
        "telemetryEndpoints",
        "protocolId",
        "properties",
        "genesis",
    ]
    top = made["genesis"]["raw"]["top"]
    assert list(top) == sorted(top)
    assert top["0x3a636f6465"] == "0x0061736d"
    assert made["genesis"]["raw"]["childrenDefault"] == {}


@given(st.dictionaries(st.binary(max_size=40), st.binary(max_size=40), max_size=6))
def test_any_state_comes_back(state: dict[bytes, bytes]) -> None:
    spec = dev().with_raw(state)
    assert ChainSpec.from_json(spec.to_json()).raw_state() == state


# Specs of other chains.


def test_the_raw_spec_of_another_chain_is_read_and_kept() -> None:
    spec = read(FOREIGN)
    assert spec.name == "Polkadot"
    assert spec.protocol_id == "dot"
    assert spec.boot_nodes == tuple(FOREIGN["bootNodes"])  # type: ignore[arg-type]
    assert spec.raw_state() == {b":code": b"\0asm", b"\xab\xcd": b"\xef"}
    assert isinstance(spec.genesis, RawGenesis)
    assert spec.genesis.children_default == {b"\1": {b"\2": b"\3"}}
    again = document(spec)
    for name in ("forkBlocks", "badBlocks", "lightSyncState", "codeSubstitutes", "properties"):
        assert again[name] == FOREIGN[name]
    assert read(again) == spec


@pytest.mark.parametrize(
    ("genesis", "match"),
    [
        ({"runtimeGenesis": {"code": "0x", "patch": {}}}, "another program"),
        ({"stateRootHash": "0x00"}, "state root only"),
        ({"runtime": {}}, "not known|missing"),
        ({}, "missing"),
        ([], "object"),
        ({"raw": {}}, "top"),
        ({"raw": {"top": {}}, "runtimeGenesis": {}}, "not known"),
        ({"raw": {"top": {}, "surprise": {}}}, "not known"),
        ({"raw": {"top": {"00": "0x00"}}}, "hexadecimal"),
        ({"raw": {"top": {"0x00": "zz"}}}, "hexadecimal"),
        ({"raw": {"top": {"0x00": 1}}}, "hexadecimal"),
        ({"raw": {"top": {"0xab": "0x", "0xAB": "0x"}}}, "given twice"),
        ({"raw": {"top": {}, "childrenDefault": {"0x00": []}}}, "object"),
        ({"raw": {"top": {}, "children": {"0x00": {}}}}, "2019"),
    ],
)
def test_a_genesis_that_cannot_be_read_is_told(genesis: object, match: str) -> None:
    with pytest.raises(ChainSpecError, match=match) as caught:
        read({**FOREIGN, "genesis": genesis})
    assert caught.value.path.startswith("genesis")


# Mistakes.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", ""),
        ("name", "\n"),
        ("name", 1),
        ("name", "x" * 129),
        ("id", ""),
        ("id", "../../etc"),
        ("id", ".hidden"),
        ("id", "a/b"),
        ("id", "a b"),
        ("id", "x" * 65),
        ("chainType", "Main"),
        ("chainType", {"Custom": 1}),
        ("chainType", None),
        ("bootNodes", "x"),
        ("bootNodes", ["127.0.0.1:30333"]),
        ("bootNodes", ["/ip4/127.0.0.1/tcp/30333"]),
        ("bootNodes", ["/ip4/1.1.1.1/tcp/1/p2p/" + "x" * 600]),
        ("bootNodes", ["/p2p/x"] * 1025),
        ("telemetryEndpoints", [["x"]]),
        ("telemetryEndpoints", [["x", 10]]),
        ("telemetryEndpoints", [["x", True]]),
        ("protocolId", 1),
        ("forkId", []),
        ("properties", []),
    ],
)
def test_a_mistake_is_told_with_its_place(name: str, value: object) -> None:
    with pytest.raises(ChainSpecError) as caught:
        read({**FOREIGN, name: value})
    assert caught.value.path.startswith(name)


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ChainSpecError, match="surprise"):
        read({**FOREIGN, "surprise": 1})


@pytest.mark.parametrize("name", ["name", "id", "genesis"])
def test_a_missing_field_is_named(name: str) -> None:
    with pytest.raises(ChainSpecError, match=name):
        read({key: value for key, value in FOREIGN.items() if key != name})


@pytest.mark.parametrize("kind", ["Development", "Local", "Live", "Practice"])
def test_chain_types_come_back(kind: str) -> None:
    spec = ChainSpec("A", "a", RawGenesis({}), chain_type=kind)
    made = document(spec)
    assert made["chainType"] == (kind if kind != "Practice" else {"Custom": "Practice"})
    assert ChainSpec.from_json(spec.to_json()) == spec


def test_a_fork_id_comes_back() -> None:
    spec = ChainSpec("A", "a", RawGenesis({}), fork_id="second")
    assert ChainSpec.from_json(spec.to_json()).fork_id == "second"


@given(st.binary(max_size=80))
def test_any_bytes_are_a_spec_or_refused(data: bytes) -> None:
    with pytest.raises(ChainSpecError):
        ChainSpec.from_json(data)


# Files.


def test_a_file_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    for spec in (dev(), raw()):
        spec.save(path)
        assert ChainSpec.load(path) == spec
    assert os.listdir(tmp_path) == ["spec.json"]


def test_a_mistake_in_a_file_names_the_file_and_the_place(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text(json.dumps({**FOREIGN, "id": "a/b"}))
    with pytest.raises(ChainSpecError, match=r"spec\.json: id: may have letters"):
        ChainSpec.load(path)
    path.write_text("{")
    with pytest.raises(ChainSpecError, match=r"spec\.json: is not JSON"):
        ChainSpec.load(path)


def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ChainSpecError, match=r"absent\.json.*cannot be read"):
        ChainSpec.load(tmp_path / "absent.json")
    with pytest.raises(ChainSpecError, match="cannot be read"):
        ChainSpec.load(tmp_path)
    with pytest.raises(ChainSpecError, match="cannot be written"):
        dev().save(tmp_path / "no" / "folder.json")


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "spec.json"
    dev().save(path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ChainSpecError, match="No space left"):
        raw().save(path)
    assert ChainSpec.load(path) == dev()
    assert os.listdir(tmp_path) == ["spec.json"]


def test_a_file_beyond_the_limit_is_refused_without_reading_it_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chain_spec import document as reader

    monkeypatch.setattr(module, "_FILE_BYTES_MAX", 101)
    monkeypatch.setattr(reader, "SPEC_BYTES_MAX", 100)
    path = tmp_path / "spec.json"
    path.write_text(" " * 5000)
    with pytest.raises(ChainSpecError, match="more than 100 bytes"):
        ChainSpec.load(path)
