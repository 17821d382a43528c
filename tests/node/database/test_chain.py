"""The chain database: blocks, the canonical index, finality, pruning, opening, damage."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from node.database import (
    Batch,
    BlockId,
    BlockRefused,
    ChainDatabase,
    DatabaseClosed,
    DatabaseEmpty,
    DatabaseFailed,
    GenesisMismatch,
    KeyValue,
    MemoryKv,
    PruningMismatch,
    StateDiscarded,
    UnknownBlock,
    genesis_state_root,
)
from node.database.layout import (
    BODY,
    CANONICAL,
    FORMAT_KEY,
    HEADER,
    HEADS_KEY,
    JOURNAL,
    JUSTIFICATION,
    NODE,
    STATE,
    UNFINALIZED,
    number_key,
)
from node.database.tree import FORKS_PER_HEIGHT_MAX
from primitives.errors import StorageCorrupt
from primitives.header import Header
from primitives.trie import root
from primitives.types import Hash

STATE_MAP = {b"k": b"0" * 40}
NOBODY = Hash(b"?" * 32)
Make = Callable[..., Any]


@pytest.fixture
def chain(kv: KeyValue, make_chain: Make) -> Any:
    return make_chain(kv, STATE_MAP)


def columns(kv: KeyValue) -> dict[bytes, int]:
    counts: dict[bytes, int] = {}
    for key, _ in kv.iterate(b""):
        counts[key[:1]] = counts.get(key[:1], 0) + 1
    return counts


# Genesis.


def test_genesis_is_best_finalized_and_canonical(chain: Any) -> None:
    database, genesis = chain.database, chain.genesis.hash()
    assert database.is_initialised
    assert database.genesis_hash == genesis
    assert database.best() == database.finalized() == BlockId(genesis, 0)
    assert database.canonical_hash(0) == genesis
    assert database.hashes_at(0) == (genesis,)
    assert database.header(genesis) == chain.genesis
    assert database.body(genesis) == ()
    assert database.state_at(genesis).root == chain.genesis.state_root
    assert database.size_bytes() > 0


def test_the_same_genesis_again_is_harmless(chain: Any) -> None:
    made = chain.extend()
    chain.database.initialise(chain.genesis, STATE_MAP)
    assert chain.database.best().hash == made


def test_another_genesis_is_refused(chain: Any, make_header: Make) -> None:
    other = {b"k": b"1"}
    header = make_header(Hash(bytes(32)), 0, genesis_state_root(other))
    with pytest.raises(GenesisMismatch, match="purge-chain"):
        chain.database.initialise(header, other)


def test_a_genesis_header_must_name_its_state_and_be_number_0(
    kv: KeyValue, make_header: Make
) -> None:
    database = ChainDatabase(kv)
    for header in (
        make_header(Hash(bytes(32)), 0, NOBODY),
        make_header(Hash(bytes(32)), 1, genesis_state_root(STATE_MAP)),
    ):
        with pytest.raises(BlockRefused, match="the genesis state is"):
            database.initialise(header, STATE_MAP)
    assert not database.is_initialised


def test_an_empty_database_says_so(kv: KeyValue) -> None:
    database = ChainDatabase(kv)
    for ask in (database.best, database.finalized, lambda: database.genesis_hash):
        with pytest.raises(DatabaseEmpty, match="genesis"):
            ask()
    assert database.header(NOBODY) is None


def test_an_empty_genesis_state_is_possible(kv: KeyValue, make_chain: Make) -> None:
    chain = make_chain(kv, {})
    made = chain.extend(changes={b"first": b"key"})
    emptied = chain.extend(changes={b"first": None})
    assert chain.database.state_at(made).get(b"first") == b"key"
    assert chain.database.state_at(emptied).root == chain.genesis.state_root


# Import.


def test_an_imported_block_is_there_after_opening_again(kv: KeyValue, make_chain: Make) -> None:
    chain = make_chain(kv, STATE_MAP)
    made = chain.extend(changes={b"k": b"1", b"l": b"2" * 99}, body=(b"one", b"", b"three"))
    again = ChainDatabase(kv)
    assert again.best() == BlockId(made, 1)
    assert again.finalized() == BlockId(chain.genesis.hash(), 0)
    assert again.body(made) == (b"one", b"", b"three")
    assert again.header(made).parent_hash == chain.genesis.hash()
    assert dict(again.state_at(made).items()) == {b"k": b"1", b"l": b"2" * 99}
    assert again.justification(made) is None
    assert again.children(chain.genesis.hash()) == again.leaves() == (made,)


def test_node_numbers_go_on_after_opening_again(kv: KeyValue, make_chain: Make) -> None:
    chain = make_chain(kv, STATE_MAP)
    for number in range(6):
        chain.database = ChainDatabase(kv)
        chain.extend(changes={b"k": b"%d" % number * 40})
    block = chain.database.best().hash
    for number in reversed(range(6)):
        assert chain.database.state_at(block).get(b"k") == b"%d" % number * 40
        block = chain.database.header(block).parent_hash


def test_a_justification_can_come_with_the_block_or_later(chain: Any, make_header: Make) -> None:
    database = chain.database
    state = database.prepare(chain.genesis.hash(), {})
    header = make_header(chain.genesis.hash(), 1, state.root)
    database.import_block(header, (), state, justification=b"early", is_best=True)
    assert database.justification(header.hash()) == b"early"
    assert database.finalized().number == 0, "storing one finalizes nothing"
    database.put_justification(header.hash(), b"late")
    assert database.justification(header.hash()) == b"late"
    with pytest.raises(UnknownBlock):
        database.put_justification(NOBODY, b"proof")


def test_prepare_writes_nothing(kv: KeyValue, make_chain: Make) -> None:
    chain = make_chain(kv, STATE_MAP)
    before = dict(kv.iterate(b""))
    first = chain.database.prepare(chain.genesis.hash(), {b"k": b"1"})
    second = chain.database.prepare(chain.genesis.hash(), {b"k": b"2"})
    assert first.root == genesis_state_root({b"k": b"1"})
    assert second.root == genesis_state_root({b"k": b"2"})
    assert dict(kv.iterate(b"")) == before


def test_prepare_needs_a_known_parent(chain: Any) -> None:
    with pytest.raises(UnknownBlock):
        chain.database.prepare(NOBODY, {})


def test_import_refuses_what_does_not_fit(chain: Any, make_header: Make) -> None:
    database, genesis = chain.database, chain.genesis.hash()
    child = chain.extend(changes={b"k": b"child"})
    state = database.prepare(genesis, {b"k": b"new"})
    good = make_header(genesis, 1, state.root)
    refused: list[tuple[Header, Any, str]] = [
        (make_header(genesis, 2, state.root), state, "says 2 on top of 0"),
        (make_header(genesis, 1, NOBODY), state, "names state"),
        (make_header(child, 2, state.root), state, "names state"),
        (database.header(child), database.prepare(genesis, {b"k": b"child"}), "here already"),
    ]
    for header, prepared, reason in refused:
        with pytest.raises(BlockRefused, match=reason):
            database.import_block(header, (), prepared, is_best=True)
    with pytest.raises(UnknownBlock):
        database.import_block(make_header(NOBODY, 1, state.root), (), state, is_best=True)
    assert database.best().hash == child
    database.import_block(good, (), state, is_best=True)
    with pytest.raises(BlockRefused, match="serves one import"):
        database.import_block(make_header(genesis, 1, state.root, b"2"), (), state, is_best=True)


def test_import_below_the_finalized_block_is_refused(chain: Any, make_header: Make) -> None:
    database, genesis = chain.database, chain.genesis.hash()
    state = database.prepare(genesis, {b"k": b"late"})
    database.finalize(chain.extend(), None)
    with pytest.raises(BlockRefused, match="forks off below"):
        database.import_block(make_header(genesis, 1, state.root), (), state, is_best=False)


def test_forks_at_one_height_are_bounded(chain: Any) -> None:
    genesis = chain.genesis.hash()
    for number in range(FORKS_PER_HEIGHT_MAX):
        chain.extend(genesis, salt=b"%d" % number)
    with pytest.raises(BlockRefused, match="compete at height 1"):
        chain.extend(genesis, salt=b"one more")


# The canonical index.


def test_the_index_follows_the_best_block_over_forks(chain: Any) -> None:
    database = chain.database
    a1 = chain.extend(salt=b"a1")
    a2 = chain.extend(a1, salt=b"a2")
    a3 = chain.extend(a2, salt=b"a3")
    b2 = chain.extend(a1, salt=b"b2", is_best=False)
    index = lambda: [database.canonical_hash(number) for number in range(1, 5)]  # noqa: E731
    assert index() == [a1, a2, a3, None]
    assert database.hashes_at(2) == (a2, b2)
    assert set(database.leaves()) == {a3, b2}
    assert set(database.children(a1)) == {a2, b2}
    c2 = chain.extend(a1, salt=b"c2")
    assert index() == [a1, c2, None, None]
    database.set_best(a3)
    assert index() == [a1, a2, a3, None]
    assert database.best() == BlockId(a3, 3)
    database.set_best(chain.genesis.hash())
    assert index() == [None] * 4
    with pytest.raises(UnknownBlock):
        database.set_best(NOBODY)


@pytest.mark.parametrize("number", [-1, 2**32 - 1, 2**32])
def test_heights_out_of_range_have_no_block(chain: Any, number: int) -> None:
    assert chain.database.canonical_hash(number) is None


# Finality.


def test_finalizing_names_every_block_in_order_and_the_lost_forks(chain: Any) -> None:
    database = chain.database
    a = [chain.extend(salt=b"a%d" % number) for number in range(4)]
    lost1 = chain.extend(a[0], salt=b"lost1", is_best=False)
    lost2 = chain.extend(lost1, salt=b"lost2", is_best=False)
    kept = chain.extend(a[2], salt=b"kept", is_best=False)
    outcome = database.finalize(a[2], b"proof")
    assert outcome.finalized == tuple(a[:3])
    assert set(outcome.pruned_forks) == {lost1, lost2}
    assert database.finalized() == BlockId(a[2], 3)
    assert database.best() == BlockId(a[3], 4)
    assert database.hashes_at(4) == (a[3], kept)
    assert database.justification(a[2]) == b"proof"
    for block in (lost1, lost2):
        assert database.header(block) is None
        assert database.body(block) is None
        with pytest.raises(UnknownBlock):
            database.state_at(block)


def test_finalizing_again_changes_nothing_but_the_proof(chain: Any) -> None:
    made = chain.extend()
    chain.database.finalize(made, None)
    assert chain.database.justification(made) is None
    outcome = chain.database.finalize(made, b"proof")
    assert (outcome.finalized, outcome.pruned_forks) == ((), ())
    assert chain.database.justification(made) == b"proof"


def test_finality_never_goes_back_or_sideways(chain: Any) -> None:
    first = chain.extend()
    second = chain.extend()
    chain.database.finalize(second, None)
    with pytest.raises(BlockRefused, match="below the finalized"):
        chain.database.finalize(first, None)
    with pytest.raises(UnknownBlock):
        chain.database.finalize(NOBODY, None)


def test_finalizing_a_fork_moves_the_best_block_to_it(chain: Any) -> None:
    genesis = chain.genesis.hash()
    for _ in range(3):
        chain.extend()
    fork1 = chain.extend(genesis, salt=b"f1", is_best=False)
    fork2 = chain.extend(fork1, salt=b"f2", is_best=False)
    fork3 = [chain.extend(fork2, salt=bytes([salt]), is_best=False) for salt in (1, 2, 3)]
    chain.database.finalize(fork1, None)
    assert chain.database.best() == BlockId(min(fork3), 3)
    index = [chain.database.canonical_hash(number) for number in range(5)]
    assert index == [genesis, fork1, fork2, min(fork3), None]


# Pruning.


@pytest.mark.parametrize("window", [1, 2, 3])
def test_exactly_the_window_of_finalized_states_is_kept(
    kv: KeyValue, make_chain: Make, window: int
) -> None:
    chain = make_chain(kv, STATE_MAP, state_pruning=window)
    blocks = [chain.genesis.hash()]
    blocks += [chain.extend(changes={b"k": b"%d" % number * 40}) for number in range(8)]
    chain.database.finalize(blocks[6], None)
    first = 6 - window + 1
    for number, block in enumerate(blocks):
        assert chain.database.keeps_state(block) == (number >= first)
        if number < first:
            with pytest.raises(StateDiscarded):
                chain.database.state_at(block)
        assert chain.database.header(block) is not None
        assert chain.database.body(block) == ()
    counts = columns(kv)
    assert counts[NODE] == counts[STATE] == 9 - first
    assert counts[JOURNAL] == 8 - first, "one for each state that still has a parent's to prune"
    assert counts[UNFINALIZED] == 2


def test_archives_keep_every_state(kv: KeyValue, make_chain: Make) -> None:
    chain = make_chain(kv, STATE_MAP, state_pruning=None)
    blocks = [chain.extend(changes={b"k": b"%d" % number * 40}) for number in range(5)]
    chain.database.finalize(blocks[-1], None)
    read = [chain.database.state_at(block).get(b"k") for block in blocks]
    assert read == [b"%d" % number * 40 for number in range(5)]
    assert JOURNAL not in columns(kv)


@pytest.mark.parametrize(("kept", "expected"), [(1, 1), (2, 2), (4, 4), (None, 6)])
def test_bodies_of_the_last_finalized_blocks_are_kept(
    kv: KeyValue, make_chain: Make, kept: int | None, expected: int
) -> None:
    chain = make_chain(kv, STATE_MAP, blocks_pruning=kept)
    blocks = [chain.extend(body=(b"x",)) for _ in range(7)]
    chain.database.finalize(blocks[4], b"proof")
    bodies = [chain.database.body(block) for block in (chain.genesis.hash(), *blocks[:5])]
    assert sum(body is not None for body in bodies) == expected
    assert chain.database.body(blocks[4]) == chain.database.body(blocks[6]) == (b"x",)
    assert chain.database.header(blocks[0]) is not None
    assert chain.database.justification(blocks[4]) == b"proof"


def test_windows_can_change_between_starts(kv: KeyValue, make_chain: Make) -> None:
    chain = make_chain(kv, STATE_MAP, state_pruning=4)
    blocks = [chain.extend(changes={b"k": b"%d" % number * 40}) for number in range(9)]
    chain.database.finalize(blocks[5], None)
    chain.database = ChainDatabase(kv, state_pruning=2)
    chain.database.finalize(blocks[6], None)
    assert [chain.database.keeps_state(block) for block in blocks] == [False] * 5 + [True] * 4
    chain.database = ChainDatabase(kv, state_pruning=3)
    chain.database.finalize(blocks[8], None)
    assert [chain.database.keeps_state(block) for block in blocks] == [False] * 6 + [True] * 3
    assert columns(kv)[NODE] == 3


def test_archive_and_pruned_databases_are_not_mixed_up(kv: KeyValue, make_chain: Make) -> None:
    make_chain(kv, STATE_MAP, state_pruning=3)
    with pytest.raises(PruningMismatch, match="purge-chain"):
        ChainDatabase(kv, state_pruning=None)


@pytest.mark.parametrize("kept", [0, -1])
def test_pruning_everything_is_refused(kept: int) -> None:
    with pytest.raises(PruningMismatch, match="give 1 or more"):
        ChainDatabase(MemoryKv(), state_pruning=kept)
    with pytest.raises(PruningMismatch, match="--blocks-pruning"):
        ChainDatabase(MemoryKv(), blocks_pruning=kept)


def test_a_value_that_goes_and_comes_back_survives_pruning(kv: KeyValue, make_chain: Make) -> None:
    chain = make_chain(kv, {b"k": b"A" * 40, b"l": b"x" * 40}, state_pruning=1)
    for value in (b"B" * 40, b"A" * 40, b"B" * 40, b"A" * 40):
        chain.database.finalize(chain.extend(changes={b"k": value}), None)
        assert chain.database.state_at(chain.database.best().hash).get(b"k") == value
    assert columns(kv)[NODE] == 3


def test_forks_that_write_the_same_do_not_share_their_fate(kv: KeyValue, make_chain: Make) -> None:
    chain = make_chain(kv, STATE_MAP, state_pruning=1)
    genesis = chain.genesis.hash()
    one = chain.extend(genesis, {b"k": b"same" * 10}, salt=b"one", is_best=False)
    two = chain.extend(genesis, {b"k": b"same" * 10}, salt=b"two")
    chain.database.finalize(two, None)
    assert chain.database.state_at(two).get(b"k") == b"same" * 10
    assert not chain.database.is_known(one)
    assert columns(kv)[NODE] == 1


# Revert.


@pytest.mark.parametrize(("count", "down"), [(-1, 0), (0, 0), (1, 1), (2, 2), (3, 3), (9, 3)])
def test_revert_drops_heights_but_nothing_final(chain: Any, count: int, down: int) -> None:
    database = chain.database
    final = chain.extend(changes={b"k": b"final"})
    database.finalize(final, None)
    blocks = [final, *(chain.extend(changes={b"k": b"%d" % n}) for n in range(3))]
    chain.extend(blocks[2], salt=b"fork", is_best=False)
    assert database.revert(count) == down
    assert database.best() == BlockId(blocks[3 - down], 4 - down)
    assert database.canonical_hash(5 - down) is None
    assert [database.is_known(block) for block in blocks] == [True] * (4 - down) + [False] * down
    chain.extend(changes={b"k": b"another way"})


# Opening and damage.


def damage(kv: KeyValue, key: bytes, change: Callable[[bytes], bytes] | None) -> None:
    value, batch = kv.get(key), Batch()
    assert value is not None
    if change is None:
        batch.delete(key)
    else:
        batch.put(key, change(value))
    kv.write(batch, sync=True)


def flipped(value: bytes) -> bytes:
    return value[:-1] + bytes([value[-1] ^ 1])


@pytest.mark.parametrize("change", [None, flipped], ids=["lost", "flipped"])
@pytest.mark.parametrize(
    "which", ["format", "heads", "header", "canonical", "state", "unfinalized", "node"]
)
def test_damage_is_found_when_opening(
    kv: KeyValue, make_chain: Make, which: str, change: Callable[[bytes], bytes] | None
) -> None:
    chain = make_chain(kv, STATE_MAP)
    chain.extend(changes={b"k": b"1" * 40})
    best = chain.extend(changes={b"k": b"2" * 40})
    key = {
        "format": FORMAT_KEY,
        "heads": HEADS_KEY,
        "header": HEADER + best,
        "canonical": number_key(CANONICAL, 2),
        "state": STATE + best,
        "unfinalized": number_key(UNFINALIZED, 2) + best,
        "node": max(key for key, _ in kv.iterate(NODE)),
    }[which]
    damage(kv, key, change)
    with pytest.raises(StorageCorrupt, match="cess node purge-chain"):
        ChainDatabase(kv)


def test_damage_to_older_records_is_found_when_they_are_read(
    kv: KeyValue, make_chain: Make
) -> None:
    chain = make_chain(kv, STATE_MAP)
    made = chain.extend(body=(b"extrinsic",))
    chain.database.finalize(made, b"proof")
    database = chain.database
    for key, ask in (
        (HEADER + made, database.header),
        (BODY + made, database.body),
        (JUSTIFICATION + made, database.justification),
        (STATE + made, database.state_at),
    ):
        damage(kv, key, flipped)
        with pytest.raises(StorageCorrupt):
            ask(made)
        damage(kv, key, flipped)
        ask(made)
    damage(kv, number_key(CANONICAL, 1), flipped)
    with pytest.raises(StorageCorrupt):
        database.canonical_hash(1)
    damage(kv, HEADER + made, lambda value: value + b"\x00")
    with pytest.raises(StorageCorrupt):
        database.header(made)


def test_a_lost_journal_is_found_before_anything_is_deleted(kv: KeyValue, make_chain: Make) -> None:
    chain = make_chain(kv, STATE_MAP, state_pruning=1)
    made = chain.extend(changes={b"k": b"1"})
    damage(kv, JOURNAL + made, None)
    before = dict(kv.iterate(b""))
    with pytest.raises(StorageCorrupt, match="journal"):
        chain.database.finalize(made, None)
    assert dict(kv.iterate(b"")) == before
    assert chain.database.finalized().number == 0


def test_a_store_of_something_else_is_refused(kv: KeyValue) -> None:
    batch = Batch()
    batch.put(b"something", b"else")
    kv.write(batch, sync=True)
    with pytest.raises(StorageCorrupt, match="format record is missing"):
        ChainDatabase(kv)


def test_a_closed_database_refuses(chain: Any) -> None:
    chain.database.close()
    with pytest.raises(DatabaseClosed):
        chain.database.header(NOBODY)


# Writes that fail or are lost.


class Recording(MemoryKv):
    """Remembers each batch; from `fail_at` on, writes fail: before they begin, or after."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Batch] = []
        self.fail_at: int | None = None
        self.late = False

    def write(self, batch: Batch, *, sync: bool) -> None:
        fails = self.fail_at is not None and len(self.batches) >= self.fail_at
        if not fails or self.late:
            super().write(batch, sync=sync)
        self.batches.append(batch)
        if fails:
            raise DatabaseFailed("the disk is full")


