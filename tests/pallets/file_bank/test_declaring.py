"""What can be declared, by whom, and what a further owner gets."""

import pytest

from pallets.file_bank import DealSegments, FileBank, FragmentHashes, SegmentList, TerrName
from pallets.storage_handler import StorageHandler
from primitives.scale import U32
from primitives.types import FileHash, FragmentHash, SegmentHash
from proofs.erasure.segments import file_id
from tests.pallets.file_bank.conservation import check
from tests.pallets.file_bank.storage_world import (
    ALICE,
    BOB,
    CAROL,
    DAY,
    DEADLINE,
    FRAGMENT,
    HOME,
    SEGMENT_SPACE,
    World,
    described_file,
    made_file,
    refused,
)

FILE = made_file("a")


def test_a_declaration_locks_space_and_opens_a_deal(world):
    world.declare(ALICE, FILE)
    owner = ALICE.account_id
    assert world.events(FileBank.UploadDeclaration) == [
        FileBank.UploadDeclaration(operator=owner, owner=owner, deal_hash=FILE.fid)
    ]
    assert world.territory(ALICE).locked_space == SEGMENT_SPACE
    deal = world.bank.deal_map[FILE.fid]
    assert (deal.attempt, deal.complete_count) == (0, 0)
    assert deal.deadline == world.block + DEADLINE
    assert all(
        fragment.miner is None for fragment in world.bank.deal_segments[FILE.fid, U32(0)].fragments
    ), "holders come with the next block, whose randomness the declarer does not know"
    check(world)


@pytest.mark.parametrize(("segments", "groups"), [(8, 1), (9, 2)])
def test_each_begun_group_of_eight_segments_adds_a_deadline(segments, groups):
    world = World(plots=20)
    file = made_file("long", segments)
    world.declare(ALICE, file)
    assert world.bank.deal_map[file.fid].deadline == world.block + groups * DEADLINE


def test_only_the_owner_declares(world):
    with refused(world, FileBank.NoPermission):
        world.declare(ALICE, FILE, signer=BOB)


@pytest.mark.parametrize("name", [b"", b"ab", b"a\x00b", b"abc\n", b"abc\x7f", b"\x1bab"])
def test_short_names_and_control_characters_are_refused(world, name):
    with refused(world, FileBank.LessMinLength):
        world.declare(ALICE, FILE, name=name)


@pytest.mark.parametrize("name", [b"abc", b"x" * 63, "schön".encode(), b"a b"])
def test_names_of_3_to_63_bytes_are_taken(world, name):
    world.declare(ALICE, FILE, name=name)


@pytest.mark.parametrize(
    "size", [0, 4 * FRAGMENT + 1, 2**64, 2**128 - 1], ids=["empty", "above", "u65", "u128"]
)
def test_a_size_that_the_segments_do_not_fit_is_refused(world, size):
    with refused(world, FileBank.SpecError):
        world.declare(ALICE, FILE, size=size)


@pytest.mark.parametrize("size", [1, 4 * FRAGMENT])
def test_a_segment_holds_one_byte_to_all_of_it(world, size):
    file = described_file(FILE.segments, size, FILE.values)
    world.declare(ALICE, file)


def test_an_empty_list_is_no_file(world):
    nothing = described_file([], 0, {})
    with refused(world, FileBank.SpecError):
        world.declare(ALICE, nothing)


@pytest.mark.parametrize("count", [0, 4, 11])
def test_a_segment_has_twelve_fragments(world, count):
    item = FILE.segments[0]
    short = SegmentList(hash=item.hash, fragment_list=FragmentHashes(item.fragment_list[:count]))
    file = described_file([short], FILE.size, {})
    with refused(world, FileBank.SpecError):
        world.declare(ALICE, file)


def mutated(kind: str):
    item = FILE.segments[0]
    hashes = list(item.fragment_list)
    if kind == "fragment":
        hashes[7] = FragmentHash(bytes(32))
    elif kind == "order":
        hashes[0], hashes[1] = hashes[1], hashes[0]
    whole = SegmentHash(bytes(32)) if kind == "segment" else item.hash
    return DealSegments([SegmentList(hash=whole, fragment_list=FragmentHashes(hashes))])


@pytest.mark.parametrize("kind", ["fragment", "order", "segment"])
def test_a_hash_that_is_not_that_of_the_list_is_refused(world, kind):
    with refused(world, FileBank.FileHashMismatch):
        world.declare(ALICE, FILE, described=mutated(kind))


def test_a_hash_that_is_not_that_of_the_size_is_refused(world):
    with refused(world, FileBank.FileHashMismatch):
        world.declare(ALICE, FILE, size=FILE.size - 1)


