"""A storage chain, new for every test, and one real plot."""

import pytest

from proofs.pois.plot import PlotFile
from tests.pallets.file_bank.storage_world import World, made_plot


@pytest.fixture
def world() -> World:
    """Fourteen miners with plots, three owners with a lease each."""
    return World()


@pytest.fixture(scope="session")
def plot(tmp_path_factory: pytest.TempPathFactory) -> PlotFile:
    """The first plot of the first miner."""
    return made_plot(tmp_path_factory.getbasetemp())
