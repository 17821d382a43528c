"""Real processes killed in the middle of writing, and logs torn as a power cut tears them."""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from node.database import ChainDatabase, KeyValue, LevelDb
from node.database.layout import STATE
from primitives.errors import CessError
from primitives.trie import root
from primitives.types import Hash

KILLS = 12
WINDOW = 3
KEYS = [bytes([index]) * 3 for index in range(32)]


def changes_of(number: int) -> dict[bytes, bytes | None]:
    """What block `number` changes: the same in every run."""
    rng = random.Random(number)
    return {
        key: None if rng.random() < 0.2 else rng.randbytes(rng.choice([8, 32, 33, 200, 300]))
        for key in rng.sample(KEYS, 8)
    }


def state_of(number: int) -> dict[bytes, bytes]:
    state: dict[bytes, bytes] = {}
    for one in range(number + 1):
        for key, value in changes_of(one).items():
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
    return state


def genesis() -> dict[bytes, bytes]:
    return state_of(0)


WRITER = """
import sys
from pathlib import Path
from node.database import LevelDb
from tests.node.database.conftest import Chain
from node.database import ChainDatabase
from tests.node.database.test_crash import WINDOW, changes_of, genesis

chain = Chain(ChainDatabase(LevelDb(Path(sys.argv[1])), state_pruning=WINDOW), genesis())
while True:
    number = chain.database.best().number + 1
    made = chain.extend(changes=changes_of(number), body=(b"x" * number,))
    print(number, flush=True)
    if number % 2:
        chain.database.finalize(made, b"proof")
"""


def check(database: ChainDatabase, kv: KeyValue, acknowledged: int, tools: tuple[Any, Any]) -> None:
    best = database.best()
    assert best.number >= acknowledged
    assert database.finalized().number >= best.number - 2
    for number in range(best.number + 1):
        block = database.canonical_hash(number)
        assert block is not None
        header = database.header(block)
        assert header is not None
        assert header.number == number
        assert database.body(block) == ((b"x" * number,) if number else ())
        if database.keeps_state(block):
            state = state_of(number)
            snapshot = database.state_at(block)
            assert dict(snapshot.items()) == state
            assert {key: snapshot.get(key) for key in KEYS} == {key: state.get(key) for key in KEYS}
            assert header.state_root == root(state)
    reachable, kept_nodes = tools
    states = [Hash(key[1:]) for key, _ in kv.iterate(STATE)]
    assert kept_nodes(kv) == set().union(*(reachable(database, block) for block in states))


@pytest.mark.integration
def test_a_killed_writer_loses_nothing_that_it_acknowledged(
    tmp_path: Path, reachable: Any, kept_nodes: Any
) -> None:
    rng, acknowledged = random.Random(1), 0
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    for _ in range(KILLS):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "db")],
            stdout=subprocess.PIPE,
            env=environment,
        )
        assert writer.stdout is not None
        for _ in range(rng.randrange(1, 25)):
            acknowledged = int(writer.stdout.readline())
        # No wait: the kill falls at some point of a later block, finalization or sync.
        writer.send_signal(signal.SIGKILL)
        for line in writer.stdout.read().splitlines():
            acknowledged = int(line)
        writer.stdout.close()
        writer.wait()
        kv = LevelDb(tmp_path / "db")
        database = ChainDatabase(kv, state_pruning=WINDOW)
        check(database, kv, acknowledged, (reachable, kept_nodes))
        database.close()
    assert acknowledged > KILLS


def written(path: Path, make_chain: Callable[..., Any], blocks: int) -> None:
    kv = LevelDb(path)
    chain = make_chain(kv, genesis(), state_pruning=WINDOW)
    for number in range(1, blocks + 1):
        made = chain.extend(changes=changes_of(number), body=(b"x" * number,))
        if number % 2:
            chain.database.finalize(made, b"proof")
    chain.database.close()


@pytest.mark.parametrize("seed", range(40))
def test_a_torn_log_opens_at_an_earlier_block(
    tmp_path: Path, make_chain: Any, reachable: Any, kept_nodes: Any, seed: int
) -> None:
    written(tmp_path / "db", make_chain, 8)
    (log,) = (tmp_path / "db").glob("*.log")
    size = log.stat().st_size
    os.truncate(log, random.Random(seed).randrange(size))
    kv = LevelDb(tmp_path / "db")
    database = ChainDatabase(kv, state_pruning=WINDOW)
    if database.is_initialised:
        check(database, kv, 0, (reachable, kept_nodes))
    else:
        assert list(kv.iterate(b"")) == [], "even genesis was not synced whole"
    kv.close()


@pytest.mark.parametrize("seed", range(60))
def test_flipped_bits_on_disk_are_found_or_harm_nothing(
    tmp_path: Path, make_chain: Any, seed: int
) -> None:
    source, copy, rng = tmp_path / "db", tmp_path / "copy", random.Random(seed)
    written(source, make_chain, 6)
    shutil.copytree(source, copy)
    files = sorted(file for file in copy.iterdir() if file.stat().st_size)
    file = rng.choice(files)
    data = bytearray(file.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    file.write_bytes(data)
    try:
        kv = LevelDb(copy)
    except CessError:
        return
    try:
        database = ChainDatabase(kv, state_pruning=WINDOW)
        if not database.is_initialised:
            return
        # Whatever can be read must be right: a header by its hash, a state by its root.
        for number in range(database.best().number + 1):
            block = database.canonical_hash(number)
            header = None if block is None else database.header(block)
            if block is not None and header is not None and database.keeps_state(block):
                snapshot, state = database.state_at(block), state_of(number)
                assert {key: snapshot.get(key) for key in KEYS} == {
                    key: state.get(key) for key in KEYS
                }
                assert dict(snapshot.items()) == state
                assert database.body(block) in (None, (b"x" * number,) if number else ())
    except CessError as error:
        assert "purge-chain" in str(error)  # noqa: PT017  # any of the reads above may find it
    finally:
        kv.close()
