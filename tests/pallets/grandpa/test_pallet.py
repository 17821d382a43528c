"""Who votes on finality."""

import pytest

from primitives.scale import U32, U64
from tests.pallets.small_chains import EPOCH_SLOTS, VALIDATORS, VALIDATORS_MAX, keys_of


def test_the_voters_are_those_of_genesis_with_one_vote_each(slots):
    grandpa = slots.runtime.grandpa
    assert grandpa.authority_list() == tuple((keys.grandpa, U64(1)) for _, keys in VALIDATORS)
    assert grandpa.set_id() == 0
    assert grandpa.set_id_session[U64(0)] == U32(0)


def test_a_new_epoch_keeps_the_set(slots):
    before = slots.runtime.grandpa.authority_list()
    slots.block(100)
    slots.block(100 + 2 * EPOCH_SLOTS)
    assert slots.runtime.grandpa.authority_list() == before
    assert slots.runtime.grandpa.set_id() == 0


def test_genesis_takes_as_many_voters_as_the_limit(slots):
    grandpa = slots.runtime.grandpa
    grandpa.on_genesis_session(tuple(keys_of(seed).grandpa for seed in range(VALIDATORS_MAX)))
    for count in (0, VALIDATORS_MAX + 1):
        with pytest.raises(AssertionError):
            grandpa.on_genesis_session(tuple(keys_of(seed).grandpa for seed in range(count)))
