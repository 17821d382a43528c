"""Eras begin and end on time, elect whom the rules say, and are forgotten in pieces."""

import pytest

from pallets.staking import Staking, eras, weights
from pallets.staking.types import (
    EXPOSURE_PAGE_MAX,
    BalanceNoop,
    NumberNoop,
    PercentNoop,
    PercentSet,
)
from primitives.hashing import blake2_256
from primitives.scale import U8, U32
from primitives.types import AccountId, Balance
from tests.pallets.staking.stake_chain import (
    ANN,
    BEN,
    BOND_EACH,
    CAT,
    DAN,
    ERAS_PER_YEAR,
    EVA,
    FOUNDERS,
    HISTORY,
    MIN_VALIDATOR,
    MONEY,
    NIA,
    NORA,
    SESSIONS_PER_ERA,
    TREASURY,
    YEAR_ONE,
    StakeWorld,
)

PAYOUT = YEAR_ONE // ERAS_PER_YEAR


def stand(stake: StakeWorld, who: AccountId, amount: int = BOND_EACH) -> None:
    stake.bond(who, amount)
    stake.validate(who)


def test_an_era_lasts_its_sessions_and_is_planned_one_ahead(stake: StakeWorld) -> None:
    staking = stake.staking
    seen = []
    for _ in range(6):
        seen.append((stake.around.session, stake.active, int(staking.current_era.get() or 0)))
        stake.next_session()
    assert seen == [(0, 0, 0), (1, 0, 1), (2, 1, 1), (3, 1, 2), (4, 2, 2), (5, 2, 3)]
    for era in range(4):
        assert staking.eras_start_session_index.get(U32(era)) == era * SESSIONS_PER_ERA


def test_an_election_tells_and_the_end_of_an_era_pays(stake: StakeWorld) -> None:
    stake.next_session()
    assert stake.events() == [Staking.StakersElected()]
    stake.world.clear_events()
    stake.next_session()
    paid = Staking.EraPaid(era_index=U32(0), validator_payout=Balance(PAYOUT), remainder=Balance(0))
    assert stake.events() == [paid]
    assert stake.staking.eras_validator_reward.get(U32(0)) == PAYOUT


def test_what_stakers_do_not_get_goes_to_the_treasury(stake: StakeWorld) -> None:
    stake.call(
        "set_staking_configs",
        None,
        min_nominator_bond=BalanceNoop(),
        min_validator_bond=BalanceNoop(),
        max_nominator_count=NumberNoop(),
        max_validator_count=NumberNoop(),
        chill_threshold=PercentNoop(),
        min_commission=NumberNoop(),
        max_staked_rewards=PercentSet(value=U8(60)),
    )
    stake.to_era(1)
    staked = PAYOUT * 60 // 100
    rest = PAYOUT - staked
    paid = Staking.EraPaid(
        era_index=U32(0), validator_payout=Balance(staked), remainder=Balance(rest)
    )
    assert paid in stake.events()
    assert stake.free(TREASURY) == MONEY + rest
    stake.check_money()


def test_the_best_candidates_win_the_seats(stake: StakeWorld) -> None:
    stake.around.credits = {ANN: 1000, BEN: 1000, CAT: 0, DAN: 1000, EVA: 0}
    stand(stake, DAN)
    stand(stake, EVA, MIN_VALIDATOR)
    stake.to_era(3)
    assert set(stake.validators) == {ANN, BEN, DAN}
    for who in stake.validators:
        assert (U32(3), who) in stake.staking.eras_stakers_overview
    assert (U32(3), CAT) not in stake.staking.eras_stakers_overview


def test_who_stands_up_late_cannot_be_elected_by_a_randomness_that_it_could_know(
    stake: StakeWorld,
) -> None:
    """The attack: stand up with a chosen account when the draw is almost known."""
    stake.around.credits = dict.fromkeys(FOUNDERS, 0) | {DAN: 1000}
    stake.next_session()  # session 1
    stake.next_session()  # session 2; the next election is held when session 3 begins
    assert stake.around.session == 2
    stand(stake, DAN)
    assert stake.staking.eligible_from.get(DAN) == 5
    stake.next_session()  # elects for session 4
    assert DAN not in stake.queued
    stake.next_session()
    stake.next_session()  # elects for session 6
    assert DAN in stake.queued
    # To stand up anew is to wait anew.
    stake.call("chill", DAN)
    stake.validate(DAN)
    assert stake.staking.eligible_from.get(DAN) == 5 + eras.FRESHNESS_SESSIONS


def test_chance_rotates_equals(stake: StakeWorld) -> None:
    stand(stake, DAN)
    stand(stake, EVA)
    elected = set()
    for seed in range(30):
        stake.around.seed = bytes([seed])
        stake.to_era(stake.active + 1)
        elected.add(frozenset(stake.queued))
    assert len(elected) > 3
    assert all(len(each) == 3 for each in elected)


@pytest.mark.parametrize("why", ["bond", "keys", "slashed away", "chilled"])
def test_who_cannot_serve_is_not_elected(stake: StakeWorld, why: str) -> None:
    if why == "keys":
        stake.around.without_keys.append(ANN)
    elif why == "chilled":
        stake.call("chill", ANN)
    elif why == "bond":
        stake.staking.min_validator_bond.put(Balance(BOND_EACH + 1))
        for who in (BEN, CAT):
            stake.call("bond_extra", who, max_additional=Balance(1))
    else:
        stake.call("force_unstake", None, stash=ANN, num_slashing_spans=U32(0))
    stake.to_era(1)
    assert set(stake.validators) == {BEN, CAT}


