"""Plots belong to one miner and place, draws to one round, and all nodes derive the same."""

import itertools
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs.pois.challenge import DRAWS_MAX, IdleDraw, idle_draws, plot_seed

VECTORS = Path(__file__).parents[2] / "vectors/pois/draws.json"
A, B = bytes(32), b"\1" * 32


def test_draws_made_without_our_code() -> None:
    for case in json.loads(VECTORS.read_text()):
        genesis, miner = bytes.fromhex(case["genesis"]), bytes.fromhex(case["miner"])
        for index, seed in case["plot_seeds"].items():
            assert plot_seed(genesis, miner, int(index), case["k"]).hex() == seed
        drawn = idle_draws(
            bytes.fromhex(case["seed"]), case["front"], case["rear"], len(case["draws"])
        )
        assert [[draw.t, draw.index, draw.challenge.hex()] for draw in drawn] == case["draws"]


def test_every_part_of_a_plot_changes_its_seed() -> None:
    seeds = [
        plot_seed(*parts)
        for parts in itertools.product((A, B), (A, B), (0, 1, 2**64 - 1), (18, 19))
    ]
    assert len(set(seeds)) == 24


@pytest.mark.parametrize("k", [17, 33])
def test_a_seed_needs_a_k_that_exists(k: int) -> None:
    with pytest.raises(ValueError, match="k from 18"):
        plot_seed(A, A, 0, k)


@pytest.mark.parametrize("index", [-1, 2**64])
def test_an_index_is_a_u64(index: int) -> None:
    with pytest.raises(OverflowError):
        plot_seed(A, A, index, 18)


@given(
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**32),
    st.integers(0, 2**32),
    st.integers(0, 20),
)
def test_draws_stay_in_the_queue(seed: bytes, front: int, length: int, count: int) -> None:
    draws = idle_draws(seed, front, front + length, count)
    assert len(draws) == (count if length else 0)
    assert [draw.t for draw in draws] == list(range(len(draws)))
    assert all(front <= draw.index < front + length for draw in draws)
    assert len({draw.challenge for draw in draws}) == len(draws)


def test_draws_are_with_replacement_and_even() -> None:
    """1,024 draws over 8 plots: 128 each, within five standard deviations (53)."""
    counts = Counter(draw.index for draw in idle_draws(A, 10, 18, DRAWS_MAX))
    assert sorted(counts) == list(range(10, 18))
    assert all(abs(count - 128) < 53 for count in counts.values())


def test_a_longer_round_begins_like_a_shorter_one() -> None:
    assert idle_draws(A, 0, 9, 64) == idle_draws(A, 0, 9, 256)[:64]


def test_the_same_plot_is_asked_something_else_each_time() -> None:
    first, second = idle_draws(A, 4, 5, 1), idle_draws(B, 4, 5, 1)
    assert first[0].index == second[0].index == 4
    assert first[0].challenge != second[0].challenge


def test_bounds_of_a_round() -> None:
    assert len(idle_draws(A, 0, 1, DRAWS_MAX - 1)) == DRAWS_MAX - 1
    assert len(idle_draws(A, 0, 1, DRAWS_MAX)) == DRAWS_MAX
    for count in (-1, DRAWS_MAX + 1):
        with pytest.raises(ValueError, match="outside 0"):
            idle_draws(A, 0, 1, count)


@pytest.mark.parametrize(("front", "rear"), [(-1, 3), (4, 3)])
def test_a_queue_that_ends_before_it_begins_is_refused(front: int, rear: int) -> None:
    with pytest.raises(ValueError, match="ends before it begins"):
        idle_draws(A, front, rear, 1)


def test_an_empty_queue_is_asked_nothing() -> None:
    assert idle_draws(A, 7, 7, 256) == ()


def test_a_draw_is_plain_data() -> None:
    (draw,) = idle_draws(A, 4, 5, 1)
    assert draw == IdleDraw(0, 4, draw.challenge)
