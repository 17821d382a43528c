"""What a miner keeps on disk: fragments, their commitments, co-signatures and plots."""

from .errors import (
    AlreadyReceiving,
    DirectoryInUse,
    DiskFailed,
    DiskFull,
    DiskRefused,
    FragmentMismatch,
    LayoutMismatch,
    QuotaReached,
    StoreError,
    VolumeConflict,
)
from .index import FragmentEntry, FragmentIndex
from .layout import Layout
from .records import Cosignature
from .volume import SpaceUse, Upload, Volume
from .volumes import AwayVolume, VolumePlan, Volumes, open_volumes

__all__ = [
    "AlreadyReceiving",
    "AwayVolume",
    "Cosignature",
    "DirectoryInUse",
    "DiskFailed",
    "DiskFull",
    "DiskRefused",
    "FragmentEntry",
    "FragmentIndex",
    "FragmentMismatch",
    "Layout",
    "LayoutMismatch",
    "QuotaReached",
    "SpaceUse",
    "StoreError",
    "Upload",
    "Volume",
    "VolumeConflict",
    "VolumePlan",
    "Volumes",
    "open_volumes",
]
