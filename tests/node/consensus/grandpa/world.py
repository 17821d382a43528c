"""A deterministic network of voters: a tree of blocks, delays, loss, partitions, crashes.

Nothing here is asynchronous: one heap of events ordered by time and sequence, one seeded generator.
After each step ``World.check`` compares what the nodes finalized.
"""

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from node.consensus.grandpa import (
    AuthoritiesChanged,
    BlockImported,
    Broadcast,
    Conflict,
    Equivocated,
    Fetch,
    Finalized,
    Misbehaved,
    PeerLeft,
    Persist,
    Received,
    Send,
    Ticked,
    Timing,
    Voter,
    VoterRecord,
)
from primitives.crypto.keys import KeyPair
from primitives.digest import Digest
from primitives.grandpa import (
    Block,
    GossipMessage,
    VoteKind,
    VoteMessage,
    decode_message,
    encode_message,
    make_vote,
    sign_vote,
)
from primitives.header import Header
from primitives.justification import verify_justification
from primitives.scale import U64
from primitives.types import BlockNumber, Hash

TIMING = Timing(gossip_ms=100, repeat_ms=500)


@cache
def pairs(count: int) -> tuple[KeyPair, ...]:
    return tuple(KeyPair.from_seed(bytes([index + 1]) * 32, "ed25519") for index in range(count))


def authorities(count: int) -> tuple[tuple[bytes, int], ...]:
    return tuple((pair.public, 1) for pair in pairs(count))


class Tree:
    """All blocks that were ever made."""

    def __init__(self) -> None:
        self.headers: dict[bytes, Header] = {}
        self.genesis = self.grow(None, 0)

    def grow(self, parent: Block | None, mark: int) -> Block:
        number = 0 if parent is None else parent.number + 1
        header = Header(
            parent_hash=Hash(bytes(32) if parent is None else parent.hash),
            number=BlockNumber(number),
            state_root=Hash(mark.to_bytes(32, "big")),
            extrinsics_root=Hash(bytes(32)),
            digest=Digest(),
        )
        block = Block(bytes(header.hash()), number)
        self.headers[block.hash] = header
        return block

    def chain(self, parent: Block, length: int, mark: int = 0) -> list[Block]:
        made = []
        for _ in range(length):
            parent = self.grow(parent, mark)
            made.append(parent)
        return made

    def parent(self, hash_: bytes) -> bytes:
        return bytes(self.headers[hash_].parent_hash)

    def is_below(self, low: Block, high: Block) -> bool:
        at, number = high.hash, high.number
        while number > low.number:
            at, number = self.parent(at), number - 1
        return at == low.hash


