"""Records, variants, enums and bounded types: what may be declared; values never change."""

import copy
import dataclasses
import pickle
from typing import Annotated, Any, ClassVar

import pytest
from sample_types import (
    Circle,
    Colour,
    Everything,
    Four,
    Group,
    Note,
    Nothing,
    Point,
    Points,
    Shape,
)

from primitives.errors import DecodeError
from primitives.scale import (
    I32,
    U8,
    U16,
    U32,
    U64,
    BoundedBytes,
    BoundedVec,
    Compact,
    Err,
    FixedBytes,
    Ok,
    Result,
    ScaleEnum,
    Variant,
    codec,
    decode,
    encode,
    struct,
)
from primitives.types import AccountId, Hash

POINT = Point(I32(1), I32(2))


# Records.


def decoded_point() -> Point:
    return decode(Point, encode(Point, POINT))


@pytest.mark.parametrize("make", [lambda: POINT, decoded_point, lambda: copy.deepcopy(POINT)])
def test_a_record_never_changes_however_it_was_made(make: Any) -> None:
    value = make()
    for name in ("x", "other", "__class__", "__dict__"):
        with pytest.raises((dataclasses.FrozenInstanceError, AttributeError)):
            setattr(value, name, I32(9))
    with pytest.raises(dataclasses.FrozenInstanceError):
        del value.x
    assert value == POINT
    assert type(value) is Point
    assert not hasattr(value, "__dict__")


def test_a_decoded_record_equals_a_constructed_one_in_every_way() -> None:
    value = decoded_point()
    assert value == POINT
    assert hash(value) == hash(POINT)
    assert repr(value) == "Point(x=I32(1), y=I32(2))"
    assert len({value, POINT}) == 1


def test_a_record_is_a_dataclass() -> None:
    assert [field.name for field in dataclasses.fields(Point)] == ["x", "y"]
    assert dataclasses.replace(POINT, y=I32(5)) == Point(I32(1), I32(5))
    assert dataclasses.asdict(POINT) == {"x": 1, "y": 2}
    match decoded_point():
        case Point(x, y):
            assert (x, y) == (1, 2)


def test_records_of_different_classes_differ() -> None:
    @struct
    class Other:
        x: I32
        y: I32

    assert Other(I32(1), I32(2)) != POINT


def test_fields_may_have_defaults_and_names() -> None:
    @struct
    class Row:
        first: U8
        second: U8 = U8(7)

    assert Row(first=U8(1)) == Row(U8(1), U8(7))
    assert decode(Row, b"\x01\x02") == Row(U8(1), U8(2))
    with pytest.raises(TypeError):
        Row()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Row(U8(1), third=1)  # type: ignore[call-arg]


def test_a_record_may_have_methods_and_class_variables() -> None:
    @struct
    class Row:
        unit: ClassVar[str] = "bytes"
        size: U32

        @property
        def label(self) -> str:
            return f"{self.size} {self.unit}"

    assert decode(Row, b"\x05\0\0\0").label == "5 bytes"
    assert codec(Row).min_size == 4


def test_an_empty_record_takes_no_bytes() -> None:
    @struct
    class Empty:
        pass

    assert encode(Empty, Empty()) == b""
    assert decode(Empty, b"") == Empty()


def test_records_can_be_pickled_and_copied() -> None:
    for value in (POINT, Circle(POINT, U64(1)), Points([POINT]), Colour.Blue, Four(b"abcd")):
        again = pickle.loads(pickle.dumps(value))
        assert again == value
        assert type(again) is type(value)


def test_a_mutable_default_is_refused() -> None:
    with pytest.raises(TypeError, match="immutable"):

        @struct
        class Row:
            items: tuple[U8, ...] = dataclasses.field(default_factory=tuple)


def test_a_record_does_not_extend_a_record() -> None:
    with pytest.raises(TypeError, match="cannot extend"):

        @struct
        class Farther(Point):
            z: I32


def test_a_check_that_decoding_would_skip_is_refused() -> None:
    with pytest.raises(TypeError, match="__post_init__"):

        @struct
        class Row:
            size: U8

            def __post_init__(self) -> None:
                assert self.size


def test_a_large_record_is_split_into_functions_and_reads_the_same() -> None:
    row = tuple[tuple[U16 | None, str, bytes], ...]
    fields = {f"field_{index}": row | None for index in range(60)}
    wide = struct(type("Wide", (), {"__annotations__": fields}))
    value = wide(*[((U16(1), "a", b"b"), (None, "c", b"d")), None] * 30)
    assert codec(wide).source.count("def decode_") > 1
    assert decode(wide, encode(wide, value)) == value


def test_vectors_nest_deeper_than_python_nests_loops() -> None:
    kind: Any = U8
    value: Any = U8(7)
    for _ in range(40):
        kind, value = tuple[kind, ...], (value,)
    assert decode(kind, encode(kind, value)) == value


# Variants.


