"""The time of a block: once, not too early, not too far ahead, in its slot."""

import pytest

from pallets.frame import BadOrigin, InherentData, Origin
from pallets.timestamp import DRIFT_MS_MAX
from primitives.errors import InvalidBlock
from primitives.types import Moment
from tests.pallets.small_chains import ALICE, SLOT_MS, signed

NOW = 1_700_000_000_000
STEP = SLOT_MS // 2


def set_time(money, moment):
    money.call("Timestamp", "set", Origin.none(), now=Moment(moment))


def made(money, moment):
    return money.runtime.calls().make("Timestamp", "set", now=Moment(moment))


def test_the_author_sets_the_time(money):
    set_time(money, NOW)
    assert money.runtime.timestamp.time_of_block() == NOW


def test_nobody_else_sets_the_time(money):
    for origin in (signed(ALICE), Origin.root()):
        with pytest.raises(BadOrigin), money.no_trace():
            money.call("Timestamp", "set", origin, now=Moment(NOW))


def test_a_block_sets_its_time_once(money):
    set_time(money, NOW)
    with pytest.raises(InvalidBlock, match="twice"), money.no_trace():
        set_time(money, NOW + SLOT_MS)
    money.run_to_block(2)
    set_time(money, NOW + SLOT_MS)


def test_time_advances_by_the_least_step_or_more(money):
    set_time(money, NOW)
    money.run_to_block(2)
    with pytest.raises(InvalidBlock, match="too early"), money.no_trace():
        set_time(money, NOW + STEP - 1)
    set_time(money, NOW + STEP)


def test_the_first_block_may_have_any_time(money):
    set_time(money, 1)


def test_the_time_must_be_in_the_claimed_slot(slots):
    slots.begin_at(100)
    timestamp = slots.runtime.timestamp
    with pytest.raises(InvalidBlock, match="slot"):
        timestamp.set(Origin.none(), Moment(100 * SLOT_MS - 1))
    with pytest.raises(InvalidBlock, match="slot"):
        timestamp.set(Origin.none(), Moment(101 * SLOT_MS))
    assert timestamp.time_of_block() == 0
    timestamp.set(Origin.none(), Moment(101 * SLOT_MS - 1))


def test_the_author_proposes_its_clock_but_never_too_early(money):
    timestamp = money.runtime.timestamp
    assert timestamp.create_inherent(InherentData(NOW)) == ("set", {"now": NOW})
    set_time(money, NOW)
    assert timestamp.create_inherent(InherentData(NOW)) == ("set", {"now": NOW + STEP})


def test_an_importer_waits_for_a_block_of_the_future(money):
    timestamp, data = money.runtime.timestamp, InherentData(NOW)
    assert timestamp.check_inherent(made(money, NOW + DRIFT_MS_MAX), data) is None
    error = timestamp.check_inherent(made(money, NOW + DRIFT_MS_MAX + 1), data)
    assert error is not None
    assert error.too_early


def test_an_importer_refuses_a_time_before_the_parent_allows_it(money):
    set_time(money, NOW)
    timestamp, data = money.runtime.timestamp, InherentData(NOW + SLOT_MS)
    assert timestamp.check_inherent(made(money, NOW + STEP), data) is None
    error = timestamp.check_inherent(made(money, NOW + STEP - 1), data)
    assert error is not None
    assert not error.too_early


def test_only_set_is_the_inherent(money):
    timestamp = money.runtime.timestamp
    assert timestamp.is_inherent(made(money, NOW))
    assert not timestamp.is_inherent(money.runtime.calls().make("System", "remark", remark=b""))
    assert timestamp.is_inherent_provider
    assert timestamp.is_inherent_required
