"""Storage items of a pallet: descriptors that are keys and codecs on the class, state on an
instance.

``FileBank.deal_map`` is a ``StorageEntry``: it makes raw keys and decodes raw values, for clients
and metadata. ``file_bank.deal_map`` is bound to the overlay of one block: it reads and writes.

A storage key is ``twox128(pallet) ++ twox128(item) ++ hashed keys``, with both names as on the
wire: the pallet's class name and the attribute in PascalCase.

Bounds: every listing takes ``limit``; nothing here loops over state without one.
"""

from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, TypeVar, cast, overload

from pallets.frame.hasher import Blake2_128Concat, Hasher
from primitives.errors import DecodeError
from primitives.hashing import twox_128
from primitives.scale import U32, Codec, Compact, codec

if TYPE_CHECKING:
    from pallets.frame.overlay import Overlay
    from pallets.frame.pallet import Pallet

__all__ = [
    "BoundDoubleMap",
    "BoundEvents",
    "BoundMap",
    "BoundTripleMap",
    "BoundValue",
    "EventsEntry",
    "StorageDoubleMap",
    "StorageEntry",
    "StorageMap",
    "StorageTripleMap",
    "StorageValue",
    "pascal_case",
]

K = TypeVar("K")
K1 = TypeVar("K1")
K2 = TypeVar("K2")
K3 = TypeVar("K3")
V = TypeVar("V")
P = TypeVar("P")
W = TypeVar("W", bound=Hashable)
G = TypeVar("G")
"""What ``get`` gives: ``V`` with a default, ``V | None`` without one."""

_NO_DEFAULT: Final = object()


