"""Round trips, outside vectors, and the refusal of everything that is not canonical."""

import json
import threading
import tracemalloc
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_types import (
    KINDS,
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
    everything,
)

from primitives.errors import ArithmeticOverflow, CessError, DecodeError
from primitives.scale import (
    I8,
    I16,
    I32,
    U8,
    U16,
    U32,
    U64,
    U128,
    U256,
    Compact,
    Err,
    Ok,
    Result,
    codec,
    decode,
    encode,
    struct,
)
from primitives.scale.guards import DEPTH_MAX, ZERO_SIZED_ITEMS_MAX
from primitives.types import AccountId, Balance, BlockNumber, Hash

VECTORS = Path(__file__).parents[2] / "vectors" / "scale"
COMPACT_U64 = Annotated[U64, Compact]
TYPES: dict[str, Any] = {
    "bool": bool,
    "str": str,
    "u16": U16,
    "u32": U32,
    "Compact<u64>": COMPACT_U64,
    "Vec<u8>": tuple[U8, ...],
    "Vec<u16>": tuple[U16, ...],
    "Vec<i16>": tuple[I16, ...],
    "Vec<str>": tuple[str, ...],
    "Vec<Option<i8>>": tuple[I8 | None, ...],
}


def same(left: Any, right: Any) -> bool:
    """Equal, and of the same class (an int equals a sized one)."""
    if isinstance(left, tuple):
        return (
            type(left) is type(right)
            and len(left) == len(right)
            and all(same(a, b) for a, b in zip(left, right, strict=True))
        )
    return type(left) is type(right) and bool(left == right)


@pytest.mark.parametrize("name", KINDS)
def test_decoding_gives_back_what_was_encoded(name: str) -> None:
    kind, values = KINDS[name]
    made = codec(kind)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(values, st.binary(max_size=3))
    def check(value: Any, after: bytes) -> None:
        data = made.encode(value)
        assert type(data) is bytes
        assert len(data) >= made.min_size
        assert same(made.decode(data), value)
        assert made.decode_from(b"!" + data + after, 1) == (value, 1 + len(data))

    check()


@pytest.mark.parametrize(("number", "text"), json.loads((VECTORS / "compact.json").read_text()))
def test_compact_numbers_are_as_in_rust(number: int, text: str) -> None:
    data = bytes.fromhex(text)
    for kind in (U8, U16, U32, U64, U128, U256):
        if number <= kind.MAX:
            made = codec(Annotated[kind, Compact])
            assert made.encode(kind(number)) == data
            assert made.decode(data) == number
        else:
            with pytest.raises(DecodeError):
                codec(Annotated[kind, Compact]).decode(data)


@pytest.mark.parametrize(
    "vector", json.loads((VECTORS / "values.json").read_text()), ids=lambda item: item["name"]
)
def test_values_are_encoded_as_the_documents_say(vector: dict[str, Any]) -> None:
    kind, value, data = TYPES[vector["type"]], vector["value"], bytes.fromhex(vector["hex"])
    value = tuple(value) if isinstance(value, list) else value
    assert encode(kind, value) == data
    assert decode(kind, data) == value


# Strictness.

MALFORMED: list[tuple[str, Any, str]] = [
    ("a bool of 2", bool, "02"),
    ("nothing for a bool", bool, ""),
    ("bytes after the value", U8, "0000"),
    ("three bytes of a u32", U32, "000000"),
    ("31 bytes of an account", AccountId, "00" * 31),
    ("a compact 0 in two bytes", COMPACT_U64, "0100"),
    ("a compact 63 in two bytes", COMPACT_U64, "fd00"),
    ("a compact 64 in four bytes", COMPACT_U64, "02010000"),
    ("a compact 16383 in four bytes", COMPACT_U64, "feff0000"),
    ("a compact 2^30 - 1 in five bytes", COMPACT_U64, "03ffffff3f"),
    ("a compact 2^30 in six bytes", COMPACT_U64, "070000004000"),
    ("a compact of two bytes cut short", COMPACT_U64, "01"),
    ("a compact of four bytes cut short", COMPACT_U64, "020001"),
    ("a large compact cut short", COMPACT_U64, "0b00407a10f3"),
    ("a compact u8 of 256", Annotated[U8, Compact], "0104"),
    ("a compact u16 of 65536", Annotated[U16, Compact], "02000400"),
    ("a compact u32 of 2^32", Annotated[U32, Compact], "070000000001"),
    ("a compact u64 of 2^64", COMPACT_U64, "17000000000000000001"),
    ("a compact u128 of 2^128", Annotated[U128, Compact], "37" + "00" * 16 + "01"),
    ("a compact of 67 bytes for a u256", Annotated[U256, Compact], "ff" + "01" * 67),
    ("an enum's unknown byte", Colour, "01"),
    ("a variant's unknown byte", Shape, "02"),
    ("a variant without its field", Shape, "01000000"),
    ("an Option of 2", U8 | None, "0200"),
    ("an Option without its value", U8 | None, "01"),
    ("a Result of 2", Result[U8, bool], "0200"),
    ("a bad error in a Result", Result[U8, bool], "0102"),
    ("a vector that claims too much", tuple[U32, ...], "0800000000"),
    ("a vector that claims 2^30 items", tuple[U32, ...], "0300000040"),
    ("a vector that claims 2^535 items", tuple[U32, ...], "ff" + "00" * 66 + "80"),
    ("a vector whose last item is missing", tuple[str, ...], "080441"),
    ("bytes that claim too much", bytes, "0c0102"),
    ("a note of 65 bytes", Note, "0501" + "00" * 65),
    ("six points", Points, "18" + "00" * 48),
    ("65 items of nothing", tuple[None, ...], "0501"),
    ("text that is not UTF-8", str, "08a7ff"),
    ("a surrogate in text", str, "0ceda080"),
    ("an overlong NUL in text", str, "08c080"),
]


