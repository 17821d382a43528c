"""The authoring loop: what it does about foreign slots, failures and damage."""

from pathlib import Path

import pytest
import trio
import trio.testing

from node.consensus import shell
from node.consensus.announcements import Announcements, Finalized
from node.consensus.shell import AuthoringKeys, ChainWriter, author_blocks
from node.consensus.verification import slot_of
from node.logging import configure
from primitives.errors import InvalidBlock
from primitives.keystore import Keystore
from tests.node.net import ALICE, BOB, FIRST_SLOT, Net


class Clock:
    """The wall clock that the loop sees: trio's mock clock, from the first slot on."""

    def __call__(self) -> int:
        return FIRST_SLOT * 1000 + int(trio.current_time() * 1000)


def drive(net: Net, keys: AuthoringKeys, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the loop for so many seconds of a virtual clock."""
    monkeypatch.setattr(shell, "now_ms", Clock())

    async def main() -> None:
        writer = ChainWriter(net.chain, Announcements())
        with trio.move_on_after(seconds):
            await author_blocks(writer, keys, list, lambda _: None)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.01))


def test_a_block_is_authored_in_each_slot(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    drive(net, AuthoringKeys(None, [ALICE]), 4.5, monkeypatch)
    best = net.chain.best_header()
    assert best.number == 5
    assert slot_of(best) == FIRST_SLOT + 4
    assert net.chain.database.finalized().number == 5


def test_without_the_key_nothing_is_authored(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    drive(net, AuthoringKeys(None, [BOB]), 3.5, monkeypatch)
    assert net.chain.best_header().number == 0


def test_a_failed_slot_is_tried_again_in_the_next(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, failures = net.chain.build, [InvalidBlock("this once")]

    def unsteady(*args, **options):  # type: ignore[no-untyped-def]
        if failures:
            raise failures.pop()
        return build(*args, **options)

    monkeypatch.setattr(net.chain, "build", unsteady)
    drive(net, AuthoringKeys(None, [ALICE]), 3.5, monkeypatch)
    assert net.chain.best_header().number >= 2


@pytest.mark.parametrize("failure", shell.FATAL)
def test_what_no_later_slot_cures_stops_the_node(
    net: Net, monkeypatch: pytest.MonkeyPatch, failure: type[Exception]
) -> None:
    def damaged(*_args, **_options):  # type: ignore[no-untyped-def]
        raise failure("for good")

    monkeypatch.setattr(net.chain, "build", damaged)
    with pytest.raises(failure):
        drive(net, AuthoringKeys(None, [ALICE]), 3.5, monkeypatch)


def test_keys_inserted_later_count(tmp_path: Path) -> None:
    keystore = Keystore(tmp_path)
    keys = AuthoringKeys(keystore, [BOB])
    assert keys.publics() == {BOB.public}
    keystore.insert(b"babe", "//Alice", "sr25519")
    assert keys.publics() == {ALICE.public, BOB.public}
    assert keys.pair(ALICE.public) == ALICE
    assert keys.pair(b"\x01" * 32) is None


def test_imports_are_counted_and_announced(net: Net, make_net) -> None:  # type: ignore[no-untyped-def]
    built, _ = net.author(slot=FIRST_SLOT)
    other = make_net(finalizes=False)

    async def main() -> None:
        found = Announcements()
        writer = ChainWriter(other.chain, found)
        with found.listen() as events:
            imported = await writer.import_block(built.header, built.body)
            assert events.receive_nowait() is imported
        assert writer.import_count == 1

    trio.run(main)


def test_finality_is_told_a_moment_after_the_block(net: Net) -> None:
    async def main() -> None:
        found = Announcements()
        writer = ChainWriter(net.chain, found)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.announce_finality)
            with found.listen() as events:
                parent = net.chain.best_header()
                _, imported = await writer.author(
                    parent,
                    net.claim(parent, FIRST_SLOT),
                    [],
                    moment_ms=FIRST_SLOT * 1000,
                    deadline_ms=1 << 60,
                )
                assert await events.receive() is imported
                told = trio.current_time()
                assert await events.receive() == Finalized((imported.hash,))
                assert trio.current_time() - told > shell.FINALITY_PAUSE_S / 2
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.05))


def test_a_clock_that_was_behind_and_is_set_right_is_noticed(
    net: Net, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    net.author(slot=FIRST_SLOT + 3600)
    behind = Clock()
    monkeypatch.setattr(shell, "now_ms", lambda: behind() + (3_600_000 if wait_over() else 0))

    def wait_over() -> bool:
        return trio.current_time() > 5

    async def main() -> None:
        writer = ChainWriter(net.chain, Announcements())
        with trio.move_on_after(9.5):
            await author_blocks(writer, AuthoringKeys(None, [ALICE]), list, lambda _: None)

    configure()
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.01))
    assert net.chain.best_header().number > 2
    assert "s behind the chain" in capsys.readouterr().err
