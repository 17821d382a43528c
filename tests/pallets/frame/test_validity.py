"""Validity of transactions on the wire."""

import pytest

from pallets.frame.validity import (
    LONGEST,
    BadProof,
    CallNotExpected,
    CustomInvalid,
    ExhaustsResources,
    InvalidTransaction,
    NoUnsignedValidator,
    Stale,
    TransactionInvalid,
    TransactionSource,
    TransactionUnknown,
    TransactionValidity,
    UnknownOrigin,
    ValidTransaction,
)
from primitives.scale import U8, U64, Err, Ok, encode


@pytest.mark.parametrize(
    ("reason", "raw"),
    [
        (CallNotExpected(), "00"),
        (Stale(), "03"),
        (BadProof(), "04"),
        (ExhaustsResources(), "06"),
        (CustomInvalid(code=U8(9)), "0709"),
        (UnknownOrigin(), "0c"),
    ],
)
def test_reasons_have_substrates_indices(reason: InvalidTransaction, raw: str) -> None:
    error = TransactionInvalid(reason)
    assert encode(TransactionValidity, Err(error.wire())) == bytes.fromhex("01 00 " + raw)


def test_unknown_validity_is_the_second_kind() -> None:
    error = TransactionUnknown(NoUnsignedValidator())
    assert encode(TransactionValidity, Err(error.wire())) == bytes.fromhex("010101")
    assert "without a signature" in str(error)


def test_a_valid_transaction_is_encoded_field_by_field() -> None:
    valid = ValidTransaction(
        priority=U64(1), requires=(b"a",), provides=(), longevity=U64(LONGEST), propagate=True
    )
    raw = encode(TransactionValidity, Ok(valid))
    assert raw.hex() == "00" + "0100000000000000" + "040461" + "00" + "ff" * 8 + "01"


def test_sources_are_numbered_as_in_substrate() -> None:
    assert [source.value for source in TransactionSource] == [0, 1, 2]
