"""Who votes on finality, and how that changes: announced, by one id at a time, seldom by force."""

import pytest

from pallets.frame import BadOrigin, Origin
from pallets.grandpa import Grandpa
from primitives.digest import (
    GRANDPA_ENGINE,
    GrandpaConsensusLog,
    GrandpaForcedChange,
    GrandpaOnDisabled,
    GrandpaScheduledChange,
    ScheduledChange,
)
from primitives.scale import U32, U64, decode
from primitives.types import BlockNumber
from tests.pallets.small_chains import (
    ALICE,
    BOB,
    CHARLIE,
    EPOCH_SLOTS,
    SETS_KEPT,
    VALIDATORS,
    VALIDATORS_MAX,
    SlotChain,
    keys_of,
    proof_of,
    signed,
)

START = 100


def told(chain: SlotChain) -> list[GrandpaConsensusLog]:
    return [decode(GrandpaConsensusLog, data) for data in chain.digest.consensus(GRANDPA_ENGINE)]


def voters(*seeds: int) -> tuple[tuple[bytes, U64], ...]:
    return tuple((keys_of(seed).grandpa, U64(1)) for seed in seeds)


def session(chain: SlotChain, *, finish: bool = True) -> None:
    """Begin the next session, and finish its first block."""
    chain.begin_at(START + (int(chain.runtime.session.current_index.get()) + 1) * EPOCH_SLOTS)
    if finish:
        chain.finish()


def elect(chain: SlotChain, *who: bytes) -> None:
    """Have ``who`` take office in the session after the next."""
    chain.elector.answers[int(chain.runtime.session.current_index.get()) + 2] = who


def test_the_voters_are_those_of_genesis_with_one_vote_each(slots):
    grandpa = slots.runtime.grandpa
    assert grandpa.authority_list() == tuple((keys.grandpa, U64(1)) for _, keys in VALIDATORS)
    assert grandpa.set_id() == 0
    assert grandpa.set_id_session[U64(0)] == U32(0)


def test_a_new_epoch_keeps_the_set(slots):
    before = slots.runtime.grandpa.authority_list()
    slots.block(START)
    slots.block(START + 2 * EPOCH_SLOTS)
    grandpa = slots.runtime.grandpa
    assert grandpa.authority_list() == before
    assert grandpa.set_id() == 0
    assert grandpa.set_id_session[U64(0)] == 1
    assert told(slots) == []


def test_genesis_takes_as_many_voters_as_the_limit(slots):
    grandpa = slots.runtime.grandpa
    grandpa.on_genesis_session(tuple(keys_of(seed).grandpa for seed in range(VALIDATORS_MAX)))
    for count in (0, VALIDATORS_MAX + 1):
        with pytest.raises(AssertionError):
            grandpa.on_genesis_session(tuple(keys_of(seed).grandpa for seed in range(count)))


def test_the_block_that_begins_a_session_of_others_announces_them_and_has_them_in_its_state(slots):
    slots.block(START)
    elect(slots, CHARLIE, ALICE)
    session(slots)
    assert told(slots) == []
    assert slots.runtime.grandpa.set_id() == 0
    session(slots, finish=False)
    # Until the block ends, and to whoever reads its parent, the old set is in office.
    assert slots.runtime.grandpa.authority_list() == voters(0, 1, 2)
    assert slots.runtime.grandpa.set_id() == 0
    slots.finish()
    assert told(slots) == [
        GrandpaScheduledChange(
            change=ScheduledChange(next_authorities=voters(2, 0), delay=BlockNumber(0))
        )
    ]
    grandpa = slots.runtime.grandpa
    assert grandpa.authority_list() == voters(2, 0)
    assert grandpa.set_id() == 1
    assert grandpa.pending_change.get() is None
    assert (grandpa.set_id_session[U64(0)], grandpa.set_id_session[U64(1)]) == (1, 2)
    raw = slots.runtime.system.events.raw()
    events = [record.event for record in slots.runtime.decode_events(raw)]
    assert events[-1] == Grandpa.NewAuthorities(authority_set=voters(2, 0))
    slots.block(START + 2 * EPOCH_SLOTS + 1)
    assert told(slots) == []


def test_keys_of_authors_alone_change_no_voters(slots):
    slots.begin_at(START)
    keys = type(keys_of(0))(babe=keys_of(5).babe, grandpa=keys_of(0).grandpa)
    proof = proof_of(5, ALICE)[:64] + proof_of(0, ALICE)[64:]
    slots.call("Session", "set_keys", signed(ALICE), keys=keys, proof=proof)
    slots.finish()
    for _ in range(3):
        session(slots)
        assert told(slots) == []
    assert slots.runtime.babe.authorities.get()[0][0] == keys_of(5).babe
    assert slots.runtime.grandpa.set_id() == 0


