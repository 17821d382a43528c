"""Compact numbers of any size, on their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.errors import DecodeError
from primitives.scale.compact import COMPACT_MAX, read_compact, write_compact


@given(st.integers(0, COMPACT_MAX) | st.integers(0, 1 << 33))
def test_reading_gives_back_what_was_written(number: int) -> None:
    data = write_compact(number)
    assert read_compact(b"?" + data + b"?", 1) == (number, 1 + len(data))
    for end in range(len(data)):
        with pytest.raises(IndexError):
            read_compact(data[:end], 0)


@pytest.mark.parametrize(
    ("number", "size"),
    [
        (0, 1),
        ((1 << 6) - 1, 1),
        (1 << 6, 2),
        ((1 << 14) - 1, 2),
        (1 << 14, 4),
        ((1 << 30) - 1, 4),
        (1 << 30, 5),
        ((1 << 32) - 1, 5),
        (1 << 32, 6),
        (COMPACT_MAX, 68),
    ],
)
def test_the_form_is_the_shortest(number: int, size: int) -> None:
    assert len(write_compact(number)) == size


@given(st.binary(min_size=1, max_size=70))
def test_what_reads_is_what_would_be_written(data: bytes) -> None:
    try:
        number, end = read_compact(data, 0)
    except (DecodeError, IndexError):
        return
    assert write_compact(number) == data[:end]
