"""Bonds, candidates, nominations and who may set what: each error, event and limit once."""

from dataclasses import replace

import pytest

from pallets.balances import BOND
from pallets.frame import BadOrigin, Origin
from pallets.frame.error import LookupFailed
from pallets.staking import PayNone, PayOther, PayStaked, PayStash, Staking, eras, weights
from pallets.staking.types import (
    BILLION,
    NOMINATIONS_MAX,
    UNLOCKING_MAX,
    BalanceNoop,
    BalanceRemove,
    BalanceSet,
    Forcing,
    Invulnerables,
    NumberNoop,
    NumberRemove,
    NumberSet,
    PayController,
    PercentNoop,
    PercentRemove,
    PercentSet,
    UnlockChunk,
    UnlockChunks,
    ValidatorPrefs,
)
from primitives.extrinsic import MultiAddressId, MultiAddressIndex
from primitives.scale import U8, U32
from primitives.types import AccountId, Balance
from tests.pallets.staking.stake_chain import (
    ANN,
    BEN,
    BOND_EACH,
    BONDING,
    CAT,
    DAN,
    DEPOSIT,
    EVA,
    EVERYBODY,
    FOUNDERS,
    MIN_NOMINATOR,
    MIN_VALIDATOR,
    MONEY,
    NIA,
    NOA,
    NORA,
    StakeWorld,
)

POOR = AccountId(b"p" * 32)
STASH = PayStash()


def chunks(stake: StakeWorld, who: AccountId) -> list[tuple[int, int]]:
    return [(int(each.value), int(each.era)) for each in stake.staking.ledger[who].unlocking]


# Bonds.


def test_a_bond_is_held_and_no_more_than_can_be(stake: StakeWorld) -> None:
    stake.bond(NIA, 2_000, STASH)
    assert stake.events() == [Staking.Bonded(stash=NIA, amount=Balance(2_000))]
    assert stake.held(NIA) == 2_000
    assert stake.staking.payee.get(NIA) == STASH
    stake.bond(NORA, 10 * MONEY)
    assert stake.held(NORA) == MONEY - DEPOSIT
    stake.check_money()


def test_a_stash_bonds_once(stake: StakeWorld) -> None:
    with stake.world.no_trace(), pytest.raises(Staking.AlreadyBonded):
        stake.bond(ANN, 1_000)


def test_a_bond_is_at_least_the_existential_deposit(stake: StakeWorld) -> None:
    with stake.world.no_trace(), pytest.raises(Staking.InsufficientBond):
        stake.bond(NIA, int(DEPOSIT) - 1)
    with stake.world.no_trace(), pytest.raises(Staking.InsufficientBond):
        stake.bond(POOR, 1_000)
    stake.bond(NIA, int(DEPOSIT))


def test_a_stash_has_no_controller(stake: StakeWorld) -> None:
    with stake.world.no_trace(), pytest.raises(Staking.ControllerDeprecated):
        stake.bond(NIA, 1_000, PayController())
    with stake.world.no_trace(), pytest.raises(Staking.ControllerDeprecated):
        stake.call("set_payee", ANN, payee=PayController())


@pytest.mark.parametrize("payee", [PayStaked(), STASH, PayOther(account=EVA), PayNone()])
def test_rewards_go_where_the_stash_says(stake: StakeWorld, payee: object) -> None:
    stake.call("set_payee", ANN, payee=payee)
    assert stake.staking.payee.get(ANN) == payee


def test_more_is_bonded(stake: StakeWorld) -> None:
    stake.call("bond_extra", ANN, max_additional=Balance(500))
    assert stake.events() == [Staking.Bonded(stash=ANN, amount=Balance(500))]
    assert stake.staking.ledger[ANN].active == BOND_EACH + 500
    stake.call("bond_extra", ANN, max_additional=Balance(10 * MONEY))
    assert stake.held(ANN) == MONEY - DEPOSIT
    with stake.world.no_trace():
        stake.call("bond_extra", ANN, max_additional=Balance(1))
    stake.check_money()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("bond_extra", {"max_additional": Balance(1)}),
        ("unbond", {"value": Balance(1)}),
        ("rebond", {"value": Balance(1)}),
        ("withdraw_unbonded", {"num_slashing_spans": U32(0)}),
        ("validate", {"prefs": ValidatorPrefs(commission=U32(0), blocked=False)}),
        ("nominate", {"targets": (MultiAddressId(ANN),)}),
        ("chill", {}),
        ("set_payee", {"payee": STASH}),
        ("kick", {"who": ()}),
    ],
)
def test_who_has_bonded_nothing_can_do_nothing(
    stake: StakeWorld, name: str, arguments: dict[str, object]
) -> None:
    with stake.world.no_trace(), pytest.raises(Staking.NotController):
        stake.call(name, NIA, **arguments)
    with stake.world.no_trace(), pytest.raises(BadOrigin):
        stake.call(name, None, **arguments)


