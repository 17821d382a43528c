"""The shuffle that is never written down."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from pallets.file_bank.draws import shuffled_indexes
from primitives.hashing import blake2_256


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.binary(min_size=32, max_size=32), st.integers(0, 300), st.integers(0, 300))
def test_a_draw_has_different_indexes_below_the_population(seed, population, limit):
    drawn = list(shuffled_indexes(seed, population, limit))
    assert len(drawn) == min(population, limit)
    assert len(set(drawn)) == len(drawn)
    assert all(0 <= index < population for index in drawn)


def test_a_longer_draw_begins_with_the_shorter_one():
    seed = bytes(32)
    assert list(shuffled_indexes(seed, 1000, 50))[:20] == list(shuffled_indexes(seed, 1000, 20))


def test_a_whole_draw_is_a_permutation():
    assert sorted(shuffled_indexes(b"s" * 32, 77, 77)) == list(range(77))


def test_every_index_comes_first_equally_often():
    """600 draws of 6: each index comes first 100 times, give or take 9 (chi-square below 20.5)."""
    first = Counter(
        next(shuffled_indexes(blake2_256(number.to_bytes(4, "little")), 6, 1))
        for number in range(600)
    )
    assert sum((first[index] - 100) ** 2 for index in range(6)) < 20.5 * 100


def test_the_draw_is_the_same_on_every_node():
    assert list(shuffled_indexes(bytes(range(32)), 100, 6)) == [24, 31, 89, 41, 20, 12]
