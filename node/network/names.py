"""All protocols of one chain by their names on the wire.

Bounds: two names for each protocol.
"""

from dataclasses import dataclass

from node.network.identify import IDENTIFY, PING
from node.network.protocols import KAD, Protocol, protocol_names
from node.network.transport import Channel, RequestKind
from primitives.types import Hash

__all__ = ["ProtocolNames"]


@dataclass(frozen=True, slots=True)
class ProtocolNames:
    """What the node asks for by which names, and what it answers."""

    channels: dict[Channel, tuple[str, ...]]
    requests: dict[RequestKind, tuple[str, ...]]
    kad: tuple[str, ...]
    served: dict[str, Protocol]

    @classmethod
    def of(
        cls, genesis_hash: Hash, fork_id: str | None, protocol_id: str | None
    ) -> "ProtocolNames":
        """The names of a chain."""

        def names(protocol: Protocol) -> tuple[str, ...]:
            return protocol_names(genesis_hash, fork_id, protocol_id, protocol)

        every: tuple[Protocol, ...] = (*Channel, *RequestKind, KAD)
        served: dict[str, Protocol] = {name: one for one in every for name in names(one)}
        served[IDENTIFY] = IDENTIFY
        served[PING] = PING
        return cls(
            {channel: names(channel) for channel in Channel},
            {kind: names(kind) for kind in RequestKind},
            names(KAD),
            served,
        )
