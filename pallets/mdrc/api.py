"""What clients ask about certificates of ownership, by ``state_call``.

Bounds: lists hold ``LISTED_MAX`` entries at most; who needs more reads the storage in pages.
"""

from typing import Final, Protocol

from pallets.frame.runtime_api import runtime_api
from pallets.mdrc.pallet import Mdrc
from pallets.mdrc.types import Certificate
from primitives.scale import U32
from primitives.types import AccountId, FileHash, Hash

__all__ = ["LISTED_MAX", "CertificatesApi"]

LISTED_MAX: Final = 1000


class Host(Protocol):
    """A runtime with this pallet."""

    mdrc: Mdrc


@runtime_api(version=1)
class CertificatesApi:
    """Who was the first to claim which work."""

    def __init__(self, runtime: Host) -> None:
        self._pallet = runtime.mdrc

    def certificate(self, number: Hash) -> Certificate | None:
        """A certificate by its number."""
        return self._pallet.certificates.get(number)

    def of_work(self, instance: Hash) -> Hash | None:
        """The number of the certificate of an exact work, by the hash of its plain bytes."""
        return self._pallet.instances.get(instance)

    def of_file(self, file_hash: FileHash, owner: AccountId) -> Hash | None:
        """The number of the certificate that an owner claimed with a file."""
        return self._pallet.file_certificates.get(file_hash, owner)

    def owned(self, owner: AccountId, limit: U32) -> tuple[Hash, ...]:
        """The numbers of up to ``limit`` certificates of an owner."""
        limit_count = min(int(limit), LISTED_MAX)
        return tuple(self._pallet.owner_certificates.prefix_keys(owner, limit=limit_count))
