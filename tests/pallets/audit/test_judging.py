"""What a round asks of the state, and what an answer must be."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pallets.audit.judging import ascends_below, asked_rows, idle_estimate, is_proved
from pallets.audit.types import ChallengeInfo, IdleAnswers, KeptRows
from primitives.scale import U32, U64, U128
from primitives.types import AccountId, BlockNumber, Bytes48, Hash
from proofs.podr2 import challenge
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
OPEN_ROUND = ChallengeInfo(
    round=U32(1),
    start=BlockNumber(0),
    seed=Hash(bytes(32)),
    slots=U32(0),
    service_space=U128(0),
    idle_front=U64(0),
    idle_rear=U64(0),
    deadline=BlockNumber(0),
    idle_deadline=BlockNumber(0),
    service_done=False,
    idle_done=True,
    service_passed=False,
    idle_passed=True,
    idle_space=U128(0),
)
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


# Vectors of another implementation (tests/vectors/podr2/README.md).

COMPLETE = json.loads(
    (Path(__file__).parents[2] / "vectors/podr2/complete.json").read_text(encoding="ascii")
)


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


@pytest.mark.parametrize("case", COMPLETE, ids=[case["name"] for case in COMPLETE])
def test_whole_rounds_end_as_another_implementation_says(case):
    """From holdings and randomness to the verdict, through the pallet's own state."""
    world, rows = World(miners=0), case["rows_in_a_fragment"]
    miner = AccountId(raw(case["miner"]))
    for slot, item in enumerate(case["holdings"]):
        points = checked_points([raw(row["commitment"]) for row in item["rows"]])
        assert points == b"".join(raw(row["kept"]) for row in item["rows"])
        removed = None if item["removed"] is None else BlockNumber(item["removed"])
        world.audit.commitments[miner, U32(slot)] = KeptRows(
            since=BlockNumber(item["since"]), removed=removed, points=points
        )
    seed = challenge.round_seed(
        raw(case["genesis"]), case["block_number"], raw(case["randomness"]), miner, case["round"]
    )
    assert seed == raw(case["seed"])
    population = len(case["holdings"]) * rows
    positions = challenge.sample_positions(seed, population, case["sampled"])
    assert list(positions) == case["positions"]
    weights = challenge.coefficients(seed, len(positions))
    assert [f"{weight:032x}" for weight in weights] == case["coefficients"]
    assert f"{challenge.evaluation_point(seed):064x}" == case["z"]

    info = replace(OPEN_ROUND, seed=Hash(seed), start=BlockNumber(case["block_number"]))
    asked = asked_rows(world.audit, miner, info, positions, rows)
    assert sorted(asked) == case["counts"]
    proved = [index for index in asked if index not in case["faulty"]]
    answer = ServiceProof(y=ScalarBytes(raw(case["y"])), proof=Bytes48(raw(case["proof"])))
    assert is_proved(info, asked, proved, answer) is case["valid"]
