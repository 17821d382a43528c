"""A chain of space, new for every test."""

import pytest

from tests.pallets.sminer.space_chain import World, start


@pytest.fixture
def world() -> World:
    """Alice, Bob, Charlie and Dave own a million each; no era has ended."""
    return start()
