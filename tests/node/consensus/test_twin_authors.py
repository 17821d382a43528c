"""Keys on two nodes: who authors with them, by the authoring loop and the chain."""

import pytest
import trio
import trio.testing

from node.consensus import shell
from node.consensus.announcements import Announcements
from node.consensus.grandpa.store import VoteStore
from node.consensus.shell import AuthoringKeys, ChainWriter, author_blocks
from node.consensus.signed_slots import SignedSlots
from node.consensus.slots import slot_at
from node.consensus.twin_shell import draw_patience, look_for_twins
from node.consensus.twins import (
    LISTEN_SLOTS_MAX,
    PATIENCE_SLOTS_MAX,
    QUIET_SLOTS,
    KeySignsElsewhere,
    TwinState,
    TwinWatch,
)
from node.consensus.verification import slot_of
from node.logging import configure
from primitives.digest import Seal
from primitives.errors import InvalidBlock
from tests.node.net import ALICE, BOB, FIRST_SLOT, Net, new_net

TWO = (ALICE, BOB)


@pytest.fixture(autouse=True)
def _no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mock clock would run on while a thread works: the loop's threads work in the loop."""

    async def run_here(work, *args, **_options):  # type: ignore[no-untyped-def]
        await trio.lowlevel.checkpoint()
        return work(*args)

    monkeypatch.setattr(trio.to_thread, "run_sync", run_here)


def watched(*, of_two: bool, watch: TwinWatch | None = None) -> Net:
    net = new_net(authorities=TWO if of_two else None, finalizes=not of_two)
    net.chain.twins = watch or TwinWatch()
    return net


def drive(net: Net, seconds: float, monkeypatch: pytest.MonkeyPatch, *others: Net) -> None:
    """Alice's node authors by a clock in which a slot is a second; so do those of ``others``, who
    are Bob. All of them get all blocks."""
    clock = trio.testing.MockClock(autojump_threshold=0)

    def now_ms() -> int:
        return FIRST_SLOT * 1000 + int(clock.current_time() * 1000)

    monkeypatch.setattr(shell, "now_ms", now_ms)

    async def author(each: Net) -> None:
        writer = ChainWriter(each.chain, Announcements())
        keys = AuthoringKeys(None, [ALICE if each is net else BOB])
        async with trio.open_nursery() as nursery:
            twins = each.chain.twins
            if twins is not None:
                nursery.start_soon(
                    look_for_twins, twins, each.chain, keys.publics, now_ms, lambda: True
                )
            await author_blocks(writer, keys, list, lambda _: None)

    async def carry() -> None:
        nets = (net, *others)
        while True:
            await trio.sleep(0.05)
            for source in nets:
                for target in nets:
                    give(source, target, now_ms())

    async def main() -> None:
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                for each in (net, *others):
                    nursery.start_soon(author, each)
                nursery.start_soon(carry)

    trio.run(main, clock=clock)


def give(source: Net, target: Net, now_ms: int) -> None:
    """Blocks of the best chain that the other does not have."""
    missing = []
    header = source.chain.best_header()
    while not target.chain.database.is_known(header.hash()):
        missing.append(header)
        header = source.chain.header(header.parent_hash)
    for each in reversed(missing):
        body = source.chain.database.body(each.hash())
        assert body is not None
        target.chain.import_block(each, body, now_ms=now_ms)


def slots_of(net: Net) -> list[int]:
    best = net.chain.best_header()
    hashes = [net.chain.database.canonical_hash(at) for at in range(1, int(best.number) + 1)]
    return [slot_of(net.chain.header(found)) for found in hashes if found is not None]


def test_the_only_author_does_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    net = watched(of_two=False)
    drive(net, 4.5, monkeypatch)
    assert slots_of(net) == [FIRST_SLOT + at for at in range(5)]
    assert net.chain.database.finalized().number == 5


def test_all_that_start_again_at_once_author_again(monkeypatch: pytest.MonkeyPatch) -> None:
    watches = [TwinWatch(patience=patience) for patience in (0, PATIENCE_SLOTS_MAX)]
    alice, bob = (watched(of_two=True, watch=watch) for watch in watches)
    drive(alice, LISTEN_SLOTS_MAX + 4, monkeypatch, bob)
    assert FIRST_SLOT + QUIET_SLOTS <= slots_of(alice)[0] <= FIRST_SLOT + LISTEN_SLOTS_MAX
    assert [watch.state for watch in watches] == [TwinState.ALONE] * 2


