"""Names and sizes of the protocols between nodes.

A protocol is named ``/<genesis hash>[/<fork id>]/<name>``, so nodes of different chains do not
understand one another. The names of old clients, ``/<protocol id>/<name>``, are answered too.

Bounds: what one message of each protocol may measure; nothing longer is read from a stream.
"""

from collections.abc import Mapping
from typing import Final

from node.network.transport import Channel, RequestKind
from primitives.types import Hash

__all__ = [
    "HANDSHAKE_BYTES_MAX",
    "KAD",
    "KAD_BYTES_MAX",
    "NOTIFICATION_BYTES_MAX",
    "REQUEST_BYTES_MAX",
    "RESPONSE_BYTES_MAX",
    "Protocol",
    "protocol_name",
    "protocol_names",
]

KAD: Final = "kad"
"""The end of the name of peer discovery."""

Protocol = Channel | RequestKind | str

_KIB: Final = 1 << 10
_MIB: Final = 1 << 20

HANDSHAKE_BYTES_MAX: Final = 1 * _KIB
"""What a notification stream begins with: 69 bytes for blocks, 1 byte for the others."""

NOTIFICATION_BYTES_MAX: Final[Mapping[Channel, int]] = {
    Channel.BLOCK_ANNOUNCES: 1 * _MIB,
    Channel.TRANSACTIONS: 16 * _MIB,
    Channel.GRANDPA: 1 * _MIB,
}

REQUEST_BYTES_MAX: Final[Mapping[RequestKind, int]] = {
    RequestKind.SYNC: 4 * _KIB,
    RequestKind.STATE: 64 * _KIB,
    RequestKind.LIGHT: 1 * _MIB,
    RequestKind.WARP: 32,
}

RESPONSE_BYTES_MAX: Final[Mapping[RequestKind, int]] = dict.fromkeys(RequestKind, 16 * _MIB)

KAD_BYTES_MAX: Final = 64 * _KIB
"""Of a question about peers or of its answer."""


def protocol_name(genesis_hash: Hash, fork_id: str | None, protocol: Protocol) -> str:
    """The name of a protocol on the wire."""
    end = protocol if isinstance(protocol, str) else protocol.value
    fork = f"/{fork_id}" if fork_id else ""
    return f"/{genesis_hash.hex()}{fork}/{end}"


def protocol_names(
    genesis_hash: Hash, fork_id: str | None, protocol_id: str | None, protocol: Protocol
) -> tuple[str, ...]:
    """The name of a protocol, and the one that old clients have for it, if there is one."""
    name = protocol_name(genesis_hash, fork_id, protocol)
    end = protocol if isinstance(protocol, str) else protocol.value
    if protocol is Channel.GRANDPA:
        return name, f"/paritytech/{end}"
    return (name, f"/{protocol_id}/{end}") if protocol_id else (name,)
