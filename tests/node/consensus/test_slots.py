"""Whose slot it is, and when to work."""

import pytest

from node.consensus.slots import Epoch, SlotCore, SlotWait, author_of, slot_at, slot_start

EPOCH = Epoch((b"a" * 32, b"b" * 32, b"c" * 32), bytes(32))


def test_a_slot_lasts_from_its_start_to_the_next_one() -> None:
    assert [slot_at(ms, 1000) for ms in (0, 999, 1000, 1999)] == [0, 0, 1, 1]
    assert slot_start(7, 6000) == 42_000


def test_a_node_authors_once_in_a_slot() -> None:
    core = SlotCore(1000)
    assert core.next_slot(5_500, 3) == 5
    assert core.next_slot(5_900, 3) == SlotWait(6_000)
    assert core.next_slot(6_000, 5) == 6


def test_a_node_waits_until_after_its_parents_slot() -> None:
    assert SlotCore(1000).next_slot(5_500, 7) == SlotWait(8_000)
    assert SlotCore(1000).next_slot(5_500, 5) == SlotWait(6_000)


def test_a_clock_that_is_set_back_gives_no_second_block() -> None:
    core = SlotCore(1000)
    core.next_slot(9_000, 0)
    assert core.next_slot(5_000, 0) == SlotWait(10_000)


def test_a_node_that_starts_anew_does_not_author_where_it_did() -> None:
    core = SlotCore(1000, last=5)
    assert core.next_slot(5_900, 3) == SlotWait(6_000)
    assert core.next_slot(4_000, 3) == SlotWait(6_000)
    assert core.next_slot(6_000, 3) == 6


def test_a_slot_ends_where_the_next_begins() -> None:
    assert SlotCore(1000).end_ms(7) == slot_start(8, 1000)


def test_every_authority_gets_slots() -> None:
    owners = [author_of(slot, EPOCH) for slot in range(300)]
    assert set(owners) == {0, 1, 2}
    assert author_of(5, Epoch((), bytes(32))) is None


def test_only_the_owner_of_a_slot_claims_it() -> None:
    core = SlotCore(1000)
    for slot in range(30):
        claims = [core.claim(slot, EPOCH, {key}) for key in EPOCH.authorities]
        assert sum(claim is not None for claim in claims) == 1
        index = author_of(slot, EPOCH)
        assert index is not None
        assert claims[index] == (index, EPOCH.authorities[index])


@pytest.mark.parametrize(("now", "moment"), [(6_999, 7_000), (7_400, 7_400), (8_000, 7_999)])
def test_the_time_in_a_block_lies_in_its_slot(now: int, moment: int) -> None:
    assert SlotCore(1000).moment_in(7, now) == moment


def test_half_of_a_slot_is_for_transactions() -> None:
    assert SlotCore(1000).deadline_ms(7) == 7_500
    assert SlotCore(6000).deadline_ms(1, (1, 3)) == 8_000
