"""The chains that come with the program: ``dev``, ``local`` and ``testnet``.

``dev`` runs on one laptop in seconds: every deadline is a minute or less, and a test of the whole
road of a file fits into a few minutes. ``local`` has the sizes and the cadence of a real network
with development keys. ``testnet`` is the same for a public network, and whoever starts one names
its validators and owners.

The development accounts are derived from a phrase that everybody knows. ``dev`` and ``local``
endow, with ``DEV_ENDOWMENT`` each, these and no others:

- ``//Alice``, ``//Bob``, ``//Charlie``, ``//Dave``, ``//Eve``, ``//Ferdie`` and their ``//stash``;
- ``//Miner0`` to ``//Miner31``, for storage miners of a development network.

Alice is the only validator, by her stash ``//Alice//stash``, and may act as root.
``with_validators`` makes more: ``//Alice`` to ``//Ferdie``, then ``//Validator6`` and so on, each
with its ``//stash``, which is endowed and bonded.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Final

from chain_spec.constants import GIB, MIB, TCESS, TIB, ChainConstants
from chain_spec.errors import ChainSpecError
from chain_spec.genesis import AUTHORITIES_MAX, Authority, GenesisConfig, StakingGenesis
from chain_spec.spec import PROPERTIES, ChainSpec
from primitives.crypto.keys import KeyPair
from primitives.scale import U8, U16, U32, U64, U128
from primitives.types import AccountId, Balance, BlockNumber

__all__ = [
    "DEV_ENDOWMENT",
    "DEV_MINERS",
    "DEV_NAMES",
    "FEE_MONEY",
    "PRESETS",
    "authority_of",
    "custom",
    "dev",
    "local",
    "preset",
    "testnet",
    "validator_suri",
    "with_validators",
]

DEV_NAMES: Final = ("Alice", "Bob", "Charlie", "Dave", "Eve", "Ferdie")
DEV_MINERS: Final = 32
MINIMUM_SEATS: Final = 4
"""The least validators of whom one may fail without stopping finality."""

DEV_ENDOWMENT: Final = Balance(100_000_000 * TCESS)
"""As in CESS's development chains: collateral for 25,000 TiB, so money never ends a test."""

# Blocks of `local` and `testnet`, 6 seconds each.
_HOUR = 600
_DAY = 24 * _HOUR

