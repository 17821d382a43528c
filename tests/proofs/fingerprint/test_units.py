"""Codes follow ISO 24138, whatever the pieces in which a stream arrives."""

import io
import json
import random
from pathlib import Path

import iscc_lib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.fingerprint import units
from proofs.fingerprint.similarity import hamming
from proofs.fingerprint.units import Fingerprints, fingerprint

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/fingerprint/iscc.json").read_text())
WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in ("ai", "e", "io", "u") for c in "lnrstx"]


def prose(seed: int, words: int = 2000) -> str:
    chosen = random.Random(seed).choices(WORDS, k=words)
    return ". ".join(" ".join(chosen[at : at + 9]) for at in range(0, words, 9))


def of(data: bytes) -> Fingerprints:
    return fingerprint(io.BytesIO(data))


class Dribble(io.RawIOBase):
    """A stream that gives its bytes in small uneven pieces."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self.data, self.sizes, self.at = data, sizes, 0

    def read(self, size: int = -1) -> bytes:
        self.sizes = [*self.sizes[1:], self.sizes[0]]
        piece = self.data[self.at : self.at + min(size, self.sizes[0])]
        self.at += len(piece)
        return piece


def test_the_library_passes_the_standard_s_vectors() -> None:
    assert iscc_lib.conformance_selftest()


def test_the_instance_code_is_that_of_iscc_core() -> None:
    data = b"".join(number.to_bytes(4, "little") for number in range(1, 2049))
    *_, digest = iscc_lib.iscc_decode(VECTORS["instance_256"])
    assert of(data).instance == digest


def test_codes_are_pinned() -> None:
    for case in VECTORS["pinned"]:
        codes = of(prose(case["prose"]).encode())
        assert codes.size == case["size"]
        assert codes.instance.hex() == case["instance"]
        assert codes.data.hex() == case["data"]
        assert codes.content is not None
        assert codes.content.hex() == case["content"]


def test_codes_are_those_of_the_library_in_one_piece() -> None:
    text = prose(1)
    data = text.encode()
    codes = of(data)
    for code, iscc in (
        (codes.instance, iscc_lib.gen_instance_code_v0(data, 256)["iscc"]),
        (codes.data, iscc_lib.gen_data_code_v0(data, 256)["iscc"]),
        (codes.content, iscc_lib.gen_text_code_v0(text, 256)["iscc"]),
    ):
        *_, digest = iscc_lib.iscc_decode(iscc)
        assert code == digest


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=8))
def test_pieces_do_not_matter(sizes: list[int]) -> None:
    """Pieces cut characters of two and three bytes in the middle."""
    data = (prose(2, 800) + "äöü€ßñ" * 2000).encode()
    assert fingerprint(Dribble(data, sizes)) == of(data)  # type: ignore[arg-type]


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=2000))
def test_any_bytes_have_codes(data: bytes) -> None:
    codes = of(data)
    assert codes.size == len(data)
    assert {len(codes.instance), len(codes.data)} == {32}
    assert codes.content is None or len(codes.content) == 32


def test_an_empty_stream_has_an_identity_and_no_content() -> None:
    codes = of(b"")
    assert codes.size == 0
    assert codes.content is None
    # BLAKE3 of nothing.
    assert codes.instance.hex().startswith("af1349b9f5f9a1a6a0404dea36dcc949")


def test_one_changed_byte_is_another_instance_and_near_data() -> None:
    data = random.Random(3).randbytes(400_000)
    changed = bytearray(data)
    changed[200_000] ^= 1
    one, two = of(data), of(bytes(changed))
    assert hamming(one.instance, two.instance) > 80
    assert hamming(one.data, two.data) < 40


def test_edited_text_is_near_and_other_text_is_far() -> None:
    text = prose(4)
    edited = text.replace(text[5000:5060], "something quite different stands here now", 1).upper()
    same, other = of(edited.encode()), of(prose(5).encode())
    codes = of(text.encode())
    assert codes.content is not None
    assert same.content is not None
    assert other.content is not None
    assert hamming(codes.content, same.content) < 32
    assert hamming(codes.content, other.content) > 64


def test_a_byte_order_mark_and_line_ends_do_not_change_the_content() -> None:
    text = prose(6).replace(". ", ".\n")
    plain, dressed = of(text.encode()), of(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert plain.content == dressed.content is not None
    assert plain.instance != dressed.instance


@pytest.mark.parametrize(
    "data",
    [
        b"\xff" + prose(7).encode(),
        prose(7).encode() + b"\xe2\x82",
        prose(7).encode() + b"\0",
        prose(7).encode("utf-16"),
        b"\x1b" + prose(7).encode(),
        "äöü".encode("latin-1") * 400,
        random.Random(8).randbytes(5000),
    ],
    ids=["bad start", "cut character", "null", "utf-16", "escape", "latin-1", "noise"],
)
def test_what_is_no_text_has_no_content(data: bytes) -> None:
    assert of(data).content is None


def test_text_after_the_first_bad_piece_is_not_kept() -> None:
    data = b"\0" * 100 + prose(9).encode()
    assert fingerprint(Dribble(data, [100])).content is None  # type: ignore[arg-type]


def test_short_text_has_no_content() -> None:
    """Letters count, spaces and punctuation do not."""
    letters = "abcdefghijklmnopqrstuvwxyz" * 5
    assert of(letters[:127].encode()).content is None
    assert of((letters[:127] + " . , ! " * 50).encode()).content is None
    assert of(letters[:128].encode()).content is not None


def test_text_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "TEXT_BYTES_MAX", 10_000)
    text = prose(10, 4000).encode()
    assert of(text[:9_999]).content is not None
    assert of(text[:10_000]).content is not None
    assert of(text[:10_001]).content is None
    assert of(text[:10_001]).data == of(text[:10_001]).data


def test_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it is too long to be fingerprinted, text is no longer collected."""
    monkeypatch.setattr(units, "TEXT_BYTES_MAX", 1000)
    collector = units._TextCollector()
    for _ in range(10):
        collector.update(b"a" * 300)
    assert collector._pieces is None
    assert collector.code() is None
