"""Finality between nodes: the voter in its shell, over a network, a chain and a disk."""

import random
from pathlib import Path

import pytest
import trio
import trio.testing

from node.consensus.grandpa.record import VoterRecord
from node.consensus.grandpa.shell import BURST_MAX, FinalityConflict, _Peer
from node.consensus.grandpa.spreading import relays_for
from node.consensus.grandpa.store import VoteStore
from node.database import MemoryKv
from node.network.transport import Channel, Notified, Roles
from primitives.crypto.keys import KeyPair
from primitives.grandpa import (
    Block,
    CommitMessage,
    NeighbourMessage,
    VoteKind,
    VoteMessage,
    compact_commit,
    decode_message,
    encode_message,
    make_vote,
    sign_vote,
)
from primitives.justification import GrandpaJustification, make_justification, verify_justification
from primitives.scale import U64
from tests.node.consensus.grandpa.cluster import (  # noqa: F401
    GRANDPA,
    Cluster,
    Node,
    _no_threads,
    four,
    play,
)
from tests.node.cutting import cut_off

KEYS = [pair.public for pair in GRANDPA]
MALLORY = KeyPair.from_suri("//Mallory", "ed25519")


def test_four_nodes_finalise_every_block_with_a_proof_that_verifies() -> None:
    async def script(cluster: Cluster) -> None:
        for height in range(1, 6):
            await cluster.grow()
            await cluster.until_final(height, seconds=20)
        finals = {node.database.finalized() for node in cluster.nodes.values()}
        assert len(finals) == 1
        for node in cluster.nodes.values():
            raw = node.database.justification(node.database.finalized().hash)
            assert raw is not None
            verify_justification(GrandpaJustification.decode(raw), sorted(KEYS), 0)
            assert not node.equivocations

    play(script, four())


def test_one_killed_changes_nothing_two_stop_finality_safely_and_it_resumes(
    tmp_path: Path,
) -> None:
    async def script(cluster: Cluster) -> None:
        await cluster.grow(2)
        await cluster.until_final(2)
        cluster.kill("Dave")
        await cluster.grow(2)
        await cluster.until_final(4)
        cluster.kill("Charlie")
        await cluster.grow(2)
        await trio.sleep(60)
        assert [cluster[name].final for name in cluster.up] == [4, 4]
        await cluster.start("Charlie")
        await cluster.give(cluster["Alice"].chain.best_header(), "Charlie")
        await cluster.until_final(6)
        await cluster.start("Dave")
        await cluster.give(cluster["Alice"].chain.best_header(), "Dave")
        await cluster.grow()
        await cluster.until_final(7)
        assert cluster["Dave"].shell.is_voter
        assert not any(node.equivocations for node in cluster.nodes.values())

    play(script, four(tmp_path))


def test_a_partition_finalises_nothing_and_heals_within_three_rounds(tmp_path: Path) -> None:
    async def script(cluster: Cluster) -> None:
        await cluster.grow(1)
        await cluster.until_final(1)
        sides = ("Alice", "Bob"), ("Charlie", "Dave")
        for left in sides[0]:
            for right in sides[1]:
                cluster.hub.disconnect(left, right)
        base = cluster["Alice"].chain.best_header()
        tips = {}
        for side in sides:
            tip = base
            for _ in range(4):
                tip = cluster.make(side[0], parent=tip, at=cluster.free_slot())
                await cluster.give(tip, *side)
            tips[side] = tip
        await trio.sleep(30)
        assert {node.final for node in cluster.nodes.values()} == {1}
        for left in sides[0]:
            for right in sides[1]:
                cluster.hub.connect(left, right)
        began, rounds = trio.current_time(), cluster["Alice"].stats().round
        for tip in tips.values():
            await cluster.give(tip)
        await cluster.grow()  # of two chains that are equally high none would ever lead
        await cluster.until_final(5)
        assert trio.current_time() - began < 3
        assert cluster["Alice"].stats().round - rounds <= 3
        assert len({node.database.finalized() for node in cluster.nodes.values()}) == 1
        assert not any(node.equivocations for node in cluster.nodes.values())

    play(script, four(tmp_path))


