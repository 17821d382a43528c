"""Equivocations become reports that the chain punishes, through the pool of this node."""

import pytest
import trio
import trio.testing

from node.consensus.equivocations import BlockEquivocation
from node.consensus.reports import WAITING_MAX, Reporter, block_report, vote_report
from node.consensus.verification import slot_of
from node.runtime import CessRuntime
from node.txpool.pool import Limits
from node.txpool.shell import TransactionPool
from node.txpool.validation import Validator
from pallets.frame.validity import TransactionSource
from primitives.crypto.keys import KeyPair
from primitives.errors import CessError
from primitives.grandpa import Block, Equivocation, VoteKind, make_vote, sign_vote
from tests.node.consensus.grandpa.cluster import (  # noqa: F401
    GRANDPA,
    Cluster,
    _no_threads,
    four,
    play,
)


def names(cluster: Cluster) -> list[str]:
    """The events of Alice's best block."""
    alice = cluster["Alice"]
    raw = alice.chain.runtime(alice.database.best().hash).system.events.raw()
    assert raw is not None
    return [type(record.event).__qualname__ for record in CessRuntime.decode_events(raw)]


def two_blocks(cluster: Cluster) -> BlockEquivocation:
    """Two headers of one author in one slot, as an import finds them."""
    genesis = cluster["Alice"].chain.best_header()
    first = cluster.make("Alice", parent=genesis)
    extra = cluster.rotate("Bob", KeyPair.from_suri("//Bob//votes", "ed25519"))
    second = cluster.make("Bob", extra, parent=genesis)
    assert slot_of(first) == slot_of(second)
    alice = cluster["Alice"].chain
    alice.import_block(*cluster.blocks[second.hash()], now_ms=1 << 60)
    return alice.equivocations.popleft()


def two_votes(cluster: Cluster, kind: VoteKind = VoteKind.PREVOTE) -> Equivocation:
    first, second = (
        sign_vote(make_vote(kind, Block(bytes([mark]) * 32, 1)), 1, 0, GRANDPA[3])
        for mark in (1, 2)
    )
    return Equivocation(0, 1, first, second)


@pytest.mark.parametrize("kind", ["blocks", "prevotes", "precommits"])
def test_a_report_is_punished_once(kind: str) -> None:
    async def script(cluster: Cluster) -> None:
        chain = cluster["Alice"].chain
        if kind == "blocks":
            report = block_report(chain, two_blocks(cluster))
        else:
            which = VoteKind.PREVOTE if kind == "prevotes" else VoteKind.PRECOMMIT
            report = vote_report(chain, two_votes(cluster, which))
        assert report is not None
        cluster.make("Alice", report)
        assert any("Offence" in name for name in names(cluster))
        cluster.make("Alice", report)
        assert not any("Offence" in name for name in names(cluster))

    play(script, four(), start=("Alice", "Bob"))


def test_what_is_no_offence_of_a_known_key_is_not_reported() -> None:
    async def script(cluster: Cluster) -> None:
        chain = cluster["Alice"].chain
        found = two_votes(cluster)
        assert vote_report(chain, found._replace(set_id=7)) is None
        assert vote_report(chain, two_votes(cluster, VoteKind.PROPOSAL)) is None
        stranger = KeyPair.from_suri("//Mallory", "ed25519")
        votes = [
            sign_vote(make_vote(VoteKind.PREVOTE, Block(bytes([at]) * 32, 1)), 1, 0, stranger)
            for at in (1, 2)
        ]
        assert vote_report(chain, Equivocation(0, 1, *votes)) is None
        blocks = two_blocks(cluster)
        unknown = BlockEquivocation(stranger.public, blocks.slot, blocks.first, blocks.second)
        assert block_report(chain, unknown) is None

    play(script, four(), start=("Alice", "Bob"))


def test_reports_go_through_the_pool_of_this_node() -> None:
    async def script(cluster: Cluster) -> None:
        alice = cluster["Alice"]
        pool = TransactionPool(Validator(alice.chain), alice.announcements, Limits())

        async def submit(extrinsic: bytes) -> None:
            await pool.submit(extrinsic, TransactionSource.Local)

        reporter = Reporter(alice.chain, submit)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pool.validate_submissions)
            nursery.start_soon(reporter.run)
            found = two_votes(cluster)
            reporter.report(found)
            await cluster.until(lambda: reporter.reported_count == 1)
            reporter.report(found)  # known to the pool by now
            await trio.sleep(1)
            assert reporter.reported_count == 1
            assert len(pool.ready()) == 1
            nursery.cancel_scope.cancel()

    play(script, four(), start=("Alice",))


def test_a_flood_of_offences_is_bounded_and_a_refusal_ends_nothing() -> None:
    async def script(cluster: Cluster) -> None:
        asked = []

        async def refuse(extrinsic: bytes) -> None:
            asked.append(extrinsic)
            raise CessError("not today")

        reporter = Reporter(cluster["Alice"].chain, refuse)
        for _ in range(WAITING_MAX + 20):
            reporter.report(two_votes(cluster))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reporter.run)
            await cluster.until(lambda: len(asked) == WAITING_MAX)
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert len(asked) == WAITING_MAX
        assert reporter.reported_count == 0

    play(script, four(), start=("Alice",))
