"""The voters of finality, and changes of them."""

from primitives.digest import AuthorityKey
from primitives.scale import U64, struct
from primitives.types import BlockNumber

__all__ = ["Authorities", "StoredPendingChange"]

Authorities = tuple[tuple[AuthorityKey, U64], ...]
"""Keys with their weights; every weight is 1."""


@struct(path="pallet_grandpa::StoredPendingChange")
class StoredPendingChange:
    """A change that takes effect ``delay`` blocks after ``scheduled_at``: at once, delays are 0.

    ``forced`` is the last block that is known to be final, where finality has stalled.
    """

    scheduled_at: BlockNumber
    delay: BlockNumber
    next_authorities: tuple[tuple[AuthorityKey, U64], ...]
    forced: BlockNumber | None