class Tap:
    """Listens to all that one node is sent, and remembers who voted what."""

    def __init__(self) -> None:
        self.votes: dict[tuple[bytes, int, VoteKind], set[Block]] = {}
        self.commits: list[CommitMessage] = []
        self.neighbours: list[tuple[str, NeighbourMessage]] = []

    async def run(self, node: Node, *, task_status: trio.TaskStatus[None]) -> None:
        with node.network.listen([Channel.GRANDPA]) as heard:
            task_status.started()
            async for event in heard:
                if isinstance(event, Notified):
                    self.take(event.peer, event.data)

    def take(self, peer: str, data: bytes) -> None:
        match decode_message(data):
            case VoteMessage(round=number, signed=signed):
                slot = bytes(signed.authority), int(number), signed.vote.kind
                self.votes.setdefault(slot, set()).add(signed.vote.block)
            case CommitMessage() as commit:
                self.commits.append(commit)
            case NeighbourMessage() as packet:
                self.neighbours.append((peer, packet))


@pytest.mark.parametrize("moment", range(5))
def test_a_voter_killed_at_any_moment_never_votes_twice(moment: int, tmp_path: Path) -> None:
    async def script(cluster: Cluster) -> None:
        tap = Tap()
        async with trio.open_nursery() as nursery:
            await nursery.start(tap.run, cluster["Alice"])
            await cluster.grow(2)
            for turn in range(6):
                await trio.sleep(0.05 + 0.11 * moment + 0.013 * turn)
                cluster.kill("Bob")
                # Its best chain is another one when it is back: a careless voter votes for it.
                best = cluster["Alice"].chain.best_header()
                await cluster.grow()
                rival = cluster.make("Alice", parent=best, at=cluster.free_slot())
                await cluster.start("Bob")
                await cluster.give(rival, "Bob")
                await trio.sleep(0.3)
                await cluster.give(cluster["Alice"].chain.best_header(), "Bob")
                await cluster.give(rival)
            await cluster.until_final(4)
            nursery.cancel_scope.cancel()
        assert tap.votes
        twice = {slot: blocks for slot, blocks in tap.votes.items() if len(blocks) > 1}
        assert not twice
        assert not any(node.equivocations for node in cluster.nodes.values())

    play(script, four(tmp_path))


@pytest.mark.parametrize("keeps_record", [True, False])
def test_the_record_is_what_prevents_a_second_vote(keeps_record: bool, tmp_path: Path) -> None:
    """A voter loses its database and sees another fork first. Without its record it betrays."""

    async def script(cluster: Cluster) -> None:
        tap, bob = Tap(), cluster["Bob"]
        async with trio.open_nursery() as nursery:
            await nursery.start(tap.run, cluster["Alice"])
            genesis = cluster["Alice"].chain.best_header()
            await cluster.grow()
            await trio.sleep(5)  # two of four vote, and decide nothing
            cluster.kill("Bob")
            rival = cluster.make("Alice", parent=genesis, at=cluster.free_slot())
            bob.kv = MemoryKv()
            bob.open(cluster.hub)
            await cluster.give(rival, "Bob")
            await cluster.start("Bob")
            await trio.sleep(20)
            nursery.cancel_scope.cancel()
        twice = {slot: blocks for slot, blocks in tap.votes.items() if len(blocks) > 1}
        assert bool(twice) == (not keeps_record)
        assert bool(cluster["Alice"].equivocations) == (not keeps_record)

    play(script, four(tmp_path if keeps_record else None), start=("Alice", "Bob"))


def test_a_node_without_a_key_follows_and_sends_no_votes() -> None:
    async def script(cluster: Cluster) -> None:
        tap = Tap()
        async with trio.open_nursery() as nursery:
            await nursery.start(tap.run, cluster["Alice"])
            await cluster.grow(3)
            await cluster.until_final(3)
            nursery.cancel_scope.cancel()
        assert not cluster["Full"].shell.is_voter
        assert {who for who, _, _ in tap.votes} <= set(KEYS)

    play(script, [*four(), Node("Full", [], role=Roles.FULL)])


def test_a_light_client_gets_commits_and_neighbour_packets_and_no_votes() -> None:
    async def script(cluster: Cluster) -> None:
        tap = Tap()
        light = cluster["Light"]
        async with trio.open_nursery() as nursery:
            light.open(cluster.hub)
            await nursery.start(tap.run, light)
            cluster.hub.connect("Light", "Alice")
            await trio.testing.wait_all_tasks_blocked()
            assert tap.neighbours  # before anything else, so that it trusts our finality
            await cluster.grow(2)
            await cluster.until_final(2)
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert tap.commits
        assert not tap.votes
        assert any(packet.packet.finalized_number == 2 for _, packet in tap.neighbours)

    nodes = [*four(), Node("Light", [], role=Roles.LIGHT)]
    play(script, nodes, start=("Alice", "Bob", "Charlie", "Dave"))


