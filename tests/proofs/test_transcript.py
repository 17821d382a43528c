"""Framing is injective, draws are unbiased, and all of it is pinned by values computed by hand."""

import collections
import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs.transcript import (
    POPULATION_MAX,
    below,
    framed,
    sample_distinct,
    tagged_hash,
    wide_hash,
    words,
)

parts = st.lists(st.binary(max_size=6), max_size=4)


@given(st.binary(max_size=5), parts, st.binary(max_size=5), parts)
def test_different_inputs_never_frame_alike(
    tag: bytes, some: list[bytes], other_tag: bytes, others: list[bytes]
) -> None:
    assert (framed(tag, *some) == framed(other_tag, *others)) == (
        (tag, some) == (other_tag, others)
    )


def test_the_frame_is_a_length_before_each_part() -> None:
    assert framed(b"tag", b"", b"ab") == b"\x03tag" + b"\0\0\0\0" + b"\x02\0\0\0ab"


def test_tags_and_parts_have_largest_lengths() -> None:
    framed(b"x" * 255)
    with pytest.raises(OverflowError):
        framed(b"x" * 256)


def test_hashes_are_blake2b_of_the_frame() -> None:
    frame = framed(b"t", b"p")
    assert tagged_hash(b"t", b"p") == hashlib.blake2b(frame, digest_size=32).digest()
    assert wide_hash(b"t", b"p") == hashlib.blake2b(frame).digest()


def test_words_cut_successive_blocks() -> None:
    first, second = (wide_hash(b"t", b"s", bytes([n]) + bytes(7)) for n in (0, 1))
    expected = [
        int.from_bytes(block[start : start + 16], "little")
        for block in (first, second)
        for start in range(0, 64, 16)
    ]
    assert list(itertools.islice(words(b"t", b"s", 16), 8)) == expected


def test_a_word_that_would_bias_the_draw_is_thrown_away() -> None:
    limit = 2**64 - 2**64 % 10
    assert below(10, iter([limit, 2**64 - 1, limit - 1])) == 9
    assert below(2**48, iter([2**64 - 1])) == 2**48 - 1


@given(st.binary(max_size=8), st.integers(0, 50), st.integers(0, 60))
def test_a_sample_is_distinct_and_inside(seed: bytes, population: int, count: int) -> None:
    drawn = sample_distinct(b"t", seed, population, count)
    assert len(drawn) == len(set(drawn)) == min(population, count)
    assert all(0 <= number < population for number in drawn)


def test_a_longer_sample_begins_with_the_shorter_one() -> None:
    assert sample_distinct(b"t", b"s", 1000, 20)[:7] == sample_distinct(b"t", b"s", 1000, 7)


def test_every_order_is_equally_likely() -> None:
    """6,000 draws of 2 of 3: each of the six orders within five standard deviations."""
    seen = collections.Counter(
        sample_distinct(b"t", index.to_bytes(4, "little"), 3, 2) for index in range(6000)
    )
    assert len(seen) == 6
    assert all(abs(count - 1000) < 5 * 29 for count in seen.values())


def test_a_huge_population_costs_nothing() -> None:
    drawn = sample_distinct(b"t", b"s", POPULATION_MAX, 460)
    assert len(set(drawn)) == 460


@pytest.mark.parametrize(("population", "count"), [(-1, 1), (POPULATION_MAX + 1, 1), (5, -1)])
def test_bounds_of_a_sample(population: int, count: int) -> None:
    with pytest.raises(ValueError, match="cannot draw"):
        sample_distinct(b"t", b"s", population, count)


def test_draws_are_pinned() -> None:
    assert sample_distinct(b"pin", bytes(32), 1000, 5) == PINNED


PINNED = (474, 654, 441, 400, 578)
