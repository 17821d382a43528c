"""What a miner's space weighs and what it must deposit for it. Pure arithmetic on integers.

Source: CESS `sminer`: ``calculate_power`` (5 % of idle and 95 % of service space) and
``calculate_limit_by_space`` (a fixed sum for each TiB begun).
"""

from primitives.scale import U128
from primitives.types import Balance

__all__ = ["fine_of", "limit_of", "power_of"]

IDLE_PERCENT = 5
SERVICE_PERCENT = 95
PERMILLE = 1000


def power_of(idle_space: int, service_space: int) -> U128:
    """The weight of proved space, in bytes: 5 % of the idle and 95 % of the service space."""
    return U128(idle_space * IDLE_PERCENT // 100 + service_space * SERVICE_PERCENT // 100)


def limit_of(space: int, unit_bytes: int, per_unit: int) -> Balance:
    """The collateral for ``space`` bytes: ``per_unit`` planck for each unit begun."""
    return Balance(-(-space // unit_bytes) * per_unit)


def fine_of(limit: int, permille: int) -> Balance:
    """``permille`` thousandths of ``limit``, rounded down, in planck."""
    return Balance(limit * permille // PERMILLE)
