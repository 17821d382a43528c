"""Events reach every listener; one that sleeps is cut off."""

import pytest
import trio

from node.consensus import announcements as module
from node.consensus.announcements import Announcements, Finalized
from primitives.types import Hash
from tests.node.net import Net


def event(number: int) -> Finalized:
    return Finalized((Hash(bytes((number,)) * 32),))


def test_every_listener_gets_every_event() -> None:
    async def main() -> None:
        found = Announcements()
        found.tell(event(0))
        with found.listen() as one, found.listen() as two:
            found.tell(event(1))
            assert one.receive_nowait() == two.receive_nowait() == event(1)
        found.tell(event(2))

    trio.run(main)


def test_a_listener_that_sleeps_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_MAX", 2)

    async def main() -> None:
        found = Announcements()
        with found.listen() as channel:
            for number in range(4):
                found.tell(event(number))
            assert [got async for got in channel] == [event(0), event(1)]

    trio.run(main)


def test_an_import_that_finalises_is_two_events(net: Net) -> None:
    _, imported = net.author()

    async def main() -> None:
        found = Announcements()
        with found.listen() as channel:
            found.tell_imported(imported)
            assert channel.receive_nowait() is imported
            assert channel.receive_nowait() == Finalized((imported.hash,))

    trio.run(main)
