"""Progress on standard error: bars on a terminal, a line for each stage and tenth when piped."""

import sys
from types import TracebackType

__all__ = ["Progress"]

TENTHS = 10


class Progress:
    """One stage after another, each with a count of a total. Use it in a ``with`` block."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._is_terminal = sys.stderr.isatty() and not quiet
        self._stage = ""
        self._tenth = -1
        self._bars: object | None = None
        self._task: int | None = None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def update(self, stage: str, done: int, total: int) -> None:
        """``done`` of ``total`` in ``stage``."""
        if self._is_terminal:
            self._draw(stage, done, total)
        elif not self._quiet:
            self._print(stage, done, total)

    def _print(self, stage: str, done: int, total: int) -> None:
        tenth = TENTHS * done // total if total else TENTHS
        if (stage, tenth) == (self._stage, self._tenth):
            return
        self._stage, self._tenth = stage, tenth
        sys.stderr.write(f"{stage}: {done} of {total}\n")
        sys.stderr.flush()

    def _draw(self, stage: str, done: int, total: int) -> None:
        from rich.console import Console
        from rich.progress import Progress as Bars
        from rich.progress import TaskID

        if self._bars is None:
            self._bars = Bars(console=Console(stderr=True))
            self._bars.start()
        bars = self._bars
        assert isinstance(bars, Bars), "because nothing else is put there"
        if stage != self._stage or self._task is None:
            self._stage = stage
            self._task = bars.add_task(stage, total=total)
        bars.update(TaskID(self._task), completed=done, total=total)

    def _stop(self) -> None:
        if self._bars is not None:
            from rich.progress import Progress as Bars

            assert isinstance(self._bars, Bars), "because nothing else is put there"
            self._bars.stop()
