"""Warp proofs: made from a real chain, and every forgery of one refused."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from node.consensus.finality import VoterSet
from node.database import BlockId
from node.network.wire import WarpProof
from node.sync import warp
from node.sync.warp import WarpRefused, WarpUnserved, WarpVerifier, make_warp_proof
from primitives.crypto.keys import KeyPair
from primitives.digest import (
    GRANDPA_ENGINE,
    AuthorityKey,
    Consensus,
    Digest,
    GrandpaConsensusLog,
    GrandpaForcedChange,
    GrandpaScheduledChange,
    ScheduledChange,
)
from primitives.header import Header
from primitives.justification import GrandpaJustification, make_justification
from primitives.scale import U64, encode
from primitives.trie import EMPTY_ROOT
from primitives.types import BlockNumber, Hash
from tests.node.net import ALICE_GRANDPA
from tests.node.sync.chains import VOTERS, long_chain

MALLORY = tuple(KeyPair.from_suri(f"//Mallory//{at}", "ed25519") for at in range(3))
SETS = tuple(
    tuple(KeyPair.from_suri(f"//{which}//{at}", "ed25519") for at in range(4))
    for which in ("First", "Second", "Third")
)
GENESIS = BlockId(Hash(b"g" * 32), 0)
Pairs = tuple[KeyPair, ...]
Fragments = list[tuple[Header, GrandpaJustification]]


def voters(pairs: Pairs, set_id: int = 0) -> VoterSet:
    return VoterSet(tuple((pair.public, 1) for pair in pairs), set_id)


def change_to(pairs: Pairs, *, delay: int = 0) -> Consensus:
    listed = tuple((AuthorityKey(pair.public), U64(1)) for pair in pairs)
    change = ScheduledChange(next_authorities=listed, delay=BlockNumber(delay))
    log = GrandpaScheduledChange(change=change)
    return Consensus(engine=GRANDPA_ENGINE, data=encode(GrandpaConsensusLog, log))


def block(number: int, *changes: Consensus) -> Header:
    return Header(Hash(b"p" * 32), BlockNumber(number), EMPTY_ROOT, EMPTY_ROOT, Digest(changes))


def proven(header: Header, pairs: Pairs, set_id: int) -> tuple[Header, GrandpaJustification]:
    number = int(header.number)
    return header, make_justification(header.hash(), number, 7, set_id, pairs[:3])


def good() -> Fragments:
    """Two changes of the voters and a last block."""
    return [
        proven(block(10, change_to(SETS[1])), SETS[0], 0),
        proven(block(20, change_to(SETS[2])), SETS[1], 1),
        proven(block(33), SETS[2], 2),
    ]


def verifier() -> WarpVerifier:
    return WarpVerifier(GENESIS, voters(SETS[0]))


def test_a_good_proof_leads_to_its_last_block_and_set() -> None:
    made = verifier()
    made.verify(WarpProof(tuple(good()), True))
    assert made.is_finished
    assert made.begin.number == 33
    assert made.voters == voters(SETS[2], 2)
    assert [each.ended_set for each in made.fragments] == [0, 1, None]


def test_a_proof_in_parts_is_the_same_proof() -> None:
    made, parts = verifier(), good()
    made.verify(WarpProof(tuple(parts[:1]), False))
    assert not made.is_finished
    made.verify(WarpProof(tuple(parts[1:]), True))
    whole = verifier()
    whole.verify(WarpProof(tuple(good()), True))
    assert (made.begin, made.voters, made.fragments) == (
        whole.begin,
        whole.voters,
        whole.fragments,
    )


def forged_signature(parts: Fragments) -> None:
    header, proof = parts[1]
    vote = proof.commit.precommits[0]
    signature = type(vote.signature)(bytes(64))
    votes = (replace(vote, signature=signature), *proof.commit.precommits[1:])
    parts[1] = header, replace(proof, commit=replace(proof.commit, precommits=votes))


def votes_of_strangers(parts: Fragments) -> None:
    parts[2] = proven(parts[2][0], MALLORY, 2)


def votes_of_the_old_set(parts: Fragments) -> None:
    parts[2] = proven(parts[2][0], SETS[0], 0)


def votes_for_another_set_number(parts: Fragments) -> None:
    parts[1] = proven(parts[1][0], SETS[1], 2)


def too_few_votes(parts: Fragments) -> None:
    header, _ = parts[1]
    parts[1] = header, make_justification(header.hash(), 20, 7, 1, SETS[1][:2])


def one_voter_thrice(parts: Fragments) -> None:
    header, _ = parts[1]
    parts[1] = header, make_justification(header.hash(), 20, 7, 1, (SETS[1][0],) * 3)


def a_missing_link(parts: Fragments) -> None:
    del parts[0]


def a_link_that_changes_nothing(parts: Fragments) -> None:
    parts.insert(1, proven(block(15), SETS[1], 1))


def another_header(parts: Fragments) -> None:
    parts[2] = block(34), parts[2][1]


def backwards(parts: Fragments) -> None:
    parts[2] = proven(block(20), SETS[2], 2)


def contradictory_changes(parts: Fragments) -> None:
    header = block(20, change_to(SETS[2]), change_to(SETS[0]))
    parts[1] = proven(header, SETS[1], 1)


def a_delayed_change(parts: Fragments) -> None:
    parts[1] = proven(block(20, change_to(SETS[2], delay=3)), SETS[1], 1)


def a_forced_change(parts: Fragments) -> None:
    listed = tuple((AuthorityKey(pair.public), U64(1)) for pair in SETS[2])
    change = ScheduledChange(next_authorities=listed, delay=BlockNumber(0))
    log = GrandpaForcedChange(BlockNumber(0), change)
    item = Consensus(engine=GRANDPA_ENGINE, data=encode(GrandpaConsensusLog, log))
    parts[1] = proven(block(20, item), SETS[1], 1)


def nobody_left(parts: Fragments) -> None:
    parts[1] = proven(block(20, change_to(())), SETS[1], 1)


FORGERIES = [
    forged_signature,
    votes_of_strangers,
    votes_of_the_old_set,
    votes_for_another_set_number,
    too_few_votes,
    one_voter_thrice,
    a_missing_link,
    a_link_that_changes_nothing,
    another_header,
    backwards,
    contradictory_changes,
    a_delayed_change,
    a_forced_change,
    nobody_left,
]


@pytest.mark.parametrize("forge", FORGERIES)
def test_a_forged_proof_is_refused_and_changes_nothing(
    forge: Callable[[Fragments], None],
) -> None:
    parts = good()
    forge(parts)
    made = verifier()
    with pytest.raises(WarpRefused):
        made.verify(WarpProof(tuple(parts), True))
    assert made.begin == GENESIS
    assert made.fragments == []
    made.verify(WarpProof(tuple(good()), True))


def test_an_empty_proof_may_only_end_the_search() -> None:
    made = verifier()
    with pytest.raises(WarpRefused, match="promises more"):
        made.verify(WarpProof((), False))
    with pytest.raises(WarpRefused, match="changes no voters"):
        made.verify(WarpProof((proven(block(5), SETS[0], 0),), False))
    made.verify(WarpProof((), True))
    assert made.is_finished
    assert made.begin == GENESIS


def test_too_many_fragments_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warp, "FRAGMENTS_TOTAL_MAX", 2)
    with pytest.raises(WarpRefused, match="more than 2"):
        verifier().verify(WarpProof(tuple(good()), True))


def test_a_search_goes_on_from_the_last_change() -> None:
    made = verifier()
    made.verify(WarpProof(tuple(good()), True))
    made.verify(WarpProof((proven(block(40), SETS[2], 2),), True))
    assert [each.id.number for each in made.fragments] == [10, 20, 40]
    made.verify(WarpProof((), True))
    assert made.begin.number == 40


# Made from a real chain.


def test_a_proof_of_a_real_chain_has_its_changes_and_its_end() -> None:
    database = long_chain(200).chain.database
    proof = make_warp_proof(database, database.genesis_hash)
    numbers = [int(header.number) for header, _ in proof.fragments]
    assert len(numbers) == 4
    assert numbers[-1] == database.finalized().number
    assert proof.is_finished
    again = WarpProof.decode(proof.encode())
    made = WarpVerifier(database.finalized(), voters((ALICE_GRANDPA,)))
    made.begin = BlockId(database.genesis_hash, 0)
    made.verify(again)
    assert made.voters == voters((VOTERS[2],), 3)


def test_a_proof_is_cut_where_it_grows_too_long_and_goes_on_there() -> None:
    database = long_chain(200).chain.database
    made = WarpVerifier(BlockId(database.genesis_hash, 0), voters((ALICE_GRANDPA,)))
    rounds = 0
    while not made.is_finished:
        made.verify(make_warp_proof(database, made.begin.hash, bytes_limit=600))
        rounds += 1
    assert rounds > 1
    assert made.begin == database.finalized()


def test_a_proof_from_the_end_is_empty() -> None:
    database = long_chain(200).chain.database
    proof = make_warp_proof(database, database.finalized().hash)
    assert proof == WarpProof((), True)


def test_nothing_is_proven_from_a_block_that_is_not_final_here() -> None:
    database = long_chain(200).chain.database
    with pytest.raises(WarpUnserved):
        make_warp_proof(database, Hash(b"?" * 32))
