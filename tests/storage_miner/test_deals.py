"""Fragments of open deals: committed, co-signed, reported, retried, given up."""

from itertools import pairwise

import pytest

from storage_miner.deals import (
    COMMIT_FAILURES_MAX,
    FINAL_ERRORS,
    FORGET_AFTER_BLOCKS,
    REPORT_PLACES_MAX,
    REPORTS_OUTSTANDING_MAX,
    Commit,
    CommitFailed,
    Committed,
    Cosigned,
    Deals,
    DropCosignature,
    FragmentGone,
    FragmentStored,
    Report,
    ReportEnded,
)
from tests.storage_miner.kit import (
    DONE,
    LOST,
    assignment,
    cosignature,
    effects,
    file,
    fragment,
    place,
    refused,
    view,
)


def ready(count: int = 1, *, files: int = 1) -> Deals:
    """`count` fragments of each of `files` deals are assigned, on the disk and committed."""
    core = Deals()
    places = [(f, s) for f in range(files) for s in range(count)]
    core.receive(
        view(5, assignments=tuple(assignment(100 * f + s, place(f, s)) for f, s in places))
    )
    for f, s in places:
        core.receive(FragmentStored(fragment(100 * f + s), is_committed=True))
    assert effects(core) == []
    return core


def test_a_stored_fragment_is_committed_at_once_and_reported_when_it_is_cosigned() -> None:
    core = Deals()
    core.receive(view(5, assignments=(assignment(1, place(1)),)))
    assert effects(core) == []
    core.receive(FragmentStored(fragment(1)))
    assert effects(core) == [Commit(fragment(1), 60)]
    core.receive(Committed(fragment(1)))
    item = cosignature(1, place(1))
    core.receive(Cosigned(item))
    assert effects(core) == [Report(file(1), (item,), 60)]
    core.receive(ReportEnded(file(1), (item,), DONE))
    assert effects(core) == [DropCosignature(item)]
    core.receive(view(6))
    assert effects(core) == []
    assert core.statistics().reported == 1


def test_a_cosignature_waits_until_the_commitments_are_on_the_disk() -> None:
    core = Deals()
    core.receive(view(5, assignments=(assignment(1, place(1)),)))
    core.receive(FragmentStored(fragment(1)))
    core.receive(Cosigned(cosignature(1, place(1))))
    assert [type(each) for each in effects(core)] == [Commit]
    core.receive(Committed(fragment(1)))
    assert [type(each) for each in effects(core)] == [Report]


def test_a_commitment_that_fails_is_tried_later_and_given_up_after_some_failures() -> None:
    core = Deals()
    number = 5
    core.receive(view(number, assignments=(assignment(1, place(1), deadline=500),)))
    core.receive(FragmentStored(fragment(1)))
    asked = len(effects(core))
    for _ in range(2 * COMMIT_FAILURES_MAX):
        core.receive(CommitFailed(fragment(1), "the worker died"))
        assert effects(core) == []
        number += 20
        core.receive(view(number, assignments=(assignment(1, place(1), deadline=500),)))
        asked += len(effects(core))
    assert asked == COMMIT_FAILURES_MAX


def test_one_report_a_deal_is_under_way_and_the_rest_goes_together() -> None:
    core = ready(4)
    items = [cosignature(s, place(0, s)) for s in range(4)]
    core.receive(Cosigned(items[0]))
    assert effects(core) == [Report(file(0), (items[0],), 60)]
    for item in items[1:]:
        core.receive(Cosigned(item))
    assert effects(core) == []
    core.receive(ReportEnded(file(0), (items[0],), DONE))
    report = effects(core)[-1]
    assert report == Report(file(0), tuple(items[1:]), 60)


@pytest.mark.parametrize("count", [REPORT_PLACES_MAX - 1, REPORT_PLACES_MAX, REPORT_PLACES_MAX + 1])
def test_a_report_has_a_largest_size(count: int) -> None:
    core = ready(count + 1)
    first = cosignature(0, place(0, 0))
    core.receive(Cosigned(first))
    effects(core)
    for s in range(1, count + 1):
        core.receive(Cosigned(cosignature(s, place(0, s))))
    core.receive(ReportEnded(file(0), (first,), DONE))
    report = effects(core)[-1]
    assert isinstance(report, Report)
    assert len(report.items) == min(count, REPORT_PLACES_MAX)


