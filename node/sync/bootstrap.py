"""Beginning near the end of a chain: a proof that a block is final, its state, then from there on.

``SyncMode.WARP`` leaves all blocks before that out. ``FAST`` fetches them as well, backwards and
without executing them, while the node follows the chain already. Both trust nothing but the
genesis: the proof leads from its voters to the block (``warp``), the state is proven against the
block's header (``state``), and each older block is named by the one above it.

A node that stops on the way goes on where it was: the proven block and what leads to it are notes
in the database, the state is there as far as it came. A peer whose proof fails pays and is not
asked again; one that is silent is replaced by another (``known_peers``); a block whose state nobody
has any more is given up for a newer one.

Bounds: one question at a time; the notes of ``warp.FRAGMENTS_TOTAL_MAX`` changes of the voters.
"""

from enum import Enum
from typing import Final

import structlog
import trio

from node.consensus.authorities import set_change_of, voters_of
from node.consensus.set_changes import set_change_note
from node.consensus.shell import FATAL, ChainWriter
from node.database import BlockId, BlockRefused
from node.database.notes import NoteChanges
from node.logging import short_hash
from node.network.transport import Cost, Network, RequestKind
from node.network.wire import (
    BlockFields,
    BlockRequest,
    Direction,
    StateResponse,
    WarpProof,
)
from node.sync.asking import BULK_TIMEOUT_S, AskingFailed, ask, ask_for_blocks
from node.sync.events import BLOCKS_PER_REQUEST, IncomingBlock, NotAsked
from node.sync.known_peers import KnownPeers
from node.sync.state import StateFetch, StatePiece
from node.sync.warp import Fragment, WarpRefused, WarpVerifier
from primitives.errors import CessError, DecodeError, ProofRejected
from primitives.header import Header
from primitives.scale import codec, struct
from primitives.types import Hash

__all__ = ["LAG_MIN", "PEERS_WAIT_S", "THIN_BYTES", "Bootstrap", "SyncMode"]

log = structlog.get_logger("sync")

LAG_MIN: Final = 32
"""A chain that is not longer is fetched block by block."""
PEERS_WANTED: Final = 3
PEERS_WAIT_S: Final = 5.0
"""How long to wait for more peers than one, before a proof is asked for."""
RETRY_S: Final = 1.0
STATE_TIMEOUT_S: Final = 40.0
"""The longest that the slowest of peers may take for a piece of a state."""
THIN_BYTES: Final = 16 << 10
"""Whose pieces are smaller, though not the last ones, is asked after others: it wastes time."""
PROOF_ROUNDS_MAX: Final = 10
"""Rounds through all peers without a proof after which the chain is fetched block by block."""
ROUNDS_WITHOUT_STATE_MAX: Final = 3
"""Rounds through all peers without a piece of a state after which a newer block is taken."""
TARGET_NOTE: Final = b"warp-target"
FRAGMENT_NOTE: Final = b"warp-fragment:"


class SyncMode(Enum):
    """How a fresh chain is fetched."""

    FULL = "full"
    FAST = "fast"
    WARP = "warp"


class _Answer(Enum):
    """What came of asking a peer for a proof."""

    GOOD = "good"
    BAD = "bad"
    NOTHING = "nothing is final"


@struct
class _Proven:
    """A fragment as a note: a header and its justification."""

    header: Header
    justification: bytes


