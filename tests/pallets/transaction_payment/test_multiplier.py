"""The price of weight follows demand, slowly, within bounds, and as the formula says."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from pallets.transaction_payment.multiplier import (
    MULTIPLIER_MAX,
    MULTIPLIER_MIN,
    ONE,
    TARGET,
    adjusted,
    fullness,
)

parts = st.integers(0, ONE)
multipliers = st.integers(MULTIPLIER_MIN, MULTIPLIER_MAX)


def test_the_price_stays_at_the_target():
    assert adjusted(ONE, TARGET) == ONE


def test_the_price_rises_in_full_blocks_and_falls_in_empty_ones():
    assert adjusted(ONE, ONE) > ONE > adjusted(ONE, 0)


def test_the_price_has_a_floor_from_which_it_rises_again():
    assert adjusted(MULTIPLIER_MIN, 0) == MULTIPLIER_MIN
    assert adjusted(MULTIPLIER_MIN, ONE) > MULTIPLIER_MIN


def test_the_price_has_a_ceiling():
    assert adjusted(MULTIPLIER_MAX, ONE) == MULTIPLIER_MAX


@given(multipliers, parts)
def test_a_block_changes_the_price_as_the_formula_says(multiplier, full):
    step = Fraction(full - TARGET, ONE) / 100_000
    exact = multiplier * (1 + step + step * step / 2)
    tolerance = 3 + Fraction(3 * multiplier, ONE)  # each of the roundings is below one unit
    expected = max(MULTIPLIER_MIN, min(MULTIPLIER_MAX, exact))
    assert abs(adjusted(multiplier, full) - expected) <= tolerance


@given(multipliers, parts, parts)
def test_a_fuller_block_never_makes_the_next_one_cheaper(multiplier, one, other):
    less, more = sorted((one, other))
    assert adjusted(multiplier, less) <= adjusted(multiplier, more)


def test_the_fuller_dimension_counts():
    assert fullness((25, 10), (100, 100)) == ONE // 4
    assert fullness((10, 50), (100, 100)) == ONE // 2


def test_a_block_is_at_most_full_and_a_limit_of_nothing_says_nothing():
    assert fullness((300, 0), (100, 0)) == ONE
    assert fullness((1, 1), (0, 0)) == 0
