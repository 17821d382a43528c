"""The chain on this node: imports blocks, builds them, finalises them. Synchronous, one writer.

Shells call the writing methods from one thread at a time; reading ones from any. Every block goes
through here, ours and others', so nothing else writes to the database.

Guarantees: a block is imported only if its header, its execution and both roots are right; it is in
the database, synced, before anybody is told; what is final never changes. The best block is the
highest one upon the finalised one, the first seen of equals.
Bounds: ``ROUTE_MAX`` blocks between an old and a new best block.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from node.consensus.authorities import epoch_for, voters_of
from node.consensus.authorship import BuiltBlock, build_block
from node.consensus.finality import FinalityKeys
from node.consensus.signature_workers import SignatureWorkers
from node.consensus.signed_slots import SignedSlots
from node.consensus.slots import Epoch, SlotClaim
from node.consensus.verification import check_header, slot_of
from node.database import BlockId, ChainDatabase, PreparedState, UnknownBlock
from node.runtime import CessRuntime, runtime_at
from node.txpool.pool import Transaction
from pallets.frame.executive import Executive
from pallets.frame.inherent import InherentData
from primitives.errors import CessError, InvalidBlock
from primitives.header import Header
from primitives.justification import (
    GrandpaJustification,
    InvalidJustification,
    verify_justification,
)
from primitives.types import Hash

__all__ = ["ROUTE_MAX", "Chain", "Imported", "Route", "SlotMissed"]

ROUTE_MAX: Final = 4096


class SlotMissed(CessError):  # noqa: N818  a fact
    """A block was not ready while its slot lasted."""


@dataclass(frozen=True, slots=True)
class Route:
    """From an old best block to a new one: blocks left, newest first, and entered, oldest first."""

    retracted: tuple[Hash, ...]
    enacted: tuple[Hash, ...]


@dataclass(frozen=True, slots=True)
class Imported:
    """A block that is now in the database; ``finalized`` are newly final ones in order."""

    header: Header
    hash: Hash
    is_best: bool
    route: Route
    finalized: tuple[Hash, ...]


class Chain:
    """See the module's text."""

    def __init__(
        self,
        database: ChainDatabase,
        keys: FinalityKeys,
        *,
        finalizes: bool,
        verifier: SignatureWorkers | None = None,
        signed: SignedSlots | None = None,
    ) -> None:
        """``signed`` remembers what was authored; None where nothing is authored in earnest."""
        self.database = database
        self.signed = signed
        self.verifier = verifier or SignatureWorkers()
        self._keys = keys
        self._finalizes = finalizes
        genesis = self.runtime(database.best().hash)
        self.slot_duration_ms = int(genesis.babe.config.expected_block_time)

    # Reading.

    def runtime(self, hash_: Hash) -> CessRuntime:
        """The runtime over the state after this block."""
        return runtime_at(self.database.state_at(hash_))

    def header(self, hash_: Hash) -> Header:
        """The header of a block that must be known."""
        found = self.database.header(hash_)
        if found is None:
            raise UnknownBlock(f"block 0x{hash_.hex()} is not in the database")
        return found

    def best_header(self) -> Header:
        """The header of the best block."""
        return self.header(self.database.best().hash)

    def epoch_after(self, parent: Header, slot: int) -> Epoch:
        """The epoch that ``slot`` is in, for a block upon ``parent``."""
        return epoch_for(self.runtime(parent.hash()), slot)

    # Writing.

    def build(
        self,
        parent: Header,
        claim: SlotClaim,
        transactions: Iterable[Transaction],
        *,
        now_ms: int,
        is_late: Callable[[], bool],
        is_over: Callable[[], bool] = lambda: False,
    ) -> tuple[BuiltBlock, Imported]:
        """Build a block and import it.

        Raises:
            SlotMissed: ``is_over``, asked before work and before sealing, says so.
            SlotSigned: this node has signed a block for this slot or a later one.
        """

        def check_time() -> None:
            if is_over():
                raise SlotMissed(f"slot {claim.slot} is over: its block is given up")

        def may_seal() -> None:
            check_time()
            if self.signed is not None:
                self.signed.claim(claim.slot)

        check_time()
        built = build_block(
            self.database,
            self.runtime(parent.hash()),
            parent,
            claim,
            transactions,
            now_ms=now_ms,
            is_late=is_late,
            may_seal=may_seal,
            verifier=self.verifier,
        )
        return built, self._insert(built.header, built.body, built.state, parent)

    def import_block(self, header: Header, body: Sequence[bytes], *, now_ms: int) -> Imported:
        """Check, execute and keep somebody's block.

        Raises:
            UnknownBlock: its parent is not known.
            InvalidBlock: it breaks a rule, or contradicts what is final.
        """
        hash_ = header.hash()
        if self.database.header(hash_) is not None:
            return Imported(header, hash_, False, Route((), ()), ())
        parent = self.header(header.parent_hash)
        if header.number <= self.database.finalized().number:
            raise InvalidBlock(f"block {header.number} is not above the finalised block")
        runtime = self.runtime(header.parent_hash)
        checked = check_header(
            header,
            parent,
            epoch_for(runtime, slot_of(header)),
            now_ms=now_ms,
            duration_ms=self.slot_duration_ms,
        )
        runtime.babe.note_checked(checked.sealed.claim, checked.output)
        executive = Executive(runtime, verifier=self.verifier, expect=self.verifier.expect)
        executive.check_inherents(body, InherentData(now_ms, slot_of(header)))
        changes = executive.execute_block(header, body)
        state = self.database.prepare(header.parent_hash, changes)
        if state.root != header.state_root:
            raise InvalidBlock(
                f"executing block {header.number} gives the state root 0x{state.root.hex()}, "
                f"its header says 0x{header.state_root.hex()}"
            )
        return self._insert(header, body, state, parent)

    def _insert(
        self, header: Header, body: Sequence[bytes], state: PreparedState, parent: Header
    ) -> Imported:
        hash_ = header.hash()
        before = self.database.best()
        is_best = int(header.number) > before.number
        route = self.route(before, header, hash_) if is_best else Route((), ())
        justification = None
        if is_best and self._finalizes:
            voters = voters_of(self.runtime(parent.hash()))
            justification = self._keys.justify(header, hash_, voters)
        self.database.import_block(
            header, body, state, justification=justification, is_best=is_best
        )
        finalized: tuple[Hash, ...] = ()
        if justification is not None:
            finalized = self.database.finalize(hash_, justification).finalized
        return Imported(header, hash_, is_best, route, finalized)

    def finalize_best(self) -> tuple[Hash, ...]:
        """Finalise the best block if the local keys can: after a crash between import and this."""
        best = self.database.best()
        if not self._finalizes or best.number <= self.database.finalized().number:
            return ()
        header = self.header(best.hash)
        voters = voters_of(self.runtime(header.parent_hash))
        justification = self._keys.justify(header, best.hash, voters)
        if justification is None:
            return ()
        return self.database.finalize(best.hash, justification).finalized

    def finalize_with(self, hash_: Hash, justification: bytes) -> tuple[Hash, ...]:
        """Finalise a block for which somebody has a justification.

        Raises: UnknownBlock, DecodeError, InvalidJustification.
        """
        header = self.header(hash_)
        found = GrandpaJustification.decode(justification)
        if found.commit.target_hash != hash_ or found.commit.target_number != header.number:
            raise InvalidJustification(
                f"the justification is for another block than 0x{hash_.hex()}"
            )
        voters = voters_of(self.runtime(header.parent_hash))
        verify_justification(found, [key for key, _ in voters.authorities], voters.set_id)
        if int(header.number) <= self.database.finalized().number:
            self.database.put_justification(hash_, justification)
            return ()
        return self.database.finalize(hash_, justification).finalized

    def route(self, old: BlockId, header: Header, hash_: Hash) -> Route:
        """How the best chain changes if ``header`` becomes its end."""
        retracted: list[Hash] = []
        enacted = [hash_]
        left, right = self.header(old.hash), header
        while left.hash() != right.parent_hash:
            if len(retracted) + len(enacted) > ROUTE_MAX:
                raise InvalidBlock(f"the fork at block {header.number} is too long")
            if int(left.number) >= int(right.number):
                retracted.append(left.hash())
                left = self.header(left.parent_hash)
            else:
                enacted.append(right.parent_hash)
                right = self.header(right.parent_hash)
        return Route(tuple(retracted), tuple(reversed(enacted)))
