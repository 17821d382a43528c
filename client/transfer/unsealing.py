"""Writes a file's content from its stored bytes as they come: opened when they are an envelope.

Whether the bytes are an envelope is seen from their beginning. A sealed file without its key is an
error; a file that is stored openly is written as it is.

Bounds: holds one chunk beside what it is fed.
"""

from typing import BinaryIO

from client.vault.envelope import (
    CHUNK_BYTES,
    ENVELOPE_HEAD_BYTES,
    MAGIC,
    TAG_BYTES,
    EnvelopeTruncated,
    Opener,
    WrongKey,
)
from client.vault.keys import VaultKey

__all__ = ["NEEDS_KEY", "Unsealing"]

NEEDS_KEY = "the file is sealed: give the account that stored it with --keyfile or --suri"

SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES


class Unsealing:
    """Feed it the ``size`` stored bytes in order, then ``finish``. It blocks: use a thread."""

    def __init__(self, key: VaultKey | bytes | None, size: int) -> None:
        self._key = key
        self._size = size
        self._waiting = bytearray()
        self._opener: Opener | None = None
        self._is_open = False
        self._next_chunk = 0
        self._taken = 0
        self.written = 0

    @property
    def is_sealed(self) -> bool:
        """Whether the stored bytes are an envelope."""
        return self._opener is not None

    @property
    def name(self) -> str | None:
        """The name inside the envelope."""
        return None if self._opener is None else self._opener.name

    def feed(self, data: bytes, out: BinaryIO) -> None:
        """Take the next stored bytes and write the content that they complete.

        Raises: WrongKey, ChunkDamaged and the other errors of an envelope.
        """
        self._taken += len(data)
        self._waiting += data
        self._begin(at_end=False)
        self._write(out, at_end=False)

    def finish(self, out: BinaryIO) -> None:
        """Write the rest. Raises: EnvelopeTruncated when bytes are missing or left over."""
        self._begin(at_end=True)
        self._write(out, at_end=True)
        if self._taken != self._size or self._waiting:
            raise EnvelopeTruncated(f"{self._taken} bytes came and {self._size} were stored")
        if self._opener is not None and self._taken != self._opener.envelope_bytes:
            raise EnvelopeTruncated(
                f"the envelope has {self._opener.envelope_bytes} bytes and {self._taken} came"
            )

    def _begin(self, *, at_end: bool) -> None:
        if self._opener is not None or self._is_open:
            return
        if len(self._waiting) < ENVELOPE_HEAD_BYTES and not at_end:
            return
        head = bytes(self._waiting[:ENVELOPE_HEAD_BYTES])
        if not head.startswith(MAGIC):
            self._is_open = True
            return
        if self._key is None:
            raise WrongKey(NEEDS_KEY)
        self._opener = Opener(self._key, head)
        del self._waiting[:ENVELOPE_HEAD_BYTES]

    def _write(self, out: BinaryIO, *, at_end: bool) -> None:
        if self._is_open:
            out.write(self._waiting)
            self.written += len(self._waiting)
            self._waiting.clear()
        opener = self._opener
        if opener is None:
            return
        at = 0
        with memoryview(self._waiting) as view:
            while len(view) - at >= SEALED_CHUNK_BYTES or (at_end and at < len(view)):
                sealed = bytes(view[at : at + SEALED_CHUNK_BYTES])
                plain = opener.open_chunk(self._next_chunk, sealed)
                at += len(sealed)
                self._next_chunk += 1
                kept = plain[: max(opener.size - self.written, 0)]
                out.write(kept)
                self.written += len(kept)
        del self._waiting[:at]
