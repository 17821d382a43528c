"""The small files beside fragments: row commitments and co-signatures, with magic and checksum.

Commitments (`commitments/ab/abcd….kzg`):

    offset  bytes     meaning
    0       8         magic "CESSKZGC"
    8       1         version, 1
    9       1         zero
    10      2         n, number of rows, u16 little-endian
    12      32        SHA-256 of the fragment
    44      48 × n    commitments
    end     32        BLAKE2b-256 of all bytes above

Co-signature (`cosignatures/FID-S-F`):

    0       8         magic "CESSCOSG"
    8       1         version, 1
    9       1         fragment index, u8
    10      2         m, length of the signature, u16 little-endian
    12      4         segment index, u32 little-endian
    16      32        file hash
    48      32        SHA-256 of the fragment
    80      m         SCALE MultiSignature
    end     32        BLAKE2b-256 of all bytes above

A damaged commitments file is computed again; a damaged co-signature is dropped, and the sender
signs again when it asks.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from primitives.errors import StorageCorrupt
from primitives.types import Bytes48, FileHash, FragmentHash

COMMITMENTS_MAGIC = b"CESSKZGC"
COSIGNATURE_MAGIC = b"CESSCOSG"
VERSION = 1
COMMITMENT_BYTES = 48
ROWS_MAX = 128
SIGNATURE_BYTES_MAX = 66
CHECKSUM_BYTES = 32
RECORD_BYTES_MAX = 44 + ROWS_MAX * COMMITMENT_BYTES + CHECKSUM_BYTES


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A sender's word that the commitments of one place of its deal are right.

    `signature` is an encoded MultiSignature.
    """

    file_hash: FileHash
    segment_index: int
    fragment_index: int
    fragment_hash: FragmentHash
    signature: bytes


def pack_commitments(fragment_hash: bytes, commitments: Sequence[bytes]) -> bytes:
    """The bytes of a commitments file."""
    assert 1 <= len(commitments) <= ROWS_MAX, "a fragment has that many rows"
    body = b"".join(
        (
            COMMITMENTS_MAGIC,
            bytes([VERSION, 0]),
            len(commitments).to_bytes(2, "little"),
            bytes(fragment_hash),
            *(bytes(item) for item in commitments),
        )
    )
    return body + _checksum(body)


def unpack_commitments(data: bytes, fragment_hash: bytes) -> tuple[Bytes48, ...]:
    """The commitments in a file that belongs to `fragment_hash`. Raises: StorageCorrupt."""
    body = _checked(data, COMMITMENTS_MAGIC, "the commitments file")
    count = int.from_bytes(body[10:12], "little")
    rows = body[44:]
    if body[12:44] != fragment_hash or len(rows) != count * COMMITMENT_BYTES or count == 0:
        raise StorageCorrupt("the commitments file belongs to another fragment")
    return tuple(
        Bytes48(rows[start : start + COMMITMENT_BYTES])
        for start in range(0, len(rows), COMMITMENT_BYTES)
    )


def pack_cosignature(item: Cosignature) -> bytes:
    """The bytes of a co-signature file."""
    assert 1 <= len(item.signature) <= SIGNATURE_BYTES_MAX, "checked when it was received"
    body = b"".join(
        (
            COSIGNATURE_MAGIC,
            bytes([VERSION, item.fragment_index]),
            len(item.signature).to_bytes(2, "little"),
            item.segment_index.to_bytes(4, "little"),
            bytes(item.file_hash),
            bytes(item.fragment_hash),
            item.signature,
        )
    )
    return body + _checksum(body)


def unpack_cosignature(data: bytes) -> Cosignature:
    """What a co-signature file says. Raises: StorageCorrupt."""
    body = _checked(data, COSIGNATURE_MAGIC, "the co-signature")
    length = int.from_bytes(body[10:12], "little")
    if len(body) != 80 + length or not 1 <= length <= SIGNATURE_BYTES_MAX:
        raise StorageCorrupt("the co-signature has another length than it says")
    return Cosignature(
        file_hash=FileHash(body[16:48]),
        segment_index=int.from_bytes(body[12:16], "little"),
        fragment_index=body[9],
        fragment_hash=FragmentHash(body[48:80]),
        signature=body[80:],
    )


def _checked(data: bytes, magic: bytes, what: str) -> bytes:
    if not 44 + CHECKSUM_BYTES <= len(data) <= RECORD_BYTES_MAX:
        raise StorageCorrupt(f"{what} has {len(data)} bytes")
    body, checksum = data[:-CHECKSUM_BYTES], data[-CHECKSUM_BYTES:]
    if body[:8] != magic or body[8] != VERSION:
        raise StorageCorrupt(f"{what} is not one, or of another version")
    if _checksum(body) != checksum:
        raise StorageCorrupt(f"{what} has changed since it was written")
    return body


def _checksum(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=CHECKSUM_BYTES).digest()