# Unbonding.


def test_what_is_unbonded_is_held_until_nothing_can_reach_it(stake: StakeWorld) -> None:
    stake.bond(NIA, 2_000)
    stake.world.clear_events()
    stake.call("unbond", NIA, value=Balance(500))
    assert stake.events() == [Staking.Unbonded(stash=NIA, amount=Balance(500))]
    assert chunks(stake, NIA) == [(500, BONDING)]
    for era in range(BONDING):
        stake.to_era(era)
        stake.call("withdraw_unbonded", NIA, num_slashing_spans=U32(0))
        assert stake.held(NIA) == 2_000
    stake.to_era(BONDING)
    stake.world.clear_events()
    stake.call("withdraw_unbonded", NIA, num_slashing_spans=U32(7))
    assert stake.events() == [Staking.Withdrawn(stash=NIA, amount=Balance(500))]
    assert stake.held(NIA) == 1_500
    assert stake.free(NIA) == MONEY - 1_500
    stake.check_money()


def test_once_the_next_era_is_planned_unbonding_lasts_an_era_longer(stake: StakeWorld) -> None:
    stake.bond(NIA, 2_000)
    stake.next_session()
    assert stake.staking.current_era.get() == stake.active + 1
    stake.call("unbond", NIA, value=Balance(500))
    assert chunks(stake, NIA) == [(500, BONDING + 1)]


def test_the_last_withdrawal_removes_the_stash(stake: StakeWorld) -> None:
    stake.bond(NIA, 2_000)
    stake.nominate(NIA, ANN)
    stake.call("chill", NIA)
    stake.call("unbond", NIA, value=Balance(2_000))
    stake.to_era(BONDING)
    stake.call("withdraw_unbonded", NIA, num_slashing_spans=U32(0))
    assert NIA not in stake.staking.ledger
    assert NIA not in stake.staking.bonded
    assert NIA not in stake.staking.payee
    assert stake.free(NIA) == MONEY
    stake.bond(NIA, 1_000)
    stake.check_money()


def test_what_would_be_dust_is_unbonded_as_well(stake: StakeWorld) -> None:
    stake.bond(NIA, 2_000)
    stake.call("unbond", NIA, value=Balance(1_901))
    assert chunks(stake, NIA) == [(2_000, BONDING)]
    with stake.world.no_trace():
        stake.call("unbond", NIA, value=Balance(1))


def test_a_candidate_and_a_nominator_keep_their_least_stake(stake: StakeWorld) -> None:
    over = BOND_EACH - MIN_VALIDATOR
    stake.call("unbond", ANN, value=Balance(over))
    with stake.world.no_trace(), pytest.raises(Staking.InsufficientBond):
        stake.call("unbond", ANN, value=Balance(1))
    stake.bond(NIA, MIN_NOMINATOR)
    stake.nominate(NIA, ANN)
    with stake.world.no_trace(), pytest.raises(Staking.InsufficientBond):
        stake.call("unbond", NIA, value=Balance(1))
    stake.call("chill", NIA)
    stake.call("unbond", NIA, value=Balance(1))


def test_the_limit_of_amounts_that_unlock(stake: StakeWorld) -> None:
    stake.bond(NIA, 50_000)
    full = replace(
        stake.staking.ledger[NIA],
        active=Balance(50_000 - UNLOCKING_MAX),
        unlocking=many(UNLOCKING_MAX, first=100),
    )
    stake.staking.ledger[NIA] = full
    with stake.world.no_trace(), pytest.raises(Staking.NoMoreChunks):
        stake.call("unbond", NIA, value=Balance(1))
    # One that is free makes room by itself.
    stake.staking.ledger[NIA] = replace(full, unlocking=many(UNLOCKING_MAX, first=0))
    stake.call("unbond", NIA, value=Balance(1))
    assert len(chunks(stake, NIA)) == UNLOCKING_MAX
    assert Staking.Withdrawn(stash=NIA, amount=Balance(1)) in stake.events()


