"""What holds of sessions whatever accounts, elections and offences do."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pallets.frame.error import DispatchFailure
from primitives.types import BABE_KEY_TYPE, GRANDPA_KEY_TYPE, AccountId
from tests.pallets.small_chains import (
    EPOCH_SLOTS,
    SESSIONS_KEPT,
    SlotChain,
    keys_of,
    proof_of,
    signed,
)

START = 100
WHO = tuple(AccountId(bytes([seed + 1]) * 32) for seed in range(6))
GENESIS = tuple((who, keys_of(seed)) for seed, who in enumerate(WHO[:5]))

SEEDS, PEOPLE = st.integers(0, 9), st.integers(0, 5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), PEOPLE, SEEDS),
        st.tuples(st.just("purge"), PEOPLE, st.just(0)),
        st.tuples(st.just("elect"), st.permutations(range(6)), st.integers(0, 6)),
        st.tuples(st.just("offend"), PEOPLE, st.just(0)),
        st.tuples(st.just("rotate"), st.integers(1, 3), st.just(0)),
    ),
    max_size=25,
)


def step(chain: SlotChain, kind: str, first, second) -> None:
    session = chain.runtime.session
    try:
        match kind:
            case "set":
                who = WHO[first]
                keys, proof = keys_of(second), proof_of(second, who)
                chain.call("Session", "set_keys", signed(who), keys=keys, proof=proof)
            case "purge":
                chain.call("Session", "purge_keys", signed(WHO[first]))
            case "elect":
                planned = int(session.current_index.get()) + 2
                chain.elector.answers[planned] = tuple(WHO[at] for at in first[:second])
            case "offend":
                session.disable(WHO[first])
    except DispatchFailure:
        pass
    if kind == "rotate":
        index = int(chain.runtime.babe.epoch_index.get()) + first
        begin = START + index * EPOCH_SLOTS
        epoch = chain.runtime.babe.authorities_at(begin)
        slots = range(begin, begin + 400)
        slot = next(at for at in slots if chain.owner(at) not in epoch.disabled)
        chain.finish()
        chain.begin_at(slot)


def check(chain: SlotChain) -> None:
    runtime = chain.runtime
    session = runtime.session
    owned = {
        (kind, bytes(key)): who
        for who, keys in session.next_keys.items(limit=100)
        for kind, key in keys.typed()
    }
    assert {(kind, key): who for (kind, key), who in session.key_owner.items(limit=100)} == owned
    for who in WHO:
        assert runtime.system.account[who].consumers == (who in session.next_keys)
    validators, active = session.validators.get(), session.active_keys.get()
    queued = session.queued_keys.get()
    assert len(validators) == len(active) > 0
    assert queued
    for group in (validators, [who for who, _ in queued], [keys.babe for keys in active]):
        assert len(set(group)) == len(group)
    is_same = tuple(zip(validators, active, strict=True)) == queued
    assert session.queued_changed.get() != is_same
    assert [key for key, _ in runtime.babe.authorities.get()] == [keys.babe for keys in active]
    assert [key for key, _ in runtime.babe.next_authorities.get()] == [
        keys.babe for _, keys in queued
    ]
    disabled = session.disabled_validators.get()
    assert list(disabled) == sorted(set(disabled))
    assert len(disabled) <= (len(validators) - 1) // 3
    assert all(at < len(validators) for at in disabled)
    first, end = runtime.historical.stored_range.get()
    assert end == session.current_index.get() + 2
    assert end - first <= SESSIONS_KEPT + 2
    for at, who in enumerate(validators):
        for kind, key in ((BABE_KEY_TYPE, active[at].babe), (GRANDPA_KEY_TYPE, active[at].grandpa)):
            made = runtime.historical.prove_owner(kind, key)
            assert made is not None
            assert runtime.historical.owner_of(kind, key, made) == who


@settings(max_examples=30, deadline=None)
@given(STEPS)
def test_the_laws_of_sessions_hold_after_every_step(steps):
    chain = SlotChain(validators=GENESIS)
    chain.begin_at(START)
    chain.runtime.system.inc_providers(WHO[5])
    for kind, first, second in steps:
        step(chain, kind, first, second)
        check(chain)
        if kind == "rotate":
            before = chain.runtime.session.active_keys.get()
            chain.finish()
            voters = [key for key, _ in chain.runtime.grandpa.authority_list()]
            assert voters == [keys.grandpa for keys in before]
            slot = int(chain.runtime.babe.current_slot.get()) + 1
            epoch = chain.runtime.babe.authorities_at(slot)
            while chain.owner(slot) in epoch.disabled:
                slot += 1
                epoch = chain.runtime.babe.authorities_at(slot)
            chain.begin_at(slot)