def pascal_case(name: str) -> str:
    """``deal_map`` as it is on the wire: ``DealMap``."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


class StorageEntry(Generic[V]):
    """One declared item: its place, its types and its codecs."""

    def __init__(
        self,
        value: Any,
        keys: tuple[Any, ...],
        hashers: tuple[Hasher, ...],
        default: object,
        doc: str,
        wire_name: str | None,
    ) -> None:
        self.value_type = value
        self.key_types = keys
        self.hashers = hashers
        self.has_default = default is not _NO_DEFAULT
        self.default: V | None = None if default is _NO_DEFAULT else cast(V, default)
        self.doc = doc
        self.attribute = ""
        self.name = wire_name or ""
        self.pallet = ""

    def __set_name__(self, owner: type[object], name: str) -> None:
        self.attribute = name
        self.name = self.name or pascal_case(name)
        self.pallet = owner.__name__

    @cached_property
    def value_codec(self) -> Codec[V]:
        """Codec of the value."""
        return cast("Codec[V]", codec(self.value_type))

    @cached_property
    def key_codecs(self) -> tuple[Codec[Any], ...]:
        """Codecs of the keys, outermost first."""
        return tuple(codec(key) for key in self.key_types)

    @cached_property
    def _prefix(self) -> bytes:
        return twox_128(self.pallet.encode()) + twox_128(self.name.encode())

    def prefix_key(self, *keys: Any) -> bytes:
        """What all raw keys of this item begin with, or those under the leading ``keys``."""
        assert len(keys) <= len(self.key_types), f"{self.name} has {len(self.key_types)} keys"
        parts = [self._prefix]
        for key, key_codec, hasher in zip(keys, self.key_codecs, self.hashers, strict=False):
            parts.append(hasher.apply(key_codec.encode(key)))
        return b"".join(parts)

    def key(self, *keys: Any) -> bytes:
        """The raw key of one value."""
        assert len(keys) == len(self.key_types), f"{self.name} has {len(self.key_types)} keys"
        return self.prefix_key(*keys)

    def decode_key(self, raw: bytes) -> tuple[Any, ...]:
        """The keys of a raw key of this item."""
        if not raw.startswith(self._prefix):
            raise DecodeError(f"not a key of {self.pallet}.{self.name}: {raw.hex()}")
        at, keys = len(self._prefix), []
        for key_codec, hasher in zip(self.key_codecs, self.hashers, strict=True):
            key, at = key_codec.decode_from(raw, at + hasher.skip)
            keys.append(key)
        if at != len(raw):
            raise DecodeError(f"a key of {self.pallet}.{self.name} is too long: {raw.hex()}")
        return tuple(keys)

    def decode_value(self, raw: bytes | None) -> V | None:
        """The value of raw bytes, the default where there are none."""
        return self.default if raw is None else self.value_codec.decode(raw)


class _Bound(Generic[V]):
    """What bound items share: the overlay, and how a value is read and written."""

    __slots__ = ("_class", "_decode", "_default", "_encode", "_overlay", "entry")

    def __init__(self, entry: StorageEntry[V], overlay: "Overlay") -> None:
        self.entry = entry
        self._overlay = overlay
        self._encode: Callable[[V], bytes] = entry.value_codec.encode
        self._decode: Callable[[bytes], V] = entry.value_codec.decode
        self._default = entry.default
        self._class = entry.value_type if isinstance(entry.value_type, type) else None

    def _put(self, key: bytes, value: V) -> None:
        # A value of another class than the declared one is decoded afresh when it is next read.
        kept = value if type(value) is self._class else None
        self._overlay.put_value(key, self._encode(value), kept)


class BoundValue(_Bound[V], Generic[V, G]):
    """A single value of the state."""

    __slots__ = ("_key",)

    def __init__(self, entry: StorageEntry[V], overlay: "Overlay") -> None:
        super().__init__(entry, overlay)
        self._key = entry.key()

    def get(self) -> G:
        """The value, or the default, or None where there is neither."""
        value = self._overlay.get_value(self._key, self._decode)
        return cast(G, self._default if value is None else value)

    def put(self, value: V) -> None:
        """Write ``value``."""
        self._put(self._key, value)

    def kill(self) -> None:
        """Remove the value; the default is back."""
        self._overlay.delete(self._key)

    def take(self) -> G:
        """``get``, then ``kill``."""
        value = self.get()
        self._overlay.delete(self._key)
        return value

    def exists(self) -> bool:
        """Whether a value is written."""
        return self._overlay.get(self._key) is not None

    def mutate(self, change: Callable[[G], V]) -> V:
        """Write ``change(get())`` and return it."""
        value = change(self.get())
        self.put(value)
        return value


class StorageValue(StorageEntry[V], Generic[V, G]):
    """Declares a single value: ``count = StorageValue(U32, default=U32(0), doc="...")``."""

    @overload
    def __init__(
        self: "StorageValue[V, V]",
        value: type[V],
        *,
        default: V,
        doc: str = "",
        wire_name: str | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self: "StorageValue[V, V | None]",
        value: type[V],
        *,
        doc: str = "",
        wire_name: str | None = None,
    ) -> None: ...

    def __init__(
        self,
        value: type[V],
        *,
        default: Any = _NO_DEFAULT,
        doc: str = "",
        wire_name: str | None = None,
    ) -> None:
        super().__init__(value, (), (), default, doc, wire_name)

    @overload
    def __get__(self, instance: None, owner: type[object]) -> "StorageValue[V, G]": ...

    @overload
    def __get__(self, instance: "Pallet", owner: type[object]) -> BoundValue[V, G]: ...

    def __get__(
        self, instance: "Pallet | None", owner: type[object]
    ) -> "StorageValue[V, G] | BoundValue[V, G]":
        if instance is None:
            return self
        bound: BoundValue[V, G] = BoundValue(self, instance.overlay)
        instance.__dict__[self.attribute] = bound  # found there the next time
        return bound


class BoundMap(_Bound[V], Generic[K, V, G]):
    """A map of the state."""

    __slots__ = ("_counter", "_encode_key", "_hash", "_keys", "_prefix")

    def __init__(
        self, entry: "StorageMap[K, V, G]", overlay: "Overlay", counter: BoundValue[U32, U32] | None
    ) -> None:
        super().__init__(entry, overlay)
        self._prefix = entry.prefix_key()
        self._hash = entry.hashers[0].apply
        self._encode_key: Callable[[K], bytes] = entry.key_codecs[0].encode
        self._keys: dict[K, bytes] = {}
        self._counter = counter

    def _key(self, key: K) -> bytes:
        raw = self._keys.get(key)
        if raw is None:
            raw = self._keys[key] = self._prefix + self._hash(self._encode_key(key))
        return raw

    def get(self, key: K) -> G:
        """The value, or the default, or None where there is neither."""
        value = self._overlay.get_value(self._key(key), self._decode)
        return cast(G, self._default if value is None else value)

    def __getitem__(self, key: K) -> V:
        value = self._overlay.get_value(self._key(key), self._decode)
        if value is None:
            if self._default is None:
                raise KeyError(f"{self.entry.pallet}.{self.entry.name} holds nothing under {key!r}")
            return self._default
        return value

    def __contains__(self, key: K) -> bool:
        return self._overlay.get(self._key(key)) is not None

    def __setitem__(self, key: K, value: V) -> None:
        raw = self._key(key)
        if self._counter is not None and self._overlay.get(raw) is None:
            self._counter.put(self._counter.get() + 1)
        self._put(raw, value)

    def __delitem__(self, key: K) -> None:
        raw = self._key(key)
        if self._counter is not None and self._overlay.get(raw) is not None:
            self._counter.put(self._counter.get() - 1)
        self._overlay.delete(raw)

    def take(self, key: K) -> G:
        """``get``, then remove."""
        value = self.get(key)
        del self[key]
        return value

    def mutate(self, key: K, change: Callable[[G], V]) -> V:
        """Write ``change(get(key))`` and return it."""
        value = change(self.get(key))
        self[key] = value
        return value

    def count(self) -> U32:
        """How many keys a map declared ``counted`` holds."""
        assert self._counter is not None, f"{self.entry.name} is not declared `counted=True`"
        return self._counter.get()

    def keys(self, *, limit: int) -> list[K]:
        """At most ``limit`` keys, in the order of their hashes."""
        raw = self._overlay.keys(self._prefix, limit)
        return [self.entry.decode_key(key)[0] for key in raw]

    def items(self, *, limit: int) -> list[tuple[K, V]]:
        """At most ``limit`` keys with their values, in the order of the keys' hashes."""
        return [(key, self[key]) for key in self.keys(limit=limit)]

    def clear(self, *, limit: int) -> int:
        """Remove at most ``limit`` keys; return how many."""
        keys = self.keys(limit=limit)
        for key in keys:
            del self[key]
        return len(keys)