class Bootstrap:
    """See the module's text."""

    def __init__(
        self, network: Network, writer: ChainWriter, peers: KnownPeers, mode: SyncMode
    ) -> None:
        self._network = network
        self._writer = writer
        self._database = writer.chain.database
        self._peers = peers
        self._mode = mode
        is_begun = self._database.fetched_state is not None
        self.is_needed = is_begun or (
            mode is not SyncMode.FULL and self._database.best().number == 0
        )
        """Whether the chain is at its genesis and is to begin elsewhere, or was and is not now."""
        self.entry_count = 0
        """Entries of the state that are here."""

    async def run(self) -> None:
        """Begin near the end; returns when the chain is there, or it has to be fetched in full."""
        try:
            await self._begin()
        except FATAL:
            raise
        except CessError as error:
            log.error("the chain is fetched block by block", reason=str(error))
        if self._database.fetched_state is not None:
            await self._writer.exclusively(self._forget)
        self.is_needed = False

    async def _begin(self) -> None:
        while self._mode is not SyncMode.FULL and self._database.best().number == 0:
            await self._peers.wait(1, float("inf"))
            await self._peers.wait(PEERS_WANTED, PEERS_WAIT_S)
            fragments = self._load()
            if not fragments:
                if not list(self._peers.round(LAG_MIN + 1)):
                    log.info("the chain is short: it is fetched block by block")
                    break
                fragments = await self._prove()
            if not fragments or fragments[-1].id.number <= LAG_MIN:
                log.info("little is final yet: the chain is fetched block by block")
                break
            if await self._fetch(fragments):
                break

    # The proof.

    async def _prove(self) -> list[Fragment]:
        """Follow the sets of voters to the last final block that peers can prove."""
        genesis = self._database.finalized()
        verifier = WarpVerifier(genesis, self._writer.chain.voters_for(genesis.hash))
        log.info("Warp sync: looking for the last final block")
        for _ in range(PROOF_ROUNDS_MAX):
            # All are asked, each from where the one before ended: who is behind ends nothing.
            answers = [
                await self._ask_proof(peer, verifier)
                for peer in self._peers.round(LAG_MIN + 1)
                if self._peers.claim(peer) > verifier.begin.number + LAG_MIN
            ]
            if verifier.fragments or _Answer.NOTHING in answers:
                break
            await trio.sleep(RETRY_S)
        if verifier.fragments:
            await self._writer.exclusively(lambda: self._save(verifier.fragments))
        return verifier.fragments

    async def _ask_proof(self, peer: str, verifier: WarpVerifier) -> "_Answer":
        """Go on with what this peer can prove, to its end."""
        verifier.is_finished = False
        while not verifier.is_finished:
            try:
                raw = await ask(
                    self._network,
                    peer,
                    RequestKind.WARP,
                    bytes(verifier.begin.hash),
                    timeout_s=self._peers.patience_s(peer, BULK_TIMEOUT_S),
                )
                proof = await trio.to_thread.run_sync(WarpProof.decode, raw)
                await trio.to_thread.run_sync(verifier.verify, proof)
            except AskingFailed as error:
                self._failed(peer, error, BULK_TIMEOUT_S)
                return _Answer.BAD
            except (WarpRefused, DecodeError) as error:
                self._lied(peer, error)
                return _Answer.BAD
            self._peers.helped(peer)
            log.info(f"Warp sync: proven up to block #{verifier.begin.number}")
        return _Answer.GOOD if verifier.fragments else _Answer.NOTHING

    def _failed(self, peer: str, error: AskingFailed, longest_s: float) -> None:
        log.debug("a peer did not help", peer=peer, reason=str(error))
        was_late = error.reason is NotAsked.TIMED_OUT
        self._peers.failed(peer, was_late=was_late, longest_s=longest_s)
        cost = Cost.NOT_ANSWERED if error.reason is NotAsked.REFUSED else Cost.TIMED_OUT
        if error.reason is NotAsked.MALFORMED:
            cost = Cost.BAD_MESSAGE
            self._peers.bar(peer)
        self._network.report(peer, cost)

    def _lied(self, peer: str, error: CessError) -> None:
        log.warning("a peer's proof proves nothing", peer=peer, reason=str(error))
        self._peers.bar(peer)
        self._network.report(peer, Cost.BAD_PROOF)

    def _save(self, fragments: list[Fragment]) -> None:
        """Remember what was proven, in order; the target last, so that all is there if it is."""
        for at, fragment in enumerate(fragments):
            note = codec(_Proven).encode(_Proven(fragment.header, fragment.justification))
            self._database.put_note(FRAGMENT_NOTE + at.to_bytes(4, "big"), note)
        self._database.put_note(TARGET_NOTE, bytes(fragments[-1].hash))

    def _load(self) -> list[Fragment]:
        """What was proven before a restart: ours, so it is not checked again."""
        target = self._database.note(TARGET_NOTE)
        if target is None:
            return []
        found, set_id = [], self._writer.chain.voters_for(self._database.genesis_hash).set_id
        for _, note in self._database.notes(FRAGMENT_NOTE):
            proven = codec(_Proven).decode(note)
            hash_ = proven.header.hash()
            ends = set_change_of(proven.header) is not None
            found.append(
                Fragment(proven.header, hash_, proven.justification, set_id if ends else None)
            )
            set_id += ends
        return found if found and bytes(found[-1].hash) == target else []

    def _forgotten(self) -> dict[bytes, bytes | None]:
        """The changes of notes that forget what was proven."""
        gone: dict[bytes, bytes | None] = {TARGET_NOTE: None}
        gone.update((name, None) for name, _ in self._database.notes(FRAGMENT_NOTE))
        return gone

    def _forget(self) -> None:
        self._database.put_notes(self._forgotten())
        self._database.drop_fetched_state()

    # The state.

    async def _fetch(self, fragments: list[Fragment]) -> bool:
        """The state of the last fragment, and the chain begins there; False: nobody has it."""
        target = fragments[-1]
        log.info(f"State sync: block #{target.id.number} ({short_hash(target.hash)})")
        try:
            begun = await self._writer.exclusively(
                lambda: self._database.begin_fetched_state(target.header)
            )
        except BlockRefused as error:  # this node authored a block meanwhile
            log.warning("the chain is fetched block by block", reason=str(error))
            return True
        fetch = StateFetch(target.header, begun.last_key if begun.entry_count else None)
        body = await self._body(target)
        rounds = 0
        while body is not None and not begun.is_complete:
            for peer in self._peers.round(target.id.number):
                piece = await self._ask_piece(peer, fetch)
                if piece is None:
                    continue
                rounds = 0
                begun = await self._writer.exclusively(
                    lambda piece=piece: self._database.add_fetched_state(  # type: ignore[misc]
                        piece.entries, is_complete=piece.is_complete
                    )
                )
                fetch.advance(piece)
                self.entry_count = int(begun.entry_count)
                break
            else:
                rounds += 1
                if rounds >= ROUNDS_WITHOUT_STATE_MAX:
                    body = None
                await trio.sleep(RETRY_S)
        if body is None:
            log.warning(f"nobody has the state of block #{target.id.number} any more")
            await self._writer.exclusively(self._forget)
            return False
        await self._writer.exclusively(lambda: self._begin_at(fragments, body))
        log.info(f"State sync is complete: {self.entry_count} entries at #{target.id.number}")
        return True

    async def _ask_piece(self, peer: str, fetch: StateFetch) -> StatePiece | None:
        try:
            raw = await ask(
                self._network,
                peer,
                RequestKind.STATE,
                fetch.request().encode(),
                timeout_s=self._peers.patience_s(peer, STATE_TIMEOUT_S),
            )
            piece = await trio.to_thread.run_sync(lambda: fetch.check(StateResponse.decode(raw)))
            is_little = len(raw) < THIN_BYTES and not piece.is_complete
            self._peers.helped(peer, is_little=is_little)
            return piece
        except AskingFailed as error:
            self._failed(peer, error, STATE_TIMEOUT_S)
        except (ProofRejected, DecodeError) as error:
            self._lied(peer, error)
        return None

    async def _body(self, target: Fragment) -> tuple[bytes, ...] | None:
        fields = BlockFields.HEADER | BlockFields.BODY
        request = BlockRequest(fields, target.hash, Direction.ASCENDING, 1)
        for _ in range(ROUNDS_WITHOUT_STATE_MAX):
            for peer in self._peers.round(target.id.number):
                patience_s = self._peers.patience_s(peer, BULK_TIMEOUT_S)
                try:
                    blocks = await ask_for_blocks(
                        self._network, peer, request, timeout_s=patience_s
                    )
                except AskingFailed as error:
                    self._failed(peer, error, BULK_TIMEOUT_S)
                    continue
                if not blocks:
                    self._peers.failed(peer)
                    continue
                if blocks[0].hash == target.hash:
                    self._peers.helped(peer)
                    return blocks[0].body
                self._lied(peer, ProofRejected("the body is another block's"))
            await trio.sleep(RETRY_S)
        return None

    def _begin_at(self, fragments: list[Fragment], body: tuple[bytes, ...]) -> None:
        """One batch: state, block, and all that proves it final."""
        target, notes = fragments[-1], self._forgotten()
        for fragment in fragments:
            if fragment.ended_set is not None:
                notes.update(set_change_note(fragment.ended_set, fragment.id))
        changes: NoteChanges = notes
        self._database.import_fetched_state(
            body,
            target.justification,
            ancestors=[(each.header, each.justification) for each in fragments[:-1]],
            notes=changes,
        )
        self._check_voters(fragments)

    def _check_voters(self, fragments: list[Fragment]) -> None:
        """The state must know as many sets of voters as the proof led through."""
        voters = voters_of(self._writer.chain.runtime(fragments[-1].hash))
        ended = [each.ended_set for each in fragments if each.ended_set is not None]
        if ended and voters.set_id != ended[-1] + 1:
            log.error(
                "the state names another set of voters than the proof of finality leads to",
                state=voters.set_id,
                proof=ended[-1] + 1,
            )

    # History.

    async def fill_history(self) -> None:
        """Fetch the blocks that were left out, if they are wanted, from the last one downwards."""
        if self._mode is not SyncMode.FAST or self._database.blocks_pruning is not None:
            return
        gap = self._database.gap()
        while gap is not None:
            for peer in self._peers.round(gap.number):
                blocks = await self._ask_history(peer, gap)
                if blocks:
                    kept = [(block.header, block.body) for block in blocks]
                    gap = await self._writer.exclusively(
                        lambda kept=kept: self._database.fill_gap(kept)  # type: ignore[misc]
                    )
                    break
            else:
                await trio.sleep(RETRY_S)
        log.info("the history of the chain is complete")

    async def _ask_history(self, peer: str, gap: BlockId) -> tuple[IncomingBlock, ...]:
        fields = BlockFields.HEADER | BlockFields.BODY
        count = min(BLOCKS_PER_REQUEST, gap.number)
        request = BlockRequest(fields, gap.hash, Direction.DESCENDING, count)
        patience_s = self._peers.patience_s(peer, BULK_TIMEOUT_S)
        try:
            blocks = await ask_for_blocks(self._network, peer, request, timeout_s=patience_s)
        except AskingFailed as error:
            self._failed(peer, error, BULK_TIMEOUT_S)
            return ()
        if not _is_history(blocks, gap.hash, count):
            self._lied(peer, ProofRejected("these are not the blocks before"))
            return ()
        if blocks:
            self._peers.helped(peer)
        else:
            self._peers.failed(peer)
        return blocks


def _is_history(blocks: tuple[IncomingBlock, ...], highest: Hash, count: int) -> bool:
    """Whether these lead down from ``highest``."""
    wanted = highest
    for block in blocks:
        if block.hash != wanted:
            return False
        wanted = block.header.parent_hash
    return len(blocks) <= count
