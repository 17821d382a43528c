"""Who had which keys in which past session."""

from pallets.historical.pallet import Historical
from pallets.historical.ports import Reports, Sessions
from pallets.historical.types import PROOF_BYTES_MAX, PROOF_NODES_MAX

__all__ = [
    "PROOF_BYTES_MAX",
    "PROOF_NODES_MAX",
    "Historical",
    "Reports",
    "Sessions",
]
