"""From what a chain spec says to the state of block 0.

Beside the state of the pallets it holds the constants of the chain (``:cess:constants``) and the
shim of the runtime (``:code``). The accounts of the runtime itself (treasuries and the reward
pot) are endowed with the existential deposit, so that no small payment to them is burned as dust.
"""

from typing import Final

from chain_spec.constants import CONSTANTS_KEY, ChainConstants
from chain_spec.genesis import GenesisConfig
from node.runtime.composition import FEE_TREASURY, CessRuntime
from node.runtime.shim import shim_code
from node.runtime.version import CODE_KEY
from pallets.balances import Balances
from pallets.cess_treasury import PUNISH_TREASURY, RESERVE_REWARD, REWARD_POT, SPACE_TREASURY
from pallets.frame import DictState, PalletGenesis
from pallets.frame.genesis import build_genesis
from pallets.session import Session, SessionKeys
from pallets.staking import Staking
from pallets.storage_handler import StorageHandler
from pallets.sudo import Sudo
from primitives.digest import AuthorityKey
from primitives.scale import encode

__all__ = ["RUNTIME_ACCOUNTS", "build_state"]

RUNTIME_ACCOUNTS: Final = (
    FEE_TREASURY,
    PUNISH_TREASURY,
    RESERVE_REWARD,
    REWARD_POT,
    SPACE_TREASURY,
)
"""Accounts that nobody has a key for and that exist from block 0."""


def build_state(genesis: GenesisConfig) -> dict[bytes, bytes]:
    """The state of block 0. Raises: ChainSpecError for a genesis that no chain can begin with."""
    genesis.check()
    constants = genesis.constants
    runtime = CessRuntime(DictState({}), constants)
    for each in runtime.pallets:
        each.integrity_test()
    named = {account for account, _ in genesis.balances}
    own = tuple(
        (account, constants.existential_deposit)
        for account in RUNTIME_ACCOUNTS
        if account not in named
    )
    validators = tuple(
        (
            authority.account,
            SessionKeys(babe=AuthorityKey(authority.babe), grandpa=AuthorityKey(authority.grandpa)),
        )
        for authority in genesis.authorities
    )
    given: dict[str, PalletGenesis] = {
        "balances": Balances.Genesis(balances=(*genesis.balances, *own)),
        "session": Session.Genesis(validators=validators),
        "staking": Staking.Genesis(
            stakers=tuple((each.account, genesis.staking.bond) for each in genesis.authorities),
            validator_count=genesis.staking.validator_count,
            minimum_validator_count=genesis.staking.minimum_validator_count,
            min_validator_bond=genesis.staking.min_validator_bond,
            min_nominator_bond=genesis.staking.min_nominator_bond,
        ),
        "storage_handler": StorageHandler.Genesis(price=genesis.price),
        "sudo": Sudo.Genesis(key=genesis.sudo),
    }
    state = build_genesis(runtime, given)
    state[CONSTANTS_KEY] = encode(ChainConstants, constants)
    state[CODE_KEY] = shim_code(runtime)
    return state
