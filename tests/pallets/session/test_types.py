"""The wire form of session keys."""

from pallets.session import SessionKeys, possession_statement
from primitives.scale import encode
from primitives.types import BABE_KEY_TYPE, GRANDPA_KEY_TYPE
from tests.pallets.small_chains import keys_of


def test_session_keys_are_babe_then_grandpa():
    keys = keys_of(1)
    assert encode(SessionKeys, keys) == bytes(keys.babe) + bytes(keys.grandpa)


def test_key_types_are_those_of_keystores():
    assert (BABE_KEY_TYPE, GRANDPA_KEY_TYPE) == (b"babe", b"gran")


def test_keys_sign_pop_and_the_owner():
    assert possession_statement(b"\x07" * 32) == b"POP_" + b"\x07" * 32


def test_every_key_comes_with_its_type():
    keys = keys_of(1)
    assert keys.typed() == ((b"babe", keys.babe), (b"gran", keys.grandpa))
