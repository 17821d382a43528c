"""Snapshots: what readers of one block's state may rely on."""

from collections.abc import Callable, Mapping
from threading import Event, Thread
from typing import Any

import pytest

from node.database import Batch, KeyValue, MemoryKv, StateDiscarded, StateSnapshot
from node.database.layout import NODE
from pallets.frame.overlay import Overlay, StateReader
from primitives.errors import StorageCorrupt
from primitives.trie import root, verify_proof


def test_a_snapshot_reads_like_the_map_it_was_made_of(
    kv: KeyValue, make_chain: Any, genesis_state: Mapping[bytes, bytes]
) -> None:
    database = make_chain(kv).database
    snapshot: StateSnapshot = database.state_at(database.genesis_hash)
    ordered = sorted(genesis_state)
    assert snapshot.root == root(genesis_state)
    assert snapshot.block_hash == database.genesis_hash
    assert [snapshot.get(key) for key in ordered] == [genesis_state[key] for key in ordered]
    assert snapshot.get(b"absent") is None
    assert snapshot.next_key(b"") == ordered[0]
    assert snapshot.next_key(ordered[-1]) is None
    assert list(snapshot.items()) == sorted(genesis_state.items())
    prefix = b"\x03"
    under = [key for key in ordered if key.startswith(prefix)]
    assert snapshot.keys(prefix, 100) == under
    for limit in (0, 1, len(under) - 1, len(under), len(under) + 1):
        assert snapshot.keys(prefix, limit) == under[:limit]
    assert snapshot.keys(prefix, 2, under[2]) == under[3:5]
    proof = snapshot.prove([ordered[5], b"absent"])
    assert verify_proof(snapshot.root, proof, [ordered[5], b"absent"]) == {
        ordered[5]: genesis_state[ordered[5]],
        b"absent": None,
    }


def test_a_runtime_reads_and_changes_a_snapshot_through_its_overlay(
    kv: KeyValue, make_chain: Any, genesis_state: Mapping[bytes, bytes]
) -> None:
    chain = make_chain(kv)
    reader: StateReader = chain.database.state_at(chain.database.genesis_hash)
    overlay = Overlay(reader)
    first, *_, last = sorted(genesis_state)
    overlay.delete(first)
    overlay.put(last + b"\x00", b"new")
    made = chain.extend(changes=overlay.changes())
    after = {**genesis_state, last + b"\x00": b"new"}
    del after[first]
    assert dict(chain.database.state_at(made).items()) == after


def test_each_blocks_state_stays_what_it_was(kv: KeyValue, make_chain: Any) -> None:
    chain = make_chain(kv, {b"k": b"0" * 40})
    blocks = [chain.extend(changes={b"k": b"%d" % number * 40}) for number in range(1, 6)]
    fork = chain.extend(blocks[1], {b"k": None}, is_best=False)
    read = [chain.database.state_at(block).get(b"k") for block in blocks]
    assert read == [b"%d" % number * 40 for number in range(1, 6)]
    assert chain.database.state_at(fork).get(b"k") is None


def test_a_snapshot_pruned_under_its_reader_raises_and_never_lies(make_chain: Any) -> None:
    genesis = {bytes([index]) * 4: bytes([index]) * 40 for index in range(200)}
    chain = make_chain(MemoryKv(), genesis, state_pruning=1, node_cache_bytes=0)
    held = chain.database.state_at(chain.database.genesis_hash)
    changed = chain.extend(changes=dict.fromkeys(genesis, b"new" * 20))
    chain.database.finalize(changed, None)
    with pytest.raises(StateDiscarded, match="pruned while it was read"):
        held.get(b"\x07" * 4)
    with pytest.raises(StateDiscarded, match="archive"):
        chain.database.state_at(chain.database.genesis_hash)


def test_a_snapshot_of_a_discarded_fork_raises(make_chain: Any) -> None:
    chain = make_chain(MemoryKv(), node_cache_bytes=0)
    winner = chain.extend(changes={b"k": b"w" * 40})
    loser = chain.extend(chain.database.genesis_hash, {b"k": b"l" * 40}, is_best=False)
    held = chain.database.state_at(loser)
    chain.database.finalize(winner, None)
    with pytest.raises(StateDiscarded):
        held.get(b"k")


def test_a_node_that_the_disk_lost_is_damage_not_pruning(make_chain: Any) -> None:
    kv = MemoryKv()
    chain = make_chain(kv, node_cache_bytes=0)
    batch = Batch()
    for key, _ in kv.iterate(NODE):
        batch.delete(key)
    kv.write(batch, sync=True)
    with pytest.raises(StorageCorrupt, match="cess node purge-chain"):
        chain.database.state_at(chain.database.genesis_hash).prove([b"\x01\x01" * 8])


@pytest.mark.parametrize("cache_bytes", [0, 1_000_000])
def test_readers_in_threads_get_right_values_while_blocks_are_pruned(
    kv: KeyValue, make_chain: Any, cache_bytes: int
) -> None:
    keys = [bytes([index]) * 4 for index in range(40)]
    value: Callable[[int], bytes] = lambda number: b"%04d" % number * 10  # noqa: E731
    chain = make_chain(
        kv, dict.fromkeys(keys, value(0)), state_pruning=2, node_cache_bytes=cache_bytes
    )
    database, done = chain.database, Event()
    wrong: list[object] = []
    reads = [0, 0, 0]

    def read(index: int) -> None:
        while not done.is_set():
            best = database.best()
            try:
                snapshot = database.state_at(best.hash)
                if dict(snapshot.items()) != dict.fromkeys(keys, value(best.number)):
                    wrong.append(best)
                reads[index] += 1
            except StateDiscarded:
                continue
            except BaseException as error:  # noqa: BLE001  # whatever it is, the test must see it
                wrong.append(error)
                return

    threads = [Thread(target=read, args=(index,)) for index in range(len(reads))]
    for thread in threads:
        thread.start()
    for number in range(1, 60):
        made = chain.extend(changes=dict.fromkeys(keys, value(number)))
        database.finalize(made, None)
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_snapshot_tells_what_changed_since_another(kv: KeyValue, make_chain: Any) -> None:
    chain = make_chain(kv, {b"a": b"0" * 40, b"b": b"1"})
    first = chain.database.state_at(chain.database.genesis_hash)
    second = chain.database.state_at(chain.extend(changes={b"a": b"2" * 40, b"b": None, b"c": b""}))
    assert list(second.changes_since(first)) == [
        (b"a", b"0" * 40, b"2" * 40),
        (b"b", b"1", None),
        (b"c", None, b""),
    ]
    assert list(second.changes_since(first, b"b")) == [(b"b", b"1", None)]
    assert second.closest_merkle(b"") == second.root
    assert second.closest_merkle(b"absent") is None
