"""Which block's finality ended which set of voters: what proofs of finality are made from.

Sets are numbered from 0. A block that announces other voters (``set_change_of``) is the last that
its set finalises; once it is final, the next set votes. The index grows by one note for each change
and is kept for ever, in the batch of the finalization that it tells of; so are justifications of
these blocks.
"""

from collections.abc import Mapping
from typing import Final

from node.database import BlockId, ChainDatabase
from primitives.errors import StorageCorrupt
from primitives.types import Hash

__all__ = ["SET_CHANGE", "set_change_blocks", "set_change_note", "set_ended_by"]

SET_CHANGE: Final = b"set-change:"
"""Beginning of the keys of the notes; the set's number as 8 big-endian bytes follows."""

HASH_BYTES: Final = 32


def set_change_note(set_id: int, block: BlockId) -> Mapping[bytes, bytes]:
    """The note that the finality of ``block`` ended the set."""
    value = block.hash + block.number.to_bytes(4, "little")
    return {SET_CHANGE + set_id.to_bytes(8, "big"): value}


def set_ended_by(database: ChainDatabase, set_id: int) -> BlockId | None:
    """The block whose finality ended this set; None while it votes, or if that is not known."""
    value = database.note(SET_CHANGE + set_id.to_bytes(8, "big"))
    return None if value is None else _block(value)


def set_change_blocks(database: ChainDatabase) -> dict[int, BlockId]:
    """All blocks that ended sets, by the number of the set, in order."""
    return {
        int.from_bytes(key[len(SET_CHANGE) :], "big"): _block(value)
        for key, value in database.notes(SET_CHANGE)
    }


def _block(value: bytes) -> BlockId:
    if len(value) != HASH_BYTES + 4:
        raise StorageCorrupt("the database is damaged: a note of a change of voters is no block")
    return BlockId(Hash(value[:HASH_BYTES]), int.from_bytes(value[HASH_BYTES:], "little"))
