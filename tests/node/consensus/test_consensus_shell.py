"""The authoring loop: what it does about foreign slots, failures and damage."""

from pathlib import Path

import pytest
import trio
import trio.testing

from node.consensus import shell
from node.consensus.announcements import Announcements, ChainEvent, Finalized
from node.consensus.authorship import BuiltBlock
from node.consensus.shell import AuthoringKeys, ChainWriter, author_blocks
from node.consensus.signed_slots import SignedSlots, SlotSigned
from node.consensus.verification import slot_of
from node.logging import configure
from primitives.errors import InvalidBlock
from primitives.justification import make_justification
from primitives.keystore import Keystore
from primitives.types import Hash
from tests.node.net import ALICE, ALICE_GRANDPA, BOB, FIRST_SLOT, Net, new_net


class Clock:
    """The wall clock that the loop and its threads see: a mock clock, from the first slot on."""

    def __init__(self) -> None:
        self.trio = trio.testing.MockClock(autojump_threshold=0.05)
        self.ahead_ms = 0

    def __call__(self) -> int:
        return FIRST_SLOT * 1000 + int(self.trio.current_time() * 1000) + self.ahead_ms


@pytest.fixture(autouse=True)
def _no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mock clock would run on while a thread works: the loop's threads work in the loop."""

    async def run_here(work, *args, **_options):  # type: ignore[no-untyped-def]
        await trio.lowlevel.checkpoint()
        return work(*args)

    monkeypatch.setattr(trio.to_thread, "run_sync", run_here)


def drive(
    net: Net,
    keys: AuthoringKeys,
    seconds: float,
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock | None = None,
) -> None:
    """Run the loop for so many seconds of a virtual clock."""
    clock = clock or Clock()
    monkeypatch.setattr(shell, "now_ms", clock)

    async def main() -> None:
        writer = ChainWriter(net.chain, Announcements())
        with trio.move_on_after(seconds):
            await author_blocks(writer, keys, list, lambda _: None)

    trio.run(main, clock=clock.trio)


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


def test_a_block_that_misses_its_slot_is_given_up_and_the_next_is_light(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, build = Clock(), net.chain.build
    given: list[int] = []

    def slow(parent, claim, transactions, **options):  # type: ignore[no-untyped-def]
        given.append(len(transactions))
        if len(given) < 3:
            clock.ahead_ms += 1200
        return build(parent, claim, transactions, **options)

    monkeypatch.setattr(net.chain, "build", slow)
    monkeypatch.setattr(shell, "now_ms", clock)

    async def main() -> None:
        writer = ChainWriter(net.chain, Announcements())
        offered = net.judged([net.transfer()])
        with trio.move_on_after(3.5):
            await author_blocks(
                writer, AuthoringKeys(None, [ALICE]), lambda: offered, lambda _: None
            )

    trio.run(main, clock=clock.trio)
    assert given[:3] == [1, 0, 1]
    first = net.chain.database.canonical_hash(1)
    assert first is not None
    assert len(net.chain.database.body(first) or ()) == 1  # the inherent alone
    assert slot_of(net.chain.header(first)) == FIRST_SLOT + 1


def test_after_a_crash_that_lost_the_last_block_its_slot_is_not_signed_again(
    tmp_path: Path,
    make_net,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[no-untyped-def]
) -> None:
    path = tmp_path / "signed-slot"
    net = make_net()
    net.chain.signed = SignedSlots(path)
    drive(net, AuthoringKeys(None, [ALICE]), 2.5, monkeypatch)
    signed = slot_of(net.chain.best_header())
    again = make_net()  # the disk lost every block
    again.chain.signed = SignedSlots(path)
    drive(again, AuthoringKeys(None, [ALICE]), 4.5, monkeypatch)
    first = again.chain.database.canonical_hash(1)
    assert first is not None
    assert slot_of(again.chain.header(first)) == signed + 1
    with pytest.raises(SlotSigned, match="none is signed"):
        again.author(parent=again.chain.header(again.chain.database.genesis_hash), slot=signed)


def test_a_clock_that_is_set_back_stops_blocks_and_nothing_else(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, build = Clock(), net.chain.build

    def set_back(*args, **options):  # type: ignore[no-untyped-def]
        found = build(*args, **options)
        if found[0].header.number == 2:
            clock.ahead_ms = -3000
        return found

    monkeypatch.setattr(net.chain, "build", set_back)
    drive(net, AuthoringKeys(None, [ALICE]), 7.5, monkeypatch, clock)
    hashes = [net.chain.database.canonical_hash(number) for number in (1, 2, 3)]
    slots = [slot_of(net.chain.header(found)) for found in hashes if found is not None]
    assert slots == [FIRST_SLOT, FIRST_SLOT + 1, FIRST_SLOT + 2]
    assert net.chain.best_header().number >= 4


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
            assert (writer.constructed_count, writer.import_count) == (1, 1)
            assert writer.constructed_seconds > 0
            assert writer.import_seconds > 0
            assert writer.proposed_count == 0
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.05))


