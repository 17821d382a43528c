"""Who is drawn, when, and how much of it one block does."""

from collections import Counter
from dataclasses import replace

from pallets.file_bank import FileBank, TerrName
from pallets.file_bank.placing import LOOKS_PER_BLOCK_MAX, SEGMENTS_PER_BLOCK_MAX
from pallets.file_bank.types import ASSIGNED_MORE_MAX
from pallets.sminer import MinerState
from primitives.scale import U32, U64, U128
from tests.pallets.file_bank.conservation import check
from tests.pallets.file_bank.storage_world import (
    ALICE,
    DEADLINE,
    FRAGMENT,
    MINERS,
    World,
    described_file,
    made_file,
)

FILE = made_file("a")


def drawn(world, file=FILE, segment=0):
    return [item.miner for item in world.bank.deal_segments[file.fid, U32(segment)].fragments]


def test_the_next_block_draws_twelve_different_holders(world):
    world.declare(ALICE, FILE)
    world.go()
    holders = drawn(world)
    assert len(set(holders)) == 12
    deadline = world.bank.deal_map[FILE.fid].deadline
    assert world.events(FileBank.HoldersDrawn) == [
        FileBank.HoldersDrawn(deal_hash=FILE.fid, deadline=deadline)
    ]
    for position, who in enumerate(holders):
        work = world.bank.assigned[who, FILE.hash_at(0, position)]
        assert (work.file_hash, work.fragment_index) == (FILE.fid, position)
        assert work.deadline == deadline
        assert world.miners.miner_items[who].lock_space == FRAGMENT
    check(world)


def test_the_draw_depends_on_the_block_after_the_declaration():
    seen = set()
    for salt in (b"", b"1", b"2"):
        world = World(miners=30)
        world.declare(ALICE, FILE)
        world.runtime.beacon.salt = salt
        world.go()
        seen.add(tuple(drawn(world)))
    assert len(seen) == 3


def test_segments_are_drawn_apart_from_one_another():
    world = World(miners=30)
    file = made_file("two", 2)
    world.declare(ALICE, file)
    world.go()
    assert drawn(world, file, 0) != drawn(world, file, 1)


def test_only_positive_miners_with_room_for_a_fragment_are_drawn(world):
    frozen, full, tight = MINERS[0], MINERS[1], MINERS[2]
    items = world.miners.miner_items
    items[frozen] = replace(items[frozen], state=MinerState.Frozen)
    items[full] = replace(items[full], idle_space=U128(FRAGMENT - 1))
    items[tight] = replace(items[tight], idle_space=U128(FRAGMENT))
    world.declare(ALICE, FILE)
    world.go()
    holders = set(drawn(world))
    assert None not in holders
    assert holders == set(MINERS[2:14])


def test_what_finds_no_holder_waits_for_the_next_draw():
    world = World(miners=12)
    world.call("Sminer", "miner_exit_prep", MINERS[0], miner=MINERS[0])
    world.declare(ALICE, FILE)
    world.go()
    assert Counter(who is None for who in drawn(world)) == {False: 11, True: 1}
    world.register(MINERS[20], 4)
    world.go(DEADLINE)
    assert None not in drawn(world)
    check(world)


def test_holders_are_drawn_evenly():
    """Each of 14 miners holds 12 of 14 fragments on average: in 60 draws, 51 give or take 9."""
    world = World()
    times = Counter()
    for number in range(60):
        world.runtime.beacon.salt = bytes([number])
        world.declare(ALICE, FILE)
        world.go()
        times.update(drawn(world))
        world.delete(ALICE, FILE)
        world.go()
    assert all(42 <= times[who] <= 60 for who in MINERS[:14])


def test_a_cancelled_deal_is_not_drawn(world):
    world.declare(ALICE, FILE)
    world.delete(ALICE, FILE)
    world.go()
    assert not world.bank.deal_segments.keys(limit=1)
    assert not world.events(FileBank.HoldersDrawn)
    check(world)


