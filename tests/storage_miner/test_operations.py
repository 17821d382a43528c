"""Commands that speak to the chain once, over the state of the real runtime."""

import hashlib
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from client.chain import CallFailed, EndpointReport, Standing
from pallets.audit.types import Holding
from primitives.digest import Digest
from primitives.header import Header
from primitives.scale import U8, U32
from primitives.types import BlockNumber, FragmentHash, Hash
from storage_miner import operations
from storage_miner.config import MinerConfig
from storage_miner.errors import ConfigInvalid
from storage_miner.operations import (
    CallRefused,
    forget_volumes,
    list_volumes,
    read_status,
    register_miner,
    repair_volume,
    switch_plotting,
)
from storage_miner.store import DirectoryInUse, Volume, VolumePlan, open_volumes
from tests.storage_miner.kit import file, info
from tests.storage_miner.test_chain import ME, MemoryClient

DATA = b"fragment" * 1000
HASH = FragmentHash(hashlib.sha256(DATA).digest())


class OneBlockClient(MemoryClient):
    """`MemoryClient` with a header and any signer."""

    async def header(self, block: Hash | None = None) -> Header:
        return Header(
            parent_hash=Hash(bytes(32)),
            number=BlockNumber(9),
            state_root=Hash(bytes(32)),
            extrinsics_root=Hash(bytes(32)),
            digest=Digest(),
        )

    async def finalized_head(self) -> Hash:
        return Hash(bytes(32))

    async def look_at_endpoints(self) -> tuple[EndpointReport, ...]:
        well = EndpointReport("ws://a:1", Standing.good, "", True, 9, 7, 0)
        return well, EndpointReport("ws://b:1", Standing.behind, "late", False, 2, 1, 7)

    async def submit(self, call: Any, signer: Any, **options: Any) -> None:
        self.submitted.append(call)
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> OneBlockClient:
    made = OneBlockClient()

    class Opener:
        @staticmethod
        @asynccontextmanager
        async def open(url: tuple[str, ...]) -> AsyncIterator[OneBlockClient]:
            yield made

    monkeypatch.setattr(operations, "ChainClient", Opener)
    return made


@pytest.fixture
def config(tmp_path: Path) -> MinerConfig:
    return MinerConfig(
        rpc=("ws://127.0.0.1:9",),
        data_dir=tmp_path / "data",
        space=64 << 20,
        suri="//Miner1",
        endpoint="http://127.0.0.1:9",
    )


@pytest.mark.trio
async def test_status_of_a_stranger_and_of_a_miner(
    client: OneBlockClient, config: MinerConfig
) -> None:
    assert (await read_status(config))["state"] == "waiting"
    client.runtime.sminer.miner_items[ME] = info(rear=4, endpoint=b"http://127.0.0.1:9")
    found = await read_status(config)
    assert (found["state"], found["declared_units"], found["daemon"]) == ("working", 1, None)
    assert int(found["balance"]) > 0


@pytest.mark.trio
async def test_status_says_which_nodes_can_be_used_and_how_late_the_others_are(
    client: OneBlockClient, config: MinerConfig
) -> None:
    first, second = (await read_status(config))["nodes"]
    assert (first["url"], first["state"], first["is_in_use"]) == ("ws://a:1", "good", True)
    assert (second["state"], second["lag_blocks"], second["reason"]) == ("behind", 7, "late")


@pytest.mark.trio
async def test_registering_reserves_the_limit_and_a_margin(
    client: OneBlockClient, config: MinerConfig
) -> None:
    await register_miner(config, 2)
    unit = int(client.runtime.constants.collateral_per_unit)
    assert client.submitted[0].arguments["staking_val"] == 2 * unit + 2 * unit // 10


@pytest.mark.trio
async def test_too_little_money_is_told_to_the_planck(
    client: OneBlockClient, config: MinerConfig
) -> None:
    with pytest.raises(CallRefused, match="are missing"):
        await register_miner(config, 1 << 20)
    assert client.submitted == []


@pytest.mark.trio
async def test_a_refusal_is_explained(client: OneBlockClient, config: MinerConfig) -> None:
    client.failure = CallFailed("Sminer", "AlreadyRegistered", "")
    with pytest.raises(CallRefused, match="is a storage miner already"):
        await register_miner(config, 1)


