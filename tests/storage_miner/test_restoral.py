"""Which lost fragments are claimed, rebuilt and completed."""

from dataclasses import replace

from pallets.sminer.types import MinerState
from storage_miner.facts import RestoralTask
from storage_miner.restoral import (
    SKIP_BLOCKS,
    SUBMIT_ATTEMPTS_MAX,
    ClaimEnded,
    ClaimOrder,
    CompleteOrder,
    CompletionEnded,
    Rebuild,
    RebuildFailed,
    Rebuilt,
    Restoral,
    TasksListed,
)
from tests.storage_miner.kit import (
    ACCOUNT,
    DONE,
    FACTS,
    LOST,
    OTHER,
    effects,
    fragment,
    info,
    place,
    refused,
    view,
)

RICH = info(rear=4)


def task(number: int, *, claimed_by: object = None, deadline: int = 0) -> RestoralTask:
    return RestoralTask(fragment(number), place(number), OTHER, True, claimed_by, deadline)  # type: ignore[arg-type]


def claiming(*tasks: RestoralTask) -> Restoral:
    core = Restoral(FACTS, ACCOUNT)
    core.receive(view(10, info=RICH))
    core.receive(TasksListed(10, tasks))
    return core


def test_an_open_order_is_claimed_rebuilt_and_completed() -> None:
    core = claiming(task(1))
    assert effects(core) == [ClaimOrder(task(1))]
    core.receive(ClaimEnded(fragment(1), DONE))
    assert effects(core) == [Rebuild(task(1), 70)]
    assert core.working_on() == {fragment(1)}
    core.receive(Rebuilt(fragment(1)))
    assert effects(core) == [CompleteOrder(task(1), 70)]
    core.receive(CompletionEnded(fragment(1), DONE))
    assert core.working_on() == frozenset()
    assert core.statistics().restored == 1
    core.receive(view(11, info=RICH))
    assert effects(core) == []


def test_one_fragment_is_worked_on_at_a_time() -> None:
    core = claiming(task(1), task(2))
    assert len(effects(core)) == 1


def test_an_order_that_another_miner_works_on_is_left_alone_until_it_lapses() -> None:
    core = claiming(task(1, claimed_by=OTHER, deadline=20))
    assert effects(core) == []
    core.receive(view(20, info=RICH))
    assert effects(core) == []
    core.receive(view(21, info=RICH))
    assert [type(each) for each in effects(core)] == [ClaimOrder]


def test_after_a_restart_an_own_claim_goes_on() -> None:
    mine = task(1, claimed_by=ACCOUNT, deadline=50)
    core = claiming(mine)
    assert effects(core) == [Rebuild(mine, 50)]


def test_an_own_claim_that_lapsed_is_not_claimed_again() -> None:
    core = claiming(task(1, claimed_by=ACCOUNT, deadline=5))
    assert effects(core) == []


def test_a_claim_whose_answer_was_lost_goes_on_if_the_next_listing_shows_it() -> None:
    core = claiming(task(1))
    effects(core)
    core.receive(ClaimEnded(fragment(1), LOST))
    core.receive(view(11, info=RICH))
    assert effects(core) == []
    mine = task(1, claimed_by=ACCOUNT, deadline=70)
    core.receive(TasksListed(26, (mine,)))
    assert effects(core) == [Rebuild(mine, 70)]


def test_a_claim_that_was_really_lost_is_made_again_after_the_next_listing() -> None:
    core = claiming(task(1))
    effects(core)
    core.receive(ClaimEnded(fragment(1), LOST))
    core.receive(TasksListed(26, (task(1),)))
    assert effects(core) == [ClaimOrder(task(1))]


def test_what_was_refused_or_failed_is_left_alone_for_a_while() -> None:
    core = claiming(task(1))
    effects(core)
    core.receive(ClaimEnded(fragment(1), refused("AlreadyHolder")))
    core.receive(view(10 + SKIP_BLOCKS - 1, info=RICH))
    assert effects(core) == []
    core.receive(view(10 + SKIP_BLOCKS, info=RICH))
    assert effects(core) == [ClaimOrder(task(1))]


def test_a_rebuild_that_fails_makes_room_for_another() -> None:
    core = claiming(task(1), task(2))
    first = effects(core)[0]
    assert isinstance(first, ClaimOrder)
    core.receive(ClaimEnded(first.task.fragment_hash, DONE))
    effects(core)
    core.receive(RebuildFailed(first.task.fragment_hash, "three survivors"))
    second = effects(core)[0]
    assert isinstance(second, ClaimOrder)
    assert second.task != first.task
    assert core.statistics().failed == 1


def test_a_completion_that_is_lost_is_repeated_some_times() -> None:
    core = claiming(task(1))
    core.receive(ClaimEnded(fragment(1), DONE))
    core.receive(Rebuilt(fragment(1)))
    sent = 0
    for number in range(11, 40):
        sent += sum(isinstance(each, CompleteOrder) for each in effects(core))
        core.receive(CompletionEnded(fragment(1), LOST))
        core.receive(view(number, info=RICH))
    assert sent == SUBMIT_ATTEMPTS_MAX + 1


def test_a_claim_that_is_not_rebuilt_in_time_is_given_up() -> None:
    core = claiming(task(1))
    core.receive(ClaimEnded(fragment(1), DONE))
    effects(core)
    core.receive(view(71, info=RICH))
    assert core.next_deadline() is None
    core.receive(Rebuilt(fragment(1)))
    assert effects(core) == []


def test_a_miner_without_idle_space_or_right_state_claims_nothing() -> None:
    for poor in (info(rear=0), replace(RICH, state=MinerState.Frozen), None):
        core = Restoral(FACTS, ACCOUNT)
        core.receive(view(10, info=poor))
        core.receive(TasksListed(10, (task(1),)))
        assert effects(core) == []


def test_miners_look_at_orders_in_different_orders() -> None:
    tasks = tuple(task(number) for number in range(16))
    firsts = set()
    for account in (ACCOUNT, OTHER, type(ACCOUNT)(b"\x0c" * 32)):
        core = Restoral(FACTS, account)
        core.receive(view(10, info=RICH))
        core.receive(TasksListed(10, tasks))
        firsts.add(effects(core)[0].task.fragment_hash)  # type: ignore[attr-defined]
    assert len(firsts) > 1
