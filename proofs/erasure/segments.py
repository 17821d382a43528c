"""From a stored object to segments, fragments and its identity (docs/specs/file-encoding.md).

An object of `size` bytes is cut into segments of equal length, the last one zero padded; each
segment becomes fragments by `ReedSolomon`. Hashes are SHA-256; the file id commits to the size and
to every hash in order, so it names one object and one encoding of it.
"""

import hashlib
from collections.abc import Sequence

from primitives.errors import CessError
from primitives.types import FileHash, FragmentHash, SegmentHash

FILE_ID_TAG = b"cess/file-id/v1\0"
FILE_BYTES_MAX = 2**64 - 1
SEGMENTS_MAX = 2**32 - 1
FRAGMENTS_MAX = 255


class SegmentError(CessError):
    """Sizes or lists that no file can have."""


def segment_count(size: int, segment_bytes: int) -> int:
    """How many segments hold `size` bytes. An empty object has none and cannot be stored.

    Raises: SegmentError for a negative or huge size or a segment size below one byte.
    """
    if not 0 <= size <= FILE_BYTES_MAX:
        raise SegmentError(f"a size of {size} bytes is outside 0..{FILE_BYTES_MAX}")
    if segment_bytes < 1:
        raise SegmentError(f"a segment of {segment_bytes} bytes holds nothing")
    return -(-size // segment_bytes)


def pad_segment(data: bytes | memoryview, segment_bytes: int) -> bytes:
    """`data` with zero bytes appended up to `segment_bytes`.

    Raises: SegmentError when it is empty or longer than a segment.
    """
    length = memoryview(data).nbytes
    if not 1 <= length <= segment_bytes:
        raise SegmentError(f"{length} bytes do not fill one segment of {segment_bytes}")
    return bytes(data).ljust(segment_bytes, b"\0")


def fragment_hash(data: bytes | bytearray | memoryview) -> FragmentHash:
    """SHA-256 of a fragment's bytes."""
    return FragmentHash(hashlib.sha256(data).digest())


def segment_hash(segment: bytes | bytearray | memoryview) -> SegmentHash:
    """SHA-256 of a whole segment, padding included: the concatenation of its data fragments."""
    return SegmentHash(hashlib.sha256(segment).digest())


def file_id(size: int, segments: Sequence[tuple[SegmentHash, Sequence[FragmentHash]]]) -> FileHash:
    """The identity of a stored object: SHA-256 over its size and all hashes, in a fixed layout.

    Layout: tag (16) ‖ size u64 LE ‖ segment count u32 LE ‖ for each segment: hash (32) ‖
    fragment count u8 ‖ fragment hashes (32 each). Every field has a fixed length or a count before
    it, so different inputs never share a preimage.
    Raises: SegmentError when a number does not fit its field.
    """
    if not 0 <= size <= FILE_BYTES_MAX:
        raise SegmentError(f"a size of {size} bytes is outside 0..{FILE_BYTES_MAX}")
    if len(segments) > SEGMENTS_MAX:
        raise SegmentError(f"{len(segments)} segments exceed {SEGMENTS_MAX}")
    digest = hashlib.sha256(FILE_ID_TAG)
    digest.update(size.to_bytes(8, "little"))
    digest.update(len(segments).to_bytes(4, "little"))
    for segment, fragments in segments:
        if len(fragments) > FRAGMENTS_MAX:
            raise SegmentError(f"{len(fragments)} fragments of a segment exceed {FRAGMENTS_MAX}")
        digest.update(_hash_bytes(segment))
        digest.update(len(fragments).to_bytes(1, "little"))
        for fragment in fragments:
            digest.update(_hash_bytes(fragment))
    return FileHash(digest.digest())


def _hash_bytes(value: bytes) -> bytes:
    if len(value) != 32:
        raise SegmentError(f"a hash has 32 bytes, not {len(value)}")
    return bytes(value)
