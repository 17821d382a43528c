"""A failing task is started again, and the daemon ends loudly when it cannot be kept."""

from itertools import pairwise

import pytest
import trio
from structlog.testing import capture_logs

from storage_miner.errors import TaskFailed
from storage_miner.supervise import HEALTHY_S, RESTARTS_MAX, supervise


class Flaky:
    """Fails so many times, each after some seconds; then it ends well."""

    def __init__(self, failures: int, after_s: float = 0.0) -> None:
        self.failures = failures
        self.after_s = after_s
        self.started: list[float] = []

    async def __call__(self) -> None:
        self.started.append(trio.current_time())
        await trio.sleep(self.after_s)
        if len(self.started) <= self.failures:
            raise KeyError("a fault in the program")


@pytest.mark.trio
async def test_a_task_is_started_again_after_pauses_that_double(
    autojump_clock: trio.testing.MockClock,
) -> None:
    task = Flaky(4)
    with capture_logs() as logs:
        await supervise("scrub", task)
    pauses = [later - earlier for earlier, later in pairwise(task.started)]
    assert pauses == pytest.approx([1, 2, 4, 8])
    assert [entry["task"] for entry in logs] == ["scrub"] * 4
    assert "KeyError" in logs[0]["cause"]


@pytest.mark.trio
@pytest.mark.parametrize(("failures", "is_kept"), [(RESTARTS_MAX, True), (RESTARTS_MAX + 1, False)])
async def test_too_many_failures_end_it_with_the_cause(
    autojump_clock: trio.testing.MockClock, failures: int, is_kept: bool
) -> None:
    task = Flaky(failures)
    if is_kept:
        await supervise("scrub", task)
    else:
        with pytest.raises(TaskFailed, match="`scrub` failed 6 times, last with KeyError"):
            await supervise("scrub", task)
    assert len(task.started) == RESTARTS_MAX + 1


@pytest.mark.trio
async def test_failures_long_ago_do_not_count(autojump_clock: trio.testing.MockClock) -> None:
    task = Flaky(3 * RESTARTS_MAX, after_s=HEALTHY_S)
    await supervise("scrub", task)
    assert len(task.started) == 3 * RESTARTS_MAX + 1


@pytest.mark.trio
async def test_the_real_error_of_a_group_is_named(autojump_clock: trio.testing.MockClock) -> None:
    async def fail() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Flaky(100))

    with pytest.raises(TaskFailed, match="KeyError"):
        await supervise("scrub", fail)


@pytest.mark.trio
async def test_being_cancelled_is_no_failure(autojump_clock: trio.testing.MockClock) -> None:
    with capture_logs() as logs, trio.move_on_after(5):
        await supervise("scrub", trio.sleep_forever)
    assert logs == []
