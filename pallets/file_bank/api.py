"""What clients ask about files and deals, by ``state_call``.

Bounds: lists hold ``LISTED_MAX`` entries at most; who needs more reads the storage in pages.
"""

from typing import Final, Protocol

from pallets.file_bank.pallet import FileBank
from pallets.file_bank.types import (
    AssignedFragment,
    DealInfo,
    DealSegment,
    FileInfo,
    RestoralOrderInfo,
    SegmentInfo,
    UserFileSliceInfo,
)
from pallets.frame.runtime_api import runtime_api
from primitives.scale import U32
from primitives.types import AccountId, FileHash, FragmentHash, Hash

__all__ = ["LISTED_MAX", "FilesApi"]

LISTED_MAX: Final = 1000


class Host(Protocol):
    """A runtime with this pallet."""

    file_bank: FileBank


@runtime_api(version=1)
class FilesApi:
    """Files, the deals that they begin as, and the fragments that they are stored in."""

    def __init__(self, runtime: Host) -> None:
        self._pallet = runtime.file_bank

    def file(self, file_hash: FileHash) -> FileInfo | None:
        """A stored file."""
        return self._pallet.file.get(file_hash)

    def segment(self, file_hash: FileHash, index: U32) -> SegmentInfo | None:
        """A segment of a file or a deal whose twelve fragments are held, and who holds them."""
        return self._pallet.file_segments.get(file_hash, index)

    def deal(self, deal_hash: FileHash) -> DealInfo | None:
        """A declared file that is not held by all its holders yet."""
        return self._pallet.deal_map.get(deal_hash)

    def deal_segment(self, deal_hash: FileHash, index: U32) -> DealSegment | None:
        """A segment of a deal that misses reports, and who was drawn to hold it."""
        return self._pallet.deal_segments.get(deal_hash, index)

    def owned(self, owner: AccountId, limit: U32) -> tuple[tuple[FileHash, UserFileSliceInfo], ...]:
        """Up to ``limit`` files of an owner, in no order that means anything."""
        return tuple(self._pallet.user_hold_file_list.prefix(owner, limit=_bounded(limit)))

    def assigned(
        self, miner: AccountId, limit: U32
    ) -> tuple[tuple[FragmentHash, AssignedFragment], ...]:
        """Up to ``limit`` fragments that a miner has to fetch and report."""
        return tuple(self._pallet.assigned.prefix(miner, limit=_bounded(limit)))

    def restoral_order(self, order: Hash) -> RestoralOrderInfo | None:
        """A fragment that may be restored, by the number of its order."""
        return self._pallet.restoral_order.get(order)


def _bounded(limit: U32) -> int:
    return min(int(limit), LISTED_MAX)
