"""What a hostile peer says on block-announces/1: it pays, and the node follows its honest peer."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
import trio

from node.network.memory import MemoryNetwork
from node.network.protocols import NOTIFICATION_BYTES_MAX
from node.network.reputation import BANNED_BELOW
from node.network.transport import Channel, Cost
from node.network.wire import BlockAnnounce
from node.sync.shell import ANNOUNCES_BURST
from primitives.digest import Digest, Seal
from primitives.header import Header
from primitives.types import BlockNumber, Hash
from tests.node.net import FIRST_SLOT, new_net
from tests.node.sync.chains import Peer, play, running

Attack = Callable[[MemoryNetwork, Peer], Awaitable[None]]


def attack(script: Attack) -> None:
    """Let somebody talk to a node that follows an honest one, which then makes another block."""
    net = new_net()
    for at in range(5):
        net.author(slot=FIRST_SLOT + at)
    honest, victim = Peer("honest", net=net), Peer("victim")

    async def main() -> None:
        async with running(honest, victim) as hub:
            await victim.until_best(5)
            mallory = hub.node(
                "mallory", status=victim.status, genesis=victim.database.genesis_hash
            )
            hub.connect("mallory", "victim")
            await trio.sleep(0.02)
            await script(mallory, victim)
            _, imported = net.author(slot=FIRST_SLOT + 50)
            honest.announcements.tell(imported)
            await victim.until_best(6)
            assert victim.database.best() == honest.database.best()
            assert victim.network.reputation("honest") >= 0

    play(main)


def say(mallory: MemoryNetwork, header: Header, *, is_best: bool = True) -> None:
    mallory.notify("victim", Channel.BLOCK_ANNOUNCES, BlockAnnounce(header, is_best).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 40,
        bytes(NOTIFICATION_BYTES_MAX[Channel.BLOCK_ANNOUNCES]),
        bytes(NOTIFICATION_BYTES_MAX[Channel.BLOCK_ANNOUNCES] + 1),
    ],
    ids=["empty", "junk", "as long as allowed", "longer"],
)
def test_malformed_and_oversized_announcements_cost(data: bytes) -> None:
    async def script(mallory: MemoryNetwork, victim: Peer) -> None:
        mallory.notify("victim", Channel.BLOCK_ANNOUNCES, data)
        await victim.until(
            lambda: victim.network.reputation("mallory") <= Cost.BAD_MESSAGE.change / 2
        )

    attack(script)


def test_an_announcement_that_is_replayed_imports_nothing_and_ends_in_a_ban() -> None:
    async def script(mallory: MemoryNetwork, victim: Peer) -> None:
        best = victim.chain.best_header()
        before = victim.sync.imported_count
        for _ in range(20 * ANNOUNCES_BURST):
            say(mallory, best)
            if victim.network.is_banned("mallory"):
                break
            await trio.sleep(0)
        assert victim.network.reputation("mallory") < BANNED_BELOW
        assert victim.sync.imported_count == before

    attack(script)


def forged(header: Header) -> list[Header]:
    """Headers that nobody authored: another seal, no seal, another height, a slot to come."""
    bare, seal = header.split_seal()
    assert seal is not None
    other = replace(bare, state_root=Hash(b"\x01" * 32))
    return [
        other.sealed(seal),
        other.sealed(Seal(engine=seal.engine, data=bytes(64))),
        bare,
        replace(header, digest=Digest(())),
        replace(header, number=BlockNumber(1 << 31)),
        replace(header, parent_hash=Hash(b"\x02" * 32), number=BlockNumber(1 << 20)),
    ]


def test_announced_blocks_that_nobody_made_are_never_imported() -> None:
    async def script(mallory: MemoryNetwork, victim: Peer) -> None:
        best = victim.database.best()
        said = forged(victim.chain.best_header())
        for header in said:
            say(mallory, header)
            await trio.sleep(0.05)
        assert victim.database.best() == best
        assert not any(victim.database.is_known(header.hash()) for header in said)

    attack(script)
