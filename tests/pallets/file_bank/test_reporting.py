"""What a report must hold before a miner answers for a fragment."""

from dataclasses import replace

import pytest

from pallets.audit import Audit
from pallets.file_bank import FileBank, FileState, FragmentReports, RowCommitments, TerrName
from pallets.sminer import MinerState
from pallets.storage_handler import TerritoryState
from primitives.crypto.keys import KeyPair
from primitives.scale import U8, U32
from primitives.types import Balance, Bytes48
from proofs.podr2.verify import IDENTITY
from tests.pallets.file_bank.conservation import check
from tests.pallets.file_bank.storage_world import (
    ALICE,
    DAY,
    FRAGMENT,
    HOME,
    SEGMENT_SPACE,
    World,
    commitment_to,
    described_file,
    made_file,
    refused,
)

FILE = made_file("a")


@pytest.fixture
def deal(world):
    """Alice's file, drawn."""
    world.declare(ALICE, FILE)
    world.go()
    world.chain.clear_events()
    return world


def test_a_report_turns_locked_space_into_service_space(deal):
    who = deal.holder(FILE, 0, 4)
    deal.report(ALICE, FILE, 0, 4)
    info = deal.miners.miner_items[who]
    assert (info.lock_space, info.service_space) == (0, FRAGMENT)
    assert deal.events(FileBank.TransferReport) == [
        FileBank.TransferReport(acc=who, deal_hash=FILE.fid)
    ]
    holding = deal.audit.holdings[who, U32(0)]
    assert (holding.file_hash, holding.fragment_index) == (FILE.fid, 4)
    assert holding.since == deal.block
    assert deal.audit.commitments[who, U32(0)].points.commitments() == FILE.commitments_at(0, 4)
    check(deal)


def test_the_twelfth_report_makes_the_file_active(deal):
    deal.report_all(ALICE, FILE, but=1)
    assert FILE.fid not in deal.bank.file
    deal.report(ALICE, FILE, 0, 11)
    assert deal.events(FileBank.StorageCompleted) == [FileBank.StorageCompleted(file_hash=FILE.fid)]
    info = deal.bank.file[FILE.fid]
    assert (info.stat, info.completion) == (FileState.Active, deal.block)
    territory = deal.territory(ALICE)
    assert (territory.used_space, territory.locked_space) == (SEGMENT_SPACE, 0)
    assert not deal.bank.deal_map.keys(limit=1)
    check(deal)


def test_every_segment_must_be_complete(world):
    file = made_file("two", 2)
    world.declare(ALICE, file)
    world.go()
    for position in range(12):
        world.report(ALICE, file, 0, position)
    assert world.bank.deal_map[file.fid].complete_count == 1
    assert file.fid not in world.bank.file
    check(world)
    world.report_all(ALICE, file)
    assert file.fid in world.bank.file


def test_one_call_reports_several_fragments_or_none(world):
    file = made_file("two", 2)
    world = World(miners=12)
    world.declare(ALICE, file)
    world.go()
    who = world.holder(file, 0, 0)
    other = next(position for position in range(12) if world.holder(file, 1, position) == who)
    good = [world.report_of(ALICE, file, 0, 0), world.report_of(ALICE, file, 1, other)]
    bad = replace(good[1], fragment_index=U8((other + 1) % 12))
    with refused(world, FileBank.NotAssigned):
        world.send(who, file, good[0], bad)
    world.send(who, file, *good)
    assert world.miners.service_space(who) == 2 * FRAGMENT
    check(world)


def test_a_call_reports_something(deal):
    with refused(deal, FileBank.NoReports):
        deal.send(deal.holder(FILE, 0, 0), FILE)


def test_a_call_reports_sixteen_fragments_at_most(deal):
    report = deal.report_of(ALICE, FILE, 0, 0)
    assert FragmentReports([report] * 16)
    with pytest.raises(ValueError, match="16"):
        FragmentReports([report] * 17)


@pytest.mark.parametrize("state", [MinerState.Frozen, MinerState.Lock, MinerState.Exit])
def test_only_a_positive_miner_reports(deal, state):
    who = deal.holder(FILE, 0, 0)
    deal.miners.miner_items[who] = replace(deal.miners.miner_items[who], state=state)
    with refused(deal, FileBank.MinerStateError):
        deal.report(ALICE, FILE, 0, 0)


def test_an_account_that_is_no_miner_reports_nothing(deal):
    with refused(deal, FileBank.MinerStateError):
        deal.send(ALICE.account_id, FILE, deal.report_of(ALICE, FILE, 0, 0))


def test_there_must_be_such_a_deal(deal):
    other = made_file("b")
    who = deal.holder(FILE, 0, 0)
    with refused(deal, FileBank.NonExistent):
        deal.send(who, other, deal.report_of(ALICE, FILE, 0, 0))


@pytest.mark.parametrize(("segment", "fragment"), [(1, 0), (2**32 - 1, 0), (0, 12), (0, 255)])
def test_there_must_be_such_a_place(deal, segment, fragment):
    report = replace(
        deal.report_of(ALICE, FILE, 0, 0),
        segment_index=U32(segment),
        fragment_index=U8(fragment),
    )
    with refused(deal, FileBank.NonExistent):
        deal.send(deal.holder(FILE, 0, 0), FILE, report)


