"""Keeping the daemon's tasks alive, and ending the daemon loudly when one cannot be kept.

An unexpected exception in a task is logged with its trace and the task is started again, after a
pause that doubles. After RESTARTS_MAX failures without HEALTHY_S in between the daemon ends with
`TaskFailed`: a miner that goes on with a dead part would lose audits silently.
"""

from collections.abc import Awaitable, Callable

import structlog
import trio

from .errors import TaskFailed

RESTARTS_MAX = 5
BACKOFF_S = 1.0
BACKOFF_S_MAX = 30.0
HEALTHY_S = 600.0

log = structlog.get_logger(__name__)


async def supervise(name: str, task: Callable[[], Awaitable[None]]) -> None:
    """Run `task` to its end, again after each unexpected exception.

    Raises: TaskFailed after too many.
    """
    failures = 0
    while True:
        started = trio.current_time()
        try:
            await task()
        except Exception as error:
            if trio.current_time() - started >= HEALTHY_S:
                failures = 0
            failures += 1
            said = _cause(error)
            if failures > RESTARTS_MAX:
                raise TaskFailed(
                    f"the task `{name}` failed {failures} times, last with {said}; the miner ends "
                    "rather than work without it. This is a fault in the program: report it with "
                    "the log, then restart"
                ) from error
            pause = min(BACKOFF_S * 2 ** (failures - 1), BACKOFF_S_MAX)
            log.exception(
                "task failed", task=name, failures=failures, restart_in_s=pause, cause=said
            )
            await trio.sleep(pause)
        else:
            return


def _cause(error: BaseException) -> str:
    """The first real error of a group, in words."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
