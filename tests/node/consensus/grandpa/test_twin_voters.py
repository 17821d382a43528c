"""Keys on two nodes: whoever comes second never votes, and whoever is there stops."""

from dataclasses import replace

import trio

from node.consensus.slots import slot_at
from node.consensus.twin_shell import look_for_twins
from node.consensus.twins import LISTEN_SLOTS_MAX, TwinState, TwinWatch
from node.consensus.verification import slot_of
from node.network.transport import Channel, Cost
from primitives.grandpa import (
    Block,
    CatchUp,
    CatchUpMessage,
    GossipMessage,
    VoteKind,
    VoteMessage,
    encode_message,
    make_vote,
    sign_vote,
)
from primitives.header import Header
from primitives.justification import SignedPrecommit
from primitives.scale import U64
from primitives.types import BlockNumber
from tests.node.consensus.grandpa.cluster import (  # noqa: F401
    BABE,
    GRANDPA,
    Cluster,
    Node,
    _no_threads,
    four,
    play,
)
from tests.node.net import FIRST_SLOT

ALICE = GRANDPA[0]
TWIN = "Alice's twin"


def now_ms() -> int:
    """The wall clock: a slot a second, from the first one on."""
    return FIRST_SLOT * 1000 + int(trio.current_time() * 1000)


async def begin(cluster: Cluster, name: str, *, key: bytes = ALICE.public) -> TwinWatch:
    """Start a node that listens before it votes."""
    node = cluster[name]
    watch = node.twins = TwinWatch()
    await cluster.start(name)
    network = node.network
    cluster._nursery.start_soon(
        look_for_twins, watch, node.chain, lambda: {key}, now_ms, lambda: bool(network.links)
    )
    await cluster.give(cluster[cluster.up[0]].chain.best_header(), name)
    return watch


async def go_on(cluster: Cluster, slots: int) -> None:
    """A block in each slot, by the clock."""
    for _ in range(slots):
        await trio.sleep(1)
        slot = slot_at(now_ms(), 1000)
        await cluster.give(cluster.make(cluster.up[0], at=slot))


def five() -> list[Node]:
    return [*four(), Node(TWIN, [ALICE])]


OTHERS = ("Bob", "Charlie", "Dave")


def test_keys_copied_before_the_start_never_vote_while_the_first_node_does() -> None:
    async def script(cluster: Cluster) -> None:
        await go_on(cluster, 2)
        watch = await begin(cluster, TWIN)
        await go_on(cluster, LISTEN_SLOTS_MAX + 2)
        assert watch.state is TwinState.SEEN
        assert watch.twin is not None
        assert watch.twin.key == ALICE.public
        assert not cluster[TWIN].shell.is_voter
        assert cluster[TWIN].votes.last is None, "because it cast no vote at any time"
        assert cluster["Alice"].shell.is_voter
        assert not any(node.equivocations for node in cluster.nodes.values())
        await cluster.until_final(LISTEN_SLOTS_MAX + 4)

    play(script, five(), start=("Alice", *OTHERS))


def test_without_the_watch_the_same_keys_betray() -> None:
    """The attack that the watch is against: two nodes see two forks, and vote for both."""

    async def script(cluster: Cluster) -> None:
        await go_on(cluster, 2)
        await cluster.start(TWIN)
        await cluster.give(cluster["Bob"].chain.best_header(), TWIN)
        await go_on(cluster, 3)
        for _ in range(10):
            await trio.sleep(1)
            base = cluster["Alice"].chain.best_header()
            left = cluster.make("Bob", parent=base, at=cluster.free_slot())
            right = cluster.make("Bob", parent=base, at=cluster.free_slot())
            await cluster.give(right, TWIN)
            await cluster.give(left, "Alice")
            await cluster.give(left)
            await cluster.give(right)
            await trio.sleep(1)
        assert any(cluster[name].equivocations for name in OTHERS)

    play(script, five(), start=("Alice", *OTHERS))


