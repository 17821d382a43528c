"""What this node said of finality, on disk, so that it never says anything else.

A voter that comes back never votes twice in a round, and who finalised alone never finalises
another history. The file lies beside the database, because a database can be removed, or be lost
and synced anew, while the keys stay: what was signed must outlive that.

Guarantees: when ``write`` returns, the record is synced; a crash at any moment leaves the last
record or the one before, whole. A damaged file stops the node. ``may_vote_in`` says whether voting
is safe: a node whose chain is behind the last set that it voted in has lost blocks, and must not
vote once more in sets that it has left. ``alone`` never goes back. Methods may be called from
several threads.

The file: magic ``CESSVOTE``, version u32, zero u32, ``_Content``, 32 bytes of BLAKE2b of all that.
Version 1 had the voter's record in the place of the content, and is read.
"""

import struct
from pathlib import Path
from threading import Lock
from typing import Final

from node.consensus.durable import replace_file
from node.consensus.grandpa.record import VoterRecord
from primitives.errors import CessError, DecodeError, StorageCorrupt
from primitives.grandpa import Block
from primitives.hashing import blake2_256
from primitives.scale import codec
from primitives.scale import struct as scale_struct
from primitives.types import BlockNumber, Hash

__all__ = ["VoteStore"]

_HEAD: Final = struct.Struct("<8sII")
_MAGIC: Final = b"CESSVOTE"
_VERSION: Final = 2
_MARK_BYTES: Final = 32


@scale_struct
class _Alone:
    """The last block that this node's keys finalised without others."""

    hash: Hash
    number: BlockNumber


@scale_struct
class _Content:
    """What the file holds."""

    record: VoterRecord | None
    alone: _Alone | None


class VoteStore:
    """The memory of one node on one chain. Without a path it lasts as long as the process."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = Lock()
        content = None if path is None else _read(path)
        self._last = None if content is None else content.record
        self._alone = None if content is None else content.alone

    @property
    def alone(self) -> Block | None:
        """The last block that this node's keys finalised without others; None: none."""
        alone = self._alone
        return None if alone is None else Block(bytes(alone.hash), int(alone.number))

    def note_alone(self, block: Block) -> None:
        """This node's keys finalised ``block`` without others, on the chain of the last such block.

        Raises: CessError (the disk).
        """
        with self._lock:
            if self._alone is None or block.number > self._alone.number:
                alone = _Alone(hash=Hash(block.hash), number=BlockNumber(block.number))
                self._put(self._last, alone, "no block is made final")

    def forget_alone(self) -> None:
        """Begin another history: nobody relies on what the keys finalised, says the operator.

        Raises: CessError (the disk).
        """
        with self._lock:
            self._put(self._last, None, "nothing is forgotten")

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
        with self._lock:
            self._put(record, self._alone, "no vote is cast")

    def _put(self, record: VoterRecord | None, alone: _Alone | None, what_waits: str) -> None:
        if self._path is not None:
            content = codec(_Content).encode(_Content(record=record, alone=alone))
            head = _HEAD.pack(_MAGIC, _VERSION, 0) + content
            try:
                replace_file(self._path, head + blake2_256(head))
            except OSError as error:
                raise CessError(
                    f"cannot write {self._path} ({error.strerror}): {what_waits} before that is "
                    "possible"
                ) from error
        self._last, self._alone = record, alone


def _read(path: Path) -> _Content | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    body, mark = data[:-_MARK_BYTES], data[-_MARK_BYTES:]
    if len(body) > _HEAD.size and blake2_256(body) == mark:
        magic, version, _ = _HEAD.unpack_from(body)
        content = body[_HEAD.size :]
        try:
            if magic == _MAGIC and version == _VERSION:
                return codec(_Content).decode(content)
            if magic == _MAGIC and version == 1:
                return _Content(record=VoterRecord.decode(content), alone=None)
        except DecodeError:
            pass
    raise StorageCorrupt(
        f"{path} is damaged: it says what this node voted last, and what it finalised alone. Stop "
        "every node with these keys, wait until the set of voters has changed (an era), then "
        "remove the file"
    )
