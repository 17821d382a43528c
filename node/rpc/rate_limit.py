"""How many calls a connection may make: so many a minute, saved up to one minute's worth.

Pure: it is told the time. Source: the flag and the error are Substrate's (``--rpc-rate-limit``).
"""

from typing import Final

from primitives.errors import RpcError

__all__ = ["RATE_LIMITED", "RateLimit"]

SECONDS_PER_MINUTE: Final = 60.0
RATE_LIMITED: Final = -32999


class RateLimit:
    """The calls that one connection has left."""

    def __init__(self, per_minute: int, now_s: float) -> None:
        self._per_minute = per_minute
        self._left = float(per_minute)
        self._at_s = now_s

    def check(self, now_s: float) -> None:
        """Count a call; raises ``RpcError`` for one too many, which does not count."""
        earned = max(0.0, now_s - self._at_s) * self._per_minute / SECONDS_PER_MINUTE
        self._left = min(float(self._per_minute), self._left + earned)
        self._at_s = max(now_s, self._at_s)
        if self._left < 1:
            raise RpcError(RATE_LIMITED, "RPC rate limit")
        self._left -= 1
