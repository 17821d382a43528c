"""Fingerprints of a byte stream: ISCC units (ISO 24138:2024) of 256 bits, by `iscc-lib`.

- instance: Instance-Code, the BLAKE3 hash of all bytes. Equal exactly for equal bytes.
- data: Data-Code. Content-defined chunks under MinHash: close for byte-local edits of large files.
- content: Text-Code, for UTF-8 text only. Close for edited, reformatted or partly copied text.

Everything runs on the owner's plaintext and machine; the chain compares codes and never computes
them. Bounds: one pass, CHUNK_BYTES in memory, plus the text itself while it is at most
TEXT_BYTES_MAX (longer text has no content unit).
"""

import codecs
import re
from dataclasses import dataclass
from typing import BinaryIO

import iscc_lib

CODE_BITS = 256
CODE_BYTES = CODE_BITS // 8
CHUNK_BYTES = 1 << 20
TEXT_BYTES_MAX = 4 << 20
# Fewer letters give the Text-Code too few 13-letter windows to mean anything.
TEXT_LETTERS_MIN = 128
# Control characters that text has not: all but tab, line feed, form feed and carriage return.
NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0e-\x1f]")


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """The codes of one work, 32 bytes each; `content` is None when the work is not plain text."""

    size: int
    instance: bytes
    data: bytes
    content: bytes | None


def fingerprint(stream: BinaryIO) -> Fingerprints:
    """Read a stream to its end and return its codes. Cost: see docs/specs/mdrc.md."""
    instance, data, text = iscc_lib.InstanceHasher(), iscc_lib.DataHasher(), _TextCollector()
    size = 0
    while chunk := stream.read(CHUNK_BYTES):
        size += len(chunk)
        instance.update(chunk)
        data.update(chunk)
        text.update(chunk)
    return Fingerprints(
        size=size,
        instance=_code(instance.finalize(CODE_BITS)["iscc"]),
        data=_code(data.finalize(CODE_BITS)["iscc"]),
        content=text.code(),
    )


def _code(iscc: str) -> bytes:
    *_, digest = iscc_lib.iscc_decode(iscc)
    assert len(digest) == CODE_BYTES, "256 bits were asked for"
    return bytes(digest)


class _TextCollector:
    """Keeps a stream for as long as it is valid, printable UTF-8 below TEXT_BYTES_MAX."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._pieces: list[str] | None = []
        self._size = 0

    def update(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._pieces is None:
            return
        if self._size > TEXT_BYTES_MAX:
            self._pieces = None
            return
        self._take(self._pieces, chunk, final=False)

    def _take(self, pieces: list[str], chunk: bytes, *, final: bool) -> None:
        try:
            piece = self._decoder.decode(chunk, final)
        except UnicodeDecodeError:
            self._pieces = None
            return
        if NO_TEXT.search(piece):
            self._pieces = None
        else:
            pieces.append(piece)

    def code(self) -> bytes | None:
        if self._pieces is not None:
            self._take(self._pieces, b"", final=True)
        if self._pieces is None:
            return None
        text = iscc_lib.text_clean("".join(self._pieces))
        if len(iscc_lib.text_collapse(text)) < TEXT_LETTERS_MIN:
            return None
        return _code(iscc_lib.gen_text_code_v0(text, CODE_BITS)["iscc"])
