"""How many miners a block draws, what a fault costs, and which slots a round asks about."""

from collections import Counter

import pytest

from pallets.audit.rounds import DRAWS_PER_BLOCK_MAX, drawn_indexes, fine_permille, is_counted
from pallets.audit.types import FaultKind, Holding
from primitives.hashing import blake2_256
from primitives.scale import U8, U32
from primitives.types import BlockNumber, FileHash, FragmentHash


def randomness(number: int) -> bytes:
    return blake2_256(number.to_bytes(4, "little"))


def draws(miners: int, period: int, blocks: int) -> list[list[int]]:
    return [list(drawn_indexes(randomness(number), miners, period)) for number in range(blocks)]


def test_without_miners_nobody_is_drawn():
    assert list(drawn_indexes(bytes(32), 0, 10)) == []


def test_each_miner_is_drawn_once_in_a_period_on_average():
    """25 miners in a period of 10: 2.5 in a block, so 5,000 in 2,000 blocks, 200 for each."""
    blocks = draws(25, 10, 2000)
    assert {len(block) for block in blocks} == {2, 3}
    counts = Counter(index for block in blocks for index in block)
    total = sum(counts.values())
    assert abs(total - 5000) < 100
    assert set(counts) == set(range(25))
    assert all(130 < count < 270 for count in counts.values())


def test_no_block_is_safe_for_few_miners():
    """Three miners in a period of 10: a block draws one in three tenths of all cases."""
    sizes = Counter(len(block) for block in draws(3, 10, 2000))
    assert set(sizes) == {0, 1}
    assert 500 < sizes[1] < 700


@pytest.mark.parametrize(("miners", "expected"), [(15, 15), (16, 16), (17, 16), (10**6, 16)])
def test_a_block_draws_sixteen_at_most(miners, expected):
    assert DRAWS_PER_BLOCK_MAX == 16
    assert len(list(drawn_indexes(bytes(32), miners, 1))) == expected


def test_the_draw_is_the_same_on_every_node():
    known = [854, 499, 395, 237, 120, 298, 20, 324, 291, 320]
    assert list(drawn_indexes(bytes(range(32)), 1000, 100)) == known


@pytest.mark.parametrize(
    ("kind", "fines"),
    [
        (FaultKind.ServiceMissed, [0, 50, 150, 150]),
        (FaultKind.ServiceRejected, [50, 150, 150, 150]),
        (FaultKind.ServiceDeclared, [10, 10, 10, 10]),
        (FaultKind.IdleMissed, [0, 0, 0, 0]),
        (FaultKind.IdleRejected, [0, 0, 0, 0]),
    ],
)
def test_fines_grow_with_the_faults_in_a_row(kind, fines):
    assert [fine_permille(kind, number) for number in (1, 2, 3, 4)] == fines


def test_declaring_a_loss_is_cheaper_than_a_wrong_proof():
    declared = fine_permille(FaultKind.ServiceDeclared, 1)
    assert declared < fine_permille(FaultKind.ServiceRejected, 1)


@pytest.mark.parametrize(
    ("since", "removed", "counts"),
    [
        (9, None, True),
        (10, None, True),
        (11, None, False),
        (5, 9, False),
        (5, 10, True),
        (5, 11, True),
        (11, 12, False),
    ],
)
def test_a_round_of_block_10_asks_about_what_was_held_when_it_began(since, removed, counts):
    holding = Holding(
        file_hash=FileHash(bytes(32)),
        segment_index=U32(0),
        fragment_index=U8(0),
        fragment_hash=FragmentHash(bytes(32)),
        since=BlockNumber(since),
        removed=None if removed is None else BlockNumber(removed),
    )
    assert is_counted(holding, 10) is counts


def test_an_empty_slot_is_not_asked_about():
    assert not is_counted(None, 10)
