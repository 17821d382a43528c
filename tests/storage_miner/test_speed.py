"""Whether a machine is fast enough, in plain words."""

from dataclasses import replace
from pathlib import Path

import pytest

from storage_miner.speed import (
    BURST_FRAGMENTS,
    CHAIN_BLOCKS,
    SAFETY,
    Measured,
    judge,
    measure,
    round_seconds,
)
from tests.storage_miner.kit import FACTS

FAST = Measured(
    read_rates=(("/mnt/a", 500e6), ("/mnt/b", 100e6)),
    combine_row_s=0.0005,
    open_s=0.2,
    round_s=1.0,
    commit_s=4.0,
    draw_s=0.01,
    workers=2,
)
BLOCK_MS = 6000


def verdicts(measured: Measured, block_ms: int | None = BLOCK_MS) -> dict[str, bool]:
    return {each.name: each.is_ok for each in judge(measured, FACTS, block_ms)}


def test_a_fast_machine_is_told_so_with_numbers() -> None:
    found = {each.name: each for each in judge(FAST, FACTS, BLOCK_MS)}
    assert all(each.is_ok for each in found.values())
    assert "/mnt/b: 100 MB/s" in found["reading"].message
    assert "a round of 460 rows takes 1.0 s" in found["prover"].message
    allowed = (FACTS.service_deadline_blocks - CHAIN_BLOCKS) * 6
    assert f"leave {allowed} s" in found["prover"].message


@pytest.mark.parametrize(("over", "is_ok"), [(0.0, True), (0.01, False)])
def test_the_line_between_fast_enough_and_too_slow(over: float, is_ok: bool) -> None:
    allowed = (FACTS.service_deadline_blocks - CHAIN_BLOCKS) * 6
    assert verdicts(replace(FAST, round_s=allowed / SAFETY + over))["prover"] is is_ok


def test_the_slowest_disk_decides_whatever_one_disk_measured() -> None:
    slow = replace(FAST, read_rates=(("/mnt/a", 500e6), ("/mnt/tape", 1e6)))
    assert round_seconds(slow, FACTS) > 50
    assert verdicts(slow)["prover"] is False


def test_commits_must_keep_up_with_a_large_file() -> None:
    allowed = (FACTS.deal_deadline_blocks - CHAIN_BLOCKS) * 6
    each = allowed / BURST_FRAGMENTS
    assert verdicts(replace(FAST, commit_s=each * 0.99, workers=1))["commits"] is True
    slow = replace(FAST, commit_s=each * 1.05, workers=1)
    assert verdicts(slow)["commits"] is False
    assert verdicts(replace(slow, workers=2))["commits"] is True


def test_plots_on_a_slow_disk_are_found_and_without_plots_nothing_is_said() -> None:
    allowed = (FACTS.idle_deadline_blocks - CHAIN_BLOCKS) * 6
    assert verdicts(replace(FAST, draw_s=allowed / FACTS.plot_draws))["plots"] is False
    assert verdicts(replace(FAST, draw_s=None))["plots"] is True


@pytest.mark.parametrize("block_ms", [None, 6000])
def test_a_chain_without_a_block_time_gives_numbers_and_no_blame(block_ms: int | None) -> None:
    slow = replace(FAST, round_s=1e6, commit_s=1e6, draw_s=1e6)
    assert all(verdicts(slow, block_ms).values()) is (block_ms is None)


def test_deadlines_shorter_than_the_chain_itself_leave_nothing() -> None:
    short = replace(FACTS, service_deadline_blocks=CHAIN_BLOCKS - 1)
    assert judge(FAST, short, BLOCK_MS)[1].is_ok is False


@pytest.mark.trio
async def test_measuring_leaves_nothing_behind_and_measures_plots(
    tmp_path: Path, plot_directory: Path
) -> None:
    (tmp_path / "a" / "temporary").mkdir(parents=True)
    (tmp_path / "a" / "plots").symlink_to(plot_directory)
    measured = await measure([tmp_path / "a", tmp_path / "b"], FACTS, 1)
    assert [path for path, _ in measured.read_rates] == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert measured.draw_s is not None
    assert min(measured.draw_s, measured.round_s, measured.commit_s, measured.open_s) > 0
    assert list((tmp_path / "a" / "temporary").iterdir()) == []
    assert not (tmp_path / "b").exists()
