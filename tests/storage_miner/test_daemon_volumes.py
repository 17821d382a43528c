"""The daemon with several volumes, when one is away or fails, and when its own tasks fail."""

import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from storage_miner import supervise as supervise_module
from storage_miner.chain import SampledRow
from storage_miner.errors import TaskFailed
from storage_miner.facts import HeldFragment
from storage_miner.lifecycle import Wish
from storage_miner.prover_pool import open_pool
from storage_miner.service import DECLARE_BEFORE_BLOCKS, Daemon
from storage_miner.store import VolumePlan, open_volumes
from tests.storage_miner.kit import ACCOUNT, FACTS, challenge, file, info, put, view
from tests.storage_miner.scripted import ScriptedChain

CAPACITY = 64 << 20
URL = "http://127.0.0.1:15001"
DEADLINE = 30


@asynccontextmanager
async def working(chain: ScriptedChain, *roots: Path) -> AsyncIterator[Daemon]:
    """A daemon without plots on these volumes."""
    plans = [VolumePlan(root, CAPACITY) for root in roots]
    with open_volumes(plans, int(time.time())) as volumes:
        async with open_pool(1) as pool, trio.open_nursery() as nursery:
            daemon = Daemon(
                account=ACCOUNT,
                chain=chain,
                facts=FACTS,
                volumes=volumes,
                pool=pool,
                wish=Wish(ACCOUNT, URL, None, 1),
                scrub_rate=1 << 40,
                plots_max=0,
            )
            nursery.start_soon(daemon.run)
            yield daemon
            daemon.stop()


async def wait_for(condition: Any) -> None:
    with trio.fail_after(20):
        while not condition():
            await trio.sleep(0.005)


def chain_for(fragments: Any, **parts: Any) -> ScriptedChain:
    """A chain where all fragments are held and asked for."""
    chain = ScriptedChain(view(10, info=info(), **parts))
    chain.held = tuple(
        HeldFragment(slot, made.hash, file(slot), False) for slot, made in enumerate(fragments)
    )
    chain.rows = tuple(
        SampledRow(index, made.hash, 0, made.commitments[0]) for index, made in enumerate(fragments)
    )
    return chain


@pytest.fixture
def roots(tmp_path: Path, fragments: Any) -> tuple[Path, Path]:
    """Fragments 0 and 1 on the first volume, 2 on the second."""
    a, b = tmp_path / "a", tmp_path / "b"
    with open_volumes([VolumePlan(a, CAPACITY), VolumePlan(b, CAPACITY)], 1) as volumes:
        put(volumes.volumes[0], fragments[0].data)
        put(volumes.volumes[0], fragments[1].data)
        put(volumes.volumes[1], fragments[2].data)
    return a, b


ROUND = challenge(deadline=DEADLINE, idle_done=True)


def named(chain: ScriptedChain, name: str) -> list[Any]:
    return [call for call in chain.sent if call[0] == name]


@pytest.mark.trio
async def test_a_round_over_several_volumes_is_answered(
    roots: tuple[Path, Path], fragments: Any
) -> None:
    chain = chain_for(fragments)
    async with working(chain, *roots) as daemon:
        chain.block(challenge=ROUND)
        _, _, answer = await chain.wait_sent("submit_service")
        assert answer.faulty == ()
        words = [volume["state"] for volume in daemon.status()["volumes"]]
        assert words == ["working", "working"]
        assert daemon.status()["volumes_away"] == []


@pytest.mark.trio
async def test_what_lies_on_a_volume_that_is_away_is_neither_reported_nor_declared_in_a_free_round(
    roots: tuple[Path, Path], fragments: Any
) -> None:
    a, b = roots
    b.rename(b.with_name("unmounted"))
    b.mkdir()
    chain = chain_for(fragments, missed_in_row=0)
    async with working(chain, a, b) as daemon:
        for _ in range(DEADLINE - 10):
            chain.block(challenge=ROUND)
            await trio.sleep(0.01)
        await wait_for(lambda: daemon.status()["audits"]["missed"] == 1)
        assert named(chain, "submit_service") == named(chain, "report_loss") == []
        status = daemon.status()
        assert status["custody"]["is_suspended"]
        assert status["volumes_away"][0]["path"] == str(b)
        assert "may lie on a volume that is away" in status["reason"]


