"""Fees in their parts, as clients ask for them. Amounts are planck."""

from primitives.scale import U128, ScaleEnum, struct
from primitives.types import Balance

__all__ = ["FeeDetails", "FixedU128", "InclusionFee", "Releases"]


class FixedU128(U128):
    """A number with 18 decimal places: 10^18 stands for 1."""

    __slots__ = ()


class Releases(ScaleEnum, path="pallet_transaction_payment::Releases"):
    """The format of this pallet's state."""

    V1Ancient = 0
    V2 = 1


@struct(path="pallet_transaction_payment::types::InclusionFee")
class InclusionFee:
    """What it costs to be in a block: being there, each byte, and the call's weight."""

    base_fee: Balance
    len_fee: Balance
    adjusted_weight_fee: Balance


@struct(path="pallet_transaction_payment::types::FeeDetails")
class FeeDetails:
    """A whole fee: ``inclusion_fee`` is None where the call is free."""

    inclusion_fee: InclusionFee | None
    tip: Balance
