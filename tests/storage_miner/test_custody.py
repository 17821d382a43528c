"""Which fragments stay, which are deleted, which are reported as lost."""

import pytest

from storage_miner.custody import (
    DROP_AFTER_BLOCKS,
    LOSSES_UNASKED_MAX,
    RETRY_BLOCKS,
    SETTLE_BLOCKS,
    Absence,
    Custody,
    DropFragment,
    FragmentFound,
    FragmentLost,
    HoldingsListed,
    LossesDeclared,
    LossReportEnded,
    ReportLoss,
    RestoringNow,
    VolumesLooked,
)
from storage_miner.facts import HeldFragment
from tests.storage_miner.kit import (
    DONE,
    assignment,
    challenge,
    effects,
    file,
    fragment,
    place,
    refused,
    view,
)


def held(number: int, *, is_removed: bool = False) -> HeldFragment:
    return HeldFragment(number, fragment(number), file(number), is_removed)


def listed(number: int, holdings: list[int], on_disk: list[int]) -> HoldingsListed:
    return HoldingsListed(
        number, tuple(held(each) for each in holdings), tuple(fragment(each) for each in on_disk)
    )


def test_what_the_chain_lists_and_what_it_assigned_stays_for_ever() -> None:
    core = Custody()
    for number in range(10, 10 + 3 * DROP_AFTER_BLOCKS, 10):
        core.receive(view(number, assignments=(assignment(2, place(2), 10_000),)))
        core.receive(listed(number, [1], [1, 2]))
        assert effects(core) == []


def test_a_removed_holding_stays_while_the_chain_still_lists_it() -> None:
    core = Custody()
    for number in (10, 10 + 2 * DROP_AFTER_BLOCKS):
        core.receive(view(number))
        core.receive(HoldingsListed(number, (held(1, is_removed=True),), (fragment(1),)))
    assert effects(core) == []


@pytest.mark.parametrize(("age", "count"), [(DROP_AFTER_BLOCKS - 1, 0), (DROP_AFTER_BLOCKS, 1)])
def test_what_nobody_wants_is_deleted_after_some_blocks(age: int, count: int) -> None:
    core = Custody()
    core.receive(listed(10, [], [1]))
    core.receive(listed(10 + age, [], [1]))
    assert effects(core) == [DropFragment(fragment(1))] * count


def test_a_fragment_that_is_being_rebuilt_is_not_deleted() -> None:
    core = Custody()
    core.receive(RestoringNow(frozenset({fragment(1)})))
    core.receive(listed(10, [], [1]))
    core.receive(listed(10 + DROP_AFTER_BLOCKS, [], [1]))
    assert effects(core) == []


def test_a_missing_fragment_is_reported_once() -> None:
    core = Custody()
    core.receive(view(10))
    core.receive(listed(10, [1, 2], [1]))
    assert effects(core) == [ReportLoss(file(2), fragment(2))]
    core.receive(view(11))
    assert effects(core) == []
    core.receive(LossReportEnded(fragment(2), DONE))
    core.receive(view(12))
    assert effects(core) == []


def test_rot_found_by_the_scrub_is_reported() -> None:
    core = Custody()
    core.receive(view(10))
    core.receive(listed(10, [1, 2], [1, 2]))
    core.receive(FragmentLost(fragment(2)))
    assert effects(core) == [ReportLoss(file(2), fragment(2))]


def test_rot_in_a_fragment_that_is_not_held_yet_costs_nothing() -> None:
    core = Custody()
    core.receive(view(10))
    core.receive(listed(10, [1], [1, 2]))
    core.receive(FragmentLost(fragment(2)))
    assert effects(core) == []


def test_while_a_service_part_is_open_the_answer_declares_the_loss() -> None:
    core = Custody()
    core.receive(view(10, challenge=challenge()))
    core.receive(listed(10, [1, 2], [1]))
    assert effects(core) == []
    core.receive(view(20, challenge=challenge(service_done=True)))
    assert effects(core) == [ReportLoss(file(2), fragment(2))]


def test_a_refused_report_is_repeated_later() -> None:
    core = Custody()
    core.receive(view(10))
    core.receive(listed(10, [1], []))
    effects(core)
    core.receive(LossReportEnded(fragment(1), refused("FileNonExistent")))
    core.receive(view(10 + RETRY_BLOCKS - 1))
    assert effects(core) == []
    core.receive(view(10 + RETRY_BLOCKS))
    assert effects(core) == [ReportLoss(file(1), fragment(1))]


def test_a_fragment_that_came_back_is_not_reported() -> None:
    core = Custody()
    core.receive(view(10, challenge=challenge()))
    core.receive(listed(10, [1], []))
    core.receive(FragmentFound(fragment(1)))
    core.receive(view(20))
    assert effects(core) == []


