"""Several authors: who won a slot comes first, and who cannot help the chain leaves its slots."""

from collections import defaultdict
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from node.consensus import shell
from node.consensus.announcements import Finalized
from node.consensus.shell import AuthoringKeys, Conditions, author_blocks
from node.consensus.verification import slot_of, unseal
from node.network.memory import MemoryHub
from primitives.digest import Primary
from primitives.header import Header
from tests.node.consensus.grandpa.cluster import BABE, Node, _no_threads, four  # noqa: F401
from tests.node.net import FIRST_SLOT


def play(
    script: Callable[[list[Node]], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> list[Node]:
    """Open four nodes and run a script, on a virtual clock that is the wall clock as well."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    monkeypatch.setattr(
        shell, "now_ms", lambda: FIRST_SLOT * 1000 + round(clock.current_time() * 1000)
    )
    hub, nodes = MemoryHub(), four()

    async def main() -> None:
        for node in nodes:
            node.open(hub)
        await script(nodes)

    trio.run(main, clock=clock)
    return nodes


async def author(node: Node, at: int, conditions: Conditions | None = None) -> None:
    keys = AuthoringKeys(None, [BABE[at]])
    await author_blocks(node.writer, keys, list, lambda _: None, conditions)


async def carry(node: Node, others: list[Node], blocks: list[Header]) -> None:
    """Take what one node authored to the others, with a delay."""
    with node.announcements.listen() as events:
        async for event in events:
            if isinstance(event, Finalized) or event.header in blocks:
                continue
            blocks.append(event.header)
            await trio.sleep(0.05)
            body = node.database.body(event.hash)
            assert body is not None
            for other in others:
                await other.writer.import_block(event.header, body)


def test_no_slot_that_somebody_won_gets_a_secondary_block(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks: list[Header] = []

    async def script(nodes: list[Node]) -> None:
        with trio.move_on_after(40):
            async with trio.open_nursery() as nursery:
                for at, node in enumerate(nodes):
                    others = [other for other in nodes if other is not node]
                    nursery.start_soon(carry, node, others, blocks)
                    nursery.start_soon(author, node, at)

    nodes = play(script, monkeypatch)
    kinds: dict[int, list[bool]] = defaultdict(list)
    for header in blocks:
        kinds[slot_of(header)].append(isinstance(unseal(header).claim, Primary))
    assert len(kinds) >= 38  # hardly a slot is empty
    assert sum(True in of_slot for of_slot in kinds.values()) >= 5
    for of_slot in kinds.values():
        assert of_slot.count(False) <= (0 if True in of_slot else 1)
    assert len({node.database.best() for node in nodes}) == 1


@pytest.mark.parametrize(
    ("conditions", "does_author"),
    [
        (Conditions(), True),
        (Conditions(is_major_syncing=lambda: True), False),
        (Conditions(is_major_syncing=lambda: True, is_forced=True), False),
        (Conditions(is_offline=lambda: True), False),
        (Conditions(is_offline=lambda: True, is_forced=True), True),
    ],
)
def test_slots_are_left_while_syncing_and_without_peers(
    conditions: Conditions, does_author: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(nodes: list[Node]) -> None:
        with trio.move_on_after(12):
            await author(nodes[0], 0, conditions)

    nodes = play(script, monkeypatch)
    assert (nodes[0].database.best().number > 0) == does_author


def test_an_author_of_all_keys_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(nodes: list[Node]) -> None:
        offline = Conditions(is_offline=lambda: True)
        with trio.move_on_after(5.1):
            keys = AuthoringKeys(None, BABE)
            await author_blocks(nodes[0].writer, keys, list, lambda _: None, offline)

    nodes = play(script, monkeypatch)
    assert nodes[0].database.best().number == 6