Heads = tuple[BlockId, BlockId]


def history(chain: Any) -> list[Heads]:
    """Every kind of change once; best and finalized block at first and after each."""
    database, blocks = chain.database, list[Hash]()
    steps: list[Callable[[], object]] = [
        *[
            (lambda number=number: blocks.append(chain.extend(changes={b"k": b"%d" % number * 40})))
            for number in range(4)
        ],
        lambda: blocks.append(chain.extend(blocks[1], {b"k": b"fork" * 10}, is_best=False)),
        lambda: database.finalize(blocks[1], b"proof"),
        lambda: database.set_best(blocks[4]),
        lambda: database.finalize(blocks[3], b"proof"),
        lambda: chain.extend(changes={b"k": None}),
        lambda: database.revert(1),
    ]
    done: list[Heads] = [(database.best(), database.finalized())]
    for step in steps:
        try:
            step()
        except DatabaseFailed:
            assert (database.best(), database.finalized()) == done[-1], "nothing is believed"
            break
        done.append((database.best(), database.finalized()))
    return done


def check_sound(kv: KeyValue, expected: Heads, tools: tuple[Any, Any]) -> None:
    """The database opens at `expected`, its states are whole, and nothing else is kept."""
    database = ChainDatabase(kv, state_pruning=2)
    assert (database.best(), database.finalized()) == expected
    every: set[int] = set()
    for key, _ in kv.iterate(STATE):
        block = Hash(key[1:])
        header = database.header(block)
        assert header is not None
        state = dict(database.state_at(block).items())
        assert genesis_state_root(state) == header.state_root
        every |= tools[0](database, block)
    assert tools[1](kv) == every


