"""Sessions: who validates when, and with which keys."""

from pallets.session.pallet import Session
from pallets.session.ports import Accounts, Epochs, Finality, History, SessionManager
from pallets.session.types import (
    SessionKeys,
    possession_statement,
    prove_possession,
)

__all__ = [
    "Accounts",
    "Epochs",
    "Finality",
    "History",
    "Session",
    "SessionKeys",
    "SessionManager",
    "possession_statement",
    "prove_possession",
]
