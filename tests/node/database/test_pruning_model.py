"""Random chains with forks, finality, reverts and restarts, against a model of plain dictionaries.

After every step each kept state is complete and right, its proofs verify, and the store holds not
one trie node that no kept state reaches.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.database import (
    ChainDatabase,
    MemoryKv,
    StateDiscarded,
    StateSnapshot,
    UnknownBlock,
    layout,
)
from primitives.trie import root, verify_proof
from primitives.types import Hash

# Few keys and values, close together: splits, collapses and A -> B -> A are frequent.
ALL_KEYS = [
    b"",
    b"\x00",
    b"\x00\x00",
    b"\x00\x01",
    b"\x01",
    b"\x10",
    b"\x11\x11",
    b"\x11\x12",
    b"\xff" * 3,
]
KEYS = st.sampled_from(ALL_KEYS)
VALUES = st.sampled_from([b"", b"A" * 20, b"B" * 32, b"C" * 33, b"D" * 100, b"E" * 300, b"F" * 300])
CHANGES = st.dictionaries(KEYS, st.none() | VALUES, max_size=5)
NOWHERE = Hash(bytes(32))
STEPS = st.one_of(
    st.tuples(st.just("extend"), st.integers(0, 30), CHANGES, st.booleans()),
    st.tuples(st.just("extend"), st.integers(0, 30), CHANGES, st.booleans()),
    st.tuples(st.just("extend"), st.just(0), CHANGES, st.just(True)),
    st.tuples(st.just("finalize"), st.integers(0, 30), st.none(), st.none()),
    st.tuples(st.just("revert"), st.integers(0, 3), st.none(), st.none()),
    st.tuples(st.just("best"), st.integers(0, 30), st.none(), st.none()),
    st.tuples(st.just("restart"), st.none(), st.none(), st.none()),
)


@dataclass
class Model:
    """What the database should hold."""

    window: int | None
    states: dict[Hash, dict[bytes, bytes]] = field(default_factory=dict)
    parents: dict[Hash, Hash] = field(default_factory=dict)
    numbers: dict[Hash, int] = field(default_factory=dict)
    final: list[Hash] = field(default_factory=list)
    best: Hash = NOWHERE
    held: dict[Hash, StateSnapshot] = field(default_factory=dict)
    """The first snapshot of each block since the database was opened."""

    def open_blocks(self) -> list[Hash]:
        """Finalized head and everything above, newest first."""
        top = self.final[-1]
        return [one for one in reversed(self.numbers) if one == top or one not in self.final]

    def line(self, block: Hash) -> list[Hash]:
        found = []
        while block not in self.final:
            found.append(block)
            block = self.parents[block]
        return list(reversed(found))

    def forget(self, block: Hash) -> None:
        del self.numbers[block], self.states[block], self.parents[block]
        self.held.pop(block, None)

    def finalize(self, block: Hash) -> tuple[list[Hash], set[Hash]]:
        line = self.line(block)
        self.final += line
        lost = {
            one
            for one in self.numbers
            if one not in self.final and block not in self._ancestors(one)
        }
        for one in lost:
            self.forget(one)
        if self.window is not None:
            for old in self.final[: -self.window]:
                self.states.pop(old, None)
        return line, lost

    def _ancestors(self, block: Hash) -> set[Hash]:
        found = {block}
        while block in self.parents:
            block = self.parents[block]
            found.add(block)
        return found


def check(database: ChainDatabase, kv: MemoryKv, model: Model, tools: Any) -> None:
    every: set[int] = set()
    for block, state in model.states.items():
        snapshot = database.state_at(block)
        assert snapshot.root == root(state)
        assert dict(snapshot.items()) == state
        for each in (snapshot, model.held.setdefault(block, snapshot)):
            assert {key: each.get(key) for key in ALL_KEYS} == {
                key: state.get(key) for key in ALL_KEYS
            }
        assert snapshot.keys(b"", 99) == sorted(state)
        for key in ALL_KEYS:
            assert snapshot.next_key(key) == min(filter(key.__lt__, state), default=None)
        every |= tools.reachable(database, block)
        keys = [b"\x11\x11", b"\x11\x13", b""]
        proven = verify_proof(snapshot.root, snapshot.prove(keys), keys)
        assert proven == {key: state.get(key) for key in keys}
    assert tools.kept_nodes(kv) == every, "nodes that nobody reaches, or lost ones"
    flat = {key[2:] for key, _ in kv.iterate(layout.FLAT)}
    assert flat == model.states[model.final[-1]].keys(), "the column holds the final state's keys"
    unfinalized = {block for block in model.numbers if block not in model.final}
    assert {key[1:] for key, _ in kv.iterate(layout.CHANGES)} == unfinalized
    assert database.finalized().hash == model.final[-1]
    assert database.best().hash == model.best
    for number, block in enumerate(model.final + model.line(model.best)):
        assert database.canonical_hash(number) == block
    assert database.canonical_hash(database.best().number + 1) is None
    for block, number in model.numbers.items():
        assert database.header(block) is not None
        assert block in database.hashes_at(number)
        if block not in model.states:
            with pytest.raises(StateDiscarded):
                database.state_at(block)


@dataclass(frozen=True)
class Tools:
    reachable: Callable[..., set[int]]
    kept_nodes: Callable[..., set[int]]


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(STEPS, max_size=25), window=st.sampled_from([None, 1, 2, 3]))
def test_kept_states_are_complete_and_nothing_else_is_kept(
    steps: list[Any],
    window: int | None,
    make_chain: Any,
    reachable: Callable[..., set[int]],
    kept_nodes: Callable[..., set[int]],
) -> None:
    genesis = {b"\x00": b"A" * 20, b"\x11\x11": b"C" * 33, b"\x11\x12": b"D" * 100}
    kv, tools = MemoryKv(), Tools(reachable, kept_nodes)
    options = {"state_pruning": window, "node_cache_bytes": 4096}
    chain = make_chain(kv, genesis, **options)
    database: ChainDatabase = chain.database
    start = database.genesis_hash
    model = Model(window, {start: genesis}, {}, {start: 0}, [start], start)
    for count, (what, index, changes, is_best) in enumerate(steps):
        blocks = model.open_blocks()
        chosen = blocks[(index or 0) % len(blocks)]
        if what == "extend":
            made = chain.extend(chosen, changes, is_best=is_best, salt=b"%d" % count)
            after = {**model.states[chosen], **changes}
            model.states[made] = {key: value for key, value in after.items() if value is not None}
            model.parents[made], model.numbers[made] = chosen, model.numbers[chosen] + 1
            model.best = made if is_best else model.best
        elif what == "finalize":
            outcome = database.finalize(chosen, b"proof")
            line, lost = model.finalize(chosen)
            assert (list(outcome.finalized), set(outcome.pruned_forks)) == (line, lost)
            assert database.justification(chosen) == b"proof"
            for gone in lost:
                with pytest.raises(UnknownBlock):
                    database.state_at(gone)
            if model.best not in model.numbers or chosen not in model._ancestors(model.best):
                left = [one for one in model.open_blocks() if chosen in model._ancestors(one)]
                highest = max(model.numbers[one] for one in left)
                model.best = min(one for one in left if model.numbers[one] == highest)
        elif what == "revert":
            before = model.numbers[model.best]
            down = database.revert(index)
            assert down == min(index, before - model.numbers[model.final[-1]])
            if down:
                model.best = (
                    model.line(model.best)[-1 - down]
                    if (down < len(model.line(model.best)))
                    else model.final[-1]
                )
                for one in [o for o, n in model.numbers.items() if n > before - down]:
                    model.forget(one)
        elif what == "best":
            database.set_best(chosen)
            model.best = chosen
        else:
            chain.database = database = ChainDatabase(kv, **options)
            model.held.clear()
        check(database, kv, model, tools)
