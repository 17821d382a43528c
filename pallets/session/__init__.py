"""Sessions: the accounts behind the keys that make and finalize blocks."""

from pallets.session.pallet import Epochs, Finality, Session
from pallets.session.ports import SessionManager, Unmanaged
from pallets.session.types import BABE_KEY_TYPE, GRANDPA_KEY_TYPE, KeyTypeId, SessionKeys

__all__ = [
    "BABE_KEY_TYPE",
    "GRANDPA_KEY_TYPE",
    "Epochs",
    "Finality",
    "KeyTypeId",
    "Session",
    "SessionKeys",
    "SessionManager",
    "Unmanaged",
]
