"""Values of the final state by their keys: never another state's, never a damaged one."""

import contextlib
from collections.abc import Callable, Mapping
from threading import Event, Thread
from typing import Any

import pytest

from node.database import Batch, ChainDatabase, KeyValue, MemoryKv, StateDiscarded, flat
from node.database.layout import CHANGES, FLAT, MARK, NODE, mark_key, seal
from primitives.errors import StorageCorrupt
from primitives.trie import root

Make = Callable[..., Any]
BIG = 400
STATE: Mapping[bytes, bytes] = {
    b"gone": b"g",
    b"big": b"B" * BIG,
    b"big moves": b"M" * BIG,
    b"same": b"s" * 50,
    b"small": b"0",
}


def column(kv: KeyValue, side: int) -> dict[bytes, bytes]:
    return {key[2:]: record for key, record in kv.iterate(FLAT + bytes([side]))}


def values(snapshot: Any, keys: Any) -> dict[bytes, bytes]:
    found = {key: snapshot.get(key) for key in keys}
    return {key: value for key, value in found.items() if value is not None}


@pytest.fixture
def no_trie(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call on, a read that asks the trie fails."""

    def refuse(*_: object) -> bytes:
        raise AssertionError("the trie was asked")

    return lambda: monkeypatch.setattr("primitives.trie.Trie.get", refuse)


def test_the_final_state_and_those_above_it_need_no_trie(
    kv: KeyValue, make_chain: Make, no_trie: Callable[[], None]
) -> None:
    chain = make_chain(kv, STATE)
    first = chain.extend(changes={b"gone": None, b"new": b"n" * BIG, b"big m": b"split"})
    second = chain.extend(changes={b"small": b"2", b"new": None})
    fork = chain.extend(first, {b"small": b"fork"}, is_best=False, salt=b"f")
    after = {**STATE, b"new": b"n" * BIG, b"big m": b"split"}
    del after[b"gone"]
    expected = {
        chain.genesis.hash(): dict(STATE),
        first: after,
        second: {**after, b"small": b"2"},
        fork: {**after, b"small": b"fork"},
    }
    del expected[second][b"new"]
    keys = [*STATE, b"new", b"big m", b"never"]
    again = ChainDatabase(kv)
    no_trie()
    for database in (chain.database, again):
        for block, state in expected.items():
            assert values(database.state_at(block), keys) == state
    chain.database.finalize(first, None)
    again = ChainDatabase(kv)
    for database in (chain.database, again):
        for block in (first, second, fork):
            assert values(database.state_at(block), keys) == expected[block]


def test_a_snapshot_stays_right_while_finality_overtakes_it(kv: KeyValue, make_chain: Make) -> None:
    chain = make_chain(kv, STATE, state_pruning=3)
    held = [(0, chain.database.state_at(chain.genesis.hash()))]
    for number in range(1, 12):
        made = chain.extend(changes={b"small": b"%d" % number, b"big": b"%03d" % number * 200})
        held.append((number, chain.database.state_at(made)))
        if number % 3 == 0:
            chain.database.finalize(held[-2][1].block_hash, None)
        for at, snapshot in held:
            try:
                assert snapshot.get(b"small") == b"%d" % at
                assert snapshot.get(b"same") == STATE[b"same"]
                assert snapshot.get(b"big") == (b"%03d" % at * 200 if at else STATE[b"big"])
            except StateDiscarded:
                assert at <= chain.database.finalized().number - 3


class Meddled:
    """A store in which something happens before or after each read of the column."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None

    def get(self, key: bytes) -> bytes | None:
        if key[:1] not in (FLAT, NODE):
            return self._kv.get(key)
        self.before()
        found = self._kv.get(key)
        self.after()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kv, name)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("key", [b"small", b"big", b"gone", b"new", b"same"])
def test_finality_in_the_middle_of_a_read_does_not_show(
    make_chain: Make, when: str, key: bytes
) -> None:
    kv = Meddled(MemoryKv())
    chain = make_chain(kv, STATE, node_cache_bytes=0)
    snapshot = chain.database.state_at(chain.genesis.hash())
    made = chain.extend(
        changes={b"small": b"1", b"big": b"b" * BIG, b"gone": None, b"new": b"n", b"big m": b""}
    )

    chain.database._flat.view.values = flat._Values()  # `extend` read what it changes

    def finalize() -> None:
        kv.before = kv.after = lambda: None
        chain.database.finalize(made, None)

    setattr(kv, when, finalize)
    assert snapshot.get(key) == STATE.get(key)
    assert chain.database.finalized().hash == made, "because it did happen"
    assert snapshot.get(key) == STATE.get(key), "and nothing wrong was remembered"
    assert chain.database.state_at(made).get(b"small") == b"1"


