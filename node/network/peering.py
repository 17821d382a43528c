"""Whom to dial, whom to let in, whom to cut off: the core of the peer sets.

Drive it: ``receive`` an input with the time, then call ``next_effect`` until it returns None. It
knows connections by numbers that the shell gives them, and peers by their ids. Slots are
Substrate's: so many full nodes that dialled us, so many that we dialled, so many light clients, and
reserved peers beside them. A connection that has no slot within ``GREETING_S`` ends.

Under a thousand Sybils: each connection is counted by its host and subnet, so one operator's subnet
gets a quarter of the slots of a kind at most; slots for peers that we dial cannot be filled by
dialling us; what strangers tell fills a bounded share of the address book and pushes out
nobody who once answered.

Bounds: connections up to the slots and ``SPARE`` more, ``DIALS_MAX`` dials at a time,
``EFFECTS_MAX`` effects, the address book's and the reputations' own bounds.
"""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, TypeAlias

from node.network.address_book import AddressBook
from node.network.addresses import Address, is_public, subnet
from node.network.reputation import Reputations
from node.network.transport import Roles

__all__ = [
    "DIALS_MAX",
    "GREETING_S",
    "SPARE",
    "Asked",
    "Connected",
    "Dial",
    "DialFailed",
    "Disconnect",
    "Disconnected",
    "Effect",
    "Found",
    "Input",
    "LetIn",
    "Peering",
    "PeeringConfig",
    "Reported",
    "Ticked",
]

DIALS_MAX: Final = 8
GREETING_S: Final = 15.0
SPARE: Final = 24
"""Connections beyond the slots: newcomers that have not greeted yet."""
HOST_MAX: Final = 8
"""Connections that one address may have made to us."""
OUT_OF_SUBNET_MAX: Final = 2
"""Peers of one subnet that we dial."""
SIMULTANEOUS_S: Final = 10.0
"""Two connections of one pair within this time are two that dialled each other."""
REFUSED_S: Final = 60.0
DISCONNECTED_CHANGE: Final = -256
EFFECTS_MAX: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class PeeringConfig:
    """Who the node is, and how many peers it wants."""

    local_peer: str
    in_peers: int = 32
    out_peers: int = 8
    in_peers_light: int = 100
    reserved: tuple[Address, ...] = ()
    boot: tuple[Address, ...] = ()
    anchors: tuple[Address, ...] = ()
    """Peers that we dialled in the last run."""
    reserved_only: bool = False
    trusts_private_hosts: bool = True
    """Whether addresses that the internet cannot reach are exempt from the limits by host."""
    seed: bytes = b""
    """Decides who is tried first among equals, so that strangers cannot foresee it."""


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody said where a peer is."""

    address: Address
    teller: str


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection stands, and the peer has proven its id."""

    connection: int
    peer: str
    host: str
    is_inbound: bool
    address: Address | None = None
    """What we dialled."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The peer greeted: it is on our chain and wants a slot."""

    connection: int
    roles: Roles


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A connection is gone."""

    connection: int


@dataclass(frozen=True, slots=True)
class DialFailed:
    """Nobody, or somebody else, was at the address."""

    peer: str


@dataclass(frozen=True, slots=True)
class Reported:
    """A peer did something good or bad."""

    peer: str
    change: int


@dataclass(frozen=True, slots=True)
class Ticked:
    """A second passed."""


Input: TypeAlias = Found | Connected | Asked | Disconnected | DialFailed | Reported | Ticked


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect to a peer."""

    peer: str
    address: Address


@dataclass(frozen=True, slots=True)
class LetIn:
    """The connection has a slot: open the channels (again, if the peer asks again)."""

    connection: int


@dataclass(frozen=True, slots=True)
class Disconnect:
    """End a connection."""

    connection: int
    reason: str


Effect: TypeAlias = Dial | LetIn | Disconnect


@dataclass(slots=True)
class _Link:
    peer: str
    host: str
    is_inbound: bool
    since_s: float
    slot: str | None = None
    is_ending: bool = False


@dataclass(slots=True)
class _Counts:
    """Connections by where they are from."""

    hosts: Counter[str] = field(default_factory=Counter)
    subnets: Counter[tuple[str, str]] = field(default_factory=Counter)