def test_reports_of_many_deals_are_bounded() -> None:
    core = ready(1, files=REPORTS_OUTSTANDING_MAX + 2)
    for f in range(REPORTS_OUTSTANDING_MAX + 2):
        core.receive(Cosigned(cosignature(100 * f, place(f))))
    assert len(effects(core)) == REPORTS_OUTSTANDING_MAX


@pytest.mark.parametrize("error", sorted(FINAL_ERRORS))
def test_a_final_refusal_drops_a_report_of_one(error: str) -> None:
    core = ready()
    item = cosignature(0, place(0))
    core.receive(Cosigned(item))
    effects(core)
    core.receive(ReportEnded(file(0), (item,), refused(error)))
    assert effects(core) == [DropCosignature(item)]


def test_one_wrong_place_does_not_take_its_companions_with_it() -> None:
    core = ready(3)
    items = [cosignature(s, place(0, s)) for s in range(3)]
    core.receive(Cosigned(items[0]))
    effects(core)
    core.receive(Cosigned(items[1]))
    core.receive(Cosigned(items[2]))
    core.receive(ReportEnded(file(0), (items[0],), DONE))
    both = effects(core)[-1]
    assert isinstance(both, Report)
    core.receive(ReportEnded(file(0), both.items, refused("InvalidCoSignature")))
    alone = effects(core)
    assert alone == [Report(file(0), (items[1],), 60)]
    core.receive(ReportEnded(file(0), (items[1],), refused("InvalidCoSignature")))
    assert effects(core) == [DropCosignature(items[1]), Report(file(0), (items[2],), 60)]
    core.receive(ReportEnded(file(0), (items[2],), DONE))
    assert effects(core) == [DropCosignature(items[2])]


def test_a_frozen_miner_keeps_its_cosignatures_and_tries_much_later() -> None:
    core = ready()
    item = cosignature(0, place(0))
    core.receive(Cosigned(item))
    effects(core)
    core.receive(ReportEnded(file(0), (item,), refused("MinerStateError")))
    core.receive(view(10, assignments=(assignment(0, place(0)),)))
    assert effects(core) == []
    core.receive(view(30, assignments=(assignment(0, place(0)),)))
    assert effects(core) == [Report(file(0), (item,), 60)]


def test_a_lost_report_is_repeated_with_growing_pauses() -> None:
    core = ready()
    item = cosignature(0, place(0))
    core.receive(Cosigned(item))
    sent = []
    for number in range(6, 59):
        if effects(core):
            sent.append(number)
            core.receive(ReportEnded(file(0), (item,), LOST))
        core.receive(view(number, assignments=(assignment(0, place(0)),)))
    pauses = [after - before for before, after in pairwise(sent)]
    assert pauses == sorted(pauses)
    assert 4 <= len(sent) <= 8


def test_nothing_is_reported_at_or_after_the_deadline() -> None:
    core = ready()
    core.receive(view(60, assignments=(assignment(0, place(0)),)))
    core.receive(Cosigned(cosignature(0, place(0))))
    assert effects(core) == []


def test_a_cosignature_for_a_place_of_another_miner_is_dropped() -> None:
    core = ready()
    stray = cosignature(9, place(9))
    core.receive(Cosigned(stray))
    assert effects(core) == [DropCosignature(stray)]


def test_a_cosignature_whose_place_was_taken_away_is_dropped_after_some_blocks() -> None:
    core = Deals()
    item = cosignature(1, place(1))
    core.receive(Cosigned(item))  # found on the disk before the first view
    for number in range(5, 5 + FORGET_AFTER_BLOCKS):
        core.receive(view(number))
        assert effects(core) == []
    core.receive(view(5 + FORGET_AFTER_BLOCKS))
    assert effects(core) == [DropCosignature(item)]


def test_a_fragment_at_two_places_is_reported_for_both() -> None:
    core = Deals()
    one, two = place(1), place(2)
    core.receive(view(5, assignments=(assignment(7, one), assignment(7, two))))
    core.receive(FragmentStored(fragment(7), is_committed=True))
    core.receive(Cosigned(cosignature(7, one)))
    core.receive(Cosigned(cosignature(7, two)))
    assert [each.file_hash for each in effects(core)] == [file(1), file(2)]
    assert {each.place for each in core.places_of(fragment(7))} == {one, two}


def test_a_fragment_that_is_gone_is_not_reported() -> None:
    core = ready()
    core.receive(FragmentGone(fragment(0)))
    core.receive(Cosigned(cosignature(0, place(0))))
    assert effects(core) == []