def test_a_node_with_more_than_two_thirds_finalises_alone_and_others_follow() -> None:
    async def script(cluster: Cluster) -> None:
        await cluster.grow(1)
        assert cluster["Sole"].final == 1  # at import, not after a round
        await cluster.until_final(1, seconds=5)
        await cluster.grow(3)
        await cluster.until_final(4, seconds=5)
        late = cluster["Late"]
        await cluster.start("Late")
        await cluster.give(cluster["Sole"].chain.best_header(), "Late")
        await cluster.until_final(4, "Late", seconds=10)
        assert late.stats().finalized.number == 4

    nodes = [
        Node("Sole", GRANDPA[:3], finalizes=True),
        Node("Dave", GRANDPA[3:]),
        Node("Full", [], role=Roles.FULL),
        Node("Late", [], role=Roles.FULL),
    ]
    play(script, nodes, start=("Sole", "Dave", "Full"))


def test_of_several_keys_in_the_set_one_votes() -> None:
    async def script(cluster: Cluster) -> None:
        await cluster.grow(2)
        await trio.sleep(30)
        assert cluster["Two"].final == 0  # two keys on one node are one voter of three
        await cluster.start("Dave")
        await cluster.give(cluster["Two"].chain.best_header(), "Dave")
        await cluster.until_final(2)

    nodes = [Node("Two", GRANDPA[:2]), Node("Charlie", GRANDPA[2:3]), Node("Dave", GRANDPA[3:])]
    play(script, nodes, start=("Two", "Charlie"))


def test_a_node_that_fetches_the_chain_does_not_vote_until_it_has_it() -> None:
    async def script(cluster: Cluster) -> None:
        bob = cluster["Bob"]
        bob.is_syncing = True
        await cluster.grow(1)
        await cluster.until_final(1)
        await trio.sleep(3)
        assert not bob.shell.is_voter
        bob.is_syncing = False
        await trio.sleep(2)
        assert bob.shell.is_voter
        cluster.kill("Dave")  # now its vote is needed
        await cluster.grow(1)
        await cluster.until_final(2)

    play(script, four())


def test_a_vote_waits_until_the_block_it_names_is_on_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    votes: list[bool] = []
    write = VoteStore.write

    async def script(cluster: Cluster) -> None:
        await cluster.grow(1)
        await cluster.until_final(1)
        bob = cluster["Bob"]
        tip = cluster.make("Alice")
        body = cluster.blocks[tip.hash()][1]

        def checked(self: VoteStore, record: VoterRecord) -> None:
            if self is bob.votes:
                votes.append(bob.database.is_settled)
            write(self, record)

        monkeypatch.setattr(VoteStore, "write", checked)
        await bob.writer.import_block(tip, body, is_deferred=True)
        assert not bob.database.is_settled  # nobody else does it for the voter
        await cluster.give(tip, "Charlie", "Dave")
        await cluster.until_final(2)
        assert votes
        assert all(votes)

    play(script, four())


def test_a_vote_for_an_unknown_block_has_it_fetched_and_counts_then() -> None:
    async def script(cluster: Cluster) -> None:
        cluster.kill("Dave")
        header = cluster.make("Alice")
        await cluster.give(header, "Alice", "Bob")
        await cluster.until(lambda: bool(cluster["Charlie"].fetched))
        block = cluster["Charlie"].fetched[0][1]
        assert block == Block(bytes(header.hash()), 1)
        await cluster.give(header, "Charlie")
        await cluster.until_final(1)

    play(script, four())


def test_rounds_wait_for_something_to_vote_for_and_then_hurry() -> None:
    async def script(cluster: Cluster) -> None:
        await cluster.grow(1)
        await cluster.until_final(1)
        before = cluster["Alice"].stats().round
        await trio.sleep(20)
        assert 15 <= cluster["Alice"].stats().round - before <= 17  # 1.2 s each, not 0.2 s
        await trio.sleep(0.3)
        await cluster.grow(1)
        began = trio.current_time()
        await cluster.until_final(2)
        assert trio.current_time() - began < 0.9

    play(script, four())


