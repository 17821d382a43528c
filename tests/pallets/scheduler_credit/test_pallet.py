"""Duties are counted as slots go by, and periods become credit."""

import pytest

from pallets.frame import FrameRuntime, Pallet, PalletConfig, StateReader, Weight, pallet
from pallets.frame.testing import TestExternalities, ext
from pallets.scheduler_credit import NEUTRAL, SchedulerCounterEntry, SchedulerCredit
from pallets.scheduler_credit import pallet as module
from primitives.scale import U32
from primitives.types import AccountId, BlockNumber

ANN, BEN, CAT = (AccountId(bytes([at]) * 32) for at in (1, 2, 3))
PERIOD = 10


class Duties:
    """Whose slots there are."""

    def __init__(self) -> None:
        self.made_by: AccountId | None = None
        self.owners: tuple[AccountId, ...] = ()
        self.limits: list[int] = []

    def author(self) -> AccountId | None:
        return self.made_by

    def owners_since_parent(self, limit: int) -> tuple[AccountId, ...]:
        self.limits.append(limit)
        return self.owners


class Elections(Pallet):
    """Reads Ann's credit where Session lets Staking elect: before the hook of SchedulerCredit."""

    class Config(PalletConfig):
        credits: SchedulerCredit

    config: Config
    seen: int = 0

    def on_initialize(self, n: BlockNumber) -> Weight:
        self.seen = int(self.config.credits.credit(ANN))
        return Weight()


class Credits(FrameRuntime):
    elections: Elections = pallet(index=2)
    scheduler_credit: SchedulerCredit = pallet(index=101)

    def __init__(self, state: StateReader) -> None:
        self.duties = Duties()
        super().__init__(state)

    def wire(self) -> None:
        self.scheduler_credit.config = SchedulerCredit.Config(
            period_duration=BlockNumber(PERIOD), slots=self.duties
        )
        self.elections.config = Elections.Config(credits=self.scheduler_credit)


@pytest.fixture
def world() -> TestExternalities[Credits]:
    return ext(Credits)


def block(world, author, *owners) -> None:
    world.runtime.duties.made_by, world.runtime.duties.owners = author, owners
    world.run_to_block(world.block + 1)


def counted(world, who) -> tuple[int, int, int]:
    found = world.runtime.scheduler_credit.current_counters.get(who)
    return int(found.duties), int(found.served), int(found.punishment_count)


def test_who_fills_its_own_slot_has_served(world) -> None:
    block(world, ANN, ANN)
    assert counted(world, ANN) == (1, 1, 0)


def test_empty_slots_count_against_their_owners(world) -> None:
    block(world, ANN, BEN, CAT, BEN, ANN)
    assert counted(world, BEN) == (2, 0, 0)
    assert counted(world, CAT) == (1, 0, 0)
    assert counted(world, ANN) == (1, 1, 0)
    assert set(world.runtime.duties.limits) == {module.MISSED_SLOTS_MAX}


def test_a_slot_that_another_won_is_nobodys_duty(world) -> None:
    """Winning slots is no merit, so who wins the more by chance gains nothing."""
    block(world, ANN, BEN)
    assert counted(world, ANN) == (0, 0, 0)
    assert counted(world, BEN) == (0, 0, 0)


def test_genesis_and_slots_without_owners_count_nothing(world) -> None:
    block(world, None)
    block(world, ANN)
    assert world.runtime.scheduler_credit.current_counters.items(limit=9) == []


def test_a_period_becomes_a_value_and_counting_begins_anew(world) -> None:
    pallet = world.runtime.scheduler_credit
    for _ in range(4):
        block(world, ANN, ANN)
    for _ in range(4):
        block(world, BEN, CAT, BEN)
    assert world.block == PERIOD - 1
    assert pallet.credit(ANN) == pallet.credit(CAT) == NEUTRAL
    block(world, ANN, ANN)  # the first of the next period counts for that
    assert counted(world, ANN) == (1, 1, 0)
    assert counted(world, CAT) == (0, 0, 0)
    assert dict(pallet.history_credit_values.prefix(U32(0), limit=9)) == {
        ANN: 1000,
        BEN: 1000,
        CAT: 0,
    }
    assert pallet.credit(ANN) == (50 * 1000 + 50 * NEUTRAL) // 100
    assert pallet.credit(CAT) == NEUTRAL // 2


def test_an_election_in_the_first_block_of_a_period_sees_the_period_before(world) -> None:
    """The attack: empty slots move an election to the one block that would forget an offence."""
    block(world, ANN, ANN)
    world.runtime.scheduler_credit.record_punishment(ANN)
    while world.block < PERIOD:
        assert world.runtime.elections.seen in (0, NEUTRAL)  # 0: before any block
        block(world, None)
    assert world.runtime.elections.seen == NEUTRAL // 2
    block(world, None)
    assert world.runtime.elections.seen == NEUTRAL // 2


def test_what_is_reported_in_the_last_block_of_a_period_counts_for_the_next(world) -> None:
    pallet = world.runtime.scheduler_credit
    while world.block < PERIOD - 1:
        block(world, ANN, ANN)
    pallet.record_punishment(ANN)
    assert pallet.history_credit_values.get(U32(0), ANN) == 1000
    while world.block < 2 * PERIOD:
        block(world, ANN, ANN)
    assert pallet.history_credit_values.get(U32(1), ANN) == 0


def test_credit_fades_with_time(world) -> None:
    pallet = world.runtime.scheduler_credit
    block(world, ANN, CAT, ANN)
    seen = []
    for _ in range(7):
        while world.block % PERIOD or (not seen and world.block == 0):
            block(world, None)
        seen.append(int(pallet.credit(CAT)))
        block(world, None)
    assert seen == [400, 640, 680, 720, 760, 800, 800]
    assert pallet.history_credit_values.items(limit=99) == []


def test_an_offence_costs_the_value_of_its_period(world) -> None:
    pallet = world.runtime.scheduler_credit
    for _ in range(5):
        block(world, ANN, ANN)
    pallet.record_punishment(ANN)
    assert counted(world, ANN) == (5, 5, 1)
    while world.block < PERIOD:
        block(world, None)
    assert pallet.history_credit_values.get(U32(0), ANN) == 0
    assert pallet.credit(ANN) == NEUTRAL // 2


def test_counters_stay_on_their_scale(world) -> None:
    pallet = world.runtime.scheduler_credit
    full = U32(2**32 - 1)
    pallet.current_counters[ANN] = SchedulerCounterEntry(
        duties=full, served=full, punishment_count=full
    )
    pallet.record_punishment(ANN)
    block(world, ANN, ANN)
    assert counted(world, ANN) == (2**32 - 1,) * 3


def test_a_block_closes_so_many_counters_and_the_next_period_the_rest(
    world, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ENTRIES_MAX", 2)
    pallet = world.runtime.scheduler_credit
    block(world, ANN, BEN, CAT, ANN)
    while world.block < PERIOD:
        block(world, None)
    assert len(pallet.current_counters.items(limit=9)) == 1
    while world.block < 2 * PERIOD:
        block(world, None)
    assert pallet.current_counters.items(limit=9) == []


def test_blocks_are_weighed_by_the_slots_that_they_count(world) -> None:
    pallet = world.runtime.scheduler_credit
    world.runtime.duties.owners = ()
    idle = pallet.on_initialize(BlockNumber(1))
    world.runtime.duties.owners = (ANN,) * 65
    assert pallet.on_initialize(BlockNumber(1)).ref_time > 20 * idle.ref_time
