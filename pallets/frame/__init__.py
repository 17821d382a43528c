"""The kernel: what a pallet is made of, and how blocks are made of extrinsics.

Pallets import from here only; the parts are: declarations (``pallet``, ``storage``, ``call``,
``event``, ``error``, ``config``), execution (``overlay``, ``runtime``, ``executive``), and what
is derived from declarations (``metadata``, ``runtime_api``).
"""

from pallets.frame.call import CALL_DEPTH_MAX, Call, RuntimeCall, call
from pallets.frame.config import Doc, PalletConfig, PalletGenesis
from pallets.frame.dispatch import (
    DispatchClass,
    DispatchInfo,
    Outcome,
    Pays,
    PostInfo,
    RuntimePanic,
)
from pallets.frame.error import (
    BadOrigin,
    DispatchError,
    DispatchFailure,
    PalletError,
    TokenError,
    TokenFailure,
    ensure,
)
from pallets.frame.event import event
from pallets.frame.hasher import Blake2_128Concat, Hasher, Identity, Twox64Concat
from pallets.frame.inherent import InherentData, InherentError
from pallets.frame.origin import Origin, ensure_none, ensure_root, ensure_signed
from pallets.frame.overlay import DictState, Overlay, StateReader
from pallets.frame.pallet import Holes, Pallet
from pallets.frame.runtime import FrameRuntime, pallet
from pallets.frame.storage import (
    EventsEntry,
    StorageDoubleMap,
    StorageEntry,
    StorageMap,
    StorageTripleMap,
    StorageValue,
)
from pallets.frame.validity import (
    TransactionInvalid,
    TransactionSource,
    TransactionUnknown,
    ValidTransaction,
)
from pallets.frame.weight import Weight

__all__ = [
    "CALL_DEPTH_MAX",
    "BadOrigin",
    "Blake2_128Concat",
    "Call",
    "DictState",
    "DispatchClass",
    "DispatchError",
    "DispatchFailure",
    "DispatchInfo",
    "Doc",
    "EventsEntry",
    "FrameRuntime",
    "Hasher",
    "Holes",
    "Identity",
    "InherentData",
    "InherentError",
    "Origin",
    "Outcome",
    "Overlay",
    "Pallet",
    "PalletConfig",
    "PalletError",
    "PalletGenesis",
    "Pays",
    "PostInfo",
    "RuntimeCall",
    "RuntimePanic",
    "StateReader",
    "StorageDoubleMap",
    "StorageEntry",
    "StorageMap",
    "StorageTripleMap",
    "StorageValue",
    "TokenError",
    "TokenFailure",
    "TransactionInvalid",
    "TransactionSource",
    "TransactionUnknown",
    "Twox64Concat",
    "ValidTransaction",
    "Weight",
    "call",
    "ensure",
    "ensure_none",
    "ensure_root",
    "ensure_signed",
    "event",
    "pallet",
]
