"""Whether an extrinsic may enter a block or the pool, in Substrate's words.

The variants and their indices are those of ``sp_runtime::transaction_validity``; node RPC maps them
to its error texts.
"""

from typing import Final

from primitives.errors import CessError
from primitives.scale import U8, U64, Result, ScaleEnum, Variant, struct
from primitives.scale.type_info import Registry, TypeInfo
from primitives.tuple_like import tuple_like

__all__ = [
    "LONGEST",
    "AncientBirthBlock",
    "BadMandatory",
    "BadProof",
    "BadSigner",
    "CallNotExpected",
    "CannotLookup",
    "CustomInvalid",
    "CustomUnknown",
    "ExhaustsResources",
    "Future",
    "IndeterminateImplicit",
    "InvalidTransaction",
    "InvalidValidity",
    "MandatoryValidation",
    "NoUnsignedValidator",
    "Payment",
    "Stale",
    "TransactionInvalid",
    "TransactionSource",
    "TransactionUnknown",
    "TransactionValidity",
    "TransactionValidityError",
    "UnknownOrigin",
    "UnknownTransaction",
    "UnknownValidity",
    "ValidTransaction",
]

LONGEST: Final = (1 << 64) - 1
"""Longevity of what never becomes invalid by age."""


class TransactionSource(ScaleEnum, path="sp_runtime::transaction_validity::TransactionSource"):
    """Where a transaction came from: a block, this node's own user, or the network."""

    InBlock = 0
    Local = 1
    External = 2


class InvalidTransaction(Variant, path="sp_runtime::transaction_validity::InvalidTransaction"):
    """The extrinsic cannot be in this block."""

    @classmethod
    def __type_info__(cls, registry: Registry) -> TypeInfo:
        return tuple_like(
            InvalidTransaction, "sp_runtime::transaction_validity::InvalidTransaction", registry
        )


class CallNotExpected(InvalidTransaction, index=0, name="Call"):
    """Transaction call is not expected."""


class Payment(InvalidTransaction, index=1):
    """Inability to pay some fees (e.g. account balance too low)."""


class Future(InvalidTransaction, index=2):
    """Transaction will be valid in the future."""


class Stale(InvalidTransaction, index=3):
    """Transaction is outdated."""


class BadProof(InvalidTransaction, index=4):
    """Transaction has a bad signature."""


class AncientBirthBlock(InvalidTransaction, index=5):
    """Transaction has an ancient birth block."""


class ExhaustsResources(InvalidTransaction, index=6):
    """Transaction would exhaust the block limits."""


class CustomInvalid(InvalidTransaction, index=7, name="Custom"):
    """A reason with a number."""

    code: U8


class BadMandatory(InvalidTransaction, index=8):
    """An inherent failed."""


class MandatoryValidation(InvalidTransaction, index=9):
    """An inherent cannot be in the pool."""


class BadSigner(InvalidTransaction, index=10):
    """Invalid signing address."""


class IndeterminateImplicit(InvalidTransaction, index=11):
    """What the signature implies cannot be computed."""


class UnknownOrigin(InvalidTransaction, index=12):
    """The origin is not known."""


class UnknownTransaction(Variant, path="sp_runtime::transaction_validity::UnknownTransaction"):
    """Nobody can say whether the extrinsic is valid."""

    @classmethod
    def __type_info__(cls, registry: Registry) -> TypeInfo:
        return tuple_like(
            UnknownTransaction, "sp_runtime::transaction_validity::UnknownTransaction", registry
        )


class CannotLookup(UnknownTransaction, index=0):
    """The sender's address names no account."""


class NoUnsignedValidator(UnknownTransaction, index=1):
    """No pallet takes this call without a signature."""


class CustomUnknown(UnknownTransaction, index=2, name="Custom"):
    """A reason with a number."""

    code: U8


class TransactionValidityError(
    Variant, path="sp_runtime::transaction_validity::TransactionValidityError"
):
    """Invalid, or of unknown validity."""

    @classmethod
    def __type_info__(cls, registry: Registry) -> TypeInfo:
        return tuple_like(
            TransactionValidityError,
            "sp_runtime::transaction_validity::TransactionValidityError",
            registry,
        )


class InvalidValidity(TransactionValidityError, index=0, name="Invalid"):
    """The transaction is invalid."""

    error: InvalidTransaction


class UnknownValidity(TransactionValidityError, index=1, name="Unknown"):
    """The validity cannot be known."""

    error: UnknownTransaction


@struct(path="sp_runtime::transaction_validity::ValidTransaction")
class ValidTransaction:
    """What the pool must know of a valid transaction.

    It can be in a block once all its ``requires`` tags are provided; ``longevity`` counts
    the blocks for which this stays true.
    """

    priority: U64
    requires: tuple[bytes, ...]
    provides: tuple[bytes, ...]
    longevity: U64
    propagate: bool


TransactionValidity = Result[ValidTransaction, TransactionValidityError]
"""What ``TaggedTransactionQueue_validate_transaction`` answers."""


class TransactionInvalid(CessError):
    """The extrinsic is invalid; ``reason`` says why on the wire."""

    def __init__(self, reason: InvalidTransaction) -> None:
        super().__init__(f"invalid transaction: {type(reason).__doc__}")
        self.reason = reason

    def wire(self) -> TransactionValidityError:
        """The value that runtime APIs answer with."""
        return InvalidValidity(error=self.reason)


class TransactionUnknown(CessError):
    """The validity of the extrinsic cannot be known; ``reason`` says why on the wire."""

    def __init__(self, reason: UnknownTransaction) -> None:
        super().__init__(f"unknown transaction validity: {type(reason).__doc__}")
        self.reason = reason

    def wire(self) -> TransactionValidityError:
        """The value that runtime APIs answer with."""
        return UnknownValidity(error=self.reason)