def test_a_voter_stops_when_somebody_else_votes_with_its_key() -> None:
    async def script(cluster: Cluster) -> None:
        cluster.kill("Alice")
        watch = await begin(cluster, "Alice")
        await go_on(cluster, LISTEN_SLOTS_MAX)
        assert watch.state is TwinState.ALONE
        assert cluster["Alice"].shell.is_voter
        voted = cluster["Alice"].votes.last
        assert voted is not None
        await cluster.start(TWIN)  # without a watch
        await cluster.give(cluster["Bob"].chain.best_header(), TWIN)
        await trio.sleep(1)
        header = cluster.make("Bob", at=slot_at(now_ms(), 1000))
        await cluster.give(header, *OTHERS, TWIN)  # it votes before Alice can
        await trio.sleep(0.3)
        await cluster.give(header)
        await cluster.until(lambda: watch.twin is not None, seconds=5)
        await trio.sleep(0.1)
        assert not cluster["Alice"].shell.is_voter
        left = cluster["Alice"].votes.last
        await go_on(cluster, 3)
        assert cluster["Alice"].votes.last == left, "because it casts no vote any more"
        await cluster.until_final(int(cluster["Bob"].chain.best_header().number))
        assert not any(node.equivocations for node in cluster.nodes.values())

    play(script, five(), start=("Alice", *OTHERS))


def vote(header: Header, round_: int, *, kind: VoteKind = VoteKind.PREVOTE) -> VoteMessage:
    block = Block(bytes(header.hash()), int(header.number))
    signed = sign_vote(make_vote(kind, block), round_, 0, ALICE)
    return VoteMessage(round=U64(round_), set_id=U64(0), signed=signed)


def catch_up(header: Header, round_: int) -> CatchUpMessage:
    signed = vote(header, round_, kind=VoteKind.PRECOMMIT).signed
    precommit = SignedPrecommit(
        target_hash=header.hash(),
        target_number=header.number,
        signature=signed.signature,
        authority=signed.authority,
    )
    return CatchUpMessage(
        set_id=U64(0),
        catch_up=CatchUp(
            round=U64(round_),
            prevotes=(),
            precommits=(precommit,),
            base_hash=header.parent_hash,
            base_number=BlockNumber(int(header.number) - 1),
        ),
    )


def test_neither_forged_nor_old_votes_stop_a_voter_and_true_ones_do_in_any_message() -> None:
    async def script(cluster: Cluster) -> None:
        alice = cluster["Alice"]
        await go_on(cluster, 2)
        old = alice.chain.best_header()
        cluster.kill("Alice")
        watch = await begin(cluster, "Alice")
        await go_on(cluster, LISTEN_SLOTS_MAX)
        cluster.kill("Bob")  # from here on the test sends in its name
        mallory = cluster.hub.node("Mallory", status=alice._status, genesis=alice.network.genesis)
        cluster.hub.connect("Mallory", "Alice")
        await trio.sleep(0.1)
        best = alice.chain.best_header()
        assert slot_of(best) > FIRST_SLOT + 2

        async def say(message: GossipMessage) -> None:
            mallory.notify("Alice", Channel.GRANDPA, encode_message(message))
            await trio.sleep(0.1)

        forged = vote(best, alice.stats().round + 1)
        bad = replace(forged.signed, signature=type(forged.signed.signature)(bytes(64)))
        await say(VoteMessage(round=forged.round, set_id=forged.set_id, signed=bad))
        await say(vote(old, 1))  # what it voted before it was killed
        own = alice.votes.last
        assert own is not None
        for signed in own.own:  # and what it votes now, once more
            await say(VoteMessage(round=own.current.round, set_id=own.set_id, signed=signed))
        assert watch.twin is None
        assert alice.shell.is_voter
        assert alice.network.reputation("Mallory") < Cost.BAD_VOTE.change / 2

        await say(catch_up(best, alice.stats().round + 900))
        assert watch.twin is not None
        assert not alice.shell.is_voter

    play(script, four(), start=("Alice", *OTHERS))


def test_all_that_start_again_at_once_vote_again() -> None:
    async def script(cluster: Cluster) -> None:
        await go_on(cluster, 2)
        await cluster.until_final(2)
        for name in ("Alice", *OTHERS):
            cluster.kill(name)
        keys = dict(zip(("Alice", *OTHERS), GRANDPA, strict=True))
        watches = [await begin(cluster, name, key=key.public) for name, key in keys.items()]
        began = trio.current_time()
        await cluster.until(lambda: all(node.shell.is_voter for node in cluster.nodes.values()))
        assert trio.current_time() - began <= LISTEN_SLOTS_MAX + 1
        await go_on(cluster, 2)
        await cluster.until_final(4)
        assert {watch.state for watch in watches} == {TwinState.ALONE}

    play(script, four(), start=("Alice", *OTHERS))
