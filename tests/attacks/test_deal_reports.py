"""Attacks on reports: becoming the holder of what one was not drawn for or does not have."""

from dataclasses import replace

import pytest

from pallets.file_bank import FileBank, RowCommitments
from pallets.frame.testing import GENESIS_HASH
from primitives.crypto.keys import KeyPair
from primitives.extrinsic import Ed25519Signature, SignatureBytes, Sr25519Signature
from primitives.hashing import blake2_256
from primitives.scale import U8, U32
from primitives.types import Bytes48, FragmentHash
from proofs.podr2.wire import cosign_message
from tests.attacks.points import BAD_POINTS
from tests.pallets.file_bank.conservation import check
from tests.pallets.file_bank.storage_world import (
    ALICE,
    BOB,
    DEADLINE,
    MINERS,
    World,
    commitment_to,
    made_file,
    refused,
    twin_file,
)

FILE = made_file("a")
PLACE = (0, 4)


@pytest.fixture
def deal(world):
    """Alice's file, drawn."""
    world.declare(ALICE, FILE)
    world.go()
    return world


def message(
    world,
    *,
    genesis=GENESIS_HASH,
    fid=FILE.fid,
    segment=PLACE[0],
    fragment=PLACE[1],
    who=None,
    fragment_hash=None,
    points=None,
) -> bytes:
    return cosign_message(
        genesis,
        fid,
        segment,
        fragment,
        who or world.holder(FILE, *PLACE),
        fragment_hash or FILE.hash_at(*PLACE),
        points or FILE.commitments_at(*PLACE),
    )


def test_a_miner_reports_only_what_it_was_drawn_for(deal):
    holder = deal.holder(FILE, *PLACE)
    others = [who for who in MINERS[:14] if who != holder]
    for thief in others:
        own = deal.report_of(ALICE, FILE, *PLACE, holder=thief)
        stolen = deal.report_of(ALICE, FILE, *PLACE)
        for report in (own, stolen):
            with refused(deal, FileBank.NotAssigned):
                deal.send(thief, FILE, report)


def test_twelve_miners_in_league_do_not_place_a_file_among_themselves():
    """Fourteen of thirty miners belong to one party; it gets what the draw gives it."""
    world = World(miners=30)
    world.declare(ALICE, FILE)
    world.go()
    party = set(MINERS[:14])
    taken = 0
    for position in range(12):
        for who in sorted(party):
            report = world.report_of(ALICE, FILE, 0, position, holder=who)
            if world.holder(FILE, 0, position) == who:
                world.send(who, FILE, report)
                taken += 1
                break
            with refused(world, FileBank.NotAssigned):
                world.send(who, FILE, report)
    drawn = [world.holder(FILE, 0, position) for position in range(12)]
    assert taken == sum(who in party for who in drawn) < 12
    assert FILE.fid not in world.bank.file


@pytest.mark.parametrize(
    "changed",
    ["genesis", "fid", "segment", "fragment", "who", "fragment_hash", "points"],
)
def test_a_co_signature_of_anything_else_is_refused(deal, changed):
    other = {
        "genesis": blake2_256(b"another chain"),
        "fid": made_file("b").fid,
        "segment": 1,
        "fragment": 5,
        "who": deal.holder(FILE, 0, 5),
        "fragment_hash": FragmentHash(bytes(32)),
        "points": RowCommitments([commitment_to(9)]),
    }[changed]
    signed = message(deal, **{changed: other})
    report = deal.report_of(ALICE, FILE, *PLACE, signed=signed)
    with refused(deal, FileBank.InvalidCoSignature):
        deal.send(deal.holder(FILE, *PLACE), FILE, report)


def test_the_right_message_is_what_these_are_variations_of(deal):
    report = deal.report_of(ALICE, FILE, *PLACE, signed=message(deal))
    deal.send(deal.holder(FILE, *PLACE), FILE, report)


@pytest.mark.parametrize("who", ["another owner", "the miner itself", "the owner's other key"])
def test_only_the_owner_of_the_deal_co_signs(deal, who):
    signer = {
        "another owner": BOB,
        "the miner itself": KeyPair.from_suri("//Miner0"),
        "the owner's other key": KeyPair.from_suri("//Alice", "ed25519"),
    }[who]
    report = deal.report_of(signer, FILE, *PLACE)
    with refused(deal, FileBank.InvalidCoSignature):
        deal.send(deal.holder(FILE, *PLACE), FILE, report)


@pytest.mark.parametrize("kind", [Sr25519Signature, Ed25519Signature])
@pytest.mark.parametrize("raw", [bytes(64), b"\xff" * 64, b"\x01" + bytes(63)])
def test_made_up_signatures_are_refused(deal, kind, raw):
    report = replace(
        deal.report_of(ALICE, FILE, *PLACE), co_signature=kind(value=SignatureBytes(raw))
    )
    with refused(deal, FileBank.InvalidCoSignature):
        deal.send(deal.holder(FILE, *PLACE), FILE, report)


