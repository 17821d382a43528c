"""Changes of what elections ask for: set a value, remove it, or leave it as it is."""

from typing import Protocol, TypeVar

from pallets.staking.types import (
    BalanceOp,
    BalanceRemove,
    BalanceSet,
    NumberOp,
    NumberRemove,
    NumberSet,
    PercentOp,
    PercentRemove,
    PercentSet,
)
from primitives.scale import U8, U32
from primitives.types import Balance

__all__ = [
    "apply_amount",
    "apply_number",
    "apply_percent",
    "number_within",
    "percent_within",
]

V_contra = TypeVar("V_contra", contravariant=True)

PERCENT_MAX = 100


class Place(Protocol[V_contra]):
    """A stored value."""

    def put(self, value: V_contra) -> None:
        """Set it."""
        ...

    def kill(self) -> None:
        """Remove it."""
        ...


def apply_amount(place: Place[Balance], change: BalanceOp) -> None:
    """Change an amount."""
    if isinstance(change, BalanceSet):
        place.put(change.value)
    elif isinstance(change, BalanceRemove):
        place.kill()


def number_within(change: NumberOp, limit: int) -> bool:
    """Whether a number stays within ``limit``."""
    return not isinstance(change, NumberSet) or change.value <= limit


def apply_number(place: Place[U32], change: NumberOp) -> None:
    """Change a number."""
    if isinstance(change, NumberSet):
        place.put(change.value)
    elif isinstance(change, NumberRemove):
        place.kill()


def percent_within(change: PercentOp) -> bool:
    """Whether a percentage is one."""
    return not isinstance(change, PercentSet) or change.value <= PERCENT_MAX


def apply_percent(place: Place[U8], change: PercentOp) -> None:
    """Change a percentage."""
    if isinstance(change, PercentSet):
        place.put(change.value)
    elif isinstance(change, PercentRemove):
        place.kill()
