"""The keys that a validator's node works with."""

from typing import Final

from primitives.digest import AuthorityKey
from primitives.scale import FixedBytes, struct

__all__ = ["BABE_KEY_TYPE", "GRANDPA_KEY_TYPE", "KeyTypeId", "SessionKeys"]


class KeyTypeId(FixedBytes, length=4, path="sp_core::crypto::KeyTypeId"):
    """What a key is for."""


BABE_KEY_TYPE: Final = KeyTypeId(b"babe")
GRANDPA_KEY_TYPE: Final = KeyTypeId(b"gran")


@struct(path="cess_node_runtime::SessionKeys")
class SessionKeys:
    """A key for each engine: ``babe`` sr25519, ``grandpa`` ed25519."""

    babe: AuthorityKey
    grandpa: AuthorityKey
