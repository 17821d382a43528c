"""Whose slot it is, and when to work."""

from dataclasses import replace

import pytest

from node.consensus.slots import (
    Epoch,
    SlotCore,
    SlotWait,
    claim_slot,
    secondary_author_of,
    slot_at,
    slot_start,
    wins_slot,
)
from pallets.babe import check_claim
from pallets.babe.slots import SECONDARY_KINDS
from primitives.crypto.keys import KeyPair
from primitives.digest import Primary, SecondaryVrf

PAIRS = tuple(KeyPair.from_suri(f"//{name}") for name in ("Alice", "Bob", "Charlie"))
EPOCH = Epoch(
    index=2,
    authorities=tuple(pair.public for pair in PAIRS),
    weights=(1, 1, 1),
    randomness=bytes(32),
    c=(1, 4),
)


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
    owners = [secondary_author_of(slot, EPOCH) for slot in range(300)]
    assert set(owners) == {0, 1, 2}
    nobody = replace(EPOCH, authorities=(), weights=())
    assert secondary_author_of(5, nobody) is None
    assert claim_slot(5, nobody, PAIRS) is None


def test_a_slot_is_claimed_by_who_wins_it_and_by_its_owner() -> None:
    for slot in range(30):
        for index, pair in enumerate(PAIRS):
            claim = claim_slot(slot, EPOCH, [pair])
            if wins_slot(slot, EPOCH, index, pair):
                assert claim is not None
                assert isinstance(claim.pre_digest, Primary)
            elif secondary_author_of(slot, EPOCH) == index:
                assert claim is not None
                assert isinstance(claim.pre_digest, SecondaryVrf)
            else:
                assert claim is None
                continue
            assert (claim.slot, claim.authority_index, claim.pair) == (slot, index, pair)
            checked = check_claim(claim.pre_digest, EPOCH)
            assert checked.pre_output == claim.output.pre_output


def test_with_all_keys_every_slot_is_claimed_once_and_a_win_comes_first() -> None:
    for slot in range(30):
        claim = claim_slot(slot, EPOCH, PAIRS)
        assert claim is not None
        winners = [at for at, pair in enumerate(PAIRS) if wins_slot(slot, EPOCH, at, pair)]
        expected = winners[0] if winners else secondary_author_of(slot, EPOCH)
        assert claim.authority_index == expected
        assert isinstance(claim.pre_digest, Primary) == bool(winners)
        check_claim(claim.pre_digest, EPOCH)


def test_who_is_no_authority_claims_nothing() -> None:
    assert claim_slot(7, EPOCH, [KeyPair.from_suri("//Mallory")]) is None
    assert claim_slot(7, EPOCH, []) is None


@pytest.mark.parametrize(("now", "moment"), [(6_999, 7_000), (7_400, 7_400), (8_000, 7_999)])
def test_the_time_in_a_block_lies_in_its_slot(now: int, moment: int) -> None:
    assert SlotCore(1000).moment_in(7, now) == moment


def test_half_of_a_slot_is_for_transactions() -> None:
    assert SlotCore(1000).deadline_ms(7) == 7_500
    assert SlotCore(6000).deadline_ms(1, (1, 3)) == 8_000


def test_slots_are_claimed_as_the_epoch_allows() -> None:
    lost = [slot for slot in range(60) if not any(wins(slot, at) for at in range(3))]
    assert lost
    for allowed, kind in SECONDARY_KINDS.items():
        epoch = replace(EPOCH, allowed=allowed)
        for slot in lost[:5]:
            claim = claim_slot(slot, epoch, PAIRS)
            assert (None if claim is None else type(claim.pre_digest)) is kind
            if claim is not None:
                assert check_claim(claim.pre_digest, epoch) == claim.output
        won = next(slot for slot in range(60) if slot not in lost)
        claim = claim_slot(won, epoch, PAIRS)
        assert claim is not None
        assert isinstance(claim.pre_digest, Primary)


def wins(slot: int, index: int) -> bool:
    return wins_slot(slot, EPOCH, index, PAIRS[index])


def test_a_disabled_authority_claims_nothing() -> None:
    epoch = replace(EPOCH, disabled=(1,))
    assert all(claim_slot(slot, epoch, PAIRS[1:2]) is None for slot in range(30))
    assert any(claim_slot(slot, epoch, PAIRS[:1]) is not None for slot in range(30))