def test_threads_read_each_block_s_own_values_while_finality_advances(
    kv: KeyValue, make_chain: Make
) -> None:
    keys = [b"key %d" % index for index in range(12)]

    def value(key: bytes, number: int) -> bytes:
        return b"%s at %06d" % (key, number) * (40 if key[-1] % 2 else 1)

    chain = make_chain(kv, {key: value(key, 0) for key in keys}, state_pruning=2)
    database, done = chain.database, Event()
    wrong: list[object] = []

    def read() -> None:
        while not done.is_set():
            for block in (database.best(), database.finalized()):
                try:
                    snapshot = database.state_at(block.hash)
                    for key in keys:
                        if snapshot.get(key) != value(key, block.number):
                            wrong.append((key, block))
                except StateDiscarded:
                    continue
                except BaseException as error:  # noqa: BLE001  # the test must see it
                    wrong.append(error)
                    return

    threads = [Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    line = []
    for number in range(1, 80):
        line.append(chain.extend(changes={key: value(key, number) for key in keys}))
        if number > 2:
            database.finalize(line[-2], None)
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_far_behind_finality_blocks_are_read_from_the_trie_until_it_catches_up(
    kv: KeyValue, make_chain: Make, monkeypatch: pytest.MonkeyPatch, no_trie: Callable[[], None]
) -> None:
    monkeypatch.setattr(flat, "LAYERS_MAX", 3)
    chain = make_chain(kv, STATE)
    line = [chain.extend(changes={b"small": b"%d" % number}) for number in range(10)]

    def check(database: ChainDatabase, first: int = 0) -> None:
        for number, block in enumerate(line[first:], first):
            assert database.state_at(block).get(b"small") == b"%d" % number

    assert len(chain.database._flat.view.layers) == 3
    check(chain.database)
    check(ChainDatabase(kv))
    chain.database.finalize(line[6], None)
    no_trie()
    check(chain.database, 6)
    check(ChainDatabase(kv), 6)


def test_layers_take_a_bounded_room(make_chain: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flat, "LAYERS_BYTES_MAX", 2_000)
    monkeypatch.setattr(flat, "VALUES_BYTES_MAX", 2_000)
    chain = make_chain(MemoryKv(), {**STATE, **{b"%d" % i: b"v" * 40 for i in range(100)}})
    database = chain.database
    for number in range(20):
        made = chain.extend(changes={b"key %d" % index: b"%d" % number * 99 for index in range(3)})
    view = database._flat.view
    assert 0 < view.bytes <= 2_000
    assert database.state_at(made).get(b"key 1") == b"19" * 99
    for index in range(100):
        assert database.state_at(chain.genesis.hash()).get(b"%d" % index) == b"v" * 40
    assert len(view.values._young) + len(view.values._old) < 12
    chain.database.revert(20)
    assert view.bytes == 0


def test_long_values_take_no_room_from_short_ones(make_chain: Make) -> None:
    longest, longer = b"v" * flat.HELD_BYTES_MAX, b"v" * (flat.HELD_BYTES_MAX + 1)
    chain = make_chain(MemoryKv(), {**STATE, b"longest": longest, b"longer": longer})
    snapshot = chain.database.state_at(chain.genesis.hash())
    for _ in range(2):
        assert (snapshot.get(b"longest"), snapshot.get(b"longer")) == (longest, longer)
    assert set(chain.database._flat.view.values._young) == {b"longest"}


def test_a_snapshot_that_is_kept_keeps_no_values_alive(make_chain: Make) -> None:
    chain = make_chain(MemoryKv(), STATE)
    snapshot = chain.database.state_at(chain.genesis.hash())
    assert snapshot.get(b"small") == b"0"
    view = chain.database._flat.view
    made = chain.extend(changes={b"small": b"1"})
    assert len(view.values._young) == len(view.layers) == 1
    chain.database.finalize(made, None)
    assert len(view.values._young) == len(view.layers) == 0
    assert snapshot.get(b"small") == b"0"


def test_the_column_holds_the_final_state_and_nothing_else(
    kv: KeyValue, make_chain: Make, make_header: Make
) -> None:
    chain = make_chain(kv, STATE)
    lost = chain.extend(changes={b"lost": b"l"}, is_best=False)
    made = chain.extend(chain.genesis.hash(), {b"gone": None, b"new": b"n"}, salt=b"x")
    chain.extend(changes={b"later": b"l"})
    assert column(kv, 0).keys() == STATE.keys()
    chain.database.finalize(made, None)
    assert column(kv, 0).keys() == STATE.keys() - {b"gone"} | {b"new"}
    assert {key[1:] for key, _ in kv.iterate(CHANGES)} == {chain.database.best().hash}
    assert lost not in chain.database._flat.view.layers
    chain.database.revert(1)
    assert list(kv.iterate(CHANGES)) == []


def test_a_fetched_state_fills_the_other_side_and_leaves_nothing_of_the_first(
    kv: KeyValue, make_chain: Make, make_header: Make, no_trie: Callable[[], None]
) -> None:
    chain = make_chain(kv, STATE)
    fetched = {b"f %d" % index: bytes([index]) * (index * 40) for index in range(12)}
    entries = tuple(sorted(fetched.items()))
    target = make_header(chain.genesis.hash(), 9, root(fetched))
    chain.database.begin_fetched_state(target)
    chain.database.add_fetched_state(entries[:5], is_complete=False)
    again = ChainDatabase(kv)
    assert values(again.state_at(chain.genesis.hash()), STATE) == STATE
    again.drop_fetched_state()
    assert column(kv, 1) == {}
    again.begin_fetched_state(target)
    again.add_fetched_state(entries[:5], is_complete=False)
    again.add_fetched_state(entries[5:], is_complete=True)
    before = again.state_at(chain.genesis.hash())
    again.import_fetched_state((), b"proof")
    assert values(before, STATE) == STATE, "the genesis keeps its state"
    assert column(kv, 0) == {}
    assert column(kv, 1).keys() == fetched.keys()
    stray = Batch()
    stray.put(FLAT + b"\x00stray", b"of a deletion that was cut off")
    kv.write(stray, sync=True)
    last = ChainDatabase(kv)
    assert column(kv, 0) == {}
    no_trie()
    for database in (again, last):
        assert values(database.state_at(target.hash()), [*fetched, *STATE]) == fetched


def test_a_flipped_bit_in_a_value_or_on_the_way_to_it_is_found(make_chain: Make) -> None:
    for column_ in (FLAT, NODE):
        for key, record in list(_fresh(make_chain).iterate(column_)):
            for at in range(len(record)):
                kv = _fresh(make_chain)
                damaged, broken = bytearray(record), Batch()
                damaged[at] ^= 1 << at % 8
                broken.put(key, bytes(damaged))
                kv.write(broken, sync=True)
                found = {}
                try:
                    snapshot = ChainDatabase(kv).state_at(
                        ChainDatabase(kv, node_cache_bytes=0).genesis_hash
                    )
                    for name in STATE:
                        found[name] = snapshot.get(name)
                except StorageCorrupt:
                    continue
                assert column_ == NODE, f"byte {at} of {key!r} was not missed"
                assert found == STATE, "only nodes that no value was read from may be damaged"


def _fresh(make_chain: Make) -> MemoryKv:
    kv = MemoryKv()
    make_chain(kv, STATE)
    return kv


def test_a_value_that_strayed_to_another_key_is_found(make_chain: Make) -> None:
    kv = _fresh(make_chain)
    for one in (b"small", b"big"):
        swapped = Batch()
        swapped.put(FLAT + b"\x00same", column(kv, 0)[one])
        kv.write(swapped, sync=True)
        database = ChainDatabase(kv)
        with pytest.raises(StorageCorrupt, match="purge-chain"):
            database.state_at(database.genesis_hash).get(b"same")


class Recording:
    """A store that remembers its batches."""

    def __init__(self) -> None:
        self._kv = MemoryKv()
        self.batches: list[Batch] = []

    def write(self, batch: Batch, *, sync: bool) -> None:
        self.batches.append(batch)
        self._kv.write(batch, sync=sync)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kv, name)