def test_each_flipped_bit_of_a_signature_is_refused(deal):
    good = deal.report_of(ALICE, FILE, *PLACE)
    raw = bytes(good.co_signature.value)
    who = deal.holder(FILE, *PLACE)
    for bit in range(0, 512, 17):
        bad = bytearray(raw)
        bad[bit // 8] ^= 1 << bit % 8
        signature = Sr25519Signature(value=SignatureBytes(bytes(bad)))
        with refused(deal, FileBank.InvalidCoSignature):
            deal.send(who, FILE, replace(good, co_signature=signature))


def test_a_report_of_another_place_of_the_same_miner_is_refused():
    """A miner holds places in two segments and moves a co-signature from one to the other."""
    world = World(miners=12)
    file = made_file("two", 2)
    world.declare(ALICE, file)
    world.go()
    who = world.holder(file, 0, 0)
    other = next(position for position in range(12) if world.holder(file, 1, position) == who)
    report = world.report_of(ALICE, file, 0, 0)
    moved = replace(report, segment_index=U32(1), fragment_index=U8(other))
    with refused(world, FileBank.InvalidCoSignature):
        world.send(who, file, moved)


def test_a_co_signature_for_a_twin_deal_is_refused(world):
    """Two deals have the same fragments; a co-signature belongs to one of them."""
    twin = twin_file(FILE, "twin")
    world.declare(ALICE, FILE)
    world.declare(ALICE, twin)
    world.go()
    pairs = [
        (a, b)
        for a in range(12)
        for b in range(12)
        if world.holder(FILE, 0, a) == world.holder(twin, 0, b)
    ]
    first, second = pairs[0]
    who = world.holder(FILE, 0, first)
    signed = cosign_message(
        GENESIS_HASH,
        FILE.fid,
        0,
        second,
        who,
        twin.hash_at(0, second),
        twin.commitments_at(0, second),
    )
    with refused(world, FileBank.InvalidCoSignature):
        world.send(who, twin, world.report_of(ALICE, twin, 0, second, signed=signed))


@pytest.mark.parametrize("kind", sorted(BAD_POINTS))
def test_a_commitment_that_is_no_point_is_refused_although_it_is_co_signed(deal, kind):
    points = RowCommitments([Bytes48(BAD_POINTS[kind])])
    report = deal.report_of(ALICE, FILE, *PLACE, commitments=points)
    with refused(deal, FileBank.InvalidCommitment):
        deal.send(deal.holder(FILE, *PLACE), FILE, report)


def test_commitments_to_nothing_need_the_owner_like_all_others(deal):
    """A miner that stored nothing would like rows of zeros; the owner signed other rows."""
    zeros = RowCommitments([commitment_to(0)])
    report = replace(deal.report_of(ALICE, FILE, *PLACE), commitments=zeros)
    with refused(deal, FileBank.InvalidCoSignature):
        deal.send(deal.holder(FILE, *PLACE), FILE, report)


def test_a_second_report_earns_nothing(deal):
    who = deal.holder(FILE, *PLACE)
    report = deal.report_of(ALICE, FILE, *PLACE)
    deal.send(who, FILE, report)
    for _ in range(3):
        with refused(deal, FileBank.AlreadyReported):
            deal.send(who, FILE, report)
        deal.go()
    check(deal)


def test_a_report_after_completion_earns_nothing(deal):
    report = deal.report_of(ALICE, FILE, *PLACE)
    who = deal.holder(FILE, *PLACE)
    deal.report_all(ALICE, FILE)
    with refused(deal, FileBank.NonExistent):
        deal.send(who, FILE, report)


def test_a_late_report_is_refused_and_the_next_holders_is_taken():
    world = World(miners=30)
    world.declare(ALICE, FILE)
    world.go()
    late = world.holder(FILE, *PLACE)
    report = world.report_of(ALICE, FILE, *PLACE)
    world.go(DEADLINE)
    assert world.holder(FILE, *PLACE) != late
    with refused(world, FileBank.Expired):
        world.send(late, FILE, report)
    world.report(ALICE, FILE, *PLACE)
    check(world)


def test_a_report_that_was_prepared_for_a_dropped_deal_does_not_revive_it(deal):
    who = deal.holder(FILE, *PLACE)
    report = deal.report_of(ALICE, FILE, *PLACE)
    deal.delete(ALICE, FILE)
    with refused(deal, FileBank.NonExistent):
        deal.send(who, FILE, report)
    deal.go()
    deal.runtime.beacon.salt = b"another draw"
    deal.declare(ALICE, FILE)
    with refused(deal, FileBank.NotAssigned):
        deal.send(who, FILE, report)
