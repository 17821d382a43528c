"""Finding peers: the part of libp2p's Kademlia that answers and asks ``FIND_NODE``.

A node hands out the addresses of peers that it is connected with, those closest to the key that is
asked for, and learns from others the same way. Records and providers are neither kept nor served.

Bounds: ``CLOSER_MAX`` peers with ``ADDRESSES_MAX`` addresses in an answer; of a longer one the rest
is left unread.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final

from node.network.address_book import ADDRESSES_MAX
from node.network.addresses import Address, InvalidAddress
from node.network.protobuf import bytes_field, read, repeated_field, uint_field
from primitives.errors import DecodeError, InvalidKey
from primitives.peer_id import peer_id_bytes, peer_id_text

__all__ = ["CLOSER_MAX", "closest", "decode_answer", "decode_question", "encode_answer", "question"]

CLOSER_MAX: Final = 20
KEY_BYTES_MAX: Final = 256

_FIND_NODE: Final = 4
_TYPE, _KEY, _CLOSER = 1, 2, 8
_CLOSER_READ_MAX: Final = 256
_CONNECTED: Final = 1


def question(key: bytes) -> bytes:
    """Who is close to this key?"""
    return uint_field(_TYPE, _FIND_NODE) + bytes_field(_KEY, key)


def decode_question(data: bytes) -> bytes | None:
    """The key that is asked for; None for questions that this node does not answer. DecodeError."""
    fields = read(data)
    kind = fields.uint(_TYPE, maximum=0xFF)
    key = fields.blob(_KEY)
    if len(key) > KEY_BYTES_MAX:
        raise DecodeError(f"a key of the peers' table has at most {KEY_BYTES_MAX} bytes")
    return key if kind == _FIND_NODE else None


def closest(peers: Iterable[str], key: bytes) -> list[str]:
    """The peers nearest to a key, by the distance of Kademlia."""
    target = int.from_bytes(sha256(key).digest(), "big")
    return sorted(
        peers,
        key=lambda peer: int.from_bytes(sha256(peer_id_bytes(peer)).digest(), "big") ^ target,
    )[:CLOSER_MAX]


def encode_answer(peers: Mapping[str, Iterable[Address]], key: bytes) -> bytes:
    """These peers, and where they are."""
    return (
        uint_field(_TYPE, _FIND_NODE)
        + bytes_field(_KEY, key)
        + repeated_field(
            _CLOSER,
            (
                bytes_field(1, peer_id_bytes(peer))
                + repeated_field(2, (address.encode() for address in addresses))
                + uint_field(3, _CONNECTED)
                for peer, addresses in peers.items()
            ),
        )
    )


def decode_answer(data: bytes) -> list[Address]:
    """Where peers are, each with its id; what cannot be used is left out. Raises: DecodeError."""
    found = []
    for part in read(data).repeated(_CLOSER, maximum=_CLOSER_READ_MAX)[:CLOSER_MAX]:
        fields = read(part)
        try:
            peer = peer_id_text(fields.blob(1))
        except InvalidKey:
            continue
        for raw in fields.repeated(2, maximum=_CLOSER_READ_MAX)[:ADDRESSES_MAX]:
            try:
                found.append(Address.decode(raw).at_peer(peer))
            except InvalidAddress:
                continue
    return found