DEV_CONSTANTS: Final = ChainConstants(
    slot_duration_ms=U64(1000),
    epoch_slots=U64(30),
    epochs_per_era=U32(2),
    # A day of a minute: leases, daily parts of rewards and cooling times go by while one watches.
    one_day_blocks=BlockNumber(60),
    # Eras of a minute in 365.25 days, so that a real year's reward is still a year's reward.
    eras_per_year=U32(525_960),
    # Half a slot, as other nodes need the other half to fetch and execute the block.
    block_ref_time_max=U64(500_000_000_000),
    existential_deposit=Balance(TCESS),
    # CESS's fees: a plain transfer costs some thousandths of a TCESS.
    length_fee=Balance(10**13),
    weight_fee=Balance(5_000_000),
    year_one_reward=Balance(477_000_000 * TCESS),
    year_one_validator_reward=Balance(238_500_000 * TCESS),
    # Eras of a minute: unbonding takes ten, and an hour's rewards can be claimed.
    bonding_eras=U32(10),
    slash_defer_eras=U32(2),
    history_eras=U32(60),
    credit_period_blocks=BlockNumber(60),
    # Nine rows of proof: a holder commits to a fragment in under a second.
    fragment_bytes=U64(MIB),
    segment_bytes=U64(4 * MIB),
    # Eight segments are 96 MiB on their way and 864 rows to commit to: a minute on two cores.
    deal_deadline_blocks=BlockNumber(60),
    deal_attempts_max=U8(5),
    # A claimer fetches four fragments, rebuilds one and commits to it: as long as a deal.
    restoral_order_blocks=BlockNumber(60),
    # Leases by the MiB: twelve miners of a laptop have some hundred MiB in all.
    space_unit_bytes=U128(MIB),
    lease_days_min=U32(1),
    frozen_days=U32(1),
    # With a challenge period of 20 blocks, 16 rounds a block reach 320 miners in time.
    miners_max=U32(256),
    declaration_unit_bytes=U128(GIB),
    # CESS's collateral for a TiB, here for a GiB, so that fines of a laptop's miners are visible.
    collateral_per_unit=Balance(4_000 * TCESS),
    staking_lock_blocks=BlockNumber(60),
    exit_lock_blocks=BlockNumber(60),
    # The smallest plots: 3.8 MB, made in a second or two.
    plot_k=U8(18),
    cert_draws=U16(64),
    rows_sampled_max=U16(460),
    # Six in ten draws find a proof; 64 estimate the space to a tenth of it (one standard
    # deviation) in a tenth of a second (1 ms for each lookup, measured) and 6 KB.
    plot_draws=U16(64),
    challenge_period_blocks=BlockNumber(20),
    # Proving 460 rows takes 0.2 s, but a prover first loads its setup (2 s, measured), a dozen
    # miners share two cores, and the answer must get into a block.
    service_deadline_blocks=BlockNumber(20),
    # Lookups compete with plotting, which takes whole seconds of the processor.
    idle_deadline_blocks=BlockNumber(30),
    faults_max=U32(3),
    certificate_deposit=Balance(TCESS),
    # The index of bands finds a work at this distance with 99 % (proofs.fingerprint.similarity), so
    # "near" promises no more than it can find; unrelated works differ in 128 bits, give or take 8.
    near_distance_max=U16(24),
)

LIVE_CONSTANTS: Final = ChainConstants(
    slot_duration_ms=U64(6000),
    epoch_slots=U64(_HOUR),
    epochs_per_era=U32(6),
    one_day_blocks=BlockNumber(_DAY),
    # Eras of six hours in 365.25 days.
    eras_per_year=U32(1461),
    # A third of a slot, as in Substrate: propagation and execution elsewhere need the rest.
    block_ref_time_max=U64(2_000_000_000_000),
    existential_deposit=Balance(TCESS),
    length_fee=Balance(10**13),
    weight_fee=Balance(5_000_000),
    year_one_reward=Balance(477_000_000 * TCESS),
    year_one_validator_reward=Balance(238_500_000 * TCESS),
    # CESS's documents: 28 days to unbond (its code has 168) and 7 to object to a slash.
    bonding_eras=U32(112),
    slash_defer_eras=U32(28),
    # Two days longer than stake is liable: a slash, which may wait for others before it, needs to
    # know who stood behind whom.
    history_eras=U32(120),
    # An era, as in CESS.
    credit_period_blocks=BlockNumber(6 * _HOUR),
    fragment_bytes=U64(8 * MIB),
    segment_bytes=U64(32 * MIB),
    # Eight segments are 768 MiB: an hour is enough for an uplink of 2 Mbit/s.
    deal_deadline_blocks=BlockNumber(_HOUR),
    deal_attempts_max=U8(5),
    # CESS's 250 blocks: 25 minutes to fetch 32 MiB and rebuild 8.
    restoral_order_blocks=BlockNumber(250),
    space_unit_bytes=U128(GIB),
    lease_days_min=U32(30),
    frozen_days=U32(7),
    # CESS's limit; with a period of a day, 16 rounds a block reach 230,400 miners in time.
    miners_max=U32(200_000),
    declaration_unit_bytes=U128(TIB),
    collateral_per_unit=Balance(4_000 * TCESS),
    # A miner stays at least as long as the shortest lease that it may hold.
    staking_lock_blocks=BlockNumber(30 * _DAY),
    exit_lock_blocks=BlockNumber(_DAY),
    # Plots of 109 GB.
    plot_k=U8(32),
    cert_draws=U16(256),
    rows_sampled_max=U16(460),
    # The most that one answer holds: it estimates the space to 5 % (one standard deviation).
    plot_draws=U16(256),
    challenge_period_blocks=BlockNumber(_DAY),
    # An hour: a restart, an outage of the line or a slow disk is no fault.
    service_deadline_blocks=BlockNumber(_HOUR),
    idle_deadline_blocks=BlockNumber(_HOUR),
    faults_max=U32(3),
    certificate_deposit=Balance(TCESS),
    near_distance_max=U16(24),
)