def test_batches_that_the_log_lost_before_its_end_are_found_at_opening(make_chain: Make) -> None:
    whole = Recording()
    chain = make_chain(whole, STATE)
    for number in range(9):
        chain.database.finalize(chain.extend(changes={b"small": b"%d" % number}), None)
    batches = whole.batches
    assert len(batches) == 19
    for first in range(1, len(batches) - 1):
        for end in range(first + 1, len(batches)):
            kv = MemoryKv()
            for batch in (*batches[:first], *batches[end:]):
                kv.write(batch, sync=True)
            # The even ones are finalizations, which change the column.
            if first % 2 and end == first + 1 < len(batches) - 1:
                with contextlib.suppress(StorageCorrupt):
                    database = ChainDatabase(kv)
                    final = database.state_at(database.finalized().hash)
                    assert values(final, STATE) == {**STATE, b"small": b"8"}
            else:
                with pytest.raises(StorageCorrupt, match="purge-chain"):
                    ChainDatabase(kv)


def test_a_log_that_lost_its_end_opens_at_an_earlier_state(make_chain: Make) -> None:
    whole, states = Recording(), [dict(STATE)]
    chain = make_chain(whole, STATE)
    for number in range(5):
        changes = {b"small": b"%d" % number, b"big": None if number % 2 else b"%d" % number * BIG}
        chain.database.finalize(chain.extend(changes=changes), None)
        states.append(chain_state(chain.database))
    for end in range(1, len(whole.batches)):
        kv = MemoryKv()
        for batch in whole.batches[:end]:
            kv.write(batch, sync=True)
        database = ChainDatabase(kv)
        for block in (database.best(), database.finalized()):
            assert values(database.state_at(block.hash), STATE) == states[block.number]
        assert column(kv, 0).keys() == states[database.finalized().number].keys()