def test_a_leaf_is_an_instance_of_its_base_and_matches() -> None:
    value = decode(Shape, encode(Shape, Circle(POINT, U64(3))))
    assert isinstance(value, Shape)
    match value:
        case Circle(centre=centre, radius=radius):
            assert (centre, radius) == (POINT, 3)
        case _:
            raise AssertionError(value)


def test_leaves_never_change() -> None:
    for value in (Circle(POINT, U64(3)), decode(Shape, b"\x00"), Group((Nothing(),))):
        with pytest.raises(dataclasses.FrozenInstanceError):
            value.radius = U64(1)  # type: ignore[union-attr, misc]


def test_leaves_without_fields_are_equal() -> None:
    assert decode(Shape, b"\x00") == Nothing()
    assert {Nothing(), Nothing()} == {Nothing()}


def test_a_base_has_no_values() -> None:
    with pytest.raises(TypeError, match="leaves"):
        Shape()
    with pytest.raises(TypeError, match="leaves"):
        Variant()


def test_an_index_is_used_once() -> None:
    class Base(Variant):
        pass

    class First(Base, index=0):
        pass

    with pytest.raises(TypeError, match="index 0 of Base belongs to First"):

        class Second(Base, index=0):
            pass


@pytest.mark.parametrize("index", [-1, 256])
def test_an_index_is_one_byte(index: int) -> None:
    class Base(Variant):
        pass

    with pytest.raises(TypeError, match="one byte"):
        type(Base)("Leaf", (Base,), {}, index=index)


def test_no_leaf_comes_after_the_codec() -> None:
    class Base(Variant):
        pass

    class First(Base, index=0):
        pass

    codec(Base)
    with pytest.raises(TypeError, match="exists already"):

        class Second(Base, index=1):
            pass


def test_leaves_are_not_extended() -> None:
    with pytest.raises(TypeError):

        class More(Nothing, index=1):
            pass

    with pytest.raises(TypeError, match="needs index"):

        class NoIndex(Nothing):
            pass


def test_a_base_without_leaves_has_no_codec() -> None:
    class Base(Variant):
        pass

    with pytest.raises(TypeError, match="no leaves"):
        codec(Base)


def test_all_256_variants_are_told_apart() -> None:
    class Base(Variant):
        pass

    leaves = [
        type(Base)(
            f"Leaf{index}",
            (Base,),
            {"__annotations__": {"value": U8} if index % 2 else {}},
            index=index,
        )
        for index in range(256)
    ]
    for index, leaf in enumerate(leaves):
        value = leaf(U8(9)) if index % 2 else leaf()
        data = bytes((index, 9)) if index % 2 else bytes((index,))
        assert encode(Base, value) == data
        assert decode(Base, data) == value


# Enums.


def test_members_of_an_enum_are_one_byte_each() -> None:
    with pytest.raises(TypeError, match="one byte"):

        class Wide(ScaleEnum):
            Large = 256

    with pytest.raises(TypeError, match="one byte"):

        class Texts(ScaleEnum):
            Text = "a"

    with pytest.raises(TypeError, match="same byte"):

        class Twice(ScaleEnum):
            One = 1
            Uno = 1


def test_an_enum_decodes_to_its_member() -> None:
    assert decode(Colour, b"\xff") is Colour.Blue


# Bytes and vectors.


@pytest.mark.parametrize("size", [0, 3, 5])
def test_fixed_bytes_have_their_length(size: int) -> None:
    with pytest.raises(ValueError, match="4 bytes"):
        Four(bytes(size))


@pytest.mark.parametrize("value", [4, "abcd", [1, 2, 3, 4], None])
def test_bytes_are_made_from_bytes_only(value: Any) -> None:
    with pytest.raises(TypeError, match="made from bytes"):
        Four(value)
    with pytest.raises(TypeError, match="made from bytes"):
        Note(value)


def test_fixed_bytes_show_themselves_in_hex() -> None:
    assert repr(Four(b"\x00\x01\x02\xff")) == "Four(0x000102ff)"
    assert str(Four(b"\x00\x01\x02\xff")) == "0x000102ff"
    assert Four.fromhex("000102ff").hex() == "000102ff"
    assert Four(memoryview(b"abcd")) == Four(bytearray(b"abcd")) == b"abcd"


def test_bounded_types_hold_no_more_than_their_limit() -> None:
    assert len(Note(bytes(64))) == 64
    with pytest.raises(ValueError, match="64"):
        Note(bytes(65))
    assert Note() == b""
    assert Points() == ()
    with pytest.raises(ValueError, match="5"):
        Points(POINT for _ in range(6))


def test_types_without_a_bound_hold_nothing() -> None:
    class Loose(FixedBytes):
        pass

    class LooseBytes(BoundedBytes):
        pass

    class LooseVec(BoundedVec[U8]):
        pass

    for kind in (Loose, LooseBytes, LooseVec):
        with pytest.raises(TypeError):
            codec(kind)
        with pytest.raises(TypeError, match="="):
            kind(b"")


