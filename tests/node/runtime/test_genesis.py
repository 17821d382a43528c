"""The state of block 0."""

from dataclasses import replace

import pytest

from chain_spec.constants import CONSTANTS_KEY
from chain_spec.errors import ChainSpecError
from chain_spec.presets import dev, local, with_validators
from node.runtime import CODE_KEY, VERSION, CessRuntime, build_state, runtime_at
from node.runtime.genesis import RUNTIME_ACCOUNTS
from pallets.balances import BOND, HoldReason
from pallets.frame import DictState
from pallets.frame.code import code_version
from primitives import trie
from primitives.scale import U32, encode
from tests.node.runtime.chain import genesis_state, pair


def test_block_0_holds_constants_and_code() -> None:
    state = build_state(dev().config())
    assert CONSTANTS_KEY in state
    assert code_version(state[CODE_KEY]) == VERSION


def test_the_same_spec_gives_the_same_state_and_another_one_another() -> None:
    first, again = build_state(dev().config()), build_state(dev().config())
    assert trie.root(first) == trie.root(again)
    assert trie.root(build_state(local().config())) != trie.root(first)


def test_everybody_named_owns_what_was_said() -> None:
    config = dev().config()
    runtime = runtime_at(genesis_state())
    for account, amount in config.balances:
        balances = runtime.balances
        assert balances.free(account) + balances.reserved(account) == amount
    assert runtime.sudo.key.get() == config.sudo
    assert runtime.storage_handler.unit_price.get() == config.price


def test_accounts_of_the_runtime_exist_from_the_beginning() -> None:
    runtime = runtime_at(genesis_state())
    for account in RUNTIME_ACCOUNTS:
        assert runtime.balances.free(account) == runtime.constants.existential_deposit


def test_all_money_is_accounted_for() -> None:
    runtime = runtime_at(genesis_state())
    accounts = runtime.system.account.items(limit=1000)
    money = (int(info.data.free) + int(info.data.reserved) for _, info in accounts)
    assert sum(money) == int(runtime.balances.total_issuance.get())


@pytest.mark.parametrize("count", [1, 4, 9])
def test_every_authority_is_a_bonded_validator_of_era_0(count: int) -> None:
    config = with_validators(dev(), count).config()
    runtime = runtime_at(DictState(build_state(config)))
    stashes = tuple(authority.account for authority in config.authorities)
    assert runtime.session.validators.get() == stashes
    staking, bond = runtime.staking, config.staking.bond
    assert staking.validators.count() == count
    for stash in stashes:
        assert runtime.balances.held(stash, BOND) == staking.ledger[stash].total == bond
        exposure = staking.eras_stakers_overview[U32(0), stash]
        assert exposure.own == exposure.total == bond
    assert staking.eras_total_stake[U32(0)] == bond * count
    active = staking.active_era.get()
    assert active is not None
    assert active.index == staking.current_era.get() == 0


def test_a_reason_to_hold_money_has_the_index_of_the_pallet_that_holds_it() -> None:
    call = CessRuntime.calls().make("Staking", "chill").encode()
    assert encode(HoldReason, BOND)[0] == call[0]


def test_an_account_of_the_runtime_may_be_given_more() -> None:
    config = dev().config()
    pot = RUNTIME_ACCOUNTS[0]
    rich = replace(config, balances=(*config.balances, (pot, config.balances[0][1])))
    runtime = runtime_at(DictState(build_state(rich)))
    assert runtime.balances.free(pot) == config.balances[0][1]


def test_authorities_get_both_keys() -> None:
    runtime = runtime_at(genesis_state())
    assert [bytes(key) for key, _ in runtime.babe.authorities.get()] == [
        bytes(pair("Alice").public)
    ]
    assert len(runtime.grandpa.authority_list()) == 1
    assert runtime.session.validator_at(0) == dev().config().authorities[0].account


def test_a_genesis_that_no_chain_can_begin_with_is_refused() -> None:
    with pytest.raises(ChainSpecError, match="authorities"):
        build_state(replace(dev().config(), authorities=()))
