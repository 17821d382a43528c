"""How long plotting still takes."""

import pytest

from storage_miner.pace import SHARE_MIN, WINDOW, Pace


def test_nothing_is_said_before_anything_is_known() -> None:
    pace = Pace()
    assert pace.eta_s(0, 0, 5) is None
    pace.begin(0)
    assert pace.eta_s(10, SHARE_MIN - 1, 5) is None


def test_the_plot_in_the_making_tells_by_its_progress() -> None:
    pace = Pace()
    pace.begin(100)
    assert pace.plot_s(150, 250) == pytest.approx(200)
    assert pace.eta_s(150, 250, 3) == pytest.approx(200 * 2.75)


def test_made_plots_tell_and_failed_ones_do_not() -> None:
    pace = Pace()
    for start, took, is_made in ((0, 10, True), (20, 1, False), (30, 20, True)):
        pace.begin(start)
        pace.end(start + took, is_made=is_made)
    assert pace.eta_s(60, 0, 4) == pytest.approx(60)
    assert pace.eta_s(60, 0, 0) is None


def test_only_the_last_plots_count() -> None:
    pace = Pace()
    for number in range(WINDOW + 3):
        pace.begin(0)
        pace.end(100 if number < 3 else 10, is_made=True)
    assert pace.plot_s(0, 0) == pytest.approx(10)
