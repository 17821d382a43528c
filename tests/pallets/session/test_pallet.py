"""Who validates when: elections and keys count two sessions later, stolen keys never."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pallets.frame import BadOrigin, Origin
from pallets.session import (
    Session,
    SessionKeys,
    possession_statement,
    prove_possession,
)
from primitives.crypto.keys import verify
from primitives.digest import (
    BABE_ENGINE,
    AuthorityKey,
    BabeConsensusLog,
    BabeOnDisabled,
    NextEpochData,
)
from primitives.scale import U32, decode
from primitives.types import BABE_KEY_TYPE, GRANDPA_KEY_TYPE, AccountId
from tests.pallets.small_chains import (
    ALICE,
    BOB,
    CHARLIE,
    DAVE,
    EPOCH_SLOTS,
    MANY,
    VALIDATORS,
    VALIDATORS_MAX,
    SlotChain,
    keys_of,
    pair_of,
    proof_of,
    signed,
    voter_of,
)

START = 100


def slot_of(session: int) -> int:
    """The first slot of a session."""
    return START + session * EPOCH_SLOTS


def next_session(chain: SlotChain) -> None:
    """Begin the block that begins the next session."""
    chain.begin_at(slot_of(int(chain.runtime.session.current_index.get()) + 1))


def exist(chain: SlotChain, *accounts: AccountId) -> None:
    for who in accounts:
        chain.runtime.system.inc_providers(who)


@pytest.fixture
def chain(slots) -> SlotChain:
    """A block is begun; Dave exists and validates nothing."""
    slots.begin_at(START)
    exist(slots, DAVE)
    return slots


# Genesis.


def test_genesis_writes_validators_and_hands_out_their_keys(slots):
    runtime = slots.runtime
    session = runtime.session
    assert session.validators.get() == (ALICE, BOB, CHARLIE)
    assert session.queued_keys.get() == VALIDATORS
    assert session.active_keys.get() == tuple(keys for _, keys in VALIDATORS)
    assert not session.queued_changed.get()
    for seed, who in enumerate((ALICE, BOB, CHARLIE)):
        keys = keys_of(seed)
        assert session.next_keys[who] == session.keys_of(who) == keys
        assert session.key_owner[BABE_KEY_TYPE, keys.babe] == who
        assert session.key_owner[GRANDPA_KEY_TYPE, keys.grandpa] == who
        assert session.validator_at(seed) == who
        assert runtime.babe.authorities.get()[seed] == (keys.babe, 1)
        assert runtime.grandpa.authority_list()[seed] == (keys.grandpa, 1)
        assert runtime.system.account[who].consumers == 1


def test_the_manager_chooses_the_first_two_sessions():
    chain = SlotChain(elected={0: (CHARLIE, ALICE), 1: (BOB,)})
    runtime = chain.runtime
    assert chain.elector.told == [("new", 0), ("new", 1), ("start", 0)]
    assert runtime.session.validators.get() == (CHARLIE, ALICE)
    assert runtime.session.queued_changed.get()
    assert [key for key, _ in runtime.babe.authorities.get()] == [keys_of(2).babe, keys_of(0).babe]
    assert [key for key, _ in runtime.babe.next_authorities.get()] == [keys_of(1).babe]
    chain.block(START)
    chain.block(slot_of(1))
    assert chain.runtime.session.validators.get() == (BOB,)
    assert chain.runtime.grandpa.authority_list() == ((keys_of(1).grandpa, 1),)


def test_there_is_no_validator_beyond_the_last(slots):
    assert slots.runtime.session.validator_at(3) is None
    assert slots.runtime.session.validator_at(-1) is None


@pytest.mark.parametrize(
    "validators",
    [
        ((ALICE, keys_of(0)), (ALICE, keys_of(1))),
        ((ALICE, keys_of(0)), (BOB, keys_of(0))),
        (*MANY, (AccountId(b"9" * 32), keys_of(VALIDATORS_MAX))),
    ],
)
def test_genesis_refuses_a_validator_twice_a_key_twice_and_too_many(validators):
    with pytest.raises(AssertionError):
        SlotChain(validators=validators)


def test_a_chain_has_room_for_a_validator(slots):
    session = slots.runtime.session
    session.integrity_test()
    session.config = Session.Config(**{**vars(session.config), "max_validators": U32(0)})
    with pytest.raises(AssertionError):
        session.integrity_test()


# Rotation.


def test_every_epoch_is_a_session(chain):
    assert chain.runtime.session.current_index.get() == 0
    chain.finish()
    next_session(chain)
    assert chain.events() == [Session.NewSession(session_index=U32(1))]
    chain.finish()
    assert chain.runtime.session.current_index.get() == 1


def test_the_manager_is_asked_in_order(chain):
    chain.finish()
    chain.elector.told.clear()
    next_session(chain)
    assert chain.elector.told == [("end", 0), ("start", 1), ("new", 2)]


def test_skipped_epochs_are_one_session(chain):
    chain.finish()
    chain.begin_at(slot_of(4))
    assert chain.runtime.session.current_index.get() == 1
    assert chain.runtime.babe.epoch_index.get() == 4


def test_who_is_elected_is_announced_a_session_ahead_and_then_takes_office(chain):
    chain.call("Session", "set_keys", signed(DAVE), keys=keys_of(3), proof=proof_of(3, DAVE))
    chain.finish()
    chain.elector.answers[2] = (DAVE, ALICE)
    next_session(chain)
    session = chain.runtime.session
    assert session.validators.get() == (ALICE, BOB, CHARLIE)
    assert session.queued_keys.get() == ((DAVE, keys_of(3)), (ALICE, keys_of(0)))
    assert session.queued_changed.get()
    chain.finish()
    told = [decode(BabeConsensusLog, data) for data in chain.digest.consensus(BABE_ENGINE)]
    assert [key for each in told for key, _ in each.authorities] == [
        keys_of(3).babe,
        keys_of(0).babe,
    ]
    chain.block(slot_of(2))
    session = chain.runtime.session
    assert session.validators.get() == (DAVE, ALICE)
    assert session.validator_at(0) == DAVE
    assert not session.queued_changed.get()
    assert chain.runtime.babe.author() in (DAVE, ALICE)


def test_without_an_answer_the_set_stays(chain):
    chain.finish()
    for _ in range(4):
        next_session(chain)
        chain.finish()
    assert chain.runtime.session.validators.get() == (ALICE, BOB, CHARLIE)


@pytest.mark.parametrize(
    ("elected", "found"),
    [
        ((), (ALICE, BOB, CHARLIE)),
        ((DAVE,), (ALICE, BOB, CHARLIE)),
        ((DAVE, BOB), (BOB,)),
        ((BOB, BOB, ALICE, BOB), (BOB, ALICE)),
    ],
)
def test_who_has_no_keys_or_comes_twice_is_left_out_and_somebody_stays(chain, elected, found):
    chain.finish()
    chain.elector.answers[2] = elected
    next_session(chain)
    assert tuple(who for who, _ in chain.runtime.session.queued_keys.get()) == found


def test_no_more_validate_than_may():
    chain = SlotChain(validators=MANY)
    extra = AccountId(b"9" * 32)
    chain.begin_at(START)
    exist(chain, extra)
    seed = VALIDATORS_MAX
    chain.call(
        "Session", "set_keys", signed(extra), keys=keys_of(seed), proof=proof_of(seed, extra)
    )
    chain.finish()
    everybody = (*(who for who, _ in MANY), extra)
    chain.elector.answers[2] = everybody
    next_session(chain)
    assert tuple(who for who, _ in chain.runtime.session.queued_keys.get()) == everybody[:-1]


@settings(max_examples=20, deadline=None)
@given(
    answers=st.lists(
        st.none() | st.lists(st.sampled_from([who for who, _ in MANY]), max_size=7), max_size=6
    )
)
def test_engines_always_have_the_validators_in_their_order(answers):
    chain = SlotChain(validators=MANY)
    chain.elector.answers = {
        at + 2: tuple(found) for at, found in enumerate(answers) if found is not None
    }
    chain.block(START)
    ids = [0]
    for session in range(1, len(answers) + 2):
        before = chain.runtime.babe.next_authorities.get()
        chain.block(slot_of(session))
        runtime = chain.runtime
        owners = [runtime.session.key_owner[BABE_KEY_TYPE, key] for key, _ in before]
        assert runtime.babe.authorities.get() == before
        assert runtime.session.validators.get() == tuple(owners)
        assert len(set(owners)) == len(owners) > 0
        voters = [
            runtime.session.key_owner[GRANDPA_KEY_TYPE, key]
            for key, _ in runtime.grandpa.authority_list()
        ]
        assert voters == owners
        ids.append(int(runtime.grandpa.set_id()))
    assert all(after - before in (0, 1) for before, after in pairwise(ids))


# Setting keys.


def test_new_keys_work_from_the_session_after_the_next(chain):
    chain.call("Session", "set_keys", signed(ALICE), keys=keys_of(5), proof=proof_of(5, ALICE))
    chain.finish()
    sessions = []
    for _ in range(2):
        next_session(chain)
        chain.finish()
        sessions.append(chain.runtime.babe.authorities.get()[0][0])
    assert sessions == [keys_of(0).babe, keys_of(5).babe]
    assert chain.runtime.grandpa.authority_list()[0][0] == keys_of(5).grandpa
    assert chain.runtime.grandpa.set_id() == 1
    assert chain.runtime.session.active_keys.get()[0] == keys_of(5)


def test_keys_that_are_replaced_are_free_again(chain):
    chain.call("Session", "set_keys", signed(ALICE), keys=keys_of(5), proof=proof_of(5, ALICE))
    session = chain.runtime.session
    assert (BABE_KEY_TYPE, keys_of(0).babe) not in session.key_owner
    assert session.key_owner[BABE_KEY_TYPE, keys_of(5).babe] == ALICE
    assert chain.runtime.system.account[ALICE].consumers == 1
    chain.call("Session", "set_keys", signed(ALICE), keys=keys_of(5), proof=proof_of(5, ALICE))
    assert session.key_owner[GRANDPA_KEY_TYPE, keys_of(5).grandpa] == ALICE


def test_keys_are_not_taken_without_each_keys_signature(chain):
    alice = proof_of(0, DAVE)  # what Alice would have to sign for it
    own = proof_of(3, DAVE)
    stolen = [
        (keys_of(0), b""),  # no proof at all
        (keys_of(0), bytes(128)),
        (keys_of(0), own),  # signed by the thief's keys
        (keys_of(0), proof_of(0, ALICE)),  # seen on chain when Alice set them
        (keys_of(0), alice[:64] + own[64:]),
        (keys_of(0), own[:64] + alice[64:]),
        (keys_of(3), proof_of(3, BOB)),
        (keys_of(3), own + b"\0"),
        (keys_of(3), own[:-1]),
        (keys_of(3), own[64:] + own[:64]),
        (keys_of(3), bytes([own[0] ^ 1]) + own[1:]),
    ]
    for keys, proof in stolen:
        with pytest.raises(Session.InvalidProof):
            chain.call("Session", "set_keys", signed(DAVE), keys=keys, proof=proof)
    assert DAVE not in chain.runtime.session.next_keys
    chain.call("Session", "set_keys", signed(DAVE), keys=keys_of(3), proof=own)


def test_keys_that_everybody_can_sign_with_are_not_taken(chain):
    base = bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76")
    one = bytearray((1).to_bytes(32, "little"))
    one[31] |= 0x80  # how schnorrkel marks its signatures
    nobodys, own, proof = AuthorityKey(bytes(32)), keys_of(3), proof_of(3, DAVE)
    # Signatures that hold for any message, made without a secret.
    identity, small = base + bytes(one), bytes([1]) + bytes(63)
    statement = possession_statement(DAVE)
    assert verify("sr25519", nobodys, statement, identity)
    assert verify("ed25519", nobodys, statement, small)
    for keys, forged in (
        (SessionKeys(babe=nobodys, grandpa=own.grandpa), identity + proof[64:]),
        (SessionKeys(babe=own.babe, grandpa=nobodys), proof[:64] + small),
    ):
        with pytest.raises(Session.InvalidProof):
            chain.call("Session", "set_keys", signed(DAVE), keys=keys, proof=forged)


def test_a_key_belongs_to_one_account_even_if_its_holder_signs_for_two(chain):
    with pytest.raises(Session.DuplicatedKey):
        chain.call("Session", "set_keys", signed(DAVE), keys=keys_of(0), proof=proof_of(0, DAVE))
    mixed = type(keys_of(3))(babe=keys_of(3).babe, grandpa=keys_of(1).grandpa)
    proof = prove_possession(DAVE, pair_of(3), voter_of(1))
    with pytest.raises(Session.DuplicatedKey):
        chain.call("Session", "set_keys", signed(DAVE), keys=mixed, proof=proof)
    assert (BABE_KEY_TYPE, keys_of(3).babe) not in chain.runtime.session.key_owner


def test_an_account_that_does_not_exist_sets_no_keys(chain):
    nobody = AccountId(b"n" * 32)
    with pytest.raises(Session.NoAccount):
        chain.call(
            "Session", "set_keys", signed(nobody), keys=keys_of(3), proof=proof_of(3, nobody)
        )
    assert nobody not in chain.runtime.session.next_keys


def test_keys_keep_their_account_alive(chain):
    system = chain.runtime.system
    assert system.can_dec_provider(DAVE)
    chain.call("Session", "set_keys", signed(DAVE), keys=keys_of(3), proof=proof_of(3, DAVE))
    assert not system.can_dec_provider(DAVE)
    chain.call("Session", "purge_keys", signed(DAVE))
    assert system.can_dec_provider(DAVE)


def test_only_an_account_sets_and_purges_keys(chain):
    for origin in (Origin.none(), Origin.root()):
        with pytest.raises(BadOrigin):
            chain.call("Session", "set_keys", origin, keys=keys_of(3), proof=proof_of(3, DAVE))
        with pytest.raises(BadOrigin):
            chain.call("Session", "purge_keys", origin)


# Purging.


def test_who_has_no_keys_purges_none(chain):
    with pytest.raises(Session.NoKeys):
        chain.call("Session", "purge_keys", signed(DAVE))


def test_a_validator_that_purges_works_to_the_end_of_what_was_announced(chain):
    chain.call("Session", "purge_keys", signed(BOB))
    session = chain.runtime.session
    assert BOB not in session.next_keys
    assert (BABE_KEY_TYPE, keys_of(1).babe) not in session.key_owner
    assert (GRANDPA_KEY_TYPE, keys_of(1).grandpa) not in session.key_owner
    chain.finish()
    found = []
    for _ in range(2):
        next_session(chain)
        chain.finish()
        found.append(chain.runtime.session.validators.get())
    assert found == [(ALICE, BOB, CHARLIE), (ALICE, CHARLIE)]


def test_the_last_validators_cannot_purge_themselves_away(chain):
    for who in (ALICE, BOB, CHARLIE):
        chain.call("Session", "purge_keys", signed(who))
    chain.finish()
    for _ in range(3):
        next_session(chain)
        chain.finish()
    assert chain.runtime.session.validators.get() == (ALICE, BOB, CHARLIE)


def test_a_purged_key_can_be_set_by_its_holder_for_another_account(chain):
    chain.call("Session", "purge_keys", signed(BOB))
    chain.call("Session", "set_keys", signed(DAVE), keys=keys_of(1), proof=proof_of(1, DAVE))
    chain.finish()
    chain.elector.answers[2] = (BOB, DAVE)
    next_session(chain)
    assert chain.runtime.session.queued_keys.get() == ((DAVE, keys_of(1)),)


# Disabling.


@pytest.fixture
def seven() -> SlotChain:
    """Seven validators; a block is begun."""
    chain = SlotChain(validators=MANY)
    chain.begin_at(START)
    return chain


def test_an_offender_authors_no_more_and_light_clients_hear_of_it(seven):
    session = seven.runtime.session
    who = session.validator_at(2)
    assert session.disable(who)
    assert session.disable(who)  # once is enough
    assert seven.events()[-1:] == [Session.ValidatorDisabled(validator=who)]
    assert session.disabled(in_next=False) == (2,)
    seven.finish()
    told = [decode(BabeConsensusLog, data) for data in seven.digest.consensus(BABE_ENGINE)]
    assert told[-1] == BabeOnDisabled(authority_index=U32(2))
    assert sum(isinstance(each, NextEpochData) for each in told) == 1
    assert seven.runtime.babe.authorities_at(START + 1).disabled == (2,)


def test_at_most_a_third_is_disabled(seven, chain):
    session = seven.runtime.session
    assert [session.disable(session.validator_at(at)) for at in (5, 1, 3)] == [True, True, False]
    assert session.disabled_validators.get() == (1, 5)
    assert not chain.runtime.session.disable(ALICE)  # one of three


def test_who_does_not_validate_is_not_disabled(seven):
    assert not seven.runtime.session.disable(AccountId(b"n" * 32))


def test_changing_keys_does_not_bring_an_offender_back(seven):
    session = seven.runtime.session
    who = session.validator_at(2)
    session.disable(who)
    seven.call("Session", "set_keys", signed(who), keys=keys_of(9), proof=proof_of(9, who))
    seven.finish()
    for at in (1, 2, 3):
        assert seven.runtime.session.disabled(in_next=True) == (2,)
        seven.begin_at(free_slot(seven, slot_of(at)))
        seven.finish()
    assert seven.runtime.session.active_keys.get()[2] == keys_of(9)
    assert seven.runtime.babe.authorities_at(slot_of(3) + 1).disabled == (2,)


def test_another_set_begins_with_nobody_disabled(seven):
    session = seven.runtime.session
    session.disable(session.validator_at(2))
    seven.finish()
    seven.elector.answers[2] = tuple(who for who, _ in MANY[:6])
    seven.block(free_slot(seven, slot_of(1)))
    assert seven.runtime.session.disabled(in_next=False) == (2,)
    assert seven.runtime.session.disabled(in_next=True) == ()
    assert seven.runtime.babe.authorities_at(slot_of(2)).disabled == ()
    seven.block(slot_of(2))
    assert seven.runtime.session.disabled_validators.get() == ()


def free_slot(chain: SlotChain, earliest: int) -> int:
    """A slot from ``earliest`` on whose owner may author."""
    disabled = chain.runtime.babe.authorities_at(earliest).disabled
    return next(at for at in range(earliest, earliest + 50) if chain.owner(at) not in disabled)