@pytest.mark.trio
async def test_a_volume_that_comes_back_before_the_deadline_is_proved_after_the_restart(
    roots: tuple[Path, Path], fragments: Any
) -> None:
    a, b = roots
    b.rename(b.with_name("unmounted"))
    chain = chain_for(fragments)
    async with working(chain, a, b):
        chain.block(challenge=ROUND)
        chain.block(challenge=ROUND)
        await trio.sleep(0.2)
    assert named(chain, "submit_service") == []
    b.with_name("unmounted").rename(b)
    chain = replace(chain)
    async with working(chain, a, b):
        chain.block(challenge=ROUND)
        _, _, answer = await chain.wait_sent("submit_service")
        assert answer.faulty == ()


@pytest.mark.trio
async def test_when_a_miss_would_be_fined_the_missing_rows_are_declared_at_the_last_moment(
    roots: tuple[Path, Path], fragments: Any
) -> None:
    a, b = roots
    shutil.rmtree(b)
    chain = chain_for(fragments, missed_in_row=1)
    async with working(chain, a, b):
        while chain.now.number < DEADLINE - DECLARE_BEFORE_BLOCKS - 1:
            chain.block(challenge=ROUND)
        await trio.sleep(0.5)
        assert named(chain, "submit_service") == []
        chain.block(challenge=ROUND)
        await trio.sleep(0.05)
        chain.block(challenge=ROUND)
        _, _, answer = await chain.wait_sent("submit_service")
        assert answer.faulty == (2,)


@pytest.mark.trio
async def test_a_volume_that_was_given_up_has_its_fragments_declared_at_once(
    roots: tuple[Path, Path], fragments: Any
) -> None:
    a, b = roots
    shutil.rmtree(b)
    with open_volumes([VolumePlan(a, CAPACITY)], 1) as volumes:
        volumes.forget_away()
    chain = chain_for(fragments)
    async with working(chain, a):
        chain.block(challenge=ROUND)
        _, _, answer = await chain.wait_sent("submit_service")
        assert answer.faulty == (2,)


@pytest.mark.trio
async def test_a_daemon_that_dies_while_proving_answers_after_the_restart(
    roots: tuple[Path, Path], fragments: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The open round is on the chain; nothing of it is kept by the process."""
    chain = chain_for(fragments)
    begun = trio.Event()

    async def never(daemon: Daemon, effect: object) -> None:
        begun.set()
        await trio.sleep_forever()

    with monkeypatch.context() as broken:
        broken.setattr(Daemon, "_prove_service", never)
        async with working(chain, *roots):
            chain.block(challenge=ROUND)
            with trio.fail_after(10):
                await begun.wait()
    chain = replace(chain)
    async with working(chain, *roots):
        chain.block(challenge=ROUND)
        _, number, answer = await chain.wait_sent("submit_service")
        assert (number, answer.faulty) == (1, ())


@pytest.mark.trio
async def test_an_order_that_fails_unexpectedly_is_carried_out_again(
    roots: tuple[Path, Path], fragments: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise_module, "BACKOFF_S", 0.01)
    chain = chain_for(fragments)
    real, failures = chain.submit_service, iter([ZeroDivisionError("a fault"), KeyError("another")])

    async def submit(*arguments: Any) -> Any:
        for error in failures:
            raise error
        return await real(*arguments)

    chain.submit_service = submit  # type: ignore[method-assign]
    async with working(chain, *roots):
        chain.block(challenge=ROUND)
        await chain.wait_sent("submit_service")


@pytest.mark.trio
async def test_a_task_that_cannot_be_kept_ends_the_daemon_with_its_name(
    roots: tuple[Path, Path], fragments: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise_module, "BACKOFF_S", 0.001)
    chain = chain_for(fragments)

    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("a fault")

    async def work() -> None:
        async with working(chain, *roots) as daemon:
            monkeypatch.setattr(daemon.responder, "receive", broken)
            while True:
                chain.block(challenge=ROUND)
                await trio.sleep(0.01)

    with pytest.raises(BaseExceptionGroup) as caught:
        await work()
    failed = caught.value.subgroup(TaskFailed)
    assert failed is not None
    assert "`decide` failed" in str(next(iter(_leaves(failed))))


def _leaves(group: BaseException) -> list[BaseException]:
    if isinstance(group, BaseExceptionGroup):
        return [leaf for each in group.exceptions for leaf in _leaves(each)]
    return [group]


@pytest.mark.trio
async def test_a_pause_of_plotting_shows_in_the_status(
    roots: tuple[Path, Path], fragments: Any
) -> None:
    chain = chain_for(fragments)
    (roots[1] / "PLOTS_PAUSED").touch()
    async with working(chain, *roots) as daemon:
        chain.block()
        await wait_for(lambda: "paused" in daemon.status()["plots"]["reason"])
        assert daemon.status()["plots"]["is_paused"] is True
