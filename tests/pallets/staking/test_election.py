"""The election is what the documents say: 50 to 30 to 20, and chance that nobody chooses."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.staking.election import (
    SCORE_MAX,
    TOTAL_MAX,
    Candidate,
    Vote,
    assign,
    back,
    draw_of,
    elect,
    random_score,
    stake_score,
    total_score,
)
from primitives.hashing import blake2_256
from primitives.types import AccountId

SEED = b"randomness of an epoch"


def account(at: int) -> AccountId:
    return AccountId(blake2_256(b"account" + at.to_bytes(4, "little")))


def field(count: int, *, own: int = 100, credit: int = 800) -> list[Candidate]:
    return [Candidate(account(at), own, credit) for at in range(count)]


def winners(candidates, seats, seed=SEED, votes=()):
    backed = back(candidates, votes)
    return [won.who for won in elect(candidates, backed, seats=seats, randomness=seed)]


candidates_of_any_kind = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 10**25), st.integers(0, SCORE_MAX)),
    max_size=20,
    unique_by=lambda entry: entry[0],
).map(lambda rows: [Candidate(account(at), own, credit) for at, own, credit in rows])


def test_each_part_reaches_its_share_of_the_whole_and_no_more() -> None:
    assert total_score(SCORE_MAX, 0, 0) * 100 == 50 * TOTAL_MAX
    assert total_score(0, SCORE_MAX, 0) * 100 == 30 * TOTAL_MAX
    assert total_score(0, 0, SCORE_MAX) * 100 == 20 * TOTAL_MAX
    assert total_score(SCORE_MAX, SCORE_MAX, SCORE_MAX) == TOTAL_MAX


def test_the_draw_reaches_both_ends_of_its_scale() -> None:
    assert random_score(bytes(32)) == 0
    assert random_score(b"\xff" * 32) == SCORE_MAX
    found = [random_score(draw_of(SEED, account(at))) for at in range(4_000)]
    assert min(found) < 5
    assert max(found) > SCORE_MAX - 5
    assert abs(sum(found) / len(found) - SCORE_MAX / 2) < 25


def test_the_stake_is_measured_by_the_best_backed_candidate() -> None:
    assert stake_score(5, 10) == 500
    assert stake_score(10, 10) == SCORE_MAX
    assert stake_score(0, 0) == 0
    largest, half = Candidate(account(1), 2_000, 0), Candidate(account(2), 1_000, 0)
    scored = {
        won.who: won.stake
        for won in elect([largest, half], back([largest, half], ()), seats=2, randomness=SEED)
    }
    assert scored == {account(1): SCORE_MAX, account(2): 500}


@given(candidates_of_any_kind, st.binary(min_size=32, max_size=32))
def test_scores_stay_on_their_scale_and_the_total_is_their_weighted_sum(candidates, seed) -> None:
    backed = back(candidates, ())
    for won in elect(candidates, backed, seats=99, randomness=seed):
        assert 0 <= won.credit <= SCORE_MAX
        assert 0 <= won.stake <= SCORE_MAX
        assert 0 <= won.random <= SCORE_MAX
        assert won.total == 50 * won.credit + 30 * won.stake + 20 * won.random


@given(candidates_of_any_kind, st.integers(0, 25), st.binary(min_size=32, max_size=32))
def test_the_highest_totals_win_whatever_the_order_of_candidates(candidates, seats, seed) -> None:
    backed = back(candidates, ())
    everybody = elect(candidates, backed, seats=len(candidates), randomness=seed)
    won = elect(list(reversed(candidates)), backed, seats=seats, randomness=seed)
    assert won == everybody[:seats]
    totals = [each.total for each in everybody]
    assert totals == sorted(totals, reverse=True)
    assert len({each.who for each in everybody}) == len(candidates)


@given(candidates_of_any_kind.filter(bool), st.binary(min_size=32, max_size=32), st.data())
def test_more_credit_never_costs_a_seat(candidates, seed, data) -> None:
    at = data.draw(st.integers(0, len(candidates) - 1))
    seats = data.draw(st.integers(1, len(candidates)))
    better = list(candidates)
    better[at] = replace(candidates[at], credit=SCORE_MAX)
    if candidates[at].who in winners(candidates, seats, seed):
        assert candidates[at].who in winners(better, seats, seed)


def test_equal_totals_are_decided_by_the_draw_and_not_by_the_account() -> None:
    low, high = sorted((account(1), account(2)))
    won = [
        winners([Candidate(low, 1, 0), Candidate(high, 1, 0)], 1, seed)[0]
        for seed in (at.to_bytes(2, "big") for at in range(6_000))
        if random_score(draw_of(seed, low)) == random_score(draw_of(seed, high))
    ]
    assert {low, high} == set(won)


def test_an_account_chosen_for_one_randomness_has_no_advantage_under_another() -> None:
    """The attack: try 2,000 accounts and stand with the one that draws best."""
    known, later = b"known when accounts are chosen", [bytes([at]) * 32 for at in range(100)]
    best = max(
        (account(at) for at in range(2_000)), key=lambda who: random_score(draw_of(known, who))
    )
    assert random_score(draw_of(known, best)) > SCORE_MAX - 10
    others = field(9)
    mine = Candidate(best, 100, 800)
    assert best in winners([*others, mine], 1, known)
    wins = sum(best in winners([*others, mine], 5, seed) for seed in later)
    assert 35 <= wins <= 65  # half of the seats in ten candidates' hands: 50 of 100


def test_splitting_a_bond_wins_no_more_than_its_parts() -> None:
    """Two bonds of the least size have two draws, and each costs a bond: of ten with five seats,
    twice the share of one."""
    seeds = [blake2_256(b"seed" + bytes([at])) for at in range(200)]
    others = field(8)
    mine = [Candidate(account(100), 100, 800), Candidate(account(101), 100, 800)]
    seats = sum(
        who in (mine[0].who, mine[1].who)
        for seed in seeds
        for who in winners([*others, *mine], 5, seed)
    )
    assert abs(seats / len(seeds) - 1.0) < 0.15


def test_merit_outweighs_stake_and_stake_outweighs_chance() -> None:
    able = Candidate(account(1), 1, SCORE_MAX)
    rich = Candidate(account(2), 10**6, 0)
    poor = Candidate(account(3), 1, 0)
    for at in range(200):
        seed = bytes([at]) * 32
        assert winners([able, poor], 1, seed) == [able.who]
        assert winners([rich, poor], 1, seed) == [rich.who]
    # The rich one needs luck against the able one: 30 + 20 r against 50 + 20 s.
    able_wins = sum(winners([able, rich], 1, bytes([at]) * 32) == [able.who] for at in range(200))
    assert able_wins == 200 - sum(
        random_score(draw_of(bytes([at]) * 32, rich.who))
        > random_score(draw_of(bytes([at]) * 32, able.who)) + SCORE_MAX
        for at in range(200)
    )


def test_a_vote_is_split_equally_among_those_that_stand() -> None:
    two = field(2, own=10)
    votes = [Vote(account(50), 101, (account(0), account(1), account(9)))]
    assert back(two, votes) == {account(0): 60, account(1): 60}
    assert back(two, [Vote(account(50), 7, (account(9),))]) == {account(0): 10, account(1): 10}


def test_all_of_a_vote_goes_to_the_winners_that_it_names() -> None:
    three = field(3, own=10)
    votes = [
        Vote(account(50), 101, (account(0), account(1), account(2))),
        Vote(account(51), 5, (account(2),)),
        Vote(account(52), 1, (account(1), account(0))),
    ]
    supports = assign([account(1), account(0)], three, votes)
    assert [(each.who, each.own) for each in supports] == [(account(1), 10), (account(0), 10)]
    assert dict(supports[0].others) == {account(50): 50, account(52): 1}
    assert dict(supports[1].others) == {account(50): 51}
    assert [each.total for each in supports] == [61, 61]


@given(
    st.lists(st.integers(0, 10**20), min_size=1, max_size=8),
    st.lists(
        st.tuples(st.integers(0, 10**20), st.lists(st.integers(0, 9), unique=True, max_size=6)),
        max_size=8,
    ),
    st.integers(1, 8),
)
def test_no_stake_is_made_or_lost_in_an_assignment(owns, raw_votes, seats) -> None:
    candidates = [Candidate(account(at), own, 0) for at, own in enumerate(owns)]
    votes = [
        Vote(account(100 + at), stake, tuple(account(target) for target in targets))
        for at, (stake, targets) in enumerate(raw_votes)
    ]
    won = winners(candidates, seats, votes=votes)
    supports = assign(won, candidates, votes)
    for vote in votes:
        assigned = [
            value for support in supports for who, value in support.others if who == vote.who
        ]
        named = [target for target in vote.targets if target in won]
        assert sum(assigned) == (vote.stake if named else 0)
        if len(assigned) == len(named) and assigned:
            assert max(assigned) - min(assigned) <= 1


@pytest.mark.parametrize(("standing", "seats", "elected"), [(0, 3, 0), (2, 3, 2), (5, 3, 3)])
def test_there_are_no_more_winners_than_seats_and_candidates(standing, seats, elected) -> None:
    assert len(winners(field(standing), seats)) == elected


def test_the_example_of_the_documents() -> None:
    """docs/specs/staking.md: A without fault, B new and best backed, C lucky."""
    stakes = [stake_score(backed, 4_500_000) for backed in (3_000_000, 4_500_000, 3_600_000)]
    assert stakes == [666, 1000, 800]
    assert total_score(1000, stakes[0], 250) == 74_980
    assert total_score(800, stakes[1], 400) == 78_000
    assert total_score(700, stakes[2], 900) == 77_000
