"""The doctor's findings that need no node."""

from dataclasses import replace
from pathlib import Path

import pytest

from client.chain import ChainLimits, EndpointReport, Standing
from storage_miner.config import MinerConfig
from storage_miner.doctor import _check_node, _check_speed, _Findings, examine_miner
from storage_miner.store import Volume
from tests.storage_miner.kit import FACTS


def config(root: Path, *, suri: str | None = "//Alice", space: int = 64 << 20) -> MinerConfig:
    return MinerConfig(rpc=("ws://127.0.0.1:9",), data_dir=root / "data", space=space, suri=suri)


def verdicts(checks: list[dict[str, object]]) -> dict[str, bool]:
    return {str(check["name"]): bool(check["is_ok"]) for check in checks}


@pytest.mark.trio
async def test_a_node_that_is_away_is_named_and_the_rest_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage_miner import doctor

    monkeypatch.setattr(doctor, "LIMITS", ChainLimits(connect_timeout_s=0.1))
    checks = await examine_miner(config(tmp_path))
    assert verdicts(checks) == {"key": True, "volume": True, "node": False}
    assert "ws://127.0.0.1:9" in str(checks[-1]["message"])


def test_each_node_is_a_finding_with_its_heights() -> None:
    found = _Findings()
    _check_node(EndpointReport("ws://a:1", Standing.good, "", True, 9, 7, 0), found)
    _check_node(EndpointReport("ws://b:1", Standing.good, "", False, 8, 5, 2), found)
    _check_node(EndpointReport("ws://c:1", Standing.other_chain, "why", False, 1, 1, None), found)
    assert [check["is_ok"] for check in found.checks] == [True, True, False]
    assert [check["message"] for check in found.checks] == [
        "ws://a:1 is at block 9, final 7; in use",
        "ws://b:1 is at block 8, final 5, 2 behind the others",
        "ws://c:1: why",
    ]


@pytest.mark.trio
async def test_of_several_nodes_that_are_away_each_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage_miner import doctor

    monkeypatch.setattr(doctor, "LIMITS", ChainLimits(connect_timeout_s=2))
    away = replace(config(tmp_path), rpc=("ws://127.0.0.1:9", "ws://127.0.0.1:7"))
    said = str((await examine_miner(away))[-1]["message"])
    assert "ws://127.0.0.1:9" in said
    assert "ws://127.0.0.1:7" in said


@pytest.mark.trio
async def test_a_key_that_cannot_be_opened_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CESS_KEYFILE_PASSWORD", raising=False)
    broken = MinerConfig(
        rpc=("ws://127.0.0.1:9",), data_dir=tmp_path, space=1 << 30, keyfile=tmp_path / "none"
    )
    assert verdicts(await examine_miner(broken)) == {"key": False}


@pytest.mark.trio
async def test_more_space_than_the_disk_has_is_found(tmp_path: Path) -> None:
    from storage_miner.doctor import _check_disk

    found = _Findings()
    _check_disk(config(tmp_path, space=1 << 59), found)
    assert verdicts(found.checks) == {"volume": False}


def test_a_directory_in_use_is_no_fault(tmp_path: Path) -> None:
    from storage_miner.doctor import _check_disk

    found = _Findings()
    with Volume(tmp_path / "data", 64 << 20):
        _check_disk(config(tmp_path), found)
    assert verdicts(found.checks) == {"volumes": True}


@pytest.mark.trio
async def test_the_speed_is_measured_against_the_deadline(tmp_path: Path) -> None:
    found = _Findings()
    await _check_speed(config(tmp_path), FACTS, 1, found)
    assert verdicts(found.checks) == {
        "reading": True,
        "prover": False,
        "commits": False,
        "plots": True,
        "plot room": True,
    }


@pytest.mark.trio
async def test_a_disk_that_cannot_be_measured_is_a_finding(tmp_path: Path) -> None:
    found = _Findings()
    with pytest.MonkeyPatch.context() as patched:

        def refuse(*arguments: object, **options: object) -> str:
            raise OSError(28, "No space left on device")

        patched.setattr("tempfile.mkdtemp", refuse)
        await _check_speed(config(tmp_path), FACTS, 6000, found)
    assert verdicts(found.checks) == {"prover": False}
