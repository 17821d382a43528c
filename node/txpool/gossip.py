"""Transactions between nodes: the core that decides what to tell whom, and what to look at.

Drive it: tell it of peers (``opened``, ``closed``), of messages (``received``), of transactions
that became ready (``became_ready``) and of the pool's verdicts (``judged``); ask it what to give to
the pool (``next_to_judge``) and what to send (``outgoing``, then ``sent`` or ``not_sent``); and
``take_charges`` for what peers are to be charged. Times are arguments; nothing here waits.

A transaction is sent once to each full peer that is not known to have it, and again when
``REPEAT_S`` has passed and it is still ready: the peer may have lost it. Light peers get nothing.
What peers send is looked at in turns, one transaction of each, so that a flood of one delays no
other; who sends more than its rate, or too many that nobody could include, pays as for a flood.

Bounds, per peer: ``KNOWN_MAX`` hashes, ``WANTED_MAX`` hashes to send, ``WAITING_BYTES_MAX`` to look
at; together ``ALL_WAITING_BYTES_MAX`` and ``JUDGED_AT_ONCE`` transactions of
``JUDGED_BYTES_MAX`` at the pool; messages have ``MESSAGE_COUNT_MAX`` transactions and
``MESSAGE_BYTES_MAX`` bytes, unless one transaction is longer. The rates of ``LEFT_MAX`` peers that
are gone are remembered.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, Protocol

from node.network.rates import Bucket
from node.network.transport import Cost, Roles
from node.network.wire import count_transactions, decode_transactions
from primitives.errors import DecodeError
from primitives.extrinsic import EXTRINSIC_BYTES_MAX, extrinsic_hash
from primitives.types import Hash

__all__ = [
    "ALL_WAITING_BYTES_MAX",
    "JUDGED_AT_ONCE",
    "KNOWN_MAX",
    "MESSAGE_BYTES_MAX",
    "MESSAGE_COUNT_MAX",
    "REPEAT_S",
    "WAITING_BYTES_MAX",
    "WANTED_MAX",
    "Gossip",
    "Message",
    "PoolView",
    "Verdict",
]

KNOWN_MAX: Final = 10_240
"""Hashes that one peer is known to have, as in Substrate."""
WANTED_MAX: Final = 8192
"""Hashes that wait to be sent to one peer: the whole ready queue."""
WAITING_BYTES_MAX: Final = 8 << 20
"""Of one peer; the longest transaction fits."""
ALL_WAITING_BYTES_MAX: Final = 32 << 20
JUDGED_AT_ONCE: Final = 256
JUDGED_BYTES_MAX: Final = 8 << 20
MESSAGE_COUNT_MAX: Final = 512
MESSAGE_BYTES_MAX: Final = 1 << 20
REPEAT_S: Final = 60.0
ECHO_S: Final = REPEAT_S / 2
"""What a peer says again, or was told, within this time is no news."""

TRANSACTIONS_BURST: Final = 16_384.0
TRANSACTIONS_PER_S: Final = 2048.0
"""Of one peer, or KiB where they are longer: more than any block takes."""
USELESS_BURST: Final = 8192.0
USELESS_PER_S: Final = 256.0
"""Old, doubled or unpayable ones: honest peers that are a block behind send some."""
BAD_BURST: Final = 64.0
BAD_PER_S: Final = 1.0
"""Those that no honest peer passes on, because it looked at them."""
LEFT_MAX: Final = 1024
"""Peers that are gone, whose rates are remembered: nobody has a new burst by coming back."""
ENTRY_BYTES: Final = 200
"""What a waiting transaction takes beside its bytes."""


class Verdict(Enum):
    """What the pool thinks of a transaction of a peer."""

    GOOD = auto()
    """It is in the pool now."""
    KNOWN = auto()
    """It was there, or there is no room: nobody's fault."""
    USELESS = auto()
    """It cannot be included now: perhaps it could be where the peer stands."""
    BAD = auto()
    """It could be included nowhere."""