def many(count: int, *, first: int) -> UnlockChunks:
    eras_of = range(first, first + count)
    return UnlockChunks(UnlockChunk(value=Balance(1), era=U32(era)) for era in eras_of)


def test_what_unlocks_is_bonded_again(stake: StakeWorld) -> None:
    with stake.world.no_trace(), pytest.raises(Staking.NoUnlockChunk):
        stake.call("rebond", ANN, value=Balance(1))
    stake.bond(NIA, 2_000)
    stake.call("unbond", NIA, value=Balance(2_000))
    with stake.world.no_trace(), pytest.raises(Staking.InsufficientBond):
        stake.call("rebond", NIA, value=Balance(int(DEPOSIT) - 1))
    stake.world.clear_events()
    stake.call("rebond", NIA, value=Balance(1_200))
    assert stake.events() == [Staking.Bonded(stash=NIA, amount=Balance(1_200))]
    assert chunks(stake, NIA) == [(800, BONDING)]
    stake.check_money()


# Candidates.


def test_a_candidate_stands_with_its_preferences(stake: StakeWorld) -> None:
    stake.bond(DAN, MIN_VALIDATOR)
    stake.validate(DAN, 5)
    prefs = ValidatorPrefs(commission=U32(5), blocked=False)
    assert stake.staking.validators.get(DAN) == prefs
    assert Staking.ValidatorPrefsSet(stash=DAN, prefs=prefs) in stake.events()
    assert stake.staking.eligible_from.get(DAN) == eras.FRESHNESS_SESSIONS
    stake.next_session()
    stake.validate(DAN, 6)  # new preferences do not make it new
    assert stake.staking.eligible_from.get(DAN) == eras.FRESHNESS_SESSIONS


def test_a_candidate_has_the_least_bond(stake: StakeWorld) -> None:
    stake.bond(DAN, MIN_VALIDATOR - 1)
    with stake.world.no_trace(), pytest.raises(Staking.InsufficientBond):
        stake.validate(DAN)


def test_a_commission_lies_between_the_least_and_the_whole(stake: StakeWorld) -> None:
    stake.call("set_min_commission", None, new=U32(100))
    with stake.world.no_trace(), pytest.raises(Staking.CommissionTooLow):
        stake.validate(ANN, 99)
    with stake.world.no_trace(), pytest.raises(Staking.BoundNotMet):
        stake.validate(ANN, BILLION + 1)
    stake.validate(ANN, BILLION)


def test_the_limit_of_candidates(stake: StakeWorld) -> None:
    stake.call("set_staking_configs", None, **configs(max_validator_count=NumberSet(value=U32(4))))
    stake.bond(DAN, MIN_VALIDATOR)
    stake.bond(EVA, MIN_VALIDATOR)
    stake.validate(DAN)
    with stake.world.no_trace(), pytest.raises(Staking.TooManyValidators):
        stake.validate(EVA)
    stake.validate(DAN, 1)  # who is in stays in


def test_a_candidate_that_nominates_stands_no_more_and_the_other_way_round(
    stake: StakeWorld,
) -> None:
    stake.nominate(ANN, BEN)
    assert ANN not in stake.staking.validators
    stake.validate(ANN)
    assert ANN not in stake.staking.nominators
    stake.check_money()


# Nominations.


def test_a_nomination_names_candidates(stake: StakeWorld) -> None:
    stake.bond(NIA, 2_000)
    stake.nominate(NIA, BEN, ANN, BEN)
    found = stake.staking.nominators.get(NIA)
    assert found is not None
    assert (tuple(found.targets), int(found.submitted_in)) == ((BEN, ANN), 0)


def test_what_a_nomination_needs(stake: StakeWorld) -> None:
    stake.bond(NIA, MIN_NOMINATOR - 1)
    with stake.world.no_trace(), pytest.raises(Staking.InsufficientBond):
        stake.nominate(NIA, ANN)
    stake.call("bond_extra", NIA, max_additional=Balance(1))
    with stake.world.no_trace(), pytest.raises(Staking.EmptyTargets):
        stake.nominate(NIA)
    with stake.world.no_trace(), pytest.raises(Staking.TooManyTargets):
        stake.nominate(NIA, *[ANN] * (NOMINATIONS_MAX + 1))
    stake.nominate(NIA, *[ANN] * NOMINATIONS_MAX)
    with stake.world.no_trace(), pytest.raises(Staking.BadTarget):
        stake.nominate(NIA, NORA)
    with stake.world.no_trace(), pytest.raises(LookupFailed):
        stake.call("nominate", NIA, targets=(MultiAddressIndex(U32(1)),))


