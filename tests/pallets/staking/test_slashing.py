"""Slashes: who pays, how much, when, who gets it, and who may call it off."""

import pytest

from pallets.staking import Staking, weights
from pallets.staking.types import (
    EXPOSURE_PAGE_MAX,
    Invulnerables,
    PayStash,
    SlashCursor,
)
from primitives.hashing import blake2_256
from primitives.scale import U32
from primitives.types import AccountId, Balance
from tests.pallets.staking.stake_chain import (
    ANN,
    BEN,
    BILLION,
    BOND_EACH,
    BONDING,
    CAT,
    DEFER,
    FOUNDERS,
    HISTORY,
    MONEY,
    NIA,
    NORA,
    REPORTER,
    TREASURY,
    StakeWorld,
)

TENTH, HALF = BILLION // 10, BILLION // 2


@pytest.fixture
def backed(stake: StakeWorld) -> StakeWorld:
    """In era 1 Nia stands behind Ann with 6,000 and Nora behind Ann and Ben with 4,000."""
    stake.bond(NIA, 6_000, PayStash())
    stake.nominate(NIA, ANN)
    stake.bond(NORA, 4_000, PayStash())
    stake.nominate(NORA, ANN, BEN)
    stake.to_era(1)
    stake.world.clear_events()
    return stake


def offend_all(stake: StakeWorld, fraction: int, *offenders: AccountId) -> None:
    """Each of them, and stands again, so that there are elections."""
    for who in offenders:
        stake.offend(who, fraction)
        stake.validate(who)


def until_applied(stake: StakeWorld) -> int:
    """Let blocks go by until nothing is being applied; how many."""
    blocks = 0
    while stake.staking.slash_cursor.get() is not None:
        stake.block()
        blocks += 1
    return blocks


def test_a_slash_takes_its_fraction_from_all_that_stood_behind_the_offender(
    backed: StakeWorld,
) -> None:
    backed.offend(ANN, TENTH)
    reported = Staking.SlashReported(validator=ANN, fraction=U32(TENTH), slash_era=U32(1))
    assert backed.events() == [reported, Staking.Chilled(stash=ANN)]
    assert backed.around.punished == [ANN]
    backed.to_era(1 + DEFER)
    backed.block()
    assert backed.held(ANN) == BOND_EACH  # not yet
    backed.to_era(2 + DEFER)
    until_applied(backed)
    assert backed.held(ANN) == BOND_EACH - 1_000
    assert backed.held(NIA) == 6_000 - 600
    assert backed.held(NORA) == 4_000 - 200  # only what stood behind Ann
    assert backed.held(BEN) == BOND_EACH
    assert backed.free(TREASURY) == MONEY + 1_800
    slashed = {each.staker: each.amount for each in backed.events(Staking.Slashed)}
    assert slashed == {ANN: 1_000, NIA: 600, NORA: 200}
    assert backed.staking.unapplied_slashes.items(limit=9) == []
    assert backed.staking.unapplied_slash_count.items(limit=9) == []
    backed.check_money()


