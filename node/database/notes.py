"""Small named records beside the chain: what others of the node must not lose with it.

A note goes to disk in the batch of the block or finalization that it belongs to, or in one of its
own. Its owner begins its keys with a word of its own, as in ``set-change:``.
Bounds: keys of 1 to ``NOTE_KEY_BYTES_MAX`` bytes, values of at most ``NOTE_BYTES_MAX``.
"""

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from node.database.errors import NoteRefused
from node.database.kv import Batch, KeyValue
from node.database.layout import NOTE, seal, unseal

__all__ = ["NOTE_BYTES_MAX", "NOTE_KEY_BYTES_MAX", "NoteChanges", "put_notes", "read_notes"]

NOTE_KEY_BYTES_MAX: Final = 64
NOTE_BYTES_MAX: Final = 1 << 20

NoteChanges: TypeAlias = Mapping[bytes, bytes | None]
"""Notes to write; None deletes."""


def put_notes(batch: Batch, changes: NoteChanges) -> None:
    """Write ``changes`` with ``batch``. Raises: NoteRefused, before anything is added."""
    for name, value in changes.items():
        if not 0 < len(name) <= NOTE_KEY_BYTES_MAX:
            raise NoteRefused(f"a note's key has {len(name)} bytes, not 1 to {NOTE_KEY_BYTES_MAX}")
        if value is not None and len(value) > NOTE_BYTES_MAX:
            raise NoteRefused(
                f"the note {name!r} has {len(value)} bytes, at most {NOTE_BYTES_MAX} are kept"
            )
    for name, value in changes.items():
        key = NOTE + name
        if value is None:
            batch.delete(key)
        else:
            batch.put(key, seal(key, value))


def read_notes(kv: KeyValue, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Notes whose keys begin with ``prefix``, in order of keys. Raises: StorageCorrupt."""
    for key, record in kv.iterate(NOTE + prefix):
        yield key[len(NOTE) :], unseal(key, record)
