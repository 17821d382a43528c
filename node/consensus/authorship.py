"""Building a block: inherents, then ready transactions while time and room last, then the seal.

The clock comes in as ``is_late``, so a test decides how many transactions fit. The state root is
computed while the block is built; nothing is executed twice. ``may_seal`` is asked before the
signature exists: that is where the promise is kept to sign once for a slot, and in time.

Bounds: the block's own weight and length; ``SKIPPED_MAX`` transactions that do not fit are passed
over before a block counts as full.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import structlog

from node.consensus.proof_threads import ProofThreads
from node.consensus.slots import SlotClaim
from node.database import ChainDatabase, PreparedState
from node.runtime import CessRuntime
from node.txpool.pool import Transaction
from pallets.frame.dispatch import RuntimePanic
from pallets.frame.executive import Executive
from pallets.frame.inherent import InherentData
from pallets.frame.signatures import Verifier
from pallets.frame.validity import (
    ExhaustsResources,
    Future,
    TransactionInvalid,
    TransactionUnknown,
)
from primitives.digest import (
    BABE_ENGINE,
    BabePreDigest,
    Digest,
    PreRuntime,
    Seal,
)
from primitives.errors import DecodeError, StateUnreadable, StorageCorrupt
from primitives.header import Header
from primitives.scale import encode
from primitives.types import BlockNumber, Hash

__all__ = ["SKIPPED_MAX", "BuiltBlock", "SlotClaim", "build_block"]

log = structlog.get_logger("babe")

FORESEEN_COUNT: Final = 8
"""Transactions whose proofs are verified while those before them are executed."""

SKIPPED_MAX: Final = 8
"""Transactions that may fail to fit before the block counts as full."""


@dataclass(frozen=True, slots=True)
class BuiltBlock:
    """A sealed block with its state, and what came of the pool's transactions."""

    header: Header
    body: tuple[bytes, ...]
    state: PreparedState
    included: tuple[Hash, ...]
    invalid: tuple[Hash, ...]
    """They can be in no block; the pool should forget them."""
    is_full: bool


@dataclass(slots=True)
class _Chosen:
    body: list[bytes] = field(default_factory=list)
    included: list[Hash] = field(default_factory=list)
    invalid: list[Hash] = field(default_factory=list)
    is_full: bool = False


def build_block(
    database: ChainDatabase,
    runtime: CessRuntime,
    parent: Header,
    claim: SlotClaim,
    transactions: Iterable[Transaction],
    *,
    now_ms: int,
    is_late: Callable[[], bool],
    may_seal: Callable[[], None],
    verifier: Verifier,
    proofs: ProofThreads,
) -> BuiltBlock:
    """A block upon ``parent``, whose state ``runtime`` is over; raises what ``may_seal`` does."""
    parent_hash = parent.hash()
    number = BlockNumber(int(parent.number) + 1)
    pre_digest = encode(BabePreDigest, claim.pre_digest)
    digest = Digest((PreRuntime(engine=BABE_ENGINE, data=pre_digest),))
    runtime.babe.note_checked(claim.pre_digest, claim.output)
    executive = Executive(runtime, verifier=verifier)
    executive.initialize_block(parent_hash, number, digest)
    chosen = _Chosen()
    for inherent in executive.inherent_extrinsics(InherentData(now_ms, claim.slot)):
        executive.apply_extrinsic(inherent)
        chosen.body.append(inherent)
    _fill(executive, _foreseen(transactions, proofs.begin(runtime)), is_late, chosen)
    done = executive.finalize_block()
    state = database.prepare(parent_hash, done.changes)
    bare = Header(
        parent_hash=parent_hash,
        number=number,
        state_root=state.root,
        extrinsics_root=done.extrinsics_root,
        digest=done.digest,
    )
    may_seal()
    header = bare.sealed(Seal(engine=BABE_ENGINE, data=claim.pair.sign(bytes(bare.hash()))))
    return BuiltBlock(
        header,
        tuple(chosen.body),
        state,
        tuple(chosen.included),
        tuple(chosen.invalid),
        chosen.is_full,
    )


def _foreseen(
    transactions: Iterable[Transaction], expect: Callable[[Iterable[bytes]], None]
) -> Iterator[Transaction]:
    """The same transactions; ``expect`` hears of each while others before it are executed."""
    ahead: deque[Transaction] = deque()
    for transaction in transactions:
        expect([transaction.data])
        ahead.append(transaction)
        if len(ahead) > FORESEEN_COUNT:
            yield ahead.popleft()
    yield from ahead


def _fill(
    executive: Executive,
    transactions: Iterable[Transaction],
    is_late: Callable[[], bool],
    chosen: _Chosen,
) -> None:
    skipped = 0
    for transaction in transactions:
        if is_late():
            return
        try:
            executive.apply_extrinsic(transaction.data)
        except TransactionInvalid as error:
            if isinstance(error.reason, ExhaustsResources):
                skipped += 1
                if skipped > SKIPPED_MAX:
                    chosen.is_full = True
                    return
            elif not isinstance(error.reason, Future):  # those wait for one that was passed over
                chosen.invalid.append(transaction.hash)
        except (StorageCorrupt, StateUnreadable):
            raise
        except (TransactionUnknown, DecodeError, RuntimePanic):
            chosen.invalid.append(transaction.hash)
        except Exception as error:
            log.error(
                "an extrinsic trapped", extrinsic=f"0x{transaction.hash.hex()}", exc_info=error
            )
            chosen.invalid.append(transaction.hash)
        else:
            chosen.body.append(transaction.data)
            chosen.included.append(transaction.hash)
