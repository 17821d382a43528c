"""A whole state that comes from strangers piece by piece, and the note that says how far it is.

Each piece's entries are proven before they come here, and lie after those of the piece before, so
the trie grows at its right border. A piece and the note go to disk in one batch: after a crash the
next piece is asked for. The nodes take numbers from ``first_node`` on, and no block is imported
meanwhile, so giving the state up deletes a range of numbers.

Bounds: one piece in memory; deleting goes in batches of ``DROP_BATCH_NODES``.
"""

from typing import Final

from node.database.errors import corrupt
from node.database.flat import put_values, records_of
from node.database.kv import Batch
from node.database.layout import NOTE, delete_nodes, put_nodes, seal
from node.database.nodes import NodeStore
from primitives.errors import DecodeError
from primitives.header import Header
from primitives.scale import U32, U64, FixedBytes, codec, struct
from primitives.trie import LEAF, Ref, Trie
from primitives.trie.packed import numbers_of
from primitives.types import Hash

__all__ = [
    "DROP_BATCH_NODES",
    "FETCHED_NOTE",
    "GAP_NOTE",
    "FetchedState",
    "RootRef",
    "add_entries",
    "decode_gap",
    "drop_nodes",
    "encode_gap",
]

FETCHED_NOTE: Final = b"fetched-state"
GAP_NOTE: Final = b"gap"
"""Which final blocks are not here: height above them, and hash of the highest of them."""
DROP_BATCH_NODES: Final = 10_000

_GAP: Final = codec(tuple[U32, Hash])


class RootRef(FixedBytes, length=40):
    """A trie's root: its hash and the number of its node."""


@struct
class FetchedState:
    """How far the state of ``target`` is here."""

    target: Header
    target_hash: Hash
    root: RootRef
    first_node: U64
    last_key: bytes
    entry_count: U64
    is_complete: bool
    is_dropped: bool
    """It was given up, and its nodes are being deleted."""

    @classmethod
    def decode(cls, note: bytes) -> "FetchedState":
        """The note. Raises: StorageCorrupt."""
        try:
            return codec(FetchedState).decode(note)
        except DecodeError as error:
            raise corrupt(f"the note of the state that is being fetched: {error}") from error

    def put(self, batch: Batch) -> None:
        """Write the note with ``batch``."""
        key = NOTE + FETCHED_NOTE
        batch.put(key, seal(key, codec(FetchedState).encode(self)))

    @staticmethod
    def forget(batch: Batch) -> None:
        """Delete the note with ``batch``."""
        batch.delete(NOTE + FETCHED_NOTE)


def add_entries(
    batch: Batch,
    nodes: NodeStore,
    at: FetchedState,
    entries: tuple[tuple[bytes, bytes], ...],
    *,
    side: int,
    is_complete: bool,
) -> FetchedState:
    """Put a piece's nodes into ``batch``; the new note, which the caller writes with them."""
    update = Trie(nodes, Ref(at.root)).update(dict(entries), nodes.allocate)
    put_nodes(batch, update.inserted)
    nodes.hold(update)
    put_values(batch, side, records_of(update))
    delete_nodes(batch, numbers_of(update.removed))
    return FetchedState(
        target=at.target,
        target_hash=at.target_hash,
        root=RootRef(update.root),
        first_node=at.first_node,
        last_key=entries[-1][0] if entries else at.last_key,
        entry_count=U64(int(at.entry_count) + len(entries)),
        is_complete=is_complete,
        is_dropped=False,
    )


def drop_nodes(batch: Batch, first: int, end: int) -> None:
    """Delete the nodes with these numbers, branches and leaves."""
    delete_nodes(batch, range(first, end))
    delete_nodes(batch, range(first | LEAF, end | LEAF))


def encode_gap(above: int, highest: Hash) -> bytes:
    """The note that history is missing below height ``above``."""
    return _GAP.encode((U32(above), highest))


def decode_gap(note: bytes) -> tuple[int, Hash]:
    """The note that history is missing. Raises: StorageCorrupt."""
    try:
        above, highest = _GAP.decode(note)
    except DecodeError as error:
        raise corrupt(f"the note of the gap: {error}") from error
    return int(above), highest
