"""What was called, how often and how long it took: for Prometheus, under Substrate's names.

Bounds: only methods that are served are told apart, so callers cannot make series.
Source: metrics of Substrate's RPC server; its times are microseconds in these buckets.
"""

from bisect import bisect_left
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

__all__ = ["BUCKETS_US", "CallCounters", "Calls", "Outcome", "Protocol"]

BUCKETS_US: Final = (
    5,
    25,
    100,
    500,
    1_000,
    2_500,
    10_000,
    25_000,
    100_000,
    10**6,
    2_500_000,
    10**7,
)
"""Upper ends; longer calls are in the last one, which has none."""

_US: Final = 1e6


class Protocol(Enum):
    """How a caller is connected."""

    HTTP = "http"
    WS = "ws"


class Outcome(Enum):
    """How a call ended."""

    DONE = "done"
    FAILED = "failed"
    RATE_LIMITED = "rate limited"


@dataclass(slots=True)
class Calls:
    """Calls of one method over one protocol."""

    started: int = 0
    ended: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    time_us: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_US) + 1))
    """Calls by the bucket that they are in; not summed up."""

    def end(self, outcome: Outcome, seconds: float) -> None:
        """A call ended after so long."""
        self.ended[outcome] += 1
        time_us = seconds * _US
        self.time_us += time_us
        self.buckets[bisect_left(BUCKETS_US, time_us)] += 1


class CallCounters:
    """Calls by protocol and method, and the sessions of WebSockets."""

    def __init__(self) -> None:
        self.calls: dict[tuple[Protocol, str], Calls] = {}
        self.sessions_opened = 0
        self.sessions_closed = 0
        self.http_requests = 0

    def start(self, protocol: Protocol, method: str) -> Calls:
        """A call of a method that is served begins."""
        found = self.calls.get((protocol, method))
        if found is None:
            found = self.calls[protocol, method] = Calls()
        found.started += 1
        return found

    @property
    def ended_count(self) -> int:
        """Calls that have ended, of all methods."""
        return sum(sum(each.ended.values()) for each in self.calls.values())