def chain_state(database: ChainDatabase) -> dict[bytes, bytes]:
    return dict(database.state_at(database.best().hash).items())


def test_marks_are_kept_for_a_bounded_number_of_batches(
    make_chain: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flat, "MARKS_MAX", 4)
    kv = MemoryKv()
    chain = make_chain(kv, STATE)
    for number in range(9):
        chain.database.finalize(chain.extend(changes={b"small": b"%d" % number}), None)
        ChainDatabase(kv)
    assert [key for key, _ in kv.iterate(MARK)] == [mark_key(number) for number in (6, 7, 8, 9)]


def test_after_a_failed_write_states_are_read_from_the_trie(make_chain: Make) -> None:
    class Failing(Recording):
        fails = False

        def write(self, batch: Batch, *, sync: bool) -> None:
            if self.fails:
                raise OSError("disk full")
            super().write(batch, sync=sync)

    kv = Failing()
    chain = make_chain(kv, STATE)
    made = chain.extend(changes={b"small": b"1"})
    kv.fails = True
    with pytest.raises(OSError, match="disk full"):
        chain.database.finalize(made, None)
    assert chain.database._flat.view is None
    assert chain.database.state_at(made).get(b"small") == b"1"
    assert values(chain.database.state_at(chain.genesis.hash()), STATE) == STATE


def test_damaged_changes_of_an_unfinalized_block_are_found_at_opening(make_chain: Make) -> None:
    kv = MemoryKv()
    made = make_chain(kv, STATE).extend(changes={b"small": b"1", b"gone": None})
    record = kv.get(CHANGES + made)
    assert record is not None
    for damaged in (None, b"", record[:-1], bytes([record[0] ^ 1]) + record[1:]):
        batch = Batch()
        if damaged is None:
            batch.delete(CHANGES + made)
        else:
            batch.put(CHANGES + made, damaged)
        kv.write(batch, sync=True)
        with pytest.raises(StorageCorrupt, match="purge-chain"):
            ChainDatabase(kv)
    for short in (b"\x01", b"\x05\x00\xff\xff\xff\xffabc", b"\x01\x00\x09\x00\x00\x00kv"):
        batch = Batch()
        batch.put(CHANGES + made, seal(CHANGES + made, short))
        kv.write(batch, sync=True)
        with pytest.raises(StorageCorrupt, match="cut short"):
            ChainDatabase(kv)
