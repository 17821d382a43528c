"""The envelope: a file encrypted in chunks that can be read from any place (docs/specs/vault.md).

    offset  bytes  header, 128 bytes
         0      8  magic "CESSVALT"
         8      1  version, 1
         9      1  suite, 1: AES-256-GCM, HKDF-SHA256, STREAM
        10      1  log2 of the chunk length, 16
        11      1  mode, 0: the file key comes from the owner's vault key alone
        12      4  bytes of the metadata section, 896, little endian
        16      8  content bytes, padding included, little endian
        24      8  zero
        32     32  salt of the file key
        64     32  commitment to the file key
        96     32  HMAC-SHA256 of the first 96 bytes under the header key
       128    896  metadata: name and size, AES-256-GCM under the metadata key
      1024         content: chunks of 65,536 bytes, each followed by its tag of 16 bytes

Guarantees: a reader with the wrong key, and any truncation, reordering, duplication or change of a
single bit, is refused with an error that says which; never are wrong bytes returned. Chunks are
sealed by STREAM: the nonce is the chunk's number and a flag on the last one, and the header is
authenticated with every chunk. GCM alone does not commit to its key; the commitment in the header
does, and is checked first.

The true size is inside the metadata. The content is padded with zeros, to a length that says little
about it (``padded_content_bytes``).

Bounds: `Sealer` and `Opener` hold one chunk and no more than they are given. One envelope has at
most 2^32 chunks; a name at most ``NAME_BYTES_MAX`` bytes.

Source: Hoang, Reyhanitabar, Rogaway, Vizár, "Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance", 2015 (STREAM); Padmé: Nikitin et al., "Reducing Metadata Leakage from Encrypted
Files and Communication with PURBs", 2019.
"""

import hashlib
import hmac
import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from client.vault.keys import KEY_BYTES, SALT_BYTES, FileKeys, VaultKey
from primitives.errors import CessError

__all__ = [
    "CHUNK_BYTES",
    "ENVELOPE_HEAD_BYTES",
    "NAME_BYTES_MAX",
    "ChunkDamaged",
    "EnvelopeError",
    "EnvelopeTruncated",
    "HeaderDamaged",
    "NotAnEnvelope",
    "Opener",
    "Sealer",
    "SourceChanged",
    "Span",
    "UnsupportedEnvelope",
    "WrongKey",
    "envelope_bytes",
    "padded_content_bytes",
]

MAGIC: Final = b"CESSVALT"
VERSION: Final = 1
SUITE: Final = 1
CHUNK_LOG2: Final = 16
MODE_SIMPLE: Final = 0
CHUNK_BYTES: Final = 1 << CHUNK_LOG2
TAG_BYTES: Final = 16
SEALED_CHUNK_BYTES: Final = CHUNK_BYTES + TAG_BYTES
HEADER_BYTES: Final = 128
METADATA_BYTES: Final = 896
ENVELOPE_HEAD_BYTES: Final = HEADER_BYTES + METADATA_BYTES
NAME_BYTES_MAX: Final = 255
CHUNKS_MAX: Final = 2**32
CONTENT_BYTES_MAX: Final = CHUNKS_MAX * CHUNK_BYTES

_FIELDS: Final = struct.Struct("<8sBBBBIQ8s32s32s")
_MAC_AT: Final = 96
_METADATA: Final = struct.Struct("<QH")
_NO_NONCE: Final = bytes(12)
_LAST: Final = b"\x01"
_NOT_LAST: Final = b"\x00"


class EnvelopeError(CessError):
    """An envelope that cannot be opened."""


class NotAnEnvelope(EnvelopeError):
    """The bytes do not begin like an envelope: the file is public, or not ours."""


class UnsupportedEnvelope(EnvelopeError):
    """A version or suite that this program does not know; a newer one may."""


class WrongKey(EnvelopeError):
    """The key is not the one that the envelope commits to."""


class HeaderDamaged(EnvelopeError):
    """The header or the metadata were changed after sealing."""


class EnvelopeTruncated(EnvelopeError):
    """The envelope is shorter, or longer, than its header says."""


