"""Sessions: who validates when, and with which keys."""

from pallets.session.pallet import Session
from pallets.session.ports import Accounts, Epochs, Finality, History, SessionManager
from pallets.session.types import (
    BABE_KEY_TYPE,
    GRANDPA_KEY_TYPE,
    SessionKeys,
    possession_statement,
    prove_possession,
)

__all__ = [
    "BABE_KEY_TYPE",
    "GRANDPA_KEY_TYPE",
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
