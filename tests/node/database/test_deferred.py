"""Writes that wait: what readers see of them, their bounds, and what a crash leaves of them."""

import os
import random
from pathlib import Path
from typing import Any

import pytest

from node.database import ChainDatabase, LevelDb, MemoryKv
from node.database.deferred import DEFERRED_BATCHES_MAX, DEFERRED_BYTES_MAX, DeferringKv
from node.database.errors import DatabaseFailed
from node.database.kv import Batch, KeyValue
from tests.node.database.test_crash import KEYS, WINDOW, changes_of, check, genesis, state_of
from tests.simulation.disk import CrashNow, SimDisk
from tests.suites.key_value import KeyValueSuite, batch


class TestWithNothingWaiting(KeyValueSuite):
    @pytest.fixture
    def store(self) -> KeyValue:
        return DeferringKv(MemoryKv())


class Lazy(DeferringKv):
    """Everything that need not be synced waits."""

    def write(self, batch: Batch, *, sync: bool) -> None:
        if sync:
            super().write(batch, sync=True)
        else:
            self.defer(batch)


class TestWithAllOfItWaiting(KeyValueSuite):
    @pytest.fixture
    def store(self) -> KeyValue:
        return Lazy(MemoryKv())


class Recording(MemoryKv):
    """A store that remembers how it was written to."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[tuple[dict[bytes, bytes | None], bool]] = []
        self.is_broken = False

    def write(self, batch: Batch, *, sync: bool) -> None:
        if self.is_broken:
            raise DatabaseFailed("no space left on device")
        self.writes.append((dict(batch.operations), sync))
        super().write(batch, sync=sync)


def test_what_waits_reaches_the_store_with_the_next_synced_write_as_one_batch() -> None:
    below = Recording()
    store = DeferringKv(below)
    store.defer(batch((b"a", b"1"), (b"b", b"1")))
    store.defer(batch((b"a", b"2"), (b"c", None)))
    assert below.writes == []
    assert (store.get(b"a"), store.waiting_count) == (b"2", 2)
    store.write(batch((b"d", b"3")), sync=True)
    assert below.writes == [({b"a": b"2", b"b": b"1", b"c": None, b"d": b"3"}, True)]
    assert store.waiting_count == 0
    store.settle()
    assert len(below.writes) == 1


def test_a_write_that_need_not_be_synced_does_not_overtake_what_waits() -> None:
    below = Recording()
    store = DeferringKv(below)
    store.write(batch((b"a", b"0")), sync=False)
    store.defer(batch((b"a", b"1")))
    store.write(batch((b"a", b"2")), sync=False)
    assert below.writes == [({b"a": b"0"}, False), ({b"a": b"2"}, True)]


def test_no_more_batches_wait_than_the_bound() -> None:
    below = Recording()
    store = DeferringKv(below)
    for number in range(DEFERRED_BATCHES_MAX - 1):
        store.defer(batch((bytes([number]), b"")))
    assert below.writes == []
    store.defer(batch((b"last", b"")))
    assert store.waiting_count == 0
    assert [len(changes) for changes, _ in below.writes] == [DEFERRED_BATCHES_MAX]


def test_no_more_bytes_wait_than_the_bound() -> None:
    below = Recording()
    store = DeferringKv(below)
    store.defer(batch((b"a", bytes(DEFERRED_BYTES_MAX - 1000))))
    assert store.waiting_count == 1
    store.defer(batch((b"b", bytes(1000))))
    assert store.waiting_count == 0
    assert len(below.writes) == 1


def test_iteration_mixes_what_waits_with_what_is_stored_in_order() -> None:
    rng = random.Random(1)
    below = MemoryKv()
    store, plain = DeferringKv(below), MemoryKv()
    for count in (700, 600):
        made = batch(
            *[
                (rng.randbytes(2), None if rng.random() < 0.3 else rng.randbytes(3))
                for _ in range(count)
            ]
        )
        plain.write(made, sync=True)
        if count == 700:
            below.write(made, sync=True)
        else:
            store.defer(made)
    assert list(store.iterate(b"")) == list(plain.iterate(b""))
    for first in range(256):
        prefix = bytes([first])
        assert list(store.iterate(prefix)) == list(plain.iterate(prefix))
        assert list(store.iterate(prefix, b"\x80")) == list(plain.iterate(prefix, b"\x80"))


def test_closing_keeps_what_waits(tmp_path: Path) -> None:
    store = DeferringKv(LevelDb(tmp_path / "db"))
    store.defer(batch((b"a", b"1")))
    store.close()
    again = LevelDb(tmp_path / "db")
    assert again.get(b"a") == b"1"
    again.close()


def test_after_a_failed_sync_what_waited_is_not_called_settled() -> None:
    below = Recording()
    store = DeferringKv(below)
    store.defer(batch((b"a", b"1")))
    below.is_broken = True
    for _ in range(2):
        with pytest.raises(DatabaseFailed):
            store.settle()
        assert store.waiting_count == 1


# Blocks.


def extend(chain: Any, *, is_deferred: bool) -> None:
    """Import the next block of the chain that ``test_crash`` knows."""
    database = chain.database
    parent = database.best()
    number = parent.number + 1
    state = database.prepare(parent.hash, changes_of(number))
    made = chain.make_header(parent.hash, number, state.root)
    database.import_block(made, (b"x" * number,), state, is_best=True, is_deferred=is_deferred)


def open_chain(kv: KeyValue, make_chain: Any, make_header: Any) -> Any:
    chain = make_chain(kv, genesis(), state_pruning=WINDOW)
    chain.make_header = make_header
    return chain


def test_a_deferred_block_is_read_like_any_other_and_not_called_settled(
    kv: KeyValue, make_chain: Any, make_header: Any
) -> None:
    chain = open_chain(kv, make_chain, make_header)
    database = chain.database
    for number in range(1, 6):
        extend(chain, is_deferred=True)
        assert database.best().number == number
        assert not database.is_settled
        assert database.settled_best().number == 0
        snapshot = database.state_at(database.best().hash)
        assert dict(snapshot.items()) == state_of(number)
        assert {key: snapshot.get(key) for key in KEYS} == {
            key: state_of(number).get(key) for key in KEYS
        }
    assert ChainDatabase(kv, state_pruning=WINDOW).best().number == 0
    database.settle()
    assert database.is_settled
    assert database.settled_best() == database.best()
    assert ChainDatabase(kv, state_pruning=WINDOW).best() == database.best()


@pytest.mark.parametrize("write", ["finalize", "import", "set_best", "justification", "note"])
def test_whatever_else_is_written_takes_deferred_blocks_to_disk(
    kv: KeyValue, make_chain: Any, make_header: Any, write: str
) -> None:
    chain = open_chain(kv, make_chain, make_header)
    database = chain.database
    for _ in range(3):
        extend(chain, is_deferred=True)
    second = database.canonical_hash(2)
    match write:
        case "finalize":
            database.finalize(second, b"proof")
        case "import":
            extend(chain, is_deferred=False)
        case "set_best":
            database.set_best(database.best().hash)
        case "justification":
            database.put_justification(second, b"proof")
        case "note":
            database.put_note(b"word", b"kept")
    again = ChainDatabase(kv, state_pruning=WINDOW)
    assert again.best() == database.best()
    assert database.is_settled


@pytest.mark.parametrize("seed", range(60))
def test_a_crash_anywhere_leaves_an_earlier_block_and_all_that_was_settled(
    make_chain: Any, make_header: Any, reachable: Any, kept_nodes: Any, seed: int
) -> None:
    rng = random.Random(seed)
    disk = SimDisk(rng)
    disk.open()
    settled = 0
    for _ in range(4):
        assert disk.store is not None
        chain = open_chain(disk.store, make_chain, make_header)
        database = chain.database
        assert database.best().number >= settled, "because nothing that was settled is lost"
        disk.writes_to_crash = rng.randrange(12)
        try:
            for _ in range(rng.randrange(1, 60)):
                extend(chain, is_deferred=rng.random() < 0.9)
                settled = database.settled_best().number
                best = database.best()
                if rng.random() < 0.1 and best.number > database.finalized().number:
                    database.finalize(best.hash, b"proof")
                    assert database.is_settled, "because finality is told of"
                elif rng.random() < 0.05:
                    database.settle()
                settled = database.settled_best().number
        except CrashNow:
            pass
        disk.crash()
        kv = disk.open()
        again = ChainDatabase(kv, state_pruning=WINDOW)
        assert again.best().number >= settled
        for number in range(again.best().number + 1):
            block = again.canonical_hash(number)
            assert block is not None
            assert again.header(block) is not None
            assert again.body(block) == ((b"x" * number,) if number else ())
            if again.keeps_state(block):
                snapshot, state = again.state_at(block), state_of(number)
                assert dict(snapshot.items()) == state
                assert {key: snapshot.get(key) for key in KEYS} == {
                    key: state.get(key) for key in KEYS
                }
        states = map(again.canonical_hash, range(again.best().number + 1))
        kept = [block for block in states if block is not None and again.keeps_state(block)]
        assert kept_nodes(kv) == set().union(*(reachable(again, block) for block in kept))


@pytest.mark.parametrize("seed", range(40))
def test_a_log_torn_within_blocks_that_were_synced_together_opens_before_them(
    tmp_path: Path,
    make_chain: Any,
    make_header: Any,
    reachable: Any,
    kept_nodes: Any,
    seed: int,
) -> None:
    store = LevelDb(tmp_path / "db")
    chain = open_chain(store, make_chain, make_header)
    (log,) = (tmp_path / "db").glob("*.log")
    ends = {log.stat().st_size: 0}
    for number in range(1, 25):
        extend(chain, is_deferred=True)
        if number % 6 == 0:
            chain.database.finalize(chain.database.best().hash, b"proof")
            ends[log.stat().st_size] = number
    store.close()
    cut = random.Random(seed).randrange(min(ends), log.stat().st_size)
    os.truncate(log, cut)
    kv = LevelDb(tmp_path / "db")
    database = ChainDatabase(kv, state_pruning=WINDOW)
    expected = max(number for end, number in ends.items() if end <= cut)
    assert database.best().number == expected
    check(database, kv, expected, (reachable, kept_nodes))
    again = open_chain(kv, make_chain, make_header)
    extend(again, is_deferred=True)
    again.database.settle()
    assert again.database.settled_best().number == expected + 1
    kv.close()