@pytest.mark.parametrize(
    ("kind", "text"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED]
)
def test_decoding_refuses(kind: Any, text: str) -> None:
    with pytest.raises(DecodeError, match="offset"):
        decode(kind, bytes.fromhex(text))


def test_the_error_names_the_offset_of_the_bad_byte() -> None:
    @struct
    class Row:
        first: U32
        flag: bool
        second: U64

    good = encode(Row, Row(U32(1), True, U64(2)))
    with pytest.raises(DecodeError, match="offset 4: 9 is no byte of a bool"):
        decode(Row, good[:4] + b"\x09" + good[5:])


@pytest.mark.parametrize("kind", [Everything, Shape, tuple[Shape, ...]])
def test_random_bytes_decode_or_are_refused(kind: Any) -> None:
    made = codec(kind)

    @settings(max_examples=300, deadline=None)
    @given(st.binary(max_size=400))
    def check(data: bytes) -> None:
        try:
            value = made.decode(data)
        except DecodeError:
            return
        assert made.encode(value) == data

    check()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(everything, st.data())
def test_a_damaged_value_decodes_canonically_or_is_refused(value: Everything, data: Any) -> None:
    made = codec(Everything)
    good = bytearray(made.encode(value))
    at = data.draw(st.integers(0, len(good) - 1))
    good[at] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, 3))
    bad = bytes(good[: len(good) - cut])
    try:
        again = made.decode(bad)
    except DecodeError:
        return
    assert made.encode(again) == bad


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(everything)
def test_every_prefix_of_a_value_is_refused(value: Everything) -> None:
    made = codec(Everything)
    good = made.encode(value)
    for end in range(len(good)):
        with pytest.raises(DecodeError):
            made.decode(good[:end])


# Bounds.


def nested(depth: int) -> Shape:
    value: Shape = Nothing()
    for _ in range(depth):
        value = Group((value,))
    return value


def test_recursion_is_bounded_one_below_at_and_above_the_limit() -> None:
    made = codec(Shape)
    for depth in (DEPTH_MAX - 1, DEPTH_MAX):
        assert made.decode(made.encode(nested(depth))) == nested(depth)
    with pytest.raises(DecodeError, match=f"more than {DEPTH_MAX} deep"):
        made.decode(b"\x09\x04" * (DEPTH_MAX + 1) + b"\x00")
    with pytest.raises(ValueError, match=f"more than {DEPTH_MAX} deep"):
        made.encode(nested(DEPTH_MAX + 1))


def test_a_million_levels_are_refused_and_do_not_overflow_the_stack() -> None:
    with pytest.raises(DecodeError, match="deep"):
        decode(Shape, b"\x09\x04" * 1_000_000)


def test_the_depth_does_not_depend_on_where_the_type_stands() -> None:
    @struct
    class Wrapped:
        shape: Shape

    limit = nested(DEPTH_MAX - 1)
    assert decode(Wrapped, encode(Wrapped, Wrapped(limit))) == Wrapped(limit)
    with pytest.raises(DecodeError, match="deep"):
        decode(Wrapped, b"\x09\x04" * DEPTH_MAX + b"\x00")


def test_a_claimed_count_allocates_nothing() -> None:
    claim = b"\x03\xff\xff\xff\xff" + bytes(1000)
    kinds: list[Any] = [tuple[U32, ...], tuple[Point, ...], bytes, str, tuple[Hash, ...]]
    for kind in kinds:
        codec(kind)
    tracemalloc.start()
    for kind in kinds:
        with pytest.raises(DecodeError):
            decode(kind, claim)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


def test_items_of_no_size_have_a_limit_of_their_own() -> None:
    for count in (ZERO_SIZED_ITEMS_MAX - 1, ZERO_SIZED_ITEMS_MAX):
        value = (None,) * count
        assert decode(tuple[None, ...], encode(tuple[None, ...], value)) == value
    with pytest.raises(ValueError, match="nothing"):
        encode(tuple[None, ...], (None,) * (ZERO_SIZED_ITEMS_MAX + 1))


