"""Records of constants and of genesis."""

import dataclasses

import pytest

from primitives.scale import U32
from primitives.types import Balance
from tests.pallets.frame.guest_book import GuestBook, Purse


def test_a_config_is_given_by_keyword_in_full_and_does_not_change() -> None:
    with pytest.raises(TypeError):
        GuestBook.Config(entries_max=U32(1))  # type: ignore[call-arg]
    config = GuestBook.Config(entries_max=U32(1), deposit=Balance(2), currency=Purse())
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.deposit = Balance(3)  # type: ignore[misc]


def test_a_genesis_has_defaults() -> None:
    assert GuestBook.Genesis().entries == ()
    assert GuestBook.Genesis() == GuestBook.Genesis(entries=())
