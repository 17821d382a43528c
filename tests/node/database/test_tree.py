"""The tree of unfinalized blocks."""

import pytest

from node.database.errors import BlockRefused
from node.database.tree import FORKS_PER_HEIGHT_MAX, BlockId, BlockTree
from primitives.types import Hash


def block(name: str) -> Hash:
    return Hash(name.encode().ljust(32))


def tree(*edges: str) -> BlockTree:
    """Edges like "ab": b on top of a; `a` is the finalized block at 10."""
    made = BlockTree(BlockId(block("a"), 10))
    for parent, child in edges:
        number = made.number(block(parent))
        assert number is not None
        made.add(BlockId(block(child), number + 1), block(parent))
    return made


def names(blocks: tuple[Hash, ...]) -> str:
    return "".join(one.decode().strip() for one in blocks)


def test_ancestry_is_answered_both_ways() -> None:
    made = tree("ab", "bc", "ad", "de", "ef", "eg")
    assert names(made.path(block("g"))) == "deg"
    assert names(made.path(block("a"))) == ""
    assert names(made.descendants(block("d"))) == "efg"
    assert names(made.descendants(block("a"))) == "bdcefg"
    assert names(made.children(block("e"))) == "fg"
    assert names(made.at(11)) == "bd"
    assert names(made.above(11)) == "cefg"
    assert made.parent(block("g")) == block("e")
    assert made.parent(block("a")) is None
    assert made.number(block("z")) is None
    assert made.children(block("z")) == ()


def test_moving_the_root_leaves_its_descendants() -> None:
    made = tree("ab", "bc", "cd", "ce")
    made.move_root(BlockId(block("c"), 12))
    assert names(made.at(10)) == names(made.at(11)) == ""
    assert names(made.at(12)) == "c"
    assert names(made.path(block("e"))) == "e"
    assert made.parent(block("c")) is None


def test_removed_blocks_are_gone() -> None:
    made = tree("ab", "ac", "cd")
    made.remove((block("d"), block("c")))
    assert names(made.above(10)) == "b"
    assert made.number(block("c")) is None


def test_forks_at_one_height_are_bounded() -> None:
    made = tree()
    for index in range(FORKS_PER_HEIGHT_MAX):
        made.check_room(11)
        made.add(BlockId(block(f"x{index}"), 11), block("a"))
    with pytest.raises(BlockRefused, match="compete at height 11"):
        made.check_room(11)
    made.check_room(12)
