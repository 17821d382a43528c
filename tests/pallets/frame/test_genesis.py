"""The state of block 0."""

import pytest

from pallets.frame import DictState
from pallets.frame.genesis import build_genesis
from tests.pallets.frame.guest_book import ALICE, GuestBook, Note, Small


def test_genesis_is_built_from_what_is_given_and_defaults() -> None:
    given = {"guest_book": GuestBook.Genesis(entries=((ALICE, Note(b"first")),))}
    state = build_genesis(Small(DictState({})), given)
    assert Small(DictState(state)).guest_book.entries[ALICE] == b"first"
    assert build_genesis(Small(DictState({})), {}) == {}


def test_unknown_pallets_are_refused() -> None:
    with pytest.raises(AssertionError, match="nobody"):
        build_genesis(Small(DictState({})), {"nobody": GuestBook.Genesis()})
