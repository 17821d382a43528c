"""Why the pool refuses a transaction, with the codes and texts of Substrate's author module."""

from typing import Final

from node.rpc.jsonrpc import SERVER_BUSY
from pallets.frame.validity import (
    BadProof,
    CustomInvalid,
    InvalidTransaction,
    TransactionInvalid,
    TransactionUnknown,
)
from primitives.errors import RpcError

__all__ = [
    "already_imported",
    "banned",
    "cycle",
    "dropped",
    "invalid",
    "is_never_valid",
    "is_nobodys_fault",
    "no_future",
    "no_tags",
    "too_low",
    "unknown",
    "unreadable",
    "unverifiable",
]

BAD_FORMAT: Final = 1001
VERIFICATION: Final = 1002
INVALID: Final = 1010
UNKNOWN: Final = 1011
BANNED: Final = 1012
ALREADY_IMPORTED: Final = 1013
TOO_LOW_PRIORITY: Final = 1014
CYCLE: Final = 1015
DROPPED: Final = 1016
NO_TAGS: Final = 1019
FUTURE_REFUSED: Final = 1021


def unreadable(why: str) -> RpcError:
    """The outer bytes are no extrinsic."""
    return RpcError(BAD_FORMAT, f"Extrinsic has invalid format: {why}")


def unverifiable(why: str) -> RpcError:
    """The runtime could not even look at it."""
    return RpcError(VERIFICATION, f"Verification Error: Runtime error: {why}", why)


def describe(reason: InvalidTransaction) -> str:
    """Substrate's sentence for an invalid transaction: the first line of the variant's doc."""
    if isinstance(reason, CustomInvalid):
        return f"Custom error: {int(reason.code)}"
    return (type(reason).__doc__ or "").strip().splitlines()[0].removesuffix(".")


def invalid(failure: TransactionInvalid) -> RpcError:
    """The runtime says that it can be in no block."""
    return RpcError(INVALID, "Invalid Transaction", describe(failure.reason))


def unknown(failure: TransactionUnknown) -> RpcError:
    """The runtime cannot say."""
    kind = type(failure.reason).__name__.removesuffix("Unknown")
    code = getattr(failure.reason, "code", None)
    shown = kind if code is None else f"{kind}({int(code)})"
    return RpcError(UNKNOWN, "Unknown Transaction Validity", shown)


def banned() -> RpcError:
    """It was invalid, or was included, a short time ago."""
    return RpcError(BANNED, "Transaction is temporarily banned")


def already_imported(hash_: bytes) -> RpcError:
    """The pool holds it."""
    return RpcError(ALREADY_IMPORTED, "Transaction Already Imported", f"0x{hash_.hex()}")


def too_low(old: int, new: int) -> RpcError:
    """Another transaction stands in its place and pays as much."""
    return RpcError(
        TOO_LOW_PRIORITY,
        f"Priority is too low: ({old} vs {new})",
        "The transaction has too low priority to replace another transaction already in the pool.",
    )


def is_nobodys_fault(error: RpcError) -> bool:
    """Whether the pool had it, or had no room for it."""
    return error.code in (ALREADY_IMPORTED, TOO_LOW_PRIORITY, DROPPED, SERVER_BUSY)


def is_never_valid(error: RpcError) -> bool:
    """Whether it could be in no block of any fork."""
    if error.code == INVALID:
        return error.data == describe(BadProof())
    return error.code in (BAD_FORMAT, VERIFICATION, NO_TAGS)


def cycle() -> RpcError:
    """It waits for itself."""
    return RpcError(CYCLE, "Cycle Detected")


def dropped() -> RpcError:
    """The pool is full of better ones."""
    return RpcError(
        DROPPED,
        "Immediately Dropped",
        "The transaction couldn't enter the pool because of the limit",
    )


def no_tags() -> RpcError:
    """It provides nothing, so nothing would stop it from being included for ever."""
    return RpcError(
        NO_TAGS,
        "No tags provided",
        "Transaction does not provide any tags, so the pool can't identify it",
    )


def no_future() -> RpcError:
    """It waits for others and the pool takes none that do."""
    return RpcError(FUTURE_REFUSED, "The pool is not accepting future transactions")