class ChunkDamaged(EnvelopeError):
    """A chunk was changed, moved or repeated after sealing."""

    def __init__(self, index: int) -> None:
        super().__init__(
            f"chunk {index} is not what was sealed there: it was changed or moved; "
            "fetch the file again from other holders"
        )
        self.index = index


class SourceChanged(EnvelopeError):
    """The file gave fewer or more bytes than its size when sealing began."""


def _padme(size: int) -> int:
    """The next length whose binary form ends in enough zeros to hide all but its magnitude."""
    if size < 2:
        return size
    exponent = size.bit_length() - 1
    kept = exponent.bit_length()
    mask = (1 << max(exponent - kept, 0)) - 1
    return (size + mask) & ~mask


def _chunk_count(content_bytes: int) -> int:
    return -(-content_bytes // CHUNK_BYTES)


def envelope_bytes(content_bytes: int) -> int:
    """The length of an envelope with so much content, padding included."""
    return ENVELOPE_HEAD_BYTES + content_bytes + TAG_BYTES * _chunk_count(content_bytes)


def padded_content_bytes(size: int, segment_bytes: int) -> int:
    """How much content stands for ``size`` bytes: Padmé, then as much as the last segment takes.

    The last segment is stored and paid for whole, so filling it costs nothing and hides the size
    of every file that fits one segment.
    """
    if not 0 <= size <= CONTENT_BYTES_MAX // 2:
        raise EnvelopeError(f"a file of {size} bytes does not fit an envelope; split it")
    least = envelope_bytes(max(_padme(size), 1))
    room = -(-least // segment_bytes) * segment_bytes - ENVELOPE_HEAD_BYTES
    chunks, rest = divmod(room, SEALED_CHUNK_BYTES)
    return chunks * CHUNK_BYTES + max(rest - TAG_BYTES, 0)


def _nonce(index: int, *, is_last: bool) -> bytes:
    return index.to_bytes(11, "big") + (_LAST if is_last else _NOT_LAST)


@dataclass(frozen=True, slots=True)
class Span:
    """Which bytes of an envelope hold a range of its content: whole sealed chunks."""

    first_chunk: int
    offset: int
    length: int


class Sealer:
    """Seals one file, once: sealing other content under the same keys would repeat nonces.

    ``content_bytes`` is the padded length, see ``padded_content_bytes``. ``salt`` is random; it is
    given only to compute known answers.
    """

    def __init__(
        self, key: VaultKey, *, name: str, size: int, content_bytes: int, salt: bytes | None = None
    ) -> None:
        if not max(size, 1) <= content_bytes <= CONTENT_BYTES_MAX:
            raise EnvelopeError(f"{content_bytes} bytes of content cannot hold {size} bytes")
        self.size = size
        self.content_bytes = content_bytes
        salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
        keys = FileKeys.of(key.file_key(salt), salt)
        fields = _FIELDS.pack(
            MAGIC,
            VERSION,
            SUITE,
            CHUNK_LOG2,
            MODE_SIMPLE,
            METADATA_BYTES,
            content_bytes,
            bytes(8),
            salt,
            keys.commitment,
        )
        header = fields + hmac.digest(keys.header, fields, "sha256")
        self._bound = hashlib.sha256(header).digest()
        self._cipher = AESGCM(keys.content)
        self._is_used = False
        metadata = _encode_metadata(name, size)
        self.head = header + AESGCM(keys.metadata).encrypt(_NO_NONCE, metadata, self._bound)
        self._chunks = _chunk_count(content_bytes)

    @property
    def envelope_bytes(self) -> int:
        """The length of the whole envelope."""
        return envelope_bytes(self.content_bytes)

    def _seal_chunk(self, index: int, plain: bytes) -> bytes:
        is_last = index == self._chunks - 1
        nonce = _nonce(index, is_last=is_last)
        return self._cipher.encrypt(nonce, plain, self._bound)

    def seal(self, source: BinaryIO) -> Iterator[bytes]:
        """The whole envelope of ``source``, in pieces of at most one sealed chunk.

        Raises: SourceChanged when the source does not give exactly ``size`` bytes; EnvelopeError
        the second time.
        """
        if self._is_used:
            raise EnvelopeError("a sealer seals once; make a new one, with keys of its own")
        self._is_used = True
        yield self.head
        left = self.size
        for index in range(self._chunks):
            wanted = min(CHUNK_BYTES, left)
            plain = _read_exactly(source, wanted)
            if len(plain) != wanted:
                raise SourceChanged("the file became shorter while it was read; try again")
            left -= wanted
            length = min(CHUNK_BYTES, self.content_bytes - index * CHUNK_BYTES)
            yield self._seal_chunk(index, plain.ljust(length, b"\0"))
        if source.read(1):
            raise SourceChanged("the file became longer while it was read; try again")


class Opener:
    """Opens one envelope from its first ``ENVELOPE_HEAD_BYTES``; chunks may come in any order.

    Raises: NotAnEnvelope, UnsupportedEnvelope, EnvelopeTruncated, WrongKey, HeaderDamaged.
    """

    def __init__(self, key: VaultKey | bytes, head: bytes) -> None:
        """``key`` is the owner's vault key, or the file key of this one envelope."""
        fields = _decode_header(head)
        file_key = key.file_key(fields.salt) if isinstance(key, VaultKey) else key
        if len(file_key) != KEY_BYTES:
            raise WrongKey(f"a file key has {KEY_BYTES} bytes, not {len(file_key)}")
        keys = FileKeys.of(file_key, fields.salt)
        if not keys.commits_to(fields.commitment):
            raise WrongKey(
                "the envelope was sealed with another key; use the account that stored the file"
            )
        mac = hmac.digest(keys.header, head[:_MAC_AT], "sha256")
        if not hmac.compare_digest(mac, head[_MAC_AT:HEADER_BYTES]):
            raise HeaderDamaged("the header was changed after sealing; fetch the file again")
        self._bound = hashlib.sha256(head[:HEADER_BYTES]).digest()
        try:
            metadata = AESGCM(keys.metadata).decrypt(
                _NO_NONCE, head[HEADER_BYTES:ENVELOPE_HEAD_BYTES], self._bound
            )
        except InvalidTag:
            raise HeaderDamaged(
                "the metadata was changed after sealing; fetch the file again"
            ) from None
        self.name, self.size = _decode_metadata(metadata)
        self.content_bytes = fields.content_bytes
        if self.size > self.content_bytes:
            raise HeaderDamaged("the envelope claims more bytes than it holds")
        self._cipher = AESGCM(keys.content)
        self._chunks = _chunk_count(self.content_bytes)

    @property
    def envelope_bytes(self) -> int:
        """The length of the whole envelope."""
        return envelope_bytes(self.content_bytes)

    def span(self, start: int, end: int) -> Span:
        """Where the content from ``start`` up to, not including, ``end`` lies in the envelope."""
        if not 0 <= start <= end <= self.content_bytes:
            raise ValueError(f"a range {start}..{end} is outside 0..{self.content_bytes}")
        first, after = start // CHUNK_BYTES, _chunk_count(end)
        after = max(after, first)
        offset = ENVELOPE_HEAD_BYTES + first * SEALED_CHUNK_BYTES
        stop = min(ENVELOPE_HEAD_BYTES + after * SEALED_CHUNK_BYTES, self.envelope_bytes)
        return Span(first_chunk=first, offset=offset, length=max(stop - offset, 0))

    def open_chunk(self, index: int, sealed: bytes | memoryview) -> bytes:
        """The plain bytes of chunk ``index``, padding included.

        Raises: ChunkDamaged; EnvelopeTruncated when it is shorter than it must be.
        """
        if not 0 <= index < self._chunks:
            raise EnvelopeTruncated(f"the envelope has {self._chunks} chunks, none number {index}")
        is_last = index == self._chunks - 1
        length = self.content_bytes - index * CHUNK_BYTES if is_last else CHUNK_BYTES
        if len(sealed) != length + TAG_BYTES:
            raise EnvelopeTruncated(
                f"chunk {index} has {len(sealed)} bytes and should have {length + TAG_BYTES}: "
                "the envelope was cut short or extended"
            )
        nonce = _nonce(index, is_last=is_last)
        try:
            return self._cipher.decrypt(nonce, sealed, self._bound)
        except InvalidTag:
            raise ChunkDamaged(index) from None

    def open_span(self, start: int, end: int, sealed: bytes | memoryview) -> bytes:
        """The content from ``start`` to ``end``, of the bytes that ``span(start, end)`` names."""
        span = self.span(start, end)
        if len(sealed) != span.length:
            raise EnvelopeTruncated(f"{len(sealed)} bytes came for a span of {span.length}")
        view = memoryview(sealed)
        parts = [
            self.open_chunk(span.first_chunk + number, view[at : at + SEALED_CHUNK_BYTES])
            for number, at in enumerate(range(0, span.length, SEALED_CHUNK_BYTES))
        ]
        skip = start - span.first_chunk * CHUNK_BYTES
        return b"".join(parts)[skip : skip + end - start]

    def open_stream(self, source: BinaryIO) -> Iterator[bytes]:
        """The true content, in pieces of at most one chunk, of what follows the head.

        Raises: ChunkDamaged, EnvelopeTruncated. Bytes that came before an error were right.
        """
        left = self.size
        for index in range(self._chunks):
            sealed = _read_exactly(source, SEALED_CHUNK_BYTES)
            plain = self.open_chunk(index, sealed)
            if left > 0:
                yield plain[:left]
                left -= min(left, len(plain))
        if source.read(1):
            raise EnvelopeTruncated("bytes follow the last chunk: the envelope was extended")


@dataclass(frozen=True, slots=True)
class _Header:
    content_bytes: int
    salt: bytes
    commitment: bytes


def _decode_header(head: bytes) -> _Header:
    if head[: len(MAGIC)] != MAGIC[: len(head)] or not head:
        raise NotAnEnvelope("the file is not encrypted, or not by this program")
    if len(head) < ENVELOPE_HEAD_BYTES:
        raise EnvelopeTruncated(
            f"an envelope begins with {ENVELOPE_HEAD_BYTES} bytes of header and metadata; "
            f"only {len(head)} are there"
        )
    (_, version, suite, chunk_log2, mode, metadata_bytes, content_bytes, zero, salt, commitment) = (
        _FIELDS.unpack_from(head)
    )
    if version != VERSION:
        raise UnsupportedEnvelope(
            f"envelope version {version} is unknown here; update this program"
        )
    if (suite, chunk_log2, mode) != (SUITE, CHUNK_LOG2, MODE_SIMPLE):
        raise UnsupportedEnvelope(
            f"suite {suite}, chunk 2^{chunk_log2}, mode {mode} are unknown here; "
            "update this program"
        )
    if metadata_bytes != METADATA_BYTES or zero != bytes(8):
        raise HeaderDamaged("the header has values that no envelope of this version has")
    if not 1 <= content_bytes <= CONTENT_BYTES_MAX:
        raise HeaderDamaged(f"the header claims {content_bytes} bytes of content")
    return _Header(content_bytes=content_bytes, salt=salt, commitment=commitment)


def _encode_metadata(name: str, size: int) -> bytes:
    raw = name.encode("utf-8", "surrogateescape")
    if len(raw) > NAME_BYTES_MAX:
        raise EnvelopeError(
            f"a name of {len(raw)} bytes is too long; at most {NAME_BYTES_MAX} are kept"
        )
    filled = _METADATA.pack(size, len(raw)) + raw
    return filled.ljust(METADATA_BYTES - TAG_BYTES, b"\0")


def _decode_metadata(metadata: bytes) -> tuple[str, int]:
    size, length = _METADATA.unpack_from(metadata)
    if length > NAME_BYTES_MAX:
        raise HeaderDamaged("the metadata has a name longer than any can be")
    raw = metadata[_METADATA.size : _METADATA.size + length]
    return raw.decode("utf-8", "surrogateescape"), size


def _read_exactly(source: BinaryIO, length: int) -> bytes:
    """``length`` bytes, or fewer at the end of the source."""
    data = source.read(length)
    if len(data) == length or not data:
        return data
    parts = [data]
    missing = length - len(data)
    while missing and (more := source.read(missing)):
        parts.append(more)
        missing -= len(more)
    return b"".join(parts)
