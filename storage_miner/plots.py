"""Plots on the disk: where they are, making one within the quota, deleting one.

Blocking calls, to be made in worker threads. A plot's file name follows from chain, account, index
and k, so which indexes are there is found by asking for each candidate. Making a plot runs a
process of its own (`proofs.pois.plotter`) that dies with the thread that waits for it.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path

from primitives.errors import StorageCorrupt
from proofs.pois.challenge import plot_seed
from proofs.pois.params import plot_temp_bytes_max
from proofs.pois.plot import PlotFile, create_plot, plot_name

from .idle import BATCH_MAX
from .store import Volume
from .store.errors import from_os_error

CANDIDATES_BEHIND_MAX = 1 << 16
"""How far behind the front old plots are looked for."""


class Plots:
    """The plots of one miner on one volume."""

    def __init__(self, volume: Volume, genesis: bytes, miner: bytes, k: int) -> None:
        self._volume = volume
        self._genesis = bytes(genesis)
        self._miner = bytes(miner)
        self.k = k

    @property
    def directory(self) -> Path:
        """Where all plots lie."""
        return self._volume.layout.plots

    def path(self, index: int) -> Path:
        """The file of a plot, there or not."""
        return self.directory / plot_name(self._seed(index), self.k)

    def listed(self, front: int, rear: int) -> tuple[int, ...]:
        """The indexes on the disk, ascending, from far behind the front to past the rear."""
        names = {path.name for path in self._files()}
        first = max(0, front - CANDIDATES_BEHIND_MAX)
        candidates = range(first, rear + 2 * BATCH_MAX)
        return tuple(index for index in candidates if plot_name(self._seed(index), self.k) in names)

    def make(self, index: int) -> None:
        """Make a plot; at once if it is there and sound. Raises: PlotError, StoreError."""
        room = plot_temp_bytes_max(self.k)
        self._volume.reserve(room)
        try:
            create_plot(self.directory, self._volume.layout.temporary, self._seed(index), self.k)
        finally:
            self._volume.release(room)
            self._volume.measure_plots()

    def delete(self, index: int) -> None:
        """Delete a plot, if it is there. Raises: StoreError."""
        try:
            self.path(index).unlink(missing_ok=True)
        except OSError as error:
            raise from_os_error(error, "deleting a plot", self.path(index)) from error
        self._volume.measure_plots()

    def damaged(self, indexes: Iterable[int]) -> tuple[int, ...]:
        """Those of `indexes` whose file is missing or has changed. Reads each plot as a whole."""
        found = []
        for index in indexes:
            try:
                PlotFile(self.path(index)).check()
            except (OSError, StorageCorrupt):
                found.append(index)
        return tuple(found)

    def _seed(self, index: int) -> bytes:
        return plot_seed(self._genesis, self._miner, index, self.k)

    def _files(self) -> list[Path]:
        with contextlib.suppress(FileNotFoundError):
            return sorted(self.directory.iterdir())
        return []