def test_whoever_reports_shares_a_tenth_of_what_is_taken(backed: StakeWorld) -> None:
    backed.offend(ANN, HALF, reporters=(REPORTER, CAT))
    backed.to_era(2 + DEFER)
    until_applied(backed)
    taken = 5_000 + 3_000 + 1_000
    assert backed.free(REPORTER) == MONEY + taken // 20
    assert backed.free(CAT) == MONEY - BOND_EACH + taken // 20
    assert backed.free(TREASURY) == MONEY + taken - 2 * (taken // 20)
    backed.check_money()


def test_a_reporter_that_would_hold_dust_gets_nothing(backed: StakeWorld) -> None:
    stranger = AccountId(b"x" * 32)
    backed.offend(ANN, TENTH // 100, reporters=(stranger,))
    backed.to_era(2 + DEFER)
    until_applied(backed)
    assert backed.free(TREASURY) == MONEY + 18
    assert backed.free(stranger) == 0
    backed.check_money()


def test_in_one_era_the_largest_fraction_counts(backed: StakeWorld) -> None:
    backed.offend(ANN, TENTH)
    backed.offend(ANN, TENTH)
    backed.offend(ANN, TENTH // 2)
    assert backed.around.punished == [ANN]
    backed.offend(ANN, HALF)
    assert backed.staking.validator_slash_in_era.get(U32(1), ANN) == (HALF, BOND_EACH // 2)
    backed.to_era(2 + DEFER)
    until_applied(backed)
    assert backed.held(ANN) == BOND_EACH // 2
    assert backed.held(NIA) == 3_000
    assert backed.held(NORA) == 4_000 - 1_000
    backed.check_money()


def test_offences_of_two_validators_add_up_for_their_nominator(backed: StakeWorld) -> None:
    offend_all(backed, HALF, ANN, BEN)
    backed.to_era(2 + DEFER)
    until_applied(backed)
    assert backed.held(NORA) == 4_000 - 1_000 - 1_000
    backed.check_money()


def test_who_unbonded_after_the_era_was_planned_still_pays(backed: StakeWorld) -> None:
    """The attack: unbond in the block before the report is in."""
    backed.call("chill", NIA)
    backed.call("unbond", NIA, value=Balance(6_000))
    backed.call("chill", ANN)
    backed.call("unbond", ANN, value=Balance(BOND_EACH))
    backed.offend(ANN, BILLION)
    backed.to_era(2 + DEFER)
    until_applied(backed)
    assert (backed.held(ANN), backed.held(NIA)) == (0, 0)
    assert NIA not in backed.staking.ledger
    assert backed.free(NIA) == MONEY - 6_000
    backed.check_money()


def test_no_stake_gets_away_before_the_last_report_of_its_era(backed: StakeWorld) -> None:
    """The attack: unbond in the era of the offence and have it reported as late as it counts."""
    session = backed.around.session
    backed.call("chill", NIA)
    backed.call("unbond", NIA, value=Balance(6_000))
    backed.to_era(1 + BONDING - 1)
    backed.call("withdraw_unbonded", NIA, num_slashing_spans=U32(0))
    assert backed.held(NIA) == 6_000
    backed.next_session()  # the next era is planned, and NIA's chunk is still held
    backed.call("withdraw_unbonded", NIA, num_slashing_spans=U32(0))
    assert backed.held(NIA) == 6_000
    backed.offend(ANN, HALF, session=session)
    until_applied(backed)  # it is overdue, so it is applied at once
    assert backed.held(NIA) == 3_000
    backed.to_era(1 + BONDING)
    backed.call("withdraw_unbonded", NIA, num_slashing_spans=U32(0))
    assert backed.held(NIA) == 0
    backed.check_money()


def test_no_stake_gets_away_while_a_late_slash_is_at_other_pages(stake: StakeWorld) -> None:
    """The attack: a report in the last block that counts; who is on a later page withdraws."""
    count = EXPOSURE_PAGE_MAX * weights.APPLIED_PAGES_PER_BLOCK_MAX + 1
    people = [AccountId(blake2_256(b"n" + at.to_bytes(2, "little"))) for at in range(count)]
    for who in people:
        stake.runtime.balances.mint_into(who, Balance(2_000))
        stake.bond(who, 1_000, PayStash())
        stake.nominate(who, ANN)
    stake.to_era(1)
    session = stake.around.session
    for who in people:
        stake.call("chill", who)
        stake.call("unbond", who, value=Balance(1_000))
    stake.to_era(1 + BONDING - 1)
    stake.next_session()
    stake.offend(ANN, HALF, session=session)
    stake.next_session()
    assert stake.active == 1 + BONDING
    stake.block()
    for who in people:
        stake.call("withdraw_unbonded", who, num_slashing_spans=U32(0))
    until_applied(stake)
    for who in people:
        stake.call("withdraw_unbonded", who, num_slashing_spans=U32(0))
    assert all(stake.free(who) == 1_500 for who in people)
    assert not any(stake.held(who) for who in people)
    stake.check_money()


def test_no_stake_gets_away_while_elections_fail(backed: StakeWorld) -> None:
    """The attack: so few stand that no era can follow; the offender waits for its bond."""
    backed.call("chill", BEN)
    backed.offend(ANN, BILLION)  # now Cat alone stands, and two are the least
    backed.call("unbond", ANN, value=Balance(BOND_EACH))
    for _ in range(10 * BONDING):
        backed.next_session()
        backed.block()
        backed.call("withdraw_unbonded", ANN, num_slashing_spans=U32(0))
    assert backed.active == 1
    assert set(backed.validators) == set(FOUNDERS)  # none is missed before there are others
    assert ANN in backed.around.disabled
    assert backed.held(ANN) == BOND_EACH
    backed.validate(BEN)
    backed.to_era(2 + DEFER)
    until_applied(backed)
    assert ANN not in backed.staking.ledger
    assert backed.held(ANN) == 0
    backed.check_money()


def test_a_report_after_the_bond_is_free_is_discarded(backed: StakeWorld) -> None:
    session = backed.around.session
    backed.to_era(1 + BONDING)
    backed.world.clear_events()
    backed.offend(ANN, HALF, session=session)
    discarded = Staking.OldSlashingReportDiscarded(session_index=U32(session))
    assert backed.events() == [discarded]
    assert BONDING <= HISTORY


def test_what_was_unbonded_before_the_era_is_not_slashed(stake: StakeWorld) -> None:
    stake.bond(NIA, 6_000)
    stake.nominate(NIA, ANN)
    stake.call("unbond", NIA, value=Balance(2_000))
    stake.to_era(1)
    stake.offend(ANN, BILLION)
    stake.to_era(2 + DEFER)
    until_applied(stake)
    assert stake.held(NIA) == 2_000
    stake.check_money()


def test_the_stake_of_the_offences_era_is_slashed_whatever_changed_since(
    backed: StakeWorld,
) -> None:
    session = backed.around.session
    backed.to_era(2)
    backed.nominate(NIA, BEN)
    backed.to_era(3)
    backed.offend(ANN, HALF, session=session)
    until_applied(backed)
    assert backed.held(NIA) == 3_000


def test_root_calls_a_slash_off_while_it_waits(backed: StakeWorld) -> None:
    staking = backed.staking
    offend_all(backed, TENTH, *FOUNDERS)
    due = U32(2 + DEFER)
    for indices, error in (
        ((), Staking.EmptyTargets),
        ((1, 0), Staking.NotSortedAndUnique),
        ((1, 1), Staking.NotSortedAndUnique),
        ((1, 3), Staking.InvalidSlashIndex),
    ):
        with backed.world.no_trace(), pytest.raises(error):
            backed.call(
                "cancel_deferred_slash",
                None,
                era=due,
                slash_indices=tuple(U32(at) for at in indices),
            )
    backed.call("cancel_deferred_slash", None, era=due, slash_indices=(U32(0), U32(2)))
    backed.to_era(2 + DEFER)
    with backed.world.no_trace(), pytest.raises(Staking.InvalidSlashIndex):
        backed.call("cancel_deferred_slash", None, era=due, slash_indices=(U32(1),))
    until_applied(backed)
    assert [backed.held(who) for who in FOUNDERS] == [BOND_EACH, BOND_EACH - 1_000, BOND_EACH]
    assert staking.unapplied_slash_count.items(limit=9) == []


def test_invulnerables_are_not_slashed(backed: StakeWorld) -> None:
    backed.call("set_invulnerables", None, invulnerables=Invulnerables((ANN,)))
    with backed.world.no_trace():
        backed.offend(ANN, BILLION)


def test_who_did_not_validate_in_the_era_is_not_slashed(backed: StakeWorld) -> None:
    with backed.world.no_trace():
        backed.offend(NIA, BILLION)


def test_pages_are_slashed_a_few_in_a_block(stake: StakeWorld) -> None:
    pages = 5
    count = EXPOSURE_PAGE_MAX * (pages - 1) + 1
    people = [AccountId(blake2_256(b"n" + at.to_bytes(2, "little"))) for at in range(count)]
    for who in people:
        stake.runtime.balances.mint_into(who, Balance(2_000))
        stake.bond(who, 1_000, PayStash())
        stake.nominate(who, ANN)
    stake.to_era(1)
    stake.offend(ANN, TENTH, reporters=(REPORTER,))
    assert len(stake.staking.unapplied_slashes.items(limit=9)) == 1
    stake.to_era(2 + DEFER)
    due = stake.staking.slash_cursor.get()
    assert due == SlashCursor(era=U32(2 + DEFER), index=U32(0), page=U32(0))
    per_block = weights.APPLIED_PAGES_PER_BLOCK_MAX
    assert until_applied(stake) == -(-pages // per_block)
    assert all(stake.held(who) == 900 for who in people)
    taken = 1_000 + 100 * count
    reward = stake.free(REPORTER) - MONEY
    assert 0 <= taken // 10 - reward <= pages
    assert stake.free(TREASURY) == MONEY + taken - reward
    stake.check_money()


def test_slashes_that_fall_due_while_others_are_applied_wait_their_turn(
    stake: StakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "APPLIED_PAGES_PER_BLOCK_MAX", 1)
    offend_all(stake, TENTH, *FOUNDERS)
    stake.to_era(1)
    offend_all(stake, TENTH, *FOUNDERS)
    stake.to_era(2 + DEFER)  # both eras' slashes are due, and no block was made
    assert until_applied(stake) == 6
    assert all(stake.held(who) == BOND_EACH - 2_000 for who in FOUNDERS)
    assert stake.staking.unapplied_slash_count.items(limit=9) == []
    # One that is reported while nothing waits begins at once where it is overdue.
    stake.offend(ANN, HALF, session=0)
    assert until_applied(stake) == 1
    stake.check_money()


def test_an_offender_is_kept_out_of_the_office_that_it_was_elected_for(
    backed: StakeWorld,
) -> None:
    backed.next_session()  # era 2 is planned, with Ann
    assert ANN in backed.queued
    backed.offend(ANN, TENTH)
    backed.around.disabled.clear()
    backed.next_session()
    assert (backed.active, backed.around.disabled) == (2, [ANN])
    backed.next_session()
    assert backed.around.disabled == [ANN, ANN]
    assert ANN not in backed.queued
    backed.next_session()
    assert (backed.active, backed.around.disabled) == (3, [ANN, ANN])
    assert backed.staking.offending_validators.get() == ()


def test_an_offender_may_stand_again_and_waits_like_a_newcomer(backed: StakeWorld) -> None:
    backed.offend(ANN, TENTH)
    assert ANN not in backed.staking.validators
    backed.validate(ANN)
    assert backed.staking.eligible_from.get(ANN) > backed.around.session + 2


def test_without_an_exposure_left_a_slash_is_dropped(backed: StakeWorld) -> None:
    backed.offend(ANN, TENTH)
    backed.staking.eras_stakers_overview.clear_prefix(U32(1), limit=9)
    backed.to_era(2 + DEFER)
    until_applied(backed)
    assert backed.held(ANN) == BOND_EACH
    assert backed.staking.unapplied_slashes.items(limit=9) == []


def test_a_slash_of_who_has_withdrawn_takes_what_others_have(backed: StakeWorld) -> None:
    backed.call("force_unstake", None, stash=NIA, num_slashing_spans=U32(0))
    backed.offend(ANN, HALF)
    backed.to_era(2 + DEFER)
    until_applied(backed)
    assert backed.free(TREASURY) == MONEY + 5_000 + 1_000
    backed.check_money()


def test_a_treasury_that_does_not_exist_is_given_no_dust(backed: StakeWorld) -> None:
    accounts = backed.runtime.balances
    accounts.burn_from(TREASURY, Balance(MONEY))
    backed.offend(ANN, BILLION // 1_000)
    backed.to_era(2 + DEFER)
    until_applied(backed)
    assert backed.held(ANN) == BOND_EACH
    backed.check_money()
