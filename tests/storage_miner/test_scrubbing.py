"""The scrub at work: its rate, its patience, and what it does about what it finds."""

import errno
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio

from primitives.types import FragmentHash
from storage_miner import scrubbing as scrubbing_module
from storage_miner.scrubbing import Scrubbing
from storage_miner.store import Volume, Volumes
from storage_miner.store.scrub import ScrubState, Stage
from storage_miner.store.volume import READ_FAULTS_MAX
from tests.storage_miner.kit import put, volumes_at

CAPACITY = 64 << 20
FAST = 1 << 40


@dataclass
class Watched:
    """A scrub and what it told."""

    volumes: Volumes
    lost: list[tuple[Volume, FragmentHash]] = field(default_factory=list)
    plots: list[str] = field(default_factory=list)
    is_busy: bool = False

    async def lose(self, volume: Volume, fragment_hash: FragmentHash) -> None:
        self.lost.append((volume, fragment_hash))
        volume.forget(fragment_hash)

    async def replot(self, name: str) -> None:
        self.plots.append(name)

    def scrub(self, rate: int = FAST) -> Scrubbing:
        return Scrubbing(
            self.volumes,
            rate,
            lose=self.lose,
            replot=self.replot,
            is_busy=lambda: self.is_busy,
        )


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(scrubbing_module, "ROUND_S_MIN", 0.0)
    monkeypatch.setattr(scrubbing_module, "YIELD_S", 0.01)
    with volumes_at(tmp_path / "a", tmp_path / "b", capacity=CAPACITY) as volumes:
        yield Watched(volumes)


@asynccontextmanager
async def at_work(scrubbing: Scrubbing) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        for _, task in scrubbing.tasks():
            nursery.start_soon(task)
        yield
        nursery.cancel_scope.cancel()


async def wait_for(condition: Any) -> None:
    with trio.fail_after(10):
        while not condition():
            await trio.sleep(0.005)


def round_of(scrubbing: Scrubbing, volume: Volume) -> int:
    number: int = scrubbing.status(volume)["round"]
    return number


@pytest.mark.trio
async def test_rot_on_any_volume_is_found_and_the_rest_left_alone(watched: Watched) -> None:
    first, second = watched.volumes.volumes
    put(first, b"sound" * 100)
    rotten = put(second, b"rotten" * 100)
    second.layout.fragment(rotten).write_bytes(b"Rotten" * 100)
    scrubbing = watched.scrub()
    async with at_work(scrubbing):
        await wait_for(lambda: round_of(scrubbing, first) > 2 and round_of(scrubbing, second) > 2)
    assert watched.lost == [(second, rotten)]
    assert scrubbing.status(second)["faults"] == 1
    assert second.layout.scrub.exists()


@pytest.mark.trio
async def test_a_damaged_plot_is_named(watched: Watched, plot_directory: Path) -> None:
    first, _ = watched.volumes.volumes
    for source in plot_directory.iterdir():
        path = Path(shutil.copy(source, first.layout.plots))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    scrubbing = watched.scrub()
    async with at_work(scrubbing):
        await wait_for(lambda: watched.plots)
    assert watched.plots[0] == path.name


@pytest.mark.trio
async def test_it_waits_while_something_more_urgent_wants_the_disk(watched: Watched) -> None:
    first, _ = watched.volumes.volumes
    put(first, b"x" * 100)
    watched.is_busy = True
    scrubbing = watched.scrub()
    async with at_work(scrubbing):
        await trio.sleep(0.1)
        assert scrubbing.status(first)["files"] == 0
        watched.is_busy = False
        await wait_for(lambda: round_of(scrubbing, first) > 1)


@pytest.mark.parametrize(
    ("state", "now", "rest"),
    [
        (ScrubState(), 5000, 0),
        (ScrubState(finished=5000), 5000, 3600),
        (ScrubState(finished=5000), 8599, 1),
        (ScrubState(finished=5000), 8600, 0),
        (ScrubState(finished=5000, cursor="VOLUME"), 5001, 0),
        (ScrubState(Stage.plots, finished=5000), 5001, 0),
        (ScrubState(finished=5000), 0, 3600),
    ],
)
def test_a_round_begins_at_most_hourly_and_one_that_was_broken_off_goes_on_at_once(
    state: ScrubState, now: int, rest: int
) -> None:
    assert scrubbing_module._rest_s(state, now) == rest


@pytest.mark.trio
async def test_it_reads_no_faster_than_it_may(watched: Watched) -> None:
    """Two fragments of 40 kB at 200 kB/s take at least 0.4 s."""
    first, _ = watched.volumes.volumes
    for number in range(2):
        put(first, bytes([number]) * 40_000)
    scrubbing = watched.scrub(200_000)
    started = trio.current_time()
    async with at_work(scrubbing):
        await wait_for(lambda: round_of(scrubbing, first) > 1)
    assert trio.current_time() - started >= 0.4


@pytest.mark.trio
async def test_a_disk_that_fails_goes_out_and_nothing_on_it_is_taken_for_lost(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = watched.volumes.volumes
    for number in range(READ_FAULTS_MAX + 2):
        put(first, bytes([number]) * 100)
    put(second, b"sound")
    real, opened = os.read, os.open
    bad: set[int] = set()

    def open_(path: Any, *arguments: Any) -> int:
        descriptor = opened(path, *arguments)
        if str(path).startswith(str(first.layout.fragments)):
            bad.add(descriptor)
        else:
            bad.discard(descriptor)
        return descriptor

    def read(descriptor: int, length: int) -> bytes:
        if descriptor in bad:
            raise OSError(errno.EIO, "Input/output error")
        return real(descriptor, length)

    monkeypatch.setattr(os, "open", open_)
    monkeypatch.setattr(os, "read", read)
    scrubbing = watched.scrub()
    async with at_work(scrubbing):
        await wait_for(lambda: first.outage is not None)
        await wait_for(lambda: round_of(scrubbing, second) > 2)
    assert watched.lost == []
    assert second.fault is None


@pytest.mark.trio
async def test_one_bad_sector_is_a_loss_only_after_a_second_look(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = watched.volumes.volumes
    names = [put(first, bytes([number]) * 100) for number in range(3)]
    bad = names[1]
    real = os.open
    refusals = 0

    def open_(path: Any, *arguments: Any) -> int:
        nonlocal refusals
        if str(path) == str(first.layout.fragment(bad)):
            refusals += 1
            raise OSError(errno.EIO, "Input/output error")
        return real(path, *arguments)

    monkeypatch.setattr(os, "open", open_)
    scrubbing = watched.scrub()
    async with at_work(scrubbing):
        await wait_for(lambda: watched.lost)
    assert watched.lost == [(first, bad)]
    assert refusals == 2
    assert first.outage is None