def test_votes_of_others_are_passed_on_to_a_few_and_commits_to_all() -> None:
    async def script(cluster: Cluster) -> None:
        alice = cluster["Alice"]
        taps = {f"Peer{at}": Tap() for at in range(20)}
        async with trio.open_nursery() as nursery:
            for name, tap in taps.items():
                cluster[name].open(cluster.hub)
                await nursery.start(tap.run, cluster[name])
                cluster.hub.connect(name, "Alice")
            header = cluster.make("Alice")
            vote = make_vote(VoteKind.PREVOTE, Block(bytes(header.hash()), 1))
            signed = sign_vote(vote, 1, 0, GRANDPA[1])
            message = VoteMessage(round=U64(1), set_id=U64(0), signed=signed)
            cluster["Peer0"].network.notify("Alice", Channel.GRANDPA, encode_message(message))
            await trio.sleep(0.05)
            slot = GRANDPA[1].public, 1, VoteKind.PREVOTE
            reached = [name for name, tap in taps.items() if slot in tap.votes]
            assert len(reached) == relays_for(4)
            assert "Peer0" not in reached
            made = make_justification(header.hash(), 1, 1, 0, GRANDPA[1:])
            commit = compact_commit(made.commit)
            told = CommitMessage(round=U64(1), set_id=U64(0), commit=commit)
            cluster["Peer0"].network.notify("Alice", Channel.GRANDPA, encode_message(told))
            await trio.sleep(0.05)
            assert sum(bool(tap.commits) for tap in taps.values()) == 19
            nursery.cancel_scope.cancel()
        assert alice.final == 1

    peers = [Node(f"Peer{at}", [], role=Roles.FULL) for at in range(20)]
    play(script, [four()[0], *peers], start=("Alice",))


# Hostile peers.


def test_what_no_honest_voter_sends_costs_the_peer_and_changes_nothing() -> None:
    async def script(cluster: Cluster) -> None:
        alice, mallory = cluster["Alice"], cluster["Mallory"]
        mallory.open(cluster.hub)
        cluster.hub.connect("Mallory", "Alice")
        genesis = Block(bytes(alice.database.genesis_hash), 0)

        def reputation() -> int:
            return next(
                (peer.reputation for peer in alice.network.peers() if peer.peer == "Mallory"),
                -(1 << 31),
            )

        vote = make_vote(VoteKind.PREVOTE, genesis)
        stranger = sign_vote(vote, 1, 0, MALLORY)
        forged = sign_vote(vote, 1, 0, GRANDPA[1])
        forged = type(forged)(forged.vote, stranger.signature, forged.authority)
        other = make_justification(bytes(32), 7, 9, 1, GRANDPA)  # good in another set
        commit = CommitMessage(round=U64(9), set_id=U64(0), commit=compact_commit(other.commit))
        # More votes than voters, of a set that is nobody's: only reading it would cost.
        many = compact_commit(make_justification(bytes(32), 7, 9, 1, GRANDPA * 150).commit)
        for data in (
            encode_message(CommitMessage(round=U64(9), set_id=U64(99), commit=many)),
            b"",
            b"\xff" * 100,
            encode_message(VoteMessage(round=U64(1), set_id=U64(0), signed=stranger)),
            encode_message(VoteMessage(round=U64(1), set_id=U64(0), signed=forged)),
            encode_message(commit),
        ):
            before = reputation()
            mallory.network.notify("Alice", Channel.GRANDPA, data)
            await trio.testing.wait_all_tasks_blocked()
            after = reputation()
            assert after < before or after == -(1 << 31), data
            cluster.hub.connect("Mallory", "Alice")
        await cluster.grow(1)
        await cluster.until_final(1)

    nodes = [*four(), Node("Mallory", [], role=Roles.FULL)]
    play(script, nodes, start=("Alice", "Bob", "Charlie", "Dave"))


def test_a_voter_that_peers_cut_off_by_coming_and_going_hears_again() -> None:
    async def script(cluster: Cluster) -> None:
        cut_off(cluster["Alice"].network)
        await trio.testing.wait_all_tasks_blocked()
        await cluster.grow(2)
        await cluster.until_final(2, "Alice")

    play(script, four())


