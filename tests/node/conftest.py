"""Chains in memory for the node's tests; see ``net``."""

from collections.abc import Callable

import pytest

from tests.node.net import Net, new_net


@pytest.fixture
def net() -> Net:
    """A chain that finalises what it builds."""
    return new_net()


@pytest.fixture
def open_net() -> Net:
    """A chain that finalises nothing, so that it can fork."""
    return new_net(finalizes=False)


@pytest.fixture
def make_net() -> Callable[..., Net]:
    """More nodes."""
    return new_net
