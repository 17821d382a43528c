"""Plots on the disk."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from proofs.pois.params import plot_temp_bytes_max
from storage_miner.plots import Plots
from storage_miner.store import QuotaReached, Volume
from tests.storage_miner.kit import ACCOUNT, FACTS, OTHER, PLOT_K

CAPACITY = 64 << 20


@pytest.fixture
def volume(tmp_path: Path, plot_directory: Path) -> Iterator[Volume]:
    """A volume that already has plot 0."""
    with Volume(tmp_path / "data", CAPACITY) as opened:
        for path in plot_directory.iterdir():
            shutil.copy(path, opened.layout.plots)
        opened.measure_plots()
        yield opened


def plots(volume: Volume, account: bytes = ACCOUNT) -> Plots:
    return Plots(volume, FACTS.genesis, account, PLOT_K)


def test_plots_are_found_by_index_and_belong_to_one_account(volume: Volume) -> None:
    assert plots(volume).listed(0, 4) == (0,)
    assert plots(volume, OTHER).listed(0, 4) == ()


def test_plots_behind_the_front_are_found_to_be_deleted(volume: Volume) -> None:
    assert plots(volume).listed(1000, 1004) == (0,)


def test_making_a_plot_that_is_there_costs_nothing_and_reserves_nothing(volume: Volume) -> None:
    before = volume.space().used
    plots(volume).make(0)
    assert volume.space().used == before


def test_a_plot_is_not_begun_without_room_for_its_temporary_files(volume: Volume) -> None:
    volume.reserve(volume.space().capacity - volume.space().used - plot_temp_bytes_max(PLOT_K) + 1)
    with pytest.raises(QuotaReached):
        plots(volume).make(1)


def test_a_deleted_plot_gives_its_space_back(volume: Volume) -> None:
    assert volume.space().plots > 0
    plots(volume).delete(0)
    plots(volume).delete(0)
    assert volume.space().plots == 0
    assert plots(volume).listed(0, 4) == ()


def test_missing_and_rotten_plots_are_found(volume: Volume) -> None:
    assert plots(volume).damaged([0, 1]) == (1,)
    path = plots(volume).path(0)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert plots(volume).damaged([0]) == (0,)
