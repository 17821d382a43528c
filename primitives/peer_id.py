"""Peer ids: how nodes name one another.

A peer id is the base58 form of a multihash that holds the node's ed25519 public key whole:
``12D3KooW…``. Ids of other kinds of keys are refused: no node of this family has one.

Bounds: 38 bytes and 52 letters.
"""

from typing import Final

from primitives.errors import InvalidKey

__all__ = ["peer_id_bytes", "peer_id_of", "peer_id_text"]

_IDENTITY_ED25519: Final = bytes.fromhex("002408011220")
"""Identity multihash of 36 bytes: a protobuf with the key's type, ed25519, and its 32 bytes."""
_PEER_ID_BYTES: Final = len(_IDENTITY_ED25519) + 32
_PEER_ID_CHARS: Final = 52

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS: Final = {char: value for value, char in enumerate(_ALPHABET)}


def peer_id_of(public: bytes) -> str:
    """The peer id of the node with this ed25519 public key."""
    return peer_id_text(_IDENTITY_ED25519 + public)


def peer_id_text(data: bytes) -> str:
    """The text of a peer id. Raises: InvalidKey."""
    if len(data) != _PEER_ID_BYTES or not data.startswith(_IDENTITY_ED25519):
        raise InvalidKey("a peer id holds an ed25519 public key, as 12D3KooW… does")
    value, out = int.from_bytes(data, "big"), []
    while value:
        value, digit = divmod(value, len(_ALPHABET))
        out.append(_ALPHABET[digit])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return _ALPHABET[0] * zeros + "".join(reversed(out))


def peer_id_bytes(text: str) -> bytes:
    """The multihash of a peer id. Raises: InvalidKey."""
    value = 0
    if len(text) > _PEER_ID_CHARS:
        raise InvalidKey("a peer id is 12D3KooW… with 52 letters and digits")
    for char in text:
        if char not in _DIGITS:
            raise InvalidKey(f"{char!r} is not in a peer id: they are 12D3KooW…")
        value = value * len(_ALPHABET) + _DIGITS[char]
    zeros = len(text) - len(text.lstrip(_ALPHABET[0]))
    data = b"\0" * zeros + value.to_bytes((value.bit_length() + 7) >> 3, "big")
    if peer_id_text(data) != text:
        raise InvalidKey("this is not a peer id")
    return data
