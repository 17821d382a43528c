"""What the audit calls cost. Measured on the machine of docs/benchmarks.md, rounded up.

``ref_time`` is in picoseconds. A service proof is charged for the most that it can do, because what
it does depends on state: 460 rows of 460 different fragments. An idle proof is charged for its
answers.
"""

from pallets.audit.types import POSITIONS_MAX, FaultyPositions, IdleAnswers
from pallets.frame import Weight
from primitives.scale import U32
from primitives.types import Bytes48
from proofs.podr2.wire import ScalarBytes

__all__ = ["LOSSES_DECLARED_MAX", "idle_proof", "service_proof"]

LOSSES_DECLARED_MAX = 256
"""Fragments that one answer opens for restoral: it must fit into a block. A miner that lost more of
what was sampled names all, so that its answer is honest; the others wait for its next rounds."""

PAIRING_CHECK = 3_000_000_000
"""The pairing check of one proof: 2.6 ms measured."""

ROW = 60_000_000
"""One sampled row: its part of the sum (0.015 ms) and what reading its fragment's 6 kB of points
takes beyond an ordinary read when no cache holds them (0.04 ms)."""

IDLE_ANSWER = 200_000_000
"""Verifying one proof of space, with its draw: 0.14 ms measured."""

ESTIMATE = 2_000_000_000
"""Drawing up to 256 plots and working out the space: 1.2 ms measured."""

PROVING = Weight(ref_time=PAIRING_CHECK + POSITIONS_MAX * ROW, reads=POSITIONS_MAX + 20, writes=20)
"""A proof over the most rows of the most fragments, and a fault that throws the miner out."""

DECLARING = Weight(reads=10, writes=6)
"""What all losses of an answer share: the fine, and the miner's space."""

LOSS = Weight(ref_time=100_000_000, reads=3, writes=5)
"""One fragment declared lost: its holding, its commitments and its order are written."""


def idle_proof(_round: U32, answers: IdleAnswers) -> Weight:
    """The answers, and the estimate with the draws that it is made from."""
    return Weight(ref_time=ESTIMATE + len(answers) * IDLE_ANSWER, reads=10, writes=7)


def service_proof(_round: U32, faulty: FaultyPositions, _y: ScalarBytes, _proof: Bytes48) -> Weight:
    """A proof, and as many losses as there are faulty rows: each may be of another fragment."""
    losses = min(len(faulty), LOSSES_DECLARED_MAX)
    if losses == 0:
        return PROVING
    each = Weight(losses * LOSS.ref_time, losses * LOSS.proof_size)
    return PROVING + DECLARING + each
