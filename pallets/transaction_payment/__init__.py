"""Fees: what an extrinsic costs, who pays it and who gets it."""

from pallets.transaction_payment.pallet import Authors, Blocks, Currency, TransactionPayment
from pallets.transaction_payment.types import FeeDetails, FixedU128, InclusionFee

__all__ = [
    "Authors",
    "Blocks",
    "Currency",
    "FeeDetails",
    "FixedU128",
    "InclusionFee",
    "TransactionPayment",
]