def test_limits_hold_one_below_at_and_above() -> None:
    point = Point(I32(1), I32(2))
    for count in (4, 5):
        assert len(decode(Points, encode(Points, Points([point] * count)))) == count
    for size in (63, 64):
        assert len(decode(Note, encode(Note, Note(bytes(size))))) == size
    with pytest.raises(ValueError, match="6"):
        codec(Points).encode([point] * 6)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="65"):
        codec(Note).encode(bytes(65))  # type: ignore[arg-type]


# Encoding refuses what is not of the type.


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (bool, 1),
        (bool, None),
        (U32, True),
        (U32, "1"),
        (U32, U64(1)),
        (U32, 1.0),
        (COMPACT_U64, U32(1)),
        (str, b"text"),
        (bytes, "text"),
        (bytes, bytearray(b"text")),
        (AccountId, Hash(bytes(32))),
        (AccountId, "0x00"),
        (Note, "text"),
        (Colour, 0),
        (Point, (1, 2)),
        (Shape, Point(I32(0), I32(0))),
        (Shape, None),
        (tuple[U8, ...], "abc"),
        (tuple[U8, ...], {1, 2}),
        (tuple[U8, U8], [U8(1), U8(2)]),
        (Result[U8, bool], 1),
        (None, 0),
        (Points, None),
    ],
)
def test_encoding_refuses_another_class(kind: Any, value: Any) -> None:
    with pytest.raises(TypeError, match="expected"):
        encode(kind, value)


@pytest.mark.parametrize("value", [-1, 1 << 32])
def test_encoding_refuses_a_plain_int_out_of_range(value: int) -> None:
    with pytest.raises(ArithmeticOverflow):
        encode(U32, value)  # type: ignore[arg-type]
    with pytest.raises(ArithmeticOverflow):
        codec(Annotated[U32, Compact]).encode(value)


@pytest.mark.parametrize(
    ("kind", "value"), [(AccountId, bytes(31)), (Four, bytes(5)), (tuple[U8, U8], (1, 2, 3))]
)
def test_encoding_refuses_another_length(kind: Any, value: Any) -> None:
    with pytest.raises(ValueError, match="cannot have"):
        encode(kind, value)


def test_plain_values_that_mean_the_same_are_encoded() -> None:
    assert codec(U32).encode(5) == codec(U32).encode(U32(5))  # type: ignore[arg-type]
    assert codec(U32).encode(BlockNumber(5)) == b"\x05\0\0\0"
    assert codec(Balance).encode(U128(5)) == bytes([5]).ljust(16, b"\0")  # type: ignore[arg-type]
    assert codec(Four).encode(b"abcd") == b"abcd"  # type: ignore[arg-type]
    assert encode(tuple[U8, ...], [1, 2]) == b"\x08\x01\x02"  # type: ignore[arg-type]
    assert encode(bytes, AccountId(bytes(32))) == b"\x80" + bytes(32)


# The codec itself.


def test_a_codec_is_made_once() -> None:
    assert codec(Point) is codec(Point)
    assert codec(tuple[U8, ...]) is codec(tuple[U8, ...])


def test_any_bytes_like_data_decode() -> None:
    data = encode(Point, Point(I32(-1), I32(2)))
    for form in (data, bytearray(data), memoryview(data), Note(data)):
        assert decode(Point, form) == Point(I32(-1), I32(2))  # type: ignore[arg-type]
        assert codec(Point).decode_from(form, 0)[1] == 8  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="bytes expected"):
        decode(Point, "00")  # type: ignore[arg-type]


def test_an_offset_outside_of_the_data_is_refused() -> None:
    with pytest.raises(DecodeError):
        codec(U32).decode_from(bytes(4), 5)
    with pytest.raises(ValueError, match="-1"):
        codec(U32).decode_from(bytes(4), -1)


def test_decode_from_leaves_the_rest() -> None:
    assert codec(U16).decode_from(b"\x00\x01\x02\x03", 1) == (U16(0x0201), 3)


@pytest.mark.parametrize("kind", [int, float, object, dict[str, int], list[U8], U8 | U16, Circle])
def test_what_has_no_wire_form_has_no_codec(kind: Any) -> None:
    with pytest.raises(TypeError):
        codec(kind)


def test_a_decode_error_is_an_expected_one() -> None:
    with pytest.raises(CessError):
        decode(bool, b"\x05")


def test_results_match_by_their_side() -> None:
    match decode(Result[U8, bool], b"\x01\x01"):
        case Ok(value):
            raise AssertionError(value)
        case Err(error):
            assert error is True


def test_generated_source_is_kept_for_reading() -> None:
    assert "unpack" in codec(Point).source
    assert "Point" in repr(codec(Point))


def test_threads_may_ask_for_a_codec_at_the_same_time() -> None:
    kinds = [tuple[tuple[U8, ...], *([Shape] * count)] for count in range(1, 12)]
    value = Circle(Point(I32(1), I32(2)), U64(3))
    found: list[list[bytes]] = []

    def work() -> None:
        found.append(
            [
                codec(kind).encode(((U8(1),), *[value] * count))
                for count, kind in enumerate(kinds, 1)
            ]
        )

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(each == found[0] for each in found)
