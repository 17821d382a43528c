"""Nodes that synchronise by the real core over chains of plain headers, with a virtual clock.

A `Tree` keeps headers as the database would; a `World` delivers questions and answers with delays,
loses some, and lets liars answer as they like. Nothing sleeps; a seed decides everything.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from node.database import BlockId
from node.network.transport import Cost, Roles
from node.network.wire import BlockRequest, Direction
from node.sync.core import SyncCore
from node.sync.events import (
    Announced,
    BlockImported,
    BlocksArrived,
    Charge,
    Failure,
    FinalizedTo,
    ImportBlocks,
    ImportFailed,
    ImportJustification,
    IncomingBlock,
    Input,
    NotAsked,
    PeerJoined,
    PeerLeft,
    RequestBlocks,
    RequestFailed,
    Ticked,
)
from primitives.digest import Digest, Other
from primitives.header import Header
from primitives.trie import EMPTY_ROOT
from primitives.types import BlockNumber, Hash

BAD = b"bad"
BANNED = -1_771_674_009
GENESIS = Header(Hash(bytes(32)), BlockNumber(0), EMPTY_ROOT, EMPTY_ROOT, Digest(()))


def child(parent: Header, salt: bytes = b"") -> Header:
    logs = (Other(salt),) if salt else ()
    number = BlockNumber(int(parent.number) + 1)
    return Header(parent.hash(), number, EMPTY_ROOT, EMPTY_ROOT, Digest(logs))


def line(parent: Header, length: int, salt: bytes = b"") -> list[Header]:
    made = []
    for _ in range(length):
        parent = child(parent, salt)
        made.append(parent)
    return made


def incoming(header: Header, justification: bytes | None = None) -> IncomingBlock:
    return IncomingBlock(header.hash(), header, (), justification, 100)


class Tree:
    """A chain's headers; the best is the highest, the first seen of equals."""

    def __init__(self) -> None:
        genesis = BlockId(GENESIS.hash(), 0)
        self.headers: dict[Hash, Header] = {genesis.hash: GENESIS}
        self.proofs: dict[Hash, bytes] = {}
        self._best = self._final = genesis
        self._canonical: dict[int, Hash] = {0: genesis.hash}

    def best(self) -> BlockId:
        return self._best

    def finalized(self) -> BlockId:
        return self._final

    def is_known(self, block: Hash) -> bool:
        return block in self.headers

    def canonical_hash(self, number: int) -> Hash | None:
        return self._canonical.get(number)

    def add(self, header: Header) -> bool:
        hash_, number = header.hash(), int(header.number)
        assert header.parent_hash in self.headers
        self.headers[hash_] = header
        if number <= self._best.number:
            return False
        self._best = BlockId(hash_, number)
        at = header
        while self._canonical.get(int(at.number)) != at.hash():
            self._canonical[int(at.number)] = at.hash()
            at = self.headers[at.parent_hash]
        return True

    def extend(self, *headers: Header) -> None:
        for header in headers:
            self.add(header)

    def finalize(self, number: int) -> BlockId:
        """What is not on the best chain up to here is forgotten, as the database does."""
        self._final = BlockId(self._canonical[number], number)
        kept = {self._canonical[n] for n in range(number + 1)}
        order = sorted(self.headers.values(), key=lambda header: int(header.number))
        for header in order:
            if int(header.number) > number and header.parent_hash in kept:
                kept.add(header.hash())
        self.headers = {hash_: each for hash_, each in self.headers.items() if hash_ in kept}
        return self._final

    def answer(self, request: BlockRequest) -> tuple[IncomingBlock, ...]:
        found: list[IncomingBlock] = []
        if isinstance(request.start, int):
            hash_ = self._canonical.get(request.start)
        else:
            hash_ = request.start
        while hash_ is not None and hash_ in self.headers and len(found) < request.max_blocks:
            header = self.headers[hash_]
            found.append(incoming(header, self.proofs.get(hash_)))
            if request.direction is Direction.DESCENDING:
                hash_ = header.parent_hash if header.number else None
            else:
                hash_ = self._canonical.get(int(header.number) + 1)
        return tuple(found)


Answer = tuple[IncomingBlock, ...] | NotAsked | None
Lie = Callable[["Node", BlockRequest], Answer]


@dataclass
class Node:
    """One node; a liar has a ``lie`` and no core of its own."""

    name: str
    tree: Tree = field(default_factory=Tree)
    lie: Lie | None = None
    claim: BlockId | None = None
    core: SyncCore = field(init=False)
    reputation: dict[str, int] = field(default_factory=dict)
    costs: list[tuple[str, Cost]] = field(default_factory=list)
    asked: list[tuple[str, BlockRequest]] = field(default_factory=list)
    import_queue: list[IncomingBlock] = field(default_factory=list)
    peak_held: int = 0
    tick_ms: int = 0
    busy_until_ms: int = 0

    def __post_init__(self) -> None:
        self.core = SyncCore(self.tree)

    @property
    def best(self) -> BlockId:
        return self.claim or self.tree.best()


