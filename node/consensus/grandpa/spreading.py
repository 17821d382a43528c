"""Which peer is sent which message of finality, and when.

A message alone in a packet costs both ends as much as six in one: the way through streams,
encryption and sockets is most of it. So only our own votes leave at once:

* Votes of others wait ``gossip_ms / RELAY_PART`` from the first of them on and leave together, each
  to ``relays_for`` peers that have not sent it themselves. The peers are drawn anew for each vote:
  were they taken from lists in some order, nodes with like lists would all choose the same.
* Where we stand leaves with them, the newest word only, after the votes that it rests on.
* A commit of ours waits ``gossip_ms``, by when who follows the votes has told that the block is
  final, and leaves to those who have not: to light clients and to who is behind. One of others
  leaves with the votes. A later commit takes the place of one that waits.

How many relays are enough: with no more peers than that and one, a vote goes wherever the network
connects. With more, a node whose peers all have a vote and pass it on to f others each misses it
with probability e^-f, and the V votes of a round should reach V voters with less than one miss
even where all are needed: V^2 e^-f < 1, so f > 2 ln V. What is missed and needed is repeated by the
voter core. The voter's own peers get its vote from itself.

Bounds: ``WAITING_MAX`` votes wait, then they leave; ``KNOWN_MAX`` messages of each peer are
remembered. Peers are those of the shell.
"""

import random
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from primitives.grandpa import (
    CommitMessage,
    GossipMessage,
    NeighbourMessage,
    NeighbourV1,
    VoteMessage,
    encode_message,
)
from primitives.hashing import twox_64

__all__ = ["KNOWN_MAX", "RELAY_PART", "WAITING_MAX", "Spreading", "relays_for"]

RELAY_PART: Final = 8
"""A vote passes several nodes within the time in which it should reach everybody."""
WAITING_MAX: Final = 1024
"""Votes that wait to be passed on together."""
KNOWN_MAX: Final = 512
"""Messages that a peer sent and that are not sent back to it."""

Letter: TypeAlias = tuple[str, bytes]
"""A peer, and what it is sent."""


def relays_for(voter_count: int) -> int:
    """Peers to whom somebody else's vote is passed on: at least 2 ln V, see the module's text.

    4 of 4 voters, 7 of 21, 10 of 100.
    """
    return 3 * voter_count.bit_length() // 2


@dataclass(slots=True)
class _Peer:
    is_light: bool
    known: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    final: int = -1
    """The height that is final for it, as far as it told."""


@dataclass(frozen=True, slots=True)
class _Commit:
    data: bytes
    number: int
    leaves_ms: int


class Spreading:
    """See the module's text. Times are milliseconds of one clock that does not go back."""

    def __init__(self, gossip_ms: int, draw: random.Random) -> None:
        """``draw`` chooses peers; nobody else should be able to foresee it."""
        self._relay_ms = gossip_ms // RELAY_PART
        self._commit_ms = gossip_ms
        self._draw = draw
        self.relays_max = relays_for(0)
        """Peers to whom a vote is passed on; whoever knows the number of voters sets it."""
        self._peers: dict[str, _Peer] = {}
        self._votes: dict[bytes, bytes] = {}
        self._stance: NeighbourMessage | None = None
        self._commit: _Commit | None = None
        self._relays_leave_ms: int | None = None
        self._at_once: list[Letter] = []

    def joined(self, peer: str, *, is_light: bool) -> None:
        """A peer is there; one that comes again remembers nothing."""
        self._peers[peer] = _Peer(is_light)

    def left(self, peer: str) -> None:
        """A peer is gone."""
        self._peers.pop(peer, None)

    def heard(self, peer: str, data: bytes, message: GossipMessage) -> None:
        """A peer sent this: so it has it."""
        state = self._peers.get(peer)
        if state is None:
            return
        match message:
            case NeighbourMessage(packet=NeighbourV1(finalized_number=number)):
                state.final = int(number)
            case CommitMessage(commit=commit):
                state.final = max(state.final, int(commit.target_number))
            case VoteMessage():
                state.known[twox_64(data)] = None
                if len(state.known) > KNOWN_MAX:
                    state.known.popitem(last=False)
            case _:
                pass

    def spread(
        self, message: GossipMessage, now_ms: int, *, is_ours: bool, is_urgent: bool = False
    ) -> None:
        """Send this to all whom it concerns. ``is_urgent``: nobody else could tell them."""
        if isinstance(message, NeighbourMessage):
            self._stance = message
            if is_urgent:
                self._relays_leave_ms = now_ms
            else:
                self._soon(now_ms)
        elif isinstance(message, CommitMessage):
            waits_ms = self._commit_ms if is_ours else self._relay_ms
            self._take_commit(message, now_ms if is_urgent else now_ms + waits_ms)
        elif is_ours:
            data = encode_message(message)
            self._at_once += [(peer, data) for peer, _ in self._full()]
        else:
            data = encode_message(message)
            self._votes[twox_64(data)] = data
            self._soon(now_ms)
            if len(self._votes) >= WAITING_MAX:
                self._relays_leave_ms = now_ms

    def next_deadline(self) -> int | None:
        """When something leaves next; None if nothing waits."""
        times = [] if self._relays_leave_ms is None else [self._relays_leave_ms]
        if self._commit is not None:
            times.append(self._commit.leaves_ms)
        return min(times, default=None)

    def take_due(self, now_ms: int) -> list[Letter]:
        """What leaves now, in the order in which it does."""
        letters, self._at_once = self._at_once, []
        if self._relays_leave_ms is not None and now_ms >= self._relays_leave_ms:
            self._relays_leave_ms = None
            letters += self._relays()
        if self._commit is not None and now_ms >= self._commit.leaves_ms:
            commit, self._commit = self._commit, None
            letters += [
                (peer, commit.data)
                for peer, state in self._peers.items()
                if state.final < commit.number
            ]
        return letters

    def _soon(self, now_ms: int) -> None:
        if self._relays_leave_ms is None:
            self._relays_leave_ms = now_ms + self._relay_ms

    def _take_commit(self, message: CommitMessage, leaves_ms: int) -> None:
        number, waiting = int(message.commit.target_number), self._commit
        if waiting is not None:
            if waiting.number >= number:
                return
            leaves_ms = min(leaves_ms, waiting.leaves_ms)
        self._commit = _Commit(encode_message(message), number, leaves_ms)

    def _full(self) -> list[tuple[str, _Peer]]:
        return [(peer, state) for peer, state in self._peers.items() if not state.is_light]

    def _relays(self) -> list[Letter]:
        letters: list[Letter] = []
        full = self._full()
        for mark, data in self._votes.items():
            chosen = [peer for peer, state in full if mark not in state.known]
            if len(chosen) > self.relays_max:
                chosen = self._draw.sample(chosen, self.relays_max)
            letters += [(peer, data) for peer in chosen]
        self._votes.clear()
        if self._stance is not None:
            stance, self._stance = encode_message(self._stance), None
            letters += [(peer, stance) for peer in self._peers]
        return letters
