"""What the file calls cost. Measured on the machine of docs/benchmarks.md, rounded up.

``ref_time`` is in picoseconds. Drawing holders and taking down segments are weighed by the hook
that does them.
"""

from pallets.file_bank.types import (
    SEGMENT_COUNT_MAX,
    DealSegments,
    FragmentReports,
    IdleAnswers,
    UserBrief,
)
from pallets.frame import Weight
from primitives.extrinsic import EcdsaSignature
from primitives.scale import U128
from primitives.types import FileHash

__all__ = ["FIND_FRAGMENT", "declaration", "idle_certificate", "transfer_report"]

HASHED_SEGMENT = 20_000_000
"""Hashing the list of one segment into the file's identity, and encoding the segment."""

POINT = 130_000_000
"""Checking one commitment for curve and subgroup, and writing it out as it is kept: 0.09 ms
measured."""

SIGNATURE = 100_000_000
"""Checking one co-signature by sr25519 or ed25519: 0.05 ms measured."""

ECDSA_SIGNATURE = 2_500_000_000
"""Checking one by ecdsa: 1.9 ms measured."""

SEGMENT_LOOK = 40_000_000
"""Decoding a stored segment and comparing its fragments: 0.03 ms measured."""

IDLE_ANSWER = 200_000_000
"""Verifying one proof of space, with its draw: 0.14 ms measured."""

ESTIMATE = 2_000_000_000
"""Drawing up to 256 plots and working out the space: 1.2 ms measured."""

FIND_FRAGMENT = Weight(
    ref_time=SEGMENT_COUNT_MAX * SEGMENT_LOOK, reads=2 * SEGMENT_COUNT_MAX + 12, writes=15
)
"""Looking for a fragment in the segments of the largest file or deal."""


def idle_certificate(answers: IdleAnswers) -> Weight:
    """The answers of a certification, and the estimate with its draws."""
    return Weight(ref_time=ESTIMATE + len(answers) * IDLE_ANSWER, reads=8, writes=8)


def declaration(
    _file_hash: FileHash, deal_info: DealSegments, _user_brief: UserBrief, _file_size: U128
) -> Weight:
    """Declaring a file: its list is hashed, and each segment is written."""
    segments = len(deal_info)
    return Weight(ref_time=segments * HASHED_SEGMENT, reads=10, writes=8 + segments)


def transfer_report(_deal_hash: FileHash, reports: FragmentReports) -> Weight:
    """Reporting fragments: each commitment is decoded, each signature checked."""
    points = sum(len(report.commitments) for report in reports)
    signatures = sum(
        ECDSA_SIGNATURE if isinstance(report.co_signature, EcdsaSignature) else SIGNATURE
        for report in reports
    )
    return Weight(
        ref_time=points * POINT + signatures,
        reads=6 + 7 * len(reports),
        writes=6 + 10 * len(reports),
    )