DEV_STAKING: Final = StakingGenesis(
    validator_count=U32(4),
    minimum_validator_count=U32(1),
    # Small enough that anybody can try to become a validator.
    min_validator_bond=Balance(1_000 * TCESS),
    min_nominator_bond=Balance(10 * TCESS),
    bond=Balance(3_000_000 * TCESS),
)

LIVE_STAKING: Final = StakingGenesis(
    # What CESS's documents name.
    validator_count=U32(11),
    minimum_validator_count=U32(4),
    min_validator_bond=Balance(3_000_000 * TCESS),
    # All places for nominators cost as much as seven bonds: nobody fills them lightly.
    min_nominator_bond=Balance(10_000 * TCESS),
    bond=Balance(3_000_000 * TCESS),
)

DEV_PRICE: Final = Balance(TCESS)
"""A TCESS for a MiB and day: a round number in what demonstrations show."""

LIVE_PRICE: Final = Balance(30 * TCESS)
"""CESS's price at genesis for a GiB and day."""


FEE_MONEY: Final = Balance(1_000 * TCESS)
"""What a validator that a spec endows only for its bond gets beside it, to pay fees."""


def authority_of(suri: str) -> Authority:
    """The validator whose stash is ``suri//stash`` and whose keys are derived from ``suri``."""
    stash = KeyPair.from_suri(f"{suri}//stash")
    babe = KeyPair.from_suri(suri)
    grandpa = KeyPair.from_suri(suri, "ed25519")
    return Authority(stash.account_id, babe.account_id, grandpa.account_id)


def validator_suri(index: int) -> str:
    """The secret URI of a development validator: ``//Alice`` ... ``//Ferdie``, ``//Validator6``."""
    assert index >= 0, "because validators are counted from 0"
    return f"//{DEV_NAMES[index]}" if index < len(DEV_NAMES) else f"//Validator{index}"


def with_validators(base: ChainSpec, count: int) -> ChainSpec:
    """A development spec with ``count`` validators, all of whom may be elected at a time.

    Raises: ChainSpecError, also for a spec that is not for development.
    """
    if base.chain_type not in ("Development", "Local"):
        raise ChainSpecError(
            "--validators", f"everybody knows the keys; {base.name} is no chain of development"
        )
    if not 1 <= count <= AUTHORITIES_MAX:
        raise ChainSpecError("--validators", f"must be from 1 to {AUTHORITIES_MAX}")
    seats = U32(max(count, int(base.config().staking.validator_count)))
    staking = replace(
        base.config().staking,
        validator_count=seats,
        minimum_validator_count=U32(min(count, MINIMUM_SEATS)),
    )
    validators = [authority_of(validator_suri(index)) for index in range(count)]
    return custom(base, validators=validators, staking=staking)


@cache
def dev() -> ChainSpec:
    """One validator, Alice, with constants of seconds."""
    return ChainSpec(
        name="CESS Development",
        id="cess_dev",
        chain_type="Development",
        properties=PROPERTIES,
        genesis=_dev_genesis(DEV_CONSTANTS, DEV_PRICE, DEV_STAKING),
    )


@cache
def local() -> ChainSpec:
    """One validator, Alice, with the constants of a real network."""
    return ChainSpec(
        name="CESS Local Testnet",
        id="cess_local",
        chain_type="Local",
        properties=PROPERTIES,
        genesis=_dev_genesis(
            LIVE_CONSTANTS, LIVE_PRICE, replace(LIVE_STAKING, minimum_validator_count=U32(1))
        ),
    )


