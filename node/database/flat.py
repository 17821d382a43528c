"""The values of one state by their keys, without the trie: what most reads want.

A column holds every value of the last finalized block's state, its *base*. Each block above it has
a layer: what it changed, kept in memory and, until the block is final, on disk. A read at such a
block looks through the layers down to the base and then asks the store once, however large the
state is. Other states, and proofs, come from the trie.

A value above ``INLINE_BYTES_MAX`` is not stored twice: the column names the trie node that has it.

Readers never see a mixture of two bases. The ``View`` that a reader works with is given up before
the batch that changes the column is written, and a new one is shown after it: whoever finds the
same view before and after a read has read between two such batches, and everybody else asks again
or reads the trie. If the batch fails there is no view any more.

Guarantees: a record is bound to its key by a checksum; a batch that the store lost from the middle
of its log is found at opening (``check_marks``), because an older record would pass for a good one.
Bounds: ``LAYERS_MAX`` layers above one another and ``LAYERS_BYTES_MAX`` of layers in memory; blocks
above that are read from the trie until finality has caught up. ``VALUES_BYTES_MAX`` of the base's
values are kept in memory.
"""

from collections.abc import Iterable, Mapping
from struct import Struct
from typing import Final

from xxhash import xxh3_64_digest, xxh3_64_intdigest

from node.database.errors import corrupt
from node.database.kv import Batch, KeyValue
from node.database.layout import CHANGES, FLAT, MARK, mark_key, node_key, seal, unseal
from node.database.nodes import NodeStore
from primitives.trie import TrieUpdate
from primitives.types import Hash

__all__ = [
    "DROP_BATCH_ENTRIES",
    "INLINE_BYTES_MAX",
    "LAYERS_BYTES_MAX",
    "LAYERS_MAX",
    "MARKS_MAX",
    "VALUES_BYTES_MAX",
    "Changes",
    "FlatReader",
    "FlatStates",
    "Unknown",
    "check_marks",
    "drop_side",
    "put_changes",
    "put_mark",
    "put_values",
    "records_of",
]

INLINE_BYTES_MAX: Final = 256
"""Longer values stay in their trie node; the record names it."""
LAYERS_MAX: Final = 64
LAYERS_BYTES_MAX: Final = 16 * 1024 * 1024
VALUES_BYTES_MAX: Final = 16 * 1024 * 1024
HELD_BYTES_MAX: Final = 4096
"""Longer values are read again: an audit asks hundreds of fragments, and the points of one would
take the place of twenty values that every block wants."""
MARKS_MAX: Final = 16_384
"""Batches whose marks are kept: more than the store's logs can hold (two of 16 MiB)."""
DROP_BATCH_ENTRIES: Final = 10_000

_VALUE, _NODE = b"\x00", b"\x01"
_CHECKSUM_BYTES: Final = 8
_ENTRY_BYTES: Final = 200
_PLACE: Final = Struct("<QI8s")
"""Number of a node, length and checksum of the value that ends its record."""
_LENGTHS: Final = Struct("<HI")
_REMOVED: Final = 0xFFFF_FFFF

Changes = Mapping[bytes, bytes | None]
"""Records by keys of the state; None: the key is gone."""


class Unknown:
    """Marks what cannot be told without the trie."""


UNKNOWN: Final = Unknown()


# Records.


def records_of(update: TrieUpdate) -> dict[bytes, bytes | None]:
    """What an update changes in the column."""
    found: dict[bytes, bytes | None] = {
        key: None if value is None else _VALUE + value
        for key, value in update.changed.items()
        if value is None or len(value) <= INLINE_BYTES_MAX
    }
    for key, number, value in update.placed:
        if len(value) > INLINE_BYTES_MAX:
            found[key] = _NODE + _PLACE.pack(number, len(value), xxh3_64_digest(value))
    return found


def _checksum(key: bytes, record: bytes) -> bytes:
    return xxh3_64_digest(record, seed=xxh3_64_intdigest(key))


def put_values(batch: Batch, side: int, changes: Changes) -> None:
    """Bring the column's ``side`` up to ``changes``."""
    prefix = FLAT + bytes([side])
    for name, record in changes.items():
        key = prefix + name
        if record is None:
            batch.delete(key)
        else:
            batch.put(key, record + _checksum(key, record))


def drop_side(kv: KeyValue, side: int) -> None:
    """Delete everything on ``side``; what a crash leaves of it goes with the next call."""
    batch = Batch()
    for key, _ in kv.iterate(FLAT + bytes([side])):
        batch.delete(key)
        if len(batch) == DROP_BATCH_ENTRIES:
            kv.write(batch, sync=False)
            batch = Batch()
    if len(batch):
        kv.write(batch, sync=False)


