"""What the network counts, for metrics and the log.

Bounds: one row for each protocol that the node speaks.
"""

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["Counters"]


@dataclass(slots=True)
class Counters:
    """Totals since the start; bytes of protocols are those of messages with their lengths."""

    received_bytes: Counter[str] = field(default_factory=Counter)
    """By the protocol's short name, such as ``sync/2``."""
    sent_bytes: Counter[str] = field(default_factory=Counter)
    socket_received_bytes: int = 0
    """Of connections that ended; ``Libp2pNetwork.total_bytes`` adds the others."""
    socket_sent_bytes: int = 0
    requests_sent: Counter[str] = field(default_factory=Counter)
    requests_failed: Counter[str] = field(default_factory=Counter)
    requests_answered: Counter[str] = field(default_factory=Counter)
    requests_refused: Counter[str] = field(default_factory=Counter)
    notifications_dropped: Counter[str] = field(default_factory=Counter)
    """Because the peer did not read them fast enough."""
    connections_opened: int = 0
    dials_failed: int = 0
    disconnected: Counter[str] = field(default_factory=Counter)
    """By reason."""

    def received(self, protocol: str, count: int) -> None:
        """Bytes came."""
        self.received_bytes[protocol] += count

    def sent(self, protocol: str, count: int) -> None:
        """Bytes went."""
        self.sent_bytes[protocol] += count
