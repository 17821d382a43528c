"""Worlds lived through by several processes: one seed after another, each in one of them.

A world knows nothing of others, so a seed tells the same story in whatever process it is lived.
A process begins anew after ``WORLDS_EACH`` worlds, lest a night's memories add up.
"""

from collections.abc import Callable, Generator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from itertools import count
from multiprocessing import get_context
from typing import TypeVar

WORLDS_EACH = 200

T = TypeVar("T")


def outcomes(live: Callable[[int], T], first: int, workers: int) -> Generator[T, None, None]:
    """What ``live`` makes of the seeds from ``first`` on, without end: close it.

    With one worker they come in order and are lived here; with several, each as it is done.
    ``live`` and what it gives are sent between processes.
    """
    seeds = count(first)
    if workers == 1:
        yield from map(live, seeds)
    spawn = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn, max_tasks_per_child=WORLDS_EACH) as pool:
        running = {pool.submit(live, next(seeds)) for _ in range(workers)}
        while True:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                running.add(pool.submit(live, next(seeds)))
                yield future.result()
