"""Sized integers keep their class and their range."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.errors import ArithmeticOverflow
from primitives.scale import I8, I32, I256, U8, U16, U32, U64, U128, U256, Compact, SizedInt
from primitives.types import BlockNumber

KINDS: list[type[SizedInt]] = [U8, U16, U32, U64, U128, U256, I8, I32, I256]


@pytest.mark.parametrize("kind", KINDS)
def test_the_range_ends_where_the_size_says(kind: type[SizedInt]) -> None:
    for value in (kind.MIN, kind.MAX):
        assert kind(value) == value
        assert type(kind(value)) is kind
    for value in (kind.MIN - 1, kind.MAX + 1):
        with pytest.raises(ArithmeticOverflow, match=kind.__name__):
            kind(value)


@pytest.mark.parametrize("value", ["1", 1.0, None, b"\x01"])
def test_only_an_int_makes_a_sized_integer(value: object) -> None:
    with pytest.raises(TypeError):
        U32(value)  # type: ignore[arg-type]


def test_an_overflow_is_an_arithmetic_error_and_an_expected_one() -> None:
    with pytest.raises(ArithmeticError):
        U8(255) + 1
    with pytest.raises(ArithmeticOverflow):
        U8(0) - 1


def test_a_huge_number_is_not_printed() -> None:
    with pytest.raises(ArithmeticOverflow, match="an integer of 1000001 bits"):
        U256(1 << 1_000_000)


@given(st.integers(0, 2**33), st.integers(0, 2**33))
def test_arithmetic_is_that_of_int_or_raises(left: int, right: int) -> None:
    if left > U32.MAX:
        return
    number = U32(left)
    pairs = [
        (left + right, lambda: number + right),
        (left - right, lambda: number - right),
        (left * right, lambda: number * right),
        (right + left, lambda: right + number),
        (right - left, lambda: right - number),
        (right * left, lambda: right * number),
    ]
    if right:
        pairs += [(left // right, lambda: number // right), (left % right, lambda: number % right)]
    if left:
        pairs += [(right // left, lambda: right // number), (right % left, lambda: right % number)]
    for expected, work in pairs:
        if 0 <= expected <= U32.MAX:
            result = work()
            assert result == expected
            assert type(result) is U32
        else:
            with pytest.raises(ArithmeticOverflow):
                work()


def test_a_subclass_stays_itself() -> None:
    assert type(BlockNumber(3) + 1) is BlockNumber
    assert type(BlockNumber(3) - BlockNumber(1)) is BlockNumber
    assert type(7 - BlockNumber(1)) is BlockNumber


def test_the_left_class_wins() -> None:
    assert type(U32(3) + U128(1)) is U32
    with pytest.raises(ArithmeticOverflow):
        U32(3) + U128(1 << 40)


def test_dividing_by_zero_is_zero_division() -> None:
    with pytest.raises(ZeroDivisionError):
        U32(1) // 0
    with pytest.raises(ZeroDivisionError):
        U32(1) % U32(0)


def test_true_division_is_refused() -> None:
    with pytest.raises(TypeError, match="//"):
        _ = U32(4) / 2
    with pytest.raises(TypeError, match="//"):
        _ = 4 / U32(2)


def test_an_unsigned_number_has_no_negative() -> None:
    assert -U32(0) == 0
    with pytest.raises(ArithmeticOverflow):
        -U32(1)
    assert -I8(127) == -127
    with pytest.raises(ArithmeticOverflow):
        -I8(-128)


def test_other_operands_are_left_to_python() -> None:
    with pytest.raises(TypeError):
        U32(1) + "1"  # type: ignore[operator]
    with pytest.raises(TypeError):
        "1" + U32(1)  # type: ignore[operator]


def test_saturating_stops_at_the_ends() -> None:
    assert U8(250).saturating_add(10) == 255
    assert U8(5).saturating_sub(10) == 0
    assert U8(5).saturating_mul(100) == 255
    assert I8(-100).saturating_sub(100) == -128
    assert type(U8(5).saturating_sub(10)) is U8


def test_wrapping_comes_in_at_the_other_end() -> None:
    assert U8(250).wrapping_add(10) == 4
    assert U8(5).wrapping_sub(10) == 251
    assert U8(16).wrapping_mul(17) == 16
    assert I8(127).wrapping_add(1) == -128


def test_a_sized_integer_prints_as_a_number_and_shows_its_class() -> None:
    assert str(U32(7)) == "7"
    assert f"{U32(7)}" == "7"
    assert repr(U32(7)) == "U32(7)"


def test_a_sized_integer_has_no_room_for_attributes() -> None:
    with pytest.raises(AttributeError):
        BlockNumber(1).note = 1  # type: ignore[attr-defined]


def test_pickling_keeps_the_class() -> None:
    again = pickle.loads(pickle.dumps(BlockNumber(9)))
    assert again == 9
    assert type(again) is BlockNumber


def test_the_compact_marker_is_never_made() -> None:
    with pytest.raises(TypeError, match="Annotated"):
        Compact()
