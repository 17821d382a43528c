from collections.abc import Callable
from dataclasses import replace

import pytest

from chain_spec import presets
from chain_spec.constants import TCESS
from chain_spec.errors import ChainSpecError
from chain_spec.presets import (
    DEV_ENDOWMENT,
    FEE_MONEY,
    authority_of,
    custom,
    dev,
    local,
    preset,
    validator_suri,
    with_validators,
)
from chain_spec.spec import ChainSpec
from primitives.crypto.keys import KeyPair
from primitives.scale import U8
from primitives.types import AccountId, Balance

STRANGER = AccountId(b"\x77" * 32)


def account(suri: str) -> AccountId:
    return KeyPair.from_suri(suri).account_id


@pytest.mark.parametrize("make", [dev, local])
def test_development_chains_endow_the_documented_accounts_and_no_other(
    make: Callable[[], ChainSpec],
) -> None:
    names = ("Alice", "Bob", "Charlie", "Dave", "Eve", "Ferdie")
    expected = {account(f"//{name}") for name in names}
    expected |= {account(f"//{name}//stash") for name in names}
    expected |= {account(f"//Miner{index}") for index in range(32)}
    balances = dict(make().config().balances)
    assert set(balances) == expected
    assert set(balances.values()) == {DEV_ENDOWMENT}
    assert DEV_ENDOWMENT >= 1_000_000 * TCESS


@pytest.mark.parametrize("make", [dev, local])
def test_alice_is_the_only_authority_and_root(
    make: Callable[[], ChainSpec],
) -> None:
    config = make().config()
    (alice,) = config.authorities
    assert alice.account == account("//Alice//stash")
    assert alice.babe == config.sudo == account("//Alice")
    assert alice.grandpa == KeyPair.from_suri("//Alice", "ed25519").public


@pytest.mark.parametrize("make", [dev, local])
def test_presets_come_back_from_their_documents(
    make: Callable[[], ChainSpec],
) -> None:
    spec = make()
    assert ChainSpec.from_json(spec.to_json()) == spec
    assert spec.properties == {"ss58Format": 11330, "tokenDecimals": 18, "tokenSymbol": "TCESS"}


def test_chains_are_told_apart() -> None:
    test = presets.testnet(validators=(authority_of("//V"),))
    specs = (dev(), local(), test)
    assert len({spec.id for spec in specs}) == 3
    assert [spec.chain_type for spec in specs] == ["Development", "Local", "Live"]


def test_a_test_network_has_no_validators_until_they_are_named() -> None:
    with pytest.raises(ChainSpecError, match="no validators"):
        presets.testnet()


def test_a_test_network_has_no_development_key() -> None:
    spec = presets.testnet(
        validators=(authority_of("//V"),), endowed=((STRANGER, Balance(5 * TCESS)),)
    )
    text = spec.to_json()
    for name in ("Alice", "Bob"):
        assert account(f"//{name}") not in dict(spec.config().balances)
    assert dev().to_json() != text
    assert spec.config().sudo is None


def test_custom_adds_owners_and_validators() -> None:
    validators = (authority_of("//Alice"), authority_of("//Bob"))
    more = ((STRANGER, Balance(7 * TCESS)), (account("//Miner0"), Balance(9 * TCESS)))
    spec = custom(dev(), name="Mine", id="mine", validators=validators, endowed=more)
    config = spec.config()
    assert (spec.name, spec.id) == ("Mine", "mine")
    assert config.authorities == validators
    balances = dict(config.balances)
    assert balances[STRANGER] == 7 * TCESS
    assert balances[account("//Miner0")] == 9 * TCESS
    assert balances[account("//Alice")] == DEV_ENDOWMENT
    assert dev().config().authorities != validators  # the preset itself is as it was


def test_custom_checks_what_it_makes() -> None:
    with pytest.raises(ChainSpecError, match="existential"):
        custom(dev(), endowed=((STRANGER, Balance(1)),))
    with pytest.raises(ChainSpecError, match="plot_k"):
        custom(dev(), constants=replace(dev().config().constants, plot_k=U8(1)))
    with pytest.raises(ChainSpecError, match="authorities"):
        custom(dev(), validators=())


@pytest.mark.parametrize("count", [1, 4, 6, 9])
def test_a_development_chain_has_as_many_validators_as_asked_for(count: int) -> None:
    config = with_validators(dev(), count).config()
    assert config.authorities == tuple(authority_of(validator_suri(at)) for at in range(count))
    assert config.staking.validator_count == max(4, count)
    assert config.staking.minimum_validator_count == min(4, count)
    balances = dict(config.balances)
    for at, authority in enumerate(config.authorities):
        expected = DEV_ENDOWMENT if at < 6 else config.staking.bond + FEE_MONEY
        assert balances[authority.account] == expected
    assert ChainSpec.from_json(with_validators(dev(), count).to_json()).config() == config


def test_validators_by_number_are_for_development_only() -> None:
    assert validator_suri(5) == "//Ferdie"
    assert validator_suri(6) == "//Validator6"
    live = presets.testnet(validators=(authority_of("//V"),))
    with pytest.raises(ChainSpecError, match="no chain of development"):
        with_validators(live, 4)
    for count in (0, -1, 1001):
        with pytest.raises(ChainSpecError, match="--validators"):
            with_validators(dev(), count)


def test_validators_of_a_test_network_are_given_their_bond() -> None:
    config = presets.testnet(validators=(authority_of("//V"),)).config()
    assert dict(config.balances) == {
        authority_of("//V").account: config.staking.bond + FEE_MONEY,
    }
    assert config.staking.minimum_validator_count == 1


def test_presets_are_found_by_name() -> None:
    assert preset("dev") is dev()
    with pytest.raises(ChainSpecError, match="dev, local, testnet"):
        preset("mainnet")
