"""How long plotting still takes, from how long it took. Pure: the caller tells the time.

A plot in the making is judged by its own pace once SHARE_MIN of it is done, before that by the
plots made before it, at most WINDOW of them.
"""

from collections import deque

WINDOW = 8
PER_MILLE = 1000
SHARE_MIN = 50


class Pace:
    """Times of plots in seconds."""

    def __init__(self) -> None:
        self._took: deque[float] = deque(maxlen=WINDOW)
        self._started: float | None = None

    def begin(self, now: float) -> None:
        """A plot is begun."""
        self._started = now

    def end(self, now: float, *, is_made: bool) -> None:
        """It ended; only a plot that was made tells how long one takes."""
        if self._started is not None and is_made:
            self._took.append(now - self._started)
        self._started = None

    def plot_s(self, now: float, progress: int) -> float | None:
        """How long one plot takes; None when nothing is known yet."""
        if self._started is not None and progress >= SHARE_MIN:
            return (now - self._started) * PER_MILLE / progress
        if self._took:
            return sum(self._took) / len(self._took)
        return None

    def eta_s(self, now: float, progress: int, plots_left: int) -> float | None:
        """How long until `plots_left` plots are made, the one in the making among them."""
        one = self.plot_s(now, progress)
        if one is None or plots_left <= 0:
            return None
        done = progress / PER_MILLE if self._started is not None else 0.0
        return one * max(0.0, plots_left - done)