def test_a_clock_that_was_behind_and_is_set_right_is_noticed(
    net: Net, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    net.author(slot=FIRST_SLOT + 3600)
    behind = Clock()
    monkeypatch.setattr(shell, "now_ms", lambda: behind() + (3_600_000 if wait_over() else 0))

    def wait_over() -> bool:
        return behind.trio.current_time() > 5

    async def main() -> None:
        writer = ChainWriter(net.chain, Announcements())
        with trio.move_on_after(9.5):
            await author_blocks(writer, AuthoringKeys(None, [ALICE]), list, lambda _: None)

    configure()
    trio.run(main, clock=behind.trio)
    assert net.chain.best_header().number > 2
    assert "s behind the chain" in capsys.readouterr().err


def test_a_best_block_that_finality_chose_is_told_before_the_finality(open_net: Net) -> None:
    genesis = open_net.chain.best_header()
    heavy, _ = open_net.author(
        parent=genesis, slot=open_net.slot(genesis, FIRST_SLOT, primary=True)
    )
    slot = open_net.slot(genesis, slot_of(heavy.header) + 1)
    light, imported = open_net.author(parent=genesis, slot=slot)
    assert not imported.is_best
    proof = make_justification(light.header.hash(), 1, 1, 0, [ALICE_GRANDPA]).encode()

    async def main() -> None:
        found = Announcements()
        writer = ChainWriter(open_net.chain, found)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.announce_finality)
            with found.listen() as events:
                hashes = await writer.import_justification(light.header.hash(), proof)
                assert hashes == (light.header.hash(),)
                led = await events.receive()
                assert not isinstance(led, Finalized)
                assert (led.hash, led.is_best, led.is_new) == (light.header.hash(), True, False)
                assert led.route.retracted == (heavy.header.hash(),)
                assert await events.receive() == Finalized(hashes)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.05))


def test_a_known_block_with_its_proof_becomes_final_and_is_not_told_again(
    net: Net, open_net: Net
) -> None:
    built, imported = net.author(slot=FIRST_SLOT)
    proof = net.chain.database.justification(imported.hash)

    async def main() -> None:
        found = Announcements()
        writer = ChainWriter(open_net.chain, found)
        await writer.import_block(built.header, built.body)
        with found.listen() as events:
            again = await writer.import_block(built.header, built.body, justification=proof)
            assert not again.is_new
            assert open_net.chain.database.finalized().number == 1
            with pytest.raises(trio.WouldBlock):
                events.receive_nowait()  # finality is told by its own task

    trio.run(main)


def test_two_blocks_for_one_slot_are_reported_though_the_second_is_refused(
    net: Net, open_net: Net
) -> None:
    first, _ = net.author(slot=FIRST_SLOT)
    second, _ = open_net.author(open_net.transfer(), slot=FIRST_SLOT)
    found = []

    async def main() -> None:
        writer = ChainWriter(new_net(finalizes=False).chain, Announcements(), found.append)
        await writer.import_block(first.header, first.body)
        with pytest.raises(InvalidBlock):
            await writer.import_block(second.header, second.body[:-1])

    trio.run(main)
    assert [(each.author, each.slot) for each in found] == [(ALICE.public, FIRST_SLOT)]


