"""What the chain keeps of an account and of its last upgrade, as Substrate's clients read it."""

from typing import Annotated, Final

from pallets.frame.account import NO_MONEY, AccountData
from primitives.scale import U32, Compact, struct
from primitives.types import BlockNumber, Nonce

__all__ = ["NO_ACCOUNT", "AccountInfo", "LastRuntimeUpgradeInfo", "ScheduledUpgrade"]


@struct(path="frame_system::AccountInfo")
class AccountInfo:
    """An account: the nonce of its next extrinsic, its references, its money. 80 bytes.

    It exists as long as ``providers`` give it a reason to; ``consumers`` are those who need that it
    does not go away. ``sufficients`` is for clients and always 0.
    """

    nonce: Nonce
    consumers: U32
    providers: U32
    sufficients: U32
    data: AccountData


NO_ACCOUNT: Final = AccountInfo(
    nonce=Nonce(0), consumers=U32(0), providers=U32(0), sufficients=U32(0), data=NO_MONEY
)
"""What is read of an account that does not exist."""


@struct(path="frame_system::LastRuntimeUpgradeInfo")
class LastRuntimeUpgradeInfo:
    """The runtime that executed the last block."""

    spec_version: Annotated[U32, Compact]
    spec_name: str


@struct(path="pallet_system::types::ScheduledUpgrade")
class ScheduledUpgrade:
    """Block ``at`` sets the code of the runtime ``spec_version``."""

    at: BlockNumber
    spec_version: U32