def test_an_old_draw_does_not_touch_a_new_deal_of_the_same_hash(world, monkeypatch):
    """A deal is cancelled and declared again while its first draw still waits in the queue."""
    monkeypatch.setattr("pallets.file_bank.placing.SEGMENTS_PER_BLOCK_MAX", 0)
    world.declare(ALICE, FILE)
    world.delete(ALICE, FILE)
    world.go()
    world.declare(ALICE, FILE)
    assert world.bank.place_tail.get() - world.bank.place_head.get() == 2
    monkeypatch.setattr("pallets.file_bank.placing.SEGMENTS_PER_BLOCK_MAX", 16)
    world.go()
    assert len(world.events(FileBank.HoldersDrawn)) == 1
    assert all(item.late is None for item in world.bank.deal_segments[FILE.fid, U32(0)].fragments)


def test_a_block_draws_a_bounded_number_of_segments():
    world = World(plots=8)
    file = made_file("long", SEGMENTS_PER_BLOCK_MAX + 1)
    world.mint(ALICE, TerrName(b"big"), 80)
    world.declare(ALICE, file, territory=TerrName(b"big"))
    world.go()
    assert not world.events(FileBank.HoldersDrawn)
    assert drawn(world, file, SEGMENTS_PER_BLOCK_MAX) == [None] * 12
    assert None not in drawn(world, file, SEGMENTS_PER_BLOCK_MAX - 1)
    world.go()
    assert world.events(FileBank.HoldersDrawn)
    assert None not in drawn(world, file, SEGMENTS_PER_BLOCK_MAX)
    check(world)


def test_a_block_looks_at_a_bounded_number_of_miners(monkeypatch):
    monkeypatch.setattr("pallets.file_bank.placing.LOOKS_PER_BLOCK_MAX", 13)
    world = World(miners=12)
    file = made_file("long", 3)
    world.declare(ALICE, file)
    world.go()
    assert None not in drawn(world, file, 1)
    assert drawn(world, file, 2) == [None] * 12
    world.go()
    assert None not in drawn(world, file, 2)
    assert LOOKS_PER_BLOCK_MAX == 1024


def test_equal_fragments_wait_in_line_and_move_up():
    """Segments with the same fragments: a miner gets one place to report after the other."""
    world = World(miners=12)
    item = made_file("a").segments[0]
    file = described_file([item] * 3, 3 * 4 * FRAGMENT, FILE.values)
    world.declare(ALICE, file)
    world.go()
    check(world)
    places = Counter(
        (world.holder(file, segment, position), file.hash_at(segment, position))
        for segment in range(3)
        for position in range(12)
    )
    assert max(places.values()) > 1, "the draw of this test gives some miner two places"
    world.report_all(ALICE, file)
    check(world)
    assert file.fid in world.bank.file


def test_a_line_of_equal_fragments_is_bounded(monkeypatch):
    monkeypatch.setattr("pallets.file_bank.placing.ASSIGNED_MORE_MAX", 1)
    world = World(miners=12)
    item = SEGMENT_OF_EQUALS
    file = described_file([item] * 3, 3 * 4 * FRAGMENT, FILE.values)
    world.declare(ALICE, file)
    world.go()
    assert None not in drawn(world, file, 0) + drawn(world, file, 1)
    assert drawn(world, file, 2) == [None] * 12, "each miner has two places already"
    check(world)
    assert ASSIGNED_MORE_MAX == 16


SEGMENT_OF_EQUALS = replace(
    FILE.segments[0],
    fragment_list=type(FILE.segments[0].fragment_list)([FILE.hash_at(0, 0)] * 12),
)


def test_places_leave_a_line_from_anywhere():
    """The first, a middle and the last place of a line are reported; the others stay."""
    for order in ((0, 1, 2), (1, 0, 2), (2, 1, 0)):
        world = World(miners=12)
        file = described_file([SEGMENT_OF_EQUALS] * 3, 3 * 4 * FRAGMENT, FILE.values)
        world.declare(ALICE, file)
        world.go()
        for segment in order:
            for position in range(12):
                world.report(ALICE, file, segment, position)
            check(world)
        assert file.fid in world.bank.file


def test_the_queue_is_empty_in_the_end(world):
    world.declare(ALICE, FILE)
    world.go(2)
    assert world.bank.place_head.get() == world.bank.place_tail.get() == U64(1)
    assert not world.bank.place_queue.keys(limit=1)
