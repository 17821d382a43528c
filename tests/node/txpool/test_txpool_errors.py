"""Codes and texts of refusals are Substrate's, letter by letter."""

import pytest

from node.txpool import errors
from pallets.frame import validity
from pallets.frame.validity import TransactionInvalid, TransactionUnknown
from primitives.scale import U8


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (validity.CallNotExpected(), "Transaction call is not expected"),
        (
            validity.Payment(),
            "Inability to pay some fees (e.g. account balance too low)",
        ),
        (validity.Future(), "Transaction will be valid in the future"),
        (validity.Stale(), "Transaction is outdated"),
        (validity.BadProof(), "Transaction has a bad signature"),
        (validity.AncientBirthBlock(), "Transaction has an ancient birth block"),
        (validity.ExhaustsResources(), "Transaction would exhaust the block limits"),
        (validity.BadSigner(), "Invalid signing address"),
        (validity.CustomInvalid(code=U8(7)), "Custom error: 7"),
    ],
)
def test_an_invalid_transaction_says_why(reason: validity.InvalidTransaction, text: str) -> None:
    error = errors.invalid(TransactionInvalid(reason))
    assert (error.code, error.message, error.data) == (1010, "Invalid Transaction", text)


def test_unknown_validity_says_why() -> None:
    error = errors.unknown(TransactionUnknown(validity.CannotLookup()))
    assert (error.code, error.message) == (1011, "Unknown Transaction Validity")
    assert error.data == "CannotLookup"
    custom = errors.unknown(TransactionUnknown(validity.CustomUnknown(code=U8(3))))
    assert custom.data == "Custom(3)"


def test_the_other_refusals_have_their_codes() -> None:
    found = {
        1001: errors.unreadable("x"),
        1002: errors.unverifiable("x"),
        1012: errors.banned(),
        1013: errors.already_imported(b"\x01"),
        1014: errors.too_low(2, 1),
        1015: errors.cycle(),
        1016: errors.dropped(),
        1019: errors.no_tags(),
        1021: errors.no_future(),
    }
    assert all(error.code == code for code, error in found.items())
    assert found[1001].message == "Extrinsic has invalid format: x"
    assert found[1012].message == "Transaction is temporarily banned"
    assert found[1013].message == "Transaction Already Imported"
    assert found[1014].message == "Priority is too low: (2 vs 1)"
    assert found[1016].message == "Immediately Dropped"