def testnet(
    *,
    validators: Sequence[Authority] = (),  # noqa: PT028  # not a test
    endowed: Sequence[tuple[AccountId, Balance]] = (),  # noqa: PT028
    sudo: AccountId | None = None,  # noqa: PT028
) -> ChainSpec:
    """A public test network of these validators and owners, with no development key in it.

    Validators that are not among the owners are given their bond and ``FEE_MONEY``.
    Raises: ChainSpecError without validators.
    """
    if not validators:
        raise ChainSpecError(
            "genesis.runtimeGenesis.config.authorities",
            "a test network has no validators until you name them: build the `local` spec, put "
            "your own keys into it and change its name and id",
        )
    staking = replace(
        LIVE_STAKING, minimum_validator_count=U32(min(len(validators), MINIMUM_SEATS))
    )
    genesis = GenesisConfig(
        constants=LIVE_CONSTANTS,
        authorities=tuple(validators),
        balances=_with_bonds(dict(endowed), validators, staking),
        sudo=sudo,
        price=LIVE_PRICE,
        staking=staking,
    )
    genesis.check()
    return ChainSpec(
        name="CESS Testnet",
        id="cess_testnet",
        chain_type="Live",
        properties=PROPERTIES,
        genesis=genesis,
    )


def custom(
    base: ChainSpec,
    *,
    name: str | None = None,
    id: str | None = None,  # noqa: A002  # the field's own word
    validators: Sequence[Authority] | None = None,
    endowed: Sequence[tuple[AccountId, Balance]] = (),
    constants: ChainConstants | None = None,
    staking: StakingGenesis | None = None,
) -> ChainSpec:
    """A plain spec with other names, validators or constants, and with more owners.

    An account in ``endowed`` that ``base`` endows too gets the amount given here. Validators that
    own nothing are given their bond and ``FEE_MONEY``.
    Raises: ChainSpecError.
    """
    config = base.config()
    balances = {**dict(config.balances), **dict(endowed)}
    authorities = config.authorities if validators is None else tuple(validators)
    genesis = replace(
        config,
        authorities=authorities,
        balances=_with_bonds(balances, authorities, staking or config.staking),
        constants=constants or config.constants,
        staking=staking or config.staking,
    )
    genesis.check()
    return replace(base, name=name or base.name, id=id or base.id, genesis=genesis)


PRESETS: Final[dict[str, Callable[[], ChainSpec]]] = {
    "dev": dev,
    "local": local,
    "testnet": testnet,
}


def preset(name: str) -> ChainSpec:
    """The preset with this name. Raises: ChainSpecError."""
    make = PRESETS.get(name)
    if make is None:
        raise ChainSpecError(
            "--chain", f"there is no chain {name!r}; use {', '.join(PRESETS)} or a file's path"
        )
    return make()


def _with_bonds(
    balances: dict[AccountId, Balance], validators: Sequence[Authority], staking: StakingGenesis
) -> tuple[tuple[AccountId, Balance], ...]:
    """The owners, and validators that own nothing with their bond."""
    made = dict(balances)
    for validator in validators:
        made.setdefault(validator.account, Balance(staking.bond + FEE_MONEY))
    return tuple(made.items())


def _dev_genesis(
    constants: ChainConstants, price: Balance, staking: StakingGenesis
) -> GenesisConfig:
    people = [f"//{name}{suffix}" for suffix in ("", "//stash") for name in DEV_NAMES]
    miners = [f"//Miner{index}" for index in range(DEV_MINERS)]
    accounts = [KeyPair.from_suri(suri).account_id for suri in (*people, *miners)]
    alice = authority_of("//Alice")
    genesis = GenesisConfig(
        constants=constants,
        authorities=(alice,),
        balances=tuple((account, DEV_ENDOWMENT) for account in accounts),
        sudo=KeyPair.from_suri("//Alice").account_id,
        price=price,
        staking=staking,
    )
    genesis.check()
    return genesis
