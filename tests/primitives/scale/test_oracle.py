"""Every kind of type against scalecodec, the codec of substrate-interface."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_types import KINDS, Circle, Colour, Group, Nothing, Point, Polygon, shapes
from scalecodec.base import RuntimeConfigurationObject, ScaleBytes
from scalecodec.type_registry import load_type_registry_preset

from primitives.scale import (
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    U256,
    Compact,
    Err,
    Ok,
    codec,
)

CONFIG = RuntimeConfigurationObject(ss58_format=42)
CONFIG.update_type_registry(load_type_registry_preset("core"))
CONFIG.update_type_registry(
    {
        "types": {
            "Point_": {"type": "struct", "type_mapping": [["x", "i32"], ["y", "i32"]]},
            "Colour_": {"type": "enum", "value_list": {"Red": 0, "Green": 3, "Blue": 255}},
            "Circle_": {
                "type": "struct",
                "type_mapping": [["centre", "Point_"], ["radius", "Compact<u64>"]],
            },
            "Shape_": {
                "type": "enum",
                "type_mapping": [
                    ["Nothing", "Null"],
                    ["Circle", "Circle_"],
                    *([f"unused{index}", "Null"] for index in range(2, 7)),
                    ["Poly", "Vec<Point_>"],
                    ["unused8", "Null"],
                    ["Group", "Vec<Shape_>"],
                ],
            },
        }
    }
)


def theirs(name: str, value: Any) -> bytes:
    return bytes(CONFIG.create_scale_object(name).encode(value).data)


def decoded_by_them(name: str, data: bytes) -> Any:
    return CONFIG.create_scale_object(name, ScaleBytes(data)).decode()


def hexed(value: bytes) -> str:
    return "0x" + value.hex()


def point(value: Point) -> dict[str, int]:
    return {"x": int(value.x), "y": int(value.y)}


def shape(value: Any) -> Any:
    match value:
        case Nothing():
            return "Nothing"
        case Circle(centre, radius):
            return {"Circle": {"centre": point(centre), "radius": int(radius)}}
        case Polygon(corners):
            return {"Poly": [point(corner) for corner in corners]}
        case Group(members):
            return {"Group": [shape(member) for member in members]}
    raise AssertionError(value)


def optional(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else change(value)


SAME: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "bool": ("bool", bool),
    "str": ("str", str),
    "bytes": ("Vec<u8>", hexed),
    **{
        kind.__name__: (kind.__name__.lower(), int)
        for kind in (U8, U16, U32, U64, U128, U256, I8, I16, I32, I64, I128)
    },
    **{
        f"Compact<{kind.__name__}>": (f"Compact<{kind.__name__.lower()}>", int)
        for kind in (U8, U16, U32, U64, U128)
    },
    "FixedBytes": ("[u8; 4]", hexed),
    "BoundedBytes": ("Vec<u8>", hexed),
    "ScaleEnum": ("Colour_", lambda value: value.name),
    "struct": ("Point_", point),
    "Variant": ("Shape_", shape),
    "BoundedVec": ("Vec<Point_>", lambda value: [point(item) for item in value]),
    "Vec": ("Vec<str>", list),
    "Vec of Vec": (
        "Vec<Vec<u16>>",
        lambda value: [[int(number) for number in row] for row in value],
    ),
    "tuple": ("(u8, bool, str)", lambda value: (int(value[0]), value[1], value[2])),
    "Option": ("Option<u32>", optional(int)),
}
"""For each kind: the name of the type in scalecodec, and what it makes of our value."""

OVERRIDES: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    # scalecodec shows a vector of u8 as text or hex, so rows are of u16 here.
    "Vec of Vec": (
        tuple[tuple[U16, ...], ...],
        st.lists(st.lists(st.integers(0, U16.MAX).map(U16), max_size=5).map(tuple), max_size=5).map(
            tuple
        ),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_bytes_are_those_of_scalecodec(name: str) -> None:
    kind, values = OVERRIDES.get(name) or KINDS[name]
    their_name, convert = SAME[name]
    made = codec(kind)

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(values)
    def check(value: Any) -> None:
        assert made.encode(value) == theirs(their_name, convert(value))

    check()


@pytest.mark.parametrize("name", [name for name in SAME if "ytes" not in name])
def test_scalecodec_reads_what_we_write(name: str) -> None:
    kind, values = OVERRIDES.get(name) or KINDS[name]
    their_name, convert = SAME[name]
    made = codec(kind)

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(values)
    def check(value: Any) -> None:
        assert decoded_by_them(their_name, made.encode(value)) == convert(value)

    check()


@pytest.mark.parametrize("edge", [0, 6, 14, 30, 32, 64, 128])
def test_compact_numbers_agree_around_every_change_of_mode(edge: int) -> None:
    made = codec(Annotated[U128, Compact])
    for number in range((1 << edge) - 2, (1 << edge) + 3):
        if 0 <= number <= U128.MAX:
            data = theirs("Compact<u128>", number)
            assert made.encode(U128(number)) == data
            assert made.decode(data) == number


@given(shapes)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_we_read_what_scalecodec_writes(value: Any) -> None:
    assert codec(KINDS["Variant"][0]).decode(theirs("Shape_", shape(value))) == value


@pytest.mark.parametrize(
    ("value", "data"), [(Ok(U32(7)), "0007000000"), (Err(Colour.Blue), "01ff")]
)
def test_a_result_is_0_and_the_value_or_1_and_the_error(value: Any, data: str) -> None:
    # scalecodec has no Result by name; the SCALE specification defines these bytes.
    assert codec(KINDS["Result"][0]).encode(value) == bytes.fromhex(data)
