"""Several calls in one, and calls on behalf of derived accounts."""

from pallets.utility.pallet import Utility, derivative_account
from pallets.utility.types import OriginCaller, RawOrigin

__all__ = ["OriginCaller", "RawOrigin", "Utility", "derivative_account"]
