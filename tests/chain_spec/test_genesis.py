import json
from dataclasses import replace
from typing import Any

import pytest

from chain_spec import genesis as module
from chain_spec.document import Node
from chain_spec.errors import ChainSpecError
from chain_spec.genesis import Authority, GenesisConfig
from chain_spec.presets import authority_of, dev
from primitives.scale import U32, SizedInt
from primitives.types import AccountId, Balance

CONFIG = dev().config()
STAKE = (CONFIG.authorities[0].account, CONFIG.balances[0][1])


def document() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(CONFIG.to_json()))
    return made


def read(value: object) -> GenesisConfig:
    return GenesisConfig.from_json(Node(value, "genesis"))  # type: ignore[arg-type]


def test_a_genesis_comes_back() -> None:
    assert read(document()) == CONFIG


def test_integers_that_others_would_round_are_strings() -> None:
    text = document()
    assert text["constants"]["existential_deposit"] == str(10**18)
    assert text["constants"]["plot_k"] == 18
    assert isinstance(text["balances"][0][1], str)


def test_nobody_may_be_root() -> None:
    made = {**document(), "sudo": None}
    assert read(made).sudo is None


def put(made: dict[str, Any], path: str, value: object) -> None:
    *steps, last = path.split("/")
    target: Any = made
    for step in steps:
        target = target[int(step)] if isinstance(target, list) else target[step]
    target[int(last) if isinstance(target, list) else last] = value


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("surprise", 1, "genesis"),
        ("price", -1, "genesis.price"),
        ("price", 1.5, "genesis.price"),
        ("price", 2**128, "genesis.price"),
        ("price", None, "genesis.price"),
        ("sudo", "Alice", "genesis.sudo"),
        ("sudo", 1, "genesis.sudo"),
        ("constants", [], "genesis.constants"),
        ("constants/plot_k", 256, "genesis.constants.plot_k"),
        ("constants/plot_k", 33, "genesis.constants.plot_k"),
        ("constants/plot_k", "18k", "genesis.constants.plot_k"),
        ("constants/surprise", 1, "genesis.constants"),
        ("authorities", {}, "genesis.authorities"),
        ("authorities", [], "genesis.authorities"),
        ("authorities/0/babe", "x", "genesis.authorities[0].babe"),
        ("authorities/0/more", "x", "genesis.authorities[0]"),
        ("balances", None, "genesis.balances"),
        ("balances/0", ["x"], "genesis.balances[0]"),
        ("balances/0", [], "genesis.balances[0]"),
        ("balances/0", [1, 2, 3], "genesis.balances[0]"),
        ("balances/1/0", "cXbad", "genesis.balances[1][0]"),
        ("balances/1/1", "many", "genesis.balances[1][1]"),
        ("balances/1/1", 5, "genesis.balances"),
        ("balances/1/1", str(2**128 - 1), "genesis.balances"),
    ],
)
def test_a_mistake_is_told_with_its_place(path: str, value: object, place: str) -> None:
    made = document()
    put(made, path, value)
    with pytest.raises(ChainSpecError) as caught:
        read(made)
    assert caught.value.path == place


@pytest.mark.parametrize("name", ["constants", "authorities", "balances", "sudo", "price"])
def test_a_missing_part_is_named(name: str) -> None:
    made = document()
    del made[name]
    with pytest.raises(ChainSpecError, match=name):
        read(made)


def test_a_missing_constant_is_named() -> None:
    made = document()
    del made["constants"]["plot_k"]
    with pytest.raises(ChainSpecError, match="plot_k"):
        read(made)


def test_two_balances_of_one_account_are_refused() -> None:
    account, amount = CONFIG.balances[0]
    with pytest.raises(ChainSpecError, match="two balances"):
        replace(CONFIG, balances=((account, amount), (account, amount))).check()


@pytest.mark.parametrize("role", ["account", "babe", "grandpa"])
def test_two_authorities_do_not_share_a_key(role: str) -> None:
    alice, bob = authority_of("//Alice"), authority_of("//Bob")
    shared: dict[str, AccountId] = {role: getattr(alice, role)}
    twin: Authority = replace(bob, **shared)
    with pytest.raises(ChainSpecError, match=f"same {role} key"):
        replace(CONFIG, authorities=(alice, twin)).check()


@pytest.mark.parametrize(("count", "fits"), [(4, True), (5, False)])
def test_the_limit_of_authorities(count: int, fits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AUTHORITIES_MAX", 4)
    authorities = tuple(authority_of(f"//V{index}") for index in range(count))
    money = Balance(CONFIG.staking.bond + 10**18)
    balances = tuple((authority.account, money) for authority in authorities)
    config = replace(CONFIG, authorities=authorities, balances=balances)
    if fits:
        config.check()
        assert read(json.loads(json.dumps(config.to_json()))) == config
    else:
        with pytest.raises(ChainSpecError, match="authorities"):
            config.check()
        with pytest.raises(ChainSpecError, match="authorities"):
            read(json.loads(json.dumps(config.to_json())))


@pytest.mark.parametrize(("count", "fits"), [(3, True), (4, False)])
def test_the_limit_of_balances(count: int, fits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BALANCES_MAX", 3)
    one = Balance(10**18)
    others = tuple((AccountId(bytes([index]) * 32), one) for index in range(count - 1))
    config = replace(CONFIG, balances=(STAKE, *others))
    if fits:
        config.check()
    else:
        with pytest.raises(ChainSpecError, match="balances"):
            config.check()


def test_the_existential_deposit_is_the_least_balance() -> None:
    account = CONFIG.balances[0][0]
    replace(CONFIG, balances=(STAKE, (account, Balance(10**18)))).check()
    with pytest.raises(ChainSpecError, match="existential"):
        replace(CONFIG, balances=(STAKE, (account, Balance(10**18 - 1)))).check()


def test_an_authority_owns_its_bond_and_the_existential_deposit() -> None:
    who, needed = CONFIG.authorities[0].account, CONFIG.staking.bond + 10**18
    replace(CONFIG, balances=((who, Balance(needed)),)).check()
    for balances in (((who, Balance(needed - 1)),), ()):
        with pytest.raises(ChainSpecError, match="needs a balance"):
            replace(CONFIG, balances=balances).check()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("validator_count", U32(0)),
        ("validator_count", U32(1001)),
        ("minimum_validator_count", U32(0)),
        ("minimum_validator_count", U32(5)),
        ("bond", Balance(1_000 * 10**18 - 1)),
    ],
)
def test_a_genesis_without_a_working_election_is_refused(field: str, value: SizedInt) -> None:
    staking = replace(CONFIG.staking, **{field: value})
    with pytest.raises(ChainSpecError, match=r"^staking: "):
        replace(CONFIG, staking=staking).check()
