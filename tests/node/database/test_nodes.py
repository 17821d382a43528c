"""The node store: its cache is bounded, and damage is found whether or not it is used."""

import pytest

from node.database import Batch, MemoryKv
from node.database.layout import put_nodes
from node.database.nodes import NodeStore, _Cache
from primitives.errors import StorageCorrupt
from primitives.trie import EMPTY, Ref, Trie
from primitives.trie.packed import LEAF_BYTE


class CountingKv(MemoryKv):
    reads = 0

    def get(self, key: bytes) -> bytes | None:
        self.reads += 1
        return super().get(key)


def filled(cache_bytes: int) -> tuple[NodeStore, CountingKv, Ref, list[bytes]]:
    kv = CountingKv()
    store = NodeStore(kv, cache_bytes=cache_bytes)
    keys = [index.to_bytes(2, "big") * 8 for index in range(400)]
    update = Trie(store, EMPTY).update(dict.fromkeys(keys, b"v" * 50), store.allocate)
    batch = Batch()
    put_nodes(batch, update.inserted)
    kv.write(batch, sync=False)
    return store, kv, update.root, keys


def test_cached_nodes_are_not_read_again() -> None:
    store, kv, root, keys = filled(10_000_000)
    first = [Trie(store, root).get(key) for key in keys]
    reads = kv.reads
    assert [Trie(store, root).get(key) for key in keys] == first == [b"v" * 50] * len(keys)
    assert kv.reads == reads


def test_the_cache_stays_within_its_bytes() -> None:
    store, kv, root, keys = filled(40_000)
    for _ in range(3):
        for key in keys:
            assert Trie(store, root).get(key) == b"v" * 50
        assert store.held_count * 200 <= 40_000 + 5_000
    assert kv.reads > len(keys)


def test_records_that_an_update_replaces_leave_the_cache() -> None:
    store, kv, root, keys = filled(10_000_000)
    for round_ in range(20):
        update = Trie(store, root).update(
            dict.fromkeys(keys[::3], b"%d" % round_ * 40), store.allocate
        )
        batch = Batch()
        put_nodes(batch, update.inserted)
        kv.write(batch, sync=False)
        store.hold(update)
        root = update.root
    records = store._records
    branches = {ref for ref in update.inserted if ref[-1] < LEAF_BYTE}
    assert branches <= set(records._held)
    assert len(records) <= 2 * len(branches), "one version of each branch"
    assert records._bytes == sum(200 + len(record) for record in records._held.values())
    kv.reads = 0
    again = Trie(store, root).update(
        dict.fromkeys(keys[::3], b"x" * 40), store.allocate, {}.fromkeys(keys, b"19" * 40).get
    )
    assert again.root.merkle != root.merkle
    assert kv.reads == 0, "no branch, and no leaf at all"


def test_a_full_cache_gives_the_oldest_up_first() -> None:
    cache = _Cache[bytes](3 * 300, len)
    for index in range(3):
        cache.add(b"%d" % index, bytes(100))
    assert [cache.find(b"%d" % index) is not None for index in range(3)] == [True] * 3
    cache.add(b"3", bytes(100))
    assert [cache.find(b"%d" % index) is not None for index in range(4)] == [False, *[True] * 3]
    cache.add(b"3", bytes(100))
    assert (len(cache), cache._bytes) == (3, 900)
    cache.add(b"large", bytes(5_000))
    assert (len(cache), cache._bytes) == (0, 0)


def test_a_cache_of_nothing_still_reads() -> None:
    store, _, root, keys = filled(0)
    assert Trie(store, root).get(keys[7]) == b"v" * 50


def test_numbers_start_where_they_are_told_and_never_repeat() -> None:
    store = NodeStore(MemoryKv())
    store.start_at(7)
    assert [store.allocate() for _ in range(3)] == [7, 8, 9]


def test_a_missing_node_is_damage() -> None:
    store, _, root, _ = filled(0)
    assert store.find(Ref.of(root.merkle, 10**6)) is None
    with pytest.raises(StorageCorrupt, match="is gone"):
        store.node(Ref.of(root.merkle, 10**6))


def test_a_node_under_another_number_is_damage() -> None:
    store, _, root, _ = filled(0)
    with pytest.raises(StorageCorrupt, match="does not match its hash"):
        store.node(Ref.of(root.merkle, root.id - 1))
