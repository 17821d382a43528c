"""What people are shown of files, miners and territories: the contract of `--json`."""

from typing import Any

import pytest

from client.overview import file_document, files_document, network_document
from client.transfer.fetch import FileUnknown
from client.vault import seal_name
from pallets.audit import Audit
from pallets.audit.types import AuditRecord
from pallets.file_bank import FileBank
from pallets.file_bank.types import FileName, TerrName, UserFileSliceInfo
from primitives.crypto.ss58 import ss58_encode
from primitives.scale import U32, U128
from primitives.types import BlockNumber, FileHash

pytestmark = pytest.mark.anyio


async def test_a_file_shows_every_fragment_and_its_holder(network: Any, public_file: Any) -> None:
    network.store(public_file)
    first = network.chain.state[FileBank.file_segments.key(public_file.fid, U32(0))][2]
    holder = first.fragment_list[0].miner
    record = AuditRecord(round=U32(3), passed=U32(2), faults=U32(1), last_audit=BlockNumber(77))
    network.chain.put(Audit.audit_record, holder, record)
    document = await file_document(network.chain, public_file.fid)
    assert (document["state"], document["size"]) == ("active", public_file.size)
    assert document["owner"] == ss58_encode(network.owner.account_id)
    assert len(document["segments"]) == 3
    shown = document["segments"][0]["fragments"][0]
    assert shown == {
        "index": 0,
        "hash": f"0x{public_file.segments[0].fragments[0].hex()}",
        "miner": ss58_encode(holder),
        "endpoint": "http://m0",
        "state": "held",
        "last_audit": 77,
    }
    assert document["segments"][0]["fragments"][1]["last_audit"] is None


async def test_a_deal_shows_who_is_awaited(network: Any, small_file: Any) -> None:
    network.declare(small_file, first=None)
    undrawn = await file_document(network.chain, small_file.fid)
    assert undrawn["state"] == "placing"
    assert {item["state"] for item in undrawn["segments"][0]["fragments"]} == {"undrawn"}
    assert {item["miner"] for item in undrawn["segments"][0]["fragments"]} == {None}
    network.declare(small_file)
    drawn = await file_document(network.chain, small_file.fid)
    assert {item["state"] for item in drawn["segments"][0]["fragments"]} == {"assigned"}


async def test_an_unknown_file_says_so(network: Any) -> None:
    with pytest.raises(FileUnknown):
        await file_document(network.chain, FileHash(bytes(32)))


async def test_names_are_read_by_their_owner_alone(network: Any, small_file: Any, key: Any) -> None:
    fid, who = small_file.fid, network.owner.account_id
    held = UserFileSliceInfo(
        territory_name=TerrName(b"default"),
        file_size=U128(5),
        file_name=FileName(seal_name(key, fid, "diary.txt")),
    )
    network.chain.put(FileBank.user_hold_file_list, who, fid, held)
    assert [item["name"] for item in await files_document(network.chain, who, key)] == ["diary.txt"]
    (stranger,) = await files_document(network.chain, who)
    assert "diary" not in stranger["name"]


async def test_open_deals_are_listed_with_their_owners_files(network: Any, small_file: Any) -> None:
    network.declare(small_file)
    (mine,) = await files_document(network.chain, network.owner.account_id)
    assert mine["state"] == "placing"
    assert await files_document(network.chain, network.info("http://x").beneficiary) == []


async def test_the_network_lists_every_miner(network: Any) -> None:
    document = await network_document(network.chain)
    assert document["best"] == document["finalized"] == 1
    assert len(document["miners"]) == 20
    fields = {"account", "state", "declared", "idle", "service", "locked", "faults", "last_audit"}
    assert fields <= set(document["miners"][0])
