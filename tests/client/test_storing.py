"""Storing from beginning to end: what is asked before anything is spent, and going on."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from client.storing import NoTerritory, Until, store_file
from client.transfer.prepare import load_prepared
from client.vault import unseal_name
from pallets.storage_handler import StorageHandler
from pallets.storage_handler.types import TerritoryInfo, TerritoryState, TerrName
from primitives.scale import U128
from primitives.types import BlockNumber, Hash

pytestmark = pytest.mark.anyio


def lease(network: Any, space: int, state: TerritoryState = TerritoryState.Active) -> None:
    info = TerritoryInfo(
        token=Hash(bytes(32)),
        total_space=U128(space),
        used_space=U128(0),
        locked_space=U128(0),
        remaining_space=U128(space),
        start=BlockNumber(0),
        deadline=BlockNumber(100),
        state=state,
    )
    who = network.owner.account_id
    network.chain.put(StorageHandler.territory, who, TerrName(b"default"), info)


def declare_on_submit(network: Any, spool: Path) -> None:
    def declare(_call: Any) -> None:
        file = next(found for path in spool.iterdir() if (found := load_prepared(path)))
        network.declare(file)

    network.chain.on_submit = declare


async def stored(network: Any, path: Path, spool: Path, **more: Any) -> Any:
    with anyio.fail_after(20):
        return await store_file(
            network.chain,
            network.http(),
            path,
            network.owner,
            territory="default",
            is_public=more.pop("is_public", False),
            spool=spool,
            **more,
        )


async def test_without_a_territory_nothing_is_prepared_or_spent(
    network: Any, source: Path, tmp_path: Path
) -> None:
    with pytest.raises(NoTerritory, match="cess territory mint --name default"):
        await stored(network, source, tmp_path / "spool")
    assert network.chain.submitted == []
    assert not (tmp_path / "spool").exists()


@pytest.mark.parametrize(
    ("space", "state", "words"),
    [
        (4096, TerritoryState.Active, "territory expand --name default --size"),
        (1 << 30, TerritoryState.Frozen, "territory renew --name default"),
    ],
)
async def test_a_territory_that_cannot_take_the_file_is_told_how_to(
    network: Any, source: Path, tmp_path: Path, space: int, state: TerritoryState, words: str
) -> None:
    lease(network, space, state)
    with pytest.raises(NoTerritory, match=words):
        await stored(network, source, tmp_path / "spool")
    assert network.chain.submitted == []


async def test_a_stored_file_leaves_no_spool_and_shows_no_name(
    network: Any, source: Path, tmp_path: Path, key: Any
) -> None:
    lease(network, 1 << 30)
    declare_on_submit(network, tmp_path / "spool")
    stages: set[str] = set()
    receipt = await stored(
        network,
        source,
        tmp_path / "spool",
        until=Until.FINALIZED,
        report=lambda stage, _done, _total: stages.add(stage),
    )
    assert list((tmp_path / "spool").iterdir()) == []
    assert stages == {"preparing", "placing"}
    brief = network.chain.submitted[0].arguments["user_brief"]
    sealed = bytes.fromhex(brief["file_name"][2:])
    assert b"work" not in sealed
    assert unseal_name(key, receipt.prepared.fid, sealed) == "work.bin"


async def test_an_interrupted_upload_goes_on_without_a_second_declaration(
    network: Any, source: Path, tmp_path: Path
) -> None:
    lease(network, 1 << 30)
    declare_on_submit(network, tmp_path / "spool")

    async def stop(_request: Any) -> None:
        await anyio.sleep_forever()

    network.twist = dict.fromkeys(range(20), stop)
    with anyio.move_on_after(0.6):
        await stored(network, source, tmp_path / "spool")
    network.twist = {}
    receipt = await stored(network, source, tmp_path / "spool")
    assert len(network.chain.submitted) == 1
    assert receipt.declared_in is None
