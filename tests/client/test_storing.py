"""Storing from beginning to end: what is asked before anything is spent, and going on."""

import os
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import pytest

from client.chain import CallFailed
from client.storing import AlreadyStoring, NoTerritory, Until, forget_upload, store_file
from client.transfer.prepare import load_prepared
from client.vault import unseal_name
from pallets.file_bank import FileBank
from pallets.storage_handler import StorageHandler
from pallets.storage_handler.types import TerritoryInfo, TerritoryState, TerrName
from primitives.crypto.keys import KeyPair
from primitives.scale import U128
from primitives.types import BlockNumber, FileHash, Hash

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
    with anyio.fail_after(120):
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

    with anyio.CancelScope() as upload:

        async def stop(_request: Any) -> None:
            upload.cancel()
            await anyio.sleep_forever()

        network.twist = dict.fromkeys(range(20), stop)
        await stored(network, source, tmp_path / "spool")
    assert upload.cancelled_caught
    network.twist = {}
    receipt = await stored(network, source, tmp_path / "spool")
    assert len(network.chain.submitted) == 1
    assert receipt.declared_in is None


def copy_declarations(network: Any, spool: Path, times: int) -> None:
    """Somebody sees our declarations on their way and has theirs executed first, ``times``."""
    left = times

    def declare(_call: Any) -> None:
        nonlocal left
        file = next(found for path in spool.iterdir() if (found := load_prepared(path)))
        if left == 0:
            network.declare(file)
            return
        left -= 1
        owner, network.owner = network.owner, KeyPair.from_suri("//Mallory")
        network.declare(file)
        network.owner = owner
        raise CallFailed("FileBank", "Existed", "open already")

    network.chain.on_submit = declare


async def test_a_file_whose_declaration_was_copied_is_sealed_anew(
    network: Any, source: Path, tmp_path: Path
) -> None:
    lease(network, 1 << 30)
    copy_declarations(network, tmp_path / "spool", 2)
    with anyio.move_on_after(60):
        await stored(network, source, tmp_path / "spool", until=Until.STORED)
    hashes = [call.arguments["file_hash"] for call in network.chain.submitted]
    assert len(set(hashes)) == 3
    owner = network.owner.account_id
    deals = [
        value for entry, _, value in network.chain.state.values() if entry is FileBank.deal_map
    ]
    assert [deal.user.user for deal in deals].count(owner) == 1


async def test_a_copier_who_is_always_first_is_told_of(
    network: Any, source: Path, tmp_path: Path
) -> None:
    lease(network, 1 << 30)
    copy_declarations(network, tmp_path / "spool", 99)
    with pytest.raises(AlreadyStoring, match="--rpc"):
        await stored(network, source, tmp_path / "spool")
    assert len(network.chain.submitted) == 3
    assert network.log == []


async def test_a_public_file_that_others_store_just_now_is_waited_for(
    network: Any, source: Path, tmp_path: Path
) -> None:
    lease(network, 1 << 30)
    copy_declarations(network, tmp_path / "spool", 1)
    for _ in range(2):  # the second time it is seen before anything is spent
        with pytest.raises(AlreadyStoring, match="public"):
            await stored(network, source, tmp_path / "spool", is_public=True)
    assert len(network.chain.submitted) == 1


async def test_other_failures_of_a_declaration_are_told_as_they_are(
    network: Any, source: Path, tmp_path: Path
) -> None:
    lease(network, 1 << 30)

    def fail(_call: Any) -> None:
        raise CallFailed("FileBank", "MinerPowerInsufficient", "too few miners")

    network.chain.on_submit = fail
    with pytest.raises(CallFailed, match="MinerPowerInsufficient"):
        await stored(network, source, tmp_path / "spool")
    assert len(network.chain.submitted) == 1


async def test_a_file_changed_behind_its_size_and_time_is_not_taken_for_the_old_one(
    network: Any, source: Path, tmp_path: Path, key: Any
) -> None:
    lease(network, 1 << 30)

    def fail(_call: Any) -> None:
        raise CallFailed("FileBank", "MinerPowerInsufficient", "too few miners")

    network.chain.on_submit = fail
    before = source.stat()
    spools = []
    for data in (b"a", b"b"):
        source.write_bytes(data * before.st_size)
        os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises(CallFailed):
            await stored(network, source, tmp_path / "spool")
        spools.append(len(list((tmp_path / "spool").iterdir())))
    assert spools == [1, 2]


async def test_two_uploads_of_one_file_at_a_time_do_not_spoil_each_other(
    network: Any, source: Path, tmp_path: Path
) -> None:
    lease(network, 1 << 30)
    refused: list[Exception] = []

    def second(_stage: str, _done: int, _total: int) -> None:
        if not refused:
            try:
                anyio.from_thread.run(lambda: stored(network, source, tmp_path / "spool"))
            except AlreadyStoring as failure:
                refused.append(failure)

    declare_on_submit(network, tmp_path / "spool")
    network.report = lambda *_: None
    await stored(network, source, tmp_path / "spool", report=second, until=Until.STORED)
    assert "another `cess put`" in str(refused[0])
    assert len(network.chain.submitted) == 1


async def test_preparing_stops_when_it_is_cancelled(
    network: Any, source: Path, tmp_path: Path
) -> None:
    lease(network, 1 << 30)
    told: list[int] = []
    with anyio.CancelScope() as scope:

        def report(_stage: str, done: int, _total: int) -> None:
            told.append(done)
            anyio.from_thread.run_sync(scope.cancel)

        await stored(network, source, tmp_path / "spool", report=report)
    assert len(told) == 1
    assert list((tmp_path / "spool").iterdir()) == []
    assert network.chain.submitted == []


async def test_an_upload_that_was_given_up_leaves_nothing_on_this_machine(
    network: Any, source: Path, tmp_path: Path
) -> None:
    lease(network, 1 << 30)
    declare_on_submit(network, tmp_path / "spool")
    network.report = lambda *_: None
    receipt = await stored(network, source, tmp_path / "spool", until=Until.STORED)
    forget_upload(FileHash(bytes(32)), tmp_path / "spool")
    assert len(list((tmp_path / "spool").iterdir())) == 1
    forget_upload(receipt.prepared.fid, tmp_path / "spool")
    assert list((tmp_path / "spool").iterdir()) == []
    forget_upload(receipt.prepared.fid, tmp_path / "none")
