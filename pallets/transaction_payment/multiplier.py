"""The price of weight follows demand: a slow controller around a target fullness.

After each block the multiplier ``m`` becomes ``m * (1 + v*s + v^2*s^2/2)``, where ``s`` is the
fullness of the block minus the target and ``v`` the adjustment: the first terms of ``exp(v*s)``.
It rises while users' extrinsics fill more than a quarter of their share of a block and falls while
they fill less, by at most some hundred-thousandths in each block.

Units: fixed-point with 18 decimals; all divisions round down. Source: Polkadot's token economics,
"slow adjusting mechanism", with CESS's parameters.
"""

from typing import Final

__all__ = ["ONE", "adjusted", "fullness"]

ONE: Final = 10**18
"""The number 1."""

TARGET: Final = ONE // 4
"""The part of their share that users' extrinsics should fill."""

ADJUSTMENT: Final = ONE // 100_000
"""``v``: how fast the price follows."""

MULTIPLIER_MIN: Final = ONE // 10**9
"""The multiplier never falls below this, so that it can rise again."""

MULTIPLIER_MAX: Final = (1 << 128) - 1
"""The multiplier never rises above this: it would not fit its type."""


def fullness(used: tuple[int, int], limit: tuple[int, int]) -> int:
    """The fuller of two dimensions, at most 1; ``used`` and ``limit`` as (time, proof size)."""
    parts = [min(part, most) * ONE // most for part, most in zip(used, limit, strict=True) if most]
    return max(parts, default=0)


def adjusted(multiplier: int, full: int) -> int:
    """The multiplier after a block of fullness ``full``."""
    distance = abs(full - TARGET)
    first = ADJUSTMENT * distance // ONE
    second = ADJUSTMENT * ADJUSTMENT // ONE // 2 * (distance * distance // ONE) // ONE
    if full >= TARGET:
        changed = multiplier + multiplier * (first + second) // ONE
    else:
        changed = multiplier - multiplier * (first - second) // ONE
    return max(MULTIPLIER_MIN, min(MULTIPLIER_MAX, changed))
