"""Slots, epochs, randomness: what makes a block valid, and what light clients are told."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pallets.babe import Babe
from pallets.babe.slots import secondary_author, wins_primary
from pallets.babe.types import SEGMENT_OUTPUTS_MAX
from primitives.crypto.vrf import RANDOMNESS_CONTEXT, make_bytes
from primitives.digest import (
    BABE_ENGINE,
    AllowedSlots,
    AuthorityKey,
    BabeConsensusLog,
    Digest,
    NextEpochData,
    Other,
    PreRuntime,
    Primary,
    Randomness,
    SecondaryPlain,
    SecondaryVrf,
    VrfPreOutput,
    VrfProof,
    VrfSignature,
)
from primitives.errors import InvalidBlock
from primitives.hashing import blake2_256
from primitives.scale import U32, U64, decode
from primitives.types import Hash, Moment
from tests.pallets.small_chains import (
    ALICE,
    EPOCH_SLOTS,
    SLOT_MS,
    VALIDATORS,
    VALIDATORS_MAX,
    SlotChain,
    claim,
    digest_of,
    keys_of,
    pair_of,
    raw_claim,
    signature_of,
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
            slots.begin(slots.claim(START, author))
    with pytest.raises(InvalidBlock, match="none of 3"):
        slots.begin(slots.claim(START, 3))
    slots.begin(slots.claim(START, owner))


def test_who_wins_a_slot_makes_its_block_too(slots):
    won = [(at, who) for at in range(START, START + 60) for who in range(3) if wins(slots, at, who)]
    slot, winner = next((at, who) for at, who in won if slots.owner(at) != who)
    slots.begin(slots.claim(slot, winner, Primary))
    assert slots.runtime.babe.author() == VALIDATORS[winner][0]


def test_who_did_not_win_a_slot_cannot_say_so(slots):
    for who in range(3):
        slot = next(at for at in range(START, START + 60) if not wins(slots, at, who))
        with pytest.raises(InvalidBlock, match="did not win"):
            slots.begin(slots.claim(slot, who, Primary))


def wins(chain: SlotChain, slot: int, author: int) -> bool:
    epoch = chain.runtime.babe.authorities_at(slot)
    return wins_primary(pair_of(author).vrf_key().evaluate(epoch.transcript(slot)), epoch, author)


def test_a_claim_without_a_random_output_is_invalid(slots):
    made = SecondaryPlain(authority_index=U32(slots.owner(START)), slot=U64(START))
    with pytest.raises(InvalidBlock, match="has PrimaryAndSecondaryVRFSlots"):
        slots.begin(digest_of(made))


def test_a_forged_random_output_is_invalid(slots):
    owner, epoch = slots.owner(START), slots.runtime.babe.authorities_at(START)
    other = signature_of(START + 1, owner, epoch)
    made = SecondaryVrf(authority_index=U32(owner), slot=U64(START), vrf_signature=other)
    with pytest.raises(InvalidBlock, match="not what its author's key gives"):
        slots.begin(digest_of(made))


def test_a_note_of_another_claim_does_not_spare_the_check(slots):
    owner, epoch = slots.owner(START), slots.runtime.babe.authorities_at(START)
    good = SecondaryVrf(
        authority_index=U32(owner), slot=U64(START), vrf_signature=signature_of(START, owner, epoch)
    )
    output = pair_of(owner).vrf_key().evaluate(epoch.transcript(START))
    forged = SecondaryVrf(
        authority_index=U32(owner),
        slot=U64(START),
        vrf_signature=signature_of(START + 1, owner, epoch),
    )
    runtime = slots.runtime
    runtime.babe.note_checked(good, output)
    assert runtime.babe._output(good) is output
    with pytest.raises(InvalidBlock, match="not what its author's key gives"):
        runtime.babe._output(forged)


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
        chain.begin(claim(START, 0, chain.runtime.babe.authorities_at(START)))


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


def outputs(chain: SlotChain, slots: range) -> bytes:
    """Make a block in each of ``slots``; their random outputs."""
    found = []
    for slot in slots:
        epoch, owner = chain.runtime.babe.authorities_at(slot), chain.owner(slot)
        chain.block(slot)
        output = pair_of(owner).vrf_key().evaluate(epoch.transcript(slot))
        found.append(make_bytes(output, RANDOMNESS_CONTEXT, 32))
        assert chain.runtime.babe.author_vrf_randomness.get() == found[-1]
    return b"".join(found)


def test_randomness_mixes_what_was_before_with_the_index_and_all_outputs(slots):
    before = bytes(32)
    for index in range(3):
        first = START + index * EPOCH_SLOTS
        found = outputs(slots, range(first, first + EPOCH_SLOTS))
        babe = slots.runtime.babe
        assert b"".join(babe.under_construction.get(U32(0))) == found
        before = babe.next_randomness.get()
        slots.begin_at(first + EPOCH_SLOTS)
        expected = blake2_256(before + (index + 2).to_bytes(8, "little") + found)
        assert slots.runtime.babe.next_randomness.get() == expected
        assert slots.runtime.babe.randomness.get() == before
        slots.number -= 1  # that block is made in the next round
        slots.runtime = type(slots.runtime)(slots.state)


def test_one_more_or_one_less_output_changes_the_randomness(slots):
    found = set()
    for length in range(1, EPOCH_SLOTS + 1):
        chain = SlotChain()
        for slot in range(START, START + length):
            chain.block(slot)
        chain.block(START + EPOCH_SLOTS)
        found.add(chain.runtime.babe.next_randomness.get())
    assert len(found) == EPOCH_SLOTS


def test_outputs_of_a_long_epoch_are_kept_in_segments_and_all_count():
    chain = SlotChain()
    chain.runtime.babe.config = Babe.Config(
        **{**vars(chain.runtime.babe.config), "epoch_duration": U64(1 << 20)}
    )
    babe = chain.runtime.babe
    made = [Randomness(blake2_256(bytes([n]))) for n in range(2 * SEGMENT_OUTPUTS_MAX + 1)]
    for count, output in enumerate(made, 1):
        babe._keep(output)
        assert babe.segment_index.get() == (count - 1) // SEGMENT_OUTPUTS_MAX
    assert len(babe.under_construction.get(U32(0))) == SEGMENT_OUTPUTS_MAX
    assert len(babe.under_construction.get(U32(2))) == 1
    assert babe._take_outputs() == b"".join(made)
    assert babe.segment_index.get() == 0
    assert babe._take_outputs() == b""
    assert babe.under_construction.keys(limit=1) == []


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
    assert slots.runtime.babe.epoch_index.get() == 7


def test_every_epoch_has_randomness_of_its_own_after_skipped_ones_too(slots):
    seen, slot = [bytes(32)], START
    for skipped in (0, 3, 1, 0, 40):
        slots.block(slot)
        slot += (1 + skipped) * EPOCH_SLOTS
        slots.block(slot)
        babe = slots.runtime.babe
        assert babe.epoch_index.get() == (slot - START) // EPOCH_SLOTS
        assert babe.randomness.get() == seen[-1]
        seen.append(babe.next_randomness.get())
        slot += 1
    assert len(set(seen)) == len(seen)


def test_a_slot_of_the_next_epoch_is_drawn_with_its_randomness():
    chain = SlotChain(randomness=b"\x09" * 32)
    for slot in range(START, START + 2 * EPOCH_SLOTS):
        chain.block(slot)
    babe, slot = chain.runtime.babe, START + 2 * EPOCH_SLOTS
    before = babe.authorities_at(slot - 1)
    after = babe.authorities_at(slot)
    assert before.randomness == babe.randomness.get()
    assert after.randomness == babe.next_randomness.get()
    assert before.authorities == after.authorities == tuple(key for key, _ in AUTHORITIES)
    assert (before.index, after.index) == (1, 2)
    assert babe.authorities_at(slot + 7 * EPOCH_SLOTS).index == 9
    assert before.randomness != after.randomness
    last = slot
    while secondary_author(last, before.randomness, 3) == secondary_author(
        last, after.randomness, 3
    ):
        last += 1
    with pytest.raises(InvalidBlock, match="belongs to"):
        chain.begin(claim(last, secondary_author(last, before.randomness, 3), before))
    owner = secondary_author(last, after.randomness, 3)
    with pytest.raises(InvalidBlock, match="not what its author's key gives"):
        chain.begin(claim(last, owner, before))
    chain.begin(claim(last, owner, after))


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
    mixed = bytes(32)
    for slot in (START, START + 1):
        output = outputs(slots, range(slot, slot + 1))
        babe = slots.runtime.babe
        mixed = blake2_256(mixed + output)
        one = babe.random(b"one")
        assert one == blake2_256(b"one" + mixed)
        assert one == babe.random(b"one") != babe.random(b"two")


def test_what_a_block_holds_and_what_its_parent_held_changes_no_draw(slots):
    """Grinding: the author of a block, or of two in a row, tries other contents."""
    draws = set()
    for contents in (b"one", b"other", b"third"):
        chain = SlotChain()
        chain.block(START)
        chain.hash = Hash(blake2_256(contents))  # the parent holds something else
        chain.begin_at(START + 1)
        chain.runtime.system.deposit_log(Other(contents))
        draws.add(chain.runtime.babe.random(b"draw"))
    assert len(draws) == 1


def test_the_kind_of_the_claim_changes_no_draw(slots):
    slot = next(at for at in range(START, START + 200) if wins(slots, at, slots.owner(at)))
    draws = set()
    for kind in (Primary, SecondaryVrf):
        chain = SlotChain()
        chain.begin(chain.claim(slot, kind=kind))
        draws.add((chain.runtime.babe.random(b"draw"), chain.runtime.babe.author()))
    assert len(draws) == 1


def test_another_proof_of_the_same_output_changes_no_draw(slots):
    owner, epoch = slots.owner(START), slots.runtime.babe.authorities_at(START)
    draws, proofs = set(), set()
    for entropy in (bytes(32), b"\x01" * 32, b"\x02" * 32):
        output, proof = pair_of(owner).vrf_key().sign(epoch.transcript(START), entropy=entropy)
        signature = VrfSignature(pre_output=VrfPreOutput(output.pre_output), proof=VrfProof(proof))
        chain = SlotChain()
        chain.begin(
            digest_of(
                SecondaryVrf(authority_index=U32(owner), slot=U64(START), vrf_signature=signature)
            )
        )
        proofs.add(proof)
        draws.add(chain.runtime.babe.random(b"draw"))
    assert len(proofs) == 3
    assert len(draws) == 1


def test_a_withheld_block_leaves_the_draw_to_the_next_author(slots):
    """All that withholding gives: the draws of that block are not made, the next ones differ."""
    with_it, without = SlotChain(), SlotChain()
    for chain in (with_it, without):
        chain.block(START)
    with_it.block(START + 1)
    with_it.block(START + 2)
    without.block(START + 2)
    one, other = with_it.runtime.babe, without.runtime.babe
    assert one.author_vrf_randomness.get() == other.author_vrf_randomness.get()
    assert one.random(b"draw") != other.random(b"draw")


# The runtime API, genesis and configuration.


def test_the_configuration_tells_how_to_follow_the_chain(slots):
    found = slots.runtime.babe.configuration()
    assert (found.slot_duration, found.epoch_length) == (SLOT_MS, EPOCH_SLOTS)
    assert found.authorities == AUTHORITIES
    assert found.allowed_slots is AllowedSlots.PrimaryAndSecondaryVRFSlots
    assert found.c == (1, 4)
    assert slots.runtime.babe.current_epoch().config.c == (1, 4)


def test_genesis_takes_as_many_authorities_as_the_limit():
    def keys(count: int) -> tuple[AuthorityKey, ...]:
        return tuple(keys_of(seed).babe for seed in range(count))

    babe = SlotChain().runtime.babe
    babe.on_genesis_session(keys(VALIDATORS_MAX), keys(2))
    assert len(babe.authorities.get()) == VALIDATORS_MAX
    assert len(babe.next_authorities.get()) == 2
    for count in (0, VALIDATORS_MAX + 1):
        with pytest.raises(AssertionError):
            babe.on_genesis_session(keys(count), keys(1))
        with pytest.raises(AssertionError):
            babe.on_genesis_session(keys(1), keys(count))


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
