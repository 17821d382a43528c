"""An author that dislikes a draw can leave it out alone by BABE's rule, and not by ours."""

import pytest

from tests.simulation.campaign import HOUR_MS
from tests.simulation.choosy import FINALITIES, choose

MINUTES_20 = 20 * 60_000
PRODUCTION, _, NONE = FINALITIES


@pytest.mark.parametrize("is_old_rule", [True, False])
def test_a_primary_slot_alone_leaves_out_a_draw_by_the_old_rule_only(is_old_rule: bool) -> None:
    count = choose(NONE, 3, HOUR_MS, authors=4, is_old_rule=is_old_rule)
    assert count.tried_alone >= 3
    if is_old_rule:
        assert 2 * count.won_alone > count.tried_alone
    else:
        assert count.won_alone == 0


@pytest.mark.parametrize("is_old_rule", [True, False])
def test_with_finality_in_time_there_is_next_to_nothing_to_leave_out(is_old_rule: bool) -> None:
    count = choose(PRODUCTION, 1, MINUTES_20, authors=4, is_old_rule=is_old_rule)
    assert count.disliked >= 10
    assert count.left_out <= 1
