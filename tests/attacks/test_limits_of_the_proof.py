"""What the proofs do not find, mounted and measured: the document claims no more than this.

docs/specs/podr2.md, *What is not proven*, and docs/security.md say the same in words.
"""

import hashlib
from fractions import Fraction

import pytest

from pallets.audit import Audit
from pallets.file_bank import RowCommitments
from pallets.file_bank.draws import shuffled_indexes
from primitives.types import Bytes48
from proofs.podr2 import challenge
from proofs.podr2.verify import IDENTITY
from proofs.podr2.wire import ScalarBytes, ServiceProof
from tests.pallets.file_bank.conservation import check
from tests.pallets.file_bank.storage_world import (
    ALICE,
    BOB,
    MINERS,
    SEGMENT_SPACE,
    World,
    commitment_to,
    made_file,
    twin_file,
)

FILE = made_file("a")
JUNK = ServiceProof(y=ScalarBytes(bytes(32)), proof=Bytes48(IDENTITY))


def passed(world, who):
    return any(e.miner == who and e.rows > 0 for e in world.events(Audit.ServiceProofAccepted))


def test_two_miners_that_share_one_disk_both_pass():
    """Not detectable: whoever answers in time has the bytes. One copy serves two equal fragments,
    which a stranger's file may bring; a network's own files do not repeat."""
    world = World(miners=12)
    world.store(ALICE, FILE)
    world.store(BOB, twin_file(FILE, "twin"))
    for who in MINERS[:12]:
        world.remove_plots(who)
    disk = FILE.values
    for who in MINERS[:2]:
        world.begin_round(who)
        world.submit(who, world.proof(who, disk))
        assert passed(world, who)
    check(world)


def test_a_sender_in_league_with_all_holders_stores_nothing_and_pays_for_all_of_it():
    """Owner and twelve holders agree on rows of zeros. Audits pass; nobody else is harmed, the
    territory is filled and paid, and a holder outside of the league would have refused."""
    world = World(miners=12)
    world.declare(ALICE, FILE)
    world.go()
    for position in range(12):
        report = world.report_of(
            ALICE, FILE, 0, position, commitments=RowCommitments([commitment_to(0)])
        )
        world.send(world.holder(FILE, 0, position), FILE, report)
    assert world.territory(ALICE).used_space == SEGMENT_SPACE
    who = MINERS[0]
    world.remove_plots(who)
    world.go()
    world.begin_round(who)
    world.submit(who, JUNK)
    assert passed(world, who)


def saved(share: Fraction, miners: int = 100, segments: int = 3000) -> Fraction:
    """The part of its service data that a party with ``share`` of the accounts need not keep: of
    more than four fragments of a segment it rebuilds the rest when asked."""
    party = int(miners * share)
    held = spared = 0
    for number in range(segments):
        seed = hashlib.sha256(f"segment {number}".encode()).digest()
        mine = sum(index < party for index in shuffled_indexes(seed, miners, 12))
        held += mine
        spared += max(0, mine - 4)
    return Fraction(spared, held)


@pytest.mark.parametrize(
    ("per_cent", "least", "most"),
    [(5, 0, 1), (10, 0, 10), (20, 20, 60), (33, 120, 190), (50, 310, 370)],
)
def test_a_party_saves_what_more_than_four_of_twelve_are_worth(per_cent, least, most):
    """In thousandths of what it holds: the draw bounds it, nothing detects it."""
    spared = saved(Fraction(per_cent, 100)) * 1000
    assert least <= spared <= most


# A producer that chooses which blocks there are; it cannot choose their randomness.

LOST_PER_MILLE, SAMPLE, TRIALS = 10, 100, 1500


def escapes(tries: int) -> Fraction:
    """How often one of ``tries`` seeds samples no lost row: a sampler of 10,000 rows, 1 % lost."""
    lucky = 0
    for trial in range(TRIALS):
        for attempt in range(tries):
            seed = hashlib.sha256(f"{trial} {attempt}".encode()).digest()
            drawn = challenge.sample_positions(seed, 10_000, SAMPLE)
            if all(position >= 10 * LOST_PER_MILLE for position in drawn):
                lucky += 1
                break
    return Fraction(lucky, TRIALS)


def expected(tries: int) -> Fraction:
    once = (1 - Fraction(LOST_PER_MILLE, 1000)) ** SAMPLE
    return 1 - (1 - once) ** tries


def test_withholding_a_block_gives_one_more_try():
    """One bit: a producer that is the miner and drops its block when it does not like the draw.
    It escapes in 60 % of the rounds instead of 37 %, and loses what the block earns."""
    assert expected(2) < 2 * expected(1)
    for tries in (1, 2):
        assert abs(escapes(tries) - expected(tries)) < Fraction(4, 100)


def test_a_producer_of_all_blocks_withholds_until_it_escapes():
    """Who makes all blocks tries again in each slot (docs/adr/0019): eight empty slots make 37 %
    into 98 %. A miner that is the only author is audited when it likes; everybody sees the gaps."""
    assert escapes(9) > Fraction(95, 100)
