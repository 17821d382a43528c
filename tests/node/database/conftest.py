"""A chain of empty blocks over real databases, and ways to look inside one."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from node.database import ChainDatabase, KeyValue, LevelDb, MemoryKv
from node.database.layout import NODE
from primitives.digest import Digest, Other
from primitives.header import Header
from primitives.trie import EMPTY_ROOT, Node, Ref, root
from primitives.types import BlockNumber, Hash

Changes = Mapping[bytes, bytes | None]

GENESIS_STATE: Mapping[bytes, bytes] = {
    bytes([first, second]) * 8: bytes([first]) * (20 + second * 5)
    for first in range(8)
    for second in range(8)
}


class Chain:
    """Drives a database as the importer does; `salt` tells equal blocks on forks apart."""

    def __init__(self, database: ChainDatabase, state: Mapping[bytes, bytes]) -> None:
        self.database = database
        self.genesis = header(Hash(bytes(32)), 0, root(state))
        database.initialise(self.genesis, state)

    def extend(
        self,
        parent: Hash | None = None,
        changes: Changes | None = None,
        *,
        is_best: bool = True,
        salt: bytes = b"",
        body: tuple[bytes, ...] = (),
    ) -> Hash:
        database = self.database
        parent = database.best().hash if parent is None else parent
        above = database.header(parent)
        assert above is not None
        state = database.prepare(parent, changes or {})
        made = header(parent, above.number + 1, state.root, salt)
        database.import_block(made, body, state, is_best=is_best)
        return made.hash()


def header(parent: Hash, number: int, state_root: Hash, salt: bytes = b"") -> Header:
    logs = (Other(salt),) if salt else ()
    return Header(parent, BlockNumber(number), state_root, EMPTY_ROOT, Digest(logs))


def reachable(database: ChainDatabase, block: Hash) -> set[int]:
    """The numbers of the trie nodes that the state of a block is made of."""
    found: set[int] = set()
    places: list[Node | Ref | None] = [database._root(block)]
    while places:
        place = places.pop()
        if isinstance(place, Ref):
            if place.id == 0:
                continue
            found.add(place.id)
            place = database._nodes.node(place)
        if place is not None and place.children is not None:
            places += place.children
    return found


def kept_nodes(kv: KeyValue) -> set[int]:
    return {int.from_bytes(key[1:], "big") for key, _ in kv.iterate(NODE)}


@pytest.fixture(name="kept_nodes")
def kept_nodes_fixture() -> Callable[[KeyValue], set[int]]:
    return kept_nodes


@pytest.fixture(name="reachable")
def reachable_fixture() -> Callable[[ChainDatabase, Hash], set[int]]:
    return reachable


@pytest.fixture
def make_header() -> Callable[..., Header]:
    return header


@pytest.fixture
def genesis_state() -> Mapping[bytes, bytes]:
    return GENESIS_STATE


@pytest.fixture(params=["memory", "leveldb"])
def kv(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyValue]:
    made: KeyValue = MemoryKv() if request.param == "memory" else LevelDb(tmp_path / "db")
    yield made
    made.close()


@pytest.fixture
def make_chain() -> Callable[..., Chain]:
    """Opens a chain over a store: `make_chain(kv, state_pruning=…)`."""

    def make(
        kv: KeyValue, state: Mapping[bytes, bytes] = GENESIS_STATE, **options: object
    ) -> Chain:
        return Chain(ChainDatabase(kv, **options), state)  # type: ignore[arg-type]

    return make
