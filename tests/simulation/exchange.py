"""Blocks between nodes without ceremony: announced, asked for, sent, with their ancestors.

It stands where the sync core stands in a node, for worlds that are not about sync. A node asks who
announced an unknown block; an answer has up to ``BLOCKS_MAX`` blocks from there down; where they
hang in the air, more are asked for. What is not answered within ``PATIENCE_MS`` is asked of others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from primitives.header import Header
from primitives.types import Hash

if TYPE_CHECKING:
    from tests.simulation.validator import Validator

BLOCKS_MAX = 64
PATIENCE_MS = 3000
WAITING_MAX = 256
ANNOUNCE_BYTES = 250
BLOCK_BYTES = 400


@dataclass(frozen=True, slots=True)
class Piece:
    """A block as it is sent."""

    header: Header
    body: tuple[bytes, ...]
    justification: bytes | None


class Exchange:
    """See the module's text."""

    def __init__(self, node: "Validator") -> None:
        self.node = node
        self.asked: dict[bytes, int] = {}
        self.waiting: dict[bytes, list[Piece]] = {}
        """Blocks whose parent is on its way, by the parent."""
        self.told: dict[int, bytes] = {}
        self.turn = 0

    # What others tell.

    def on_announce(self, peer: int, header: Header) -> None:
        hash_ = header.hash()
        self.told[peer] = hash_
        if self.node.knows(hash_):
            return
        self.ask(peer, hash_)

    def ask(self, peer: int, hash_: bytes) -> None:
        now = self.node.world.now
        if self.asked.get(hash_, 0) > now:
            return
        if len(self.asked) > WAITING_MAX:
            self.asked = {key: until for key, until in self.asked.items() if until > now}
        self.asked[hash_] = now + PATIENCE_MS
        self.node.send(peer, "ask", hash_, ANNOUNCE_BYTES)

    def on_ask(self, peer: int, hash_: bytes) -> None:
        node = self.node
        found: list[Piece] = []
        at = Hash(hash_)
        lowest = node.told_final.get(peer, 0)
        while len(found) < BLOCKS_MAX:
            header = node.database.header(at)
            if header is None or not header.number:
                break
            body = node.database.body(at)
            if body is None:
                break
            found.append(Piece(header, body, node.database.justification(at)))
            if int(header.number) <= lowest + 1:
                break
            at = header.parent_hash
        if node.traitor is not None and node.traitor.has("liar"):
            found = node.traitor.answer(found)
        if found:
            found.reverse()
            node.send(peer, "blocks", tuple(found), BLOCK_BYTES * len(found))

    def on_blocks(self, peer: int, pieces: Sequence[Piece]) -> None:
        node = self.node
        for piece in pieces[:BLOCKS_MAX]:
            hash_ = piece.header.hash()
            if node.knows(hash_):
                self.justify(piece, hash_)
                continue
            self.take(peer, piece)

    def justify(self, piece: Piece, hash_: Hash) -> None:
        if piece.justification is not None:
            self.node.take_justification(piece.header, hash_, piece.justification)

    def take(self, peer: int, piece: Piece) -> None:
        parent = bytes(piece.header.parent_hash)
        if not self.node.knows(parent):
            waiting = self.waiting.setdefault(parent, [])
            if len(waiting) < 8 and len(self.waiting) < WAITING_MAX:
                waiting.append(piece)
            self.ask(peer, parent)
            return
        queue = [piece]
        while queue:
            one = queue.pop(0)
            hash_ = one.header.hash()
            if not self.node.import_block(peer, one.header, one.body, one.justification):
                continue
            self.asked.pop(hash_, None)
            queue += self.waiting.pop(bytes(hash_), [])

    def on_tick(self) -> None:
        """Ask others for what did not come, and tell of our best block again."""
        node = self.node
        peers = node.peers()
        if not peers:
            return
        self.turn += 1
        for hash_, until in list(self.asked.items()):
            if node.knows(hash_):
                self.asked.pop(hash_, None)
            elif until <= node.world.now:
                self.asked.pop(hash_, None)
                if any(hash_ == told for told in self.told.values()) or hash_ in self.waiting:
                    self.ask(peers[self.turn % len(peers)], hash_)
        node.announce_best(peers)

