"""Plots on the disk."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from proofs.pois.params import plot_temp_bytes_max
from storage_miner.plots import Plots
from storage_miner.store import QuotaReached, Volumes
from tests.storage_miner.kit import ACCOUNT, FACTS, OTHER, PLOT_K, volumes_at

CAPACITY = 64 << 20


@pytest.fixture
def volumes(tmp_path: Path, plot_directory: Path) -> Iterator[Volumes]:
    """A volume that already has plot 0."""
    with volumes_at(tmp_path / "data", capacity=CAPACITY) as opened:
        (only,) = opened.volumes
        for path in plot_directory.iterdir():
            shutil.copy(path, only.layout.plots)
        only.measure_plots()
        yield opened


def plots(volumes: Volumes, account: bytes = ACCOUNT) -> Plots:
    return Plots(volumes, FACTS.genesis, account, PLOT_K)


def test_plots_are_found_by_index_and_belong_to_one_account(volumes: Volumes) -> None:
    assert plots(volumes).listed(0, 4) == (0,)
    assert plots(volumes, OTHER).listed(0, 4) == ()


def test_plots_behind_the_front_are_found_to_be_deleted(volumes: Volumes) -> None:
    assert plots(volumes).listed(1000, 1004) == (0,)


def test_making_a_plot_that_is_there_costs_nothing_and_reserves_nothing(volumes: Volumes) -> None:
    before = volumes.space().used
    plots(volumes).make(0)
    assert volumes.space().used == before


def test_a_plot_is_not_begun_without_room_for_its_temporary_files(volumes: Volumes) -> None:
    volumes.volumes[0].reserve(
        volumes.space().capacity - volumes.space().used - plot_temp_bytes_max(PLOT_K) + 1
    )
    with pytest.raises(QuotaReached):
        plots(volumes).make(1)


def test_a_deleted_plot_gives_its_space_back(volumes: Volumes) -> None:
    assert volumes.space().plots > 0
    plots(volumes).delete(0)
    plots(volumes).delete(0)
    assert volumes.space().plots == 0
    assert plots(volumes).listed(0, 4) == ()


def test_missing_and_rotten_plots_are_found(volumes: Volumes) -> None:
    assert plots(volumes).damaged([0, 1]) == (1,)
    path = plots(volumes).path(0)
    assert path is not None
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert plots(volumes).damaged([0]) == (0,)