def test_a_blocked_candidate_takes_no_new_nominator(stake: StakeWorld) -> None:
    stake.bond(NIA, 2_000)
    stake.bond(NORA, 2_000)
    stake.nominate(NIA, ANN)
    stake.validate(ANN, blocked=True)
    stake.nominate(NIA, ANN, BEN)  # an old one may stay
    with stake.world.no_trace(), pytest.raises(Staking.BadTarget):
        stake.nominate(NORA, ANN)


def test_the_limit_of_nominators(stake: StakeWorld) -> None:
    stake.call("set_staking_configs", None, **configs(max_nominator_count=NumberSet(value=U32(1))))
    stake.bond(NIA, 2_000)
    stake.bond(NORA, 2_000)
    stake.nominate(NIA, ANN)
    with stake.world.no_trace(), pytest.raises(Staking.TooManyNominators):
        stake.nominate(NORA, ANN)
    stake.nominate(NIA, BEN)
    assert stake.staking.places(of_nominators=True) == 1
    assert stake.staking.places(of_nominators=False) == weights.VALIDATORS_LIMIT


def test_a_candidate_turns_nominators_away(stake: StakeWorld) -> None:
    for who in (NIA, NORA):
        stake.bond(who, 2_000)
    stake.nominate(NIA, ANN)
    stake.nominate(NORA, ANN, BEN)
    stake.world.clear_events()
    stake.call("kick", ANN, who=tuple(MultiAddressId(who) for who in (NIA, NORA, NOA, CAT)))
    assert stake.events() == [Staking.Kicked(nominator=who, stash=ANN) for who in (NIA, NORA)]
    assert NIA not in stake.staking.nominators
    assert tuple(stake.staking.nominators[NORA].targets) == (BEN,)


# Chilling.


def test_who_chills_stands_no_more(stake: StakeWorld) -> None:
    stake.call("chill", ANN)
    assert stake.events() == [Staking.Chilled(stash=ANN)]
    with stake.world.no_trace():
        stake.call("chill", ANN)


def test_others_are_chilled_only_below_the_least_stake_and_where_places_are_scarce(
    stake: StakeWorld,
) -> None:
    raised = Balance(BOND_EACH + 1)

    def refused(stash: AccountId = ANN) -> None:
        with stake.world.no_trace(), pytest.raises(Staking.CannotChillOther):
            stake.call("chill_other", NOA, stash=stash)

    refused()  # no threshold
    scarce = {
        "min_validator_bond": BalanceSet(value=raised),
        "max_validator_count": NumberSet(value=U32(4)),
    }
    threshold = PercentSet(value=U8(75))
    stake.call("set_staking_configs", None, **configs(**scarce, chill_threshold=threshold))
    refused()  # three of four places are 75 percent, not more
    threshold = PercentSet(value=U8(74))
    stake.call("set_staking_configs", None, **configs(chill_threshold=threshold))
    stake.call("bond_extra", BEN, max_additional=Balance(1))
    refused(BEN)  # it has enough
    stake.bond(NIA, 1_000)
    refused(NIA)  # it does not stand at all
    stake.world.clear_events()
    stake.call("chill_other", NOA, stash=ANN)
    assert stake.events() == [Staking.Chilled(stash=ANN)]
    stake.call("chill_other", CAT, stash=CAT)  # oneself always


def test_nominators_are_chilled_by_the_same_rule(stake: StakeWorld) -> None:
    stake.bond(NIA, MIN_NOMINATOR)
    stake.nominate(NIA, ANN)
    stake.call(
        "set_staking_configs",
        None,
        **configs(
            min_nominator_bond=BalanceSet(value=Balance(MIN_NOMINATOR + 1)),
            max_nominator_count=NumberSet(value=U32(1)),
            chill_threshold=PercentSet(value=U8(99)),
        ),
    )
    stake.call("chill_other", NOA, stash=NIA)
    assert NIA not in stake.staking.nominators


# Root.