@pytest.mark.parametrize(
    ("missing", "total", "is_suspended"),
    [
        (LOSSES_UNASKED_MAX, LOSSES_UNASKED_MAX, False),
        (LOSSES_UNASKED_MAX + 1, LOSSES_UNASKED_MAX + 1, True),
        (LOSSES_UNASKED_MAX + 1, 4 * (LOSSES_UNASKED_MAX + 1), False),
        (LOSSES_UNASKED_MAX + 1, 4 * (LOSSES_UNASKED_MAX + 1) - 1, True),
    ],
)
def test_a_disk_that_is_not_mounted_is_not_taken_for_losses(
    missing: int, total: int, is_suspended: bool
) -> None:
    core = Custody()
    core.receive(view(10))
    core.receive(listed(10, list(range(total)), list(range(missing, total))))
    assert core.statistics().is_suspended is is_suspended
    assert bool(effects(core)) is not is_suspended


def test_a_loss_that_a_round_declared_is_not_reported_again() -> None:
    core = Custody()
    core.receive(view(10, challenge=challenge()))
    core.receive(listed(10, [1, 2], [1, 2]))
    core.receive(FragmentLost(fragment(2)))
    core.receive(LossReportEnded(fragment(2), DONE))
    core.receive(view(20))
    assert effects(core) == []


def test_what_an_answer_on_its_way_declares_is_not_reported() -> None:
    """The block with the answer is seen before the word that it was taken."""
    core = Custody()
    core.receive(view(10, challenge=challenge()))
    core.receive(listed(10, [1, 2, 3], [1]))
    core.receive(LossesDeclared((fragment(2), fragment(3))))
    core.receive(view(20, challenge=challenge(service_done=True)))
    assert effects(core) == []
    core.receive(LossReportEnded(fragment(2), DONE))
    core.receive(LossReportEnded(fragment(3), DONE))
    core.receive(view(21))
    assert effects(core) == []


def test_an_answer_that_was_not_taken_leaves_its_losses_to_be_reported() -> None:
    core = Custody()
    core.receive(view(10, challenge=challenge()))
    core.receive(listed(10, [1, 2], [1]))
    core.receive(LossesDeclared((fragment(2),)))
    core.receive(LossReportEnded(fragment(2), refused("ChallengeExpired")))
    core.receive(view(10 + RETRY_BLOCKS))
    assert effects(core) == [ReportLoss(file(2), fragment(2))]


@pytest.mark.parametrize(("late", "count"), [(SETTLE_BLOCKS, 0), (SETTLE_BLOCKS + 1, 1)])
def test_a_listing_from_before_a_report_was_final_does_not_repeat_it(late: int, count: int) -> None:
    core = Custody()
    core.receive(view(10))
    core.receive(listed(8, [1, 2], [1]))
    effects(core)
    core.receive(LossReportEnded(fragment(2), DONE))
    core.receive(view(10 + late))
    core.receive(listed(10 + late, [1, 2], [1]))
    assert len(effects(core)) == count
    assert core.statistics().lost == count


def test_what_is_held_anew_after_its_loss_was_settled_is_watched_again() -> None:
    core = Custody()
    core.receive(view(10))
    core.receive(listed(8, [1, 2], [1]))
    effects(core)
    core.receive(LossReportEnded(fragment(2), DONE))
    core.receive(listed(12, [1], [1]))
    core.receive(view(14))
    core.receive(listed(13, [1, 2], [1]))
    assert effects(core) == [ReportLoss(file(2), fragment(2))]


# Volumes that are away.


def without_a_volume(absence: Absence, holdings: int = 20, on_disk: int = 18) -> Custody:
    core = Custody()
    core.receive(VolumesLooked(absence))
    core.receive(view(10))
    core.receive(listed(10, list(range(holdings)), list(range(on_disk))))
    return core


def test_what_may_lie_on_a_volume_that_is_away_is_not_reported_and_status_says_why() -> None:
    core = without_a_volume(Absence.waited_for)
    assert effects(core) == []
    assert core.statistics().is_suspended
    assert "2 fragments may lie on a volume that is away" in core.statistics().reason


def test_rot_that_was_seen_is_reported_even_while_a_volume_is_away() -> None:
    core = without_a_volume(Absence.waited_for)
    core.receive(FragmentLost(fragment(3)))
    assert effects(core) == [ReportLoss(file(3), fragment(3))]
    assert core.is_certainly_lost(fragment(3))
    assert not core.is_certainly_lost(fragment(19))
    core.receive(LossReportEnded(fragment(3), DONE))
    assert effects(core) == []


def test_a_volume_that_was_given_up_has_its_fragments_reported_however_many() -> None:
    core = without_a_volume(Absence.given_up, holdings=20, on_disk=2)
    assert [type(each) for each in effects(core)] == [ReportLoss]
    assert not core.statistics().is_suspended


def test_when_the_volume_is_back_nothing_was_reported() -> None:
    core = without_a_volume(Absence.waited_for)
    core.receive(VolumesLooked(Absence.none))
    core.receive(listed(11, list(range(20)), list(range(20))))
    assert effects(core) == []
    assert core.statistics().lost == 0


def test_when_the_grace_is_over_they_are_reported() -> None:
    core = without_a_volume(Absence.waited_for)
    core.receive(VolumesLooked(Absence.given_up))
    assert [type(each) for each in effects(core)] == [ReportLoss]