class StorageMap(StorageEntry[V], Generic[K, V, G]):
    """Declares a map; state in a comment why its ``hasher`` resists whoever chooses the keys."""

    @overload
    def __init__(
        self: "StorageMap[K, V, V]",
        key: type[K],
        value: type[V],
        *,
        default: V,
        hasher: Hasher = Blake2_128Concat,
        counted: bool = False,
        doc: str = "",
        wire_name: str | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self: "StorageMap[K, V, V | None]",
        key: type[K],
        value: type[V],
        *,
        hasher: Hasher = Blake2_128Concat,
        counted: bool = False,
        doc: str = "",
        wire_name: str | None = None,
    ) -> None: ...

    def __init__(
        self,
        key: type[K],
        value: type[V],
        *,
        default: Any = _NO_DEFAULT,
        hasher: Hasher = Blake2_128Concat,
        counted: bool = False,
        doc: str = "",
        wire_name: str | None = None,
    ) -> None:
        super().__init__(value, (key,), (hasher,), default, doc, wire_name)
        self.counter: StorageValue[U32, U32] | None = (
            StorageValue(U32, default=U32(0), doc="How many keys the map holds.")
            if counted
            else None
        )

    def __set_name__(self, owner: type[object], name: str) -> None:
        super().__set_name__(owner, name)
        if self.counter is not None:
            self.counter.name = "CounterFor" + self.name
            self.counter.__set_name__(owner, f"counter_for_{name}")

    @overload
    def __get__(self, instance: None, owner: type[object]) -> "StorageMap[K, V, G]": ...

    @overload
    def __get__(self, instance: "Pallet", owner: type[object]) -> BoundMap[K, V, G]: ...

    def __get__(
        self, instance: "Pallet | None", owner: type[object]
    ) -> "StorageMap[K, V, G] | BoundMap[K, V, G]":
        if instance is None:
            return self
        overlay = instance.overlay
        counter: BoundValue[U32, U32] | None = (
            None if self.counter is None else BoundValue(self.counter, overlay)
        )
        bound: BoundMap[K, V, G] = BoundMap(self, overlay, counter)
        instance.__dict__[self.attribute] = bound  # found there the next time
        return bound


