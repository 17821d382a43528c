"""Worker processes: real ones, broken ones, busy ones, and none when there is no work."""

import sys
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from storage_miner.errors import ProverBusy, ProverFailed
from storage_miner.jobs import CommitJob, Commitments
from storage_miner.prover_pool import ProverPool, open_pool

# Answers with the path of its job; a path "die" ends it, "hang" makes it silent, "junk" babbles.
ECHO = """
import json, os, sys
for line in sys.stdin:
    path = json.loads(line)["path"]
    if path.startswith("die-once"):
        if not os.path.exists(path[9:]):
            open(path[9:], "w").close()
            sys.exit(3)
        path = "second"
    if path == "die":
        sys.exit(3)
    if path == "hang":
        sys.stdin.read()
    if path == "junk":
        print("no json", flush=True)
        continue
    print(json.dumps({"kind": "Commitments", "commitments": [path, str(os.getpid())]}), flush=True)
"""


def echo_pool(**limits: Any) -> ProverPool:
    return ProverPool(command=(sys.executable, "-c", ECHO), **limits)


def job(path: str) -> CommitJob:
    return CommitJob(path, "")


async def ask(pool: ProverPool, path: str, deadline: int = 0) -> list[str]:
    result = await pool.run(job(path), deadline)
    assert isinstance(result, Commitments)
    return result.commitments


@pytest.mark.trio
async def test_a_real_worker_commits(fragments: Any, tmp_path: Path) -> None:
    path = tmp_path / "fragment"
    path.write_bytes(fragments[0].data)
    async with open_pool(1) as pool:
        result = await pool.run(CommitJob(str(path), fragments[0].hash.hex()), 0)
        assert isinstance(result, Commitments)
        assert result.commitments == [item.hex() for item in fragments[0].commitments]
        with pytest.raises(ProverFailed, match="changed"):
            await pool.run(CommitJob(str(path), fragments[1].hash.hex()), 0)
        statistics = pool.statistics()
        assert (statistics.finished, statistics.failed, statistics.processes) == (1, 1, 1)


@pytest.mark.trio
async def test_no_process_before_there_is_work_and_one_for_many_jobs() -> None:
    async with open_pool(1, echo_pool()) as pool:
        assert pool.statistics().processes == 0
        first, second = await ask(pool, "a"), await ask(pool, "b")
        assert first[1] == second[1]
        assert pool.statistics().processes == 1
    assert pool.statistics().processes == 0


@pytest.mark.trio
async def test_a_worker_without_work_ends_and_the_next_job_starts_another() -> None:
    async with open_pool(1, echo_pool(idle_s=0.01)) as pool:
        first = await ask(pool, "a")
        with trio.fail_after(5):
            while pool.statistics().processes:
                await trio.lowlevel.checkpoint()
        second = await ask(pool, "b")
        assert first[1] != second[1]


@pytest.mark.trio
async def test_a_job_whose_worker_dies_is_tried_once_more(tmp_path: Path) -> None:
    async with open_pool(1, echo_pool()) as pool:
        assert (await ask(pool, f"die-once:{tmp_path / 'mark'}"))[0] == "second"


@pytest.mark.trio
@pytest.mark.parametrize("how", ["die", "junk"])
async def test_a_job_that_kills_twice_fails_and_the_pool_lives_on(how: str) -> None:
    async with open_pool(1, echo_pool()) as pool:
        with pytest.raises(ProverFailed, match="died twice"):
            await ask(pool, how)
        assert (await ask(pool, "a"))[0] == "a"


@pytest.mark.trio
async def test_a_worker_that_hangs_is_killed() -> None:
    async with open_pool(1, echo_pool(job_timeout_s=0.05)) as pool:
        with pytest.raises(ProverFailed):
            await ask(pool, "hang")


@pytest.mark.trio
async def test_a_program_that_does_not_exist_is_a_failure() -> None:
    async with open_pool(1, ProverPool(command=("/nonexistent",))) as pool:
        with pytest.raises(ProverFailed):
            await ask(pool, "a")


@pytest.mark.trio
@pytest.mark.parametrize(("waiting", "is_taken"), [(2, True), (3, False)])
async def test_the_queue_is_bounded(waiting: int, is_taken: bool) -> None:
    pool = echo_pool(queue_max=3)
    async with trio.open_nursery() as nursery:
        for number in range(waiting):
            nursery.start_soon(ask, pool, str(number))
        await trio.testing.wait_all_tasks_blocked()
        if is_taken:
            nursery.start_soon(ask, pool, "last")
            await trio.testing.wait_all_tasks_blocked()
            assert pool.statistics().waiting == waiting + 1
        else:
            with pytest.raises(ProverBusy):
                await ask(pool, "last")
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_the_most_urgent_job_goes_first() -> None:
    pool = echo_pool()
    order: list[str] = []

    async def note(path: str, deadline: int) -> None:
        order.append((await ask(pool, path, deadline))[0])

    async with trio.open_nursery() as nursery:
        for path, deadline in (("late", 90), ("soon", 10), ("middle", 50)):
            nursery.start_soon(note, path, deadline)
            await trio.testing.wait_all_tasks_blocked()
        async with open_pool(1, pool):
            with trio.fail_after(10):
                while len(order) < 3:
                    await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert order == ["soon", "middle", "late"]


@pytest.mark.trio
async def test_a_job_that_nobody_waits_for_is_skipped() -> None:
    pool = echo_pool()
    with trio.move_on_after(0):
        await ask(pool, "die")
    async with open_pool(1, pool):
        assert (await ask(pool, "a"))[0] == "a"
        assert pool.statistics().failed == 0