def put_changes(batch: Batch, block: Hash, changes: Changes) -> None:
    """Keep what an unfinalized block changes."""
    parts: list[bytes] = []
    for name, record in changes.items():
        parts.append(_LENGTHS.pack(len(name), _REMOVED if record is None else len(record)))
        parts.append(name)
        if record is not None:
            parts.append(record)
    key = CHANGES + block
    batch.put(key, seal(key, b"".join(parts)))


def _decode_changes(content: bytes) -> dict[bytes, bytes | None]:
    found: dict[bytes, bytes | None] = {}
    at, end = 0, len(content)
    while at < end:
        if end - at < _LENGTHS.size:
            raise corrupt("a block's changes are cut short")
        name_bytes, record_bytes = _LENGTHS.unpack_from(content, at)
        at += _LENGTHS.size
        name, at = content[at : at + name_bytes], at + name_bytes
        found[name] = None
        if record_bytes != _REMOVED:
            found[name], at = content[at : at + record_bytes], at + record_bytes
    if at != end:
        raise corrupt("a block's changes are cut short")
    return found


# Marks.


def put_mark(batch: Batch, number: int) -> None:
    """``batch`` is the one with this number that changes the column."""
    key = mark_key(number)
    batch.put(key, seal(key, b""))
    if number > MARKS_MAX:
        batch.delete(mark_key(number - MARKS_MAX))


def check_marks(kv: KeyValue, last: int) -> None:
    """Each of the last batches must have arrived. Raises: StorageCorrupt."""
    expected = max(1, last - MARKS_MAX + 1)
    for key, record in kv.iterate(MARK):
        unseal(key, record)
        if key != mark_key(expected):
            break
        expected += 1
    if expected != last + 1:
        raise corrupt(f"the write {expected} of state values was lost")


# Reading.


class _Layer:
    """What one block changes."""

    __slots__ = ("changes", "cost", "depth", "parent")

    def __init__(self, parent: Hash, depth: int, changes: Changes, cost: int | None = None) -> None:
        self.parent = parent
        self.depth = depth
        self.changes = changes
        self.cost = _cost_bytes(changes) if cost is None else cost


def _cost_bytes(changes: Changes) -> int:
    """About what a layer takes in memory."""
    return sum(
        _ENTRY_BYTES + len(key) + (0 if record is None else len(record))
        for key, record in changes.items()
    )


class _Values:
    """Values of a base that were read, as far as they have room.

    In two halves: what was not read since the younger one filled up goes with the older one.
    """

    __slots__ = ("_old", "_young", "_young_bytes")

    def __init__(self) -> None:
        self._young: dict[bytes, bytes | None] = {}
        self._old: dict[bytes, bytes | None] = {}
        self._young_bytes = 0

    def after(self, changes: Iterable[bytes]) -> "_Values":
        """What is left of it in a base where ``changes`` are other keys' values."""
        made = _Values()
        made._young, made._old = self._young.copy(), self._old.copy()
        made._young_bytes = self._young_bytes
        for name in changes:
            made._young.pop(name, None)
            made._old.pop(name, None)
        return made

    def find(self, name: bytes) -> bytes | Unknown | None:
        """The value, None if there is none, UNKNOWN if it was not read lately."""
        value = self._young.get(name, UNKNOWN)
        if value is UNKNOWN:
            value = self._old.get(name, UNKNOWN)
            if isinstance(value, Unknown):
                return UNKNOWN
            self.hold(name, value)
        return value

    def hold(self, name: bytes, value: bytes | None) -> None:
        """A value was read. Threads may race here: then one is forgotten early."""
        if value is not None and len(value) > HELD_BYTES_MAX:
            return
        self._young[name] = value
        self._young_bytes += _ENTRY_BYTES + len(name) + (0 if value is None else len(value))
        if self._young_bytes > VALUES_BYTES_MAX // 2:
            self._old, self._young, self._young_bytes = self._young, {}, 0


class _View:
    """A base, and the layers above it."""

    __slots__ = ("base", "bytes", "layers", "side", "values")

    def __init__(self, base: Hash, side: int, values: "_Values") -> None:
        self.values = values
        self.base = base
        self.side = side
        self.layers: dict[Hash, _Layer] = {}
        self.bytes = 0

    def depth_above(self, parent: Hash) -> int | None:
        """How deep a layer on that of ``parent`` would be; None: there is no room for it."""
        below = self.layers.get(parent)
        if below is None and parent != self.base:
            return None
        depth = 1 if below is None else below.depth + 1
        return depth if depth <= LAYERS_MAX and self.bytes < LAYERS_BYTES_MAX else None

    def put(self, block: Hash, layer: _Layer) -> None:
        """Keep a layer, if there is room."""
        if self.bytes + layer.cost <= LAYERS_BYTES_MAX:
            self.layers[block] = layer
            self.bytes += layer.cost

    def path(self, block: Hash) -> tuple[Changes, ...] | None:
        """The layers from ``block`` down to the base; None if it is not above it."""
        found: list[Changes] = []
        while block != self.base:
            layer = self.layers.get(block)
            if layer is None:
                return None
            found.append(layer.changes)
            block = layer.parent
        return tuple(found)