def configs(**changes: object) -> dict[str, object]:
    return {
        "min_nominator_bond": BalanceNoop(),
        "min_validator_bond": BalanceNoop(),
        "max_nominator_count": NumberNoop(),
        "max_validator_count": NumberNoop(),
        "chill_threshold": PercentNoop(),
        "min_commission": NumberNoop(),
        "max_staked_rewards": PercentNoop(),
        **changes,
    }


def test_root_sets_and_removes_what_elections_ask_for(stake: StakeWorld) -> None:
    staking = stake.staking
    stake.call(
        "set_staking_configs",
        None,
        min_nominator_bond=BalanceSet(value=Balance(1)),
        min_validator_bond=BalanceSet(value=Balance(2)),
        max_nominator_count=NumberSet(value=U32(3)),
        max_validator_count=NumberSet(value=U32(4)),
        chill_threshold=PercentSet(value=U8(5)),
        min_commission=NumberSet(value=U32(6)),
        max_staked_rewards=PercentSet(value=U8(7)),
    )
    items = (
        staking.min_nominator_bond,
        staking.min_validator_bond,
        staking.max_nominators_count,
        staking.max_validators_count,
        staking.chill_threshold,
        staking.min_commission,
        staking.max_staked_rewards,
    )
    assert [item.get() for item in items] == [1, 2, 3, 4, 5, 6, 7]
    with stake.world.no_trace():
        stake.call("set_staking_configs", None, **configs())
    stake.call(
        "set_staking_configs",
        None,
        min_nominator_bond=BalanceRemove(),
        min_validator_bond=BalanceRemove(),
        max_nominator_count=NumberRemove(),
        max_validator_count=NumberRemove(),
        chill_threshold=PercentRemove(),
        min_commission=NumberRemove(),
        max_staked_rewards=PercentRemove(),
    )
    assert [item.get() for item in items] == [0, 0, None, None, None, 0, None]


@pytest.mark.parametrize(
    ("name", "limit", "op"),
    [
        ("max_nominator_count", weights.NOMINATORS_LIMIT, lambda at: NumberSet(value=U32(at))),
        ("max_validator_count", weights.VALIDATORS_LIMIT, lambda at: NumberSet(value=U32(at))),
        ("min_commission", BILLION, lambda at: NumberSet(value=U32(at))),
        ("chill_threshold", 100, lambda at: PercentSet(value=U8(at))),
        ("max_staked_rewards", 100, lambda at: PercentSet(value=U8(at))),
    ],
)
def test_root_cannot_go_beyond_what_a_block_bears(stake, name, limit, op) -> None:
    stake.call("set_staking_configs", None, **configs(**{name: op(limit)}))
    with stake.world.no_trace(), pytest.raises(Staking.BoundNotMet):
        stake.call("set_staking_configs", None, **configs(**{name: op(limit + 1)}))


def test_root_can_close_all_places(stake: StakeWorld) -> None:
    none = NumberSet(value=U32(0))
    stake.call(
        "set_staking_configs", None, **configs(max_nominator_count=none, max_validator_count=none)
    )
    stake.bond(NIA, BOND_EACH)
    with stake.world.no_trace(), pytest.raises(Staking.TooManyNominators):
        stake.nominate(NIA, ANN)
    with stake.world.no_trace(), pytest.raises(Staking.TooManyValidators):
        stake.validate(NIA)
    stake.validate(ANN, 5)  # who has a place keeps it


def test_the_seats_of_an_election(stake: StakeWorld) -> None:
    seats = stake.staking.validator_count
    stake.call("set_validator_count", None, new=U32(2))
    assert seats.get() == 2
    stake.call("increase_validator_count", None, additional=U32(1))
    assert seats.get() == 3
    stake.call("scale_validator_count", None, factor=U8(50))
    assert seats.get() == 4
    for name, arguments in (
        ("set_validator_count", {"new": U32(6)}),
        ("set_validator_count", {"new": U32(0)}),
        ("increase_validator_count", {"additional": U32(2)}),
        ("scale_validator_count", {"factor": U8(50)}),
    ):
        with stake.world.no_trace(), pytest.raises(Staking.TooManyValidators):
            stake.call(name, None, **arguments)


