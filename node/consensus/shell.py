"""The loop that authors: waits for slots, builds in the writer's thread, announces.

One limiter with one place guards all writing to the database, so imports and authoring never meet.
While a chain is fetched, several blocks are synced to disk at once; they are told of after that, in
the order of their imports, at most ``DEFERRED_MS_MAX`` later than without.

Of several authors, who won a slot comes first: its secondary author waits for a part of the slot,
and leaves it if a block has come. While the chain is being fetched nothing is authored.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

import structlog
import trio

from node.consensus.announcements import Announcements, Finalized
from node.consensus.authorship import BuiltBlock
from node.consensus.chain import Chain, Finality, Imported, SlotMissed
from node.consensus.equivocations import BlockEquivocation
from node.consensus.slots import (
    MS_PER_S,
    SlotClaim,
    SlotCore,
    SlotWait,
    claim_slot,
    slot_start,
)
from node.consensus.twins import KeySignsElsewhere
from node.consensus.verification import slot_of
from node.database import DatabaseClosed, DatabaseFailed
from node.logging import short_hash
from node.runtime import RuntimeNotKnown
from node.txpool.pool import Transaction
from primitives.crypto.keys import KeyPair
from primitives.digest import Primary
from primitives.errors import CessError, StorageCorrupt
from primitives.header import Header
from primitives.keystore import Keystore
from primitives.types import BABE_KEY_TYPE, Hash

__all__ = [
    "DEFERRED_MS_MAX",
    "AuthoringKeys",
    "ChainWriter",
    "Conditions",
    "Turn",
    "author_blocks",
    "now_ms",
]

log = structlog.get_logger("babe")

T = TypeVar("T")

FINALITY_PAUSE_S: Final = 0.25
"""From telling of a block to telling that it is final.

Wallets fetch the events of a block when they hear of it, and drop that answer if the next status
overtakes it; @polkadot/api would never report inclusion.
"""

FATAL: Final = (StorageCorrupt, DatabaseFailed, DatabaseClosed, RuntimeNotKnown)
"""Failures that no later slot cures: the node stops and says so."""

FINALITY_QUEUE_MAX: Final = 1024

DEFERRED_MS_MAX: Final = 1_000
"""How long a block waits to be synced with others, and one import longer."""

News: TypeAlias = Imported | Finality

BEHIND_SLOTS: Final = 2
"""Slots by which the chain may be ahead of the clock before the operator is told."""

SECONDARY_DELAY: Final = (1, 4)
"""The part of a slot for which its secondary author waits for a primary one's block."""

RETRY_S: Final = 1.0
"""Pause after a slot that failed."""


def now_ms() -> int:
    """The wall clock in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class AuthoringKeys:
    """The authoring keys of this node: the keystore's, and those of ``--alice`` and its like."""

    def __init__(self, keystore: Keystore | None, extra: Iterable[KeyPair] = ()) -> None:
        self._keystore = keystore
        self._pairs = {pair.public: pair for pair in extra}

    def publics(self) -> frozenset[bytes]:
        """All public keys; keys inserted while the node runs count too."""
        found = () if self._keystore is None else self._keystore.public_keys(BABE_KEY_TYPE)
        return frozenset((*self._pairs, *found))

    def pairs(self, publics: Iterable[bytes]) -> tuple[KeyPair, ...]:
        """The pairs of those of ``publics`` that are this node's."""
        own = self.publics()
        found = (self.pair(public) for public in publics if public in own)
        return tuple(pair for pair in found if pair is not None)

    def pair(self, public: bytes) -> KeyPair | None:
        """The pair of a public key."""
        found = self._pairs.get(public)
        if found is None and self._keystore is not None:
            found = self._keystore.pair(BABE_KEY_TYPE, public)
            if found is not None:
                self._pairs[public] = found
        return found


@dataclass(frozen=True, slots=True)
class Turn:
    """A slot that is this node's; ``has_others``: some of the epoch's authors are elsewhere."""

    claim: SlotClaim
    has_others: bool

    @property
    def is_secondary(self) -> bool:
        """Whether somebody else may have won the slot."""
        return not isinstance(self.claim.pre_digest, Primary)


