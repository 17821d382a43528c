"""The voter's record on disk, so that a voter that comes back never votes twice in a round.

It lies beside the database, because a database can be removed, or be lost and synced anew, while
the keys stay: what was voted must outlive that.

Guarantees: when ``write`` returns, the record is synced; a crash at any moment leaves the last
record or the one before, whole. A damaged file stops the node. ``may_vote_in`` says whether voting
is safe: a node whose chain is behind the last set that it voted in has lost blocks, and must not
vote once more in sets that it has left.

The file: magic ``CESSVOTE``, version u32, zero u32, the record, 32 bytes of BLAKE2b of all that.
"""

import struct
from pathlib import Path
from typing import Final

from node.consensus.durable import replace_file
from node.consensus.grandpa.record import VoterRecord
from primitives.errors import CessError, DecodeError, StorageCorrupt
from primitives.hashing import blake2_256

__all__ = ["VoteStore"]

_HEAD: Final = struct.Struct("<8sII")
_MAGIC: Final = b"CESSVOTE"
_VERSION: Final = 1
_MARK_BYTES: Final = 32


class VoteStore:
    """The record of one node on one chain. Without a path it lasts as long as the process."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._last = None if path is None else _read(path)

    @property
    def last(self) -> VoterRecord | None:
        """The last record; None: this node has never voted."""
        return self._last

    def record_of(self, set_id: int) -> VoterRecord | None:
        """The record, if it is of this set."""
        return self._last if self._last is not None and self._last.set_id == set_id else None

    def may_vote_in(self, set_id: int) -> bool:
        """Whether this node has not voted in a later set yet."""
        return self._last is None or self._last.set_id <= set_id

    def write(self, record: VoterRecord) -> None:
        """Put ``record`` in the place of the last one, synced. Raises: CessError (the disk)."""
        if self._path is not None:
            head = _HEAD.pack(_MAGIC, _VERSION, 0) + record.encode()
            try:
                replace_file(self._path, head + blake2_256(head))
            except OSError as error:
                raise CessError(
                    f"cannot write {self._path} ({error.strerror}): no vote is cast before that is "
                    "possible"
                ) from error
        self._last = record


def _read(path: Path) -> VoterRecord | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    body, mark = data[:-_MARK_BYTES], data[-_MARK_BYTES:]
    if len(body) > _HEAD.size and blake2_256(body) == mark:
        magic, version, _ = _HEAD.unpack_from(body)
        if magic == _MAGIC and version == _VERSION:
            try:
                return VoterRecord.decode(body[_HEAD.size :])
            except DecodeError:
                pass
    raise StorageCorrupt(
        f"{path} is damaged: it says what this node voted last. Stop every node with these keys, "
        "wait until the set of voters has changed (an era), then remove the file"
    )