def test_wire_bytes_have_no_room_for_attributes() -> None:
    for value in (Hash(bytes(32)), Note(b""), Points()):
        with pytest.raises(AttributeError):
            value.note = 1  # type: ignore[union-attr]


def test_a_bounded_vector_says_what_it_holds() -> None:
    class Anything(BoundedVec, limit=3):  # type: ignore[type-arg]
        pass

    with pytest.raises(TypeError, match=r"BoundedVec\[Item\]"):
        codec(Anything)


def test_a_bounded_vector_may_name_a_later_type() -> None:
    assert decode(Laters, encode(Laters, Laters([Later(U8(1))]))) == Laters([Later(U8(1))])


class Laters(BoundedVec["Later"], limit=3):
    pass


@struct
class Later:
    value: U8


# A class with its own codec.


class Varint:
    """Seven bits in a byte, the lowest first; at most three bytes."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Varint) and other.value == self.value

    __hash__ = None  # type: ignore[assignment]

    def __scale_encode__(self) -> bytes:
        low, high = self.value & 127, self.value >> 7
        return bytes((low | 128, high)) if high else bytes((low,))

    @classmethod
    def __scale_decode__(cls, data: bytes, at: int) -> tuple["Varint", int]:
        first = data[at]
        if first < 128:
            return cls(first), at + 1
        if data[at + 1] == 0:
            raise DecodeError(f"offset {at}: too long")
        return cls(first & 127 | data[at + 1] << 7), at + 2


@struct
class Framed:
    before: U32
    middle: Varint
    after: Annotated[U32, Compact]


def test_a_class_brings_its_own_codec() -> None:
    for number in (0, 127, 128, 5000):
        value = Framed(U32(1), Varint(number), U32(2))
        assert decode(Framed, encode(Framed, value)) == value
        assert decode(Varint, encode(Varint, Varint(number))) == Varint(number)


def test_what_an_own_codec_refuses_is_refused() -> None:
    with pytest.raises(DecodeError, match="too long"):
        decode(Framed, b"\x01\0\0\0\x80\x00\x04")
    with pytest.raises(DecodeError, match="ends"):
        decode(Framed, b"\x01\0\0\0\x80")
    with pytest.raises(TypeError, match="Varint expected"):
        encode(Framed, Framed(U32(1), 5, U32(2)))  # type: ignore[arg-type]


# Results and the rest.


def test_results_compare_by_side_and_value() -> None:
    assert Ok(1) == Ok(1)
    assert Ok(1) != Err(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Ok(1).value = 2  # type: ignore[misc]


def test_account_and_hash_of_the_same_bytes_are_equal_as_bytes() -> None:
    assert AccountId(bytes(32)) == Hash(bytes(32)) == bytes(32)


def test_the_least_size_of_a_record_is_the_sum_of_its_parts() -> None:
    assert codec(Everything).min_size == 141


def test_declarations_that_mean_nothing_are_refused() -> None:
    with pytest.raises(TypeError, match="length of -1"):
        type(Hash)("Short", (FixedBytes,), {}, length=-1)
    with pytest.raises(TypeError, match="limit of -1"):
        type(Note)("Short", (BoundedBytes,), {}, limit=-1)
    with pytest.raises(TypeError, match="limit of -1"):
        type(Points)("Short", (BoundedVec,), {}, limit=-1)
    with pytest.raises(TypeError, match="one variant base"):
        type(Shape)("Leaf", (Variant,), {}, index=0)
    with pytest.raises(TypeError, match="unsigned"):
        codec(Annotated[I32, Compact])


def test_bounded_types_show_their_class() -> None:
    assert repr(Note(b"ab")) == "Note(b'ab')"
    assert str(Note(b"ab")) == "b'ab'"
    assert repr(Points([POINT])) == "Points((Point(x=I32(1), y=I32(2)),))"


class Tree(Variant):
    """Recursive through every kind of container."""


class Branch(Tree, index=0):
    pair: "tuple[Tree, Tree]"


class Either(Tree, index=1):
    side: "Result[Tree, Tree]"


class Listed(Tree, index=2):
    trees: "Trees"


class Tip(Tree, index=3):
    value: Annotated[U8, "a note that is not ours"]


class Trees(BoundedVec["Tree"], limit=2):
    pass


def test_recursion_through_tuples_results_and_bounded_vectors() -> None:
    tip = Tip(U8(1))
    value = Branch((Either(Ok(tip)), Listed(Trees([Either(Err(tip)), tip]))))
    assert decode(Tree, encode(Tree, value)) == value
    assert len(encode(Tree, tip)) >= codec(Tree).min_size
    with pytest.raises(DecodeError, match="deep"):
        decode(Tree, b"\x01\x00" * 10_000)
    with pytest.raises(DecodeError, match="deep"):
        decode(Tree, b"\x02\x04" * 10_000)
