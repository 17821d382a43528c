"""Rules of slots that change: announced an epoch ahead, in force an epoch later."""

import pytest

from pallets.babe import Babe
from pallets.babe.types import SKIPPED_EPOCHS_MAX
from pallets.frame import BadOrigin, Origin
from primitives.digest import (
    BABE_ENGINE,
    AllowedSlots,
    BabeConsensusLog,
    NextConfigData,
    NextConfigV1,
    NextEpochData,
    Primary,
    SecondaryPlain,
    SecondaryVrf,
)
from primitives.errors import InvalidBlock
from primitives.scale import U32, U64, decode
from tests.pallets.small_chains import ALICE, EPOCH_SLOTS, SlotChain, digest_of, signed

START = 1_000
PLAIN = NextConfigV1(c=(U64(1), U64(2)), allowed_slots=AllowedSlots.PrimaryAndSecondaryPlainSlots)


def told(chain: SlotChain) -> list[BabeConsensusLog]:
    return [decode(BabeConsensusLog, data) for data in chain.digest.consensus(BABE_ENGINE)]


def plan(chain: SlotChain, config: NextConfigV1 = PLAIN) -> None:
    chain.call("Babe", "plan_config_change", Origin.root(), config=config)


def plain_block(chain: SlotChain, slot: int) -> None:
    """A block by the slot's owner, without an output."""
    chain.begin(digest_of(SecondaryPlain(authority_index=U32(chain.owner(slot)), slot=U64(slot))))


def test_a_change_is_announced_by_the_next_epoch_and_in_force_in_the_one_after(slots):
    slots.begin_at(START)
    plan(slots)
    slots.finish()
    assert [type(each) for each in told(slots)] == [NextEpochData]
    slots.block(START + EPOCH_SLOTS)
    assert [type(each) for each in told(slots)] == [NextEpochData, NextConfigData]
    assert told(slots)[1] == NextConfigData(config=PLAIN)
    babe = slots.runtime.babe
    assert babe.configuration().c == babe.current_epoch().config.c == (1, 4)
    assert babe.next_epoch().config.c == (1, 2)
    assert babe.next_epoch().config.allowed_slots is PLAIN.allowed_slots
    with pytest.raises(InvalidBlock, match="has PrimaryAndSecondaryVRFSlots"):
        plain_block(slots, START + EPOCH_SLOTS + 1)
    begin = START + 2 * EPOCH_SLOTS
    assert slots.runtime.babe.authorities_at(begin).c == (1, 2)
    with pytest.raises(InvalidBlock, match="has PrimaryAndSecondaryPlainSlots"):
        slots.begin(slots.claim(begin, kind=SecondaryVrf))
    plain_block(slots, begin)
    slots.finish()
    assert [type(each) for each in told(slots)] == [NextEpochData]
    assert slots.runtime.babe.configuration().c == (1, 2)
    plain_block(slots, begin + 1)


def test_a_plain_block_brings_no_randomness_and_draws_differ_all_the_same(slots):
    slots.begin_at(START)
    plan(slots)
    slots.finish()
    slots.block(START + EPOCH_SLOTS)
    seen = set()
    for slot in range(START + 2 * EPOCH_SLOTS, START + 3 * EPOCH_SLOTS):
        plain_block(slots, slot)
        slots.finish()
        assert slots.runtime.babe.author_vrf_randomness.get() is None
        seen.add(slots.runtime.babe.random(b"subject"))
    assert len(seen) == EPOCH_SLOTS
    assert slots.runtime.babe._take_outputs() == b""


def test_primary_slots_only_leave_slots_empty(slots):
    slots.begin_at(START)
    plan(slots, NextConfigV1(c=(U64(1), U64(1)), allowed_slots=AllowedSlots.PrimarySlots))
    slots.finish()
    slots.block(START + EPOCH_SLOTS)
    slot = START + 2 * EPOCH_SLOTS
    with pytest.raises(InvalidBlock, match="has PrimarySlots"):
        slots.begin(slots.claim(slot, kind=SecondaryVrf))
    slots.begin(slots.claim(slot, 1, Primary))  # with c = 1 everybody wins


def test_the_last_plan_of_an_epoch_counts(slots):
    slots.begin_at(START)
    plan(slots)
    other = NextConfigV1(c=(U64(1), U64(3)), allowed_slots=PLAIN.allowed_slots)
    plan(slots, other)
    slots.finish()
    slots.block(START + EPOCH_SLOTS)
    assert told(slots)[1] == NextConfigData(config=other)
    slots.block(START + EPOCH_SLOTS + 1)
    assert told(slots) == []


def test_a_plan_survives_skipped_epochs(slots):
    slots.begin_at(START)
    plan(slots)
    slots.finish()
    slots.block(START + 5 * EPOCH_SLOTS)
    assert told(slots)[1] == NextConfigData(config=PLAIN)
    plain_block(slots, START + 9 * EPOCH_SLOTS)


@pytest.mark.parametrize(
    "config",
    [
        NextConfigV1(c=(U64(0), U64(4)), allowed_slots=AllowedSlots.PrimarySlots),
        NextConfigV1(c=(U64(1), U64(0)), allowed_slots=AllowedSlots.PrimarySlots),
        NextConfigV1(c=(U64(5), U64(4)), allowed_slots=PLAIN.allowed_slots),
    ],
)
def test_rules_under_which_nobody_could_author_are_refused(slots, config):
    slots.begin_at(START)
    with pytest.raises(Babe.InvalidConfiguration):
        plan(slots, config)
    assert slots.runtime.babe.pending_epoch_config_change.get() is None


def test_only_root_changes_the_rules(slots):
    slots.begin_at(START)
    for origin in (signed(ALICE), Origin.none()):
        with pytest.raises(BadOrigin):
            slots.call("Babe", "plan_config_change", origin, config=PLAIN)


def test_gaps_are_remembered_up_to_a_limit(slots):
    slots.block(START)
    babe = slots.runtime.babe
    epoch = 0
    for _ in range(3):
        epoch += 3
        slots.block(START + epoch * EPOCH_SLOTS)
    babe = slots.runtime.babe
    assert [(int(at), int(session)) for at, session in babe.skipped_epochs.get()] == [
        (3, 1),
        (6, 2),
        (9, 3),
    ]
    full = tuple((U64(2 * at), U32(at)) for at in range(1, SKIPPED_EPOCHS_MAX + 1))
    slots.begin_at(START + (epoch + 1) * EPOCH_SLOTS)
    kind = type(slots.runtime.babe.skipped_epochs.get())
    slots.runtime.babe.skipped_epochs.put(kind(full))
    slots.finish()
    slots.begin_at(START + 500 * EPOCH_SLOTS)
    found = slots.runtime.babe.skipped_epochs.get()
    assert len(found) == SKIPPED_EPOCHS_MAX
    assert (found[0], found[-1]) == (full[1], (500, 5))


def test_a_disabled_author_makes_no_block_and_its_slots_stay_empty(slots):
    slots.begin_at(START)
    owner = slots.runtime.session.validators.get().index(slots.runtime.babe.author())
    # Offences may disable none of three; what Babe does with one is shown all the same.
    slots.runtime.session.disabled_validators.put((U32(owner),))
    slots.finish()
    slot = next(at for at in range(START + 1, START + 99) if slots.owner(at) == owner)
    with pytest.raises(InvalidBlock, match="is disabled"):
        slots.begin(slots.claim(slot, owner))
    for other in {0, 1, 2} - {owner}:
        with pytest.raises(InvalidBlock, match="belongs to"):
            slots.begin(slots.claim(slot, other))
