"""``/ipfs/id/1.0.0``: what a node says of itself to any other.

Only the addresses are read from others: who a peer is, its handshake has proven already.

Bounds: ``IDENTIFY_BYTES_MAX``, ``ADDRESSES_MAX`` addresses.
"""

from collections.abc import Iterable
from typing import Final

from node.network.address_book import ADDRESSES_MAX
from node.network.addresses import Address, InvalidAddress
from node.network.protobuf import bytes_field, read, repeated_field
from primitives.peer_id import peer_id_bytes

__all__ = ["IDENTIFY", "IDENTIFY_BYTES_MAX", "PING", "PING_BYTES", "decode_identify", "identify"]

IDENTIFY: Final = "/ipfs/id/1.0.0"
PING: Final = "/ipfs/ping/1.0.0"
PING_BYTES: Final = 32
IDENTIFY_BYTES_MAX: Final = 64 * 1024

_VERSION: Final = b"/substrate/1.0"
_MULTIHASH_HEAD: Final = 2
_FIELDS_MAX: Final = 1024


def identify(
    *,
    peer: str,
    agent: str,
    listening: Iterable[Address],
    protocols: Iterable[str],
    observed: Address,
) -> bytes:
    """The message."""
    public_key = peer_id_bytes(peer)[_MULTIHASH_HEAD:]
    return (
        bytes_field(1, public_key)
        + repeated_field(2, (address.encode() for address in listening))
        + repeated_field(3, (name.encode() for name in protocols))
        + bytes_field(4, observed.encode())
        + bytes_field(5, _VERSION)
        + bytes_field(6, agent.encode())
    )


def decode_identify(data: bytes) -> list[Address]:
    """Where the peer says that it listens; what cannot be used is left out. DecodeError."""
    found: list[Address] = []
    for raw in read(data).repeated(2, maximum=_FIELDS_MAX):
        try:
            address = Address.decode(raw).without_peer()
        except InvalidAddress:
            continue
        if address.port and address not in found:
            found.append(address)
        if len(found) == ADDRESSES_MAX:
            break
    return found
