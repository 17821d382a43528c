"""Whose key it was: proofs of every session that is remembered, and of nothing else."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.historical import PROOF_BYTES_MAX, PROOF_NODES_MAX, Historical
from pallets.historical.types import SessionTrie
from primitives.equivocation import MembershipProof
from primitives.scale import U32
from primitives.types import AccountId
from tests.pallets.small_chains import (
    ALICE,
    BOB,
    CHARLIE,
    EPOCH_SLOTS,
    SESSIONS_KEPT,
    SlotChain,
    keys_of,
    proof_of,
    signed,
)

START = 100
KEY = keys_of(0).babe


@pytest.fixture
def chain(slots) -> SlotChain:
    slots.block(START)
    return slots


def rotate(chain: SlotChain, times: int = 1) -> None:
    for _ in range(times):
        index = int(chain.runtime.session.current_index.get())
        chain.block(START + (index + 1) * EPOCH_SLOTS)


def prove(chain: SlotChain, kind: bytes = b"babe", key: bytes = KEY) -> MembershipProof:
    made = chain.runtime.historical.prove_owner(kind, key)
    assert made is not None
    return made


def test_a_key_of_this_session_is_shown_to_be_its_validators(chain):
    historical = chain.runtime.historical
    for seed, who in enumerate((ALICE, BOB, CHARLIE)):
        for kind, key in keys_of(seed).typed():
            made = prove(chain, kind, key)
            assert (made.session, made.validator_count) == (0, 3)
            assert historical.owner_of(kind, key, made) == who


def test_a_proof_stays_good_until_its_session_is_forgotten(chain):
    made = prove(chain)
    for _ in range(SESSIONS_KEPT):
        rotate(chain)
        assert chain.runtime.historical.owner_of(b"babe", KEY, made) == ALICE
    rotate(chain)
    assert chain.runtime.historical.owner_of(b"babe", KEY, made) is None


def test_proofs_are_of_the_keys_in_use_whatever_is_set_or_purged_meanwhile(chain):
    chain.begin_at(START + 1)
    chain.call("Session", "set_keys", signed(ALICE), keys=keys_of(5), proof=proof_of(5, ALICE))
    chain.call("Session", "purge_keys", signed(BOB))
    historical = chain.runtime.historical
    assert historical.owner_of(b"babe", KEY, prove(chain)) == ALICE
    bob = keys_of(1).grandpa
    assert historical.owner_of(b"gran", bob, prove(chain, b"gran", bob)) == BOB
    assert historical.prove_owner(b"babe", keys_of(5).babe) is None
    chain.finish()
    rotate(chain, 2)
    assert chain.runtime.historical.prove_owner(b"babe", KEY) is None
    found = prove(chain, b"babe", keys_of(5).babe)
    assert (found.session, found.validator_count) == (2, 2)


def test_nobodys_key_has_no_proof(chain):
    historical = chain.runtime.historical
    assert historical.prove_owner(b"babe", keys_of(7).babe) is None
    assert historical.prove_owner(b"gran", KEY) is None  # a key of another type


def test_a_proof_shows_one_key_in_one_session_only(chain):
    made, historical = prove(chain), chain.runtime.historical
    other = keys_of(1).babe
    refused = {
        "another key": (b"babe", other, made),
        "another type": (b"gran", KEY, made),
        "another session": (b"babe", KEY, replace(made, session=U32(9))),
        "a session that is only planned": (b"babe", KEY, replace(made, session=U32(1))),
        "another count": (b"babe", KEY, replace(made, validator_count=U32(2))),
        "no nodes": (b"babe", KEY, replace(made, trie_nodes=())),
        "a node too many": (b"babe", KEY, replace(made, trie_nodes=(*made.trie_nodes, b"x"))),
        "a node twice": (b"babe", KEY, replace(made, trie_nodes=made.trie_nodes * 2)),
        "junk": (b"babe", KEY, replace(made, trie_nodes=(b"\xff" * 40,))),
        "too many nodes": (
            b"babe",
            KEY,
            replace(made, trie_nodes=tuple(bytes([n]) for n in range(PROOF_NODES_MAX + 1))),
        ),
        "too long nodes": (b"babe", KEY, replace(made, trie_nodes=(bytes(PROOF_BYTES_MAX + 1),))),
    }
    found = [
        what
        for what, (kind, key, proof) in refused.items()
        if historical.owner_of(kind, key, proof) is not None
    ]
    assert found == []


def test_a_trie_of_ones_own_proves_nothing(chain):
    mine = SessionTrie([(ALICE, ((b"babe", bytes(keys_of(7).babe)),))])
    nodes = mine.prove(b"babe", keys_of(7).babe)
    assert nodes is not None
    forged = MembershipProof(session=U32(0), trie_nodes=nodes, validator_count=U32(3))
    assert chain.runtime.historical.owner_of(b"babe", keys_of(7).babe, forged) is None


def test_a_session_that_changes_nobody_has_the_root_of_the_one_before(chain):
    rotate(chain)
    historical = chain.runtime.historical
    assert historical.historical_sessions.get(U32(2)) == historical.historical_sessions.get(U32(0))


def test_memory_is_bounded_and_without_gaps(chain):
    rotate(chain, SESSIONS_KEPT + 5)
    historical = chain.runtime.historical
    now = int(chain.runtime.session.index())
    first, end = historical.stored_range.get()
    assert (first, end) == (now - SESSIONS_KEPT, now + 2)
    kept = sorted(int(at) for at in historical.historical_sessions.keys(limit=100))
    assert kept == list(range(first, end))


def test_something_is_remembered(chain):
    historical = chain.runtime.historical
    historical.integrity_test()
    historical.config = Historical.Config(**{**vars(historical.config), "sessions_kept": U32(0)})
    with pytest.raises(AssertionError):
        historical.integrity_test()


@given(st.integers(1, 40))
def test_every_key_of_a_session_can_be_proved(count):
    owners = [
        (
            AccountId(bytes([at]) * 32),
            ((b"babe", bytes([at, 1]) * 16), (b"gran", bytes([at, 2]) * 16)),
        )
        for at in range(count)
    ]
    made = SessionTrie(owners)
    for _, keys in owners:
        for kind, key in keys:
            nodes = made.prove(kind, key)
            assert nodes is not None
            assert len(nodes) <= PROOF_NODES_MAX
