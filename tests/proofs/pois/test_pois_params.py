"""Sizes and rates of plots are exact integers, and k has its bounds."""

from collections.abc import Callable
from fractions import Fraction

import pytest

from proofs.pois import params
from tests.proofs.kit import PLOT_K, MadePlot

KS = range(18, 33)
SIZES = (
    params.plot_bytes,
    params.plot_disk_bytes_max,
    params.plot_temp_bytes_max,
    params.proof_bytes,
    params.answer_rate,
)


@pytest.mark.parametrize("k", [-1, 0, 17, 33, 255])
@pytest.mark.parametrize("size", SIZES)
def test_other_k_have_no_plots(size: Callable[[int], int], k: int) -> None:
    with pytest.raises(ValueError, match="k from 18 to 32"):
        size(k)


@pytest.mark.parametrize("k", KS)
def test_the_credited_size_is_the_formula_rounded_down(k: int) -> None:
    exact = Fraction(780, 1000) * (2 * k + 1) * 2 ** (k - 1)
    assert params.plot_bytes(k) == exact.numerator // exact.denominator
    assert params.plot_bytes(k) < params.plot_disk_bytes_max(k) < params.plot_temp_bytes_max(k)
    assert params.proof_bytes(k) == 64 * k // 8


def test_sizes_of_the_documents() -> None:
    assert round(params.plot_bytes(18), -5) == 3_800_000
    assert round(params.plot_bytes(32), -9) == 109_000_000_000


def table_after_six_steps(k: int) -> Fraction:
    """The share of 2^k in the last table, step by step: what the plotter does, on average."""
    groups = Fraction(2 ** (k + 6), 15_113)
    share = Fraction(1)
    for _ in range(6):
        share = share * share * (1 - 1 / groups)
    return share


@pytest.mark.parametrize("k", KS)
def test_the_rate_is_the_share_of_the_last_table_rounded_down(k: int) -> None:
    exact = table_after_six_steps(k) * 2**20
    assert params.answer_rate(k) == exact.numerator // exact.denominator


def test_rates_rise_to_one() -> None:
    rates = [params.answer_rate(k) for k in KS]
    assert rates == sorted(rates)
    assert rates[-1] == 2**20 - 4


# Sizes of the last table over 2^k, by chiapos 2.0.12: mean, standard error, plots.
MEASURED = {
    18: (938, 16, 25),
    19: (947, 15, 12),
    20: (973, 12, 8),
    21: (997, 21, 4),
    22: (996, 8, 3),
}


@pytest.mark.parametrize("k", MEASURED)
def test_the_rate_is_what_was_measured(k: int) -> None:
    mean, error, _ = MEASURED[k]
    rate = params.answer_rate(k) * 1000 // 2**20
    assert abs(rate - mean) <= 2 * error


def test_a_real_plot_keeps_to_its_bounds(made_plot: MadePlot) -> None:
    size = made_plot.path.stat().st_size
    assert size < params.plot_disk_bytes_max(PLOT_K)
    assert abs(size - params.plot_bytes(PLOT_K)) * 100 < 15 * params.plot_bytes(PLOT_K)
