"""A chain with three validators, at its first block."""

import pytest

from tests.pallets.staking.stake_chain import StakeWorld


@pytest.fixture
def stake() -> StakeWorld:
    """Ann, Ben and Cat validate in era 0; everybody has money."""
    return StakeWorld()
