"""Wire types of every kind, and strategies for their values."""

from typing import Annotated, Any

from hypothesis import strategies as st

from primitives.scale import (
    I8,
    I16,
    I32,
    I64,
    I128,
    I256,
    U8,
    U16,
    U32,
    U64,
    U128,
    U256,
    BoundedBytes,
    BoundedVec,
    Compact,
    Err,
    FixedBytes,
    Ok,
    Result,
    ScaleEnum,
    SizedInt,
    Variant,
    struct,
)
from primitives.types import AccountId, Balance, BlockNumber, Hash


class Four(FixedBytes, length=4):
    """Four bytes."""


class Note(BoundedBytes, limit=64):
    """A short note."""


class Colour(ScaleEnum, path="sample::Colour"):
    """A colour; the bytes have gaps."""

    Red = 0
    Green = 3
    Blue = 255


@struct(path="sample::Point")
class Point:
    """A place."""

    x: I32
    y: I32


class Points(BoundedVec[Point], limit=5):
    """A few places."""


class Shape(Variant, path="sample::Shape"):
    """A shape."""


class Nothing(Shape, index=0):
    """No shape."""


class Circle(Shape, index=1):
    """A circle."""

    centre: Point
    radius: Annotated[U64, Compact]


class Polygon(Shape, index=7, name="Poly"):
    """A polygon."""

    corners: Points


class Group(Shape, index=9):
    """Shapes in a shape."""

    members: "tuple[Shape, ...]"


@struct(path="sample::Everything")
class Everything:
    """A field of every kind."""

    flag: bool
    small: U8
    word: U16
    number: U32
    long: U64
    amount: Balance
    huge: U256
    below: I128
    compact: Annotated[U128, Compact]
    height: Annotated[BlockNumber, Compact]
    who: AccountId
    tag: Four
    note: Note
    data: bytes
    text: str
    colour: Colour
    point: Point
    shape: Shape
    hashes: tuple[Hash, ...]
    words: tuple[U16, ...]
    octets: tuple[U8, ...]
    points: Points
    pair: tuple[U8, str]
    maybe: Point | None
    maybe_flag: bool | None
    outcome: Result[U32, Colour]
    nothing: None
    unit: tuple[()]


def sized(kind: type[SizedInt]) -> st.SearchStrategy[Any]:
    """Numbers of a sized class, its ends and powers of two more often than others."""
    edges = [kind.MIN, kind.MAX, 0, 1]
    for bits in (6, 14, 30, 32, 64):
        edges += [1 << bits, (1 << bits) - 1]
    within = [edge for edge in edges if kind.MIN <= edge <= kind.MAX]
    return (st.sampled_from(within) | st.integers(kind.MIN, kind.MAX)).map(kind)


points = st.builds(Point, x=sized(I32), y=sized(I32))
point_lists = st.lists(points, max_size=5).map(Points)
leaves = (
    st.just(Nothing())
    | st.builds(Circle, centre=points, radius=sized(U64))
    | st.builds(Polygon, corners=point_lists)
)
shapes = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4).map(lambda items: Group(tuple(items))),
    max_leaves=8,
)
colours = st.sampled_from(Colour)
outcomes = sized(U32).map(Ok) | colours.map(Err)


def arrays(kind: type[FixedBytes]) -> st.SearchStrategy[Any]:
    """Values of a type of fixed bytes."""
    return st.binary(min_size=kind.LENGTH, max_size=kind.LENGTH).map(kind)


everything = st.builds(
    Everything,
    flag=st.booleans(),
    small=sized(U8),
    word=sized(U16),
    number=sized(U32),
    long=sized(U64),
    amount=sized(Balance),
    huge=sized(U256),
    below=sized(I128),
    compact=sized(U128),
    height=sized(BlockNumber),
    who=arrays(AccountId),
    tag=arrays(Four),
    note=st.binary(max_size=64).map(Note),
    data=st.binary(max_size=100),
    text=st.text(max_size=30),
    colour=colours,
    point=points,
    shape=shapes,
    hashes=st.lists(arrays(Hash), max_size=4).map(tuple),
    words=st.lists(sized(U16), max_size=70).map(tuple),
    octets=st.lists(sized(U8), max_size=70).map(tuple),
    points=point_lists,
    pair=st.tuples(sized(U8), st.text(max_size=5)),
    maybe=st.none() | points,
    maybe_flag=st.none() | st.booleans(),
    outcome=outcomes,
    nothing=st.none(),
    unit=st.just(()),
)

KINDS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "bool": (bool, st.booleans()),
    "str": (str, st.text(max_size=100)),
    "bytes": (bytes, st.binary(max_size=100)),
    "unit": (None, st.none()),
    **{
        kind.__name__: (kind, sized(kind))
        for kind in (U8, U16, U32, U64, U128, U256, I8, I16, I32, I64, I128, I256)
    },
    **{
        f"Compact<{kind.__name__}>": (Annotated[kind, Compact], sized(kind))
        for kind in (U8, U16, U32, U64, U128, U256)
    },
    "FixedBytes": (Four, arrays(Four)),
    "BoundedBytes": (Note, st.binary(max_size=64).map(Note)),
    "ScaleEnum": (Colour, colours),
    "struct": (Point, points),
    "Variant": (Shape, shapes),
    "BoundedVec": (Points, point_lists),
    "Vec": (tuple[str, ...], st.lists(st.text(max_size=9), max_size=70).map(tuple)),
    "Vec of Vec": (
        tuple[tuple[U8, ...], ...],
        st.lists(st.lists(sized(U8), max_size=5).map(tuple), max_size=5).map(tuple),
    ),
    "tuple": (tuple[U8, bool, str], st.tuples(sized(U8), st.booleans(), st.text(max_size=9))),
    "Option": (U32 | None, st.none() | sized(U32)),
    "Result": (Result[U32, Colour], outcomes),
    "everything": (Everything, everything),
}
"""A type of every kind with a strategy for its values, by a name for test ids."""
