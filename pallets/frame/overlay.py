"""The changes of a block over the state that it starts from.

One flat table holds what was written; a journal holds what each write replaced, so that a nested
layer is undone by walking the journal back to where the layer began. Reading costs one look-up,
however deep the layers are.

Values decoded once are kept beside their bytes until they change: an account that ten extrinsics of
a block touch is decoded once. Only immutable values may be kept. Of large values of which a block
wants a little, ``get_part`` keeps that little and not the value.

Guarantees: after ``rollback`` reads, iteration and ``changes`` are what they were at ``begin``;
``changes`` holds only keys that were written (also when written with what was there before).
Bounds: ``LAYERS_MAX`` layers; memory grows with the keys touched, which block weight bounds.
"""

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Protocol, TypeVar

__all__ = ["LAYERS_MAX", "DictState", "Overlay", "StateReader"]

LAYERS_MAX: Final = 64
"""Nested layers at most; calls nest no deeper than ``call.CALL_DEPTH_MAX``."""

V = TypeVar("V")
W = TypeVar("W", bound=Hashable)


class StateReader(Protocol):
    """A state that does not change: what a block starts from."""

    def get(self, key: bytes) -> bytes | None:
        """The value under ``key``."""
        ...

    def next_key(self, key: bytes) -> bytes | None:
        """The first key after ``key`` in byte order."""
        ...


class DictState:
    """A state in memory: genesis, tests and benchmarks."""

    def __init__(self, entries: Mapping[bytes, bytes]) -> None:
        self._entries = dict(entries)
        self._keys = sorted(self._entries)

    def get(self, key: bytes) -> bytes | None:
        """The value under ``key``."""
        return self._entries.get(key)

    def next_key(self, key: bytes) -> bytes | None:
        """The first key after ``key`` in byte order."""
        at = bisect_right(self._keys, key)
        return self._keys[at] if at < len(self._keys) else None

    def entries(self) -> dict[bytes, bytes]:
        """A copy of everything."""
        return dict(self._entries)

    def after(self, changes: Mapping[bytes, bytes | None]) -> "DictState":
        """This state with ``changes`` applied."""
        entries = dict(self._entries)
        for key, value in changes.items():
            if value is None:
                entries.pop(key, None)
            else:
                entries[key] = value
        return DictState(entries)


class _Absent:
    """Marks a key that the journal's write found unwritten."""


_ABSENT: Final = _Absent()