def test_long_messages_use_up_what_a_peer_may_send() -> None:
    long = 60 << 10
    peer = _Peer()
    assert sum(peer.may_send(long, 4, 0.0) for _ in range(BURST_MAX)) == 68
    assert sum(peer.may_send(long, 4, 10.0) for _ in range(BURST_MAX)) == 31
    assert sum(peer.may_send(long, 1000, 20.0) for _ in range(BURST_MAX)) == 68


@pytest.mark.parametrize("seed", range(4))
def test_mutated_messages_end_nothing_and_finality_goes_on(seed: int) -> None:
    async def script(cluster: Cluster) -> None:
        mallory = cluster["Mallory"]
        mallory.open(cluster.hub)
        random_ = random.Random(seed)  # not for secrets
        heard: list[bytes] = [b""]

        async def listen(*, task_status: trio.TaskStatus[None]) -> None:
            with mallory.network.listen([Channel.GRANDPA]) as events:
                task_status.started()
                async for event in events:
                    if isinstance(event, Notified):
                        heard.append(event.data)

        async with trio.open_nursery() as nursery:
            await nursery.start(listen)
            for at in range(200):
                cluster.hub.connect("Mallory", random_.choice(cluster.up))
                data = bytearray(random_.choice(heard[-50:]))
                for _ in range(random_.randrange(3)):
                    if data:
                        data[random_.randrange(len(data))] = random_.randrange(256)
                if not random_.randrange(10):
                    data = data[: random_.randrange(len(data) + 1)]
                for name in cluster.up:
                    mallory.network.notify(name, Channel.GRANDPA, bytes(data))
                await trio.sleep(0.02)
                if at % 40 == 0:
                    await cluster.grow(1)
            await cluster.until_final(5)
            nursery.cancel_scope.cancel()
        assert not any(node.equivocations for node in cluster.nodes.values())

    nodes = [*four(), Node("Mallory", [], role=Roles.FULL)]
    play(script, nodes, start=("Alice", "Bob", "Charlie", "Dave"))


def test_a_flood_is_cut_and_honest_peers_are_heard() -> None:
    async def script(cluster: Cluster) -> None:
        alice, mallory = cluster["Alice"], cluster["Mallory"]
        mallory.open(cluster.hub)
        cluster.hub.connect("Mallory", "Alice")
        packet = encode_message(alice.shell._core.neighbour())  # type: ignore[union-attr]
        for _ in range(40):
            for _ in range(200):
                mallory.network.notify("Alice", Channel.GRANDPA, packet)
            await trio.testing.wait_all_tasks_blocked()
        assert "Mallory" not in alice.network.links  # banned
        await cluster.grow(1)
        await cluster.until_final(1)

    nodes = [*four(), Node("Mallory", [], role=Roles.FULL)]
    play(script, nodes, start=("Alice", "Bob", "Charlie", "Dave"))


def test_two_finalised_histories_stop_the_node_with_the_proof_kept() -> None:
    """Three of four voters betray: they finalise a fork against what is final here."""

    async def script(cluster: Cluster) -> None:
        alice = cluster["Alice"]
        genesis = alice.chain.best_header()
        ours = cluster.make("Alice", parent=genesis)
        theirs = cluster.make("Alice", parent=genesis, at=cluster.free_slot())
        theirs = cluster.make("Alice", parent=theirs, at=cluster.free_slot())
        proof = make_justification(ours.hash(), 1, 1, 0, GRANDPA[1:]).encode()
        await alice.writer.import_justification(ours.hash(), proof)
        await trio.sleep(1)
        betrayal = make_justification(theirs.hash(), 2, 2, 0, GRANDPA[1:])
        commit = compact_commit(betrayal.commit)
        message = CommitMessage(round=U64(2), set_id=U64(0), commit=commit)
        cluster["Bob"].network.notify("Alice", Channel.GRANDPA, encode_message(message))
        await trio.sleep(5)

    nodes = four()
    with pytest.raises(ExceptionGroup) as raised:
        play(script, nodes, start=("Alice", "Bob"))
    assert raised.group_contains(FinalityConflict, match="This node stops", depth=3)
    assert nodes[0].final == 1
    kept = nodes[0].database.note(b"grandpa-conflict")
    assert kept is not None
    assert GrandpaJustification.decode(kept).commit.target_number == 2
