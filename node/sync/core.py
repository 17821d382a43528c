"""Decides what to ask of which peer, and what to import: synchronisation without I/O or a clock.

Drive it: ``receive`` an input with the time, then call ``next_effect`` until it returns None; come
back with ``Ticked`` at ``next_deadline``. Each peer is asked one thing at a time:

* where its chain and this node's part (``ancestry``), before anything is taken from it;
* if it is far ahead, ranges of a run that it shares with others who are (``runs``);
* if it is near, its blocks by hash, down to what is here: forks and news alike (``wants``);
* proofs of finality for blocks that need one and did not get it by voting.

What a header claims is looked at before its block is asked for (``Announced.slots_ahead``); all
else is checked once, at the import. What a peer sends must be what was asked, in shape and links.

Bounds under hostile peers: ``HELD_BYTES_MAX`` of blocks that wait (and one answer for each request
under way, of which bulk has ``STALLED_REQUESTS_MAX``); ``RUNS_MAX`` runs; those of ``wants``,
``orders`` and ``proofs``. A peer that fails is paused, for longer each time, until it speaks again;
one that sends a bad block is not asked again.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Protocol

from node.database import BlockId
from node.network.transport import Cost, Roles
from node.network.wire import BlockFields, BlockRequest, Direction
from node.sync.ancestry import Ancestry, AnotherChain
from node.sync.events import (
    BLOCKS_PER_REQUEST,
    Announced,
    BlockImported,
    BlocksArrived,
    Charge,
    Effect,
    Failure,
    FetchWanted,
    FinalizedTo,
    ImportBlocks,
    ImportFailed,
    ImportJustification,
    IncomingBlock,
    Input,
    JustificationRefused,
    NotAsked,
    PeerJoined,
    PeerLeft,
    RequestBlocks,
    RequestFailed,
    Ticked,
)
from node.sync.orders import Orders
from node.sync.peers import Peer
from node.sync.proofs import PROOF_PERIOD, ProofsWanted, ProofWanted
from node.sync.runs import Misfit, Range, Run
from node.sync.wants import Want, Wants
from primitives.header import Header
from primitives.types import Hash

__all__ = [
    "FUTURE_SLOTS_KEPT",
    "HELD_BYTES_MAX",
    "MAJOR_SYNC_BLOCKS",
    "PROOF_PERIOD",
    "ChainView",
    "SyncCore",
]

HELD_BYTES_MAX: Final = 64 << 20
BULK_REQUESTS_MAX: Final = 8
STALLED_MS: Final = 3_000
STALLED_REQUESTS_MAX: Final = 64
"""Bulk requests under way, counting those that are not answered for ``STALLED_MS``: peers that say
nothing take the place of others no longer than that."""
RUNS_MAX: Final = 4
FAILURES_BELIEVED_MAX: Final = 5
"""Failures in a row after which what a peer claims to have is not believed."""
FUTURE_SLOTS_KEPT: Final = 4
"""Slots by which a block may be ahead and is still fetched and kept: a clock may be off."""
MISFIT_PAUSE_MS: Final = 500
IDLE_MS: Final = 1_000
MAJOR_SYNC_BLOCKS: Final = 5
PATIENCE_MS_MAX: Final = 30_000
"""How long peers are believed that most are ahead, while nothing comes of it: anybody can claim
that, and a node that believes it neither authors nor votes."""
PATIENCE_MS_PER_BLOCK: Final = 1_000
"""What a higher block that is imported adds to that."""
PATIENCE_REGAINED: Final = 10
"""While this node is not behind, one part in so many of the time is added."""

_WHOLE: Final = BlockFields.HEADER | BlockFields.BODY | BlockFields.JUSTIFICATION


class ChainView(Protocol):
    """What the core reads of the chain; ``ChainDatabase`` has it."""

    def best(self) -> BlockId:
        """The block to build on."""
        ...

    def finalized(self) -> BlockId:
        """The last block that cannot be undone."""
        ...

    def is_known(self, block: Hash) -> bool:
        """Whether a block is here: final, or upon what is final."""
        ...

    def canonical_hash(self, number: int) -> Hash | None:
        """The block at this height on the way to the best one."""
        ...


@dataclass(slots=True)
class _Asked:
    """A question under way, for one of four reasons."""

    peer: str
    request: BlockRequest
    sent_ms: int = 0
    is_proven: bool = False
    search: Ancestry | None = None
    run: Run | None = None
    range: Range | None = None
    want: Want | None = None
    proof: ProofWanted | None = None


class SyncCore:
    """See the module's text."""

    def __init__(
        self, view: ChainView, changes_set: Callable[[Header], bool] = lambda _: False
    ) -> None:
        """``changes_set`` says whether the finality of a block changes the set of voters."""
        self._view = view
        self._changes_set = changes_set
        self._peers: dict[str, Peer] = {}
        self._runs: list[Run] = []
        self._wants = Wants()
        self._proofs = ProofsWanted()
        self._orders = Orders()
        self._asked: dict[int, _Asked] = {}
        self._effects: deque[Effect] = deque()
        self._last_id = 0
        self._now = 0
        self._is_behind = False
        self._patience_ms = float(PATIENCE_MS_MAX)
        self._highest = view.best().number

    def want_proofs(self, blocks: Iterable[BlockId]) -> None:
        """Before the start: these blocks are here, are not final, and need proofs of it."""
        for block in blocks:
            self._proofs.add(block, self._now)

    # Driving.

    def receive(self, what: Input, now_ms: int) -> None:
        """Take an input."""
        self._patience_ms = self._patience_at(now_ms)
        self._now = max(self._now, now_ms)
        match what:
            case PeerJoined():
                self._join(what)
            case PeerLeft():
                self._leave(what.peer)
            case Announced():
                self._announced(what)
            case BlocksArrived():
                self._arrived(what)
            case RequestFailed():
                self._request_failed(what)
            case BlockImported():
                self._imported(what)
            case ImportFailed():
                self._import_failed(what)
            case JustificationRefused():
                self._proof_refused(what)
            case FinalizedTo():
                self._finalized(what.block)
            case FetchWanted():
                self._fetch(what)
            case Ticked():
                self._release_early()
        self._is_behind = self._seems_behind()
        self._schedule()

    def next_effect(self) -> Effect | None:
        """The next thing to do."""
        return self._effects.popleft() if self._effects else None

    def next_deadline(self) -> int | None:
        """When to come back at the latest."""
        times = [
            peer.paused_until_ms
            for peer in self._peers.values()
            if not peer.is_bad and peer.paused_until_ms > self._now
        ]
        times += [
            asked.sent_ms + STALLED_MS + 1
            for asked in self._asked.values()
            if asked.run is not None
        ]
        firsts = [self._orders.next_ms, self._proofs.next_ms, self._wants.next_ms()]
        firsts += [run.steal_ms for run in self._runs]
        times += [first for first in firsts if first is not None]
        later = [time for time in times if time > self._now]
        if later:
            return min(later)
        return self._now + IDLE_MS if times else None

    # Looking.

    def best_seen(self) -> int:
        """The best height: of the peers' claims the upper median, lest one liar decides.

        Never lower than this node's own.
        """
        own = self._view.best().number
        claims = sorted(peer.best.number for peer in self._peers.values() if not peer.is_bad)
        return max(own, claims[len(claims) // 2]) if claims else own

    def is_major_syncing(self, now_ms: int = 0) -> bool:
        """Whether this node is more than a few blocks behind, and blocks come.

        A higher block that is here, on a fork that is not the best one, is nothing to wait for:
        else all nodes of a healed network may wait for each other. Nor are claims that nothing
        comes of: else whoever is most of a node's peers could keep it from authoring for ever.
        """
        return self._seems_behind() and self._patience_at(now_ms) > 0

    def _patience_at(self, now_ms: int) -> float:
        passed = max(0, now_ms - self._now)
        if self._is_behind:
            return max(0.0, self._patience_ms - passed)
        return min(PATIENCE_MS_MAX, self._patience_ms + passed / PATIENCE_REGAINED)

    def _seems_behind(self) -> bool:
        """Whether most peers say that their chains are longer, by blocks that are not here."""
        enough = self._view.best().number + MAJOR_SYNC_BLOCKS
        if self.best_seen() <= enough:
            return False
        believed = [peer.best for peer in self._peers.values() if not peer.is_bad]
        missing = [best.number > enough and not self._view.is_known(best.hash) for best in believed]
        return 2 * sum(missing) >= len(missing)

    def knows(self, peer: str, block: Hash) -> bool:
        """Whether this peer is known to have the block as its best one."""
        found = self._peers.get(peer)
        return found is not None and found.best.hash == block

    def statistics(self) -> dict[str, int]:
        """What it holds, for tests of its bounds and for operators."""
        return {
            "peers": len(self._peers),
            "asked": len(self._asked),
            "wants": len(self._wants),
            "ordered": len(self._orders),
            "runs": len(self._runs),
            "held_bytes": self._orders.byte_count + sum(run.held_bytes for run in self._runs),
            "early": self._orders.early_count,
            "proofs": len(self._proofs),
            "bad": self._orders.bad_count,
        }

    # Peers.

    def _join(self, what: PeerJoined) -> None:
        self._leave(what.peer)
        if Roles.LIGHT in what.roles:
            return
        self._peers[what.peer] = Peer(what.peer, what.best)

    def _leave(self, name: str) -> None:
        peer = self._peers.pop(name, None)
        if peer is None:
            return
        self._disbelieve(peer)
        if peer.request_id is not None:
            asked = self._asked.pop(peer.request_id)
            if asked.proof is not None:
                asked.proof.is_asked = False

    def _disbelieve(self, peer: Peer) -> None:
        """Nothing that came of this peer is used any more."""
        self._wants.forget(peer.name)
        if peer.run is not None:
            peer.run.forget(peer.name)
            peer.run = None

    def _charge(self, peer: str, cost: Cost) -> None:
        if peer in self._peers:
            self._effects.append(Charge(peer, cost))

    def _is_here(self, hash_: Hash) -> bool:
        """Whether a block is in the database, or on its way there."""
        return hash_ in self._orders or self._view.is_known(hash_)

    def _announced(self, what: Announced) -> None:
        peer = self._peers.get(what.peer)
        if peer is None or peer.is_bad:
            return
        block = BlockId(what.hash, int(what.header.number))
        if self._orders.is_bad(what.hash) or self._orders.is_bad(what.header.parent_hash):
            self._charge(peer.name, Cost.BAD_BLOCK)
            return
        if what.slots_ahead is None:
            self._charge(peer.name, Cost.BAD_BLOCK)
            return
        if what.slots_ahead > FUTURE_SLOTS_KEPT:
            self._charge(peer.name, Cost.UNKNOWN_ANCESTOR)
            return
        peer.spoke(self._now)
        if what.is_best:
            peer.best = block
        if self._orders.is_early(block.hash):
            return
        if self._is_here(block.hash):
            if what.is_best and block.hash not in self._orders:
                peer.share(block)
            return
        if block.number > self._view.finalized().number and self._is_near(peer, block.number):
            self._wants.add(peer.name, block, what.header.parent_hash)

    def _is_near(self, peer: Peer, number: int) -> bool:
        return (
            peer.run is None
            and peer.common is not None
            and number - peer.common.number <= BLOCKS_PER_REQUEST
        )

    def _fetch(self, what: FetchWanted) -> None:
        peer = self._peers.get(what.peer)
        if (
            peer is not None
            and not peer.is_bad
            and not self._orders.is_bad(what.block.hash)
            and what.block.number > self._view.finalized().number
            and not self._is_here(what.block.hash)
        ):
            peer.spoke(self._now)
            self._wants.add(peer.name, what.block, None)

    # Asking.

    def _schedule(self) -> None:
        for run in list(self._runs):
            self._advance(run)
        for peer in sorted(self._peers.values(), key=_failures):
            if peer.may_be_asked(self._now):
                self._work(peer, may_bulk=self._may_bulk(peer))
        self._runs = [run for run in self._runs if not run.is_over]

    def _may_bulk(self, peer: Peer) -> bool:
        """Whether one more bulk request may be under way, with this peer."""
        if len(self._asked) < BULK_REQUESTS_MAX:
            return True
        bulk = [asked for asked in self._asked.values() if asked.run is not None]
        if peer.is_proven:  # others take no place of those that bring blocks
            bulk = [asked for asked in bulk if asked.is_proven]
        young = self._now - STALLED_MS
        lively = sum(asked.sent_ms > young for asked in bulk)
        return lively < BULK_REQUESTS_MAX and len(bulk) < STALLED_REQUESTS_MAX

    def _work(self, peer: Peer, *, may_bulk: bool) -> None:
        """Ask this idle peer something useful, if there is anything."""
        if peer.common is None and not self._locate(peer):
            return
        has_room = self._orders.byte_count < HELD_BYTES_MAX
        if has_room and (self._ask_for_want(peer) or (may_bulk and self._ask_for_range(peer))):
            return
        self._ask_for_proof(peer)

    def _locate(self, peer: Peer) -> bool:
        """Find out what this peer shares with us; False while that is not known."""
        best, final = self._view.best(), self._view.finalized()
        if peer.ancestry is None:
            if self._view.is_known(peer.best.hash):
                peer.share(peer.best)
            elif best.number == 0:
                peer.share(best)
            elif peer.best.number < final.number:
                return False  # it is behind: there is nothing to ask for
            if peer.common is not None:
                return True
            top = min(best.number, peer.best.number)
            peer.ancestry = Ancestry(max(top, final.number), final.number)
        request = BlockRequest(BlockFields.HEADER, peer.ancestry.at, Direction.ASCENDING, 1)
        self._ask(peer, _Asked(peer.name, request, search=peer.ancestry))
        return False

    def _ask(self, peer: Peer, asked: _Asked) -> None:
        self._last_id += 1
        asked.sent_ms, asked.is_proven = self._now, peer.is_proven
        peer.request_id = self._last_id
        self._asked[self._last_id] = asked
        self._effects.append(RequestBlocks(self._last_id, peer.name, asked.request))

    def _ask_for_want(self, peer: Peer) -> bool:
        if peer.common != peer.best and self._is_missing(peer):
            self._wants.add(peer.name, peer.best, None)
        for want in list(self._wants.of(peer.name, self._now)):
            count = self._missing_count(peer, want)
            if count > BLOCKS_PER_REQUEST:
                want.sources.pop(peer.name)  # a run will bring it
                self._wants.failed(want, peer.name)
                continue
            want.ask(peer.name, self._now)
            request = BlockRequest(_WHOLE, want.block.hash, Direction.DESCENDING, count)
            self._ask(peer, _Asked(peer.name, request, want=want))
            return True
        return False

    def _is_missing(self, peer: Peer) -> bool:
        """Whether the best block of this peer, which is near, should be asked for."""
        hash_, number = peer.best.hash, peer.best.number
        want = self._wants.get(hash_)
        return (
            self._is_near(peer, number)
            and number > self._view.finalized().number
            and not self._orders.is_bad(hash_)
            and not self._orders.is_early(hash_)
            and (want is None or (not want.is_ordered and peer.name not in want.sources))
            and not self._is_here(hash_)
        )

    def _missing_count(self, peer: Peer, want: Want) -> int:
        """How many blocks down from the wanted one may be missing."""
        if want.parent is not None and self._is_here(want.parent):
            return 1
        assert peer.common is not None, "because it was located"
        floor = max(peer.common.number, self._view.finalized().number)
        if floor >= want.block.number:
            floor = self._view.finalized().number
        return max(1, want.block.number - floor)

    def _ask_for_range(self, peer: Peer) -> bool:
        run = peer.run or self._join_run(peer)
        if run is None:
            return False
        held = sum(each.held_bytes for each in self._runs)
        taken = run.take(
            peer.name,
            peer.best.number,
            self._now,
            has_room=held < HELD_BYTES_MAX,
            is_proven=peer.is_proven,
        )
        if taken is None:
            return False
        count = min(taken.count, peer.best.number - taken.start + 1)
        request = BlockRequest(_WHOLE, taken.start, Direction.ASCENDING, count)
        self._ask(peer, _Asked(peer.name, request, run=run, range=taken))
        return True

    def _join_run(self, peer: Peer) -> Run | None:
        """The run that goes on from what this peer shares with us, for a peer that is far ahead."""
        assert peer.common is not None, "because it was located"
        if peer.best.number - peer.common.number <= BLOCKS_PER_REQUEST:
            return None
        for run in self._runs:
            # A run upon our best chain is for all that are on it, as far as one knows.
            if run.base == peer.common or (
                not peer.is_parted
                and peer.common.number <= run.base.number < peer.best.number
                and self._is_on_best(run.base)
                and self._is_on_best(peer.common)
            ):
                break
        else:
            if len(self._runs) >= RUNS_MAX and not self._make_room(peer):
                return None
            run = Run(peer.common)
            self._runs.append(run)
        run.members[peer.name] = None
        peer.run = run
        return run

    def _make_room(self, peer: Peer) -> bool:
        """A run that nobody helps on makes room for a peer that did not fail yet."""
        if peer.failures:
            return False
        for run in self._runs:
            if run.tip == run.base and all(self._peers[name].failures for name in run.members):
                for name in list(run.members):
                    self._leave_run(self._peers[name])
                self._runs.remove(run)
                return True
        return False

    def _is_on_best(self, block: BlockId) -> bool:
        return self._view.canonical_hash(block.number) == block.hash

    def _ask_for_proof(self, peer: Peer) -> None:
        proof = self._proofs.take(peer.name, peer.best.number, self._now)
        if proof is not None:
            fields = BlockFields.HEADER | BlockFields.JUSTIFICATION
            request = BlockRequest(fields, proof.block.hash, Direction.ASCENDING, 1)
            self._ask(peer, _Asked(peer.name, request, proof=proof))

    # Answers.

    def _take(self, request_id: int) -> tuple[Peer, _Asked] | None:
        asked = self._asked.pop(request_id, None)
        if asked is None:
            return None
        peer = self._peers[asked.peer]
        peer.request_id = None
        if asked.proof is not None:
            asked.proof.is_asked = False
        return peer, asked

    def _request_failed(self, what: RequestFailed) -> None:
        found = self._take(what.request_id)
        if found is None:
            return
        cost = {
            NotAsked.TIMED_OUT: Cost.TIMED_OUT,
            NotAsked.REFUSED: Cost.NOT_ANSWERED,
            NotAsked.MALFORMED: Cost.BAD_MESSAGE,
        }[what.reason]
        self._fail(*found, cost)

    def _fail(self, peer: Peer, asked: _Asked, cost: Cost) -> None:
        """A peer did not bring what it was asked for."""
        self._charge(peer.name, cost)
        peer.pause(self._now)
        peer.is_proven = False
        if asked.run is not None:
            self._leave_run(peer)
        if asked.want is not None:
            self._wants.failed(asked.want, peer.name)
        if peer.failures >= FAILURES_BELIEVED_MAX and peer.common is not None:
            peer.best = peer.common  # until it announces something

    def _arrived(self, what: BlocksArrived) -> None:
        found = self._take(what.request_id)
        if found is None:
            return
        peer, asked = found
        if not _fits(asked.request, what.blocks):
            self._fail(peer, asked, Cost.UNASKED)
        elif not what.blocks:
            self._nothing(peer, asked)
        else:
            peer.answered()
            if asked.search is not None:
                self._search_answered(peer, asked.search, what.blocks[0])
            elif asked.range is not None and asked.run is not None:
                peer.is_proven = True
                asked.run.arrived(asked.range, peer.name, what.blocks)
            elif asked.want is not None:
                self._want_arrived(peer, asked.want, what.blocks)
            elif asked.proof is not None:
                self._proof_arrived(peer, asked.proof, what.blocks[0])

    def _nothing(self, peer: Peer, asked: _Asked) -> None:
        """It has nothing of what it claimed, so its claim is not believed until the next one."""
        if asked.proof is not None:
            peer.answered()  # not every peer has every proof
            return
        self._fail(peer, asked, Cost.NOT_ANSWERED)
        if asked.want is None or asked.want.block.hash == peer.best.hash:
            self._leave_run(peer)
            peer.ancestry = None
            peer.best = peer.common or self._view.finalized()

    def _leave_run(self, peer: Peer) -> None:
        if peer.run is not None:
            peer.run.leave(peer.name)
            peer.run = None

    def _search_answered(self, peer: Peer, search: Ancestry, block: IncomingBlock) -> None:
        if search is not peer.ancestry:
            return  # finality went on meanwhile
        is_shared = self._view.is_known(block.hash)
        if block.number == self._view.finalized().number:
            is_shared = block.hash == self._view.finalized().hash
        try:
            common = search.answered(block.id, is_shared=is_shared)
        except AnotherChain:
            self._charge(peer.name, Cost.UNKNOWN_ANCESTOR)
            peer.ancestry = None
            peer.stray(self._now)
            return
        if common is not None:
            peer.share(common, is_parted=search.parted is not None)

    def _want_arrived(self, peer: Peer, want: Want, blocks: tuple[IncomingBlock, ...]) -> None:
        want.asked.pop(peer.name, None)
        if want.is_ordered or self._wants.get(want.block.hash) is not want:
            return  # it came from elsewhere meanwhile
        for at, block in enumerate(blocks):
            if self._orders.is_bad(block.hash):
                self._blame(peer, want.block.hash, Cost.BAD_BLOCK)
                return
            if self._is_here(block.header.parent_hash):
                chain = tuple(
                    each for each in reversed(blocks[: at + 1]) if not self._is_here(each.hash)
                )
                want.is_ordered = True
                self._order(peer.name, chain, None)
                return
        self._wants.failed(want, peer.name)
        if blocks[-1].number <= self._view.finalized().number + 1:
            self._charge(peer.name, Cost.UNKNOWN_ANCESTOR)
            peer.stray(self._now)
        peer.share(None)

    def _order(
        self,
        peer: str,
        blocks: tuple[IncomingBlock, ...],
        run: Run | None,
        *,
        was_early: bool = False,
    ) -> None:
        if not blocks:
            return
        useful = tuple(
            block if self._needs_proof(block, is_last=block is blocks[-1]) else _bare(block)
            for block in blocks
        )
        self._orders.add(peer, useful, run, was_early=was_early)
        self._effects.append(ImportBlocks(peer, useful))

    def _needs_proof(self, block: IncomingBlock, *, is_last: bool) -> bool:
        """Whether the proof that it is final is worth checking: not in every block."""
        return block.justification is not None and (
            is_last or block.number % PROOF_PERIOD == 0 or self._changes_set(block.header)
        )

    def _advance(self, run: Run) -> None:
        """Hand on what a run has in order."""
        while True:
            try:
                found = run.hand_on()
            except Misfit as misfit:
                self._misfit(run, misfit.origin)
                return
            if found is None:
                return
            origin, blocks = found
            self._order(origin, blocks, run)

    def _misfit(self, run: Run, name: str) -> None:
        """What this member sent does not follow what another sent: it may be on another fork."""
        peer = self._peers.get(name)
        if peer is not None:
            run.forget(name)
            if peer.run is run:  # it may be a member of another one by now
                peer.run = None
            peer.share(None)
            peer.paused_until_ms = self._now + MISFIT_PAUSE_MS

    # Importing.

    def _imported(self, what: BlockImported) -> None:
        block = BlockId(what.hash, what.number)
        ordered = self._orders.done(what.hash)
        self._wants.drop(what.hash)
        if what.is_best and what.number > self._highest:
            self._highest = what.number
            self._patience_ms = min(PATIENCE_MS_MAX, self._patience_ms + PATIENCE_MS_PER_BLOCK)
        if ordered is not None and ordered.run is not None:
            self._run_imported(ordered.run, block)
        elif ordered is not None:
            self._charge(ordered.peer, Cost.USEFUL_BLOCK)
        for peer in self._peers.values():
            if peer.best.hash == block.hash:
                peer.share(block)
                if peer.run is not None and peer.run.base.number >= block.number:
                    self._leave_run(peer)
        needs_proof = what.changes_set or what.number % PROOF_PERIOD == 0
        if needs_proof and what.number > self._view.finalized().number:
            self._proofs.add(block, self._now)

    def _run_imported(self, run: Run, block: BlockId) -> None:
        run.imported(block)
        for name in list(run.members):
            peer = self._peers[name]
            if peer.common is None or peer.common.number < block.number:
                peer.share(block)
            if peer.best.number <= block.number:
                self._leave_run(peer)

    def _import_failed(self, what: ImportFailed) -> None:
        ordered = self._orders.failed(what.hash)
        if ordered is None:
            return
        peer = self._peers.get(ordered.peer)
        match what.kind:
            case Failure.BAD:
                self._orders.remember_bad(what.hash)
                if peer is not None:
                    self._blame(peer, what.hash, Cost.BAD_BLOCK)
            case Failure.UNKNOWN_PARENT:
                if peer is not None:
                    self._charge(peer.name, Cost.UNKNOWN_ANCESTOR)
                    self._leave_run(peer)
                    peer.share(None)
                    peer.pause(self._now)
            case Failure.BAD_PROOF:
                if peer is not None:
                    self._blame(peer, what.hash, Cost.BAD_JUSTIFICATION)
            case Failure.FUTURE if ordered.run is not None:
                # No honest peer has a long chain of slots to come, unless this node's clock is off.
                if peer is not None:
                    self._charge(peer.name, Cost.UNKNOWN_ANCESTOR)
                    self._leave_run(peer)
                    peer.stray(self._now)
            case Failure.FUTURE:
                self._wants.drop(what.hash)
                self._orders.put_off(ordered, self._now)
            case Failure.REFUSED:
                for each in self._peers.values():
                    if each.run is ordered.run and ordered.run is not None:
                        each.pause(self._now)
                if peer is not None and ordered.run is None:
                    peer.pause(self._now)
        self._revive_wants()
        if ordered.run is not None:
            ordered.run.restart(ordered.run.base)

    def _revive_wants(self) -> None:
        """Wants whose block was in a batch that broke off are open again."""
        for hash_ in self._wants.hashes():
            want = self._wants.get(hash_)
            if want is not None and want.is_ordered and hash_ not in self._orders:
                self._wants.reopen(want)

    def _blame(self, peer: Peer, hash_: Hash, cost: Cost) -> None:
        self._charge(peer.name, cost)
        self._wants.drop(hash_)
        peer.is_bad = True
        self._disbelieve(peer)

    def _release_early(self) -> None:
        for early in self._orders.take_due(self._now):
            if not self._is_here(early.block.hash):
                self._order(early.peer, (early.block,), None, was_early=True)

    # Finality.

    def _proof_arrived(self, peer: Peer, proof: ProofWanted, block: IncomingBlock) -> None:
        if block.justification is not None and self._proofs.tried(proof, self._now):
            self._effects.append(ImportJustification(peer.name, proof.block, block.justification))

    def _proof_refused(self, what: JustificationRefused) -> None:
        self._proofs.refused(what.hash, self._now)
        if what.peer is not None:
            self._charge(what.peer, Cost.BAD_JUSTIFICATION)

    def _finalized(self, block: BlockId) -> None:
        self._wants.drop_to(block.number)
        self._proofs.drop_to(block.number)
        self._orders.drop_to(block.number)
        for peer in self._peers.values():
            common = peer.common
            if (
                common is not None
                and common.number <= block.number
                and not self._view.is_known(common.hash)
            ):
                peer.share(None)
            if peer.ancestry is not None and peer.ancestry.floor < block.number:
                peer.ancestry = None
        for run in list(self._runs):
            if run.base.number <= block.number and not self._view.is_known(run.base.hash):
                for name in list(run.members):
                    self._leave_run(self._peers[name])
                    self._peers[name].share(None)
                self._runs.remove(run)


def _failures(peer: Peer) -> tuple[bool, int]:
    return not peer.is_proven, peer.failures


def _bare(block: IncomingBlock) -> IncomingBlock:
    return IncomingBlock(block.hash, block.header, block.body, None, block.byte_count)


def _fits(request: BlockRequest, blocks: tuple[IncomingBlock, ...]) -> bool:
    """Whether blocks are what was asked for: as many at most, from the start, one upon another."""
    if len(blocks) > request.max_blocks:
        return False
    if not blocks:
        return True
    first = blocks[0]
    if request.start != (first.number if isinstance(request.start, int) else first.hash):
        return False
    rising = request.direction is Direction.ASCENDING
    return all(
        above.number == below.number + 1 and above.header.parent_hash == below.hash
        for one, other in pairwise(blocks)
        for below, above in (((one, other) if rising else (other, one)),)
    )
