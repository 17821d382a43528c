"""Losses are found as often as 1 - (1 - f)^c says, by real proofs against the real verifier.

A miner holds 10,000 rows, loses some of them and answers with zeros in their place. Every round is
proved and verified. `python -m tests.attacks.test_dropped_rows` measures with more rounds, for the
table of docs/specs/podr2.md.
"""

import hashlib
import sys
from fractions import Fraction
from math import comb, isqrt
from unittest.mock import patch

import pytest

from primitives.errors import ProofRejected
from proofs.podr2 import challenge
from proofs.podr2.points import checked_points, load_point
from proofs.podr2.verify import verify_points
from tests.attacks import broken
from tests.attacks.lines import ZEROS, opening, random_lines

ROWS = 10_000
KINDS = 64
TRIALS = 40
PER_MILLE = (1, 10, 50, 500)
MEASURED_COUNTS = (47, 460)


def rounds_found(per_mille: int, count: int, trials: int, tag: str = "") -> int:
    """In how many of ``trials`` rounds the miner's answer is refused."""
    lines = random_lines(KINDS)
    kept = checked_points([line.commitment() for line in lines])
    points = [load_point(kept.point(row)) for row in range(KINDS)]
    lost = ROWS * per_mille // 1000
    found = 0
    for trial in range(trials):
        seed = hashlib.sha256(f"{tag} {per_mille} {count} {trial}".encode()).digest()
        drawn = challenge.sample_positions(seed, ROWS, count)
        weights, z = challenge.coefficients(seed, count), challenge.evaluation_point(seed)
        had = [ZEROS if position < lost else lines[position % KINDS] for position in drawn]
        asked = [points[position % KINDS] for position in drawn]
        try:
            verify_points(asked, weights, z, opening(had, weights, z))
        except ProofRejected:
            found += 1
    return found


def chance(per_mille: int, count: int) -> Fraction:
    """The chance that a sample without replacement meets a lost row; 1 - (1 - f)^c is below it."""
    lost = ROWS * per_mille // 1000
    exact = 1 - Fraction(comb(ROWS - lost, count), comb(ROWS, count))
    assert exact >= 1 - (1 - Fraction(per_mille, 1000)) ** count
    return exact


@pytest.mark.parametrize("per_mille", PER_MILLE)
def test_a_loss_is_found_as_often_as_the_formula_says(per_mille):
    wanted = chance(per_mille, 460)
    spread = isqrt(int(16 * TRIALS * wanted * (1 - wanted))) + 1
    found = rounds_found(per_mille, 460, TRIALS)
    assert abs(found - TRIALS * wanted) <= spread


def test_nothing_lost_is_never_found():
    assert rounds_found(0, 460, TRIALS) == 0


def test_a_predictable_sample_finds_nothing_of_half_of_the_rows():
    """The broken twin: with the last rows sampled always, the first half can go."""

    def last(_seed, population, count):
        return tuple(range(population - count, population))

    with patch.object(challenge, "sample_positions", last):
        assert rounds_found(500, 460, TRIALS) == 0


def test_equal_coefficients_find_no_less_but_prove_less():
    """Zeros are found whatever the weights; what equal weights give away is the sum of all rows."""
    with broken.equal_coefficients():
        assert rounds_found(500, 47, 10) == 10


def main() -> int:
    trials = 1000
    print(f"{trials} rounds each, {ROWS:,} rows held; refused answers beside 1 - (1 - f)^c")
    for count in MEASURED_COUNTS:
        for per_mille in PER_MILLE:
            found = rounds_found(per_mille, count, trials, "measured")
            bound = 1 - (1 - Fraction(per_mille, 1000)) ** count
            print(
                f"  c = {count:>3}   f = {per_mille / 10:>4} %   found {found / trials:>6.1%}"
                f"   formula {float(bound):>6.1%}   without replacement"
                f" {float(chance(per_mille, count)):>6.1%}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
