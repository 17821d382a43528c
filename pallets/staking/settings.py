"""Changes of what elections ask for: set a value, remove it, or leave it as it is."""

from typing import Any, Protocol, TypeVar, overload

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

__all__ = ["apply", "is_within"]

V_contra = TypeVar("V_contra", contravariant=True)


class Place(Protocol[V_contra]):
    """A stored value."""

    def put(self, value: V_contra) -> None:
        """Set it."""
        ...

    def kill(self) -> None:
        """Remove it."""
        ...


def is_within(change: NumberOp | PercentOp, limit: int) -> bool:
    """Whether the value stays within ``limit``."""
    return not isinstance(change, NumberSet | PercentSet) or change.value <= limit


@overload
def apply(place: Place[Balance], change: BalanceOp) -> None: ...


@overload
def apply(place: Place[U32], change: NumberOp) -> None: ...


@overload
def apply(place: Place[U8], change: PercentOp) -> None: ...


def apply(place: Place[Any], change: BalanceOp | NumberOp | PercentOp) -> None:
    """Change the value at ``place``."""
    if isinstance(change, BalanceSet | NumberSet | PercentSet):
        place.put(change.value)
    elif isinstance(change, BalanceRemove | NumberRemove | PercentRemove):
        place.kill()
