"""Plots on the disks: where they are, making one within the quota, deleting one.

Blocking calls, to be made in worker threads. A plot's file name follows from chain, account, index
and k, so which indexes are there is found by asking for each candidate. A new plot goes to the
volume with the most room and is made there, temporary files included. Making one runs a process of
its own (`proofs.pois.plotter`) that dies with the thread that waits for it, halts while plotting is
paused and ends when the daemon does.

The operator pauses plotting with the file PAUSE_NAME in any volume, so that it holds over restarts
and needs no other right than to write there.
"""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from primitives.errors import StorageCorrupt
from proofs.pois.challenge import plot_seed
from proofs.pois.params import plot_disk_bytes_max, plot_temp_bytes_max
from proofs.pois.plot import PlotFile, PlotOrder, create_plot, plot_name

from .idle import BATCH_MAX
from .store import QuotaReached, StoreError, Volumes
from .store.errors import from_os_error
from .store.files import write_durably

CANDIDATES_BEHIND_MAX = 1 << 16
"""How far behind the front old plots are looked for."""

PAUSE_NAME = "PLOTS_PAUSED"


@dataclass(frozen=True, slots=True)
class Room:
    """How many plots more fit, and whether one can be begun now."""

    plots: int
    can_begin: bool


class Plots:
    """The plots of one miner on its volumes."""

    def __init__(self, volumes: Volumes, genesis: bytes, miner: bytes, k: int) -> None:
        self._volumes = volumes
        self._genesis = bytes(genesis)
        self._miner = bytes(miner)
        self.k = k
        self.progress = 0
        """Of the plot in the making, in per mille."""

        self.is_stopping = False
        self._names: dict[str, int] = {}

    def directories(self) -> tuple[Path, ...]:
        """Where plots lie."""
        return tuple(volume.layout.plots for volume in self._volumes.reading())

    def path(self, index: int) -> Path | None:
        """Where the plot of `index` is."""
        name = self._name(index)
        return next((path for at in self.directories() if (path := at / name).exists()), None)

    def index_of(self, name: str) -> int | None:
        """The index of a plot by its file name, as far as it was seen."""
        return self._names.get(name)

    def listed(self, front: int, rear: int) -> tuple[int, ...]:
        """The indexes on the disks, ascending, from far behind the front to past the rear.

        Second copies are deleted.
        """
        names: dict[str, Path] = {}
        for directory in self.directories():
            for path in _files(directory):
                if names.setdefault(path.name, path) is not path:
                    # Made again while its volume was away: one is enough.
                    path.unlink(missing_ok=True)
        first = max(0, front - CANDIDATES_BEHIND_MAX)
        candidates = range(first, rear + 2 * BATCH_MAX)
        return tuple(index for index in candidates if self._name(index) in names)

    def room(self, headroom_share: int) -> Room:
        """What fits when one part in `headroom_share` of each volume stays free for fragments."""
        size, making = plot_disk_bytes_max(self.k), plot_temp_bytes_max(self.k)
        count, can_begin = 0, False
        for volume in self._volumes.writing():
            try:
                space = volume.space()
            except StoreError:
                continue
            left = space.left - space.capacity // headroom_share
            # The last plot on a volume needs its temporary files, too.
            count += max(0, left - making + size) // size if left >= making else 0
            can_begin = can_begin or left >= making
        return Room(count, can_begin)

    def make(self, index: int) -> None:
        """Make a plot; at once if it is there and whole. Raises: PlotError, StoreError.

        Of the volumes with the most room, the first that takes it makes it.
        """
        if self._is_there(index):
            return
        refusal: StoreError = QuotaReached("no volume takes plots")
        room = plot_temp_bytes_max(self.k)
        for volume in self._volumes.writing():
            try:
                volume.reserve(room)
            except StoreError as error:
                refusal = error
                continue
            layout = volume.layout
            self.progress = 0
            try:
                create_plot(
                    layout.plots, layout.temporary, self._seed(index), self.k, watch=self._watch
                )
            finally:
                volume.release(room)
                with contextlib.suppress(StoreError):
                    volume.measure_plots()
            return
        raise refusal

    def delete(self, index: int) -> None:
        """Delete a plot, wherever it is. Raises: StoreError."""
        name = self._name(index)
        for volume in self._volumes.reading():
            path = volume.layout.plots / name
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise from_os_error(error, "deleting a plot", path) from error
            volume.measure_plots()

    def damaged(self, indexes: Iterable[int]) -> tuple[int, ...]:
        """Those of `indexes` whose file is missing or has changed. Reads each plot as a whole."""
        found = []
        for index in indexes:
            try:
                path = self.path(index)
                if path is None:
                    raise FileNotFoundError(self._name(index))
                PlotFile(path).check()
            except (OSError, StorageCorrupt):
                found.append(index)
        return tuple(found)

    # Pausing.

    @property
    def is_paused(self) -> bool:
        """Whether the operator paused plotting."""
        return any((volume.layout.root / PAUSE_NAME).exists() for volume in self._volumes.reading())

    def _watch(self, progress: int) -> PlotOrder:
        self.progress = progress
        if self.is_stopping:
            return PlotOrder.stop
        return PlotOrder.pause if self.is_paused else PlotOrder.go

    # Private.

    def _is_there(self, index: int) -> bool:
        path = self.path(index)
        try:
            return path is not None and PlotFile(path).seed == self._seed(index)
        except (OSError, StorageCorrupt):
            # Whichever volume makes it, the damaged one must not be found before it.
            self.delete(index)
            return False

    def _seed(self, index: int) -> bytes:
        return plot_seed(self._genesis, self._miner, index, self.k)

    def _name(self, index: int) -> str:
        name = plot_name(self._seed(index), self.k)
        self._names[name] = index
        while len(self._names) > CANDIDATES_BEHIND_MAX * 2:
            del self._names[next(iter(self._names))]
        return name


def _files(directory: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return sorted(directory.iterdir())
    return []


# The operator's side: works on the directories, whether or not the daemon runs.


def pause_plotting(roots: Sequence[Path]) -> None:
    """Have plotting paused, by a file in the first volume that takes it. Raises: StoreError."""
    refusal: StoreError | None = None
    for root in roots:
        if not root.is_dir():
            continue
        try:
            write_durably(root / PAUSE_NAME, b"removed by `cess miner plots resume`\n", root)
        except StoreError as error:
            refusal = refusal or error
        else:
            return
    raise refusal or StoreError("no volume is there yet; start the miner once, or mount the disk")


def resume_plotting(roots: Sequence[Path]) -> None:
    """Let plotting go on. Raises: StoreError."""
    for root in roots:
        try:
            (root / PAUSE_NAME).unlink(missing_ok=True)
        except OSError as error:
            raise from_os_error(error, "resuming plots", root) from error
