"""Items of vectors in a stranger's bytes are counted, over everything that is read from them."""

from typing import Any

import pytest

from primitives.errors import DecodeError
from primitives.scale import U8, U32, Metered, codec, encode, struct
from primitives.types import Hash


@struct
class Row:
    name: bytes
    more: tuple[bool, ...]


VALUES: list[tuple[Any, Any, int]] = [
    (tuple[bool, ...], (True,) * 10, 10),
    (tuple[bytes, ...], (b"", b"x" * 50), 2),
    (tuple[tuple[bool, ...], ...], ((True,) * 3, (), (True,) * 4), 3 + 7),
    (tuple[Row, ...], (Row(b"a", (True,) * 3), Row(b"b", ())), 2 + 3),
    (tuple[Hash, ...], (Hash(bytes(32)),) * 17, 17 // 8),
    (tuple[U32, ...], (U32(1),) * 80, 80 // 8),
    (tuple[U8, ...], (U8(1),) * 640, 640 // 32),
    (bytes, b"x" * 1000, 0),
]


@pytest.mark.parametrize(("kind", "value", "cost"), VALUES)
def test_each_vector_counts_by_what_its_items_cost(kind: Any, value: Any, cost: int) -> None:
    data = encode(kind, value)
    metered = Metered(data, cost)
    assert codec(kind).decode(metered) == value
    assert metered.items_left == 0
    if cost:
        with pytest.raises(DecodeError, match="more items than"):
            codec(kind).decode(Metered(data, cost - 1))
    assert codec(kind).decode(data) == value


def test_the_count_goes_on_over_values_that_are_read_one_after_the_other() -> None:
    kind = tuple[bool, ...]
    one = encode(kind, (True,) * 6)
    data = Metered(one + one, 11)
    _, at = codec(kind).decode_from(data, 0)
    with pytest.raises(DecodeError, match="more items than"):
        codec(kind).decode_from(data, at)