def test_a_made_up_hash_is_refused(world):
    with refused(world, FileBank.FileHashMismatch):
        world.declare(ALICE, FILE, fid=FileHash(b"\xff" * 32))


def test_the_identity_on_chain_is_that_of_the_client(world):
    item = FILE.segments[0]
    assert FILE.fid == file_id(FILE.size, [(item.hash, tuple(item.fragment_list))])


def test_an_open_deal_of_the_hash_is_not_overwritten(world):
    world.declare(ALICE, FILE)
    for owner in (ALICE, BOB):
        with refused(world, FileBank.Existed):
            world.declare(owner, FILE)
    assert world.bank.deal_map[FILE.fid].user.user == ALICE.account_id


def test_a_hash_that_is_being_taken_down_waits(world):
    world.declare(ALICE, FILE)
    world.call("FileBank", "delete_file", ALICE, owner=ALICE.account_id, file_hash=FILE.fid)
    with refused(world, FileBank.BeingRemoved):
        world.declare(ALICE, FILE)
    world.go()
    world.declare(ALICE, FILE)
    check(world)


def test_a_deal_needs_twelve_miners():
    for miners in (11, 12):
        world = World(miners=miners)
        if miners < 12:
            with refused(world, FileBank.MinerPowerInsufficient):
                world.declare(ALICE, FILE)
        else:
            world.declare(ALICE, FILE)


# Territories.


def test_a_declaration_needs_a_territory(world):
    with refused(world, StorageHandler.NotHaveTerritory):
        world.declare(ALICE, FILE, territory=TerrName(b"elsewhere"))


def test_the_territory_of_another_is_none(world):
    name = TerrName(b"bobs own")
    world.mint(BOB, name, 2)
    with refused(world, StorageHandler.NotHaveTerritory):
        world.declare(ALICE, FILE, territory=name)


def test_a_file_needs_three_times_its_segments_of_space(world):
    small, enough = TerrName(b"small"), TerrName(b"enough")
    world.mint(ALICE, small, 1)
    world.mint(ALICE, enough, 2)
    with refused(world, StorageHandler.InsufficientStorage):
        world.declare(ALICE, FILE, territory=small)
    world.declare(ALICE, FILE, territory=enough)


def test_nothing_is_declared_from_the_deadline_of_the_lease_on(world):
    name = TerrName(b"short")
    world.mint(ALICE, name, 4, days=1)
    deadline = int(world.territory(ALICE, name).deadline)
    world.go(deadline - 1 - world.block)
    world.declare(ALICE, FILE, territory=name)
    world.go()
    assert world.block == deadline
    with refused(world, StorageHandler.NotActive):
        world.declare(ALICE, made_file("b"), territory=name)


# Further owners.


def test_a_stored_hash_makes_the_caller_a_further_owner_who_pays_all(world):
    world.store(ALICE, FILE)
    world.chain.clear_events()
    world.declare(BOB, FILE, name=b"mine too")
    assert world.territory(BOB).used_space == SEGMENT_SPACE
    assert [brief.user for brief in world.bank.file[FILE.fid].owner] == [
        ALICE.account_id,
        BOB.account_id,
    ]
    assert world.bank.is_owner(FILE.fid, BOB.account_id)
    assert world.bank.user_hold_file_list[BOB.account_id, FILE.fid].file_name == b"mine too"
    assert world.events(FileBank.UploadDeclaration)
    check(world)


def test_an_owner_does_not_own_twice_in_whatever_territory(world):
    world.store(ALICE, FILE)
    other = TerrName(b"other")
    world.mint(ALICE, other, 4)
    for name in (HOME, other):
        with refused(world, FileBank.FileExistent):
            world.declare(ALICE, FILE, territory=name)


def test_a_further_owner_needs_space_and_an_active_lease(world):
    world.store(ALICE, FILE)
    name = TerrName(b"small")
    world.mint(BOB, name, 1, days=1)
    with refused(world, StorageHandler.InsufficientStorage):
        world.declare(BOB, FILE, territory=name)
    world.go(DAY)
    with refused(world, StorageHandler.NotActive):
        world.declare(BOB, FILE, territory=name)


def test_a_file_has_a_hundred_owners_at_most(world, monkeypatch):
    monkeypatch.setattr("pallets.file_bank.declaring.OWNERS_MAX", 2)
    world.store(ALICE, FILE)
    world.declare(BOB, FILE)
    with refused(world, FileBank.StorageLimitReached):
        world.declare(CAROL, FILE)
