"""Every bound of a chain client, in one record."""

import math
from dataclasses import dataclass

__all__ = ["ChainLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainLimits:
    """How long a client waits, how much it asks at once, how much it remembers."""

    connect_timeout_s: float = 15.0
    """For the first connection, retries included."""

    request_timeout_s: float = 30.0
    """For one request, reconnecting included."""

    silence_s: float = 60.0
    """A subscription that brings nothing for so long is made anew."""

    outage_s: float = math.inf
    """How long a subscription, or a look after a transaction, waits for a node."""

    reconnect_delay_min_s: float = 0.2
    reconnect_delay_max_s: float = 10.0

    lag_blocks_max: int = 10
    """A node whose head is further behind those of the others is not used."""

    look_every_s: float = 10.0
    """Between two looks at all nodes, when there are several."""

    look_timeout_s: float = 8.0
    """A node that has not answered a look by then, while another one has, is unreachable.

    When all are slow, it may take three times as long as the first that answers."""

    quick_look_s: float = 2.0
    """Heights of nodes that answered so soon are compared with one another."""

    settle_s: float = 30.0
    """A node that failed counts as well again, and is returned to, after so long."""

    catch_up_s: float = 30.0
    """So long no node is used that lacks the best block which was seen, when no other is left."""

    catch_up_poll_s: float = 0.5
    """Between two looks while the nodes that are left catch up."""

    connections_max: int = 4
    """Requests under way at once."""

    keys_page: int = 500
    """Keys that one request lists, and values that one request reads."""

    message_bytes_max: int = 64 << 20
    """The longest reply that is read."""

    poll_interval_s: float = 0.4
    """Between two looks at the chain while a transaction is watched."""

    blocks_remembered: int = 256
    """Blocks whose extrinsic hashes are kept, so that many transactions are watched by one read."""

    era_blocks: int = 64
    """For so many blocks a transaction is valid."""

    submit_timeout_s: float | None = None
    """How long a submitted call is watched when its sender does not say; None: to its end."""

    nonce_retries: int = 8
    """Signatures that are tried when other programs use the same account at the same time."""