@pytest.mark.parametrize("late", [False, True], ids=["nothing written", "written, then failed"])
@pytest.mark.parametrize("fail_at", range(1, 11))
def test_a_failed_write_leaves_what_was_acknowledged(
    make_chain: Make, reachable: Any, kept_nodes: Any, fail_at: int, late: bool
) -> None:
    everything = history(make_chain(Recording(), STATE_MAP, state_pruning=2))
    kv = Recording()
    chain = make_chain(kv, STATE_MAP, state_pruning=2)
    kv.fail_at, kv.late = fail_at, late
    assert history(chain) == everything[:fail_at]
    # If the disk said no after all was written, the block may be there: whole.
    check_sound(kv, everything[fail_at if late else fail_at - 1], (reachable, kept_nodes))


def test_every_prefix_of_the_write_log_is_a_sound_database(
    make_chain: Make, reachable: Any, kept_nodes: Any
) -> None:
    kv = Recording()
    done = history(make_chain(kv, STATE_MAP, state_pruning=2))
    assert len(kv.batches) == len(done) == 11
    for count in range(1, len(kv.batches) + 1):
        image = MemoryKv()
        for batch in kv.batches[:count]:
            image.write(batch, sync=True)
        check_sound(image, done[count - 1], (reachable, kept_nodes))


def test_everything_of_one_import_is_one_synced_batch(make_chain: Make) -> None:
    class Strict(Recording):
        def write(self, batch: Batch, *, sync: bool) -> None:
            assert sync
            super().write(batch, sync=sync)

    kv = Strict()
    chain = make_chain(kv, STATE_MAP)
    made = chain.extend(changes={b"k": b"1" * 40}, body=(b"x",))
    assert len(kv.batches) == 2
    operations = kv.batches[-1].operations
    for key in (HEADER + made, BODY + made, STATE + made, JOURNAL + made, HEADS_KEY):
        assert key in operations
    assert number_key(CANONICAL, 1) in operations


def test_genesis_root_helper_is_the_tries_root(genesis_state: Mapping[bytes, bytes]) -> None:
    assert genesis_state_root(genesis_state) == root(genesis_state)
