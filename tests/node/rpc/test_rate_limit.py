"""The rate limit of a connection."""

import pytest

from node.rpc.rate_limit import RateLimit
from primitives.errors import RpcError


def test_a_minute_of_calls_may_come_at_once_and_no_more() -> None:
    limit = RateLimit(60, 100.0)
    for _ in range(60):
        limit.check(100.0)
    with pytest.raises(RpcError, match="RPC rate limit") as caught:
        limit.check(100.0)
    assert caught.value.code == -32999


def test_calls_come_back_with_time_up_to_a_minute_of_them() -> None:
    limit = RateLimit(60, 0.0)
    for _ in range(60):
        limit.check(0.0)
    limit.check(1.0)
    with pytest.raises(RpcError):
        limit.check(1.5)
    limit.check(2.0)
    for _ in range(60):
        limit.check(10_000.0)
    with pytest.raises(RpcError):
        limit.check(10_000.0)


def test_a_refused_call_does_not_count() -> None:
    limit = RateLimit(1, 0.0)
    limit.check(0.0)
    for second in range(1, 60):
        with pytest.raises(RpcError):
            limit.check(float(second))
    limit.check(60.0)


def test_a_clock_that_steps_back_gives_nothing() -> None:
    limit = RateLimit(2, 100.0)
    limit.check(100.0)
    limit.check(50.0)
    with pytest.raises(RpcError):
        limit.check(100.0)
