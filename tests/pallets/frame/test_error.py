"""Failures and the values they become on the wire."""

# ruff: noqa: N818  errors are named as pallets name them

import pytest

from pallets.frame import DictState, Pallet
from pallets.frame.error import (
    BadOrigin,
    CallTooDeep,
    ConsumerRemaining,
    DispatchError,
    LookupFailed,
    NoProviders,
    PalletError,
    TokenError,
    TokenFailure,
    TooManyConsumers,
    ensure,
)
from primitives.errors import ArithmeticOverflow
from primitives.scale import encode
from tests.pallets.frame.guest_book import GuestBook, Small


@pytest.mark.parametrize(
    ("failure", "wire"),
    [
        (GuestBook.BookFull(), "03 07 02000000"),
        (GuestBook.AlreadySigned(), "03 07 00000000"),
        (LookupFailed(), "01"),
        (BadOrigin(), "02"),
        (ConsumerRemaining(), "04"),
        (NoProviders(), "05"),
        (TooManyConsumers(), "06"),
        (TokenFailure(TokenError.BelowMinimum), "07 02"),
        (ArithmeticOverflow(), "08 01"),
        (ZeroDivisionError(), "08 02"),
        (CallTooDeep(), "0a"),
    ],
)
def test_a_failure_has_substrates_encoding(failure: Exception, wire: str) -> None:
    error = Small(DictState({})).dispatch_error(failure)  # type: ignore[arg-type]
    assert encode(DispatchError, error) == bytes.fromhex(wire)


def test_the_text_of_an_error_says_what_to_do() -> None:
    assert "takes no more" in str(GuestBook.BookFull())
    assert "FundsUnavailable" in str(TokenFailure(TokenError.FundsUnavailable))
    assert str(BadOrigin("mine")) == "mine"


def test_a_pallets_error_has_no_number_outside_of_a_runtime() -> None:
    with pytest.raises(TypeError):
        GuestBook.BookFull().wire()
    assert GuestBook.BookFull.pallet is GuestBook


def test_ensure_raises_what_it_is_given() -> None:
    ensure(True, BadOrigin)
    with pytest.raises(BadOrigin):
        ensure(False, BadOrigin)
    with pytest.raises(TokenFailure):
        ensure(False, TokenFailure(TokenError.Frozen))


def test_an_index_is_used_once_and_one_byte() -> None:
    with pytest.raises(AssertionError, match="twice"):

        class Twice(Pallet):
            class One(PalletError, index=0):
                """One."""

            class Two(PalletError, index=0):
                """Two."""

    with pytest.raises(AssertionError, match="one byte"):

        class TooHigh(PalletError, index=256):
            """Too high."""