class FlatStates:
    """The column and its layers. One thread changes it, any thread reads."""

    def __init__(self, kv: KeyValue, nodes: NodeStore) -> None:
        self._kv = kv
        self._last = _View(Hash(bytes(32)), 0, _Values())
        self.nodes = nodes
        self.view: _View | None = None
        """What is true of the store now; None while that changes."""

    def get(self, key: bytes) -> bytes | None:
        """What the store has under a whole key of it."""
        return self._kv.get(key)

    def hide(self) -> None:
        """The column is going to change."""
        self.view = None

    def show(
        self,
        base: Hash,
        side: int,
        blocks: Iterable[tuple[Hash, Hash]],
        changed: Iterable[bytes] | None = None,
    ) -> None:
        """The column holds the state of ``base``; ``blocks`` above it, lowest first, with parents.

        ``changed`` are the keys whose values are others than in the base before; None: all.

        Raises: StorageCorrupt.
        """
        values = _Values() if changed is None else self._last.values.after(changed)
        view = _View(base, side, values)
        for block, parent in blocks:
            depth = view.depth_above(parent)
            if depth is not None:
                held = self._last.layers.get(block)
                cost = None if held is None else held.cost
                view.put(block, _Layer(parent, depth, self.changes(block), cost))
        before, self._last = self._last, view
        self.view = view
        # A snapshot that nobody reads may keep the view before for long, but not what it held.
        before.values, before.layers = _Values(), {}

    def add(self, block: Hash, parent: Hash, changes: Changes) -> None:
        """A block was imported."""
        depth = self._last.depth_above(parent)
        if depth is not None:
            self._last.put(block, _Layer(parent, depth, changes))

    def forget(self, block: Hash) -> None:
        """An unfinalized block was dropped."""
        layer = self._last.layers.pop(block, None)
        if layer is not None:
            self._last.bytes -= layer.cost

    def changes(self, block: Hash) -> Changes:
        """What an unfinalized block changes. Raises: StorageCorrupt."""
        layer = self._last.layers.get(block)
        if layer is not None:
            return layer.changes
        key = CHANGES + block
        record = self._kv.get(key)
        if record is None:
            raise corrupt(f"the changes of block {block.hex()} are missing")
        return _decode_changes(unseal(key, record))


class FlatReader:
    """One block's state; any thread may read it."""

    __slots__ = ("_at", "_block", "_states")

    def __init__(self, states: FlatStates, block: Hash) -> None:
        self._states = states
        self._block = block
        self._at: tuple[_View | None, tuple[Changes, ...] | None, bytes] = (None, None, b"")

    def get(self, name: bytes) -> bytes | Unknown | None:
        """The value under ``name``; UNKNOWN: ask the trie. Raises: StorageCorrupt."""
        states = self._states
        view = states.view
        if view is None:
            return UNKNOWN
        at = self._at
        if at[0] is not view:
            # One assignment: other threads see the old triple or the new one.
            self._at = at = (view, view.path(self._block), FLAT + bytes([view.side]))
        layers = at[1]
        if layers is None:
            return UNKNOWN
        for layer in layers:
            if name in layer:
                record = layer[name]
                return None if record is None else self._value(record)
        value = view.values.find(name)
        if value is not UNKNOWN:
            return value
        key = at[2] + name
        found = states.get(key)
        if states.view is not view:
            return UNKNOWN
        value = None
        if found is not None:
            record = found[:-_CHECKSUM_BYTES]
            if found[-_CHECKSUM_BYTES:] != _checksum(key, record):
                raise corrupt(f"the value under 0x{name.hex()} fails its checksum")
            value = self._value(record)
            if isinstance(value, Unknown):
                return UNKNOWN
        view.values.hold(name, value)
        return value

    def _value(self, record: bytes) -> bytes | Unknown:
        if record[:1] == _VALUE:
            return record[1:]
        number, length, checksum = _PLACE.unpack_from(record, 1)
        node = self._states.get(node_key(number))
        if node is None:
            return UNKNOWN  # its state was pruned meanwhile, or the disk lost it: the trie tells
        value = node[-length:]
        if xxh3_64_digest(value) != checksum:
            raise corrupt(f"the value in trie node {number} fails its checksum")
        return value