def test_ids_rise_by_one_and_old_sets_are_forgotten(slots):
    slots.block(START)
    for at in range(6):
        elect(slots, (ALICE, BOB)[at % 2])
        session(slots)
    grandpa = slots.runtime.grandpa
    assert grandpa.set_id() == 5
    kept = sorted(int(at) for at in grandpa.set_id_session.keys(limit=10))
    assert kept == list(range(5 - SETS_KEPT + 1, 6))


def test_an_offender_is_named_to_light_clients(slots):
    slots.begin_at(START)
    slots.runtime.grandpa.on_disabled(U32(1))
    slots.finish()
    assert told(slots) == [GrandpaOnDisabled(authority_index=U64(1))]
    assert slots.runtime.grandpa.authority_list() == voters(0, 1, 2)


def test_sets_are_remembered(slots):
    grandpa = slots.runtime.grandpa
    grandpa.integrity_test()
    changed = {**vars(grandpa.config), "max_set_id_session_entries": U64(1)}
    grandpa.config = Grandpa.Config(**changed)
    with pytest.raises(AssertionError):
        grandpa.integrity_test()


# By force.


def stall(chain: SlotChain, delay: int, best: int = 0) -> None:
    chain.call(
        "Grandpa",
        "note_stalled",
        Origin.root(),
        delay=BlockNumber(delay),
        best_finalized_block_number=BlockNumber(best),
    )


def test_a_stalled_chain_forces_the_voters_of_the_first_session_after_the_delay(slots):
    slots.begin_at(START)
    stall(slots, 2, best=0)
    slots.finish()
    session(slots)  # in block 2: too early
    assert told(slots) == []
    session(slots)
    change = ScheduledChange(next_authorities=voters(0, 1, 2), delay=BlockNumber(0))
    assert told(slots) == [GrandpaForcedChange(median=BlockNumber(0), change=change)]
    grandpa = slots.runtime.grandpa
    assert grandpa.set_id() == 1
    assert grandpa.stalled.get() is None
    assert grandpa.pending_change.get() is None
    assert (grandpa.set_id_session[U64(0)], grandpa.set_id_session[U64(1)]) == (1, 2)
    session(slots)
    assert told(slots) == []


def test_voters_that_change_before_are_announced_as_ever(slots):
    slots.begin_at(START)
    stall(slots, 3)
    slots.finish()
    elect(slots, CHARLIE)
    session(slots)
    session(slots)
    (scheduled,) = told(slots)
    assert isinstance(scheduled, GrandpaScheduledChange)
    session(slots)
    (forced,) = told(slots)
    assert isinstance(forced, GrandpaForcedChange)
    assert slots.runtime.grandpa.set_id() == 2
    assert slots.runtime.grandpa.authority_list() == voters(2)


def test_a_change_is_not_forced_in_the_block_that_makes_one(slots):
    slots.block(START)
    elect(slots, CHARLIE)
    session(slots)
    session(slots, finish=False)
    with pytest.raises(Grandpa.ChangePending):
        stall(slots, 1)


def test_a_change_is_not_forced_again_too_soon(slots):
    slots.begin_at(START)
    stall(slots, 2)
    slots.finish()
    session(slots)
    session(slots)  # block 3 forces; the next may be asked for from block 7 on
    for at in range(1, 4):
        slots.begin_at(START + 2 * EPOCH_SLOTS + at)
        with pytest.raises(Grandpa.TooSoon):
            stall(slots, 2)
        slots.finish()
    slots.begin_at(START + 2 * EPOCH_SLOTS + 4)
    stall(slots, 2)


def test_a_mistaken_delay_can_be_replaced_and_breaks_nothing(slots):
    slots.begin_at(START)
    stall(slots, (1 << 32) - 1)
    slots.finish()
    for _ in range(2):
        session(slots)
        assert told(slots) == []
    slots.begin_at(START + 2 * EPOCH_SLOTS + 1)
    stall(slots, 0)
    slots.finish()
    session(slots)
    assert isinstance(told(slots)[0], GrandpaForcedChange)


def test_only_root_says_that_finality_stalled(slots):
    slots.begin_at(START)
    for origin in (Origin.none(), signed(ALICE)):
        with pytest.raises(BadOrigin):
            slots.call(
                "Grandpa",
                "note_stalled",
                origin,
                delay=BlockNumber(1),
                best_finalized_block_number=BlockNumber(0),
            )