class Overlay:
    """Reads fall through to ``base``; writes stay here until somebody takes ``changes``."""

    __slots__ = (
        "_base",
        "_events",
        "_journal",
        "_marks",
        "_new",
        "_parts",
        "_read",
        "_sorted",
        "_values",
        "_written",
    )

    def __init__(self, base: StateReader) -> None:
        self._base = base
        self._written: dict[bytes, bytes | None] = {}
        self._read: dict[bytes, bytes | None] = {}
        self._values: dict[bytes, object] = {}
        self._parts: dict[bytes, tuple[object, object]] = {}
        self._journal: list[tuple[bytes, bytes | _Absent | None]] = []
        self._marks: list[tuple[int, int]] = []
        self._events: list[bytes] = []
        self._sorted: list[bytes] = []
        self._new: list[bytes] = []

    @property
    def events(self) -> list[bytes]:
        """Encoded event records of this block; a rolled-back layer takes its own away."""
        return self._events

    # Bytes.

    def get(self, key: bytes) -> bytes | None:
        """The value under ``key``."""
        written = self._written
        if key in written:
            return written[key]
        read = self._read
        if key in read:
            return read[key]
        value = self._base.get(key)
        read[key] = value
        return value

    def put(self, key: bytes, value: bytes) -> None:
        """Write ``value`` under ``key``."""
        self._note(key)
        self._written[key] = value
        self._forget(key)

    def delete(self, key: bytes) -> None:
        """Remove ``key``; nothing happens if it is not there."""
        self._note(key)
        self._written[key] = None
        self._forget(key)

    # Decoded values: what storage descriptors use.

    def get_value(self, key: bytes, decode: Callable[[bytes], V]) -> V | None:
        """The decoded value under ``key``, decoded at most once between two writes."""
        value = self._values.get(key)
        if value is not None:
            return value  # type: ignore[return-value]  # one key holds one type
        raw = self.get(key)
        if raw is None:
            return None
        decoded = decode(raw)
        self._values[key] = decoded
        return decoded

    def get_part(self, key: bytes, which: W, take: Callable[[bytes, W], V]) -> V | None:
        """What ``take`` gives of the bytes under ``key``, asked at most once between two writes.

        The bytes are not kept, only the part that was asked last: ``which`` tells it from others.
        """
        kept = self._parts.get(key)
        if kept is not None and kept[0] == which:
            return kept[1]  # type: ignore[return-value]  # one key holds one type
        if key in self._written:
            raw = self._written[key]
        elif key in self._read:
            raw = self._read[key]
        else:
            raw = self._base.get(key)
        part = None if raw is None else take(raw, which)
        self._parts[key] = (which, part)
        return part

    def put_value(self, key: bytes, raw: bytes, value: object | None) -> None:
        """Write ``raw``, which is the encoding of the immutable ``value`` (None: unknown)."""
        written = self._written
        if self._marks:
            self._journal.append((key, written.get(key, _ABSENT)))
        if key not in written:
            self._new.append(key)
        written[key] = raw
        self._forget(key)
        if value is not None:
            self._values[key] = value

    def forget_decoded(self) -> None:
        """Read every value from its bytes again: tests check so that both are the same."""
        self._values.clear()
        self._parts.clear()

    def _forget(self, key: bytes) -> None:
        """What was made of the bytes under ``key`` is not true of them any more."""
        self._values.pop(key, None)
        if self._parts:
            self._parts.pop(key, None)

    def _note(self, key: bytes) -> None:
        written = self._written
        if self._marks:
            self._journal.append((key, written.get(key, _ABSENT)))
        if key not in written:
            self._new.append(key)

    # Layers.

    @property
    def depth(self) -> int:
        """How many layers are open."""
        return len(self._marks)

    def begin(self) -> None:
        """Open a layer."""
        assert len(self._marks) < LAYERS_MAX, "because call nesting is limited below this"
        self._marks.append((len(self._journal), len(self._events)))

    def commit(self) -> None:
        """Keep what the innermost layer wrote; the layer around it may still undo it."""
        self._marks.pop()
        if not self._marks:
            self._journal.clear()

    def rollback(self) -> None:
        """Undo what was written since the innermost layer began."""
        at, events = self._marks.pop()
        written, journal = self._written, self._journal
        while len(journal) > at:
            key, before = journal.pop()
            self._forget(key)
            if isinstance(before, _Absent):
                del written[key]
            else:
                written[key] = before
        del self._events[events:]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A layer that stays if the body returns and is undone if it raises."""
        self.begin()
        try:
            yield
        except BaseException:
            self.rollback()
            raise
        self.commit()

    # Iteration.

    def next_key(self, key: bytes) -> bytes | None:
        """The first key after ``key`` in byte order that holds a value."""
        self._sort()
        written, ordered = self._written, self._sorted
        ours = bisect_right(ordered, key)
        base = self._base.next_key(key)
        while True:
            while ours < len(ordered) and written.get(ordered[ours]) is None:
                ours += 1  # deleted here, or a ghost of a layer that was undone
            while base is not None and base in written and written[base] is None:
                base = self._base.next_key(base)
            mine = ordered[ours] if ours < len(ordered) else None
            if mine is None or (base is not None and base < mine):
                return base
            return mine

    def keys(self, prefix: bytes, limit: int, start_after: bytes | None = None) -> list[bytes]:
        """At most ``limit`` keys that begin with ``prefix``, after ``start_after``, in order."""
        found: list[bytes] = []
        if limit <= 0:
            return found
        if start_after is None:
            if self.get(prefix) is not None:
                found.append(prefix)
            start_after = prefix
        key = self.next_key(start_after)
        while key is not None and key.startswith(prefix) and len(found) < limit:
            found.append(key)
            key = self.next_key(key)
        return found

    def _sort(self) -> None:
        if self._new:
            self._sorted.extend(self._new)
            self._sorted.sort()
            self._new.clear()

    def changes(self) -> dict[bytes, bytes | None]:
        """Everything written, None for what was removed; only with all layers closed."""
        assert not self._marks, "because an open layer may still be undone"
        return dict(self._written)