class World:
    """All nodes, their links, and what is on its way."""

    def __init__(self, seed: int = 0, *, loss: float = 0.0, timeout_ms: int = 5_000) -> None:
        self.source = random.Random(seed)
        self.loss = loss
        self.timeout_ms = timeout_ms
        self.now = 0
        self.nodes: dict[str, Node] = {}
        self.links: dict[tuple[str, str], None] = {}
        self.events: list[tuple[int, int, Callable[[], None]]] = []
        self.sequence = count()
        self.trace: list[str] = []

    def node(self, name: str, **options: object) -> Node:
        self.nodes[name] = Node(name, **options)  # type: ignore[arg-type]
        return self.nodes[name]

    def at(self, delay_ms: int, what: Callable[[], None]) -> None:
        heapq.heappush(self.events, (self.now + delay_ms, next(self.sequence), what))

    def connect(self, a: Node, b: Node) -> None:
        for one, other in ((a, b), (b, a)):
            self.links[one.name, other.name] = None
            self.give(one, PeerJoined(other.name, Roles.FULL, other.best))

    def connect_all(self) -> None:
        names = list(self.nodes)
        for at, one in enumerate(names):
            for other in names[at + 1 :]:
                self.connect(self.nodes[one], self.nodes[other])

    def cut(self, a: Node, b: Node) -> None:
        for one, other in ((a, b), (b, a)):
            if self.links.pop((one.name, other.name), 0) is None:
                self.give(one, PeerLeft(other.name))

    def give(self, node: Node, what: Input) -> None:
        if node.lie is not None:
            return
        self.trace.append(f"{self.now} {node.name} {type(what).__name__}")
        node.core.receive(what, self.now)
        while (effect := node.core.next_effect()) is not None:
            match effect:
                case RequestBlocks():
                    self._ask(node, effect)
                case ImportBlocks():
                    node.busy_until_ms = max(node.busy_until_ms, self.now)
                    node.busy_until_ms += 1 + len(effect.blocks) // 4
                    wait = node.busy_until_ms - self.now
                    self.at(wait, lambda e=effect: self._import(node, e))  # type: ignore[misc]
                case Charge():
                    self._charge(node, effect)
                case ImportJustification():
                    self.at(1, lambda e=effect: self._finalize(node, e.block))  # type: ignore[misc]
        node.peak_held = max(node.peak_held, node.core.statistics()["held_bytes"])
        due = node.core.next_deadline()
        if due is not None and not self.now < node.tick_ms <= due:
            node.tick_ms = due
            self.at(max(1, due - self.now), lambda: self._tick(node, due))

    def _tick(self, node: Node, due: int) -> None:
        if node.tick_ms == due:
            node.tick_ms = 0
            self.give(node, Ticked())

    def _charge(self, node: Node, effect: Charge) -> None:
        node.costs.append((effect.peer, effect.cost))
        left = node.reputation.get(effect.peer, 0) + effect.cost.change
        node.reputation[effect.peer] = left
        if left < BANNED:
            self.cut(node, self.nodes[effect.peer])

    def _ask(self, node: Node, effect: RequestBlocks) -> None:
        peer = self.nodes[effect.peer]
        node.asked.append((effect.peer, effect.request))
        if self.source.random() < self.loss:
            failed = RequestFailed(effect.request_id, NotAsked.TIMED_OUT)
            self.at(self.timeout_ms, lambda: self._reply(node, peer, failed))
            return
        delay = self.source.randrange(5, 60)
        answer: Answer
        if peer.lie is not None:
            answer = peer.lie(peer, effect.request)
        else:
            answer = peer.tree.answer(effect.request)
        if isinstance(answer, tuple):
            arrived = BlocksArrived(effect.request_id, answer)
            self.at(delay, lambda: self._reply(node, peer, arrived))
        else:
            reason = answer or NotAsked.TIMED_OUT
            wait = self.timeout_ms if answer is None else delay
            failed = RequestFailed(effect.request_id, reason)
            self.at(wait, lambda: self._reply(node, peer, failed))

    def _reply(self, node: Node, peer: Node, what: Input) -> None:
        if (node.name, peer.name) in self.links:
            self.give(node, what)

    def _import(self, node: Node, effect: ImportBlocks) -> None:
        for block in effect.blocks:
            if node.tree.is_known(block.hash):
                self.give(node, BlockImported(block.hash, block.number, is_best=False))
                continue
            kind = None
            if block.header.parent_hash not in node.tree.headers:
                kind = Failure.UNKNOWN_PARENT
            elif block.number <= node.tree.finalized().number or any(
                isinstance(log, Other) and log.data.startswith(BAD)
                for log in block.header.digest.logs
            ):
                kind = Failure.BAD
            if kind is not None:
                self.give(node, ImportFailed(block.hash, kind))
                return
            self.imported(node, block.header)
            if block.justification is not None:
                self._finalize(node, block.id)

    def _finalize(self, node: Node, block: BlockId) -> None:
        if block.number > node.tree.finalized().number:
            node.tree.finalize(block.number)
            self.give(node, FinalizedTo(block))

    def imported(self, node: Node, header: Header) -> None:
        """A block is in a node's tree, by import or by authoring: it is announced."""
        is_best = node.tree.add(header)
        hash_ = header.hash()
        self.give(node, BlockImported(hash_, int(header.number), is_best=is_best))
        if is_best and not node.core.is_major_syncing():
            for one, other in list(self.links):
                if one == node.name and self.source.random() >= self.loss:
                    peer = self.nodes[other]
                    if not node.core.knows(other, hash_):
                        told = Announced(one, header, hash_, is_best=True, slots_ahead=0)
                        self.at(
                            self.source.randrange(5, 40),
                            lambda p=peer, t=told: self._reply(p, node, t),  # type: ignore[misc]
                        )

    def run(self, until_ms: int) -> None:
        while self.events and self.events[0][0] <= until_ms:
            self.now, _, what = heapq.heappop(self.events)
            what()
        self.now = until_ms
