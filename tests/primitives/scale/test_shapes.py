"""Reading annotations: what recursion is, and what parts a type has."""

from typing import Annotated, Any

import pytest
from sample_types import Colour, Everything, Group, Point, Points, Shape

from primitives.scale import U8, U32, BoundedVec, Compact, Err, Ok, Result, struct
from primitives.scale.shapes import (
    CompactShape,
    IntShape,
    OptionShape,
    ResultShape,
    UnitShape,
    VecShape,
    is_recursive,
    min_size,
    shape_of,
)


@struct
class Node:
    children: "Nodes"
    other: "tuple[U8, Result[U8, Colour]]"


class Nodes(BoundedVec["Node"], limit=3):
    pass


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (Shape, True),
        (Node, True),
        (Nodes, True),
        (Everything, False),
        (Point, False),
        (Points, False),
        (tuple[Shape, ...], False),
        (U32, False),
    ],
)
def test_recursive_is_a_class_that_contains_itself(kind: Any, answer: bool) -> None:
    assert is_recursive(kind) is answer


def test_marks_of_others_are_ignored() -> None:
    assert shape_of(Annotated[U32, "a note"]) == IntShape(U32)
    assert shape_of(Annotated[U32, "a note", Compact]) == CompactShape(U32)


def test_unions_are_options_or_results() -> None:
    assert shape_of(U8 | None) == OptionShape(U8)
    assert shape_of(Result[U8, U32]) == ResultShape(U8, U32)
    assert shape_of(Result[U8, U32] | None) == OptionShape(Ok[U8] | Err[U32])
    for bad in (U8 | U32, Err[U8] | Ok[U32]):
        with pytest.raises(TypeError, match="union"):
            shape_of(bad)


def test_tuples_are_vectors_with_an_ellipsis() -> None:
    assert shape_of(tuple[U8, ...]) == VecShape(tuple, U8, None)
    assert shape_of(Nodes) == VecShape(Nodes, Node, 3)
    assert shape_of(type(None)) == shape_of(None) == UnitShape()


def test_a_leaf_is_no_type_of_its_own() -> None:
    with pytest.raises(TypeError, match="is a leaf"):
        shape_of(Group)


@pytest.mark.parametrize(
    ("kind", "size"),
    [(Point, 8), (Shape, 1), (Points, 1), (tuple[U8, U32], 5), (None, 0), (Node, 4)],
)
def test_min_size_counts_what_is_always_there(kind: Any, size: int) -> None:
    assert min_size(kind) == size
