"""Losses are found as often as docs/specs/podr2.md says, measured on the sampler itself."""

import hashlib
from fractions import Fraction
from math import comb, isqrt

import pytest

from proofs.podr2.challenge import sample_positions

ROWS = 10_000
TRIALS = 400


def bound(lost_per_mille: int, count: int) -> Fraction:
    """1 - (1 - f)^c."""
    return 1 - (1 - Fraction(lost_per_mille, 1000)) ** count


def exact(lost: int, count: int) -> Fraction:
    """The same without replacement, as the sampler draws."""
    return 1 - Fraction(comb(ROWS - lost, count), comb(ROWS, count))


@pytest.mark.parametrize(
    ("count", "per_mille", "document"),
    [
        (47, 1, "4.6"), (47, 5, "21.0"), (47, 10, "37.6"), (47, 50, "91.0"),
        (460, 1, "36.9"), (460, 5, "90.0"), (460, 10, "99.0"), (460, 50, "100.0"),
    ],
)  # fmt: skip
def test_the_table_of_the_document(count: int, per_mille: int, document: str) -> None:
    per_cent = bound(per_mille, count) * 100
    assert abs(per_cent - Fraction(document)) <= Fraction(1, 20)
    assert exact(ROWS * per_mille // 1000, count) >= bound(per_mille, count)


@pytest.mark.parametrize("count", [47, 460])
@pytest.mark.parametrize("where", ["in one run", "spread"])
def test_measured_detection_is_that_of_the_formula(count: int, where: str) -> None:
    """Within four standard deviations; which rows are lost makes no difference."""
    found = {1: 0, 5: 0, 10: 0, 50: 0}
    for trial in range(TRIALS):
        seed = hashlib.sha256(f"{count} {where} {trial}".encode()).digest()
        drawn = sample_positions(seed, ROWS, count)
        for per_mille in found:
            lost = ROWS * per_mille // 1000
            step = 1 if where == "in one run" else ROWS // lost
            found[per_mille] += any(
                position % step == 0 and position // step < lost for position in drawn
            )
    for per_mille, times in found.items():
        chance = exact(ROWS * per_mille // 1000, count)
        spread = isqrt(int(16 * TRIALS * chance * (1 - chance))) + 1
        assert abs(times - TRIALS * chance) <= spread, per_mille
        assert times >= TRIALS * bound(per_mille, count) - spread


def test_every_row_is_asked_equally_often() -> None:
    """2,000 rounds of 20 of 100 rows: 400 each, within five standard deviations (90)."""
    counts = [0] * 100
    for trial in range(2000):
        for position in sample_positions(hashlib.sha256(b"%d" % trial).digest(), 100, 20):
            counts[position] += 1
    assert all(abs(times - 400) < 90 for times in counts)