def test_too_few_candidates_leave_the_validators_in_office(stake: StakeWorld) -> None:
    stake.call("chill", ANN)
    stake.call("chill", BEN)
    stake.world.clear_events()
    for _ in range(4):
        stake.next_session()
    assert stake.validators == FOUNDERS
    assert stake.active == 0
    # It tries again in each session, and goes on when it can.
    assert stake.events().count(Staking.StakingElectionFailed()) == 4
    stake.validate(BEN)
    for _ in range(4):
        stake.next_session()
    assert stake.active == 1
    assert set(stake.validators) == {BEN, CAT}


def test_a_forced_era_is_paid_for_its_sessions(stake: StakeWorld) -> None:
    stake.call("force_new_era", None)
    stake.next_session()
    assert stake.staking.current_era.get() == 1
    stake.call("force_new_era", None)
    stake.next_session()
    stake.next_session()
    assert stake.active == 2
    assert stake.staking.eras_validator_reward.get(U32(0)) == PAYOUT
    assert stake.staking.eras_validator_reward.get(U32(1)) == PAYOUT // SESSIONS_PER_ERA


def test_forced_eras_come_with_every_session_or_never(stake: StakeWorld) -> None:
    stake.call("force_new_era_always", None)
    for _ in range(4):
        stake.next_session()
    assert stake.active == 3
    stake.call("force_no_eras", None)
    for _ in range(9):
        stake.next_session()
    assert stake.active == 4


def test_nominators_are_kept_in_pages(stake: StakeWorld) -> None:
    count = EXPOSURE_PAGE_MAX + 3
    balances, staking = stake.runtime.balances, stake.staking
    for at in range(count):
        who = AccountId(blake2_256(b"nominator" + bytes([at])))
        balances.mint_into(who, Balance(2_000))
        stake.bond(who, 1_000)
        stake.nominate(who, ANN)
    stake.to_era(1)
    era = U32(1)
    overview = staking.eras_stakers_overview[era, ANN]
    assert (overview.page_count, overview.nominator_count) == (2, count)
    assert overview.own == BOND_EACH
    assert overview.total == BOND_EACH + 1_000 * count
    first, second = (staking.eras_stakers_paged.get(era, ANN, U32(at)) for at in range(2))
    assert first is not None
    assert second is not None
    assert (len(first.others), len(second.others)) == (EXPOSURE_PAGE_MAX, 3)
    assert (first.page_total, second.page_total) == (64_000, 3_000)
    assert staking.eras_stakers_overview[era, BEN].page_count == 1
    assert staking.eras_total_stake.get(era) == 3 * BOND_EACH + 1_000 * count


def test_stake_behind_who_does_not_stand_counts_for_nobody(stake: StakeWorld) -> None:
    stake.bond(NIA, 4_001)
    stake.nominate(NIA, ANN, BEN, CAT)
    stake.bond(NORA, 3_000)
    stake.nominate(NORA, CAT)
    stake.call("chill", CAT)
    stake.to_era(1)
    backed = {who: stake.staking.eras_stakers_overview[U32(1), who].total for who in (ANN, BEN)}
    assert sorted(backed.values()) == [BOND_EACH + 2_000, BOND_EACH + 2_001]


def test_the_start_of_an_era_is_its_first_blocks_time(stake: StakeWorld) -> None:
    active = stake.staking.active_era.get()
    assert active is not None
    assert active.start is None
    stake.around.time = 5_000
    stake.block()
    stake.around.time = 6_000
    stake.block()
    active = stake.staking.active_era.get()
    assert active is not None
    assert active.start == 5_000


def test_eras_are_forgotten_after_the_history_in_pieces(
    stake: StakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "PRUNED_PER_BLOCK_MAX", 4)
    staking = stake.staking
    stake.bond(NIA, 2_000)
    stake.nominate(NIA, *FOUNDERS)
    for era in range(1, HISTORY + 2):
        stake.to_era(era)
        stake.block(ANN)
        if era == 2:
            stake.call("payout_stakers", NIA, validator_stash=ANN, era=U32(1))
    assert staking.current_era.get() == HISTORY + 1
    assert U32(1) in staking.eras_validator_reward  # the first that is remembered
    assert staking.eras_stakers_overview.prefix_keys(U32(1), limit=9) != []
    stake.next_session()  # plans the next one
    blocks = 0
    while staking.earliest_era.get() < 2:
        stake.block()
        blocks += 1
        assert blocks < 20
    assert blocks > 2
    old = U32(1)
    for items in (
        staking.eras_stakers_overview,
        staking.eras_validator_prefs,
        staking.claimed_rewards,
        staking.validator_slash_in_era,
    ):
        assert items.prefix_keys(old, limit=1) == []
    assert [keys for keys, _ in staking.eras_stakers_paged.items(limit=99) if keys[0] == 1] == []
    for values in (
        staking.eras_validator_reward,
        staking.eras_reward_points,
        staking.eras_total_stake,
        staking.eras_start_session_index,
    ):
        assert old not in values
        assert U32(2) in values or values is staking.eras_reward_points
    with stake.world.no_trace():
        stake.around.who = None
        assert eras.prune(staking).ref_time == 0


def test_an_election_is_weighed_with_the_block_that_holds_it(stake: StakeWorld) -> None:
    stake.next_session()
    assert stake.staking.spent.ref_time > weights.election(3, 0, 3, 0).ref_time // 2
    used = stake.staking.on_initialize(stake.staking.now())
    assert used.ref_time > weights.election(3, 0, 3, 0).ref_time
    assert stake.staking.spent.ref_time == 0
