"""Asking the runtime about transactions, upon the best block. Runs in a worker thread.

One executive judges all transactions upon one block and is replaced when the best block changes.
Bounds: it judges ``JUDGED_MAX`` before it is replaced too, for it remembers what it has read.
"""

from dataclasses import dataclass
from typing import Final

import structlog

from node.consensus.chain import Chain
from node.database import DatabaseFailed, StateDiscarded, UnknownBlock
from node.txpool import errors
from node.txpool.pool import Transaction
from pallets.frame.dispatch import RuntimePanic
from pallets.frame.executive import Executive
from pallets.frame.validity import (
    TransactionInvalid,
    TransactionSource,
    TransactionUnknown,
)
from primitives.errors import (
    ArithmeticOverflow,
    CessError,
    DecodeError,
    RpcError,
    StateUnreadable,
    StorageCorrupt,
)
from primitives.types import Hash

__all__ = ["JUDGED_MAX", "Judged", "Validator", "check_envelope"]

log = structlog.get_logger("txpool")

JUDGED_MAX: Final = 16_384
"""Transactions of one executive: on a chain that stands still they would be without end."""

_U64_MAX: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict; ``bans`` says that the transaction itself is bad, wherever it is looked at."""

    hash: Hash
    transaction: Transaction | None
    error: RpcError | None = None
    bans: bool = False


def check_envelope(data: bytes) -> None:
    """Refuse bytes whose length prefix is wrong; raises the error of a malformed extrinsic."""
    mode = data[0] & 3 if data else 3
    size = (1, 2, 4)[mode] if mode < 3 else 0
    if not size or len(data) < size:
        raise errors.unreadable("Not enough data to fill buffer")
    length = int.from_bytes(data[:size], "little") >> 2
    if length != len(data) - size:
        raise errors.unreadable(f"its length prefix says {length}, {len(data) - size} bytes follow")


class Validator:
    """Judges transactions; used by one thread at a time."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._at: Hash | None = None
        self._height = 0
        self._judged = 0
        self._executive: Executive | None = None
        self._runtime = chain.runtime(chain.database.best().hash)

    def judge(self, batch: list[tuple[Hash, bytes, TransactionSource]]) -> list[Judged]:
        """A verdict for each transaction, in order."""
        try:
            return self._judge(batch)
        except StateDiscarded:  # a newer block pruned the state under us
            self._executive = None
            return self._judge(batch)

    def _judge(self, batch: list[tuple[Hash, bytes, TransactionSource]]) -> list[Judged]:
        best = self._chain.database.best()
        self._judged += len(batch)
        if self._executive is None or self._at != best.hash or self._judged > JUDGED_MAX:
            verifier = self._chain.verifier
            self._runtime = self._chain.runtime(best.hash)
            self._executive = Executive(self._runtime, verifier=verifier, expect=verifier.expect)
            self._at = best.hash
            self._height = int(best.number)
            self._judged = len(batch)
        self._executive.expect_transactions([data for _, data, _ in batch], best.hash)
        return [self._one(self._executive, best.hash, *entry) for entry in batch]

    def body_of(self, block: Hash) -> tuple[bytes, ...]:
        """The extrinsics of a block."""
        return self._chain.database.body(block) or ()

    def tags_of(self, block: Hash, body: tuple[bytes, ...]) -> list[bytes]:
        """What the extrinsics of a block provided, inherents apart: judged upon its parent."""
        if not body:
            return []
        try:
            parent = self._chain.header(block).parent_hash
            runtime = self._chain.runtime(parent)
        except (StateDiscarded, UnknownBlock):
            return []  # such transactions leave the pool by validation
        executive = Executive(runtime, verifier=self._chain.verifier)
        tags: list[bytes] = []
        for data in body:
            try:
                verdict = executive.examine_transaction(data, parent, TransactionSource.InBlock)
            except (StorageCorrupt, DatabaseFailed):
                raise
            except (CessError, ArithmeticError):
                continue
            tags.extend(verdict.validity.provides)
        return tags

    def _one(
        self, executive: Executive, at: Hash, hash_: Hash, data: bytes, source: TransactionSource
    ) -> Judged:
        try:
            found = executive.examine_transaction(data, at, source)
            funds = None
            if found.signer is not None:
                funds = int(self._runtime.balances.spendable(found.signer, keep_alive=True))
        except TransactionInvalid as error:
            return Judged(hash_, None, errors.invalid(error), bans=True)
        except TransactionUnknown as error:
            return Judged(hash_, None, errors.unknown(error))
        except (DecodeError, ArithmeticOverflow, RuntimePanic) as error:
            return Judged(hash_, None, errors.unverifiable(str(error)))
        except (StorageCorrupt, StateUnreadable):
            raise
        except Exception as error:
            log.error("validation trapped", extrinsic=f"0x{hash_.hex()}", exc_info=error)
            return Judged(hash_, None, errors.unverifiable(type(error).__name__), bans=True)
        until = min(self._height + int(found.validity.longevity), _U64_MAX)
        return Judged(
            hash_,
            Transaction(hash_, data, found.validity, until, found.signer, found.fee, funds),
        )
