"""What a territory is on the wire.

Sizes are bytes, prices planck, times block numbers. Nothing here grows: every type has a fixed
largest encoding.
"""

from primitives.scale import U128, ScaleEnum, struct
from primitives.types import BlockNumber, Hash, TerrName

__all__ = ["TerrName", "TerritoryInfo", "TerritoryState"]


class TerritoryState(ScaleEnum):
    """Where a territory stands in its life."""

    Active = 0
    Frozen = 1
    Expired = 2
    OnConsignment = 3


@struct(path="pallet_storage_handler::types::TerritoryInfo")
class TerritoryInfo:
    """Leased space. ``total_space`` is the sum of used, locked and remaining space, in bytes.

    ``token`` identifies the lease through renewals; ``start`` is the block of its beginning and
    ``deadline`` the block at which it freezes.
    """

    token: Hash
    total_space: U128
    used_space: U128
    locked_space: U128
    remaining_space: U128
    start: BlockNumber
    deadline: BlockNumber
    state: TerritoryState
