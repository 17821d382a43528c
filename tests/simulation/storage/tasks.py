"""Virtual time and tasks in it: coroutines that wait for nothing but ``Future``.

Everything runs in the order of its time, and of its making where times are equal, so one seed has
one story. A task that is cancelled is closed where it waits, as by a crash.
"""

import heapq
from collections.abc import Callable, Coroutine, Generator
from typing import Any


class Future:
    """Something that a task waits for; it ends once, with a value or an error."""

    def __init__(self) -> None:
        self.is_done = False
        self.value: Any = None
        self.error: Exception | None = None
        self.wake: Callable[[], None] | None = None

    def __await__(self) -> Generator["Future", None, Any]:
        if not self.is_done:
            yield self
        if self.error is not None:
            raise self.error
        return self.value

    def end(self, value: Any = None, error: Exception | None = None) -> None:
        """Give it its end; a second one is of no effect."""
        if self.is_done:
            return
        self.is_done, self.value, self.error = True, value, error
        if self.wake is not None:
            self.wake()


class Clock:
    """The events to come."""

    def __init__(self, now: int) -> None:
        self.now = now
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._made = 0

    def at(self, time: int, what: Callable[[], None]) -> None:
        """Do something at a time."""
        self._made += 1
        heapq.heappush(self._events, (max(time, self.now), self._made, what))

    def sleep(self, ms: int) -> Future:
        """A future that ends after a while."""
        future = Future()
        self.at(self.now + ms, future.end)
        return future

    def run_until(self, time: int) -> None:
        """Do all that is due until then."""
        while self._events and self._events[0][0] <= time:
            self.now, _, what = heapq.heappop(self._events)
            what()
        self.now = time


class Tasks:
    """The tasks of one process, which end together when it crashes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[int, Coroutine[Future, None, None]] = {}
        self._made = 0
        self.is_closed = False

    def start(self, task: Coroutine[Any, Any, None]) -> None:
        """Begin a task now."""
        if self.is_closed:
            task.close()
            return
        self._made += 1
        number = self._made
        self._open[number] = task
        self._clock.at(self._clock.now, lambda: self._step(number))

    def cancel(self) -> None:
        """End all of them where they are, and take no new ones."""
        self.is_closed = True
        for task in list(self._open.values()):
            task.close()
        self._open.clear()

    def _step(self, number: int) -> None:
        task = self._open.get(number)
        if task is None:
            return
        try:
            future = task.send(None)
        except StopIteration:
            self._open.pop(number, None)
            return
        future.wake = lambda: self._clock.at(self._clock.now, lambda: self._step(number))
