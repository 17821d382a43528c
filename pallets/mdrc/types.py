"""What a certificate of ownership is on the wire. Codes are 256 bits of ISO 24138 (ISCC)."""

from primitives.scale import U8, U16, BoundedVec, FixedBytes, ScaleEnum, struct
from primitives.types import AccountId, Balance, BlockNumber, FileHash, Hash

__all__ = [
    "BandKey",
    "Bucket",
    "Certificate",
    "CertificateState",
    "Code",
    "Fingerprints",
    "Unit",
    "UnitKind",
    "Units",
]

UNITS_MAX = 4
"""Similarity codes of one work."""

BUCKET_MAX = 64
"""Certificates that one band of the index lists."""


class UnitKind(ScaleEnum):
    """What a similarity code is computed from: the title, the text or the bytes of a work."""

    Meta = 0
    Content = 1
    Data = 2


class Code(FixedBytes, length=32):
    """A similarity code: near works have codes that differ in few bits."""


@struct(path="pallet_mdrc::types::Unit")
class Unit:
    """One similarity code of a work."""

    kind: UnitKind
    code: Code


class Units(BoundedVec[Unit], limit=UNITS_MAX):
    """The similarity codes of a work, at most one of each kind."""


@struct(path="pallet_mdrc::types::Fingerprints")
class Fingerprints:
    """The exact hash of a work's plain bytes, and its similarity codes."""

    instance: Hash
    units: Units


class CertificateState(ScaleEnum):
    """``Contested``: when it was claimed, another owner had a certificate of a near work."""

    Claimed = 0
    Contested = 1


@struct(path="pallet_mdrc::types::Certificate")
class Certificate:
    """``owner`` was the first on this chain to claim the work with this instance hash.

    ``earlier`` is the nearest earlier work of anybody, if one is near. ``deposit`` planck are
    reserved for as long as the certificate stands.
    """

    owner: AccountId
    fid: FileHash
    fingerprints: Fingerprints
    claimed_at: BlockNumber
    state: CertificateState
    earlier: Hash | None
    deposit: Balance


@struct(path="pallet_mdrc::types::BandKey")
class BandKey:
    """Sixteen bits of a code: ``band`` says which."""

    kind: UnitKind
    band: U8
    value: U16


class Bucket(BoundedVec[Hash], limit=BUCKET_MAX):
    """Certificates whose codes share a band, the oldest first."""
