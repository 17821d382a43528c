"""The chain on this node: imports blocks, builds them, finalises them. Synchronous, one writer.

Shells call the writing methods from one thread at a time; reading ones from any. Every block goes
through here, ours and others', so nothing else writes to the database.

Guarantees: a block is imported only if its header, its execution and both roots are right; it is in
the database, synced unless the caller defers that; what is final is synced and never changes.
``fork_choice`` says which block is the best. A block is final by a justification of the set of
voters that its parent's state names, and no block before one below it whose finality changes that
set.
Bounds: of a reorganisation ``ROUTE_MAX`` blocks on either side are told of, the newest ones; of the
equivocations found ``EQUIVOCATIONS_MAX`` wait to be reported. Of the blocks of one author for one
slot ``SIBLINGS_MAX`` are executed, and those that others build upon or prove final.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Final

import structlog

from node.consensus.authorities import check_set_change, epoch_for, set_change_of, voters_of
from node.consensus.authorship import BuiltBlock, build_block
from node.consensus.equivocations import (
    SIBLINGS_MAX,
    BlockEquivocation,
    EquivocationWatch,
    SiblingLimit,
)
from node.consensus.finality import SOLE_ROUNDS, FinalityKeys, VoterSet
from node.consensus.fork_choice import ForkChoice, Route
from node.consensus.grandpa.store import VoteStore
from node.consensus.proof_threads import ProofThreads
from node.consensus.set_changes import set_change_blocks, set_change_note, set_ended_by
from node.consensus.signature_workers import SignatureWorkers
from node.consensus.signed_slots import SignedSlots
from node.consensus.slots import Epoch, SlotClaim
from node.consensus.twins import KeySignsElsewhere, TwinWatch
from node.consensus.verification import check_header, slot_of
from node.database import (
    BlockId,
    BlockRefused,
    ChainDatabase,
    PreparedState,
    StateDiscarded,
    UnknownBlock,
)
from node.runtime import CessRuntime, runtime_at
from node.txpool.pool import Transaction
from pallets.frame.executive import Executive
from pallets.frame.inherent import InherentData
from primitives.errors import CessError, InvalidBlock
from primitives.grandpa import Block
from primitives.header import Header
from primitives.justification import (
    GrandpaJustification,
    InvalidJustification,
    verify_justification,
)
from primitives.types import Hash

__all__ = [
    "EQUIVOCATIONS_MAX",
    "JUSTIFICATION_PERIOD",
    "ROUTE_MAX",
    "Chain",
    "Finality",
    "Imported",
    "Route",
    "SetChangeFirst",
    "SlotMissed",
]

log = structlog.get_logger("chain")

ROUTE_MAX: Final = 4096
EQUIVOCATIONS_MAX: Final = 64
VOTERS_MAX: Final = 64
"""Sets of voters that are kept by the block that they follow."""

JUSTIFICATION_PERIOD: Final = 512
"""Justifications of blocks at multiples of this height are kept for ever, those of blocks that
change the voters, and those of so many of the last final blocks."""

NO_ROUTE: Final = Route((), ())


class SlotMissed(CessError):  # noqa: N818  a fact
    """A block was not ready while its slot lasted."""


class SetChangeFirst(CessError):  # noqa: N818  a fact
    """A block below must be final first, because its finality changes who votes."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A block that is now in the database; ``finalized`` are newly final ones in order.

    Not ``is_new``: it was there, and became the best one because the best one before is not upon
    what is final now.
    """

    header: Header
    hash: Hash
    is_best: bool
    route: Route
    finalized: tuple[Hash, ...]
    is_new: bool = True


@dataclass(frozen=True, slots=True)
class Finality:
    """Blocks that became final, in order, and the block that is best since then, if others were."""

    hashes: tuple[Hash, ...] = ()
    led: Imported | None = None


class Chain:
    """See the module's text."""

    def __init__(
        self,
        database: ChainDatabase,
        keys: FinalityKeys,
        *,
        finalizes: bool,
        verifier: SignatureWorkers | None = None,
        proofs: ProofThreads | None = None,
        signed: SignedSlots | None = None,
        votes: VoteStore | None = None,
        twins: TwinWatch | None = None,
    ) -> None:
        """``signed`` remembers what was authored; None where nothing is authored in earnest.

        ``finalizes``: where the local keys are more than two thirds, they finalise each best block,
        and ``votes`` remembers which. ``twins`` hears of blocks, and forbids to sign.
        """
        self.database = database
        self.signed = signed
        self.twins = twins
        self._votes = votes
        self._is_refusal_told = False
        self.verifier = verifier or SignatureWorkers()
        self.proofs = proofs or ProofThreads()
        self.finality_keys = keys
        self._finalizes = finalizes
        self._voters: OrderedDict[Hash, VoterSet] = OrderedDict()
        self._watch = EquivocationWatch()
        self._siblings = SiblingLimit()
        self._newest: tuple[Hash, Header] | None = None
        """What was inserted last: the next block is mostly upon it."""
        self.equivocations: deque[BlockEquivocation] = deque(maxlen=EQUIVOCATIONS_MAX)
        """Found and not taken yet."""
        self.lock = RLock()
        """Held while ``forks`` changes, and while it is read by others than the writer."""
        genesis = self.runtime(database.best().hash)
        self.slot_duration_ms = int(genesis.babe.config.expected_block_time)
        self.reload()

    def reload(self) -> None:
        """Look at the database anew: at the start, and after others wrote to it."""
        forks = ForkChoice(self.database.finalized())
        best = self.database.best()
        line = []
        for number in range(forks.root.number + 1, best.number + 1):
            hash_ = self.database.canonical_hash(number)
            assert hash_ is not None, "because the index leads to the best block"
            line.append(hash_)
        # The best chain first, so that of equals it stays the first seen.
        for hash_ in line:
            self._add(forks, hash_, self.header(hash_))
        waiting = list(self.database.children(forks.root.hash))
        while waiting:
            hash_ = waiting.pop()
            if hash_ not in forks:
                self._add(forks, hash_, self.header(hash_))
            waiting.extend(self.database.children(hash_))
        with self.lock:
            self.forks = forks
            self._voters.clear()
        if forks.best.hash != best.hash:
            self.database.set_best(forks.best.hash)

    @staticmethod
    def _add(forks: ForkChoice, hash_: Hash, header: Header) -> None:
        change = set_change_of(header)
        forks.add(
            hash_,
            header.parent_hash,
            changes_set=change is not None and not change.is_forced,
            forces_set=change is not None and change.is_forced,
        )

    # Reading.

    def runtime(self, hash_: Hash) -> CessRuntime:
        """The runtime over the state after this block."""
        return runtime_at(self.database.state_at(hash_))

    def header(self, hash_: Hash) -> Header:
        """The header of a block that must be known."""
        found = self.database.header(hash_)
        if found is None:
            raise UnknownBlock(f"block 0x{hash_.hex()} is not in the database", hash_)
        return found

    def best_header(self) -> Header:
        """The header of the best block."""
        return self.header(self.database.best().hash)

    def epoch_after(self, parent: Header, slot: int) -> Epoch:
        """The epoch that ``slot`` is in, for a block upon ``parent``."""
        return epoch_for(self.runtime(parent.hash()), slot)

    def voters_for(self, parent: Hash) -> VoterSet:
        """Who finalises a child of ``parent``. Raises: UnknownBlock, StateDiscarded."""
        with self.lock:
            found = self._voters.get(parent)
        if found is None:
            found = voters_of(self.runtime(parent))
            self._keep_voters(parent, found)
        return found

    def _keep_voters(self, parent: Hash, voters: VoterSet) -> None:
        with self.lock:
            self._voters[parent] = voters
            if len(self._voters) > VOTERS_MAX:
                self._voters.popitem(last=False)

    def voting_set(self) -> tuple[VoterSet, BlockId]:
        """Who votes now, and the block that they vote upon: the final one, or one that forces them.

        Raises: StateDiscarded.
        """
        with self.lock:
            base = self.forks.last_forced(self.forks.best.hash) or self.forks.root
        return self.voters_for(base.hash), base

    def set_change_blocks(self) -> dict[int, Hash]:
        """The blocks whose finality ended a set of voters, by the set's number, in order."""
        return {at: block.hash for at, block in set_change_blocks(self.database).items()}

    def set_ended_by(self, set_id: int) -> BlockId | None:
        """The final block that ended this set; None while it votes."""
        return set_ended_by(self.database, set_id)

    def finalizes_alone(self, voters: VoterSet) -> bool:
        """Whether this node finalises its best blocks without asking anybody."""
        return self._finalizes and self.finality_keys.can_finalize(voters)

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
            KeySignsElsewhere: somebody else signs with keys of this node.
        """

        def check_time() -> None:
            if is_over():
                raise SlotMissed(f"slot {claim.slot} is over: its block is given up")

        def may_seal() -> None:
            check_time()
            if self.twins is not None and self.twins.twin is not None:
                raise KeySignsElsewhere(self.twins.twin)
            if self.signed is not None:
                self.signed.claim(claim.slot)

        check_time()
        runtime = self.runtime(parent.hash())
        built = build_block(
            self.database,
            runtime,
            parent,
            claim,
            transactions,
            now_ms=now_ms,
            is_late=is_late,
            may_seal=may_seal,
            verifier=self.verifier,
            proofs=self.proofs,
        )
        after = voters_of(runtime)
        check_set_change(built.header, self.voters_for(built.header.parent_hash), after)
        self._keep_voters(built.header.hash(), after)
        self._note(claim.slot, claim.pair.public, built.header)
        if self.twins is not None:
            self.twins.signed(bytes(built.header.hash()))
        return built, self._insert(built.header, built.body, built.state)

    def import_block(
        self,
        header: Header,
        body: Sequence[bytes],
        *,
        now_ms: int,
        justification: bytes | None = None,
        is_built_upon: bool = False,
        is_deferred: bool = False,
    ) -> Imported:
        """Check, execute and keep somebody's block, and finalise it if it comes with a proof.

        ``is_built_upon``: a block upon it is known. ``is_deferred``: a crash may lose it until the
        database is settled, and nobody may be told of it before.

        Raises:
            UnknownBlock: its parent is not known.
            BlockRefused: its author made several for the slot, and nothing says that it is needed.
            InvalidBlock: it breaks a rule, or contradicts what is final.
            InvalidJustification: the proof that it is final proves nothing; it is not imported.
        """
        hash_ = header.hash()
        if self.database.header(hash_) is not None:
            return Imported(header, hash_, False, NO_ROUTE, (), is_new=False)
        parent = self._parent(header.parent_hash)
        final = self.database.finalized().number
        if header.number <= final or header.parent_hash not in self.forks:
            raise InvalidBlock(f"block {header.number} is not above the finalised block at {final}")
        runtime = self.runtime(header.parent_hash)
        epoch = epoch_for(runtime, slot_of(header))
        checked = check_header(
            header, parent, epoch, now_ms=now_ms, duration_ms=self.slot_duration_ms
        )
        slot, author = checked.sealed.slot, epoch.authorities[checked.sealed.authority_index]
        self._note(slot, author, header)
        if self.twins is not None:
            self.twins.saw_block(slot, author, bytes(hash_))
        voters = self.voters_for(header.parent_hash)
        if justification is not None:
            self._check_justification(header, hash_, justification, voters)
        elif not is_built_upon and not self._siblings.takes(slot, author, hash_):
            raise BlockRefused(
                f"0x{author.hex()} made {SIBLINGS_MAX} blocks for slot {slot} already; one more is "
                "taken once somebody builds upon it"
            )
        runtime.babe.note_checked(checked.sealed.claim, checked.output)
        self.proofs.begin(runtime)(body)
        executive = Executive(runtime, verifier=self.verifier, expect=self.verifier.expect)
        executive.check_inherents(body, InherentData(now_ms, slot_of(header)))
        changes = executive.execute_block(header, body)
        after = voters_of(runtime)
        check_set_change(header, voters, after)
        state = self.database.prepare(header.parent_hash, changes)
        if state.root != header.state_root:
            raise InvalidBlock(
                f"executing block {header.number} gives the state root 0x{state.root.hex()}, "
                f"its header says 0x{header.state_root.hex()}"
            )
        self._keep_voters(hash_, after)
        return self._insert(header, body, state, justification, is_deferred=is_deferred)

    def _parent(self, hash_: Hash) -> Header:
        newest = self._newest
        if newest is not None and newest[0] == hash_ and hash_ in self.forks:
            return newest[1]
        return self.header(hash_)

    def _note(self, slot: int, author: bytes, header: Header) -> None:
        found = self._watch.note(slot, author, header)
        if found is not None:
            self.equivocations.append(found)

    def _insert(
        self,
        header: Header,
        body: Sequence[bytes],
        state: PreparedState,
        justification: bytes | None = None,
        *,
        is_deferred: bool = False,
    ) -> Imported:
        hash_, parent = header.hash(), header.parent_hash
        before = self.forks.best.hash
        is_alone = False
        leads = self.forks.would_lead(parent)
        waits = self.forks.first_change(parent) is not None
        if leads and not waits and self._finalizes and justification is None:
            justification = self._justify(header, hash_)
            is_alone = justification is not None
        self.database.import_block(
            header,
            body,
            state,
            justification=justification,
            is_best=leads,
            is_deferred=is_deferred,
        )
        self._newest = hash_, header
        with self.lock:
            self._add(self.forks, hash_, header)
        route = self._route(before, hash_) if leads else NO_ROUTE
        if justification is None or waits:
            return Imported(header, hash_, leads, route, ())
        block = BlockId(hash_, int(header.number))
        finality = self._finalize(block, justification)
        if is_alone:
            self._remember(block)
        if finality.led is not None:
            leads, route = True, finality.led.route
        return Imported(header, hash_, leads, route, finality.hashes)

    def _route(self, old: Hash, new: Hash) -> Route:
        route = self.forks.route(old, new)
        return Route(route.retracted[:ROUTE_MAX], route.enacted[-ROUTE_MAX:])

    # Finality.

    def import_justification(self, hash_: Hash, justification: bytes) -> Finality:
        """Finalise a block for which somebody has a justification.

        Raises:
            UnknownBlock: the block is not known.
            DecodeError, InvalidJustification: it proves nothing.
            SetChangeFirst: a block below changes the voters, and is not final yet.
        """
        header = self.header(hash_)
        number, final = int(header.number), self.database.finalized()
        if number <= final.number and self.database.justification(hash_) is not None:
            return Finality()
        try:
            voters = self.voters_for(header.parent_hash)
        except (StateDiscarded, UnknownBlock):
            if number <= final.number:
                return Finality()  # what is final needs no proof, and this one cannot be checked
            raise
        self._check_justification(header, hash_, justification, voters)
        if number <= final.number:
            self.database.put_justification(hash_, justification)
            return Finality()
        return self._finalize(BlockId(hash_, number), justification)

    @staticmethod
    def _check_justification(
        header: Header, hash_: Hash, justification: bytes, voters: VoterSet
    ) -> None:
        found = GrandpaJustification.decode(justification)
        if found.commit.target_hash != hash_ or found.commit.target_number != header.number:
            raise InvalidJustification(
                f"the justification is for another block than 0x{hash_.hex()}"
            )
        verify_justification(found, [key for key, _ in voters.authorities], voters.set_id)

    def _finalize(self, block: BlockId, justification: bytes) -> Finality:
        """Make ``block`` final, by a justification that was checked; it is above what is final."""
        change = self.forks.first_change(block.hash)
        if change is not None and change.hash != block.hash:
            raise SetChangeFirst(
                f"block {block.number} is not final before block {change.number}, whose finality "
                "changes the voters"
            )
        notes: Mapping[bytes, bytes] = {}
        if change is not None:
            ended = self.voters_for(self.header(block.hash).parent_hash).set_id
            notes = set_change_note(ended, block)
        before, best = self.forks.best, self.forks.best_containing(block.hash)
        led = None
        if best.hash != before.hash:
            route = self._route(before.hash, best.hash)
            led = Imported(self.header(best.hash), best.hash, True, route, (), is_new=False)
            self.database.set_best(best.hash)
        outcome = self.database.finalize(
            block.hash, justification, notes=notes, unneeded=self._unneeded(block.number)
        )
        with self.lock:
            self.forks.finalize(block.hash)
        return Finality(outcome.finalized, led)

    def _unneeded(self, final: int) -> list[Hash]:
        """Blocks whose justifications prove nothing that later ones do not, once this is final."""
        first = self.database.finalized().number - JUSTIFICATION_PERIOD
        found = []
        for number in range(max(first, 1), final - JUSTIFICATION_PERIOD):
            hash_ = self.database.canonical_hash(number)
            if hash_ is None or number % JUSTIFICATION_PERIOD == 0:
                continue
            if self.database.justification(hash_) is None:
                continue
            change = set_change_of(self.header(hash_))
            if change is None or change.is_forced:
                found.append(hash_)
        return found

    # Finality by the local keys.

    def _justify(self, header: Header, hash_: Hash) -> bytes | None:
        """A proof by the local keys that a block is final, if they may make it alone."""
        voters = self.voters_for(header.parent_hash)
        if not self.finality_keys.can_finalize(voters):
            return None
        if self.twins is not None and self.twins.twin is not None:
            return None
        if not self._continues_ours(BlockId(hash_, int(header.number)), header.parent_hash):
            return None
        return self.finality_keys.justify(header, hash_, voters)

    def _continues_ours(self, block: BlockId, parent: Hash) -> bool:
        """Whether ``block`` is, or is upon, what the local keys finalised last."""
        last = None if self._votes is None else self._votes.alone
        if last is None or (block.hash, block.number) == last:
            return True
        if block.number > last.number and self._ancestor(parent, last.number) in (last.hash, None):
            return True
        if not self._is_refusal_told:
            self._is_refusal_told = True
            log.error(
                f"the keys of this node made block {last.number} (0x{last.hash.hex()}) final, and "
                "it is not on this chain: nothing is made final before it is. Fetch the chain from "
                "a node that has it; only if none has, and nobody relies on it, begin anew with "
                "`cess node purge-chain --forget-final`"
            )
        return False

    def _ancestor(self, head: Hash, number: int) -> Hash | None:
        """The block at this height on the way to ``head``; None if that is not kept here."""
        if number <= self.forks.root.number:
            return self.database.canonical_hash(number)
        return self.forks.ancestor_at(head, number)

    def _remember(self, block: BlockId) -> None:
        """The local keys made ``block`` final: that is on disk before anybody is told."""
        if self._votes is not None:
            self._votes.note_alone(Block(bytes(block.hash), block.number))

    def _remember_final(self) -> None:
        """The same for the final block of the database: a crash may have come in between."""
        final = self.database.finalized()
        raw = self.database.justification(final.hash)
        if raw is not None and GrandpaJustification.decode(raw).round >= SOLE_ROUNDS:
            self._remember(final)

    def finalize_best(self) -> tuple[Hash, ...]:
        """Finalise the best block if the local keys can: after a crash between import and this."""
        if self._finalizes:
            self._remember_final()
        found: list[Hash] = []
        while self._finalizes:
            best = self.forks.best
            block = self.forks.first_change(best.hash) or best
            if block.number <= self.database.finalized().number:
                break
            justification = self._justify(self.header(block.hash), block.hash)
            if justification is None:
                break
            found += self._finalize(block, justification).hashes
            self._remember(block)
        return tuple(found)
