"""What the audit calls cost. Measured on the machine of docs/benchmarks.md, rounded up.

``ref_time`` is in picoseconds. Each call is charged for the most that it can do, because what it
does depends on state: 460 rows of 460 different fragments, 256 answers.
"""

from pallets.frame import Weight
from pallets.audit.types import IDLE_ANSWERS_MAX, POSITIONS_MAX

__all__ = ["IDLE_PROOF", "SERVICE_PROOF"]

PAIRING_CHECK = 3_000_000_000
"""The pairing check of one proof: 2.5 ms measured."""

ROW = 180_000_000
"""One sampled row: decoding its point with the subgroup check (0.13 ms) and its part of the sum."""

IDLE_ANSWER = 300_000_000
"""Verifying one proof of space, with its draw: 0.2 ms measured."""

ESTIMATE = 1_000_000_000

SERVICE_PROOF = Weight(
    ref_time=PAIRING_CHECK + POSITIONS_MAX * ROW, reads=2 * POSITIONS_MAX + 12, writes=8
)

IDLE_PROOF = Weight(
    ref_time=ESTIMATE + IDLE_ANSWERS_MAX * IDLE_ANSWER, reads=8, writes=6
)
