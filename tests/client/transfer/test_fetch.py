"""Reading back: lost, slow and lying holders, ranges, and files that never appear half."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from client.transfer.fetch import (
    FileForged,
    FileUnknown,
    SegmentInconsistent,
    SegmentUnavailable,
    fetch_file,
    fetch_range,
    open_stored,
    read_range,
)
from client.vault.envelope import WrongKey
from client.vault.keys import VaultKey
from pallets.file_bank import FileBank
from pallets.file_bank.types import FragmentInfos
from primitives.errors import CessError
from primitives.scale import U32
from primitives.types import FileHash, FragmentHash
from proofs.erasure.segments import file_id

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
    with anyio.fail_after(120):
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
    assert list(tmp_path.glob(".*")) == []


async def test_a_wrong_key_writes_nothing(network: Any, sealed_file: Any, tmp_path: Path) -> None:
    for key in (VaultKey(bytes(32)), None):
        with pytest.raises(WrongKey):
            await fetched(network, sealed_file, tmp_path / "out", key)
    assert not (tmp_path / "out").exists()
    assert list(tmp_path.glob(".*")) == []


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


def forge(network: Any, file: Any, index: int) -> None:
    """All holders collude on other bytes of a segment, and the node says that they are right."""
    entry = network.chain.state[FileBank.file_segments.key(file.fid, U32(index))][2]
    forged = []
    for position, item in enumerate(entry.fragment_list):
        data = bytearray(network.held[position][item.hash.hex()])
        data[100] ^= 1
        digest = FragmentHash(hashlib.sha256(data).digest())
        network.held[position][digest.hex()] = bytes(data)
        forged.append(replace(item, hash=digest))
    changed = replace(entry, fragment_list=FragmentInfos(forged))
    network.chain.put(FileBank.file_segments, file.fid, U32(index), changed)


async def test_a_node_and_all_holders_cannot_put_other_bytes_into_a_file(
    network: Any, public_file: Any, tmp_path: Path
) -> None:
    network.store(public_file)
    late = await open_stored(network.chain, network.http(), public_file.fid)
    forge(network, public_file, 1)
    with pytest.raises(FileForged, match="--rpc"):
        await open_stored(network.chain, network.http(), public_file.fid)
    with pytest.raises(FileForged):
        await fetch_file(late, tmp_path / "out", key=None)
    assert list(tmp_path.glob("out")) == []


async def test_a_node_cannot_answer_with_another_file_of_the_same_owner(
    network: Any, public_file: Any, small_file: Any
) -> None:
    network.store(public_file)
    network.store(small_file)
    for entry, keys in ((FileBank.file, ()), (FileBank.file_segments, (U32(0),))):
        other = network.chain.state[entry.key(small_file.fid, *keys)][2]
        network.chain.put(entry, public_file.fid, *keys, other)
    for index in (1, 2):
        network.chain.put(FileBank.file_segments, public_file.fid, U32(index), None)
    with pytest.raises(FileForged):
        await open_stored(network.chain, network.http(), public_file.fid)


async def test_a_file_whose_parity_does_not_belong_to_its_data_is_never_read_in_two_ways(
    network: Any, source: Path, tmp_path: Path, public_file: Any
) -> None:
    """Its owner declared fragments of two segments as one: which holders answer would decide."""
    first, second = public_file.segments[:2]
    mixed = replace(first, fragments=first.fragments[:4] + second.fragments[4:])
    segments = (mixed, *public_file.segments[1:])
    fid = file_id(public_file.size, [(item.hash, item.fragments) for item in segments])
    file = replace(public_file, fid=fid, segments=segments)
    await fetched(network, file, tmp_path / "out", None)
    assert (tmp_path / "out").read_bytes() == source.read_bytes()
    network.twist = dict.fromkeys(range(3), dead)
    with pytest.raises(SegmentInconsistent):
        await fetched(network, file, tmp_path / "again", None)
    assert not (tmp_path / "again").exists()


async def test_a_range_never_writes_sealed_bytes_as_if_they_were_the_file(
    network: Any, sealed_file: Any, public_file: Any, source: Path, tmp_path: Path, key: VaultKey
) -> None:
    target = tmp_path / "part"
    for file, with_key in ((sealed_file, key), (public_file, key), (public_file, None)):
        network.store(file)
        stored = await open_stored(network.chain, network.http(), file.fid)
        found = await fetch_range(stored, target, key=with_key, start=10, end=40_000)
        assert target.read_bytes() == source.read_bytes()[10:]
        assert found.size == target.stat().st_size
        target.unlink()
    stored = await open_stored(network.chain, network.http(), sealed_file.fid)
    with pytest.raises(WrongKey, match="--keyfile"):
        await fetch_range(stored, target, key=None, start=0, end=10)
    with pytest.raises(CessError, match="outside"):
        await fetch_range(stored, target, key=key, start=40_000, end=40_001)
    assert not target.exists()


async def test_what_is_missing_is_counted_when_the_chain_knows_that_it_is_lost(
    network: Any, public_file: Any, tmp_path: Path
) -> None:
    network.store(public_file)
    entry = network.chain.state[FileBank.file_segments.key(public_file.fid, U32(2))][2]
    lost = [replace(item, avail=position > 8) for position, item in enumerate(entry.fragment_list)]
    changed = replace(entry, fragment_list=FragmentInfos(lost))
    network.chain.put(FileBank.file_segments, public_file.fid, U32(2), changed)
    stored = await open_stored(network.chain, network.http(), public_file.fid)
    with pytest.raises(SegmentUnavailable, match=r"segment 2 .*9 fragments are lost"):
        await fetch_file(stored, tmp_path / "out", key=None)
