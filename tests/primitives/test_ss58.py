import pytest
from hypothesis import given
from hypothesis import strategies as st
from substrateinterface.utils import ss58 as oracle

from primitives.crypto.ss58 import (
    ADDRESS_CHARS_MAX,
    CESS_PREFIX,
    PREFIX_MAX,
    ss58_decode,
    ss58_encode,
)
from primitives.errors import InvalidKey
from primitives.types import AccountId

ALICE = bytes.fromhex("d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d")
PREFIXES = st.integers(0, PREFIX_MAX).filter(lambda prefix: prefix not in (46, 47))
ACCOUNTS = st.binary(min_size=32, max_size=32)


def test_alice_has_her_known_address() -> None:
    assert ss58_encode(ALICE, 42) == "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
    assert ss58_decode("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY") == ALICE


def test_addresses_of_cess_begin_with_cx() -> None:
    assert ss58_encode(ALICE).startswith("cX")
    assert ss58_decode(ss58_encode(ALICE), CESS_PREFIX) == AccountId(ALICE)


@given(account=ACCOUNTS, prefix=PREFIXES)
def test_addresses_are_those_of_substrate_interface(account: bytes, prefix: int) -> None:
    text = ss58_encode(account, prefix)
    assert text == oracle.ss58_encode(account, prefix)
    assert ss58_decode(text, prefix) == account


@given(account=ACCOUNTS, prefix=PREFIXES, place=st.integers(0, 40), letter=st.integers(1, 57))
def test_a_mistyped_letter_is_refused(account: bytes, prefix: int, place: int, letter: int) -> None:
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    text = ss58_encode(account, prefix)
    other = alphabet[(alphabet.index(text[place]) + letter) % 58]
    try:
        decoded = ss58_decode(text[:place] + other + text[place + 1 :])
    except InvalidKey:
        return
    # Two bytes of checksum let one in 65,536 mistakes through, but never to the same account.
    assert decoded != account


@given(st.text(max_size=80))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        account = ss58_decode(text)
    except InvalidKey:
        return
    assert len(account) == 32


def test_an_address_of_another_network_is_refused_when_one_is_asked_for() -> None:
    with pytest.raises(InvalidKey, match="network 42, not 11330"):
        ss58_decode(ss58_encode(ALICE, 42), CESS_PREFIX)


@pytest.mark.parametrize("prefix", [-1, 46, 47, PREFIX_MAX + 1])
def test_a_prefix_that_is_none_is_refused(prefix: int) -> None:
    with pytest.raises(InvalidKey, match="prefix"):
        ss58_encode(ALICE, prefix)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_only_accounts_of_32_bytes_have_addresses(size: int) -> None:
    with pytest.raises(InvalidKey, match="32 bytes"):
        ss58_encode(bytes(size))


def test_an_address_of_a_shorter_account_is_refused() -> None:
    with pytest.raises(InvalidKey, match="32-byte account"):
        ss58_decode(oracle.ss58_encode(bytes(8), 42))


def test_a_short_prefix_in_the_long_form_is_refused() -> None:
    # Prefix 42 in two bytes: 0x40 | 42 >> 2, then the two low bits on top.
    from primitives.crypto.ss58 import _base58_encode, _checksum

    body = bytes(((42 & 0xFC) >> 2 | 0x40, (42 & 3) << 6)) + ALICE
    with pytest.raises(InvalidKey, match="long form"):
        ss58_decode(_base58_encode(body + _checksum(body)))


@pytest.mark.parametrize("length", [ADDRESS_CHARS_MAX, ADDRESS_CHARS_MAX + 1])
def test_a_long_text_is_refused(length: int) -> None:
    with pytest.raises(InvalidKey):
        ss58_decode("5" * length)
