"""What pallets know of their block."""

import pytest

from pallets.frame import DictState
from pallets.frame.context import NUMBER_KEY, block_hash_key
from primitives.hashing import blake2_256, twox_64_concat, twox_128
from primitives.scale import U32
from tests.pallets.frame.guest_book import GuestBook, Small


def test_height_and_genesis_hash_are_read_where_system_keeps_them() -> None:
    genesis = blake2_256(b"genesis")
    state = {NUMBER_KEY: bytes.fromhex("2a000000"), block_hash_key(0): bytes(genesis)}
    book = Small(DictState(state)).guest_book
    assert book.now() == 42
    assert book.genesis_hash() == genesis
    assert twox_128(b"System") + twox_128(b"Number") == NUMBER_KEY
    assert block_hash_key(7).endswith(twox_64_concat(bytes.fromhex("07000000")))


def test_before_the_first_block_the_height_is_zero_and_the_hash_is_not_known() -> None:
    book = Small(DictState({})).guest_book
    assert book.now() == 0
    with pytest.raises(AssertionError):
        book.genesis_hash()


def test_only_declared_events_are_deposited() -> None:
    runtime = Small(DictState({}))
    with pytest.raises(KeyError):
        runtime.guest_book.deposit_event(U32(1))
    runtime.guest_book.deposit_event(GuestBook.Closed())
    assert len(runtime.overlay.events) == 1
