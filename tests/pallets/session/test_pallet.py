"""Validators come from genesis; every epoch is a session."""

import pytest

from pallets.session import BABE_KEY_TYPE, GRANDPA_KEY_TYPE, Session
from primitives.scale import U32
from tests.pallets.small_chains import (
    ALICE,
    BOB,
    CHARLIE,
    DAVE,
    EPOCH_SLOTS,
    TREASURY,
    VALIDATORS,
    SlotChain,
    keys_of,
)

FIVE = (ALICE, BOB, CHARLIE, DAVE, TREASURY)


def test_genesis_writes_validators_and_hands_out_their_keys(slots):
    runtime = slots.runtime
    session = runtime.session
    assert session.validators.get() == (ALICE, BOB, CHARLIE)
    assert session.queued_keys.get() == VALIDATORS
    for seed, who in enumerate((ALICE, BOB, CHARLIE)):
        keys = keys_of(seed)
        assert session.next_keys[who] == keys
        assert session.key_owner[BABE_KEY_TYPE, keys.babe] == who
        assert session.key_owner[GRANDPA_KEY_TYPE, keys.grandpa] == who
        assert session.validator_at(seed) == who
        assert runtime.babe.authorities.get()[seed] == (keys.babe, 1)
        assert runtime.grandpa.authority_list()[seed] == (keys.grandpa, 1)


def test_there_is_no_validator_beyond_the_last(slots):
    assert slots.runtime.session.validator_at(3) is None
    assert slots.runtime.session.validator_at(-1) is None


def test_every_epoch_is_a_session(slots):
    slots.block(100)
    assert slots.runtime.session.current_index.get() == 0
    slots.begin_at(100 + EPOCH_SLOTS)
    events = [record.event for record in slots.runtime.event_records()]
    assert events == [Session.NewSession(session_index=U32(1))]
    slots.finish()
    assert slots.runtime.session.current_index.get() == 1


@pytest.mark.parametrize(
    "validators",
    [
        ((ALICE, keys_of(0)), (ALICE, keys_of(1))),
        ((ALICE, keys_of(0)), (BOB, keys_of(0))),
        tuple(
            (who, keys_of(seed)) for seed, who in enumerate((ALICE, BOB, CHARLIE, DAVE, b"5" * 32))
        ),
    ],
)
def test_genesis_refuses_a_validator_twice_a_key_twice_and_too_many(validators):
    with pytest.raises(AssertionError):
        SlotChain(validators=validators)
