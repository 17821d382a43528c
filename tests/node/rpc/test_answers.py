"""Kept answers: true as long as they are kept, and bounded."""

import pytest

from node.rpc import answers as answers_module
from node.rpc.answers import Answers
from primitives.types import Hash

ONE, TWO, THREE = (Hash(bytes([at]) * 32) for at in (1, 2, 3))


def test_an_answer_is_kept_until_the_best_or_the_final_block_changes() -> None:
    kept = Answers()
    for before, after in (((ONE, ONE), (TWO, ONE)), ((TWO, ONE), (TWO, TWO))):
        assert kept.get(before, "m", b"[]") is None
        kept.put(before, "m", b"[]", b"7")
        assert kept.get(before, "m", b"[]") == b"7"
        assert kept.get(before, "m", b"[1]") is None
        assert kept.get(before, "n", b"[]") is None
        assert kept.get(after, "m", b"[]") is None
        assert len(kept) == 0


def test_an_answer_that_comes_too_late_is_not_kept() -> None:
    kept = Answers()
    kept.get((ONE, ONE), "m", b"[]")
    kept.get((TWO, ONE), "m", b"[]")
    kept.put((ONE, ONE), "m", b"[]", b"old")
    assert kept.get((TWO, ONE), "m", b"[]") is None


def test_what_is_kept_is_bounded_in_number_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, now = Answers(), (ONE, ONE)
    kept.get(now, "m", b"")
    for at in range(answers_module.ANSWERS_MAX + 10):
        kept.put(now, "m", b"%d" % at, b"x")
    assert len(kept) == answers_module.ANSWERS_MAX
    assert kept.get(now, "m", b"9") is None
    assert kept.get(now, "m", b"10") == b"x"
    monkeypatch.setattr(answers_module, "ANSWERS_BYTES_MAX", 1000)
    monkeypatch.setattr(answers_module, "ANSWER_BYTES_MAX", 500)
    kept.put(now, "m", b"large", b"y" * 501)
    assert kept.get(now, "m", b"large") is None
    for at in range(20):
        kept.put(now, "m", b"more%d" % at, b"z" * 400)
    assert len(kept) == 2
