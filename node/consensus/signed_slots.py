"""The last slot that this node signed a block for, on disk before the signature exists.

Two blocks of one author for one slot are an equivocation, for which authors are fined. The database
cannot prevent it: what it wrote last may be lost in a crash, removed by ``purge-chain`` or not be
there yet. So the promise has a file of its own beside it.

Guarantees: ``claim`` returns once for a slot, and for none before the last one, across crashes and
restarts; when it returns, the promise is synced. A damaged file stops the node.

The file, 56 bytes, replaced as a whole: magic ``CESSSLOT``, version u32, zero u32, slot u64, the
first 32 bytes of BLAKE2b of all that; integers little-endian.
"""

import struct
from pathlib import Path
from typing import Final

from node.consensus.durable import replace_file
from primitives.errors import CessError, StorageCorrupt
from primitives.hashing import blake2_256

__all__ = ["FILE_NAME", "SignedSlots", "SlotSigned"]

FILE_NAME: Final = "signed-slot"
_MAGIC: Final = b"CESSSLOT"
_VERSION: Final = 1
_HEAD: Final = struct.Struct("<8sIIQ")


class SlotSigned(CessError):  # noqa: N818  a fact
    """This node has signed a block for this slot, or a later one."""


class SignedSlots:
    """Promises by one node on one chain. Without a path they last as long as the process."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._last = -1 if path is None else _read(path)

    @property
    def last(self) -> int:
        """The last slot signed for; -1: none yet."""
        return self._last

    def claim(self, slot: int) -> None:
        """Promise to sign one block for ``slot``, now. Raises: SlotSigned, CessError (the disk)."""
        if slot <= self._last:
            raise SlotSigned(
                f"a block was signed for slot {self._last} already: none is signed for slot {slot}"
            )
        if self._path is not None:
            _write(self._path, slot)
        self._last = slot


def _read(path: Path) -> int:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return -1
    head, mark = data[: _HEAD.size], data[_HEAD.size :]
    if len(head) == _HEAD.size and blake2_256(head) == mark:
        magic, version, _, slot = _HEAD.unpack(head)
        if magic == _MAGIC and version == _VERSION:
            return int(slot)
    raise StorageCorrupt(
        f"{path} is damaged: it says for which slot this node signed last. Stop every node with "
        "these keys for two slots, then remove the file"
    )


def _write(path: Path, slot: int) -> None:
    head = _HEAD.pack(_MAGIC, _VERSION, 0, slot)
    try:
        replace_file(path, head + blake2_256(head))
    except OSError as error:
        raise CessError(
            f"cannot write {path} ({error.strerror}): no block is signed before that is possible"
        ) from error
