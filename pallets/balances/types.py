"""How money is named on the wire beside the accounts themselves."""

from typing import Final

from primitives.scale import BoundedVec, ScaleEnum, Variant, struct
from primitives.scale.type_info import Registry, TypeInfo
from primitives.tuple_like import tuple_like
from primitives.types import Balance

__all__ = [
    "BOND",
    "BalanceStatus",
    "HoldReason",
    "Holds",
    "IdAmount",
    "StakingHold",
    "StakingReason",
]

HOLDS_MAX: Final = 8
"""Reasons for which money of one account is held at a time."""


class BalanceStatus(ScaleEnum, path="frame_support::traits::tokens::misc::BalanceStatus"):
    """Where repatriated money lies at its new owner's."""

    Free = 0
    Reserved = 1


class HoldReason(Variant, path="cess_node_runtime::RuntimeHoldReason"):
    """Why money is held: the pallet that does, by its index, and what it does it for."""

    @classmethod
    def __type_info__(cls, registry: Registry) -> TypeInfo:
        return tuple_like(HoldReason, "cess_node_runtime::RuntimeHoldReason", registry)


class StakingReason(ScaleEnum, path="pallet_staking::pallet::HoldReason"):
    """What Staking holds money for."""

    Staking = 0


class StakingHold(HoldReason, index=11, name="Staking"):
    """Held by Staking."""

    reason: StakingReason


BOND: Final = StakingHold(reason=StakingReason.Staking)
"""Money at stake, bonded or on its way out."""


@struct(path="frame_support::traits::tokens::misc::IdAmount")
class IdAmount:
    """An amount that is held for one reason."""

    id: HoldReason
    amount: Balance


class Holds(BoundedVec[IdAmount], limit=HOLDS_MAX):
    """What is held of one account, at most one amount for each reason."""