def test_nobody_reports_before_the_draw(world):
    world.declare(ALICE, FILE)
    who = world.runtime.sminer.all_miner[U32(0)]
    with refused(world, FileBank.NotAssigned):
        world.send(who, FILE, world.report_of(ALICE, FILE, 0, 0, holder=who))


def test_a_fragment_is_reported_once(deal):
    report, who = deal.report_of(ALICE, FILE, 0, 0), deal.holder(FILE, 0, 0)
    deal.send(who, FILE, report)
    with refused(deal, FileBank.AlreadyReported):
        deal.send(who, FILE, report)


def test_a_fragment_is_reported_once_in_a_call(deal):
    report, who = deal.report_of(ALICE, FILE, 0, 0), deal.holder(FILE, 0, 0)
    with refused(deal, FileBank.AlreadyReported):
        deal.send(who, FILE, report, report)


def test_a_complete_segment_takes_no_report(world):
    file = made_file("two", 2)
    world.declare(ALICE, file)
    world.go()
    who = world.holder(file, 0, 0)
    report = world.report_of(ALICE, file, 0, 0)
    for position in range(12):
        world.report(ALICE, file, 0, position)
    with refused(world, FileBank.AlreadyReported):
        world.send(who, file, report)


@pytest.mark.parametrize("count", [0, 2, 128])
def test_each_row_has_one_commitment(deal, count):
    points = RowCommitments([commitment_to(5)] * count)
    report = deal.report_of(ALICE, FILE, 0, 0, commitments=points)
    with refused(deal, FileBank.CommitmentCount):
        deal.send(deal.holder(FILE, 0, 0), FILE, report)


def test_two_rows_have_two_commitments():
    world = World(rows=2)
    big = described_file(FILE.segments, 8 * FRAGMENT - 5, FILE.values)
    world.declare(ALICE, big)
    world.go()
    who = world.holder(big, 0, 0)
    for count in (1, 3):
        points = RowCommitments([commitment_to(5)] * count)
        with refused(world, FileBank.CommitmentCount):
            world.send(who, big, world.report_of(ALICE, big, 0, 0, commitments=points))
    points = RowCommitments([commitment_to(5), commitment_to(6)])
    world.send(who, big, world.report_of(ALICE, big, 0, 0, commitments=points))
    assert world.audit.commitments[who, U32(0)].points.commitments() == points


@pytest.mark.parametrize("scheme", ["sr25519", "ed25519", "ecdsa"])
def test_an_owner_co_signs_with_a_key_of_any_scheme(world, scheme):
    owner = KeyPair.from_suri("//Dave", scheme)
    world.runtime.balances.mint_into(owner.account_id, Balance(10**9))
    world.mint(owner, HOME, 4)
    world.declare(owner, FILE)
    world.go()
    world.report_all(owner, FILE)
    assert FILE.fid in world.bank.file


def test_a_row_of_zeros_is_a_row(deal):
    """Its commitment is the point at infinity; a user may store zeros."""
    points = RowCommitments([Bytes48(IDENTITY)])
    who = deal.holder(FILE, 0, 0)
    deal.send(who, FILE, deal.report_of(ALICE, FILE, 0, 0, commitments=points))
    assert deal.audit.commitments[who, U32(0)].points.commitments() == points


def test_a_deal_completes_on_a_frozen_lease(world):
    name = TerrName(b"short")
    world.mint(ALICE, name, 4, days=1)
    world.go(DAY - 5)
    world.declare(ALICE, FILE, territory=name)
    world.go(10)
    assert world.territory(ALICE, name).state == TerritoryState.Frozen
    world.report_all(ALICE, FILE)
    assert world.territory(ALICE, name).used_space == SEGMENT_SPACE
    check(world)


def test_the_last_report_drops_a_deal_whose_lease_has_expired(world):
    """A long deal outlives its lease; its file is not given to a territory that is cleared."""
    name, file = TerrName(b"short"), made_file("long", 9)
    world.mint(ALICE, name, 20, days=1)
    world.go(DAY - 2)
    world.declare(ALICE, file, territory=name)
    world.go(DAY + 2)
    assert world.territory(ALICE, name).state == TerritoryState.Expired
    check(world)
    world.report_all(ALICE, file)
    assert world.events(FileBank.DealDropped)
    assert not world.events(FileBank.StorageCompleted)
    check(world)
    world.go(3)
    assert world.territory(ALICE, name) is None
    check(world)


def test_audit_asks_for_a_fragment_from_the_report_on(deal):
    who = deal.holder(FILE, 0, 0)
    deal.report(ALICE, FILE, 0, 0)
    deal.go()
    info = deal.begin_round(who)
    assert (info.slots, info.service_space) == (1, FRAGMENT)
    deal.prove(who, FILE)
    assert deal.events(Audit.ServiceProofAccepted)
