"""``GenesisBuilder``: presets build, and what is wrong with a configuration is said."""

import json

import pytest

from node.runtime import genesis_api
from node.runtime.genesis_api import CONFIG_BYTES_MAX
from primitives.scale import Err, Ok, Result, decode, encode
from tests.node.runtime.chain import Chain

BUILT = Result[None, str]


def preset(name: str | None) -> bytes | None:
    raw = Chain().ask("GenesisBuilder_get_preset", encode(str | None, name))
    return decode(bytes | None, raw)


def test_every_preset_builds_a_state() -> None:
    names = decode(tuple[str, ...], Chain().ask("GenesisBuilder_preset_names"))
    assert names == ("development", "local_testnet")
    for name in (None, *names):
        config = preset(name)
        assert config is not None
        built = Chain().ask("GenesisBuilder_build_state", encode(bytes, config))
        assert decode(BUILT, built) == Ok(None)
    assert preset(None) == preset("development")
    assert preset("mainnet") is None


@pytest.mark.parametrize("change", ["no JSON", "a field too few", "an unknown field", "no money"])
def test_a_configuration_that_no_chain_begins_with_is_refused(change: str) -> None:
    config = json.loads(preset(None) or b"")
    if change == "a field too few":
        del config["balances"]
    if change == "an unknown field":
        config["extra"] = 1
    if change == "no money":
        config["balances"][0][1] = 0
    data = b"{" if change == "no JSON" else json.dumps(config).encode()
    built = decode(BUILT, Chain().ask("GenesisBuilder_build_state", encode(bytes, data)))
    assert isinstance(built, Err)
    assert built.error


@pytest.mark.parametrize(("more", "fits"), [(0, True), (1, False)])
def test_a_configuration_is_limited_before_it_is_parsed(
    monkeypatch: pytest.MonkeyPatch, more: int, fits: bool
) -> None:
    config = preset(None)
    assert config is not None
    data = config + b" " * (CONFIG_BYTES_MAX - len(config) + more)
    if not fits:
        monkeypatch.setattr(genesis_api, "parse_document", lambda *_: pytest.fail("it was parsed"))
    built = decode(BUILT, Chain().ask("GenesisBuilder_build_state", encode(bytes, data)))
    assert isinstance(built, Ok if fits else Err)
