"""The transaction pool's core: what waits for a block, in which order, and what gives way.

A transaction *provides* tags and *requires* tags (for a nonce: its own and the one before). It is
*ready* when ready transactions, or the chain, provide what it requires, else *future*.

Drive it: ``submit`` what the runtime found valid; take ``ready()`` for a block; tell it of each
block with ``prune``, ``retract`` and ``expire``, and of found invalidity with ``remove``. Then
``take_events`` until empty. Heights and seconds come in as arguments; nothing here reads a clock.

Guarantees: no two ready transactions provide one tag; each ready one comes after those that it
requires; a replacement pays strictly more than all that it replaces; a sender's transactions cost
no more together than the sender had when the last one came; ``stats`` is what is held.
Bounds (a hostile submitter cannot pass them): ``Limits`` in transactions and bytes for ready and
for future, and in transactions of one sender, ``BANS_MAX`` bans, ``RECENT_TAGS_MAX`` tags of recent
blocks. What does not fit drives out the newest of whoever holds most, while that is more than a
fair share; then the worst; or it is refused itself.
Cost: a submission O(log n) and what it frees or drives out; ``ready`` O(log n) for each one taken
and O(n) once for senders, not for their queues.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import Final, TypeAlias

from node.txpool import errors
from pallets.frame.validity import Payment, TransactionInvalid, ValidTransaction
from primitives.errors import RpcError
from primitives.types import Hash

__all__ = [
    "BANS_MAX",
    "BAN_S",
    "RECENT_TAGS_MAX",
    "Limits",
    "Pool",
    "PoolEvent",
    "PoolStats",
    "Status",
    "Transaction",
]

BAN_S: Final = 30 * 60
"""How long an invalid or included transaction stays banned."""

BANS_MAX: Final = 16_384
RECENT_TAGS_MAX: Final = 16_384
"""Tags that recent blocks provided: a transaction validated before them may still require them."""

TAGS_MAX: Final = 64
"""Tags of one transaction."""


class Status(Enum):
    """What happened to a transaction, in the words of ``author_extrinsicUpdate``."""

    READY = "ready"
    FUTURE = "future"
    USURPED = "usurped"
    DROPPED = "dropped"
    INVALID = "invalid"
    PRUNED = "inBlock"
    RETRACTED = "retracted"


@dataclass(frozen=True, slots=True)
class PoolEvent:
    """``by`` is the usurper, the including block or the retracted block."""

    hash: Hash
    status: Status
    by: Hash | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the pool holds."""

    ready_count: int = 8192
    ready_bytes: int = 20 << 20
    sender_count: int = 4096
    """Transactions of one sender."""

    @property
    def fair_count(self) -> int:
        """Ready ones of one sender that give way only for better ones when the pool is full."""
        return max(1, self.ready_count // 128)

    @property
    def sender_future_count(self) -> int:
        """Waiting ones of one sender: nobody can have that queue alone."""
        return max(1, self.future_count // 8)

    @property
    def future_count(self) -> int:
        """Waiting ones at most."""
        return max(1, self.ready_count // 10)

    @property
    def future_bytes(self) -> int:
        """Their bytes at most; one extrinsic of the largest size always fits."""
        return max(8 << 20, self.ready_bytes // 10)


@dataclass(frozen=True, slots=True)
class PoolStats:
    """What the pool holds."""

    ready_count: int
    ready_bytes: int
    future_count: int
    future_bytes: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """A valid transaction: its bytes, what the runtime said of it, and who pays."""

    hash: Hash
    data: bytes
    validity: ValidTransaction
    valid_until: int
    """First height at which it is invalid by age."""
    sender: bytes | None = None
    fee: int = 0
    """What it costs at most, with its tip."""
    funds: int | None = None
    """What the sender could spend when it was judged; None: not known."""


_Rank: TypeAlias = tuple[int, int, int]
"""Smaller is better: more priority, then sooner invalid, then sooner here."""


@dataclass(slots=True)
class _Held:
    transaction: Transaction
    order: int
    rank: _Rank = (0, 0, 0)
    missing: set[bytes] = field(default_factory=set)
    """Future only: required tags that nobody provides."""

    def __post_init__(self) -> None:
        self.set(self.transaction)

    def set(self, transaction: Transaction) -> None:
        """Take a newer verdict of the same transaction."""
        self.transaction = transaction
        priority = int(transaction.validity.priority)
        self.rank = (-priority, transaction.valid_until, self.order)


@dataclass(slots=True)
class _Sender:
    """What one sender has in the pool."""

    owed: int = 0
    """The fees of all."""
    ready: dict[Hash, None] = field(default_factory=dict)
    future: dict[Hash, None] = field(default_factory=dict)


class _Worst:
    """Finds the worst of one queue: a heap whose stale entries are skipped when met.

    An entry is stale when its transaction left or has another rank. Bounds: twice the queue.
    """

    def __init__(self, queue: dict[Hash, _Held]) -> None:
        self._queue = queue
        self._heap: list[tuple[_Rank, Hash]] = []

    def push(self, held: _Held) -> None:
        """A transaction entered the queue, or has a new rank."""
        if len(self._heap) > 2 * len(self._queue) + 64:
            self._heap = [(_negated(each.rank), key) for key, each in self._queue.items()]
            heapq.heapify(self._heap)
        heapq.heappush(self._heap, (_negated(held.rank), held.transaction.hash))

    def find(self) -> Hash:
        """The worst; the queue is not empty."""
        while True:
            rank, hash_ = self._heap[0]
            held = self._queue.get(hash_)
            if held is not None and _negated(held.rank) == rank:
                return hash_
            heapq.heappop(self._heap)


class _Crowds:
    """Finds the sender with the most ready transactions, of those above a fair share.

    A heap of counts as they were when they grew, corrected when met. Bounds: one entry a sender.
    """

    def __init__(self, senders: dict[bytes, _Sender], fair_count: int) -> None:
        self._senders = senders
        self._fair_count = fair_count
        self._heap: list[tuple[int, bytes]] = []
        self._known: dict[bytes, None] = {}

    def grew(self, sender: bytes, count: int) -> None:
        """``sender`` has ``count`` ready transactions now."""
        if count > self._fair_count and sender not in self._known:
            self._known[sender] = None
            heapq.heappush(self._heap, (-count, sender))

    def largest(self) -> _Sender | None:
        """Who holds the most, if that is more than a fair share."""
        while self._heap:
            count, sender = self._heap[0]
            found = self._senders.get(sender)
            actual = 0 if found is None else len(found.ready)
            if actual <= self._fair_count:
                heapq.heappop(self._heap)
                del self._known[sender]
            elif actual != -count:
                heapq.heapreplace(self._heap, (-actual, sender))
            else:
                return found
        return None


class Pool:
    """See the module's text."""

    def __init__(self, limits: Limits, *, accepts_future: bool = True) -> None:
        self.limits = limits
        self._accepts_future = accepts_future
        self._ready: dict[Hash, _Held] = {}
        self._future: dict[Hash, _Held] = {}
        self._provided: dict[bytes, Hash] = {}
        self._needed: dict[bytes, dict[Hash, None]] = {}
        """Ready ones by the tags that they require."""
        self._wanted: dict[bytes, dict[Hash, None]] = {}
        """Waiting ones by the tags that they miss."""
        self._recent_tags: dict[bytes, None] = {}
        self._bans: dict[Hash, float] = {}
        self._senders: dict[bytes, _Sender] = {}
        self._roots: dict[Hash, None] = {}
        """Ready ones that require nothing of another ready one."""
        self._checked: dict[Hash, None] = {}
        """All, the one whose verdict is the oldest first."""
        self._worst_ready = _Worst(self._ready)
        self._worst_future = _Worst(self._future)
        self._crowds = _Crowds(self._senders, limits.fair_count)
        self._ready_bytes = 0
        self._future_bytes = 0
        self._order = 0
        self._events: list[PoolEvent] = []

    # What it holds.

    def __contains__(self, hash_: Hash) -> bool:
        return hash_ in self._ready or hash_ in self._future

    def __len__(self) -> int:
        return len(self._ready) + len(self._future)

    def hashes(self) -> frozenset[Hash]:
        """Hashes of all that it holds."""
        return frozenset((*self._ready, *self._future))

    def stats(self) -> PoolStats:
        """Counts and bytes."""
        return PoolStats(len(self._ready), self._ready_bytes, len(self._future), self._future_bytes)

    def get(self, hash_: Hash) -> Transaction | None:
        """The transaction with this hash."""
        held = self._ready.get(hash_) or self._future.get(hash_)
        return None if held is None else held.transaction

    def is_ready(self, hash_: Hash) -> bool:
        """Whether it could be in the next block."""
        return hash_ in self._ready

    def provides(self, tag: bytes) -> bool:
        """Whether a ready transaction provides ``tag``."""
        return tag in self._provided

    def ready(self) -> Iterator[Transaction]:
        """Ready transactions, best first, each after those that it requires."""
        waiting: dict[Hash, int] = {}
        heap = [(self._ready[hash_].rank, hash_) for hash_ in self._roots]
        heapq.heapify(heap)
        while heap:
            _, hash_ = heapq.heappop(heap)
            held = self._ready[hash_]
            yield held.transaction
            for next_hash in self._dependants(held):
                left = waiting.get(next_hash)
                if left is None:
                    left = len(self._providers(self._ready[next_hash]))
                waiting[next_hash] = left - 1
                if left == 1:
                    heapq.heappush(heap, (self._ready[next_hash].rank, next_hash))

    def oldest_verdicts(self, count: int) -> list[Transaction]:
        """Those that were judged the longest ago, at most ``count``."""
        hashes = islice(self._checked, count)
        return [(self._ready.get(hash_) or self._future[hash_]).transaction for hash_ in hashes]

    def future(self) -> Iterator[Transaction]:
        """Waiting transactions in order of arrival."""
        return (held.transaction for held in self._future.values())

    def take_events(self) -> list[PoolEvent]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    # Entering.

    def check_new(self, hash_: Hash, now_s: float) -> None:
        """Raise what ``submit`` would raise for this hash, before it is validated."""
        if hash_ in self:
            raise errors.already_imported(hash_)
        until = self._bans.get(hash_)
        if until is not None:
            if now_s < until:
                raise errors.banned()
            del self._bans[hash_]

    def submit(self, transaction: Transaction, now_s: float) -> None:
        """Take a valid transaction, or raise ``RpcError`` saying why not."""
        self.check_new(transaction.hash, now_s)
        validity = transaction.validity
        if not validity.provides:
            raise errors.no_tags()
        if len(validity.provides) + len(validity.requires) > TAGS_MAX:
            raise errors.unverifiable(f"more than {TAGS_MAX} tags")
        if set(validity.provides) & set(validity.requires):
            raise errors.cycle()
        missing = self._missing(validity)
        self._check_sender(transaction, is_future=bool(missing))
        self._order += 1
        held = _Held(transaction, self._order)
        held.missing = missing
        if missing:
            self._enter_future(held)
        else:
            self._enter_ready(held)
            self._promote(validity.provides)
        self._enforce()
        if transaction.hash not in self:
            self._events = [event for event in self._events if event.hash != transaction.hash]
            raise errors.dropped()

    def _check_sender(self, transaction: Transaction, *, is_future: bool) -> None:
        """Refuse what is too much for one sender: in number, or for what it can pay."""
        found = self._senders.get(transaction.sender or b"")
        if found is None:
            return
        limits = self.limits
        if len(found.ready) + len(found.future) >= limits.sender_count or (
            is_future and len(found.future) >= limits.sender_future_count
        ):
            raise errors.dropped()
        if transaction.funds is None:
            return
        owed = found.owed
        for tag in transaction.validity.provides:
            other = self._provided.get(tag)
            if other in found.ready:
                owed -= self._ready[other].transaction.fee  # it would be replaced
        if owed + transaction.fee > transaction.funds:
            raise errors.invalid(TransactionInvalid(Payment()))

    def _enter_future(self, held: _Held) -> None:
        if not self._accepts_future:
            raise errors.no_future()
        hash_ = held.transaction.hash
        self._future[hash_] = held
        self._future_bytes += len(held.transaction.data)
        self._worst_future.push(held)
        self._enter_any(held, is_ready=False)
        for tag in held.missing:
            self._wanted.setdefault(tag, {})[hash_] = None
        self._events.append(PoolEvent(hash_, Status.FUTURE))

    def _enter_ready(self, held: _Held) -> None:
        """Put it among the ready ones; raises where it cannot replace what stands there."""
        validity, hash_ = held.transaction.validity, held.transaction.hash
        replaced = {self._provided[tag]: None for tag in validity.provides if tag in self._provided}
        if replaced:
            old = sum(int(self._ready[other].transaction.validity.priority) for other in replaced)
            if int(validity.priority) <= old:
                raise errors.too_low(old, int(validity.priority))
            if any(self._provided.get(tag) in replaced for tag in validity.requires):
                raise errors.cycle()
        orphans: dict[Hash, None] = {}
        for other in replaced:
            orphans.update(self._dependants(self._ready[other]))
            self._leave_ready(other)
            self._events.append(PoolEvent(other, Status.USURPED, hash_))
        self._ready[hash_] = held
        self._worst_ready.push(held)
        self._ready_bytes += len(held.transaction.data)
        self._enter_any(held, is_ready=True)
        for tag in validity.provides:
            self._provided[tag] = hash_
            for next_hash in self._needed.get(tag, ()):
                self._roots.pop(next_hash, None)
        self._index_needs(held)
        self._events.append(PoolEvent(hash_, Status.READY))
        self._adopt(orphans)

    def _adopt(self, orphans: Iterable[Hash]) -> None:
        """Make those wait whose tags nobody provides any more."""
        for hash_ in orphans:
            held = self._ready.get(hash_)
            if held is None:
                continue
            if self._missing(held.transaction.validity):
                self._demote(hash_)

    def _missing(self, validity: ValidTransaction) -> set[bytes]:
        return {
            tag
            for tag in validity.requires
            if tag not in self._provided and tag not in self._recent_tags
        }

    def _providers(self, held: _Held) -> set[Hash]:
        """Ready ones that provide a tag which this one requires."""
        provided = self._provided
        requires = held.transaction.validity.requires
        return {provided[tag] for tag in requires if tag in provided}

    def _dependants(self, held: _Held) -> dict[Hash, None]:
        """Ready ones that require a tag of this one."""
        found: dict[Hash, None] = {}
        for tag in held.transaction.validity.provides:
            found.update(self._needed.get(tag, {}))
        return found

    def _demote(self, hash_: Hash) -> None:
        """Make a ready transaction, and all that need it, wait."""
        for found in self._subtree(hash_):
            held = self._leave_ready(found)
            held.missing = self._missing(held.transaction.validity)
            if self._accepts_future:
                self._enter_future(held)
            else:
                self._events.append(PoolEvent(found, Status.DROPPED))

    def _promote(self, tags: Iterable[bytes]) -> None:
        """Make ready what waited only for these tags."""
        queue = list(tags)
        while queue:
            tag = queue.pop()
            for hash_ in list(self._wanted.pop(tag, ())):
                held = self._future.get(hash_)
                if held is None:
                    continue
                held.missing.discard(tag)
                if held.missing:
                    continue
                self._leave_future(hash_)
                try:
                    self._enter_ready(held)
                except RpcError:
                    self._events.append(PoolEvent(hash_, Status.DROPPED))
                else:
                    queue.extend(held.transaction.validity.provides)

    def _enforce(self) -> None:
        """Drive out the worst until the limits hold."""
        limits = self.limits
        while len(self._ready) > limits.ready_count or self._ready_bytes > limits.ready_bytes:
            crowd = self._crowds.largest()
            worst = self._worst_ready.find() if crowd is None else next(reversed(crowd.ready))
            for hash_ in self._subtree(worst):
                self._leave_ready(hash_)
                self._events.append(PoolEvent(hash_, Status.DROPPED))
        while len(self._future) > limits.future_count or self._future_bytes > limits.future_bytes:
            worst = self._worst_future.find()
            self._leave_future(worst)
            self._events.append(PoolEvent(worst, Status.DROPPED))

    # Leaving.

    def _subtree(self, hash_: Hash) -> list[Hash]:
        """A ready transaction and all that need it, in an order of need."""
        found = {hash_: None}
        queue = [hash_]
        for at in queue:
            for next_hash in self._dependants(self._ready[at]):
                if next_hash not in found:
                    found[next_hash] = None
                    queue.append(next_hash)
        return queue

    def _leave_ready(self, hash_: Hash) -> _Held:
        held = self._ready.pop(hash_)
        self._ready_bytes -= len(held.transaction.data)
        self._leave_any(held)
        for tag in held.transaction.validity.provides:
            if self._provided.get(tag) == hash_:
                del self._provided[tag]
        for next_hash in self._dependants(held):
            if not self._providers(self._ready[next_hash]):
                self._roots[next_hash] = None
        self._unindex_needs(held)
        return held

    def _index_needs(self, held: _Held) -> None:
        hash_ = held.transaction.hash
        for tag in held.transaction.validity.requires:
            self._needed.setdefault(tag, {})[hash_] = None
        if not self._providers(held):
            self._roots[hash_] = None

    def _unindex_needs(self, held: _Held) -> None:
        hash_ = held.transaction.hash
        self._roots.pop(hash_, None)
        for tag in dict.fromkeys(held.transaction.validity.requires):
            needing = self._needed[tag]
            del needing[hash_]
            if not needing:
                del self._needed[tag]

    def _leave_future(self, hash_: Hash) -> _Held:
        held = self._future.pop(hash_)
        self._future_bytes -= len(held.transaction.data)
        self._leave_any(held)
        for tag in held.missing:
            wanting = self._wanted.get(tag)
            if wanting is not None:
                wanting.pop(hash_, None)
                if not wanting:
                    del self._wanted[tag]
        return held

    def _enter_any(self, held: _Held, *, is_ready: bool) -> None:
        found = held.transaction
        self._checked[found.hash] = None
        if found.sender is None:
            return
        sender = self._senders.setdefault(found.sender, _Sender())
        sender.owed += found.fee
        if is_ready:
            sender.ready[found.hash] = None
            self._crowds.grew(found.sender, len(sender.ready))
        else:
            sender.future[found.hash] = None

    def _leave_any(self, held: _Held) -> None:
        found = held.transaction
        self._checked.pop(found.hash, None)
        if found.sender is None:
            return
        sender = self._senders[found.sender]
        sender.owed -= found.fee
        sender.ready.pop(found.hash, None)
        sender.future.pop(found.hash, None)
        if not sender.ready and not sender.future:
            del self._senders[found.sender]

    def remove(self, hashes: Iterable[Hash], *, now_s: float | None) -> None:
        """Drop invalid transactions; what needs them waits again. ``now_s`` bans them too."""
        for hash_ in hashes:
            if now_s is not None:
                self._ban(hash_, now_s)
            if hash_ in self._ready:
                dependants = self._dependants(self._ready[hash_])
                self._leave_ready(hash_)
                self._adopt(dependants)
            elif hash_ in self._future:
                self._leave_future(hash_)
            else:
                continue
            self._events.append(PoolEvent(hash_, Status.INVALID))
        self._enforce()

    def ban(self, hash_: Hash, now_s: float) -> None:
        """Refuse this transaction for ``BAN_S``."""
        self._ban(hash_, now_s)

    def _ban(self, hash_: Hash, now_s: float) -> None:
        self._bans.pop(hash_, None)
        if len(self._bans) >= BANS_MAX:
            del self._bans[next(iter(self._bans))]
        self._bans[hash_] = now_s + BAN_S

    # Blocks.

    def prune(
        self, block: Hash, hashes: Iterable[Hash], tags: Iterable[bytes], now_s: float
    ) -> None:
        """A block on the best chain included ``hashes`` and provided ``tags``.

        ``tags`` are those of included transactions that the pool does not hold.
        """
        provided = list(tags)
        for hash_ in hashes:
            self._ban(hash_, now_s)
            held = self._ready.get(hash_) or self._future.get(hash_)
            if held is not None:
                provided.extend(held.transaction.validity.provides)
                self._discard(hash_)
                self._events.append(PoolEvent(hash_, Status.PRUNED, block))
        for tag in provided:
            self._recent_tags.pop(tag, None)
            if len(self._recent_tags) >= RECENT_TAGS_MAX:
                del self._recent_tags[next(iter(self._recent_tags))]
            self._recent_tags[tag] = None
            stale = self._provided.get(tag)
            if stale is not None:  # another one with its nonce was included
                self._discard(stale)
                self._ban(stale, now_s)
                self._events.append(PoolEvent(stale, Status.INVALID))
        self._promote(provided)
        self._enforce()

    def _discard(self, hash_: Hash) -> None:
        """Take one out; the chain now provides its tags, so dependants stay."""
        if hash_ in self._future:
            self._leave_future(hash_)
            return
        self._leave_ready(hash_)

    def retract(self, block: Hash, hashes: Iterable[Hash], tags: Iterable[bytes]) -> None:
        """A block left the best chain: its transactions may come back."""
        for tag in tags:
            self._recent_tags.pop(tag, None)
        for hash_ in hashes:
            self._bans.pop(hash_, None)
            self._events.append(PoolEvent(hash_, Status.RETRACTED, block))

    def expire(self, height: int) -> None:
        """Drop what is invalid by age in the block after ``height``."""
        old = [
            held.transaction.hash
            for queue in (self._ready, self._future)
            for held in queue.values()
            if held.transaction.valid_until <= height
        ]
        self.remove(old, now_s=None)

    def refresh(self, transaction: Transaction, now_s: float) -> None:
        """Put the new verdict of a held transaction in place of the old one.

        What misses something since (a reorganisation took it) waits; what misses nothing is ready.
        """
        hash_ = transaction.hash
        held = self._ready.get(hash_)
        if held is None:
            if hash_ in self._future:
                self._leave_future(hash_)
                try:
                    self.submit(transaction, now_s)
                except RpcError:
                    self._events.append(PoolEvent(hash_, Status.DROPPED))
            return
        old = held.transaction
        if transaction.validity.provides != old.validity.provides:
            return  # of another runtime; it will be looked at again
        del self._checked[hash_]
        self._checked[hash_] = None
        if old.sender is not None:
            self._senders[old.sender].owed += transaction.fee - old.fee
        self._unindex_needs(held)
        held.set(transaction)
        self._index_needs(held)
        self._worst_ready.push(held)
        if self._missing(transaction.validity):
            self._demote(hash_)
            self._enforce()


def _negated(rank: _Rank) -> _Rank:
    priority, valid_until, order = rank
    return -priority, -valid_until, -order
