import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.digest import (
    BABE_ENGINE,
    BabePreDigest,
    Digest,
    DigestItem,
    Other,
    PreRuntime,
    Seal,
    SecondaryVrf,
)
from primitives.errors import DecodeError
from primitives.hashing import blake2_256
from primitives.header import HEADER_BYTES_MAX, Header
from primitives.scale import decode
from primitives.types import BlockNumber, Hash

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/header/polkadot.json").read_text())
HASHES = st.binary(min_size=32, max_size=32).map(Hash)
HEADERS = st.builds(
    Header,
    parent_hash=HASHES,
    number=st.integers(0, 2**32 - 1).map(BlockNumber),
    state_root=HASHES,
    extrinsics_root=HASHES,
    digest=st.lists(st.binary(max_size=9).map(Other), max_size=3).map(
        lambda items: Digest(tuple(items))
    ),
)
ZERO = Hash(bytes(32))


def made(vector: dict[str, Any]) -> Header:
    logs: list[DigestItem] = []
    if vector["pre_runtime"] is not None:
        logs.append(PreRuntime(BABE_ENGINE, bytes.fromhex(vector["pre_runtime"])))
    if vector["seal"] is not None:
        logs.append(Seal(BABE_ENGINE, bytes.fromhex(vector["seal"])))
    return Header(
        parent_hash=Hash(bytes.fromhex(vector["parent_hash"])),
        number=BlockNumber(vector["number"]),
        state_root=Hash(bytes.fromhex(vector["state_root"])),
        extrinsics_root=Hash(bytes.fromhex(vector["extrinsics_root"])),
        digest=Digest(tuple(logs)),
    )


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["number"]))
def test_headers_of_polkadot_have_their_hashes(vector: dict[str, Any]) -> None:
    header = made(vector)
    assert header.hash().hex() == vector["hash"]
    assert Header.decode(header.encode()) == header


def test_the_pre_digest_of_a_polkadot_block_is_read() -> None:
    raw = made(VECTORS[1]).digest.pre_runtime(BABE_ENGINE)
    assert raw is not None
    claim = decode(BabePreDigest, raw)
    assert isinstance(claim, SecondaryVrf)
    assert claim.author == 0x6D
    assert claim.claimed_slot == 265_876_724


@given(HEADERS)
def test_headers_come_back(header: Header) -> None:
    data = header.encode()
    assert Header.decode(data) == header
    assert header.hash() == blake2_256(data)


@given(HEADERS, st.data())
def test_truncated_and_extended_headers_are_refused(header: Header, data: st.DataObject) -> None:
    encoded = header.encode()
    cut = data.draw(st.integers(0, len(encoded) - 1))
    for bad in (encoded[:cut], encoded + b"\0"):
        with pytest.raises(DecodeError):
            Header.decode(bad)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_header_or_refused(data: bytes) -> None:
    try:
        header = Header.decode(data)
    except DecodeError:
        return
    assert header.encode() == data


def test_the_author_hashes_the_header_without_its_seal() -> None:
    bare = Header(ZERO, BlockNumber(1), ZERO, ZERO, Digest((PreRuntime(BABE_ENGINE, b"slot"),)))
    seal = Seal(BABE_ENGINE, bytes(64))
    sealed = bare.sealed(seal)
    assert sealed.hash() != bare.hash()
    assert sealed.split_seal() == (bare, seal)
    assert bare.split_seal() == (bare, None)


def test_a_seal_that_is_not_last_is_no_seal() -> None:
    logs = (Seal(BABE_ENGINE, bytes(64)), Other(b""))
    header = Header(ZERO, BlockNumber(1), ZERO, ZERO, Digest(logs))
    assert header.split_seal() == (header, None)


@pytest.mark.parametrize(("more", "fits"), [(-1, True), (0, True), (1, False)])
def test_the_limit_of_a_header(more: int, fits: bool) -> None:
    base = len(Header(ZERO, BlockNumber(1), ZERO, ZERO, Digest((Other(bytes(100_000)),))).encode())
    filler = bytes(100_000 + HEADER_BYTES_MAX - base + more)
    data = Header(ZERO, BlockNumber(1), ZERO, ZERO, Digest((Other(filler),))).encode()
    assert len(data) == HEADER_BYTES_MAX + more
    if fits:
        Header.decode(data)
    else:
        with pytest.raises(DecodeError, match="at most"):
            Header.decode(data)
