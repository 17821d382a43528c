"""A task group whose failure is the failure of its task, not a group with one member."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup

__all__ = ["one_failure_group"]


@asynccontextmanager
async def one_failure_group() -> AsyncIterator[TaskGroup]:
    """Like ``anyio.create_task_group``; of several failures the first one is raised."""
    try:
        async with anyio.create_task_group() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None
