"""Questions about storage: what is one, and how long answers are cut."""

from collections.abc import Mapping
from typing import Any

import pytest

from node.database import ChainDatabase, MemoryKv, StateSnapshot
from node.genesis import genesis_header
from node.rpc.storage_items import PAGE_BYTES, PAGE_ITEMS, Item, parse_items, read_page
from primitives import trie
from primitives.errors import RpcError


def state_of(entries: Mapping[bytes, bytes]) -> StateSnapshot:
    database = ChainDatabase(MemoryKv())
    database.initialise(genesis_header(trie.root(entries)), entries)
    return database.state_at(database.genesis_hash)


def test_items_are_read_with_their_start() -> None:
    raw: list[Any] = [
        {"key": "0x01", "type": "value"},
        {"key": "0x", "type": "descendantsHashes", "paginationStartKey": "0x02"},
    ]
    assert parse_items(raw, paginated=True) == [
        Item(b"\x01", "value"),
        Item(b"", "descendantsHashes", b"\x02"),
    ]
    with pytest.raises(RpcError):
        parse_items(raw)


@pytest.mark.parametrize("count", [PAGE_ITEMS - 1, PAGE_ITEMS, PAGE_ITEMS + 1])
def test_a_page_has_a_hundred_entries(count: int) -> None:
    entries = {b"k" + number.to_bytes(2, "big"): b"v" for number in range(count)}
    page = read_page(state_of(entries), Item(b"k", "descendantsValues"))
    assert len(page.entries) == min(count, PAGE_ITEMS)
    assert (page.after is None) == (count <= PAGE_ITEMS)
    if page.after is not None:
        rest = read_page(state_of(entries), Item(b"k", "descendantsValues", page.after))
        assert len(rest.entries) == 1
        assert rest.after is None


def test_a_page_ends_once_it_has_a_mebibyte() -> None:
    entries = {bytes([number]): bytes(PAGE_BYTES // 2) for number in range(5)}
    page = read_page(state_of(entries), Item(b"", "descendantsHashes"))
    assert len(page.entries) == 2
    assert page.after == b"\x01"