def test_the_least_commission(stake: StakeWorld) -> None:
    with stake.world.no_trace(), pytest.raises(Staking.BoundNotMet):
        stake.call("set_min_commission", None, new=U32(BILLION + 1))
    stake.call("set_min_commission", None, new=U32(70))
    stake.validate(BEN, 80)
    stake.world.clear_events()
    stake.call("force_apply_min_commission", NOA, validator_stash=ANN)
    raised = ValidatorPrefs(commission=U32(70), blocked=False)
    assert stake.events() == [Staking.ValidatorPrefsSet(stash=ANN, prefs=raised)]
    with stake.world.no_trace():
        stake.call("force_apply_min_commission", NOA, validator_stash=BEN)
    with stake.world.no_trace(), pytest.raises(Staking.NotStash):
        stake.call("force_apply_min_commission", NOA, validator_stash=NOA)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("force_no_eras", Forcing.ForceNone),
        ("force_new_era", Forcing.ForceNew),
        ("force_new_era_always", Forcing.ForceAlways),
    ],
)
def test_root_decides_when_eras_end(stake: StakeWorld, name: str, mode: Forcing) -> None:
    stake.call(name, None)
    assert stake.staking.force_era.get() == mode
    assert stake.events() == [Staking.ForceEra(mode=mode)]


def test_root_frees_a_stash_at_once(stake: StakeWorld) -> None:
    stake.call("unbond", ANN, value=Balance(1_000))
    stake.call("force_unstake", None, stash=ANN, num_slashing_spans=U32(0))
    assert stake.free(ANN) == MONEY
    assert ANN not in stake.staking.validators
    stake.check_money()
    with stake.world.no_trace(), pytest.raises(Staking.NotStash):
        stake.call("force_unstake", None, stash=ANN, num_slashing_spans=U32(0))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("set_validator_count", {"new": U32(1)}),
        ("increase_validator_count", {"additional": U32(1)}),
        ("scale_validator_count", {"factor": U8(1)}),
        ("force_no_eras", {}),
        ("force_new_era", {}),
        ("force_new_era_always", {}),
        ("set_invulnerables", {"invulnerables": Invulnerables()}),
        ("force_unstake", {"stash": ANN, "num_slashing_spans": U32(0)}),
        ("cancel_deferred_slash", {"era": U32(1), "slash_indices": (U32(0),)}),
        ("set_staking_configs", configs()),
        ("set_min_commission", {"new": U32(0)}),
    ],
)
def test_only_root_governs(stake: StakeWorld, name: str, arguments: dict[str, object]) -> None:
    with stake.world.no_trace(), pytest.raises(BadOrigin):
        stake.call(name, ANN, **arguments)


def test_a_stash_of_dust_can_be_removed_by_anybody(stake: StakeWorld) -> None:
    with stake.world.no_trace(), pytest.raises(Staking.NotStash):
        stake.call("reap_stash", NOA, stash=NIA, num_slashing_spans=U32(0))
    with stake.world.no_trace(), pytest.raises(Staking.FundedTarget):
        stake.call("reap_stash", NOA, stash=ANN, num_slashing_spans=U32(0))
    left = Balance(int(DEPOSIT) - 1)
    stake.runtime.balances.release(ANN, BOND, Balance(BOND_EACH - int(left)))
    ledger = stake.staking.ledger[ANN]
    stake.staking.ledger[ANN] = replace(ledger, total=left, active=left)
    stake.call("reap_stash", NOA, stash=ANN, num_slashing_spans=U32(0))
    assert ANN not in stake.staking.ledger
    assert stake.free(ANN) == MONEY
    stake.check_money()


def test_genesis_bonds_the_validators_and_plans_era_0(stake: StakeWorld) -> None:
    staking = stake.staking
    assert staking.current_era.get() == 0
    for who in FOUNDERS:
        assert stake.held(who) == staking.ledger[who].total == BOND_EACH
        assert staking.eligible_from.get(who) == 0
    assert staking.eras_total_stake.get(U32(0)) == 3 * BOND_EACH
    assert len(EVERYBODY) * MONEY == stake.runtime.balances.total_issuance.get()
    stake.check_money()


def test_held_stake_is_beyond_transfers_and_root_frees_none_of_it_by_unreserving(
    stake: StakeWorld,
) -> None:
    world = stake.world
    world.call(
        "Balances",
        "transfer_all",
        Origin.signed(ANN),
        dest=MultiAddressId(BEN),
        keep_alive=False,
    )
    world.call(
        "Balances",
        "force_unreserve",
        Origin.root(),
        who=MultiAddressId(ANN),
        amount=Balance(BOND_EACH),
    )
    assert stake.held(ANN) == BOND_EACH
    stake.check_money()
