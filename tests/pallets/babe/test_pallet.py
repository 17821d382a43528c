"""Slots, epochs, randomness: what makes a block valid, and what light clients are told."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pallets.babe import Babe, EpochAuthorities
from pallets.babe.slots import secondary_author
from primitives.digest import (
    BABE_ENGINE,
    AllowedSlots,
    AuthorityKey,
    BabeConsensusLog,
    BabePreDigest,
    Digest,
    NextEpochData,
    PreRuntime,
    Primary,
    Randomness,
    VrfPreOutput,
    VrfProof,
    VrfSignature,
)
from primitives.errors import InvalidBlock
from primitives.hashing import blake2_256
from primitives.scale import U32, U64, codec, decode
from primitives.types import Moment
from tests.pallets.small_chains import (
    ALICE,
    EPOCH_SLOTS,
    SLOT_MS,
    VALIDATORS,
    SlotChain,
    claim,
    keys_of,
    raw_claim,
)

AUTHORITIES = tuple((keys.babe, U64(1)) for _, keys in VALIDATORS)
START = 1_000


def announced(chain: SlotChain) -> list[NextEpochData]:
    """What the last block told light clients."""
    told = [decode(BabeConsensusLog, data) for data in chain.digest.consensus(BABE_ENGINE)]
    assert all(isinstance(each, NextEpochData) for each in told)
    return told


# Claims.


def test_a_block_without_a_claim_is_invalid(slots):
    with pytest.raises(InvalidBlock, match="no slot"):
        slots.begin(Digest())
    with pytest.raises(InvalidBlock, match="no slot"):
        slots.begin(Digest((PreRuntime(engine=b"aura", data=bytes(8)),)))


def test_a_claim_that_does_not_decode_makes_the_block_invalid(slots):
    for data in (b"", b"\x00", b"\x02", raw(START) + b"\x00", b"\x09" * 13):
        with pytest.raises(InvalidBlock, match="does not decode"):
            slots.begin(raw_claim(data))


def raw(slot: int) -> bytes:
    return b"\x02" + bytes(4) + slot.to_bytes(8, "little")


def test_only_the_owner_makes_the_block_of_a_slot(slots):
    owner = slots.owner(START)
    for author in {0, 1, 2} - {owner}:
        with pytest.raises(InvalidBlock, match="belongs to"):
            slots.begin(claim(START, author))
    with pytest.raises(InvalidBlock, match="none of 3"):
        slots.begin(claim(START, 3))
    slots.begin(claim(START, owner))


def test_a_primary_claim_is_invalid(slots):
    signature = VrfSignature(pre_output=VrfPreOutput(bytes(32)), proof=VrfProof(bytes(64)))
    made = Primary(
        authority_index=U32(slots.owner(START)), slot=U64(START), vrf_signature=signature
    )
    with pytest.raises(InvalidBlock, match="secondary plain"):
        slots.begin(raw_claim(codec(BabePreDigest).encode(made)))


def test_slots_rise_from_block_to_block(slots):
    slots.block(START)
    for slot in (START, START - 1, 0):
        with pytest.raises(InvalidBlock, match="does not follow"):
            slots.begin_at(slot)
    slots.block(START + 1)
    assert slots.runtime.babe.current_slot.get() == START + 1


def test_without_authorities_there_is_no_block():
    chain = SlotChain(validators=())
    with pytest.raises(InvalidBlock, match="none of 0"):
        chain.begin(claim(START, 0))


# Authors and times.


def test_the_author_is_the_validator_behind_the_key(slots):
    assert slots.runtime.babe.author() is None
    seen = set()
    for slot in range(START, START + 12):
        owner = slots.owner(slot)
        slots.block(slot)
        assert slots.runtime.babe.author() == VALIDATORS[owner][0]
        seen.add(owner)
    assert seen == {0, 1, 2}


def test_a_time_outside_the_slot_is_invalid(slots):
    slots.begin_at(START)
    babe = slots.runtime.babe
    babe.on_timestamp_set(Moment(START * SLOT_MS))
    babe.on_timestamp_set(Moment((START + 1) * SLOT_MS - 1))
    for moment in (START * SLOT_MS - 1, (START + 1) * SLOT_MS):
        with pytest.raises(InvalidBlock, match="claims slot"):
            babe.on_timestamp_set(Moment(moment))


def test_lateness_counts_empty_slots(slots):
    slots.block(START)
    assert slots.runtime.babe.lateness.get() == 0
    slots.block(START + 1)
    assert slots.runtime.babe.lateness.get() == 0
    slots.block(START + 4)
    assert slots.runtime.babe.lateness.get() == 2
    slots.block(2**63)
    assert slots.runtime.babe.lateness.get() == 2**32 - 1


# Epochs.


def test_block_1_begins_epoch_0_and_announces_epoch_1(slots):
    slots.block(START)
    babe = slots.runtime.babe
    assert babe.genesis_slot.get() == START
    assert babe.epoch_index.get() == 0
    assert babe.current_epoch_start() == START
    assert announced(slots) == [
        NextEpochData(authorities=AUTHORITIES, randomness=Randomness(bytes(32)))
    ]


def test_an_epoch_ends_after_its_slots(slots):
    for slot in range(START, START + EPOCH_SLOTS):
        slots.block(slot)
        assert slots.runtime.babe.epoch_index.get() == 0
    assert announced(slots) == []
    slots.block(START + EPOCH_SLOTS)
    assert slots.runtime.babe.epoch_index.get() == 1
    assert len(announced(slots)) == 1
    assert slots.runtime.babe.epoch_start.get() == (0, EPOCH_SLOTS + 1)


def test_each_epoch_is_what_was_announced(slots):
    told = None
    for slot in range(START, START + 4 * EPOCH_SLOTS):
        slots.block(slot)
        babe = slots.runtime.babe
        for each in announced(slots):
            if told is not None:
                assert babe.current_epoch().randomness == told.randomness
                assert babe.current_epoch().authorities == told.authorities
            told = each
        assert told is not None
        assert babe.next_epoch().randomness == told.randomness
        assert babe.next_epoch().start_slot == babe.current_epoch().start_slot + EPOCH_SLOTS


def test_randomness_mixes_what_was_before_with_the_index_and_the_parent(slots):
    slots.block(START)
    parent = slots.hash
    slots.block(START + EPOCH_SLOTS)
    expected = blake2_256(bytes(32) + (2).to_bytes(8, "little") + parent)
    assert slots.runtime.babe.next_randomness.get() == expected
    assert slots.runtime.babe.randomness.get() == bytes(32)


def test_genesis_chooses_the_first_randomness():
    chain = SlotChain(randomness=b"\x05" * 32)
    chain.block(START)
    assert chain.runtime.babe.randomness.get() == b"\x05" * 32
    assert announced(chain)[0].randomness == b"\x05" * 32


def test_epochs_without_a_block_are_skipped(slots):
    slots.block(START)
    later = START + 7 * EPOCH_SLOTS + 2
    slots.block(later)
    babe = slots.runtime.babe
    assert babe.epoch_index.get() == 7
    assert babe.current_epoch_start() == START + 7 * EPOCH_SLOTS
    assert len(announced(slots)) == 1
    slots.block(later + 1)
    assert babe.epoch_index.get() == 7


def test_a_slot_of_the_next_epoch_is_drawn_with_its_randomness():
    chain = SlotChain(randomness=b"\x09" * 32)
    for slot in range(START, START + 2 * EPOCH_SLOTS):
        chain.block(slot)
    babe, slot = chain.runtime.babe, START + 2 * EPOCH_SLOTS
    before = babe.authorities_at(slot - 1)
    after = babe.authorities_at(slot)
    assert before == EpochAuthorities(AUTHORITIES, babe.randomness.get())
    assert after == EpochAuthorities(AUTHORITIES, babe.next_randomness.get())
    assert before.randomness != after.randomness
    last = slot
    while secondary_author(last, before.randomness, 3) == secondary_author(
        last, after.randomness, 3
    ):
        last += 1
    with pytest.raises(InvalidBlock, match="belongs to"):
        chain.begin(claim(last, secondary_author(last, before.randomness, 3)))
    chain.begin(claim(last, secondary_author(last, after.randomness, 3)))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 3 * EPOCH_SLOTS), min_size=1, max_size=15), st.integers(0, 2**40))
def test_the_epoch_of_every_block_contains_its_slot(steps, start):
    chain, slot, sessions = SlotChain(), start, 0
    chain.block(slot)
    for step in steps:
        slot += step
        before = chain.runtime.babe.epoch_index.get()
        chain.block(slot)
        epoch = chain.runtime.babe.current_epoch()
        assert epoch.start_slot <= slot < epoch.start_slot + EPOCH_SLOTS
        assert epoch.epoch_index == (slot - start) // EPOCH_SLOTS
        changed = epoch.epoch_index != before
        assert len(announced(chain)) == changed
        sessions += changed
        assert chain.runtime.session.current_index.get() == sessions


# Randomness of a block.


def test_randomness_is_separated_by_subject_and_changes_with_every_block(slots):
    slots.block(START)
    babe, parent = slots.runtime.babe, slots.runtime.system.parent()
    one = babe.random(b"one")
    assert one == blake2_256(b"one" + bytes(32) + parent)
    assert one == babe.random(b"one") != babe.random(b"two")
    slots.block(START + 1)
    assert slots.runtime.babe.random(b"one") != one


def test_randomness_changes_with_the_epoch(slots):
    slots.begin_at(START)
    babe = slots.runtime.babe
    before = babe.random(b"one")
    babe.randomness.put(Randomness(b"\x01" * 32))
    assert babe.random(b"one") != before


# The runtime API, genesis and configuration.


def test_the_configuration_tells_how_to_follow_the_chain(slots):
    found = slots.runtime.babe.configuration()
    assert (found.slot_duration, found.epoch_length) == (SLOT_MS, EPOCH_SLOTS)
    assert found.authorities == AUTHORITIES
    assert found.allowed_slots is AllowedSlots.PrimaryAndSecondaryPlainSlots
    assert found.c == (1, 4)
    assert slots.runtime.babe.current_epoch().config.c == (1, 4)


def test_genesis_takes_as_many_authorities_as_the_limit():
    def keys(count: int) -> tuple[AuthorityKey, ...]:
        return tuple(keys_of(seed).babe for seed in range(count))

    babe = SlotChain().runtime.babe
    babe.on_genesis_session(keys(4))
    assert len(babe.authorities.get()) == 4
    for count in (0, 5):
        with pytest.raises(AssertionError):
            babe.on_genesis_session(keys(count))


@pytest.mark.parametrize("change", [{"epoch_duration": U64(0)}, {"expected_block_time": Moment(0)}])
def test_slots_and_epochs_have_a_length(slots, change):
    babe = slots.runtime.babe
    babe.integrity_test()
    babe.config = Babe.Config(**{**vars(babe.config), **change})
    with pytest.raises(AssertionError):
        babe.integrity_test()


def test_one_authority_makes_every_block():
    chain = SlotChain(validators=VALIDATORS[:1])
    for slot in range(START, START + 3 * EPOCH_SLOTS):
        chain.block(slot)
        assert chain.runtime.babe.author() == ALICE
