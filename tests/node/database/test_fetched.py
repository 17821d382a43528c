"""A state fetched from strangers: kept piece by piece, over crashes, and the chain begins there."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from node.database import BlockId, BlockRefused, ChainDatabase, KeyValue, MemoryKv
from node.database.deferred import DeferringKv
from node.database.layout import NODE
from primitives.header import Header
from primitives.trie import root
from primitives.types import Hash

Make = Callable[..., Any]
PARENT = Hash(b"p" * 32)
STATE: Mapping[bytes, bytes] = {
    bytes([first, second]) * 3: bytes([first]) * (20 + second * 9)
    for first in range(6)
    for second in range(6)
}
ENTRIES = tuple(sorted(STATE.items()))
PIECES = (ENTRIES[:10], ENTRIES[10:11], ENTRIES[11:30], ENTRIES[30:])


@pytest.fixture
def target(make_header: Make) -> Header:
    made: Header = make_header(PARENT, 50, root(STATE))
    return made


def fetch(database: ChainDatabase, target: Header, *, crash: Callable[[], ChainDatabase]) -> Any:
    database.begin_fetched_state(target)
    for at, piece in enumerate(PIECES):
        database.add_fetched_state(piece, is_complete=at == len(PIECES) - 1)
        database = crash()
    return database


def test_a_state_fetched_over_crashes_is_the_chains_new_beginning(
    kv: KeyValue, make_chain: Make, target: Header, make_header: Make, kept_nodes: Make
) -> None:
    chain = make_chain(kv)
    genesis = chain.genesis.hash()
    change = make_header(genesis, 7, root({}))
    database = fetch(chain.database, target, crash=lambda: ChainDatabase(kv))
    made = database.import_fetched_state((b"tx",), b"proof", ancestors=[(change, b"old proof")])
    for each in (database, ChainDatabase(kv)):
        assert each.best() == each.finalized() == made == BlockId(target.hash(), 50)
        assert dict(each.state_at(made.hash).items()) == STATE
        assert each.body(made.hash) == (b"tx",)
        assert each.justification(made.hash) == b"proof"
        assert each.canonical_hash(7) == change.hash()
        assert each.justification(change.hash()) == b"old proof"
        assert each.canonical_hash(0) == genesis
        assert each.fetched_state is None
        assert each.gap() == BlockId(PARENT, 49)


def test_blocks_and_pruning_go_on_from_a_fetched_state(
    kv: KeyValue, make_chain: Make, target: Header, reachable: Make, kept_nodes: Make
) -> None:
    chain = make_chain(kv, state_pruning=2)
    fetch(chain.database, target, crash=lambda: chain.database)
    chain.database.import_fetched_state((), b"proof")
    for number in range(5):
        made = chain.extend(changes={b"new": bytes([number]) * 40, ENTRIES[number][0]: None})
        chain.database.finalize(made, None)
    kept = {
        number
        for block in (chain.genesis.hash(), chain.database.canonical_hash(54), made)
        for number in reachable(chain.database, block)
    }
    assert kept_nodes(kv) == kept
    again = ChainDatabase(kv, state_pruning=2)
    assert again.best().number == again.finalized().number == 55


def test_a_given_up_state_leaves_no_node_even_if_the_deletion_is_cut_off(
    kv: KeyValue, make_chain: Make, target: Header, make_header: Make, kept_nodes: Make
) -> None:
    chain = make_chain(kv)
    before = kept_nodes(kv)
    database = chain.database
    database.begin_fetched_state(target)
    database.add_fetched_state(PIECES[0], is_complete=False)
    other = make_header(PARENT, 60, root(STATE))
    assert database.begin_fetched_state(target).entry_count == 10
    assert database.begin_fetched_state(other).entry_count == 0
    assert kept_nodes(kv) == before
    database.add_fetched_state(PIECES[0], is_complete=False)
    database._kv = DeferringKv(_FailingAfter(kv, 1))
    with pytest.raises(OSError, match="cut off"):
        database.drop_fetched_state()
    again = ChainDatabase(kv)
    assert again.fetched_state is None
    assert kept_nodes(kv) == before
    again.drop_fetched_state()


class _FailingAfter:
    """A store that dies after some writes."""

    def __init__(self, kv: KeyValue, writes: int) -> None:
        self._kv = kv
        self._left = writes

    def write(self, batch: Any, *, sync: bool) -> None:
        if self._left == 0:
            raise OSError("cut off")
        self._left -= 1
        self._kv.write(batch, sync=sync)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kv, name)


def test_nothing_but_the_right_state_is_taken(
    make_chain: Make, target: Header, make_header: Make
) -> None:
    chain = make_chain(MemoryKv())
    database = chain.database
    with pytest.raises(BlockRefused, match="no state is being fetched"):
        database.add_fetched_state((), is_complete=True)
    with pytest.raises(BlockRefused, match="no state was fetched"):
        database.import_fetched_state((), b"")
    database.begin_fetched_state(target)
    database.add_fetched_state(PIECES[2], is_complete=False)
    with pytest.raises(BlockRefused, match="does not follow"):
        database.add_fetched_state(PIECES[0], is_complete=False)
    with pytest.raises(BlockRefused, match="make the state"):
        database.add_fetched_state(PIECES[3], is_complete=True)
    with pytest.raises(BlockRefused, match="was fetched whole"):
        database.import_fetched_state((), b"")


def test_blocks_wait_while_a_state_is_fetched_and_fetching_needs_a_fresh_chain(
    make_chain: Make, target: Header
) -> None:
    chain = make_chain(MemoryKv())
    chain.database.begin_fetched_state(target)
    with pytest.raises(BlockRefused, match="blocks wait"):
        chain.extend()
    chain.database.drop_fetched_state()
    chain.extend()
    with pytest.raises(BlockRefused, match="at its genesis"):
        chain.database.begin_fetched_state(target)


def test_history_is_filled_downwards_and_only_by_the_right_blocks(
    kv: KeyValue, make_chain: Make, make_header: Make
) -> None:
    chain = make_chain(kv)
    headers = [chain.genesis]
    for number in range(1, 6):
        state = root(STATE) if number == 5 else root({})
        headers.append(make_header(headers[-1].hash(), number, state))
    database = fetch(chain.database, headers[5], crash=lambda: ChainDatabase(kv))
    database.import_fetched_state((), b"proof")
    with pytest.raises(BlockRefused, match="not the next one"):
        database.fill_gap([(headers[3], ())])
    left = database.fill_gap([(headers[4], (b"four",)), (headers[3], ())])
    assert left == ChainDatabase(kv).gap() == BlockId(headers[2].hash(), 2)
    assert database.canonical_hash(4) == headers[4].hash()
    assert database.body(headers[4].hash()) == (b"four",)
    assert database.fill_gap([(headers[2], ()), (headers[1], ())]) is None
    assert ChainDatabase(kv).gap() is None


def test_history_that_leads_to_another_genesis_is_refused(
    make_chain: Make, make_header: Make
) -> None:
    chain = make_chain(MemoryKv())
    first = make_header(Hash(b"?" * 32), 1, root({}))
    second = make_header(first.hash(), 2, root(STATE))
    fetch(chain.database, second, crash=lambda: chain.database)
    chain.database.import_fetched_state((), b"proof")
    with pytest.raises(BlockRefused, match="another genesis"):
        chain.database.fill_gap([(first, ())])


def test_the_columns_hold_no_stray_nodes_after_a_fetch(
    kv: KeyValue, make_chain: Make, target: Header, reachable: Make, kept_nodes: Make
) -> None:
    chain = make_chain(kv)
    fetch(chain.database, target, crash=lambda: chain.database)
    made = chain.database.import_fetched_state((), b"proof")
    expected = reachable(chain.database, made.hash) | reachable(
        chain.database, chain.genesis.hash()
    )
    assert kept_nodes(kv) == expected
    assert sum(1 for _ in kv.iterate(NODE)) == len(expected)
