"""Distance is a metric, and bands find near codes as often as the document says."""

import random
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs.fingerprint.similarity import BAND_COUNT, bands, hamming

codes = st.binary(min_size=32, max_size=32)


@given(codes, codes, codes)
def test_distance_is_a_metric(a: bytes, b: bytes, c: bytes) -> None:
    assert (hamming(a, b) == 0) == (a == b)
    assert hamming(a, b) == hamming(b, a)
    assert hamming(a, c) <= hamming(a, b) + hamming(b, c)
    assert hamming(a, b) == sum((x ^ y).bit_count() for x, y in zip(a, b, strict=True))


def test_extremes_of_distance() -> None:
    assert hamming(bytes(32), b"\xff" * 32) == 256
    assert hamming(bytes(32), bytes(31) + b"\1") == 1


@given(codes)
def test_bands_are_the_code(code: bytes) -> None:
    values = bands(code)
    assert len(values) == BAND_COUNT
    assert b"".join(value.to_bytes(2, "big") for value in values) == code


@pytest.mark.parametrize("size", [0, 8, 31, 33])
def test_codes_have_32_bytes(size: int) -> None:
    for left, right in ((bytes(size), bytes(32)), (bytes(32), bytes(size))):
        with pytest.raises(ValueError, match="codes have 32 bytes"):
            hamming(left, right)
    with pytest.raises(ValueError, match="a code has 32 bytes"):
        bands(bytes(size))


def chance(distance: int) -> Fraction:
    """That random differences leave a band of 16 untouched, by inclusion and exclusion."""
    return sum(
        (
            (-1) ** (kept + 1) * Fraction(comb(16, kept) * comb(256 - 16 * kept, distance))
            for kept in range(1, 17)
        ),
        Fraction(0),
    ) / comb(256, distance)


@pytest.mark.parametrize(("distance", "hundredths"), [(24, 99), (31, 91), (40, 67)])
def test_chances_of_the_document(distance: int, hundredths: int) -> None:
    assert round(chance(distance) * 100) == hundredths


def test_up_to_15_bits_a_band_is_always_shared() -> None:
    assert [chance(distance) for distance in range(1, 16)] == [1] * 15
    assert chance(16) < 1


@given(codes, st.lists(st.integers(0, 255), max_size=15))
def test_near_codes_are_always_candidates(code: bytes, places: list[int]) -> None:
    other = bytearray(code)
    for place in places:
        other[place // 8] ^= 1 << place % 8
    assert any(x == y for x, y in zip(bands(code), bands(bytes(other)), strict=True))


def test_sixteen_bits_in_the_worst_places_hide_a_code() -> None:
    """The limit that the document states: one bit in each band."""
    other = bytes([1, 0] * 16)
    assert hamming(bytes(32), other) == 16
    assert not any(x == y for x, y in zip(bands(bytes(32)), bands(other), strict=True))


@pytest.mark.parametrize("distance", [24, 31, 40])
def test_bands_find_what_chance_says(distance: int) -> None:
    """1,000 pairs; a deviation of four standard deviations is below 6.4 %."""
    rng = random.Random(distance)
    found = 0
    for _ in range(1000):
        code = rng.randbytes(32)
        other = bytearray(code)
        for place in rng.sample(range(256), distance):
            other[place // 8] ^= 1 << place % 8
        found += any(x == y for x, y in zip(bands(code), bands(bytes(other)), strict=True))
    assert abs(Fraction(found, 1000) - chance(distance)) < Fraction(64, 1000)