class View:
    """The blocks that one node imported: the port."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.known: dict[bytes, int] = {tree.genesis.hash: 0}
        self.best = tree.genesis
        self.limit: Block | None = None
        self.whim: random.Random | None = None
        """Makes the choice of a best chain erratic; safety must not depend on it."""

    def add(self, block: Block, final: Block) -> None:
        self.known[block.hash] = block.number
        if block.number > self.best.number and self.tree.is_below(final, block):
            self.best = block

    def finalize(self, block: Block) -> None:
        if not self.tree.is_below(block, self.best):
            heads = [Block(hash_, number) for hash_, number in self.known.items()]
            above = [head for head in heads if head.number >= block.number]
            self.best = max(
                (head for head in above if self.tree.is_below(block, head)),
                key=lambda head: (head.number, head.hash),
            )

    def number_of(self, hash_: bytes) -> int | None:
        return self.known.get(hash_)

    def ancestor_at(self, hash_: bytes, number: int) -> bytes | None:
        at = self.known.get(hash_)
        if at is None or number > at or number < 0:
            return None
        while at > number:
            hash_, at = self.tree.parent(hash_), at - 1
        return hash_

    def best_containing(self, hash_: bytes) -> Block | None:
        number = self.known.get(hash_)
        if number is None:
            return None
        start = Block(hash_, number)
        heads = [Block(known, at) for known, at in self.known.items() if at >= number]
        above = [head for head in heads if self.tree.is_below(start, head)]
        best = self.best
        if self.whim is not None:
            best = self.whim.choice(above)
        elif not self.tree.is_below(start, best):
            best = max(above, key=lambda head: (head.number, head.hash))
        limit = self.limit
        if limit is not None and best.number > limit.number and self.tree.is_below(limit, best):
            return limit if limit.number >= number else start
        return best

    def header(self, hash_: bytes) -> Header | None:
        return self.tree.headers[hash_] if hash_ in self.known else None


@dataclass
class Node:
    name: str
    pair: KeyPair | None
    view: View
    voter: Voter | None = None
    record: bytes = b""
    finalized: list[Block] = field(default_factory=list)
    proofs: list[Equivocated] = field(default_factory=list)
    accused: list[Misbehaved] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    set_id: int = 0
    life: int = 0
    """Counts restarts: what was on its way to an earlier life is lost with the connection."""


@dataclass(frozen=True)
class Letter:
    """A message on its way."""

    sender: str
    data: bytes
    lives: tuple[int, int]


@dataclass
class Network:
    """How messages travel now."""

    delay_ms: tuple[int, int] = (5, 40)
    loss: float = 0.0
    groups: dict[str, int] = field(default_factory=dict)

    def connects(self, one: str, other: str) -> bool:
        return self.groups.get(one, 0) == self.groups.get(other, 0)


class World:
    """``count`` voters of weight 1, the last of which equivocate, and some who only watch."""

    def __init__(
        self,
        seed: int,
        count: int,
        *,
        equivocators: int = 0,
        observers: int = 0,
        first_set: int | None = None,
    ) -> None:
        self.draw = random.Random(seed)
        self.now = 1000
        self.tree = Tree()
        self.network = Network()
        self.count = count
        self.changes: dict[int, tuple[Block, tuple[tuple[bytes, int], ...]]] = {}
        self.sets = {0: authorities(count)[:first_set]}
        self._heap: list[tuple[int, int, str, Block | Letter | Ticked]] = []
        self._sequence = 0
        self.sent = 0
        self.liars = [f"n{index}" for index in range(count - equivocators, count)]
        self.nodes: dict[str, Node] = {}
        for index in range(count + observers):
            pair = pairs(index + 1)[index] if index < count else None
            name = f"n{index}"
            self.nodes[name] = Node(name, pair, View(self.tree), finalized=[self.tree.genesis])
        for node in self.nodes.values():
            if node.name not in self.liars:
                self.start(node)
        self._lies: dict[tuple[str, int, int, VoteKind], None] = {}

    def honest(self) -> Iterator[Node]:
        return (node for node in self.nodes.values() if node.name not in self.liars)

    # Life of a node.

    def start(self, node: Node) -> None:
        record = VoterRecord.decode(node.record) if node.record else None
        node.voter = Voter(
            node.view,
            self.sets[node.set_id],
            node.set_id,
            node.finalized[-1],
            node.pair,
            now_ms=self.now,
            timing=TIMING,
            record=record,
        )
        self._drain(node)
        self._at(self.now, node.name, Ticked())

    def crash(self, node: Node) -> None:
        node.voter = None
        node.life += 1
        for other in self.nodes.values():
            if other.voter is not None:
                other.voter.receive(PeerLeft(node.name), self.now)
                self._drain(other)

    def give(self, node: Node, block: Block) -> None:
        """The node imports a block; its ancestors first."""
        missing = []
        at = block
        while at.hash not in node.view.known:
            missing.append(at)
            at = Block(self.tree.parent(at.hash), at.number - 1)
        for step in reversed(missing):
            node.view.add(step, node.finalized[-1])
            if node.voter is not None:
                node.voter.receive(BlockImported(step.hash), self.now)
                self._drain(node)

    # Time.

    def _at(self, time: int, name: str, what: Block | Letter | Ticked) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (time, self._sequence, name, what))

    def run(self, milliseconds: int) -> None:
        end = self.now + milliseconds
        while self._heap and self._heap[0][0] <= end:
            time, _, name, what = heapq.heappop(self._heap)
            self.now = max(self.now, time)
            node = self.nodes[name]
            match what:
                case Block():
                    self.give(node, what)
                case Letter(sender=sender, lives=lives):
                    if lives == (self.nodes[sender].life, node.life):
                        self._deliver(node, what)
                case Ticked():
                    self._tick(node)
            self.check()
        self.now = end

    def _deliver(self, node: Node, letter: "Letter") -> None:
        message = decode_message(letter.data)
        if node.name in self.liars:
            self._lie(node, message)
        elif node.voter is not None:
            node.voter.receive(Received(letter.sender, message), self.now)
            self._drain(node)

    def _tick(self, node: Node) -> None:
        if node.voter is None:
            return
        node.voter.receive(Ticked(), self.now)
        self._drain(node)
        self._at(max(node.voter.next_deadline(), self.now + 1), node.name, Ticked())

    def send(self, sender: str, receiver: str, message: GossipMessage) -> None:
        self.sent += 1
        if not self.network.connects(sender, receiver) or self.draw.random() < self.network.loss:
            return
        delay = self.draw.randint(*self.network.delay_ms)
        lives = self.nodes[sender].life, self.nodes[receiver].life
        self._at(self.now + delay, receiver, Letter(sender, encode_message(message), lives))

    def produce(self) -> Block:
        """Somebody makes a block upon the best one that it sees; those who can hear it get it."""
        author = self.draw.choice([node for node in self.honest() if node.voter is not None])
        block = self.tree.grow(author.view.best, len(self.tree.headers))
        for name in self.nodes:
            if self.network.connects(author.name, name):
                self._at(self.now + self.draw.randint(*self.network.delay_ms), name, block)
        return block

    def play(self, blocks: int, each_ms: int = 300, authors: int = 1) -> None:
        """Time for so many blocks; with more ``authors`` at a time the chain forks."""
        for _ in range(blocks):
            for _ in range(authors):
                self.produce()
            self.run(each_ms)

    def _drain(self, node: Node) -> None:
        voter = node.voter
        assert voter is not None
        while (effect := voter.next_effect()) is not None:
            match effect:
                case Persist(record=record):
                    node.record = record.encode()
                case Broadcast(message=message, except_peer=but):
                    for name in self.nodes:
                        if name not in (node.name, but):
                            self.send(node.name, name, message)
                case Send(peer=peer, message=message):
                    self.send(node.name, peer, message)
                case Fetch(peer=peer, block=block):
                    if (
                        block.hash in self.nodes[peer].view.known
                        and self.network.connects(peer, node.name)
                        and self.tree.headers[block.hash].number == block.number
                    ):
                        self._at(self.now + self.network.delay_ms[1], node.name, block)
                case Finalized(block=block, set_id=set_id, justification=proof):
                    assert self.tree.is_below(node.finalized[-1], block)
                    keys = [key for key, _ in self.sets[set_id]]
                    verify_justification(proof, keys, set_id)
                    assert type(proof).decode(proof.encode()) == proof
                    node.finalized.append(block)
                    node.view.finalize(block)
                    self._change_set(node, voter, block)
                case Equivocated():
                    node.proofs.append(effect)
                case Misbehaved():
                    node.accused.append(effect)
                case Conflict():
                    node.conflicts.append(effect)

    def change_set(self, block: Block, voters: tuple[tuple[bytes, int], ...]) -> None:
        """From ``block`` on, when it is final, these vote."""
        set_id = max(self.sets) + 1
        self.sets[set_id] = voters
        self.changes[set_id] = block, voters
        for node in self.nodes.values():
            if node.set_id == set_id - 1:
                node.view.limit = block

    def _change_set(self, node: Node, voter: Voter, block: Block) -> None:
        change = self.changes.get(node.set_id + 1)
        if change is not None and block == change[0]:
            node.set_id += 1
            later = self.changes.get(node.set_id + 1)
            node.view.limit = None if later is None else later[0]
            voter.receive(AuthoritiesChanged(change[1], node.set_id, block), self.now)

    # The equivocator: answers every vote with two different ones of the same kind and round.

    def _lie(self, node: Node, message: GossipMessage) -> None:
        if not isinstance(message, VoteMessage) or node.pair is None:
            return
        kind, number, set_id = message.signed.vote.kind, int(message.round), int(message.set_id)
        if (node.name, set_id, number, kind) in self._lies:
            return
        self._lies[node.name, set_id, number, kind] = None
        blocks = [Block(hash_, at) for hash_, at in node.view.known.items()]
        blocks.sort(key=lambda block: (block.number, block.hash))
        recent = blocks[-6:]
        for receiver in self.nodes:
            block = self.draw.choice(recent)
            signed = sign_vote(make_vote(kind, block), number, set_id, node.pair)
            lie = VoteMessage(round=U64(number), set_id=U64(set_id), signed=signed)
            for _ in range(self.draw.randint(0, 2)):
                self.send(node.name, receiver, lie)

    # What must hold always.

    def check(self) -> None:
        """No two finalized blocks conflict."""
        tops = [node.finalized[-1] for node in self.honest()]
        highest = max(tops, key=lambda block: block.number)
        for top in tops:
            assert self.tree.is_below(top, highest), f"{top} and {highest} are both final"
        liars = [pairs(self.count)[int(name[1:])].public for name in self.liars]
        for node in self.honest():
            assert not node.conflicts
            for proof in node.proofs:
                assert proof.proof.first.authority in liars, "an honest voter voted twice"

    def lowest_final(self) -> int:
        return min(node.finalized[-1].number for node in self.honest() if node.voter is not None)
