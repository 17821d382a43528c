"""Sizes, hashes and the identity of a file."""

import hashlib
import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.types import FragmentHash, SegmentHash
from proofs.erasure import segments
from proofs.erasure.segments import (
    SegmentError,
    file_id,
    fragment_hash,
    pad_segment,
    segment_count,
    segment_hash,
)

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/erasure/file_id.json").read_text())
SegmentList = list[tuple[SegmentHash, list[FragmentHash]]]


def one_segment(fragments: int = 12, seed: int = 0) -> SegmentList:
    names = [hashlib.sha256(bytes([seed, index])).digest() for index in range(fragments + 1)]
    return [(SegmentHash(names[0]), [FragmentHash(name) for name in names[1:]])]


@pytest.mark.parametrize(
    ("size", "count"), [(0, 0), (1, 1), (99, 1), (100, 1), (101, 2), (200, 2), (2**64 - 1, None)]
)
def test_segments_cover_the_size(size: int, count: int | None) -> None:
    assert segment_count(size, 100) == (count if count is not None else -(-size // 100))


def test_impossible_sizes_are_refused() -> None:
    for size in (-1, 2**64):
        with pytest.raises(SegmentError, match="outside"):
            segment_count(size, 100)
        with pytest.raises(SegmentError, match="outside"):
            file_id(size, one_segment())
    with pytest.raises(SegmentError, match="holds nothing"):
        segment_count(1, 0)


def test_padding_is_zeros_behind_the_data() -> None:
    assert pad_segment(b"abc", 5) == b"abc\0\0"
    assert pad_segment(memoryview(b"abcde"), 5) == b"abcde"


@pytest.mark.parametrize("data", [b"", b"abcdef"])
def test_what_is_no_segment_is_not_padded(data: bytes) -> None:
    with pytest.raises(SegmentError, match="do not fill one segment"):
        pad_segment(data, 5)


def test_hashes_are_sha256() -> None:
    assert fragment_hash(b"abc") == hashlib.sha256(b"abc").digest()
    assert segment_hash(bytearray(b"abc")) == hashlib.sha256(b"abc").digest()


def test_the_file_id_follows_its_layout() -> None:
    listed = one_segment() + one_segment(3, seed=1)
    layout = b"cess/file-id/v1\0" + struct.pack("<QI", 12345, 2)
    for segment, fragments in listed:
        layout += bytes(segment) + bytes([len(fragments)]) + b"".join(fragments)
    assert file_id(12345, listed) == hashlib.sha256(layout).digest()


def test_the_file_id_is_pinned() -> None:
    for case in VECTORS:
        listed = [
            (
                SegmentHash(bytes.fromhex(entry["hash"])),
                [FragmentHash(bytes.fromhex(name)) for name in entry["fragments"]],
            )
            for entry in case["segments"]
        ]
        assert file_id(case["size"], listed).hex() == case["file_id"]


def test_every_part_of_a_file_changes_its_id() -> None:
    base = one_segment(2)
    swapped = [(base[0][0], base[0][1][::-1])]
    shorter = [(base[0][0], base[0][1][:1])]
    other = [(SegmentHash(bytes(32)), base[0][1])]
    ids = [
        file_id(10, base),
        file_id(11, base),
        file_id(10, swapped),
        file_id(10, shorter),
        file_id(10, other),
        file_id(10, base + base),
        file_id(10, []),
    ]
    assert len({bytes(name) for name in ids}) == len(ids)


@given(st.integers(0, 5), st.integers(0, 5))
def test_fragments_cannot_move_between_segments(left: int, right: int) -> None:
    """The same hashes, cut differently into segments, never share an id."""
    pool = one_segment(11)[0][1]
    first = [
        (SegmentHash(pool[0]), pool[1 : 1 + left]),
        (SegmentHash(pool[6]), pool[7 : 7 + right]),
    ]
    flat = [(SegmentHash(pool[0]), [*pool[1 : 1 + left], pool[6], *pool[7 : 7 + right]])]
    assert file_id(1, first) != file_id(1, flat)


def test_numbers_that_do_not_fit_their_field_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert file_id(1, [(SegmentHash(bytes(32)), [FragmentHash(bytes(32))] * 255)])
    with pytest.raises(SegmentError, match="256 fragments"):
        file_id(1, [(SegmentHash(bytes(32)), [FragmentHash(bytes(32))] * 256)])
    monkeypatch.setattr(segments, "SEGMENTS_MAX", 1)
    with pytest.raises(SegmentError, match="2 segments"):
        file_id(1, one_segment() * 2)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_hash_of_another_length_has_no_place_in_an_id(size: int) -> None:
    for listed in (
        [(bytes(size), [bytes(32)])],
        [(bytes(32), [bytes(32), bytes(size)])],
    ):
        with pytest.raises(SegmentError, match=f"a hash has 32 bytes, not {size}"):
            file_id(1, listed)  # type: ignore[arg-type]