@dataclass(frozen=True, slots=True)
class Conditions:
    """When to leave slots empty, and to others."""

    is_major_syncing: Callable[[], bool] = lambda: False
    """Blocks upon an old block help nobody."""
    is_offline: Callable[[], bool] = lambda: False
    """Where there are other authors, a chain of one's own only has to be left again."""
    is_forced: bool = False
    """Author without peers all the same."""


class ChainWriter:
    """The writing half of the chain for the loop: one call at a time, in a thread."""

    def __init__(
        self,
        chain: Chain,
        announcements: Announcements,
        report: Callable[[BlockEquivocation], None] = lambda _found: None,
    ) -> None:
        """``report`` is told of authors that made two blocks for one slot."""
        self.chain = chain
        self._announcements = announcements
        self._report = report
        self._limiter = trio.CapacityLimiter(1)
        self._final, self._pending_final = trio.open_memory_channel[tuple[float, Finalized]](
            FINALITY_QUEUE_MAX
        )
        self._told_at = float("-inf")
        """When the last block was told of."""
        self._unsettled: deque[News] = deque()
        """What happened and is not on disk; no more than the database lets wait."""
        self._unsettled_since = 0.0
        self._settled: deque[News] = deque()
        """What is on disk and not told of."""
        self.constructed_count = 0
        self.constructed_seconds = 0.0
        """Of building; importing what was built counts as import."""
        self.proposed_count = 0
        self.import_count = 0
        self.import_seconds = 0.0

    async def import_block(
        self,
        header: Header,
        body: tuple[bytes, ...],
        *,
        justification: bytes | None = None,
        is_built_upon: bool = False,
        is_deferred: bool = False,
    ) -> Imported:
        """Import somebody's block; returns once it is synced to disk and announced.

        ``is_deferred``: that may come later; the caller goes on, or calls ``settle``.

        Raises: what ``Chain.import_block`` and, for a known block, ``import_justification`` do.
        """
        started = trio.current_time()
        try:
            imported = await self._write(
                lambda: self.chain.import_block(
                    header,
                    body,
                    now_ms=now_ms(),
                    justification=justification,
                    is_built_upon=is_built_upon,
                    is_deferred=is_deferred,
                ),
                lambda done: done if done.is_new else None,
            )
        finally:
            while self.chain.equivocations:
                self._report(self.chain.equivocations.popleft())
        if not imported.is_new:
            if justification is not None:
                await self.import_justification(imported.hash, justification)
            return imported
        self.import_count += 1
        self.import_seconds += trio.current_time() - started
        self._tell()
        waited_ms = (time.monotonic() - self._unsettled_since) * MS_PER_S
        if self._unsettled and waited_ms >= DEFERRED_MS_MAX:
            await self.settle()
        return imported

    async def settle(self) -> None:
        """All that was imported is synced to disk and announced when this returns."""
        if self._unsettled or not self.chain.database.is_settled:
            await self._write(self.chain.database.settle, lambda _: None)
        self._tell()

    async def _write(self, work: Callable[[], T], news: Callable[[T], News | None]) -> T:
        """Do ``work`` while nothing else writes; ``news`` says what to tell of it."""

        def run() -> T:
            result = work()
            found = news(result)
            if found is not None:
                if not self._unsettled:
                    self._unsettled_since = time.monotonic()
                self._unsettled.append(found)
            if self.chain.database.is_settled:
                while self._unsettled:
                    self._settled.append(self._unsettled.popleft())
            return result

        return await trio.to_thread.run_sync(run, limiter=self._limiter)

    async def import_justification(self, hash_: Hash, justification: bytes) -> tuple[Hash, ...]:
        """Finalise a block by somebody's proof; what became final, in order.

        Raises: what ``Chain.import_justification`` does.
        """
        finality = await self._write(
            lambda: self.chain.import_justification(hash_, justification), lambda done: done
        )
        self._tell()
        return finality.hashes

    async def exclusively(self, work: Callable[[], T]) -> T:
        """Do ``work`` on the database while nothing else writes; the chain looks at it anew."""

        def run() -> T:
            result = work()
            self.chain.reload()
            return result

        result = await self._write(run, lambda _: None)
        self._tell()
        return result

    def _tell(self) -> None:
        """Announce what is on disk, in the order in which it was written."""
        while self._settled:
            found = self._settled.popleft()
            if isinstance(found, Imported):
                self._announcements.tell(found)
                self._told_at = trio.current_time()
                self._announce_final(found.finalized)
                continue
            if found.led is not None:
                self._announcements.tell(found.led)
            self._announce_final(found.hashes)

    def _announce_final(self, hashes: tuple[Hash, ...]) -> None:
        if not hashes:
            return
        event = Finalized(hashes)
        try:
            self._final.send_nowait((self._told_at + FINALITY_PAUSE_S, event))
        except trio.WouldBlock:
            self._announcements.tell(event)

    async def announce_finality(self) -> None:
        """Tell of final blocks a moment after they were told of, until cancelled."""
        while True:
            due, event = await self._pending_final.receive()
            await trio.sleep_until(due)
            self._announcements.tell(event)

    async def author(
        self,
        parent: Header,
        claim: SlotClaim,
        transactions: list[Transaction],
        *,
        moment_ms: int,
        deadline_ms: int,
        end_ms: int | None = None,
    ) -> tuple[BuiltBlock, Imported]:
        """Build, seal and import a block; raises ``SlotMissed`` after ``end_ms``."""
        asked: list[float] = []

        def is_over() -> bool:  # asked before work and before sealing
            asked.append(time.perf_counter())
            return end_ms is not None and now_ms() >= end_ms

        built, imported = await self._write(
            lambda: self.chain.build(
                parent,
                claim,
                transactions,
                now_ms=moment_ms,
                is_late=lambda: now_ms() >= deadline_ms,
                is_over=is_over,
            ),
            lambda done: done[1],
        )
        self.constructed_count += 1
        self.constructed_seconds += asked[-1] - asked[0]
        self.proposed_count = len(built.included)
        self.import_count += 1
        self.import_seconds += time.perf_counter() - asked[-1]
        self._tell()
        return built, imported

    async def finalize_best(self) -> tuple[Hash, ...]:
        """Finalise what a crash left unfinalised."""
        hashes = await trio.to_thread.run_sync(self.chain.finalize_best, limiter=self._limiter)
        if hashes:
            self._announcements.tell(Finalized(hashes))
        return hashes

    async def turn(self, keys: AuthoringKeys, parent: Header, slot: int) -> Turn | None:
        """This node's part in a slot, if it has one and nobody else may be signing with its keys.

        Raises: KeySignsElsewhere.
        """

        def look() -> Turn | None:
            twins = self.chain.twins
            if twins is not None and twins.twin is not None:
                raise KeySignsElsewhere(twins.twin)
            epoch = self.chain.epoch_after(parent, slot)
            pairs = keys.pairs(epoch.authorities)
            has_others = len(pairs) < len(epoch.authorities)
            if twins is not None:
                pairs = tuple(
                    pair for pair in pairs if twins.may_sign(pair.public, is_alone=not has_others)
                )
            claim = claim_slot(slot, epoch, pairs)
            return None if claim is None else Turn(claim, has_others)

        return await trio.to_thread.run_sync(look)


