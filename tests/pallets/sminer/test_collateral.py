"""What space weighs and costs."""

import pytest

from pallets.sminer.collateral import fine_of, limit_of, power_of


@pytest.mark.parametrize(("space", "units"), [(0, 0), (1, 1), (99, 1), (100, 1), (101, 2)])
def test_a_unit_begun_is_a_unit_to_be_covered(space, units):
    assert limit_of(space, 100, 7) == 7 * units


def test_service_space_weighs_nineteen_times_idle_space():
    assert power_of(1_000, 0) == 50
    assert power_of(0, 1_000) == 950
    assert power_of(1_000, 1_000) == 1_000


def test_each_part_of_power_is_rounded_down():
    assert power_of(19, 0) == 0
    assert power_of(20, 0) == 1
    assert power_of(0, 1) == 0
    assert power_of(19, 1) == 0


@pytest.mark.parametrize(
    ("permille", "fine"), [(0, 0), (1, 1), (2, 3), (10, 19), (50, 99), (150, 299), (1000, 1999)]
)
def test_a_fine_is_a_part_of_the_limit_rounded_down(permille, fine):
    assert fine_of(1_999, permille) == fine