def hold(client: OneBlockClient, slot: int, fragment_hash: FragmentHash) -> None:
    client.runtime.audit.holdings[ME, U32(slot)] = Holding(
        file_hash=file(slot),
        segment_index=U32(0),
        fragment_index=U8(0),
        fragment_hash=fragment_hash,
        since=BlockNumber(1),
        removed=None,
    )


def store(config: MinerConfig) -> Path:
    with Volume(config.data_dir, config.space) as volume:
        upload = volume.begin(HASH, len(DATA))
        upload.write([DATA])
        upload.finish()
        return volume.layout.fragment(HASH)


@pytest.mark.trio
async def test_repair_finds_nothing_wrong_with_a_sound_volume(
    client: OneBlockClient, config: MinerConfig
) -> None:
    store(config)
    hold(client, 0, HASH)
    found = await repair_volume(config, report_losses=True)
    assert (found["fragments_held"], found["fragments_damaged"], found["fragments_lost"]) == (
        1,
        [],
        [],
    )
    assert client.submitted == []


@pytest.mark.trio
@pytest.mark.parametrize("report_losses", [False, True])
async def test_repair_removes_rot_and_reports_it_only_when_asked(
    client: OneBlockClient, config: MinerConfig, report_losses: bool
) -> None:
    path = store(config)
    path.write_bytes(b"rot" + DATA[3:])
    hold(client, 0, HASH)
    found = await repair_volume(config, report_losses=report_losses)
    name = "0x" + HASH.hex()
    assert found["fragments_damaged"] == found["fragments_lost"] == [name]
    assert found["fragments_reported"] == ([name] if report_losses else [])
    assert len(client.submitted) == int(report_losses)
    assert not path.exists()


@pytest.mark.trio
async def test_repair_names_missing_plots(client: OneBlockClient, config: MinerConfig) -> None:
    client.runtime.sminer.miner_items[ME] = info(rear=2)
    assert (await repair_volume(config, report_losses=False))["plots_damaged"] == [0, 1]


@pytest.mark.trio
async def test_repair_waits_for_nobody_who_uses_the_directory(
    client: OneBlockClient, config: MinerConfig
) -> None:
    with Volume(config.data_dir, config.space), pytest.raises(DirectoryInUse):
        await repair_volume(config, report_losses=False)


@pytest.fixture
def two(tmp_path: Path) -> MinerConfig:
    """A miner with two volumes, of which one is gone."""
    plans = tuple(VolumePlan(tmp_path / name, 64 << 20) for name in "ab")
    open_volumes(plans, 1).close()
    shutil.rmtree(tmp_path / "b")
    return MinerConfig(
        rpc=("ws://127.0.0.1:9",),
        data_dir=tmp_path / "a",
        space=128 << 20,
        suri="//Miner1",
        volumes=plans,
    )


def test_volumes_that_are_away_are_listed_and_given_up_only_once(two: MinerConfig) -> None:
    gone = str(two.volumes[1].path)
    listed = list_volumes(two)
    assert list(listed["volumes"]) == [str(two.volumes[0].path)]
    assert listed["away"][gone]["is_given_up"] is False
    assert forget_volumes(two)["away"][gone]["is_given_up"] is True
    with pytest.raises(ConfigInvalid, match="no volume is away"):
        forget_volumes(two)


@pytest.mark.trio
async def test_losses_are_not_reported_while_a_volume_is_waited_for(
    client: OneBlockClient, two: MinerConfig
) -> None:
    hold(client, 0, HASH)
    with pytest.raises(ConfigInvalid, match="is not lost yet"):
        await repair_volume(two, report_losses=True)
    assert client.submitted == []
    forget_volumes(two)
    found = await repair_volume(two, report_losses=True)
    assert found["fragments_reported"] == ["0x" + HASH.hex()]


def test_plotting_is_switched_for_a_stopped_and_for_a_running_daemon(config: MinerConfig) -> None:
    Volume(config.data_dir, config.space).close()
    assert switch_plotting(config, is_paused=True) == {"plotting": "paused"}
    with Volume(config.data_dir, config.space):
        assert switch_plotting(config, is_paused=False) == {"plotting": "on"}
    assert not (config.data_dir / "PLOTS_PAUSED").exists()