class BoundDoubleMap(_Bound[V], Generic[K1, K2, V, G]):
    """A map of the state with two keys, listed by the first."""

    __slots__ = ("_double", "_encode_second", "_first", "_first_prefix", "_hash_second")

    def __init__(self, entry: "StorageDoubleMap[K1, K2, V, G]", overlay: "Overlay") -> None:
        super().__init__(entry, overlay)
        self._double = entry
        self._encode_second: Callable[[K2], bytes] = entry.key_codecs[1].encode
        self._hash_second = entry.hashers[1].apply
        # Of the first key that was used last: what asks for many entries asks under one.
        self._first: K1 | None = None
        self._first_prefix = b""

    def _key(self, keys: tuple[K1, K2]) -> bytes:
        first, second = keys
        if first is not self._first:
            self._first_prefix = self._double.prefix_key(first)
            self._first = first
        return self._first_prefix + self._hash_second(self._encode_second(second))

    def get(self, first: K1, second: K2) -> G:
        """The value, or the default, or None where there is neither."""
        value = self._overlay.get_value(self._key((first, second)), self._decode)
        return cast(G, self._default if value is None else value)

    def get_part(self, first: K1, second: K2, which: W, take: Callable[[bytes, W], P]) -> P | None:
        """``take(raw, which)`` of an encoded value that is not kept itself; None without a value.

        A key is always asked with the same ``take``.
        """
        return self._overlay.get_part(self._key((first, second)), which, take)

    def __getitem__(self, keys: tuple[K1, K2]) -> V:
        value = self._overlay.get_value(self._key(keys), self._decode)
        if value is None:
            if self._default is None:
                raise KeyError(
                    f"{self.entry.pallet}.{self.entry.name} holds nothing under {keys!r}"
                )
            return self._default
        return value

    def __contains__(self, keys: tuple[K1, K2]) -> bool:
        return self._overlay.get(self._key(keys)) is not None

    def __setitem__(self, keys: tuple[K1, K2], value: V) -> None:
        self._put(self._key(keys), value)

    def __delitem__(self, keys: tuple[K1, K2]) -> None:
        self._overlay.delete(self._key(keys))

    def take(self, first: K1, second: K2) -> G:
        """``get``, then remove."""
        value = self.get(first, second)
        del self[first, second]
        return value

    def prefix_keys(self, first: K1, *, limit: int) -> list[K2]:
        """At most ``limit`` second keys under ``first``, in the order of their hashes."""
        raw = self._overlay.keys(self._double.prefix_key(first), limit)
        return [self._double.decode_key(key)[1] for key in raw]

    def prefix(self, first: K1, *, limit: int) -> list[tuple[K2, V]]:
        """At most ``limit`` second keys under ``first`` with their values."""
        return [(second, self[first, second]) for second in self.prefix_keys(first, limit=limit)]

    def clear_prefix(self, first: K1, *, limit: int) -> int:
        """Remove at most ``limit`` values under ``first``; return how many."""
        keys = self._overlay.keys(self._double.prefix_key(first), limit)
        for key in keys:
            self._overlay.delete(key)
        return len(keys)

    def keys(self, *, limit: int) -> list[tuple[K1, K2]]:
        """At most ``limit`` pairs of keys, in the order of their hashes."""
        raw = self._overlay.keys(self._double.prefix_key(), limit)
        return [cast("tuple[K1, K2]", self._double.decode_key(key)) for key in raw]

    def items(self, *, limit: int) -> list[tuple[tuple[K1, K2], V]]:
        """At most ``limit`` pairs of keys with their values."""
        return [(keys, self[keys]) for keys in self.keys(limit=limit)]


class StorageDoubleMap(StorageEntry[V], Generic[K1, K2, V, G]):
    """Declares a map with two keys: ``self.held[who, index]``."""

    @overload
    def __init__(
        self: "StorageDoubleMap[K1, K2, V, V]",
        first: type[K1],
        second: type[K2],
        value: type[V],
        *,
        default: V,
        hashers: tuple[Hasher, Hasher] = (Blake2_128Concat, Blake2_128Concat),
        doc: str = "",
        wire_name: str | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self: "StorageDoubleMap[K1, K2, V, V | None]",
        first: type[K1],
        second: type[K2],
        value: type[V],
        *,
        hashers: tuple[Hasher, Hasher] = (Blake2_128Concat, Blake2_128Concat),
        doc: str = "",
        wire_name: str | None = None,
    ) -> None: ...

    def __init__(
        self,
        first: type[K1],
        second: type[K2],
        value: type[V],
        *,
        default: Any = _NO_DEFAULT,
        hashers: tuple[Hasher, Hasher] = (Blake2_128Concat, Blake2_128Concat),
        doc: str = "",
        wire_name: str | None = None,
    ) -> None:
        super().__init__(value, (first, second), hashers, default, doc, wire_name)

    @overload
    def __get__(self, instance: None, owner: type[object]) -> "StorageDoubleMap[K1, K2, V, G]": ...

    @overload
    def __get__(self, instance: "Pallet", owner: type[object]) -> BoundDoubleMap[K1, K2, V, G]: ...

    def __get__(
        self, instance: "Pallet | None", owner: type[object]
    ) -> "StorageDoubleMap[K1, K2, V, G] | BoundDoubleMap[K1, K2, V, G]":
        if instance is None:
            return self
        bound: BoundDoubleMap[K1, K2, V, G] = BoundDoubleMap(self, instance.overlay)
        instance.__dict__[self.attribute] = bound  # found there the next time
        return bound


