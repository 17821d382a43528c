"""The wire form of session keys."""

from pallets.session import BABE_KEY_TYPE, GRANDPA_KEY_TYPE, SessionKeys
from primitives.scale import encode
from tests.pallets.small_chains import keys_of


def test_session_keys_are_babe_then_grandpa():
    keys = keys_of(1)
    assert encode(SessionKeys, keys) == bytes(keys.babe) + b"\x21" * 32


def test_key_types_are_those_of_keystores():
    assert (BABE_KEY_TYPE, GRANDPA_KEY_TYPE) == (b"babe", b"gran")
