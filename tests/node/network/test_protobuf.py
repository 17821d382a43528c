"""Protobuf's wire format: what writers send is read, anything else is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.network import protobuf
from node.network.protobuf import bytes_field, encode_varint, read, uint_field
from primitives.errors import DecodeError


@pytest.mark.parametrize(
    ("value", "data"),
    [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (2**32 - 1, "ffffffff0f")],
)
def test_numbers_are_leb128(value: int, data: str) -> None:
    assert encode_varint(value).hex() == data


@given(st.integers(1, 2**64 - 1), st.binary(min_size=1, max_size=50))
def test_fields_come_back(number: int, data: bytes) -> None:
    fields = read(bytes_field(2, data) + uint_field(1, number))
    assert fields.uint(1, maximum=2**64 - 1) == number
    assert fields.blob(2) == data


def test_unknown_fields_are_skipped_and_the_last_of_a_scalar_counts() -> None:
    other = bytes.fromhex("090102030405060708" + "1d01020304" + "f8ffffff0f01")
    fields = read(uint_field(5, 1) + other + uint_field(5, 2) + b"\x32\x01a\x32\x01b")
    assert fields.uint(5, maximum=9) == 2
    assert fields.blob(6) == b"b"
    assert fields.repeated(6, maximum=2) == (b"a", b"b")
    assert fields.optional(7) is None


@pytest.mark.parametrize(
    "data",
    [
        *("08", "0a", "0a05", "0a0161ff", "00", "0001", "0b", "0c", "0e", "0f"),
        "08" + "ff" * 10,
        "08" + "80" * 10 + "00",
        "08" + "ff" * 9 + "02",
        "0aff" + "ff" * 8 + "01",
        "09010203",
    ],
)
def test_other_bytes_are_refused(data: str) -> None:
    with pytest.raises(DecodeError):
        read(bytes.fromhex(data))


def test_a_field_of_the_wrong_kind_is_refused() -> None:
    with pytest.raises(DecodeError):
        read(uint_field(1, 1)).blob(1)
    with pytest.raises(DecodeError):
        read(uint_field(1, 1)).repeated(1, maximum=1)
    with pytest.raises(DecodeError):
        read(bytes_field(1, b"x")).uint(1, maximum=1)
    with pytest.raises(DecodeError):
        read(uint_field(1, 2)).uint(1, maximum=1)


def test_the_fields_of_a_message_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protobuf, "FIELDS_MAX", 10)
    with pytest.raises(DecodeError, match="more than"):
        read(b"\x08\x01" * 11)