class Peering:
    """The core."""

    def __init__(self, config: PeeringConfig) -> None:
        self._config = config
        self.book = AddressBook()
        self.reputations = Reputations()
        self._reserved: dict[str, None] = {}
        for address in (*config.boot, *config.reserved):
            if address.peer is not None and address.peer != config.local_peer:
                self.book.keep(address.peer, address)
        for address in config.anchors:
            if address.peer is not None and address.peer != config.local_peer:
                self.book.told(address.peer, address, "the last run")
                self.book.proven(address.peer, address)
        for address in config.reserved:
            if address.peer is not None:
                self._reserved[address.peer] = None
        self._links: dict[int, _Link] = {}
        self._by_peer: dict[str, int] = {}
        self._dialling: dict[str, Address] = {}
        self._counts = _Counts()
        self._slots: Counter[str] = Counter()
        self._effects: deque[Effect] = deque()

    # --- what the shell asks

    @property
    def connections_max(self) -> int:
        """Connections at a time."""
        config = self._config
        slots = config.in_peers + config.out_peers + config.in_peers_light
        return slots + len(self._reserved) + SPARE

    @property
    def connection_count(self) -> int:
        """Connections that stand."""
        return len(self._links)

    @property
    def dial_count(self) -> int:
        """Dials that go on."""
        return len(self._dialling)

    def may_accept(self, host: str) -> bool:
        """Whether a socket from this host is worth a handshake."""
        return not self._is_limited(host) or self._counts.hosts[host] < HOST_MAX

    def connection_of(self, peer: str) -> int | None:
        """The connection with a peer."""
        return self._by_peer.get(peer)

    def reserve(self, peer: str, address: Address) -> None:
        """Keep a connection with this peer beside all slots, from now on."""
        if peer != self._config.local_peer:
            self.book.keep(peer, address)
            self._reserved[peer] = None

    def unreserve(self, peer: str) -> None:
        """Treat this peer as any other when it comes next."""
        self._reserved.pop(peer, None)
        if all(address.peer != peer for address in self._config.boot):
            self.book.release(peer)

    def reserved(self) -> tuple[str, ...]:
        """Peers that have a place beside all slots."""
        return tuple(self._reserved)

    def needs_peers(self) -> bool:
        """Whether slots for peers that we dial are free."""
        wanted = 0 if self._config.reserved_only else self._config.out_peers
        return self._slots["out"] < wanted

    def receive(self, what: Input, now_s: float) -> None:
        """Something happened."""
        match what:
            case Found():
                self._found(what)
            case Connected():
                self._connected(what, now_s)
            case Asked():
                self._asked(what, now_s)
            case Disconnected():
                self._disconnected(what.connection, now_s)
            case DialFailed():
                self._dialling.pop(what.peer, None)
                self.book.failed(what.peer, now_s)
            case Reported():
                self._reported(what, now_s)
            case Ticked():
                self._ticked(now_s)

    def next_effect(self) -> Effect | None:
        """What to do next."""
        return self._effects.popleft() if self._effects else None

    # --- inputs

    def _found(self, what: Found) -> None:
        peer = what.address.peer
        if peer is not None and peer != self._config.local_peer and what.address.port:
            self.book.told(peer, what.address, what.teller)

    def _connected(self, what: Connected, now_s: float) -> None:
        link = _Link(what.peer, what.host, what.is_inbound, now_s)
        self._links[what.connection] = link
        if what.is_inbound:
            self._counts.hosts[what.host] += 1
        else:
            self._dialling.pop(what.peer, None)
            self.book.proven(what.peer, what.address)
        refusal = self._refusal(what, now_s)
        if refusal is not None:
            self._end(what.connection, refusal)
            return
        self._by_peer[what.peer] = what.connection
        if not what.is_inbound:
            self._take_slot(link, "reserved" if what.peer in self._reserved else "out")
            self._put(LetIn(what.connection))

    def _refusal(self, what: Connected, now_s: float) -> str | None:
        """Why a new connection must end; may end an older one in its place."""
        config = self._config
        if what.peer == config.local_peer:
            return "it is this node"
        if self.reputations.is_banned(what.peer, now_s):
            return "the peer is banned"
        if config.reserved_only and what.peer not in self._reserved:
            return "only reserved peers are let in"
        older = self._by_peer.get(what.peer)
        if older is not None:
            other = self._links[older]
            is_cross = (
                other.is_inbound != what.is_inbound and now_s - other.since_s < SIMULTANEOUS_S
            )
            ours_stays = config.local_peer < what.peer
            if is_cross and ours_stays == what.is_inbound:
                return "the peers dialled each other; the other connection stays"
            self._end(older, "a newer connection of the same peer stays")
        if what.is_inbound and what.peer not in self._reserved:
            if self._is_limited(what.host) and self._counts.hosts[what.host] > HOST_MAX:
                return f"{HOST_MAX} connections from one address are enough"
            if len(self._links) > self.connections_max and not self._evict(what.connection):
                return "there are enough connections"
        return None

    def _evict(self, newcomer: int) -> bool:
        """End the connection that has waited longest for a slot; False if there is none."""
        for connection, link in self._links.items():
            if connection != newcomer and link.slot is None and not link.is_ending:
                self._end(connection, "newer connections need its place")
                return True
        return False

    def _asked(self, what: Asked, now_s: float) -> None:
        link = self._links.get(what.connection)
        if link is None or link.is_ending:
            return
        if link.slot is not None:
            self._put(LetIn(what.connection))
            return
        if link.peer in self._reserved:
            slot = "reserved"
        else:
            slot = "light" if what.roles == Roles.LIGHT else "in"
        refusal = self._slot_refusal(link, slot)
        if refusal is not None:
            self._end(what.connection, refusal)
            self.book.failed(link.peer, now_s, at_least_s=REFUSED_S)
            return
        self._take_slot(link, slot)
        self._put(LetIn(what.connection))

    def _slot_refusal(self, link: _Link, slot: str) -> str | None:
        if slot == "reserved":
            return None
        size = self._config.in_peers_light if slot == "light" else self._config.in_peers
        if self._slots[slot] >= size:
            return "all places are taken"
        share = max(size >> 2, 1)
        if self._is_limited(link.host) and self._counts.subnets[slot, subnet(link.host)] >= share:
            return "peers of one subnet have a quarter of the places at most"
        return None

    def _disconnected(self, connection: int, now_s: float) -> None:
        link = self._links.pop(connection, None)
        if link is None:
            return
        if self._by_peer.get(link.peer) == connection:
            del self._by_peer[link.peer]
        if link.is_inbound:
            self._counts.hosts[link.host] -= 1
            if not self._counts.hosts[link.host]:
                del self._counts.hosts[link.host]
        self._free_slot(link)
        self.reputations.change(link.peer, DISCONNECTED_CHANGE, now_s)
        is_short = now_s - link.since_s < GREETING_S
        self.book.failed(link.peer, now_s, at_least_s=REFUSED_S if is_short else 0.0)

    def _reported(self, what: Reported, now_s: float) -> None:
        self.reputations.change(what.peer, what.change, now_s)
        connection = self._by_peer.get(what.peer)
        if connection is not None and self.reputations.is_banned(what.peer, now_s):
            self._end(connection, "the peer is banned")

    def _ticked(self, now_s: float) -> None:
        for connection, link in self._links.items():
            if link.slot is None and now_s - link.since_s > GREETING_S:
                self._end(connection, "it did not greet")
        for peer, address in self._candidates(now_s):
            if len(self._dialling) >= DIALS_MAX:
                break
            self._dialling[peer] = address
            self._put(Dial(peer, address))

    # --- dialling

    def _candidates(self, now_s: float) -> Iterator[tuple[str, Address]]:
        for peer in self._reserved:
            known = self.book.get(peer)
            if known is not None and self._is_free(peer, known.not_before_s, now_s):
                yield peer, known.next_address()
        if self._config.reserved_only:
            return
        dialling = [peer for peer in self._dialling if peer not in self._reserved]
        free = self._config.out_peers - self._slots["out"] - len(dialling)
        if free <= 0:
            return
        choice = [
            (not known.is_proven, known.failures, self._salted(peer), peer)
            for peer, known in self.book
            if peer not in self._reserved and self._is_free(peer, known.not_before_s, now_s)
        ]
        chosen: Counter[str] = Counter(subnet(self._dialling[peer].host) for peer in dialling)
        for *_, peer in sorted(choice):
            known = self.book.get(peer)
            assert known is not None, "the book was not changed meanwhile"
            address = known.next_address()
            place = subnet(address.host)
            taken = self._counts.subnets["out", place] + chosen[place]
            if self._is_limited(address.host) and taken >= OUT_OF_SUBNET_MAX:
                continue
            chosen[place] += 1
            free -= 1
            yield peer, address
            if not free:
                return

    def _is_free(self, peer: str, not_before_s: float, now_s: float) -> bool:
        return (
            peer not in self._by_peer
            and peer not in self._dialling
            and not_before_s <= now_s
            and not self.reputations.is_banned(peer, now_s)
        )

    def _salted(self, peer: str) -> bytes:
        return blake2b(peer.encode(), key=self._config.seed[:64], digest_size=8).digest()

    # --- slots

    def _take_slot(self, link: _Link, slot: str) -> None:
        link.slot = slot
        self._slots[slot] += 1
        self._counts.subnets[slot, subnet(link.host)] += 1

    def _free_slot(self, link: _Link) -> None:
        if link.slot is None:
            return
        self._slots[link.slot] -= 1
        place = (link.slot, subnet(link.host))
        self._counts.subnets[place] -= 1
        if not self._counts.subnets[place]:
            del self._counts.subnets[place]
        link.slot = None

    def _is_limited(self, host: str) -> bool:
        return not self._config.trusts_private_hosts or is_public(host)

    def _end(self, connection: int, reason: str) -> None:
        link = self._links[connection]
        if not link.is_ending:
            link.is_ending = True
            self._put(Disconnect(connection, reason))

    def _put(self, effect: Effect) -> None:
        assert len(self._effects) < EFFECTS_MAX, "effects are taken after each input"
        self._effects.append(effect)
