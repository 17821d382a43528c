"""The key that may do everything, while the network is young."""

from pallets.sudo.pallet import Lookup, Sudo

__all__ = ["Lookup", "Sudo"]
