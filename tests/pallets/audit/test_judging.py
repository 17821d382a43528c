"""What a round asks of the state, and what an answer must be."""

from dataclasses import replace

import pytest

from pallets.audit.judging import ascends_below, asked_rows, idle_estimate, is_proved
from pallets.audit.types import IdleAnswers
from primitives.scale import U32, U64
from primitives.types import BlockNumber, Bytes48, Hash
from proofs.podr2.points import checked_points
from proofs.podr2.verify import IDENTITY
from proofs.podr2.wire import ScalarBytes, ServiceProof
from tests.pallets.file_bank.storage_world import (
    ALICE,
    FRAGMENT,
    MINERS,
    World,
    commitment_to,
    described_file,
    made_file,
)

FILE = made_file("a")
MINER = MINERS[0]
NOTHING = ServiceProof(y=ScalarBytes(bytes(32)), proof=Bytes48(IDENTITY))


@pytest.mark.parametrize(
    ("indexes", "verdict"),
    [
        ([], True),
        ([0], True),
        ([4], True),
        ([5], False),
        ([0, 4], True),
        ([4, 0], False),
        ([2, 2], False),
        ([0, 5], False),
    ],
)
def test_lists_ascend_below_five(indexes, verdict):
    assert ascends_below(indexes, 5) is verdict


def test_the_rows_of_a_fragment_are_asked_by_their_own_commitments():
    world = World(rows=2)
    big = described_file(FILE.segments, 8 * FRAGMENT, FILE.values)
    world.declare(ALICE, big)
    world.go()
    who = world.holder(big, 0, 0)
    points = type(FILE.commitments_at(0, 0))([commitment_to(5), commitment_to(6)])
    world.send(who, big, world.report_of(ALICE, big, 0, 0, commitments=points))
    world.go()
    info = world.begin_round(who)
    asked = asked_rows(world.audit, who, info, [1, 0, 3], 2)
    kept = checked_points(points)
    assert asked == {0: kept.point(1), 1: kept.point(0)}, "slot 1 is empty"


def test_holdings_that_came_or_went_before_are_not_asked():
    world = World(miners=12)
    world.store(ALICE, FILE)
    info = world.begin_round(MINER)
    since = world.audit.holdings[MINER, U32(0)].since
    for dates, counts in (
        ({"since": BlockNumber(info.start + 1)}, False),
        ({"removed": BlockNumber(info.start - 1)}, False),
        ({"removed": info.start}, True),
        ({}, True),
    ):
        world.date(MINER, 0, **{"since": since, "removed": None, **dates})
        assert bool(asked_rows(world.audit, MINER, info, [0], 1)) is counts


def test_nothing_to_prove_is_proved():
    world = World(miners=12)
    info = world.begin_round(MINER)
    assert is_proved(info, {}, [], NOTHING)


def test_a_constant_row_is_opened_by_its_constant():
    world = World(miners=12)
    world.store(ALICE, FILE)
    info = world.begin_round(MINER)
    asked = asked_rows(world.audit, MINER, info, [0], 1)
    proof = world.proof(MINER, FILE.values)
    assert is_proved(info, asked, [0], proof)
    assert not is_proved(info, asked, [0], NOTHING)
    assert not is_proved(replace(info, seed=Hash(bytes(32))), asked, [0], proof)


def test_the_idle_estimate_of_no_plots_is_none_or_nothing():
    world = World(miners=12)
    info = replace(world.begin_round(MINER), idle_front=U64(0), idle_rear=U64(0))
    assert idle_estimate(world.audit, MINER, info, IdleAnswers()) == 0
