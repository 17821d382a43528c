"""Limits of what one peer may ask."""

from node.sync import limits
from node.sync.limits import (
    BURST_BYTES,
    BYTES_PER_S,
    SAME_REQUEST_S,
    SAME_REQUESTS_MAX,
    PeerBudget,
    SeenRequests,
)


def test_a_question_is_answered_twice_a_minute_for_each_peer() -> None:
    seen = SeenRequests()
    for _ in range(SAME_REQUESTS_MAX):
        assert not seen.is_repeated("a", b"question", 0.0)
        seen.answered("a", b"question", 0.0)
    assert seen.is_repeated("a", b"question", 1.0)
    assert not seen.is_repeated("b", b"question", 1.0)
    assert not seen.is_repeated("a", b"other", 1.0)
    assert not seen.is_repeated("a", b"question", SAME_REQUEST_S + 1.0)
    seen.answered("a", b"question", SAME_REQUEST_S + 1.0)
    assert not seen.is_repeated("a", b"question", SAME_REQUEST_S + 2.0)


def test_what_is_remembered_of_questions_and_peers_is_bounded(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(limits, "SEEN_MAX", 10)
    monkeypatch.setattr(limits, "PEERS_MAX", 10)
    seen, budget = SeenRequests(), PeerBudget()
    for at in range(100):
        seen.answered("a", b"%d" % at, 0.0)
        budget.take(f"{at}", 0.0)
    assert len(seen._seen) == len(budget._left) == 10


def test_a_question_that_costs_more_counts_for_more() -> None:
    budget = PeerBudget(requests_per_s=5, burst_requests=12)
    assert [budget.take("a", 0.0, 5) for _ in range(3)] == [True, True, False]
    assert [budget.take("a", 0.0) for _ in range(3)] == [True, True, False]
    assert budget.take("a", 1.0, 5)


def test_questions_and_bytes_grow_back() -> None:
    budget = PeerBudget(requests_per_s=2, burst_requests=3)
    assert [budget.take("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert budget.take("b", 0.0)
    assert budget.take("a", 0.5)
    assert not budget.take("a", 0.5)
    budget.spend("c", 1)
    budget.take("c", 0.0)
    budget.spend("c", BURST_BYTES + 1)
    assert not budget.take("c", 0.0)
    assert budget.take("c", 1 + 1 / BYTES_PER_S)