async def author_blocks(
    writer: ChainWriter,
    keys: AuthoringKeys,
    ready: Callable[[], list[Transaction]],
    report_invalid: Callable[[tuple[Hash, ...]], None],
    conditions: Conditions | None = None,
) -> None:
    """Author in every slot of our own, until cancelled or until somebody else does with our keys.

    ``FATAL`` failures end it.

    A block that is not ready when its slot ends is given up. The next one then takes no
    transactions and is not given up, so a chain whose own work fills slots goes on.
    """
    signed = writer.chain.signed
    core = SlotCore(writer.chain.slot_duration_ms, -1 if signed is None else signed.last)
    author = _Author(core, writer, keys, ready, report_invalid, conditions or Conditions())
    while True:
        try:
            await author.one_slot()
            author.is_light = False
        except FATAL:
            raise
        except SlotMissed as missed:
            log.warning("a block was not ready in its slot", reason=str(missed))
            author.is_light = True
        except KeySignsElsewhere:
            # The operator was told, and nothing cures it while this process lives.
            return
        except CessError as error:
            log.error("could not author a block", reason=str(error))
            await trio.sleep(RETRY_S)


@dataclass(slots=True)
class _Author:
    core: SlotCore
    writer: ChainWriter
    keys: AuthoringKeys
    ready: Callable[[], list[Transaction]]
    report_invalid: Callable[[tuple[Hash, ...]], None]
    conditions: Conditions
    is_light: bool = False
    is_waiting: bool = False

    async def one_slot(self) -> None:
        """Wait for a slot, or author in it, or leave it."""
        core, writer = self.core, self.writer
        parent = await trio.to_thread.run_sync(writer.chain.best_header)
        slot = core.next_slot(now_ms(), slot_of(parent))
        if isinstance(slot, SlotWait):
            wait_ms = max(0, slot.until_ms - now_ms())
            if wait_ms > BEHIND_SLOTS * core.duration_ms:
                log.warning(
                    f"the clock is {wait_ms // MS_PER_S} s behind the chain: no blocks until then; "
                    "check the clock"
                )
            # Never longer than a slot, because a clock may be set right meanwhile.
            await trio.sleep(min(wait_ms, core.duration_ms) / MS_PER_S)
            return
        if self.conditions.is_major_syncing():
            log.debug("slot left: the chain is being fetched", slot=slot)
            return
        turn = await writer.turn(self.keys, parent, slot)
        if turn is None:
            return
        if turn.has_others:
            if self.conditions.is_offline() and not self.conditions.is_forced:
                if not self.is_waiting:
                    log.info("without peers no block is authored: other authors would not have it")
                self.is_waiting = True
                return
            self.is_waiting = False
            if turn.is_secondary:
                found = await self._give_way(slot)
                if found is None:
                    return
                parent, turn = found
        await self._author(parent, turn.claim, slot)

    async def _give_way(self, slot: int) -> tuple[Header, Turn] | None:
        """Let who won the slot be first; what to build upon then, None if somebody had won it."""
        numerator, denominator = SECONDARY_DELAY
        start_ms = slot_start(slot, self.core.duration_ms)
        begin_ms = start_ms + self.core.duration_ms * numerator // denominator
        await trio.sleep(max(0, begin_ms - now_ms()) / MS_PER_S)
        parent = await trio.to_thread.run_sync(self.writer.chain.best_header)
        if slot_of(parent) >= slot:
            log.debug("slot left to the block that was first", slot=slot)
            return None
        turn = await self.writer.turn(self.keys, parent, slot)
        return None if turn is None else (parent, turn)

    async def _author(self, parent: Header, claim: SlotClaim, slot: int) -> None:
        core, writer = self.core, self.writer
        number = int(parent.number) + 1
        log.debug("Starting consensus session", parent=short_hash(parent.hash()), slot=slot)
        before_s = writer.constructed_seconds
        built, imported = await writer.author(
            parent,
            claim,
            [] if self.is_light else self.ready(),
            moment_ms=core.moment_in(slot, now_ms()),
            deadline_ms=core.deadline_ms(slot),
            end_ms=None if self.is_light else core.end_ms(slot),
        )
        if built.invalid:
            self.report_invalid(built.invalid)
        spent_ms = int((writer.constructed_seconds - before_s) * MS_PER_S)
        log.info(
            f"Prepared block for proposing at {number} ({spent_ms} ms)",
            hash=short_hash(imported.hash),
            parent=short_hash(parent.hash()),
            extrinsics=len(built.body),
        )
