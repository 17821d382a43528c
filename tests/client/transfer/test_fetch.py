"""Reading back: lost, slow and lying holders, ranges, and files that never appear half."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from client.transfer.fetch import (
    FileUnknown,
    SegmentUnavailable,
    fetch_file,
    open_stored,
    read_range,
)
from client.vault.envelope import EnvelopeError, WrongKey
from client.vault.keys import VaultKey
from pallets.file_bank import FileBank
from pallets.file_bank.types import FragmentInfos
from primitives.scale import U32
from primitives.types import FileHash, FragmentHash

pytestmark = pytest.mark.anyio


async def dead(request: httpx.Request) -> httpx.Response | None:
    raise httpx.ConnectError("refused", request=request)


async def stuck(_request: httpx.Request) -> httpx.Response | None:
    await anyio.sleep_forever()
    return None


async def lying(request: httpx.Request) -> httpx.Response | None:
    return httpx.Response(200, content=b"\x00" * 4096)


async def endless(request: httpx.Request) -> httpx.Response | None:
    return httpx.Response(200, content=b"\x00" * (1 << 22))


async def fetched(network: Any, file: Any, target: Path, key: Any) -> Any:
    network.store(file)
    with anyio.fail_after(20):
        stored = await open_stored(network.chain, network.http(hedge_after_s=0.05), file.fid)
        return await fetch_file(stored, target, key=key)


async def test_a_sealed_file_comes_back_with_its_name(
    network: Any, sealed_file: Any, source: Path, tmp_path: Path, key: VaultKey
) -> None:
    found = await fetched(network, sealed_file, tmp_path / "out", key)
    assert (tmp_path / "out").read_bytes() == source.read_bytes()
    assert (found.name, found.size, found.is_sealed) == ("work.bin", source.stat().st_size, True)


async def test_an_open_file_needs_no_key(
    network: Any, public_file: Any, source: Path, tmp_path: Path
) -> None:
    found = await fetched(network, public_file, tmp_path / "out", None)
    assert (tmp_path / "out").read_bytes() == source.read_bytes()
    assert not found.is_sealed


async def test_whole_holders_are_asked_for_data_and_nothing_else(
    network: Any, public_file: Any, tmp_path: Path
) -> None:
    await fetched(network, public_file, tmp_path / "out", None)
    assert {number for _, number, _ in network.log} == {0, 1, 2, 3}


@pytest.mark.parametrize("trouble", [dead, stuck, lying, endless])
async def test_any_eight_bad_holders_do_not_stop_it(
    network: Any, sealed_file: Any, source: Path, tmp_path: Path, key: VaultKey, trouble: Any
) -> None:
    network.twist = dict.fromkeys(range(8), trouble)
    await fetched(network, sealed_file, tmp_path / "out", key)
    assert (tmp_path / "out").read_bytes() == source.read_bytes()


async def test_nine_lost_holders_are_told_and_nothing_is_written(
    network: Any, public_file: Any, tmp_path: Path
) -> None:
    network.twist = dict.fromkeys(range(9), dead)
    target = tmp_path / "out"
    target.write_bytes(b"what was there before")
    with pytest.raises(SegmentUnavailable, match="no holder is left"):
        await fetched(network, public_file, target, None)
    assert target.read_bytes() == b"what was there before"
    assert list(tmp_path.glob(".out*")) == []


async def test_a_wrong_key_writes_nothing(network: Any, sealed_file: Any, tmp_path: Path) -> None:
    for key in (VaultKey(bytes(32)), None):
        with pytest.raises(WrongKey):
            await fetched(network, sealed_file, tmp_path / "out", key)
    assert not (tmp_path / "out").exists()
    assert list(tmp_path.glob(".out*")) == []


@pytest.mark.parametrize(("start", "end"), [(0, 1), (0, 0), (4000, 4200), (16_000, 33_000)])
async def test_a_range_of_a_sealed_file_is_read(
    network: Any, sealed_file: Any, source: Path, key: VaultKey, start: int, end: int
) -> None:
    network.store(sealed_file)
    stored = await open_stored(network.chain, network.http(), sealed_file.fid)
    assert await read_range(stored, key, start, end) == source.read_bytes()[start:end]


async def test_a_range_fetches_only_the_fragments_it_touches(
    network: Any, public_file: Any, source: Path
) -> None:
    network.store(public_file)
    stored = await open_stored(network.chain, network.http(), public_file.fid)
    assert await stored.read(5000, 5010) == source.read_bytes()[5000:5010]
    assert [number for _, number, _ in network.log] == [1]
    network.twist[1] = dead
    network.log.clear()
    assert await stored.read(5000, 5010) == source.read_bytes()[5000:5010]
    assert len(network.log) == 5  # the lost one, and any four others rebuild it


async def test_ranges_outside_the_file_are_refused(
    network: Any, public_file: Any, sealed_file: Any, key: VaultKey
) -> None:
    network.store(public_file)
    network.store(sealed_file)
    stored = await open_stored(network.chain, network.http(), public_file.fid)
    for start, end in ((-1, 5), (5, 4), (0, stored.size + 1)):
        with pytest.raises(ValueError):
            await stored.read(start, end)
    sealed = await open_stored(network.chain, network.http(), sealed_file.fid)
    with pytest.raises(ValueError):
        await read_range(sealed, key, 0, sealed.size)


async def test_what_the_chain_does_not_have_says_so(network: Any, small_file: Any) -> None:
    with pytest.raises(FileUnknown, match="cess ls"):
        await open_stored(network.chain, network.http(), FileHash(bytes(32)))
    network.declare(small_file)
    with pytest.raises(FileUnknown, match="not active yet"):
        await open_stored(network.chain, network.http(), small_file.fid)


async def test_a_holders_range_trick_cannot_smuggle_bytes_into_a_sealed_file(
    network: Any, sealed_file: Any, tmp_path: Path, key: VaultKey
) -> None:
    """All holders collude on other bytes, and the chain is forged to have their hashes."""
    network.store(sealed_file)
    entry = network.chain.state[FileBank.file_segments.key(sealed_file.fid, U32(1))][2]
    forged = []
    for position, item in enumerate(entry.fragment_list):
        data = bytearray(network.held[position][item.hash.hex()])
        data[100] ^= 1
        digest = FragmentHash(hashlib.sha256(data).digest())
        network.held[position][digest.hex()] = bytes(data)
        forged.append(replace(item, hash=digest))
    changed = replace(entry, fragment_list=FragmentInfos(forged))
    network.chain.put(FileBank.file_segments, sealed_file.fid, U32(1), changed)
    stored = await open_stored(network.chain, network.http(), sealed_file.fid)
    with pytest.raises(EnvelopeError):
        await fetch_file(stored, tmp_path / "out", key=key)
    assert not (tmp_path / "out").exists()
