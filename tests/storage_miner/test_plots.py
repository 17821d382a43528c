"""Plots on the disk."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from proofs.pois import plot as plot_module
from proofs.pois.params import plot_disk_bytes_max, plot_temp_bytes_max
from proofs.pois.plot import PlotOrder, PlotStopped
from storage_miner.plots import PAUSE_NAME, Plots, pause_plotting, resume_plotting
from storage_miner.store import QuotaReached, StoreError, VolumePlan, Volumes, open_volumes
from tests.storage_miner.kit import ACCOUNT, FACTS, NOW, OTHER, PLOT_K, volumes_at

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


def test_a_rotten_header_is_replaced_wherever_the_new_plot_goes(volumes: Volumes) -> None:
    path = plots(volumes).path(0)
    assert path is not None
    path.write_bytes(b"")
    assert not plots(volumes)._is_there(0)
    assert not path.exists()


def test_room_counts_each_volume_for_itself_and_leaves_headroom(tmp_path: Path) -> None:
    size, making = plot_disk_bytes_max(PLOT_K), plot_temp_bytes_max(PLOT_K)
    plans = [
        VolumePlan(tmp_path / "small", making - 1),
        VolumePlan(tmp_path / "one", making),
        VolumePlan(tmp_path / "three", making + 2 * size),
    ]
    with open_volumes(plans, NOW) as several:
        room = plots(several).room(1 << 62)
        assert (room.plots, room.can_begin) == (4, True)
        assert plots(several).room(1).plots == 0
        assert not plots(several).room(1).can_begin


def test_plots_lie_on_several_volumes_and_are_found_there(
    tmp_path: Path, plot_directory: Path
) -> None:
    with volumes_at(tmp_path / "a", tmp_path / "b", capacity=CAPACITY) as several:
        for path in plot_directory.iterdir():
            shutil.copy(path, several.volumes[1].layout.plots)
        several.volumes[1].measure_plots()
        assert plots(several).listed(0, 4) == (0,)
        assert plots(several).damaged([0]) == ()
        found = plots(several).path(0)
        assert found is not None
        assert found.parent == several.volumes[1].layout.plots
        # A new one goes where more room is, temporary files included.
        made = plots(several)
        made.make(1)
        path = made.path(1)
        assert path is not None
        assert path.parent == several.volumes[0].layout.plots
        assert made.index_of(path.name) == 1
        assert several.space().reserved == 0
        made.delete(0)
        made.delete(1)
        assert several.space().plots == 0


def test_a_stopped_daemon_gives_a_plot_up_and_leaves_nothing(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plot_module, "POLL_S", 0.05)
    made = plots(volumes)
    made.is_stopping = True
    with pytest.raises(PlotStopped):
        made.make(1)
    assert list(volumes.volumes[0].layout.temporary.iterdir()) == []
    assert volumes.space().reserved == 0


def test_plots_that_were_half_made_are_gone_after_a_restart(
    tmp_path: Path, plot_directory: Path
) -> None:
    with volumes_at(tmp_path / "data", capacity=CAPACITY) as opened:
        half = opened.volumes[0].layout.temporary / "plot-k18-ab.plot.making"
        half.mkdir()
        (half / "sort_bucket.tmp").write_bytes(bytes(1000))
    with volumes_at(tmp_path / "data", capacity=CAPACITY) as opened:
        assert opened.swept == 1
        assert list(opened.volumes[0].layout.temporary.iterdir()) == []


def test_plotting_is_paused_by_a_file_and_goes_on_without_it(
    volumes: Volumes, tmp_path: Path
) -> None:
    roots = [tmp_path / "not mounted", tmp_path / "data"]
    made = plots(volumes)
    assert not made.is_paused
    pause_plotting(roots)
    assert made.is_paused
    assert made._watch(123) is PlotOrder.pause
    assert made.progress == 123
    assert (tmp_path / "data" / PAUSE_NAME).exists()
    assert not (tmp_path / "not mounted").exists()
    resume_plotting(roots)
    resume_plotting(roots)
    assert made._watch(124) is PlotOrder.go
    with pytest.raises(StoreError, match="no volume is there"):
        pause_plotting(roots[:1])


def test_a_plot_on_two_volumes_is_kept_once(tmp_path: Path, plot_directory: Path) -> None:
    with volumes_at(tmp_path / "a", tmp_path / "b", capacity=CAPACITY) as several:
        for volume in several.volumes:
            for path in plot_directory.iterdir():
                shutil.copy(path, volume.layout.plots)
        assert plots(several).listed(0, 4) == (0,)
        assert [len(list(at.iterdir())) for at in plots(several).directories()] == [1, 0]
