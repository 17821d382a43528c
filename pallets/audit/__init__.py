"""Audits of storage miners."""

from pallets.audit.pallet import Audit
from pallets.audit.types import (
    AuditRecord,
    ChallengeInfo,
    FaultKind,
    FaultyPositions,
    Holding,
    IdleAnswer,
    IdleAnswers,
)

__all__ = [
    "Audit",
    "AuditRecord",
    "ChallengeInfo",
    "FaultKind",
    "FaultyPositions",
    "Holding",
    "IdleAnswer",
    "IdleAnswers",
]
