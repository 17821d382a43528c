"""How money is named on the wire beside the accounts themselves."""

from primitives.scale import ScaleEnum

__all__ = ["BalanceStatus"]


class BalanceStatus(ScaleEnum, path="frame_support::traits::tokens::misc::BalanceStatus"):
    """Where repatriated money lies at its new owner's."""

    Free = 0
    Reserved = 1
