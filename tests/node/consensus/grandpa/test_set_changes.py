"""Other voters from one block on: who votes for what, what is kept of it, and forced changes."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio

from node.consensus.authorities import check_set_change, set_change_of
from node.consensus.chain import SetChangeFirst
from node.consensus.finality import VoterSet
from primitives.crypto.keys import KeyPair
from primitives.digest import (
    GRANDPA_ENGINE,
    AuthorityKey,
    Consensus,
    Digest,
    GrandpaConsensusLog,
    GrandpaForcedChange,
    GrandpaPause,
    GrandpaScheduledChange,
    ScheduledChange,
)
from primitives.errors import InvalidBlock
from primitives.header import Header
from primitives.justification import (
    GrandpaJustification,
    InvalidJustification,
    make_justification,
    verify_justification,
)
from primitives.scale import U64, encode
from primitives.types import BlockNumber
from tests.node.consensus.grandpa.cluster import (  # noqa: F401
    GRANDPA,
    Cluster,
    Node,
    _no_threads,
    four,
    play,
)

FRESH = KeyPair.from_suri("//Dave//votes", "ed25519")


async def change(cluster: Cluster) -> Header:
    """Dave votes with another key: the block that says so."""
    header = cluster.make("Alice", cluster.rotate("Dave", FRESH))
    await cluster.give(header)
    for _ in range(3):
        header = await cluster.pass_epoch()
        if set_change_of(header) is not None:
            return header
    raise AssertionError("because a key changes within two sessions")


def with_fresh_key(folder: Path | None = None) -> list[Node]:
    nodes = four(folder)
    nodes[3].keys = [*nodes[3].keys, FRESH]
    return nodes


def test_the_old_set_finalises_the_change_and_the_new_one_what_follows() -> None:
    async def script(cluster: Cluster) -> None:
        header = await change(cluster)
        number = int(header.number)
        await cluster.until_final(number)
        cluster.kill("Alice")  # from here on Dave's new key is needed
        await cluster.grow(2)
        await cluster.until_final(number + 2)
        old = sorted(pair.public for pair in GRANDPA)
        new = sorted([*(pair.public for pair in GRANDPA[:3]), FRESH.public])
        for node in (cluster["Bob"], cluster["Dave"]):
            assert node.chain.set_change_blocks() == {0: header.hash()}
            assert node.stats().set_id == 1
            raw = node.database.justification(header.hash())
            assert raw is not None
            verify_justification(GrandpaJustification.decode(raw), old, 0)
            raw = node.database.justification(node.database.finalized().hash)
            assert raw is not None
            verify_justification(GrandpaJustification.decode(raw), new, 1)

    play(script, with_fresh_key())


def test_no_vote_passes_a_change_that_is_not_final() -> None:
    """Blocks go on above the change while nobody can finalise; then the old set ends with it."""

    async def script(cluster: Cluster) -> None:
        for name in ("Charlie", "Dave"):
            cluster.kill(name)
        header = await change(cluster)
        await cluster.grow(3)
        await trio.sleep(10)
        best = cluster["Alice"].database.best()
        view = cluster["Alice"].shell._view
        assert view is not None
        found = view.best_containing(cluster["Alice"].database.genesis_hash)
        assert found == (header.hash(), int(header.number))
        assert view.best_containing(best.hash) is None
        for name in ("Charlie", "Dave"):
            await cluster.start(name)
            await cluster.give(cluster["Alice"].chain.best_header(), name)
        await cluster.until_final(best.number)
        assert cluster["Alice"].chain.set_change_blocks() == {0: header.hash()}

    play(script, with_fresh_key())


def test_a_restart_goes_on_in_the_new_set(tmp_path: Path) -> None:
    async def script(cluster: Cluster) -> None:
        header = await change(cluster)
        await cluster.until_final(int(header.number))
        cluster.kill("Charlie")
        await cluster.grow(1)
        await cluster.start("Charlie")
        await cluster.give(cluster["Alice"].chain.best_header(), "Charlie")
        cluster.kill("Bob")
        await cluster.grow(1)
        await cluster.until_final(int(header.number) + 2)
        assert cluster["Charlie"].stats().set_id == 1

    play(script, with_fresh_key(tmp_path))


def test_a_node_whose_chain_is_behind_its_last_vote_only_watches(tmp_path: Path) -> None:
    """It lost its database after it voted in set 1: in set 0 it must not vote once more."""

    async def script(cluster: Cluster) -> None:
        header = await change(cluster)
        await cluster.until_final(int(header.number))
        await trio.sleep(3)
        bob = cluster["Bob"]
        assert bob.votes.last is not None
        assert bob.votes.last.set_id == 1
        cluster.kill("Bob")
        bob.kv = type(bob.kv)()
        await cluster.start("Bob")
        assert not bob.shell.is_voter
        await cluster.give(cluster["Alice"].chain.best_header(), "Bob")
        proof = cluster["Alice"].database.justification(header.hash())
        assert proof is not None
        await bob.writer.import_justification(header.hash(), proof)
        await trio.sleep(3)
        assert bob.shell.is_voter

    play(script, with_fresh_key(tmp_path))


def test_finality_goes_through_a_change_and_not_past_it() -> None:
    async def script(cluster: Cluster) -> None:
        cluster.kill("Dave")
        cluster.kill("Charlie")
        header = await change(cluster)
        above = cluster.make("Alice")
        chain = cluster["Alice"].chain
        new = [*GRANDPA[:3], FRESH]
        number = int(above.number)
        early = make_justification(above.hash(), number, 1, 1, new).encode()
        with pytest.raises(SetChangeFirst, match="changes the voters"):
            chain.import_justification(above.hash(), early)
        old = make_justification(above.hash(), number, 1, 0, GRANDPA).encode()
        with pytest.raises(InvalidJustification):
            chain.import_justification(above.hash(), old)
        final = make_justification(header.hash(), number - 1, 1, 0, GRANDPA).encode()
        assert header.hash() in chain.import_justification(header.hash(), final).hashes
        assert chain.import_justification(above.hash(), early).hashes == (above.hash(),)

    play(script, with_fresh_key())


def test_voters_that_are_lost_for_good_are_replaced_by_force() -> None:
    """Two of four never come back: root forces voters, and finality goes on from there."""
    fresh = [KeyPair.from_suri(f"//{name}//votes", "ed25519") for name in ("Charlie", "Dave")]

    async def script(cluster: Cluster) -> None:
        alice = cluster["Alice"]
        await cluster.grow(1)
        await cluster.until_final(1)
        for name in ("Charlie", "Dave"):
            cluster.kill(name)
        calls = [
            cluster.rotate(name, pair)
            for name, pair in zip(("Charlie", "Dave"), fresh, strict=True)
        ]
        await cluster.give(cluster.make("Alice", *calls))
        await cluster.pass_epoch()
        await cluster.give(cluster.make("Alice", cluster.give_up(1)))
        forcing = await cluster.pass_epoch()
        change = set_change_of(forcing)
        assert change is not None
        assert change.is_forced
        await cluster.start("New")
        await cluster.give(forcing, "New")
        await cluster.grow(2)
        number = int(forcing.number)
        await cluster.until_final(number + 2, "Alice", "Bob", "New")
        assert alice.stats().set_id == 1
        assert alice.database.canonical_hash(number) == forcing.hash()
        raw = alice.database.justification(alice.database.finalized().hash)
        assert raw is not None
        keys = sorted([*(pair.public for pair in GRANDPA[:2]), *(pair.public for pair in fresh)])
        verify_justification(GrandpaJustification.decode(raw), keys, 1)

    play(script, [*four(), Node("New", fresh[:1])], start=("Alice", "Bob", "Charlie", "Dave"))


# What a header may say.

NEXT = ((AuthorityKey(FRESH.public), U64(1)),)
SCHEDULED = ScheduledChange(next_authorities=NEXT, delay=BlockNumber(0))
BEFORE = VoterSet(((GRANDPA[0].public, 1),), 4)
AFTER = VoterSet(((FRESH.public, 1),), 5)


def saying(*items: GrandpaConsensusLog) -> Header:
    logs = tuple(
        Consensus(engine=GRANDPA_ENGINE, data=encode(GrandpaConsensusLog, item)) for item in items
    )
    zero = bytes(32)
    made = Header.decode(zero + b"\x04" + zero + zero + b"\x00")
    return replace(made, digest=Digest(logs))


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ((GrandpaScheduledChange(change=SCHEDULED),) * 2, "twice"),
        ((GrandpaPause(delay=BlockNumber(3)),), "none of this chain"),
        (
            (GrandpaScheduledChange(change=replace(SCHEDULED, delay=BlockNumber(2))),),
            "2 blocks later",
        ),
        (
            (GrandpaScheduledChange(change=replace(SCHEDULED, next_authorities=())),),
            "nobody to vote",
        ),
        (
            (
                GrandpaScheduledChange(change=SCHEDULED),
                GrandpaForcedChange(median=BlockNumber(0), change=SCHEDULED),
            ),
            "twice",
        ),
    ],
)
def test_contradictory_changes_are_refused(
    items: tuple[GrandpaConsensusLog, ...], text: str
) -> None:
    with pytest.raises(InvalidBlock, match=text):
        set_change_of(saying(*items))


def test_a_malformed_message_to_voters_is_refused() -> None:
    junk = replace(saying(), digest=Digest((Consensus(engine=GRANDPA_ENGINE, data=b"\x09"),)))
    with pytest.raises(InvalidBlock, match="malformed"):
        set_change_of(junk)


def test_the_header_says_what_the_execution_did() -> None:
    told, silent = saying(GrandpaScheduledChange(change=SCHEDULED)), saying()
    assert check_set_change(told, BEFORE, AFTER) is not None
    assert check_set_change(silent, BEFORE, BEFORE) is None
    with pytest.raises(InvalidBlock, match="without saying so"):
        check_set_change(silent, BEFORE, AFTER)
    for after in (BEFORE, replace(AFTER, set_id=6), replace(AFTER, authorities=())):
        with pytest.raises(InvalidBlock, match="other voters"):
            check_set_change(told, BEFORE, after)


def test_keys_that_are_moved_within_a_set_sign_for_no_round_twice(tmp_path: Path) -> None:
    """One node holds three of four keys, then each key is on a node of its own, then one again."""
    seen: dict[tuple[bytes, int], set[bytes]] = {}

    async def script(cluster: Cluster) -> None:
        def note(name: str) -> None:
            database = cluster[name].database
            for number in range(1, database.finalized().number + 1):
                hash_ = database.canonical_hash(number)
                assert hash_ is not None
                raw = database.justification(hash_)
                if raw is None:
                    continue
                proof = GrandpaJustification.decode(raw)
                for vote in proof.commit.precommits:
                    of = bytes(vote.authority), int(proof.round)
                    seen.setdefault(of, set()).add(bytes(vote.target_hash))

        one = cluster["Alice"]
        one.keys, one.finalizes = GRANDPA[:3], True
        await cluster.start("Alice")
        await cluster.start("Dave")
        await cluster.grow(4)
        assert one.final == 4
        note("Alice")
        cluster.kill("Alice")
        one.keys, one.finalizes = GRANDPA[:1], False
        for name in ("Alice", "Bob", "Charlie"):
            await cluster.start(name)
        await cluster.give(one.chain.best_header())
        await cluster.grow(4)
        await cluster.until_final(8, "Alice", "Charlie")
        note("Alice")
        for name in ("Alice", "Bob", "Charlie"):
            cluster.kill(name)
        one.keys, one.finalizes = GRANDPA[:3], True
        await cluster.start("Alice")
        cluster.up = ["Alice", "Dave"]
        await cluster.grow(6)
        assert one.final == 14
        note("Alice")

    play(script, four(tmp_path), start=("None",))
    assert len(seen) > 20
    assert all(len(blocks) == 1 for blocks in seen.values())
