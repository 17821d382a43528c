"""The arithmetic of rounds: how many miners a block draws, and what a fault costs.

Pure integers. Source of the numbers: CESS `sminer` (``clear_punish``: nothing, 5 %, 15 %;
``service_punish``: 5 %).
"""

from collections.abc import Iterator

from pallets.audit.types import AskedRows, FaultKind, Holding
from primitives.hashing import blake2_256

__all__ = ["drawn_indexes", "fine_permille", "is_counted"]

DRAWS_PER_BLOCK_MAX = 16
"""Rounds that one block opens at most: 230,400 miners in a day of blocks of 6 seconds."""

MISSED_PERMILLE = (0, 50, 150)
REJECTED_PERMILLE = (50, 150)
DECLARED_PERMILLE = 10

DRAW_TAG = b"cess/audit-index/v1"


def drawn_indexes(randomness: bytes, miners: int, period_blocks: int) -> Iterator[int]:
    """The indexes of the miners that a block draws: ``miners / period_blocks`` of them on average.

    The fraction is decided by chance, so a miner cannot tell when it is safe. The same index can
    come twice. At most ``DRAWS_PER_BLOCK_MAX``.
    """
    if miners == 0:
        return
    chance = _word(randomness, 0) % period_blocks
    wanted = miners // period_blocks + (1 if chance < miners % period_blocks else 0)
    for draw in range(1, min(wanted, DRAWS_PER_BLOCK_MAX) + 1):
        yield _word(randomness, draw) % miners


def fine_permille(kind: FaultKind, consecutive: int) -> int:
    """Thousandths of the collateral limit that a fault costs, the ``consecutive``-th in a row.

    The first missed service proof costs nothing but the reward: machines restart. A wrong proof
    always costs. Idle faults cost only the reward.
    """
    match kind:
        case FaultKind.ServiceMissed:
            return MISSED_PERMILLE[min(consecutive, len(MISSED_PERMILLE)) - 1]
        case FaultKind.ServiceRejected:
            return REJECTED_PERMILLE[min(consecutive, len(REJECTED_PERMILLE)) - 1]
        case FaultKind.ServiceDeclared:
            return DECLARED_PERMILLE
        case FaultKind.IdleMissed | FaultKind.IdleRejected:
            return 0


def is_counted(holding: Holding | AskedRows | None, start: int) -> bool:
    """Whether a round that began at ``start`` asks about a slot.

    Both sides decide it by this rule, at any later time, with the same result: a removal does not
    change it once the round is open, and the slot is not reused before the round closes. A removal
    in the very block ``start`` counts as one after it: rounds begin before the calls of a block.
    """
    if holding is None or holding.since > start:
        return False
    return holding.removed is None or holding.removed >= start


def _word(randomness: bytes, index: int) -> int:
    return int.from_bytes(
        blake2_256(DRAW_TAG + randomness + index.to_bytes(4, "little"))[:16], "little"
    )
