"""Who is asked at the beginning: in turn, who failed last, and each with the time it needs."""

from node.database import BlockId
from node.network.transport import Roles
from node.sync.known_peers import PATIENCE_S, KnownPeers
from primitives.types import Hash


def peers(*names: str, height: int = 100) -> KnownPeers:
    made = KnownPeers()
    for name in names:
        made.join(name, Roles.FULL, BlockId(Hash(bytes(32)), height))
    return made


def test_each_comes_first_in_turn() -> None:
    found = peers("a", "b", "c")
    rounds = [list(found.round(1)) for _ in range(3)]
    assert [sorted(each) for each in rounds] == [["a", "b", "c"]] * 3
    assert {each[0] for each in rounds} == {"a", "b", "c"}


def test_who_failed_is_asked_after_all_others_until_it_helps() -> None:
    found = peers("a", "b", "c")
    found.failed("b")
    assert [list(found.round(1))[-1] for _ in range(4)] == ["b"] * 4
    found.failed("a")
    found.failed("a")
    assert [list(found.round(1)) for _ in range(4)] == [["c", "b", "a"]] * 4
    found.helped("b", is_little=True)
    assert [list(found.round(1)) for _ in range(4)] == [["c", "b", "a"]] * 4
    found.helped("a")
    assert {next(found.round(1)) for _ in range(4)} == {"a", "c"}


def test_who_was_late_has_twice_as_long_up_to_what_the_question_allows() -> None:
    found = peers("a", "b")
    seen = []
    for _ in range(5):
        seen.append(found.patience_s("a", 20.0))
        found.failed("a", was_late=True, longest_s=20.0)
    assert seen == [PATIENCE_S, 2 * PATIENCE_S, 20.0, 20.0, 20.0]
    assert found.patience_s("b", 20.0) == PATIENCE_S
    assert found.patience_s("b", 2.0) == 2.0
    found.helped("a")
    assert found.patience_s("a", 20.0) == 20.0  # what it needed it will need again


def test_a_failure_that_is_no_lateness_gives_nobody_longer() -> None:
    found = peers("a")
    for _ in range(5):
        found.failed("a")
    assert found.patience_s("a", 20.0) == PATIENCE_S


def test_who_left_is_forgotten_and_light_barred_and_low_ones_are_not_asked() -> None:
    found = peers("a", "b", "c")
    found.failed("a", was_late=True, longest_s=20.0)
    found.leave("a")
    found.failed("a")
    found.helped("a")
    assert sorted(found.round(1)) == ["b", "c"]
    found.join("a", Roles.FULL, BlockId(Hash(bytes(32)), 5))
    assert found.patience_s("a", 20.0) == PATIENCE_S
    found.join("light", Roles.LIGHT, BlockId(Hash(bytes(32)), 100))
    found.bar("b")
    assert list(found.round(6)) == ["c"]
    assert found.useful() == ["c", "a"]