def test_a_node_whose_key_authors_elsewhere_makes_no_block(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configure()
    twin, bob = new_net(authorities=TWO, finalizes=False), new_net(authorities=TWO, finalizes=False)
    watch = TwinWatch()
    late = watched(of_two=True, watch=watch)

    def refuse(*_args: object, **_options: object) -> None:
        raise AssertionError("it signs a block")

    monkeypatch.setattr(late.chain, "build", refuse)
    drive(twin, 3, monkeypatch, bob)  # the first machine is at work
    assert slots_of(twin)
    moved = FIRST_SLOT + 4

    # The second one comes, with the same key, and hears both.
    for slot in range(moved, moved + LISTEN_SLOTS_MAX):
        watch.meet([ALICE.public], moved)
        watch.listen(slot, 0, is_hearing=True)
        for pair, net in ((ALICE, twin), (BOB, bob)):
            at = net.slot(net.chain.best_header(), slot, pair=pair)
            if at == slot:
                net.author(slot=slot, pair=pair)
        for source, target in ((twin, bob), (bob, twin), (twin, late), (bob, late)):
            give(source, target, (slot + 1) * 1000)
    assert watch.state is TwinState.SEEN
    drive(late, 3, monkeypatch)
    assert "stop one of the two" in capsys.readouterr().err


def test_a_twins_block_stops_the_node_before_its_next_signature() -> None:
    watch = TwinWatch()
    here, there = watched(of_two=True, watch=watch), new_net(authorities=TWO, finalizes=False)
    watch.meet([ALICE.public], FIRST_SLOT)
    slot = here.slot(here.chain.best_header(), FIRST_SLOT + 4)
    for at in range(slot):
        watch.listen(FIRST_SLOT + at, 0, is_hearing=True)
        if watch.may_sign(ALICE.public):
            break
    here.author(slot=slot)
    give(here, there, slot * 1000)
    assert watch.twin is None
    there.author(slot=there.slot(there.chain.best_header(), slot + 1))
    here.chain.signed = SignedSlots()
    give(there, here, (slot + 100) * 1000)
    assert watch.twin is not None
    with pytest.raises(KeySignsElsewhere):
        here.author(
            slot=here.slot(here.chain.best_header(), slot_of(there.chain.best_header()) + 1)
        )
    assert here.chain.signed.last == -1, "because nothing was promised"


def test_a_forged_seal_stops_nobody() -> None:
    watch = TwinWatch()
    here, there = watched(of_two=True, watch=watch), new_net(authorities=TWO, finalizes=False)
    watch.meet([ALICE.public], FIRST_SLOT)
    slot = there.slot(there.chain.best_header(), FIRST_SLOT + 4)
    built, _ = there.author(slot=slot)
    bare, seal = built.header.split_seal()
    assert seal is not None
    bad = bare.sealed(Seal(engine=seal.engine, data=bytes(64)))
    for header in (bad, bare):
        with pytest.raises(InvalidBlock):
            here.chain.import_block(header, built.body, now_ms=slot * 1000)
    assert watch.twin is None
    here.import_(built)
    assert watch.twin is not None


def test_one_node_makes_nothing_final_beside_a_twin() -> None:
    watch = TwinWatch()
    here, there = watched(of_two=False, watch=watch), new_net(finalizes=False)
    here.chain._votes = VoteStore()
    watch.meet([ALICE.public], FIRST_SLOT)
    here.author(slot=FIRST_SLOT)
    assert here.chain.database.finalized().number == 1
    give(here, there, FIRST_SLOT * 1000)
    there.author(slot=FIRST_SLOT + 5)
    give(there, here, (FIRST_SLOT + 5) * 1000)
    assert here.chain.best_header().number == 2
    assert here.chain.database.finalized().number == 1
    assert here.chain.finalize_best() == ()


def test_twins_that_start_together_are_patient_by_chance() -> None:
    assert {draw_patience() for _ in range(200)} == set(range(PATIENCE_SLOTS_MAX + 1))
    assert slot_at(1999, 1000) == 1
