"""Voters that know a few peers each, as nodes of a large network do: cores, a clock, no sockets.

Blocks reach everybody at once, because this is about votes. Each message takes 20 to 60 ms, and
none is lost. Some voters may be down from the beginning: then the votes of all others are needed.
"""

import heapq
import random
from dataclasses import dataclass, field

from node.consensus.grandpa import (
    BlockImported,
    Broadcast,
    Finalized,
    Misbehaved,
    Received,
    Send,
    Ticked,
    Timing,
    Voter,
)
from node.consensus.grandpa.spreading import Spreading, relays_for
from primitives.grandpa import Block, decode_message, encode_message
from tests.node.consensus.grandpa.world import Tree, View, authorities, pairs

DELAY_MS = (20, 60)


@dataclass
class Node:
    name: str
    voter: Voter
    view: View
    spreading: Spreading
    peers: list[str]
    final: Block
    wakes_ms: int = -1
    accused: list[Misbehaved] = field(default_factory=list)


class Mesh:
    """``count`` voters, of whom all but ``down`` run, each with about ``degree`` peers."""

    def __init__(
        self,
        count: int,
        degree: int,
        *,
        seed: int,
        timing: Timing,
        down: int = 0,
        relays: int | None = None,
    ) -> None:
        self.draw = random.Random(seed)
        self.now = 1000
        self.tree = Tree()
        self.tip = self.tree.genesis
        self._heap: list[tuple[int, int, str, str, bytes]] = []
        self._sequence = 0
        self.nodes: dict[str, Node] = {}
        names = [f"n{index}" for index in range(count - down)]
        links = connected(self.draw, names, degree)
        for index, name in enumerate(names):
            spreading = Spreading(timing.gossip_ms, random.Random(self.draw.random()))
            spreading.relays_max = relays_for(count) if relays is None else relays
            view = View(self.tree)
            voter = Voter(
                view,
                authorities(count),
                0,
                self.tree.genesis,
                pairs(index + 1)[index],
                now_ms=self.now,
                timing=timing,
            )
            peers = sorted(links[name])
            for peer in peers:
                spreading.joined(peer, is_light=False)
            self.nodes[name] = Node(name, voter, view, spreading, peers, self.tree.genesis)
        for node in self.nodes.values():
            self._drain(node)
        self.run(3 * timing.gossip_ms)

    def produce(self) -> None:
        """A block, which everybody has at once."""
        self.tip = self.tree.grow(self.tip, len(self.tree.headers))
        for node in self.nodes.values():
            node.view.add(self.tip, node.final)
            node.voter.receive(BlockImported(self.tip.hash), self.now)
            self._drain(node)

    def run(self, milliseconds: int) -> None:
        end = self.now + milliseconds
        while self._heap and self._heap[0][0] <= end:
            self.now, _, name, sender, data = heapq.heappop(self._heap)
            node = self.nodes[name]
            if sender:
                message = decode_message(data)
                node.spreading.heard(sender, data, message)
                node.voter.receive(Received(sender, message), self.now)
            elif self.now == node.wakes_ms:
                node.wakes_ms = -1
                node.voter.receive(Ticked(), self.now)
            self._drain(node)
        self.now = end

    def finals(self) -> set[int]:
        """The heights that are final for somebody."""
        assert not any(node.accused for node in self.nodes.values())
        return {node.final.number for node in self.nodes.values()}

    def round(self) -> int:
        """The latest round of anybody."""
        return max(node.voter.statistics().round for node in self.nodes.values())

    def _push(self, at: int, name: str, sender: str, data: bytes) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (at, self._sequence, name, sender, data))

    def _post(self, node: Node, peer: str, data: bytes) -> None:
        self._push(self.now + self.draw.randint(*DELAY_MS), peer, node.name, data)

    def _drain(self, node: Node) -> None:
        while (effect := node.voter.next_effect()) is not None:
            match effect:
                case Broadcast(message=message, except_peer=origin):
                    node.spreading.spread(message, self.now, is_ours=origin is None)
                case Send(peer=peer, message=message):
                    self._post(node, peer, encode_message(message))
                case Finalized(block=block):
                    assert self.tree.is_below(node.final, block)
                    node.final = block
                    node.view.finalize(block)
                case Misbehaved():
                    node.accused.append(effect)
        for peer, data in node.spreading.take_due(self.now):
            self._post(node, peer, data)
        leaves_ms = node.spreading.next_deadline()
        wakes_ms = node.voter.next_deadline()
        if leaves_ms is not None:
            wakes_ms = min(wakes_ms, leaves_ms)
        wakes_ms = max(wakes_ms, self.now + 1)
        if wakes_ms != node.wakes_ms:
            node.wakes_ms = wakes_ms
            self._push(wakes_ms, node.name, "", b"")


def connected(draw: random.Random, names: list[str], degree: int) -> dict[str, set[str]]:
    """Who knows whom: a ring, so that nobody is alone, and links at random up to ``degree``."""
    links: dict[str, set[str]] = {name: set() for name in names}
    for at, name in enumerate(names):
        after = names[(at + 1) % len(names)]
        links[name].add(after)
        links[after].add(name)
    for _ in range(20 * len(names) * degree):
        one, other = draw.sample(names, 2)
        if len(links[one]) < degree and len(links[other]) < degree:
            links[one].add(other)
            links[other].add(one)
    return links
