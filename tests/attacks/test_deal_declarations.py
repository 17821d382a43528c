"""Attacks on declarations: space that is not paid, hashes of others, deals that never end."""

import random

from pallets.file_bank import DealSegments, FileBank, FragmentHashes, SegmentList, TerrName
from pallets.storage_handler import StorageHandler
from primitives.scale import U32
from primitives.types import FragmentHash, SegmentHash
from tests.pallets.file_bank.conservation import check
from tests.pallets.file_bank.storage_world import (
    ALICE,
    ATTEMPTS,
    BOB,
    CAROL,
    DEADLINE,
    HOME,
    MINERS,
    SEGMENT_SPACE,
    World,
    described_file,
    made_file,
    refused,
)

FILE = made_file("a")


def test_no_mutated_list_passes_for_the_hash(world):
    """Each list differs from the declared one in one hash, one swap or one length."""
    choose = random.Random(3)
    file = made_file("two", 2)
    for _ in range(150):
        lists = [[item.hash, list(item.fragment_list)] for item in file.segments]
        segment = choose.randrange(2)
        hashes = lists[segment][1]
        first, second = choose.sample(range(12), 2)
        kind = choose.randrange(4)
        if kind == 0:
            raw = bytearray(hashes[first])
            raw[choose.randrange(32)] ^= 1 << choose.randrange(8)
            hashes[first] = FragmentHash(bytes(raw))
        elif kind == 1:
            hashes[first], hashes[second] = hashes[second], hashes[first]
        elif kind == 2:
            raw = bytearray(lists[segment][0])
            raw[choose.randrange(32)] ^= 1 << choose.randrange(8)
            lists[segment][0] = SegmentHash(bytes(raw))
        else:
            lists.reverse()
        described = DealSegments(
            SegmentList(hash=whole, fragment_list=FragmentHashes(each)) for whole, each in lists
        )
        with refused(world, FileBank.FileHashMismatch):
            world.declare(ALICE, file, described=described)


def test_space_is_paid_before_anything_is_placed():
    world = World(miners=12)
    with refused(world, StorageHandler.NotHaveTerritory):
        world.declare(ALICE, FILE, territory=TerrName(b"unpaid"))
    world.go(2)
    assert not world.bank.assigned.keys(limit=1)


def test_one_lease_does_not_hold_two_files_at_once(world):
    """The second declaration comes before the first file is stored, and finds the space locked."""
    name = TerrName(b"for one")
    world.mint(ALICE, name, 2)
    world.declare(ALICE, FILE, territory=name)
    with refused(world, StorageHandler.InsufficientStorage):
        world.declare(ALICE, made_file("b"), territory=name)


def test_a_declared_size_does_not_make_a_file_cheaper(world):
    """Three segments declared as the size of two: the count follows from the size."""
    file = made_file("three", 3)
    cheap = described_file(file.segments, 2 * SEGMENT_SPACE // 3, file.values)
    with refused(world, FileBank.SpecError):
        world.declare(ALICE, cheap)


def test_a_squatter_holds_a_hash_for_a_bounded_time_and_pays(world):
    """A rival declares the victim's file first, without its bytes; the deal ends by itself."""
    world.declare(BOB, FILE)
    assert world.territory(BOB).locked_space == SEGMENT_SPACE
    with refused(world, FileBank.Existed):
        world.declare(ALICE, FILE)
    world.go(ATTEMPTS * (DEADLINE + 1) + 1)
    world.store(ALICE, FILE)
    assert world.bank.is_owner(FILE.fid, ALICE.account_id)
    assert not world.bank.is_owner(FILE.fid, BOB.account_id)
    check(world)


def test_an_open_deal_is_not_taken_from_its_owner(world):
    """CESS overwrites a pending deal: its owner loses the file and its space stays locked."""
    world.declare(ALICE, FILE)
    world.go()
    world.report_all(ALICE, FILE, but=1)
    with refused(world, FileBank.Existed):
        world.declare(BOB, FILE)
    world.report_all(ALICE, FILE)
    assert [brief.user for brief in world.bank.file[FILE.fid].owner] == [ALICE.account_id]


def test_a_deal_without_reports_frees_everything_it_held(world):
    world.declare(ALICE, FILE)
    world.go(ATTEMPTS * (DEADLINE + 1) + 1)
    assert world.territory(ALICE).locked_space == 0
    assert all(world.miners.miner_items[who].lock_space == 0 for who in MINERS[:14])
    assert not world.bank.deal_schedule.keys(limit=1)
    check(world)


def test_one_hash_in_two_territories_does_not_leave_a_file_without_owners(world):
    """CESS tests the exact tuple only; two entries of one owner outlive its single deletion."""
    other = TerrName(b"other")
    world.mint(ALICE, other, 4)
    world.store(ALICE, FILE)
    with refused(world, FileBank.FileExistent):
        world.declare(ALICE, FILE, territory=other)
    world.delete(ALICE, FILE)
    world.go()
    assert FILE.fid not in world.bank.file
    assert not world.bank.file_segments.keys(limit=1)


def test_a_further_owner_pays_and_takes_nothing_from_the_first(world):
    world.store(ALICE, FILE)
    world.declare(BOB, FILE)
    assert world.territory(BOB).used_space == SEGMENT_SPACE
    with refused(world, FileBank.NoPermission):
        world.call("FileBank", "delete_file", BOB, owner=ALICE.account_id, file_hash=FILE.fid)
    world.delete(BOB, FILE)
    world.go()
    assert world.bank.is_owner(FILE.fid, ALICE.account_id)
    assert world.bank.file_segments.keys(limit=1)
    check(world)


def test_a_flood_of_deals_delays_and_never_blocks():
    """Deals of one owner fill the draw queue; the victim's comes after them, not never."""
    world = World(miners=20, plots=20)
    world.mint(BOB, TerrName(b"big"), 300)
    flood = [made_file(f"flood {number}", 8) for number in range(6)]
    for file in flood:
        world.declare(BOB, file, territory=TerrName(b"big"))
    world.declare(ALICE, FILE)
    blocks = 0
    while world.bank.deal_segments[FILE.fid, U32(0)].fragments[0].miner is None:
        world.go()
        blocks += 1
    assert blocks == 6 * 8 // 16 + 1
    world.report_all(ALICE, FILE)
    check(world)


def test_a_flood_of_cancelled_deals_costs_one_step_each(world):
    for _ in range(20):
        world.declare(BOB, FILE)
        world.delete(BOB, FILE)
        world.go()
    world.store(ALICE, FILE)
    check(world)


def test_files_of_other_leases_survive_the_end_of_one(world):
    """CESS drops entries of other territories when one expires."""
    name = TerrName(b"short")
    world.mint(CAROL, name, 20, days=1)
    kept = [made_file(f"kept {number}") for number in range(3)]
    for file in kept:
        world.store(CAROL, file, territory=HOME)
    for number in range(3):
        world.store(CAROL, made_file(f"gone {number}"), territory=name)
    world.go(2 * 100 + 5 - world.block)
    assert world.territory(CAROL, name) is None
    assert all(world.bank.is_owner(file.fid, CAROL.account_id) for file in kept)
    assert len(world.bank.file.keys(limit=9)) == 3
    check(world)
