"""Answers are looked at before the core sees them: what a header names must be what came."""

import pytest

from node.network.wire import BlockData, BlockResponse
from node.sync.asking import decode_blocks
from primitives.digest import Digest
from primitives.errors import DecodeError
from primitives.header import Header
from primitives.trie import ordered_root
from primitives.types import BlockNumber, Hash

BODY = (b"\x08\x04\x01", b"\x08\x04\x02")
HEADER = Header(
    parent_hash=Hash(b"\x01" * 32),
    number=BlockNumber(7),
    state_root=Hash(bytes(32)),
    extrinsics_root=ordered_root(BODY),
    digest=Digest(()),
)


def answer(header: bytes | None, body: tuple[bytes, ...] | None) -> bytes:
    return BlockResponse((BlockData(HEADER.hash(), header, body, ()),)).encode()


def test_a_block_comes_with_what_its_header_names() -> None:
    (block,) = decode_blocks(answer(HEADER.encode(), BODY), with_bodies=True)
    assert (block.hash, block.header, block.body) == (HEADER.hash(), HEADER, BODY)


@pytest.mark.parametrize("body", [None, BODY[:1], BODY[::-1], (*BODY, BODY[0])])
def test_a_good_header_with_another_body_is_the_senders_fault(
    body: tuple[bytes, ...] | None,
) -> None:
    # At the import it would be the block's: its hash would be remembered as a bad one.
    with pytest.raises(DecodeError, match="not those of the header"):
        decode_blocks(answer(HEADER.encode(), body), with_bodies=True)


def test_headers_alone_need_no_bodies() -> None:
    (block,) = decode_blocks(answer(HEADER.encode(), None), with_bodies=False)
    assert block.body == ()


def test_a_block_without_its_header_is_none() -> None:
    with pytest.raises(DecodeError, match="without its header"):
        decode_blocks(answer(None, BODY), with_bodies=True)