class PoolView(Protocol):
    """What the core asks the pool for."""

    def propagated(self) -> Iterable[Hash]:
        """Ready transactions that others may have, best first."""
        ...

    def bytes_of(self, hash_: Hash) -> bytes | None:
        """The transaction, if it is ready and others may have it."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """What to send to a peer."""

    peer: str
    hashes: tuple[Hash, ...]
    transactions: tuple[bytes, ...]


class _Rates:
    """What one peer may send."""

    def __init__(self, now_s: float) -> None:
        self.volume = Bucket(TRANSACTIONS_BURST, TRANSACTIONS_PER_S, now_s)
        self.useless = Bucket(USELESS_BURST, USELESS_PER_S, now_s)
        self.bad = Bucket(BAD_BURST, BAD_PER_S, now_s)


@dataclass(slots=True)
class _Peer:
    takes: bool
    """Whether it is sent anything: light clients are not."""
    rates: _Rates
    next_round_s: float
    known: dict[Hash, float] = field(default_factory=dict)
    """When each was last told to, or by, the peer."""
    wanted: dict[Hash, None] = field(default_factory=dict)
    waiting: deque[tuple[Hash, bytes]] = field(default_factory=deque)
    waiting_bytes: int = 0

    def knows(self, hash_: Hash, now_s: float) -> None:
        self.known.pop(hash_, None)
        self.known[hash_] = now_s
        if len(self.known) > KNOWN_MAX:
            del self.known[next(iter(self.known))]


class Gossip:
    """See the module's text."""

    def __init__(self) -> None:
        self._peers: dict[str, _Peer] = {}
        self._turns: deque[str] = deque()
        """Peers that have sent what nobody has looked at."""
        self._left: dict[str, _Rates] = {}
        self._judging: dict[Hash, tuple[int, dict[str, None]]] = {}
        """Those at the pool: their lengths, and who sent them."""
        self._judging_bytes = 0
        self._waiting_bytes = 0
        self._charges: list[tuple[str, Cost]] = []
        self.dropped_count = 0
        """Transactions of peers that nobody had time for."""

    # Peers.

    def opened(self, peer: str, roles: Roles, now_s: float) -> None:
        """The peer takes and sends transactions from now on."""
        self.closed(peer)
        rates = self._left.pop(peer, None) or _Rates(now_s)
        self._peers[peer] = _Peer(not roles & Roles.LIGHT, rates, now_s)

    def closed(self, peer: str) -> None:
        """The peer is gone, and what it sent with it."""
        found = self._peers.pop(peer, None)
        if found is not None:
            self._waiting_bytes -= found.waiting_bytes
            self._left[peer] = found.rates
            if len(self._left) > LEFT_MAX:
                del self._left[next(iter(self._left))]

    def peers(self) -> tuple[str, ...]:
        """Peers with the channel open."""
        return tuple(self._peers)

    @property
    def waiting_bytes(self) -> int:
        """Bytes that nobody has looked at."""
        return self._waiting_bytes

    def take_charges(self) -> list[tuple[str, Cost]]:
        """Whom to charge for what, since the last call."""
        charges, self._charges = self._charges, []
        return charges

    # What peers send.

    def received(self, peer: str, data: bytes, now_s: float) -> None:
        """A message came."""
        found = self._peers.get(peer)
        if found is None:
            return
        try:
            amount = max(count_transactions(data), len(data) >> 10)
            if not found.rates.volume.take(amount, now_s):
                self._charges.append((peer, Cost.FLOOD))
                return
            transactions = decode_transactions(data)
        except DecodeError:
            self._charges.append((peer, Cost.BAD_MESSAGE))
            return
        for transaction in transactions:
            if len(transaction) > EXTRINSIC_BYTES_MAX:
                self._charges.append((peer, Cost.BAD_MESSAGE))
                return
            self._take(peer, found, transaction, now_s)

    def _take(self, peer: str, found: _Peer, transaction: bytes, now_s: float) -> None:
        hash_ = extrinsic_hash(transaction)
        told_s = found.known.get(hash_)
        if told_s is not None and now_s - told_s < ECHO_S:
            return
        found.wanted.pop(hash_, None)
        judging = self._judging.get(hash_)
        if judging is not None:
            found.knows(hash_, now_s)
            judging[1][peer] = None
            return
        size = len(transaction) + ENTRY_BYTES
        if (
            found.waiting_bytes + size > WAITING_BYTES_MAX
            or self._waiting_bytes + size > ALL_WAITING_BYTES_MAX
        ):
            self.dropped_count += 1
            return
        found.knows(hash_, now_s)
        if not found.waiting:
            self._turns.append(peer)
        found.waiting.append((hash_, transaction))
        found.waiting_bytes += size
        self._waiting_bytes += size

    def next_to_judge(self) -> list[tuple[Hash, bytes]]:
        """What the pool is to look at now, in turns of peers; each must be ``judged``."""
        chosen: list[tuple[Hash, bytes]] = []
        while self._turns and len(self._judging) < JUDGED_AT_ONCE:
            peer = self._turns[0]
            found = self._peers.get(peer)
            if found is None or not found.waiting:
                self._turns.popleft()
                continue
            hash_, transaction = found.waiting[0]
            size = len(transaction)
            if self._judging and self._judging_bytes + size > JUDGED_BYTES_MAX:
                break
            found.waiting.popleft()
            found.waiting_bytes -= size + ENTRY_BYTES
            self._waiting_bytes -= size + ENTRY_BYTES
            self._turns.popleft()
            if found.waiting:
                self._turns.append(peer)
            judging = self._judging.get(hash_)
            if judging is not None:
                judging[1][peer] = None
                continue
            self._judging[hash_] = (size, {peer: None})
            self._judging_bytes += size
            chosen.append((hash_, transaction))
        return chosen

    def judged(self, hash_: Hash, verdict: Verdict, now_s: float) -> None:
        """The pool has looked at it."""
        size, senders = self._judging.pop(hash_)
        self._judging_bytes -= size
        for peer in senders:
            found = self._peers.get(peer)
            if found is None:
                continue
            match verdict:
                case Verdict.GOOD:
                    self._charges.append((peer, Cost.USEFUL_TRANSACTION))
                case Verdict.BAD:
                    self._charges.append((peer, Cost.BAD_TRANSACTION))
                    if not found.rates.bad.take(1, now_s):
                        self._charges.append((peer, Cost.FLOOD))
                case Verdict.USELESS:
                    if not found.rates.useless.take(1, now_s):
                        self._charges.append((peer, Cost.FLOOD))
                case Verdict.KNOWN:
                    pass

    # What peers are sent.

    def became_ready(self, hash_: Hash) -> None:
        """A transaction that others may have became ready."""
        for found in self._peers.values():
            if found.takes and hash_ not in found.known:
                _want(found, hash_)

    def outgoing(self, pool: PoolView, now_s: float) -> list[Message]:
        """What to send now: at most one message to each peer."""
        messages: list[Message] = []
        for peer, found in self._peers.items():
            if not found.takes:
                continue
            if now_s >= found.next_round_s:
                found.next_round_s = now_s + REPEAT_S
                self._remind(found, pool, now_s)
            message = _next_message(peer, found, pool)
            if message is not None:
                messages.append(message)
        return messages

    def _remind(self, found: _Peer, pool: PoolView, now_s: float) -> None:
        """Want to send whatever the peer was not told of, or long ago."""
        for hash_ in pool.propagated():
            told_s = found.known.get(hash_)
            if told_s is None or now_s - told_s >= REPEAT_S:
                _want(found, hash_)

    def sent(self, message: Message, now_s: float) -> None:
        """The message is on its way."""
        found = self._peers.get(message.peer)
        if found is not None:
            for hash_ in message.hashes:
                found.knows(hash_, now_s)

    def not_sent(self, message: Message) -> None:
        """The peer's queue is full: these wait on."""
        found = self._peers.get(message.peer)
        if found is not None:
            for hash_ in message.hashes:
                _want(found, hash_)


def _want(found: _Peer, hash_: Hash) -> None:
    if len(found.wanted) < WANTED_MAX:
        found.wanted[hash_] = None


def _next_message(peer: str, found: _Peer, pool: PoolView) -> Message | None:
    hashes: list[Hash] = []
    transactions: list[bytes] = []
    size = 0
    while found.wanted and len(hashes) < MESSAGE_COUNT_MAX:
        hash_ = next(iter(found.wanted))
        data = pool.bytes_of(hash_)
        if data is not None:
            if transactions and size + len(data) > MESSAGE_BYTES_MAX:
                break
            hashes.append(hash_)
            transactions.append(data)
            size += len(data)
        del found.wanted[hash_]
    return Message(peer, tuple(hashes), tuple(transactions)) if hashes else None
