"""A ledger's parts always add up, whatever is done to it."""

from hypothesis import given
from hypothesis import strategies as st

from pallets.staking.ledger import (
    bonded,
    new_ledger,
    rebonded,
    slashed,
    unbonded,
    withdrawn,
)
from pallets.staking.types import UNLOCKING_MAX, StakingLedger, UnlockChunk, UnlockChunks
from primitives.scale import U32
from primitives.types import AccountId, Balance

WHO = AccountId(b"s" * 32)


def chunked(active: int, *chunks: tuple[int, int]) -> StakingLedger:
    made = UnlockChunks(UnlockChunk(value=Balance(value), era=U32(era)) for value, era in chunks)
    total = active + sum(value for value, _ in chunks)
    return StakingLedger(stash=WHO, total=Balance(total), active=Balance(active), unlocking=made)


ledgers = st.builds(
    lambda active, values: chunked(active, *((value, 10 + at) for at, value in enumerate(values))),
    st.integers(0, 10**26),
    st.lists(st.integers(1, 10**26), max_size=6),
)


def adds_up(ledger: StakingLedger) -> bool:
    return ledger.total == ledger.active + sum(int(chunk.value) for chunk in ledger.unlocking)


def test_a_new_ledger_is_all_active() -> None:
    assert new_ledger(WHO, 7) == chunked(7)
    assert bonded(chunked(7, (1, 5)), 3) == chunked(10, (1, 5))


def test_amounts_of_one_era_are_one_chunk() -> None:
    assert unbonded(chunked(10, (1, 5)), 4, 5) == chunked(6, (5, 5))
    assert unbonded(chunked(10, (1, 5)), 4, 6) == chunked(6, (1, 5), (4, 6))


def test_the_limit_of_chunks() -> None:
    full = chunked(10, *((1, era) for era in range(UNLOCKING_MAX)))
    assert unbonded(full, 1, UNLOCKING_MAX) is None
    assert unbonded(full, 1, UNLOCKING_MAX - 1) is not None
    almost = chunked(10, *((1, era) for era in range(UNLOCKING_MAX - 1)))
    assert unbonded(almost, 1, UNLOCKING_MAX) is not None


def test_the_newest_chunk_is_rebonded_first() -> None:
    assert rebonded(chunked(10, (3, 5), (4, 6)), 5) == (chunked(15, (2, 5)), 5)
    assert rebonded(chunked(10, (3, 5), (4, 6)), 99) == (chunked(17), 7)


def test_chunks_are_free_in_their_era() -> None:
    assert withdrawn(chunked(10, (3, 5), (4, 6)), 4) == (chunked(10, (3, 5), (4, 6)), 0)
    assert withdrawn(chunked(10, (3, 5), (4, 6)), 5) == (chunked(10, (4, 6)), 3)


def test_a_slash_takes_from_all_that_was_at_stake_in_proportion() -> None:
    ledger = chunked(100, (50, 5), (100, 6))
    assert slashed(ledger, 20, 6) == (chunked(90, (50, 5), (90, 6)), 20)
    assert slashed(ledger, 500, 6) == (chunked(0, (50, 5)), 200)
    assert slashed(ledger, 500, 0) == (chunked(0), 250)


def test_what_was_unbonded_before_is_not_slashed() -> None:
    assert slashed(chunked(0, (50, 5)), 50, 6) == (chunked(0, (50, 5)), 0)


@given(ledgers, st.integers(0, 10**27), st.integers(8, 18))
def test_a_slash_takes_exactly_what_it_says(ledger, amount, liable_from) -> None:
    liable = int(ledger.active) + sum(
        int(chunk.value) for chunk in ledger.unlocking if chunk.era >= liable_from
    )
    left, taken = slashed(ledger, amount, liable_from)
    assert taken == min(amount, liable)
    assert left.total == ledger.total - taken
    assert adds_up(left)
    assert all(chunk.value > 0 for chunk in left.unlocking)


@given(ledgers, st.integers(0, 10**27), st.integers(8, 18))
def test_every_change_keeps_the_parts_adding_up(ledger, amount, era) -> None:
    assert adds_up(bonded(ledger, amount))
    again, done = rebonded(ledger, amount)
    assert adds_up(again)
    assert again.total == ledger.total
    assert done <= amount
    left, free = withdrawn(ledger, era)
    assert adds_up(left)
    assert left.total + free == ledger.total
    less = unbonded(ledger, min(amount, int(ledger.active)), 99)
    assert less is not None
    assert adds_up(less)
    assert less.total == ledger.total
