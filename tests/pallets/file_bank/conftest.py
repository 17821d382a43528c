"""A storage chain, new for every test."""

import pytest

from tests.pallets.file_bank.storage_world import World


@pytest.fixture
def world() -> World:
    """Fourteen miners with plots, three owners with a lease each."""
    return World()