class BoundTripleMap(_Bound[V], Generic[K1, K2, K3, V]):
    """A map of the state with three keys, removed by the first."""

    __slots__ = ("_triple",)

    def __init__(self, entry: "StorageTripleMap[K1, K2, K3, V]", overlay: "Overlay") -> None:
        super().__init__(entry, overlay)
        self._triple = entry

    def get(self, first: K1, second: K2, third: K3) -> V | None:
        """The value, or None where there is none."""
        key = self._triple.key(first, second, third)
        return self._overlay.get_value(key, self._decode)

    def __contains__(self, keys: tuple[K1, K2, K3]) -> bool:
        return self._overlay.get(self._triple.key(*keys)) is not None

    def __setitem__(self, keys: tuple[K1, K2, K3], value: V) -> None:
        self._put(self._triple.key(*keys), value)

    def __delitem__(self, keys: tuple[K1, K2, K3]) -> None:
        self._overlay.delete(self._triple.key(*keys))

    def clear_prefix(self, first: K1, *, limit: int) -> int:
        """Remove at most ``limit`` values under ``first``; return how many."""
        keys = self._overlay.keys(self._triple.prefix_key(first), limit)
        for key in keys:
            self._overlay.delete(key)
        return len(keys)

    def items(self, *, limit: int) -> list[tuple[tuple[K1, K2, K3], V]]:
        """At most ``limit`` triples of keys with their values."""
        found: list[tuple[tuple[K1, K2, K3], V]] = []
        for raw in self._overlay.keys(self._triple.prefix_key(), limit):
            keys = cast("tuple[K1, K2, K3]", self._triple.decode_key(raw))
            value = self.get(*keys)
            assert value is not None, "because the key was listed"
            found.append((keys, value))
        return found


class StorageTripleMap(StorageEntry[V], Generic[K1, K2, K3, V]):
    """Declares a map with three keys and no default: ``self.pages[era, who, page]``."""

    def __init__(
        self,
        keys: tuple[type[K1], type[K2], type[K3]],
        value: type[V],
        *,
        hashers: tuple[Hasher, Hasher, Hasher],
        doc: str = "",
        wire_name: str | None = None,
    ) -> None:
        super().__init__(value, keys, hashers, _NO_DEFAULT, doc, wire_name)

    @overload
    def __get__(self, instance: None, owner: type[object]) -> "StorageTripleMap[K1, K2, K3, V]": ...

    @overload
    def __get__(self, instance: "Pallet", owner: type[object]) -> BoundTripleMap[K1, K2, K3, V]: ...

    def __get__(
        self, instance: "Pallet | None", owner: type[object]
    ) -> "StorageTripleMap[K1, K2, K3, V] | BoundTripleMap[K1, K2, K3, V]":
        if instance is None:
            return self
        bound: BoundTripleMap[K1, K2, K3, V] = BoundTripleMap(self, instance.overlay)
        instance.__dict__[self.attribute] = bound  # found there the next time
        return bound


class BoundEvents:
    """The event log in the state of one block."""

    __slots__ = ("_key", "_overlay")

    def __init__(self, entry: "EventsEntry", overlay: "Overlay") -> None:
        self._key = entry.key()
        self._overlay = overlay

    def put(self, records: Sequence[bytes]) -> None:
        """Write encoded records (``Overlay.events``)."""
        self._overlay.put(self._key, _COUNT.encode(U32(len(records))) + b"".join(records))

    def kill(self) -> None:
        """Remove the log."""
        self._overlay.delete(self._key)

    def raw(self) -> bytes | None:
        """The stored log, for ``FrameRuntime.decode_events``."""
        return self._overlay.get(self._key)


class EventsEntry(StorageEntry[bytes]):
    """Declares the log of a block's events; what a record is, only a runtime knows."""

    def __init__(self, *, doc: str = "") -> None:
        super().__init__(bytes, (), (), b"", doc, None)

    @overload
    def __get__(self, instance: None, owner: type[object]) -> "EventsEntry": ...

    @overload
    def __get__(self, instance: "Pallet", owner: type[object]) -> BoundEvents: ...

    def __get__(
        self, instance: "Pallet | None", owner: type[object]
    ) -> "EventsEntry | BoundEvents":
        if instance is None:
            return self
        bound = BoundEvents(self, instance.overlay)
        instance.__dict__[self.attribute] = bound  # found there the next time
        return bound


_COUNT: Final = codec(cast("type[U32]", Annotated[U32, Compact]))
