"""MDRC: certificates of ownership."""

from pallets.mdrc.pallet import Mdrc
from pallets.mdrc.types import (
    BandKey,
    Bucket,
    Certificate,
    CertificateState,
    Code,
    Fingerprints,
    Unit,
    UnitKind,
    Units,
)

__all__ = [
    "BandKey",
    "Bucket",
    "Certificate",
    "CertificateState",
    "Code",
    "Fingerprints",
    "Mdrc",
    "Unit",
    "UnitKind",
    "Units",
]
