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
    KeptRows,
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
    "KeptRows",
]
