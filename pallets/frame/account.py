"""The part of an account that money uses.

It lies in System's map of accounts and Balances keeps it, so its type belongs to neither: pallets
import from the kernel only.
"""

from typing import Final

from primitives.scale import U128, struct
from primitives.types import Balance

__all__ = ["NO_MONEY", "AccountData"]

_NEW_LOGIC: Final = U128(1 << 127)
"""The flag by which clients know that reserved money is counted as a reference to the account."""


@struct(path="pallet_balances::types::AccountData")
class AccountData:
    """What an account owns, in planck: ``free`` to spend, ``reserved`` by a pallet.

    ``frozen`` is the part of ``free`` that may not leave; nothing freezes money on this chain.
    """

    free: Balance
    reserved: Balance
    frozen: Balance
    flags: U128


NO_MONEY: Final = AccountData(
    free=Balance(0), reserved=Balance(0), frozen=Balance(0), flags=_NEW_LOGIC
)
"""What an account without an entry owns."""
