"""The chain's words have the sizes and names that clients expect."""

import pytest

from primitives.scale import U32, U64, U128, FixedBytes, codec
from primitives.types import (
    AccountId,
    Balance,
    BlockNumber,
    Bytes48,
    FileHash,
    FragmentHash,
    Hash,
    Moment,
    Nonce,
    SegmentHash,
)


@pytest.mark.parametrize(
    ("kind", "length"),
    [
        (AccountId, 32),
        (Hash, 32),
        (FileHash, 32),
        (SegmentHash, 32),
        (FragmentHash, 32),
        (Bytes48, 48),
    ],
)
def test_byte_types_have_their_length(kind: type[FixedBytes], length: int) -> None:
    value = kind(bytes(length))
    assert codec(kind).encode(value) == bytes(length)
    for wrong in (length - 1, length + 1):
        with pytest.raises(ValueError, match=str(length)):
            kind(bytes(wrong))


def test_number_types_are_sized() -> None:
    assert issubclass(BlockNumber, U32)
    assert issubclass(Balance, U128)
    assert issubclass(Moment, U64)
    assert Nonce is U32
    assert type(BlockNumber(1) + BlockNumber(2)) is BlockNumber
    assert type(Balance(5) - 2) is Balance


def test_decoded_values_have_the_declared_class() -> None:
    assert type(codec(BlockNumber).decode(bytes(4))) is BlockNumber
    assert type(codec(Hash).decode(bytes(32))) is Hash
