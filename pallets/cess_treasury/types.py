"""What the treasury keeps for each era and each miner. Money is in planck."""

from primitives.scale import U32, U128, struct
from primitives.types import Balance

__all__ = ["PowerRecord", "RoundRewardInfo"]


@struct(path="pallet_cess_treasury::types::RoundRewardInfo")
class RoundRewardInfo:
    """The pool of one era: ``total`` minted for ``power``, of which ``issued`` is shared out.

    ``unsettled`` counts the miners whose share is not worked out yet; at zero the entry goes.
    """

    total: Balance
    issued: Balance
    power: U128
    unsettled: U32


@struct(path="pallet_cess_treasury::types::PowerRecord")
class PowerRecord:
    """The power that a miner proved in ``era``, the last one in which it was audited."""

    era: U32
    power: U128
