"""Whose the slots since the parent were: what validators' credit is counted from."""

import pytest

from pallets.babe.slots import secondary_author
from pallets.babe.types import BabeEpochConfiguration
from primitives.digest import AllowedSlots
from primitives.scale import U64
from primitives.types import AccountId
from tests.pallets.small_chains import EPOCH_SLOTS, VALIDATORS, SlotChain

START = 1_000


def owner(chain: SlotChain, slot: int) -> AccountId:
    randomness = bytes(chain.runtime.babe.randomness.get())
    return VALIDATORS[secondary_author(slot, randomness, len(VALIDATORS))][0]


@pytest.fixture
def chain() -> SlotChain:
    made = SlotChain()
    made.begin_at(START)
    return made


def test_the_first_block_has_its_own_slot_only(chain: SlotChain) -> None:
    assert chain.runtime.babe.owners_since_parent(64) == (owner(chain, START),)


def test_empty_slots_are_told_with_that_of_the_block(chain: SlotChain) -> None:
    chain.finish()
    chain.begin_at(START + 3)
    expected = tuple(owner(chain, slot) for slot in range(START + 1, START + 4))
    assert chain.runtime.babe.owners_since_parent(64) == expected
    assert chain.runtime.babe.owners_since_parent(2) == expected
    # One more than the limit is nobody's fault.
    assert chain.runtime.babe.owners_since_parent(1) == expected[-1:]


def test_slots_of_the_epoch_before_are_left_out(chain: SlotChain) -> None:
    chain.finish()
    chain.block(START + EPOCH_SLOTS - 2)
    chain.begin_at(START + EPOCH_SLOTS + 1)
    slots = (START + EPOCH_SLOTS, START + EPOCH_SLOTS + 1)
    expected = tuple(owner(chain, slot) for slot in slots)
    assert chain.runtime.babe.owners_since_parent(64) == expected


def test_nobody_owns_slots_where_they_are_only_won(chain: SlotChain) -> None:
    babe = chain.runtime.babe
    babe.epoch_config.put(
        BabeEpochConfiguration(c=(U64(1), U64(4)), allowed_slots=AllowedSlots.PrimarySlots)
    )
    assert babe.owners_since_parent(64) == ()


def test_genesis_has_no_slots() -> None:
    assert SlotChain().runtime.babe.owners_since_parent(64) == ()