def chain_of(net: Net, count: int) -> list[BuiltBlock]:
    """So many blocks of the real chain, which others can import."""
    return [net.author(slot=FIRST_SLOT + at)[0] for at in range(count)]


def heard(events: trio.MemoryReceiveChannel[ChainEvent]) -> list[Hash]:
    """The blocks that were told of by now."""
    found: list[Hash] = []
    while True:
        try:
            event = events.receive_nowait()
        except trio.WouldBlock:
            return found
        if not isinstance(event, Finalized):
            found.append(event.hash)


def test_deferred_blocks_are_told_of_in_order_and_only_once_they_are_on_disk(
    net: Net, open_net: Net
) -> None:
    made = chain_of(net, 5)
    hashes = [built.header.hash() for built in made]
    database = open_net.chain.database

    async def main() -> None:
        announcements = Announcements()
        writer = ChainWriter(open_net.chain, announcements)
        with announcements.listen() as events:
            for built in made[:3]:
                await writer.import_block(built.header, built.body, is_deferred=True)
            assert database.best().number == 3
            assert (heard(events), database.settled_best().number) == ([], 0)
            await writer.settle()
            assert (heard(events), database.settled_best().number) == (hashes[:3], 3)
            await writer.import_block(made[3].header, made[3].body, is_deferred=True)
            assert heard(events) == []
            await writer.import_block(made[4].header, made[4].body)
            assert heard(events) == hashes[3:]
            await writer.settle()
            assert heard(events) == []

    trio.run(main)


def test_what_is_final_is_on_disk_and_told_after_the_blocks_that_waited(
    net: Net, open_net: Net
) -> None:
    made = chain_of(net, 3)
    hashes = [built.header.hash() for built in made]
    proof = net.chain.database.justification(hashes[1])
    assert proof is not None

    async def main() -> None:
        announcements = Announcements()
        writer = ChainWriter(open_net.chain, announcements)
        with announcements.listen() as events:
            for built in made:
                await writer.import_block(built.header, built.body, is_deferred=True)
            assert await writer.import_justification(hashes[1], proof) == tuple(hashes[:2])
            assert open_net.chain.database.is_settled
            assert heard(events) == hashes

    trio.run(main)


def test_a_deferred_block_does_not_wait_longer_than_the_bound(
    net: Net, open_net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = chain_of(net, 3)
    seconds = [0.0]
    monkeypatch.setattr("node.consensus.shell.time.monotonic", lambda: seconds[0])

    async def main() -> None:
        announcements = Announcements()
        writer = ChainWriter(open_net.chain, announcements)
        with announcements.listen() as events:
            for built, at_ms in zip(made, (0, shell.DEFERRED_MS_MAX - 1), strict=False):
                seconds[0] = at_ms / 1000
                await writer.import_block(built.header, built.body, is_deferred=True)
                assert heard(events) == []
            seconds[0] = shell.DEFERRED_MS_MAX / 1000
            await writer.import_block(made[2].header, made[2].body, is_deferred=True)
            assert heard(events) == [built.header.hash() for built in made]
            assert open_net.chain.database.is_settled

    trio.run(main)


def test_a_block_of_our_own_takes_what_waited_to_disk(net: Net, open_net: Net) -> None:
    made = chain_of(net, 2)

    async def main() -> None:
        announcements = Announcements()
        writer = ChainWriter(open_net.chain, announcements)
        with announcements.listen() as events:
            for built in made:
                await writer.import_block(built.header, built.body, is_deferred=True)
            parent = open_net.chain.best_header()
            slot = FIRST_SLOT + 2
            _, own = await writer.author(
                parent,
                open_net.claim(parent, slot),
                [],
                moment_ms=slot * open_net.duration_ms,
                deadline_ms=1 << 60,
            )
            assert heard(events) == [*(built.header.hash() for built in made), own.hash]
            assert open_net.chain.database.settled_best().hash == own.hash

    trio.run(main)
